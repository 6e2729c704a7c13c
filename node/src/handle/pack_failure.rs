//! Why a folder was not published.

use karez_content_tools::pack::PackError;
use karez_content_tools::package::BadName;
use karez_content_tools::rendition::FfmpegError;
use karez_content_tools::store::StoreError;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

use super::HandleError;
use super::view::{NoticeView, SkippedView};
use crate::trouble::StoreFault;

/// What is wrong with a folder, or stands in the way. Nothing was published. In paths, bytes that are not UTF-8 are
/// replaced: the answer is JSON.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum PackFailure {
    /// The collection is being published this moment.
    #[error("{collection} is being published already: wait until that has finished")]
    UnderWay {
        /// The collection.
        collection: String,
    },
    /// Not the name of a collection.
    #[error("'{found}' is not a collection name: it has the form PUBLISHER/NAME, for example bj4/algebra-1")]
    CollectionName {
        /// What was given.
        found: String,
    },
    /// Nothing is at the path.
    #[error("there is no folder {path}: check the name")]
    NoFolder {
        /// The path.
        path: String,
    },
    /// The path is a file.
    #[error("{path} is not a folder: put the file into a folder of its own and publish that")]
    NotAFolder {
        /// The path.
        path: String,
    },
    /// The folder holds nothing to publish.
    #[error("{path} holds no file to publish: what was published before stays as it is")]
    Empty {
        /// The folder.
        path: String,
        /// How much is left out.
        #[serde(default)]
        skipped: u64,
        /// The first of that.
        #[serde(default)]
        first: Option<Box<SkippedView>>,
    },
    /// The node's home or store, or a folder in or around them.
    #[error("{path} belongs to this node, and lies in the folder to be published or around it: keep them apart")]
    OwnFolder {
        /// The node's folder.
        path: String,
    },
    /// The node's user has no right to read it.
    #[error("the node may not read {path}: give its user the right to, or take it out of the folder")]
    NotReadable {
        /// The file or folder.
        path: String,
    },
    /// It cannot be read.
    #[error("cannot read {path}: {detail}; make it readable or take it out of the folder")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// It goes on changing.
    #[error("{path} is being changed by another program: wait until it is finished, then publish again")]
    Changing {
        /// The file.
        path: String,
    },
    /// Its name is not UTF-8.
    #[error("the name {path} is not UTF-8: rename it (convmv turns old GBK names into UTF-8)")]
    NameEncoding {
        /// The file or folder.
        path: String,
    },
    /// Its name cannot travel.
    #[error("{path} cannot be published, as {}: rename it", rule_text(rule))]
    Name {
        /// The file or folder.
        path: String,
        /// The rule that it breaks: `control`, `long`, or `other`.
        rule: String,
    },
    /// Several names that are not UTF-8 or cannot travel.
    #[error("{} names cannot be published, the first is {}: rename them", names.len() as u64 + more, names.first().map_or("", |name| &name.path))]
    Names {
        /// The first of them.
        names: Vec<BadNameView>,
        /// How many more there are.
        more: u64,
    },
    /// `collection.toml` is wrong.
    #[error("{path} is not right:\n{detail}")]
    Description {
        /// The file.
        path: String,
        /// Where and what.
        detail: String,
    },
    /// `collection.toml` names an item that is not there.
    #[error("{path} describes item '{key}', but there is no such folder or file: correct the name")]
    UnknownItem {
        /// The file.
        path: String,
        /// The name without an item.
        key: String,
    },
    /// `collection.toml` names an item that is left out.
    #[error("{path} describes item '{key}', which is left out ({why}): finish or rename it, or take the entry out")]
    ItemLeftOut {
        /// The file.
        path: String,
        /// The name.
        key: String,
        /// Why it is left out, as in [`SkippedView`].
        why: String,
    },
    /// A compressed tar that cannot be unpacked.
    #[error("{path} cannot be unpacked: {detail}; unpack it by hand")]
    Unpack {
        /// The archive.
        path: String,
        /// What is wrong: `empty`, `large`, `link`, `sparse`, or `broken`.
        cause: Box<str>,
        /// The member that is wrong, or nothing.
        #[serde(default)]
        member: Box<str>,
        /// The same in words.
        detail: String,
    },
    /// Two things have one name.
    #[error("'{path}' is in the folder and in an archive or rendition: rename one of them")]
    Collision {
        /// The path inside the collection.
        path: String,
    },
    /// More than one collection can hold.
    #[error("the folder is too large for one collection ({detail}): split it")]
    TooLarge {
        /// The limit.
        detail: String,
    },
    /// No space left on the store's disk.
    #[error("no space is left on the disk of {path}: free some and publish again; nothing stored before is lost")]
    DiskFull {
        /// The file that could not grow.
        path: String,
    },
    /// The store takes as many bytes as it may.
    #[error(
        "the store has reached its quota of {quota_bytes} bytes: `karez gc` gives back what is not needed, or raise it"
    )]
    QuotaReached {
        /// Bytes that it may take.
        quota_bytes: u64,
    },
    /// The store failed otherwise.
    #[error("{fault}")]
    Store {
        /// How.
        fault: StoreFault,
    },
    /// Anything else, in English.
    #[error("{detail}")]
    Other {
        /// What went wrong, and with which file.
        detail: String,
    },
}

