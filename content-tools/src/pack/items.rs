//! Which files form an item, and what each file is for.
//!
//! What must stay true: every file belongs to exactly one item; keys are names of top-level folders or files, so they stay
//! the same when content changes; items and their files come in natural order.

use super::description::{Description, FILE_NAME};
use super::error::PackError;
use super::media;
use super::natural;
use super::walk::{SourceFile, skip_reason};
use crate::package::Film;
use karez_protocol::content::manifest::Role;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files after which memory of the list they come from is given back: 3 MB.
const SHRINK_EVERY: usize = 1 << 16;

/// An item to pack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceItem {
    pub(super) key: String,
    pub(super) title: String,
    pub(super) files: Vec<ItemFile>,
    /// Goes into the item's `ext` on every page.
    pub(super) ext: Vec<(String, String)>,
}

/// A file with its place in an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ItemFile {
    pub(super) source: SourceFile,
    pub(super) role: Role,
    /// Goes into the item's `ext` on the pages that list the file.
    pub(super) film: Option<Box<Film>>,
}

impl ItemFile {
    /// The language of a subtitle, from its name.
    pub(super) fn language(&self) -> Option<&str> {
        let stem = stem(self.source.path.file_name());
        let tag = stem.rsplit_once('.').map(|(_, tag)| tag).filter(|tag| is_language(tag));
        tag.filter(|_| self.role == Role::Subtitle)
    }

    /// The file's facts as a name and a value for the item's `ext`.
    pub(super) fn fact(&self) -> Option<(String, String)> {
        let film = self.film.as_ref()?;
        Some((format!("film:{}", self.source.path), film.to_words()))
    }
}

/// Groups files into items and gives them their titles.
pub(super) fn group(
    mut files: Vec<SourceFile>,
    description: &Description,
    dir: &Path,
) -> Result<Vec<SourceItem>, PackError> {
    let recordings = top_level_recordings(&files);
    let mut items: Vec<SourceItem> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    files.reverse();
    while let Some(source) = files.pop() {
        // Of a million files no two lists are held: this one goes as the items grow.
        if files.len().is_multiple_of(SHRINK_EVERY) {
            files.shrink_to_fit();
        }
        let key = item_key(source.path.as_str(), &recordings);
        let title = default_title(&key, source.path.as_str());
        let at = *places.entry(key.clone()).or_insert_with(|| {
            items.push(SourceItem { key, title, files: Vec::new(), ext: Vec::new() });
            items.len() - 1
        });
        // Within an item, files keep the natural order in which the walk found them.
        items[at].files.push(ItemFile { source, role: Role::Attachment, film: None });
    }
    items.sort_by(|a, b| natural::compare(&a.key, &b.key));
    items.iter_mut().for_each(assign_roles);
    apply_titles(&mut items, description, dir)?;
    Ok(items)
}

/// Recordings outside folders, by stem; of two with one stem the first in natural order takes the side-cars.
fn top_level_recordings(files: &[SourceFile]) -> BTreeMap<String, String> {
    let mut recordings = BTreeMap::new();
    let top = files.iter().map(|file| file.path.as_str()).filter(|path| !path.contains('/'));
    for path in top.filter(|path| media::is_recording(path)) {
        recordings.entry(stem(path).to_owned()).or_insert_with(|| path.to_owned());
    }
    recordings
}

/// Key of the item a path belongs to: its top-level folder, the recording it goes with, or its own name.
fn item_key(path: &str, recordings: &BTreeMap<String, String>) -> String {
    if let Some((folder, _)) = path.split_once('/') {
        return folder.to_owned();
    }
    let companion = is_subtitle(path) || (media::is_picture(path) && !is_cover(path));
    let recording = companion.then(|| {
        let without_language = stem(path).rsplit_once('.').filter(|(_, tag)| is_language(tag)).map(|(stem, _)| stem);
        recordings.get(stem(path)).or_else(|| recordings.get(without_language?))
    });
    recording.flatten().map_or(path, String::as_str).to_owned()
}

fn default_title(key: &str, path: &str) -> String {
    if path.contains('/') { key.to_owned() } else { stem(key).to_owned() }
}

fn assign_roles(item: &mut SourceItem) {
    let recorded = item.files.iter().any(|file| media::is_recording(file.source.path.file_name()));
    for file in &mut item.files {
        file.role = role(file.source.path.file_name(), recorded);
    }
}

