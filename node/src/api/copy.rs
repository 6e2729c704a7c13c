//! The copy of plain files that a pull leaves: how much disk it takes, and the writing of it.

use super::error::{ApiError, RequestError};
use super::event::PullEvent;
use crate::handle::{HandleError, Pull};
use crate::trouble::StoreFault;
use karez_content_tools::export::{
    self, ExportOptions, ExportProgress, ExportReport, LinkError, LinkReport, LoadError, Names,
};
use karez_content_tools::own_folders::OwnFolders;
use karez_content_tools::pages::{File, Pages};
use karez_content_tools::store::Store;
use karez_protocol::content::name::CollectionName;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Between two reports of a running copy.
const REPORT_EVERY: Duration = Duration::from_millis(300);

/// What a copy takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Files copied.
    pub(super) files: u64,
    /// Sum of their sizes.
    pub(super) plain_bytes: u64,
    /// Bytes of the files that are not there yet; all when no folder is named.
    pub(super) needed: u64,
    /// Bytes free, where the system tells.
    pub(super) free: Option<u64>,
}

/// Looks how much a copy of the files of a release, or of one item of it, takes. Blocks.
pub(super) fn room(pages: &Pages<'_>, item: Option<&str>, to: Option<&Path>) -> Result<Room, LoadError> {
    let mut names = Names::default();
    let mut room = Room { files: 0, plain_bytes: 0, needed: 0, free: to.and_then(free_bytes) };
    let mut count = |file: File| {
        room.files += 1;
        room.plain_bytes += file.head.size;
        let there = |to: &Path| is_there(&to.join(names.file(&file.head.path).path.as_str()), file.head.size);
        if !to.is_some_and(there) {
            room.needed += file.head.size;
        }
    };
    match item {
        Some(key) => pages.files_of(key)?.try_for_each(|file| file.map(&mut count))?,
        None => pages.files().try_for_each(|file| file.map(&mut count))?,
    }
    Ok(room)
}

fn is_there(path: &Path, bytes: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes)
}

/// Refuses a folder that cannot be written to, before anything is fetched for it.
pub(super) fn check_target(to: &Path) -> Result<(), ApiError> {
    export::check_writable(to).map_err(|cause| failed(to, cause.to_string(), (&cause).into()))
}

fn failed(to: &Path, detail: String, cause: StoreFault) -> ApiError {
    RequestError::Copy { path: to.to_owned(), detail, cause: Some(cause) }.into()
}

/// Refuses a copy that cannot fit.
pub(super) fn check_room(needed: u64, free: Option<u64>, to: &Path) -> Result<(), RequestError> {
    match free {
        Some(free) if free < needed => Err(RequestError::NoSpace { needed, free, path: to.to_owned() }),
        _ => Ok(()),
    }
}

/// Bytes that this user may still write at a path that need not exist yet.
fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
    let found = rustix::fs::statvfs(existing).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// How many earlier versions are looked at, newest first, to know an older copy from somebody's own file.
const PREVIOUS_VERSIONS_MAX: usize = 4;

/// What to copy and how.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Key of one item; all when absent.
    pub(super) item: Option<String>,
    /// The folder.
    pub(super) to: PathBuf,
    /// Names as published.
    pub(super) exact_names: bool,
    /// Replace files that are somebody's own.
    pub(super) overwrite: bool,
    /// Make the copy the store's own.
    pub(super) link: bool,
    /// Folders that nothing is written into.
    pub(super) keep_out: Arc<OwnFolders>,
}

/// What became of the files, and of making them the store's own.
pub(super) type Written = (ExportReport, Option<LinkReport>);

/// Why there is no copy.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// Chunks turned out to be damaged or gone; with them it goes on where it stopped.
    Lacking(ApiError),
    /// Nothing that waiting helps with.
    Refused(ApiError),
}

