//! Which sync a call is: what it makes durable, and from where in the code it was called. Two calls that make the same
//! thing durable are two sites, so that each can be left out alone.

use std::backtrace::Backtrace;
use std::fmt;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SyncSite {
    what: Synced,
    /// Files and lines of the store's code, the innermost first.
    calls: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Synced {
    SegmentData,
    SegmentNames,
    ReleaseData,
    ReleaseNames,
    ReleaseFolders,
    NoteData,
    StoreFolder,
    AboveStore,
    Outside,
}

impl Synced {
    /// What a sync of a folder makes durable.
    pub(crate) fn names_in(dir: &Path) -> Self {
        let parts: Vec<_> = dir.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        match (parts.len(), parts.get(1).map(String::as_str)) {
            (0, _) => Self::AboveStore,
            (1, _) => Self::StoreFolder,
            (_, Some("segments")) => Self::SegmentNames,
            (4, _) => Self::ReleaseNames,
            _ => Self::ReleaseFolders,
        }
    }

    /// What a sync of a file makes durable.
    pub(crate) fn bytes_of(path: &Path) -> Self {
        match path.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned()).as_deref() {
            Some("segments") => Self::SegmentData,
            Some("releases" | "drafts") => Self::ReleaseData,
            _ => Self::NoteData,
        }
    }
}

impl SyncSite {
    /// The site of the sync that is being called.
    pub(crate) fn here(what: Synced) -> Self {
        let stack = Backtrace::force_capture().to_string();
        let places = stack.lines().filter_map(|line| line.trim_start().strip_prefix("at "));
        let ours = |place: &str| {
            let (_, inside) = place.rsplit_once("content-tools/src/").or_else(|| place.split_once("./src/"))?;
            // Without the column: closures on one line are one call.
            Some(inside.rsplit_once(':').map_or(inside, |(line, _)| line).to_owned())
        };
        let mut calls: Vec<_> = places.filter_map(ours).collect();
        calls.dedup();
        Self { what, calls }
    }
}

impl fmt::Display for SyncSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.what, self.calls.join(" < "))
    }
}
