//! Why a bundle cannot be written or read.

use crate::store::StoreError;
use karez_protocol::content::DocumentError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no bundle there.
    #[error("there is no bundle in {}: give the folder karez-bundle-... or the folder that it is in", path.display())]
    NoBundle {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The descriptor is missing: writing was interrupted.
    #[error(
        "the bundle {} is unfinished ({parts} parts, {bytes} bytes so far): run the same export again, it goes on there",
        path.display()
    )]
    Unfinished {
        /// The bundle's folder.
        path: PathBuf,
        /// Part files there.
        parts: u32,
        /// Their bytes.
        bytes: u64,
    },
    /// A file of the bundle is a link, a pipe, a device, a folder, or too large for what it is.
    #[error("{} is no plain file of a bundle: do not trust this medium", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// The descriptor's check does not fit its bytes.
    #[error("{} is damaged: export the bundle again", path.display())]
    DamagedDescriptor {
        /// The file.
        path: PathBuf,
    },
    /// A document cannot be read.
    #[error("{}: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// Made for another network.
    #[error("{} was made for another network: this node cannot use it", path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
    },
    /// What is asked for is not all in this store.
    #[error("{collection} version {version} is not complete in this store: pull it first")]
    Incomplete {
        /// The collection.
        collection: String,
        /// Its version.
        version: u64,
    },
    /// The medium is too small.
    #[error("the bundle needs {needed} bytes, but only {free} are free at {}: use a larger medium", path.display())]
    NoSpace {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// What was read back is not what was written.
    #[error("{} reads back differently than it was written: do not use this medium", path.display())]
    ReadBack {
        /// The part.
        path: PathBuf,
    },
    /// More parts, documents or releases than a bundle can have.
    #[error("this is too much for one bundle ({what}): export fewer collections at a time")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BundleError {
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.into(), source: source.into() }
    }
}
