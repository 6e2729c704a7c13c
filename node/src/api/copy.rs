//! The copy of plain files that a pull leaves: how much disk it takes, and the writing of it.

use super::error::{ApiError, RequestError};
use super::event::PullEvent;
use crate::handle::Pull;
use crate::handle::view::FileView;
use karez_content_tools::export::{self, ExportOptions, ExportProgress, ExportReport, Names};
use karez_content_tools::pages::Pages;
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
    /// Bytes of the files that are not there yet.
    pub(super) needed: u64,
    /// Bytes free, where the system tells.
    pub(super) free: Option<u64>,
}

/// Looks how much a copy of these files to `to` takes. Blocks.
pub(super) fn room(files: &[FileView], to: &Path) -> Room {
    let mut names = Names::default();
    let mut there = |file: &&FileView| {
        let path = file.path.parse().map(|path| names.file(&path).path);
        let path = path.map_or_else(|_| to.join(&file.path), |path| to.join(path.as_str()));
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| found.is_file() && found.len() == file.bytes)
    };
    let needed = files.iter().filter(|file| !there(file)).map(|file| file.bytes).sum();
    Room { needed, free: free_bytes(to) }
}

impl Room {
    /// Refuses a copy that cannot fit.
    pub(super) fn check(self, to: &Path) -> Result<Self, RequestError> {
        match self.free {
            Some(free) if free < self.needed => {
                Err(RequestError::NoSpace { needed: self.needed, free, path: to.to_owned() })
            }
            _ => Ok(self),
        }
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
}

/// Writes the files of a release, or of one item of it. Reports go to `reports`; nobody needs to listen. Blocks.
pub(super) fn write(
    pull: &Pull,
    collection: &CollectionName,
    order: &Order,
    reports: &mpsc::Sender<PullEvent>,
) -> Result<ExportReport, ApiError> {
    let mut last: Option<Instant> = None;
    let mut report = |progress: ExportProgress| {
        if last.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            last = Some(Instant::now());
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
    };
    let pages = Pages::new(Arc::new(pull.layout.root().clone()), &pull.store);
    export::export(&pages, &options, &order.to, &mut report)
        .map_err(|cause| RequestError::Copy { path: order.to.clone(), detail: cause.to_string() }.into())
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

    #[test]
    fn files_that_are_there_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, bytes| FileView { path: path.into(), bytes, ..FileView::default() };
        let files = [file("课/a", 3), file("b", 5), file("c", 7)];
        std::fs::create_dir(dir.path().join("课")).unwrap();
        std::fs::write(dir.path().join("课/a"), "abc").unwrap();
        std::fs::write(dir.path().join("b"), "half").unwrap();
        assert_eq!(room(&files, dir.path()).needed, 12);
        let room = room(&files, &dir.path().join("not/yet"));
        assert_eq!(room.needed, 15);
        assert!(room.free.is_some_and(|free| free > 0));
    }

    #[test]
    fn a_copy_that_does_not_fit_is_refused() {
        let to = Path::new("/copy");
        let fits = |needed, free| Room { needed, free }.check(to).is_ok();
        assert!(fits(10, Some(10)) && fits(10, None) && !fits(11, Some(10)));
    }
}
