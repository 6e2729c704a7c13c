//! Which films get renditions, and where these stand among the files of an item.
//!
//! What must stay true: only main films that are higher than a rendition get it; a file of the user is never shadowed; the
//! files of an item stay in natural order.

use super::items::{ItemFile, SourceItem};
use super::natural;
use super::walk::{Place, SourceFile};
use super::{PackError, PackOptions, Progress, media};
use crate::package;
use crate::rendition::{self, FfmpegError, Height, Studio};
use karez_protocol::content::manifest::Role;
use karez_protocol::content::path::{ContentPath, PathError};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A rendition to make.
struct Wanted {
    item: usize,
    film: usize,
    height: Height,
    path: ContentPath,
}

/// The encoder, when renditions are asked for: a missing one must show before anything else is done.
pub(super) fn studio(options: &PackOptions, store: &Path) -> Result<Option<Studio>, FfmpegError> {
    if options.renditions.is_empty() { Ok(None) } else { Studio::open(store).map(Some) }
}

/// Makes what is asked for and adds it to the items. Returns how many there are.
pub(super) fn add(
    items: &mut [SourceItem],
    options: &PackOptions,
    studio: &Studio,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, PackError> {
    let wanted = wanted(items, options, studio)?;
    let duration = |wanted: &Wanted, items: &[SourceItem]| {
        items[wanted.item].files[wanted.film].film.as_ref().map_or(0, |film| film.duration_ms)
    };
    let mut shown = Progress {
        files_total: wanted.len() as u64,
        bytes_total: wanted.iter().map(|wanted| duration(wanted, items)).sum(),
        ..Progress::default()
    };
    let mut made = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        shown.rendering = Some(wanted.height);
        let before = shown;
        progress(shown);
        let film = items[wanted.item].files[wanted.film].source.on_disk();
        // Programs elsewhere must find it, whatever folder this process works in.
        let film = film.canonicalize().map_err(|source| PackError::Unreadable { path: film, source })?;
        let on_disk = studio.rendition(&film, wanted.height, &mut |done_ms| {
            progress(Progress { bytes_done: before.bytes_done + done_ms, ..before });
        })?;
        shown.bytes_done += duration(&wanted, items);
        shown.files_done += 1;
        made.push((wanted.item, file(on_disk, wanted.path)?));
    }
    let count = made.len() as u64;
    for (item, file) in made {
        let files = &mut items[item].files;
        let at = files.partition_point(|known| precedes(&known.source.path, &file.source.path));
        files.insert(at, file);
    }
    Ok(count)
}

fn precedes(a: &ContentPath, b: &ContentPath) -> bool {
    natural::compare_paths(a.as_str(), b.as_str()).is_lt()
}

fn wanted(items: &[SourceItem], options: &PackOptions, studio: &Studio) -> Result<Vec<Wanted>, PackError> {
    let taken: BTreeSet<&str> =
        items.iter().flat_map(|item| &item.files).map(|file| file.source.path.as_str()).collect();
    let heights: BTreeSet<Height> = options.renditions.iter().copied().collect();
    let mut found: Vec<Wanted> = Vec::new();
    let mut named = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        for (number, file) in item.files.iter().enumerate() {
            let source = &file.source;
            let is_video = media::of(source.path.as_str()).media_type.starts_with("video/");
            let own = if is_video && file.role == Role::Main { film_height(file, studio) } else { None };
            for height in heights.iter().filter(|height| own.is_some_and(|own| height.lines() < own)) {
                let path = rendition::path_of(source.path.as_str(), *height);
                if taken.contains(path.as_str()) || !named.insert(path.clone()) {
                    return Err(PackError::Collision { path });
                }
                let path =
                    path.parse().map_err(|reason: PathError| PackError::Name { path: source.on_disk(), reason })?;
                found.push(Wanted { item: at, film: number, height: *height, path });
            }
        }
    }
    Ok(found)
}

fn film_height(file: &ItemFile, studio: &Studio) -> Option<u32> {
    // A name that begins with `-` or holds `:` must not mean anything to a program.
    let film = file.source.on_disk().canonicalize().ok()?;
    studio.height(&film, file.film.as_deref())
}

fn file(on_disk: std::path::PathBuf, path: ContentPath) -> Result<ItemFile, PackError> {
    let metadata = on_disk.metadata();
    let size = metadata.map_err(|source| PackError::Unreadable { path: on_disk.clone(), source })?.len();
    let film = package::film(&on_disk, size).map(Box::new);
    let source = SourceFile { place: Arc::new(Place::At(on_disk)), path, size };
    Ok(ItemFile { source, role: Role::Rendition, film })
}
