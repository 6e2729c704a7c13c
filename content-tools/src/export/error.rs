//! Why bytes cannot be had back out of a store.

use crate::store::StoreError;
use karez_protocol::content::DocumentError;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::LayoutError;
use std::io;
use std::path::PathBuf;

/// Why a manifest's layout cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The root page is not valid.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A page is not what the root says, or breaks the rules of pages.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A page is not in the store.
    #[error("page {page} of {pages} of the manifest is not in this store yet: pull the collection first")]
    MissingPage {
        /// Number of the page, from 0.
        page: usize,
        /// Number of pages.
        pages: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why bytes of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A manifest page cannot be had.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The manifest has no such file, or not all of its pages are known.
    #[error("the collection has no file '{path}'")]
    UnknownFile {
        /// The path asked for.
        path: String,
    },
    /// A chunk is not in the store.
    #[error("chunk {chunk} is not in this store yet: pull the collection first")]
    Missing {
        /// The chunk.
        chunk: ChunkId,
    },
    /// The manifest gives a chunk a length that it does not have.
    #[error("the manifest is wrong about the length of chunk {chunk}: ask the publisher for a new release")]
    Length {
        /// The chunk.
        chunk: ChunkId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Chunks are missing. Nothing was written.
    #[error("{chunks} chunks ({bytes} bytes) are not in this store yet: pull the collection first")]
    Missing {
        /// Number of missing chunks.
        chunks: u64,
        /// Their stored bytes.
        bytes: u64,
    },
    /// The manifest does not describe all the files it counts.
    #[error("the manifest describes {described} of its {files} files: pull the collection first, or ask its publisher")]
    Incomplete {
        /// Files described.
        described: u64,
        /// Files counted by the root.
        files: u64,
    },
    /// There is no such item.
    #[error("the collection has no item '{item}'")]
    UnknownItem {
        /// The key asked for.
        item: String,
    },
    /// Something that is not a plain file or folder is where one must go: a link, or a file for a folder.
    #[error("{} is in the way: remove it, or export to another folder", path.display())]
    InTheWay {
        /// Its path.
        path: PathBuf,
    },
    /// A path of the collection leads into a folder of the node or its store.
    #[error("{} is this node's own folder, and the collection has files of that path: choose another folder", path.display())]
    OwnFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Another export writes into the same folder.
    #[error("another export is writing to {}: wait for it", path.display())]
    Busy {
        /// The destination.
        path: PathBuf,
    },
    /// No space left in the destination. Files written before stay, and the export goes on from there.
    #[error("no space left on the disk of {}: free some and export again, finished files are kept", path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
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
    /// A chunk cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl ExportError {
    /// Whether chunks are not there or not whole: with them an export goes on where it stopped.
    pub fn lacks_chunks(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Read(ReadError::Missing { .. } | ReadError::Load(LoadError::MissingPage { .. })) => true,
            Self::Read(ReadError::Store(cause) | ReadError::Load(LoadError::Store(cause))) => {
                matches!(cause, StoreError::Damaged { .. })
            }
            _ => false,
        }
    }
}

impl From<LoadError> for ExportError {
    fn from(error: LoadError) -> Self {
        Self::Read(ReadError::Load(error))
    }
}
