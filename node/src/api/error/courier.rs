//! What goes wrong with a stick: the request file, the folder on it, the bundle.

use karez_content_tools::bundle::BundleError;
use karez_protocol::content::DocumentError;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Why a request file or a bundle cannot be written or read.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum CourierError {
    /// Nothing is at the path of the request file.
    #[error("there is no file {path}: is the stick plugged in? `karez request` at the site writes it")]
    NoRequest {
        /// The file.
        path: PathBuf,
    },
    /// What is there is empty, cut short, or something else.
    #[error(
        "{path} is not a whole file written by `karez request`: it is empty, cut short, or another file; write it again \
         at the site and copy it again"
    )]
    NotARequest {
        /// The file.
        path: PathBuf,
    },
    /// A request file of a newer Karez.
    #[error("{path} was written by a newer Karez: update this node")]
    NewerRequest {
        /// The file.
        path: PathBuf,
    },
    /// A request file of another network.
    #[error("{path} was written in another network: use the file of a site of this network")]
    ForeignRequest {
        /// The file.
        path: PathBuf,
    },
    /// Nothing is at the path of the folder.
    #[error("there is no folder {path}: is the stick plugged in? If it is, make the folder first")]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing is at the path of the folder that is to be read.
    #[error("there is no folder {path}: is the stick plugged in, and the path right?")]
    NoSource {
        /// The folder.
        path: PathBuf,
    },
    /// The path is a file.
    #[error("{path} is not a folder: give a folder on the stick")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The file system does not let this node write.
    #[error("the node cannot write to {path}: give its user the right to, or plug the stick in writable")]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
    },
    /// The file system does not let this node read.
    #[error("the node cannot read {path}: give its user the right to")]
    NotReadable {
        /// The file or folder.
        path: PathBuf,
    },
    /// No bundle is there.
    #[error("there is no bundle in {path}: give the folder karez-bundle-... or the folder that it is in")]
    NoBundle {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its writing was interrupted.
    #[error("the bundle {path} is unfinished ({parts} parts so far): run the same export again, it goes on there")]
    Unfinished {
        /// The bundle's folder.
        path: PathBuf,
        /// Part files there.
        parts: u32,
    },
    /// Not what a bundle is made of: a link, a pipe, a device.
    #[error("{path} is no plain file of a bundle: do not trust this stick")]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// A file that says what is in the bundle is not what was written.
    #[error("{path} is damaged: export the bundle again")]
    DamagedBundle {
        /// The file.
        path: PathBuf,
    },
    /// A bundle of another network.
    #[error("{path} was made for another network: this node cannot use it")]
    ForeignBundle {
        /// The file.
        path: PathBuf,
    },
    /// What is asked for is not all here.
    #[error("{collection} version {version} is not complete here: pull it first")]
    Incomplete {
        /// The collection.
        collection: String,
        /// Its version.
        version: u64,
    },
    /// It is not here, or not all of it.
    #[error("{collection} is not here, or not all of it: `karez ls` lists what is here, `karez pull` fetches it")]
    NotHere {
        /// The collection.
        collection: String,
    },
    /// The stick is too small.
    #[error("the bundle needs {needed} bytes, but only {free} are free at {path}: use a larger stick")]
    NoSpace {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where.
        path: PathBuf,
    },
    /// The stick became full on the way.
    #[error("no space is left at {path}: free some, or use a larger stick, and run the same command again")]
    Full {
        /// The file being written.
        path: PathBuf,
    },
    /// The stick gives back something else.
    #[error("{path} reads back differently than it was written: do not use this stick")]
    ReadBack {
        /// The part.
        path: PathBuf,
    },
    /// More than one bundle can hold.
    #[error("this is too much for one bundle: export fewer collections at a time")]
    TooMuch,
    /// The node's own store failed.
    #[error("{detail}")]
    Store {
        /// What the store said.
        detail: String,
    },
    /// The system refused otherwise.
    #[error("{path} cannot be used: {detail}")]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Anything else, in English.
    #[error("{detail}")]
    Other {
        /// What went wrong, and with which file.
        detail: String,
    },
}