/// Writes the files of a release, or of one item of it. Reports go to `reports`; nobody needs to listen. Blocks.
pub(super) fn write(
    pull: &Pull,
    collection: &CollectionName,
    order: &Order,
    reports: &mpsc::Sender<PullEvent>,
) -> Result<Written, NotWritten> {
    let mut paced = Paced::default();
    let mut report = |progress: ExportProgress| {
        if paced.is_due() {
            // A reader that is behind gets the next one.
            let _ = reports.try_send(PullEvent::Copying { bytes: progress.bytes_done, total: progress.bytes_total });
        }
    };
    let previous = previous_versions(pull, collection);
    let options = ExportOptions {
        item: order.item.as_deref(),
        exact_names: order.exact_names,
        overwrite: order.overwrite,
        previous: &previous,
        keep_out: Some(&order.keep_out),
    };
    let failed = |detail: String, cause: StoreFault| failed(&order.to, detail, cause);
    let exported = export::export(&pull.pages, &options, &order.to, &mut report).map_err(|cause| {
        let wrap = if cause.lacks_chunks() { NotWritten::Lacking } else { NotWritten::Refused };
        wrap(failed(cause.to_string(), (&cause).into()))
    })?;
    if !order.link {
        return Ok((exported, None));
    }
    let mut report = |progress: ExportProgress| {
        if paced.is_due() {
            let event = PullEvent::Linking { bytes: progress.bytes_done, total: progress.bytes_total };
            let _ = reports.try_send(event);
        }
    };
    let linked = export::link(&pull.pages, &options, (&order.to, &exported), &mut report);
    let linked = linked.map_err(|cause| NotWritten::Refused(failed(cause.to_string(), (&cause).into())))?;
    Ok((exported, Some(linked)))
}

/// Refuses a folder whose files cannot be the store's own, before anything is fetched.
pub(super) fn check_link(store: &Store, to: &Path) -> Result<(), ApiError> {
    match export::check_disk(store, to) {
        Ok(()) => Ok(()),
        Err(LinkError::OtherDisk { path }) => Err(RequestError::LinkElsewhere { path }.into()),
        Err(cause) => Err(HandleError::Store { detail: cause.to_string() }.into()),
    }
}

/// When the next report is due.
#[derive(Debug, Default)]
struct Paced(Option<Instant>);

impl Paced {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// Earlier versions whose description is here. Without them a changed file counts as somebody's own, and is kept.
fn previous_versions<'a>(pull: &'a Pull, collection: &CollectionName) -> Vec<Pages<'a>> {
    let held = pull.store.releases().unwrap_or_default().into_iter().rev();
    let earlier = held.filter(|held| held.collection == *collection && held.version < pull.version);
    let pages = earlier.filter_map(|held| Pages::open(&held.root, &pull.store).ok());
    pages.filter(|pages| pages.are_here().unwrap_or(false)).take(PREVIOUS_VERSIONS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_content_tools::pack::{PackOptions, pack};
    use karez_content_tools::store::{Store, StoreOptions};

    #[test]
    fn files_that_are_there_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let [source, copy] = ["source", "copy"].map(|name| dir.path().join(name));
        for (path, bytes) in [("课/a", "abc"), ("b", "bytes"), ("c", "seven b")] {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::create_dir_all(copy.join("课")).unwrap();
        std::fs::write(copy.join("课/a"), "abc").unwrap();
        std::fs::write(copy.join("b"), "half").unwrap();
        let store = Store::open(&dir.path().join("store"), StoreOptions::default()).unwrap();
        let root = pack(&source, &PackOptions::default(), &store, &mut |_| {}).unwrap().root_bytes;
        let pages = Pages::open(&root, &store).unwrap();
        let needed = |item: Option<&str>, to: &Path| {
            let room = room(&pages, item, Some(to)).unwrap();
            assert!(room.free.is_some_and(|free| free > 0));
            (room.files, room.plain_bytes, room.needed)
        };
        assert_eq!(needed(None, &copy), (3, 15, 12));
        assert_eq!(needed(Some("课"), &copy), (1, 3, 0));
        assert_eq!(needed(None, &dir.path().join("not/yet")), (3, 15, 15));
    }

    #[test]
    fn a_copy_that_does_not_fit_is_refused() {
        let fits = |needed, free| check_room(needed, free, Path::new("/copy")).is_ok();
        assert!(fits(10, Some(10)) && fits(10, None) && !fits(11, Some(10)));
    }
}