/// In an item with a recording, that is the main file; in others (books, studies) the documents are.
fn role(name: &str, recorded: bool) -> Role {
    match name {
        FILE_NAME => Role::Attachment,
        _ if is_cover(name) => Role::Cover,
        _ if is_subtitle(name) => Role::Subtitle,
        _ if media::is_recording(name) => Role::Main,
        _ if recorded && media::is_picture(name) => Role::Cover,
        _ if recorded => Role::Attachment,
        _ => Role::Main,
    }
}

fn no_item(dir: &Path, key: &str) -> PackError {
    let (path, key) = (dir.join(FILE_NAME), key.to_owned());
    let there = fs::symlink_metadata(dir.join(&key)).ok().filter(|_| !key.contains('/'));
    match there.and_then(|metadata| skip_reason(metadata.file_type(), &key)) {
        Some(reason) => PackError::ItemLeftOut { path, key, reason },
        None => PackError::UnknownItem { path, key },
    }
}

fn apply_titles(items: &mut [SourceItem], description: &Description, dir: &Path) -> Result<(), PackError> {
    for (key, described) in &description.items {
        let item = items.iter_mut().find(|item| item.key == *key || stem(&item.key) == key);
        let item = item.ok_or_else(|| no_item(dir, key))?;
        if let Some(title) = &described.title {
            item.title.clone_from(title);
        }
    }
    Ok(())
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty()).unwrap_or(name)
}

fn is_subtitle(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with(".vtt") || lower.ends_with(".srt")
}

fn is_cover(name: &str) -> bool {
    stem(name).eq_ignore_ascii_case("cover") && media::is_picture(name)
}

/// Whether a text looks like a BCP-47 tag: `zh`, `zh-Hans`, `bo-CN`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let primary =
        parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    primary && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::walk::Place;
    use std::sync::Arc;

    fn source(path: &str) -> SourceFile {
        SourceFile { place: Arc::new(Place::At(path.into())), path: path.parse().unwrap(), size: 1 }
    }

    fn check(paths: &[&str], expected: &[&str]) {
        let files = paths.iter().map(|path| source(path)).collect();
        let items = group(files, &Description::default(), Path::new("x")).unwrap();
        let shown: Vec<String> = items
            .iter()
            .map(|item| {
                let file = |file: &ItemFile| {
                    let language = file.language().map(|l| format!("@{l}")).unwrap_or_default();
                    format!("{}={}{language}", file.source.path, file.role.name())
                };
                format!("{}|{}: {}", item.key, item.title, item.files.iter().map(file).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn folders_are_items_in_natural_order() {
        check(
            &["第10课/v.mp4", "第2课/v.mp4", "第2课/v.zh-Hans.vtt", "第2课/讲义.pdf", "第2课/cover.jpg", "书/b.pdf"],
            &[
                "书|书: 书/b.pdf=main",
                "第2课|第2课: 第2课/v.mp4=main 第2课/v.zh-Hans.vtt=subtitle@zh-Hans 第2课/讲义.pdf=attachment 第2课/cover.jpg=cover",
                "第10课|第10课: 第10课/v.mp4=main",
            ],
        );
    }

    #[test]
    fn side_cars_go_with_their_recording() {
        check(
            &[
                "a.mp4",
                "a.vtt",
                "a.zh.vtt",
                "a.2.mp4",
                "a.2.bo.srt",
                "ab.vtt",
                "a.jpg",
                "cover.png",
                "collection.toml",
                "n.pdf",
            ],
            &[
                "a.2.mp4|a.2: a.2.mp4=main a.2.bo.srt=subtitle@bo",
                "a.mp4|a: a.mp4=main a.vtt=subtitle a.zh.vtt=subtitle@zh a.jpg=cover",
                "ab.vtt|ab: ab.vtt=subtitle",
                "collection.toml|collection: collection.toml=attachment",
                "cover.png|cover: cover.png=cover",
                "n.pdf|n: n.pdf=main",
            ],
        );
    }

    #[test]
    fn titles_come_from_the_description_and_must_have_an_item() {
        let titled = |text: &str| group(vec![source("a.mp4")], &toml::from_str(text).unwrap(), Path::new("x"));
        assert_eq!(titled("items.'a.mp4'.title = '一'").unwrap()[0].title, "一");
        assert_eq!(titled("items.a.title = '一'").unwrap()[0].title, "一");
        assert!(matches!(titled("items.b.title = '一'"), Err(PackError::UnknownItem { key, .. }) if key == "b"));
    }
}
