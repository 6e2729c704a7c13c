//! What `show` tells of a collection: built off the loop, page by page.
//!
//! What must stay true: memory does not grow with the number of files: a view lists so many and counts the rest. The
//! figures are of all of them.

use crate::handle::view::{CollectionView, FileView, ItemView, SearchRow};
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::{File, Pages};
use karez_content_tools::quote::{self, Bound, Wire};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::name::CollectionName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Files listed, and items: 10 MB of view. The rest is counted.
const LISTED_MAX: usize = 20_000;

/// What of a transfer a view is made from.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) collection: CollectionName,
    pub(super) version: u64,
    pub(super) row: SearchRow,
    pub(super) following: bool,
    pub(super) gateway: Option<String>,
    pub(super) pages: Arc<Pages<'static>>,
    /// What is here; `None` when everything is.
    pub(super) have: Option<ChunkSet>,
}

/// What items say of themselves, of as many as are listed.
#[derive(Debug, Default)]
struct Remarks {
    /// Places in the course, by item.
    orders: BTreeMap<String, String>,
    /// Facts of films, by path.
    films: BTreeMap<String, String>,
}

impl Look {
    /// The view. Reads every page: blocks.
    pub(super) fn view(self) -> Result<CollectionView, LoadError> {
        let root = self.pages.root();
        let (wire, bound) = match &self.have {
            Some(have) => quote::missing(&self.pages, have)?,
            None => (Wire::default(), Bound::Exact),
        };
        let mut view = CollectionView {
            row: self.row.clone(),
            shown_version: self.version,
            wire_bytes: wire.bytes,
            with_headers_bytes: wire.with_headers(),
            bound: bound.name().into(),
            copy_bytes: root.plain_bytes,
            following: self.following,
            licence: root.metadata.licence.clone(),
            creators: root.metadata.creators.clone(),
            ..CollectionView::default()
        };
        let remarks = self.remarks()?;
        self.list(&remarks, &mut view)?;
        in_course_order(&mut view.items, &remarks.orders);
        Ok(view)
    }

    fn remarks(&self) -> Result<Remarks, LoadError> {
        let mut remarks = Remarks::default();
        for page in 0..self.pages.len() {
            for item in &self.pages.page(page)?.items {
                for (name, words) in &item.ext {
                    let (map, key) = match name.strip_prefix("film:") {
                        Some(path) => (&mut remarks.films, path),
                        None if name == "order" => (&mut remarks.orders, item.key.as_str()),
                        None => continue,
                    };
                    if map.len() < LISTED_MAX {
                        map.insert(key.into(), words.clone());
                    }
                }
            }
        }
        Ok(remarks)
    }

    fn list(&self, remarks: &Remarks, view: &mut CollectionView) -> Result<(), LoadError> {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut listed = 0;
        let mut last_unlisted = None;
        for file in self.pages.files() {
            let file = file?;
            // It travels with the lessons and is none.
            if file.is_description() {
                continue;
            }
            let at = match numbers.get(&file.item) {
                Some(at) => *at,
                None if view.items.len() < LISTED_MAX => {
                    let number = view.items.len() as u64 + 1;
                    let (key, title) = (file.item.clone(), file.title.clone());
                    view.items.push(ItemView { number, key, title, ..ItemView::default() });
                    numbers.insert(file.item.clone(), view.items.len() - 1);
                    view.items.len() - 1
                }
                None => {
                    view.items_more += u64::from(last_unlisted.replace(file.item.clone()) != Some(file.item));
                    continue;
                }
            };
            let item = &mut view.items[at];
            item.bytes += file.head.size;
            item.have_bytes += self.have_bytes(&file)?;
            if listed < LISTED_MAX {
                listed += 1;
                item.files.push(self.file(&file, remarks.films.get(file.head.path.as_str()).map(String::as_str)));
            } else {
                item.files_more += 1;
            }
        }
        Ok(())
    }

    fn have_bytes(&self, file: &File) -> Result<u64, LoadError> {
        let Some(have) = &self.have else { return Ok(file.head.size) };
        let mut bytes = 0;
        for slice in self.pages.slices(file, 0..file.head.size) {
            let slice = slice?;
            bytes += if have.contains(slice.chunk) { u64::from(slice.len) } else { 0 };
        }
        Ok(bytes)
    }

    fn file(&self, file: &File, words: Option<&str>) -> FileView {
        let path = file.head.path.as_str();
        let url = self.gateway.as_ref().map(|base| format!("{base}/c/{}/{}", self.collection, encode(path)));
        FileView {
            path: path.into(),
            role: file.head.role.name().into(),
            media_type: file.head.media_type.clone(),
            bytes: file.head.size,
            url,
            height: film_fact(words, "height").and_then(|lines| u32::try_from(lines).ok()),
            bitrate: film_fact(words, "bitrate"),
        }
    }
}

/// A number among the facts of a film: words `name=value`.
fn film_fact(words: Option<&str>, name: &str) -> Option<u64> {
    let mut pairs = words?.split(' ').filter_map(|word| word.split_once('='));
    pairs.find(|(known, _)| *known == name)?.1.parse().ok()
}

/// Items that have a place in a course come first, in its order; numbers follow what people see.
fn in_course_order(items: &mut [ItemView], orders: &BTreeMap<String, String>) {
    items.sort_by_key(|item| orders.get(&item.key).map_or((1, ""), |order| (0, order.as_str())));
    for (at, item) in items.iter_mut().enumerate() {
        item.number = at as u64 + 1;
    }
}

/// Percent-encodes a path for a URL (RFC 3986), slashes kept.
fn encode(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_keeps_its_order() {
        let item = |key: &str| ItemView { key: key.into(), ..ItemView::default() };
        let mut items = vec![item("a"), item("b"), item("c"), item("d")];
        let orders = [("c", "000001"), ("b", "000002")].map(|(key, order)| (key.into(), order.into()));
        in_course_order(&mut items, &BTreeMap::from(orders));
        let shown: Vec<_> = items.iter().map(|item| (item.number, item.key.as_str())).collect();
        assert_eq!(shown, [(1, "c"), (2, "b"), (3, "a"), (4, "d")]);
    }

    #[test]
    fn urls_are_percent_encoded() {
        assert_eq!(encode("02-坎/a b.mp4"), "02-%E5%9D%8E/a%20b.mp4");
    }
}