/// A name that cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadNameView {
    /// The file or folder.
    pub path: String,
    /// The rule that it breaks: `encoding`, `control`, `long`, or `other`.
    pub rule: String,
}

fn rule_text(rule: &str) -> &'static str {
    match rule {
        "control" => "its name has a control character",
        "long" => "its path or name is too long",
        _ => "its name is not allowed",
    }
}

fn view(name: &BadName) -> BadNameView {
    BadNameView { path: lossy(&name.path), rule: name.rule().into() }
}

fn unreadable(path: &Path, source: &io::Error) -> PackFailure {
    let path = lossy(path);
    match source.kind() {
        io::ErrorKind::PermissionDenied => PackFailure::NotReadable { path },
        _ => PackFailure::Unreadable { path, detail: source.to_string() },
    }
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl From<PackFailure> for HandleError {
    fn from(failure: PackFailure) -> Self {
        Self::Pack(failure)
    }
}

impl From<StoreError> for PackFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull { path } => Self::DiskFull { path: lossy(&path) },
            StoreError::QuotaReached { quota_bytes, .. } => Self::QuotaReached { quota_bytes },
            other => match StoreFault::from(&other) {
                StoreFault::Other { detail } => Self::Other { detail },
                fault => Self::Store { fault },
            },
        }
    }
}

impl From<PackError> for HandleError {
    fn from(error: PackError) -> Self {
        let failure = match error {
            PackError::Refused(found) => {
                return Self::Refused { refusals: NoticeView::all(&found), more: found.more };
            }
            PackError::CompressedTar { path, can_unpack } => return Self::CompressedTar { path, can_unpack },
            PackError::Rendition(FfmpegError::Missing { program }) => {
                return Self::NoFfmpeg { program: program.into() };
            }
            PackError::Rendition(FfmpegError::Failed { path, line, log }) => return Self::Ffmpeg { path, line, log },
            PackError::Sensitivity { found } => return Self::Sensitivity { found },
            PackError::Missing { dir } => PackFailure::NoFolder { path: lossy(&dir) },
            PackError::NotAFolder { dir } => PackFailure::NotAFolder { path: lossy(&dir) },
            PackError::Empty { dir, skipped } => PackFailure::Empty {
                path: lossy(&dir),
                skipped: skipped.total(),
                first: skipped.list.first().map(|first| Box::new(first.into())),
            },
            PackError::OwnFolder { path } => PackFailure::OwnFolder { path: lossy(&path) },
            PackError::Unreadable { path, source } => unreadable(&path, &source),
            PackError::Changing { path } => PackFailure::Changing { path: lossy(&path) },
            PackError::NameEncoding { path } => PackFailure::NameEncoding { path: lossy(&path) },
            PackError::Name { path, reason } => {
                let BadNameView { path, rule } = view(&BadName { path, fault: Some(reason) });
                PackFailure::Name { path, rule }
            }
            PackError::Names(names) => {
                PackFailure::Names { names: names.list.iter().map(view).collect(), more: names.more }
            }
            PackError::Description { path, source } => {
                PackFailure::Description { path: lossy(&path), detail: source.to_string() }
            }
            PackError::ItemLeftOut { path, key, reason } => {
                PackFailure::ItemLeftOut { path: lossy(&path), key, why: reason.name().into() }
            }
            PackError::UnknownItem { path, key } => PackFailure::UnknownItem { path: lossy(&path), key },
            PackError::Unpack { path, source } => PackFailure::Unpack {
                path: lossy(&path),
                cause: source.cause().into(),
                member: source.member().into(),
                detail: source.to_string(),
            },
            PackError::Collision { path } => PackFailure::Collision { path },
            PackError::TooLarge(reason) => PackFailure::TooLarge { detail: reason.to_string() },
            PackError::Store(error) => error.into(),
            PackError::Rendition(other) => PackFailure::Other { detail: other.to_string() },
        };
        Self::Pack(failure)
    }
}
