//! What can go wrong in a store, and what the person in front of it can do.

use crate::reserve::MayBeFull;
use karez_protocol::content::DocumentError;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::name::CollectionName;
use rusqlite::ErrorCode;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a call to a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store {} is in use by another Karez process: stop that one, or use its commands", dir.display())]
    Locked {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The store was opened only to look.
    #[error("the store {} cannot be written to: its disk or folder is read-only. Make it writable, or use a copy", dir.display())]
    ReadOnly {
        /// The store's folder.
        dir: PathBuf,
    },
    /// No space left. Everything written before is kept.
    #[error("no space left on the disk of {}: free some and try again; nothing stored before is lost", path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The store takes as many bytes as it may.
    #[error("the store {} has reached its quota of {quota_bytes} bytes: `karez gc` gives back what is not needed, or raise the quota", dir.display())]
    QuotaReached {
        /// The store's folder.
        dir: PathBuf,
        /// Bytes its segments may take.
        quota_bytes: u64,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A chunk's bytes have rotted. It was dropped from the index, so it can be fetched again.
    #[error("{}", damaged(chunk, *segment, *offset, file.as_deref()))]
    Damaged {
        /// The chunk.
        chunk: ChunkId,
        /// Number of its segment file.
        segment: u32,
        /// Offset of its record.
        offset: u64,
        /// The file outside the store that its bytes were in, if they were.
        file: Option<PathBuf>,
    },
    /// A file that chunks refer to cannot be reached, and neither can its disk. The chunks count as held: they are there when
    /// the disk is.
    #[error("{} is not there, nor is its disk: attach the disk again", path.display())]
    SourceAway {
        /// The file.
        path: PathBuf,
    },
    /// A chunk that was stored a moment ago is gone.
    #[error("chunk {chunk} was stored and cannot be found any more: check the disk, then try again")]
    Missing {
        /// The chunk.
        chunk: ChunkId,
    },
    /// A sync failed earlier. What the kernel dropped then cannot be known, so nothing more is written.
    #[error("an earlier write to the disk of {} failed: check the disk, then start again", dir.display())]
    Poisoned {
        /// The store's folder.
        dir: PathBuf,
    },
    /// A file of a newer Karez.
    #[error("{} has format {found}, this program knows up to {known}: update Karez", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest format known here.
        known: u16,
    },
    /// The index failed. It is rebuilt from the segments when it is damaged or missing.
    #[error("the index of the store failed: {0}; it is rebuilt when the store is opened the next time")]
    Index(#[source] rusqlite::Error),
    /// A release that cannot be kept as it is.
    #[error("the release cannot be stored: {0}")]
    Release(#[from] DocumentError),
    /// A release file that says nothing any more: what it named cannot be told from garbage.
    #[error("{} is damaged: fetch that release again or remove the file, then compact the store", path.display())]
    DamagedRelease {
        /// The file.
        path: PathBuf,
    },
    /// A version of which not all pages are here: what it names cannot be told from garbage.
    #[error(
        "{collection}@{version} is not whole in this store: finish pulling it, or pack it again, then compact the store (`karez gc` in the running node need not wait)"
    )]
    UnknownContents {
        /// The collection.
        collection: CollectionName,
        /// Its version.
        version: u64,
    },
    /// The list of pins cannot be read.
    #[error("{} is damaged, so nothing is compacted: remove it and pin again what must stay", path.display())]
    DamagedPins {
        /// The file.
        path: PathBuf,
    },
    /// Something that chunks cannot refer to.
    #[error("chunks cannot stay in {}: it is not a regular file, or belongs to the store", path.display())]
    NotAFile {
        /// What was to be registered.
        path: PathBuf,
    },
    /// Ranges that cannot hold the chunk.
    #[error("chunk {chunk} cannot stay in {}: the ranges do not fit the file or the chunk", path.display())]
    BadReference {
        /// The source file.
        path: PathBuf,
        /// The chunk.
        chunk: ChunkId,
    },
    /// The bytes of a file are not those of the chunk whose copy it was to become.
    #[error("{} does not hold chunk {chunk} there: it was changed; the stored copy stays", path.display())]
    SourceDiffers {
        /// The source file.
        path: PathBuf,
        /// The chunk.
        chunk: ChunkId,
    },
    /// All segment numbers are used up.
    #[error("the store {} has no segment number left", dir.display())]
    SegmentsExhausted {
        /// The store's folder.
        dir: PathBuf,
    },
}

impl StoreError {
    /// Whether it says that nothing can be written where the store is: a read-only disk or folder.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::ReadOnly { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)
            }
            Self::Index(source) => {
                matches!(source.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
            }
            _ => false,
        }
    }

    /// Wraps a system error, telling a full disk from the rest.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match crate::disk::is_full(&source) {
            true => Self::DiskFull { path: path.into() },
            false => Self::Io { action, path: path.into(), source },
        }
    }

    /// Wraps an index error, telling a full disk from the rest.
    pub(super) fn index(source: rusqlite::Error, path: &Path) -> Self {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { path: path.into() },
            _ => Self::Index(source),
        }
    }
}

fn damaged(chunk: &ChunkId, segment: u32, offset: u64, file: Option<&Path>) -> String {
    match file {
        None => {
            format!("chunk {chunk} is damaged on disk (segment {segment}, offset {offset}): it will be fetched again")
        }
        Some(file) => {
            let file = file.display();
            format!("{file} was changed, moved or removed: chunk {chunk} is no longer in it, and is not served from it")
        }
    }
}

impl MayBeFull for StoreError {
    fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_full_disk_has_its_own_error() {
        for (errno, full) in [(Errno::NOSPC, true), (Errno::DQUOT, true), (Errno::ACCESS, false), (Errno::IO, false)] {
            let error = StoreError::io("append to", Path::new("x"), errno.into());
            assert_eq!(matches!(error, StoreError::DiskFull { .. }), full, "{error}");
        }
    }
}
