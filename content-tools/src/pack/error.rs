//! Why a folder cannot be packed, in words for the person who keeps the folder.

use super::skipped::{SkipReason, Skips};
use crate::package::{BadName, BadNames, Notices, UnpackError};
use crate::rendition::FfmpegError;
use crate::store::StoreError;
use karez_protocol::content::DocumentError;
use karez_protocol::content::path::PathError;
use std::io;
use std::path::PathBuf;

/// Why a folder was not packed. Nothing is recorded as a version then.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is nothing at the path.
    #[error("there is no folder {}: check the path", dir.display())]
    Missing {
        /// The path given.
        dir: PathBuf,
    },
    /// The path is a file.
    #[error("{} is not a folder: put the file into a folder of its own and pack that", dir.display())]
    NotAFolder {
        /// The path given.
        dir: PathBuf,
    },
    /// The folder holds no file but its description and what is left out.
    #[error("{} holds no file to pack{}: what was packed before stays as it is", dir.display(), left_out(skipped))]
    Empty {
        /// The path given.
        dir: PathBuf,
        /// What is left out.
        skipped: Skips,
    },
    /// A folder of the node or the store lies in the folder to be packed, or that in it.
    #[error("{} belongs to this node or store, and lies in the folder to be packed or around it: keep them apart", path.display())]
    OwnFolder {
        /// The folder of the node or store.
        path: PathBuf,
    },
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {source}; make it readable or take it out of the folder", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that goes on changing while it is read.
    #[error("{} is being changed by another program: wait until it is finished, then pack again", path.display())]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name {} is not UTF-8: rename it (convmv turns old GBK names into UTF-8)", path.display())]
    NameEncoding {
        /// The file or folder; unreadable bytes show as replacement characters.
        path: PathBuf,
    },
    /// A name that cannot travel.
    #[error("{} cannot be packed: {reason}; rename it", path.display())]
    Name {
        /// The file or folder.
        path: PathBuf,
        /// The rule that it breaks.
        reason: PathError,
    },
    /// Several names that are not UTF-8 or cannot travel.
    #[error("{}", bad_names(.0))]
    Names(Box<BadNames>),
    /// `collection.toml` is wrong.
    #[error("{} is not right:\n{source}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// Where and what, with the line.
        source: Box<toml::de::Error>,
    },
    /// `collection.toml` names an item that is not there.
    #[error("{} describes item '{key}', but there is no such folder or file: correct the name", path.display())]
    UnknownItem {
        /// The file.
        path: PathBuf,
        /// The name without an item.
        key: String,
    },
    /// `collection.toml` names an item that is left out.
    #[error("{} describes item '{key}', which is left out ({}): finish or rename it, or take the entry out", path.display(), reason.name())]
    ItemLeftOut {
        /// The file.
        path: PathBuf,
        /// The name.
        key: String,
        /// Why it is left out.
        reason: SkipReason,
    },
    /// A compressed tar, of which no chunk would be the same in the next version.
    #[error(
        "{} is a compressed archive: after any change inside, all of it would have to be sent again. {}",
        path.display(),
        if *can_unpack { "Unpack it, or publish with --unpack" } else { "Unpack it" }
    )]
    CompressedTar {
        /// The archive.
        path: PathBuf,
        /// Whether `--unpack` can read it.
        can_unpack: bool,
    },
    /// A compressed tar that cannot be unpacked.
    #[error("{} cannot be unpacked: {source}; unpack it by hand", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: UnpackError,
    },
    /// An unpacked archive and the folder have something under one name.
    #[error("'{path}' is in the folder and in an archive or rendition: rename one of them")]
    Collision {
        /// The path inside the collection.
        path: String,
    },
    /// A rendition could not be made.
    #[error(transparent)]
    Rendition(#[from] FfmpegError),
    /// The folder is not for everybody.
    #[error(
        "collection.toml says sensitivity = \"{found}\": only open collections can be published so far, and everything \
         published can be read by all members"
    )]
    Sensitivity {
        /// The class named.
        found: String,
    },
    /// Files that must not become public.
    #[error("{}", refused(.0))]
    Refused(Box<Notices>),
    /// The collection breaks a limit of the manifest.
    #[error("the folder is too large for one collection ({0}): split it")]
    TooLarge(#[source] DocumentError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error when there are any.
pub(super) fn check_names(mut names: BadNames) -> Result<(), PackError> {
    match names.list.len() {
        0 => Ok(()),
        1 => Err(names.list.remove(0).into()),
        _ => Err(PackError::Names(Box::new(names))),
    }
}

impl From<BadName> for PackError {
    fn from(BadName { path, fault }: BadName) -> Self {
        match fault {
            None => Self::NameEncoding { path },
            Some(reason) => Self::Name { path, reason },
        }
    }
}

fn left_out(skipped: &Skips) -> String {
    let first = skipped.list.first();
    first.map_or_else(String::new, |first| {
        format!(" ({} left out, such as {}: {})", skipped.total(), first.path, first.reason.name())
    })
}

fn bad_names(names: &BadNames) -> String {
    let mut text = String::from("these names cannot be packed: rename them");
    for BadName { path, fault } in &names.list {
        let fault = fault.map_or_else(|| "not UTF-8".to_owned(), |rule| rule.to_string());
        text += &format!("\n  {} ({fault})", path.display());
    }
    if names.more > 0 {
        text += &format!("\n  and {} more", names.more);
    }
    text
}

fn refused(refusals: &Notices) -> String {
    let mut text = String::from("these files must not become public:");
    for refusal in &refusals.list {
        text += &format!("\n  {refusal}");
    }
    if refusals.more > 0 {
        text += &format!("\n  and {} more", refusals.more);
    }
    text
}
