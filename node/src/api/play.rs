//! Which URLs to hand to a player: the lesson itself and its subtitles.

use super::error::{ApiError, RequestError};
use super::event::{PlayItem, PlayView};
use super::item;
use crate::handle::view::{CollectionView, FileView, ItemView};
use karez_protocol::content::manifest::Role;

/// URLs of one item, or of all.
pub(super) fn urls(view: &CollectionView, asked: Option<&str>) -> Result<PlayView, ApiError> {
    let items: Vec<PlayItem> = match asked {
        Some(asked) => playable(item::find(view, asked)?).into_iter().collect(),
        None => view.items.iter().filter_map(playable).collect(),
    };
    let collection = view.row.collection.clone();
    if items.is_empty() {
        return Err(RequestError::NothingToPlay { collection, item: asked.unwrap_or_default().into() }.into());
    }
    if items.iter().all(|item| item.main.url.is_none()) {
        return Err(RequestError::GatewayOff.into());
    }
    Ok(PlayView { collection, version: view.shown_version, items })
}

/// The main file, or else the first that is more than a picture or subtitles: a hand-out can be opened as well.
fn playable(item: &ItemView) -> Option<PlayItem> {
    let has = |role: Role| move |file: &&FileView| file.role == role.name();
    let main = item.files.iter().find(has(Role::Main));
    let other = || {
        item.files
            .iter()
            .find(|file| !has(Role::Cover)(file) && !has(Role::Subtitle)(file) && !has(Role::Rendition)(file))
    };
    Some(PlayItem {
        number: item.number,
        key: item.key.clone(),
        title: item.title.clone(),
        main: main.or_else(other)?.clone(),
        subtitles: item.files.iter().filter(has(Role::Subtitle)).cloned().collect(),
        renditions: item.files.iter().filter(has(Role::Rendition)).cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: u64, roles: &[Role], url: bool) -> ItemView {
        let file = |role: &Role| FileView {
            path: format!("{number}/{}", role.name()),
            role: role.name().into(),
            url: url.then(|| "http://127.0.0.1/".into()),
            ..FileView::default()
        };
        ItemView { number, key: number.to_string(), files: roles.iter().map(file).collect(), ..ItemView::default() }
    }

    #[test]
    fn main_file_with_subtitles_or_else_a_handout() {
        let items = vec![
            item(1, &[Role::Cover, Role::Subtitle, Role::Main, Role::Subtitle], true),
            item(2, &[Role::Cover, Role::Attachment], true),
            item(3, &[Role::Cover], true),
        ];
        let view = CollectionView { items, ..CollectionView::default() };
        let all = urls(&view, None).unwrap();
        let found: Vec<_> = all.items.iter().map(|i| (i.main.path.as_str(), i.subtitles.len())).collect();
        assert_eq!(found, [("1/main", 2), ("2/attachment", 0)]);
        assert!(matches!(
            urls(&view, Some("3")),
            Err(ApiError::Request(RequestError::NothingToPlay { item, .. })) if item == "3"
        ));
    }

    #[test]
    fn without_a_gateway_there_are_no_urls() {
        let view = CollectionView { items: vec![item(1, &[Role::Main], false)], ..CollectionView::default() };
        assert_eq!(urls(&view, Some("1")), Err(RequestError::GatewayOff.into()));
    }
}