impl CourierError {
    /// An error in its own words.
    pub(crate) fn other(cause: &impl std::error::Error) -> Self {
        Self::Other { detail: cause.to_string() }
    }

    /// Why a request file cannot be read.
    pub(crate) fn of_request(path: &Path, cause: &BundleError) -> Self {
        let path = path.to_owned();
        match cause {
            BundleError::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NoRequest { path },
                io::ErrorKind::PermissionDenied => Self::NotReadable { path },
                _ => Self::other(cause),
            },
            BundleError::Document { source, .. } if is_newer(source) => Self::NewerRequest { path },
            BundleError::Document { .. } | BundleError::NotPlain { .. } => Self::NotARequest { path },
            _ => Self::other(cause),
        }
    }

    /// Why a bundle or a file on the stick cannot be written or read.
    pub(crate) fn of(cause: BundleError) -> Self {
        match cause {
            BundleError::NoBundle { path } => Self::NoBundle { path },
            BundleError::Unfinished { path, parts, .. } => Self::Unfinished { path, parts },
            BundleError::NotPlain { path } => Self::NotPlain { path },
            BundleError::DamagedDescriptor { path } => Self::DamagedBundle { path },
            BundleError::Document { path, source } if !is_newer(&source) => Self::DamagedBundle { path },
            BundleError::OtherNetwork { path } => Self::ForeignBundle { path },
            BundleError::Incomplete { collection, version } => Self::Incomplete { collection, version },
            BundleError::NoSpace { needed, free, path } => Self::NoSpace { needed, free, path },
            BundleError::ReadBack { path } => Self::ReadBack { path },
            BundleError::TooMuch { .. } => Self::TooMuch,
            BundleError::Io { action, ref path, ref source } => {
                let (path, is_reading) = (path.clone(), matches!(action, "list" | "open" | "read"));
                match source.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
                    io::ErrorKind::PermissionDenied if is_reading => Self::NotReadable { path },
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path },
                    _ => Self::System { path, detail: source.to_string() },
                }
            }
            BundleError::Store(error) => Self::Store { detail: error.to_string() },
            BundleError::Document { .. } => Self::other(&cause),
        }
    }

    /// Checks a folder that is to be read from. Blocks.
    pub(crate) fn check_source(path: &Path) -> Result<(), Self> {
        Self::check_folder(path).map_err(|error| match error {
            Self::NoFolder { path } => Self::NoSource { path },
            error => error,
        })
    }

    /// Checks a folder that is to be written to. Blocks.
    pub(crate) fn check_folder(path: &Path) -> Result<(), Self> {
        let path = path.to_owned();
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Self::NotAFolder { path }),
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound => Err(Self::NoFolder { path }),
                // A file stands where a folder on the way to it should be.
                io::ErrorKind::NotADirectory => Err(Self::NotAFolder { path }),
                io::ErrorKind::PermissionDenied => Err(Self::NotReadable { path }),
                _ => Err(Self::other(&cause)),
            },
        }
    }
}

fn is_newer(error: &DocumentError) -> bool {
    matches!(error, DocumentError::UnknownSuite { .. } | DocumentError::UnknownCritical { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_room_have_their_own_words() {
        let of = |action, kind: io::ErrorKind| {
            CourierError::of(BundleError::Io { action, path: "/stick".into(), source: kind.into() })
        };
        let path = PathBuf::from("/stick");
        for (action, kind, error) in [
            ("write", io::ErrorKind::PermissionDenied, CourierError::NotWritable { path: path.clone() }),
            ("write", io::ErrorKind::ReadOnlyFilesystem, CourierError::NotWritable { path: path.clone() }),
            ("list", io::ErrorKind::PermissionDenied, CourierError::NotReadable { path: path.clone() }),
            ("sync", io::ErrorKind::StorageFull, CourierError::Full { path: path.clone() }),
        ] {
            assert_eq!(of(action, kind), error);
        }
        let other = of("sync", io::ErrorKind::InvalidInput);
        assert!(matches!(&other, CourierError::System { path, .. } if path.ends_with("stick")), "{other}");
    }
}
