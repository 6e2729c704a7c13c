//! What the keeper should act on, and why the store does not take or give something: typed, so that people read it in their
//! own language and programs by name.

use crate::proxy::ProxyFault;
use karez_content_tools::export::{ExportError, LinkError, LoadError, ReadError};
use karez_content_tools::speech::{Sentence, Spoken, Texts, with};
use karez_content_tools::store::StoreError;
use karez_protocol::content::name::CollectionName;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

/// Why the store does not do what it is asked for.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum StoreFault {
    /// No space left.
    #[error("no space left on the disk of {path}: free some; nothing stored before is lost")]
    DiskFull {
        /// The file that could not grow.
        path: String,
    },
    /// As many bytes as it may take.
    #[error(
        "the store has reached its quota of {quota_bytes} bytes: `karez gc` gives back what is not needed, or raise it"
    )]
    Quota {
        /// Bytes that it may take.
        quota_bytes: u64,
    },
    /// Nothing can be written there.
    #[error(
        "{path} cannot be written to: its disk or folder is read-only. Make it writable, then start the node again"
    )]
    ReadOnly {
        /// The store, or the file.
        path: String,
    },
    /// The node's user has no right to.
    #[error("the user that runs the node has no right to use {path}: give it the right, or choose another folder")]
    NotAllowed {
        /// The file or folder.
        path: String,
    },
    /// A file outside the store is not there, nor is its disk.
    #[error("{path} is not there, nor is its disk: attach the disk again")]
    Away {
        /// The file.
        path: String,
    },
    /// Bytes have rotted; they are fetched again.
    #[error("a chunk is damaged on disk: it is fetched again")]
    Damaged,
    /// The system refused.
    #[error("{path} cannot be used: {detail}")]
    System {
        /// The file.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// Chunks are not here.
    #[error("not all of it is here: pull it first")]
    Missing,
    /// Something stands where a file or folder must go.
    #[error("{path} is in the way: remove it, or choose another folder")]
    InTheWay {
        /// What it is.
        path: String,
    },
    /// Another copy is being written there.
    #[error("another copy is being written to {path}: wait for it")]
    Busy {
        /// The folder.
        path: String,
    },
    /// Anything else, in English.
    #[error("{detail}")]
    Other {
        /// What went wrong.
        detail: String,
    },
    /// What only a newer node knows.
    #[serde(other)]
    #[error("the store failed")]
    Unknown,
}

impl StoreFault {
    /// A failure outside the store.
    pub(crate) fn other(cause: &impl std::error::Error) -> Self {
        Self::Other { detail: cause.to_string() }
    }
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl From<&StoreError> for StoreFault {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::DiskFull { path } => Self::DiskFull { path: lossy(path) },
            StoreError::QuotaReached { quota_bytes, .. } => Self::Quota { quota_bytes: *quota_bytes },
            StoreError::ReadOnly { dir } => Self::ReadOnly { path: lossy(dir) },
            StoreError::Io { path, .. } if error.is_read_only() => Self::ReadOnly { path: lossy(path) },
            StoreError::Io { path, source, .. } => Self::System { path: lossy(path), detail: source.to_string() },
            StoreError::SourceAway { path } => Self::Away { path: lossy(path) },
            StoreError::Damaged { file: None, .. } => Self::Damaged,
            other => Self::other(other),
        }
    }
}

impl From<&LoadError> for StoreFault {
    fn from(error: &LoadError) -> Self {
        match error {
            LoadError::Store(error) => error.into(),
            LoadError::MissingPage { .. } => Self::Missing,
            other => Self::other(other),
        }
    }
}

impl From<&ExportError> for StoreFault {
    fn from(error: &ExportError) -> Self {
        match error {
            ExportError::Missing { .. } | ExportError::Read(ReadError::Missing { .. }) => Self::Missing,
            ExportError::InTheWay { path } => Self::InTheWay { path: lossy(path) },
            ExportError::Busy { path } => Self::Busy { path: lossy(path) },
            ExportError::DiskFull { path } => Self::DiskFull { path: lossy(path) },
            ExportError::Io { path, source, .. } => match source.kind() {
                ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path: lossy(path) },
                ErrorKind::PermissionDenied => Self::NotAllowed { path: lossy(path) },
                _ => Self::System { path: lossy(path), detail: source.to_string() },
            },
            ExportError::Read(ReadError::Store(error)) => error.into(),
            ExportError::Read(ReadError::Load(error)) => error.into(),
            other => Self::other(other),
        }
    }
}

impl From<&LinkError> for StoreFault {
    fn from(error: &LinkError) -> Self {
        match error {
            LinkError::Export(error) => error.into(),
            LinkError::Store(error) => error.into(),
            other @ LinkError::OtherDisk { .. } => Self::other(other),
        }
    }
}

impl Spoken for StoreFault {
    fn sentence(&self) -> Sentence {
        match self {
            Self::DiskFull { path } => ("fault-disk-full", with([("path", path)])),
            Self::Quota { quota_bytes } => ("fault-quota", with([("bytes", quota_bytes)])),
            Self::ReadOnly { path } => ("fault-read-only", with([("path", path)])),
            Self::NotAllowed { path } => ("fault-not-allowed", with([("path", path)])),
            Self::Away { path } => ("fault-away", with([("path", path)])),
            Self::Damaged => ("fault-damaged", Vec::new()),
            Self::System { path, detail } => ("fault-system", with([("path", path), ("detail", detail)])),
            Self::Missing => ("fault-missing", Vec::new()),
            Self::InTheWay { path } => ("fault-in-the-way", with([("path", path)])),
            Self::Busy { path } => ("fault-busy", with([("path", path)])),
            Self::Other { detail } => ("fault-other", with([("detail", detail)])),
            Self::Unknown => ("fault-other", with([("detail", self.to_string())])),
        }
    }
}

impl Spoken for ProxyFault {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Unreachable { proxy, detail } => {
                ("fault-proxy-unreachable", with([("proxy", proxy), ("detail", detail)]))
            }
            Self::Credentials { proxy } => ("fault-proxy-credentials", with([("proxy", proxy)])),
            Self::Forbidden { proxy, target, status } => {
                let status = status.to_string();
                ("fault-proxy-forbidden", with([("proxy", proxy), ("target", target), ("status", &status)]))
            }
            Self::NoWay { proxy, target, status } => {
                let status = status.to_string();
                ("fault-proxy-no-way", with([("proxy", proxy), ("target", target), ("status", &status)]))
            }
            Self::NotAProxy { proxy } => ("fault-not-a-proxy", with([("proxy", proxy)])),
        }
    }
}

/// Something that the keeper should act on.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// The store does not take or give something.
    #[error("{}{source}", of(collection.as_deref()))]
    Store {
        /// The collection concerned.
        collection: Option<String>,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The tracker's clock says another day.
    #[error(
        "the clock of this machine is wrong: it is more than a day ahead of the tracker's, which takes no announces of this node until \
         it is set (if it is right, have the operator look at the tracker's)"
    )]
    Clock,
    /// A new roster was not written.
    #[error("the new roster cannot be saved: {detail}")]
    Roster {
        /// What the system said.
        detail: String,
    },
    /// The publisher signed a version twice.
    #[error(
        "{collection}: version {version} was signed twice with different content: the publisher's key may be misused"
    )]
    Forked {
        /// The collection.
        collection: String,
        /// The version.
        version: u64,
    },
    /// The tracker has not taken a publication.
    #[error("{collection} is published but not listed yet: {detail}")]
    Unlisted {
        /// The collection.
        collection: String,
        /// What went wrong.
        detail: String,
    },
    /// A chunk that was here is not.
    #[error("{collection}: a stored chunk is damaged or gone, it is fetched again")]
    Lost {
        /// The collection.
        collection: String,
    },
    /// Files that were published in place have changed.
    #[error(
        "files were changed, moved or removed, and hold chunks no longer that are published from them (number in \
         brackets): {files}. Publish the folder again, and let go of older versions that need them with `karez gc`; \
         copies made with --link mend themselves when a peer has the chunks"
    )]
    ChangedFiles {
        /// The first of them, each with the number of its chunks.
        files: String,
    },
    /// The HTTP proxy does not help.
    #[error(transparent)]
    Proxy {
        /// Why.
        #[from]
        source: ProxyFault,
    },
    /// What only a newer node knows.
    #[serde(other)]
    #[error("something that this program does not know")]
    Unknown,
}

impl Problem {
    /// The store fails for a collection.
    pub(crate) fn store(collection: Option<&CollectionName>, fault: impl Into<StoreFault>) -> Self {
        Self::Store { collection: collection.map(ToString::to_string), source: fault.into() }
    }

    /// In the user's language.
    pub(crate) fn said(&self, texts: &Texts) -> String {
        match self {
            Self::Store { collection, source } => {
                let (key, arguments) = match source {
                    StoreFault::DiskFull { path } => ("problem-disk-full", with([("path", path)])),
                    source => source.sentence(),
                };
                of(collection.as_deref()) + &texts.say(key, &arguments)
            }
            other => {
                let (key, arguments) = other.sentence();
                texts.say(key, &arguments)
            }
        }
    }

    fn sentence(&self) -> Sentence {
        match self {
            Self::Store { source, .. } => source.sentence(),
            Self::Proxy { source } => source.sentence(),
            Self::Clock => ("problem-clock", Vec::new()),
            Self::Roster { detail } => ("problem-roster", with([("detail", detail)])),
            Self::Forked { collection, version } => {
                ("problem-forked", with([("collection", collection.clone()), ("version", version.to_string())]))
            }
            Self::Unlisted { collection, detail } => {
                ("problem-unlisted", with([("collection", collection), ("detail", detail)]))
            }
            Self::Lost { collection } => ("problem-lost", with([("collection", collection)])),
            Self::ChangedFiles { files } => ("problem-changed-files", with([("files", files)])),
            Self::Unknown => ("fault-other", with([("detail", self.to_string())])),
        }
    }
}

fn of(collection: Option<&str>) -> String {
    collection.map(|name| format!("{name}: ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::texts;
    use karez_content_tools::speech::Lang;
    use rustix::io::Errno;

    #[test]
    fn problems_are_said_in_the_users_language() {
        let full = StoreFault::DiskFull { path: "/srv/a".into() };
        let forbidden = ProxyFault::Forbidden { proxy: "p:1".into(), target: "192.0.2.1:4041".into(), status: 403 };
        for (problem, chinese, english) in [
            (Problem::store(None, full), "磁盘已满", "no space left"),
            (Problem::Forked { collection: "bj4/x".into(), version: 3 }, "签了两次", "signed twice"),
            (Problem::Lost { collection: "bj4/x".into() }, "重新获取", "fetched again"),
            (Problem::Clock, "本机的时钟不对", "the clock of this machine is wrong"),
            (ProxyFault::Credentials { proxy: "p:1".into() }.into(), "用户名和密码", "password"),
            (forbidden.into(), "443", "allow CONNECT"),
        ] {
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| problem.said(&texts(lang)));
            assert!(zh.contains(chinese) && en.contains(english), "{zh} {en}");
            assert!(problem.to_string().contains(english));
            let json = serde_json::to_string(&problem).unwrap();
            assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem, "{json}");
        }
        for (errno, chinese, english) in [
            (Errno::ROFS, "只读", "read-only"),
            (Errno::ACCESS, "无权使用", "no right to"),
            (Errno::NOENT, "没有这个文件", "no such file"),
            (Errno::IO, "读写出错", "read or write failed"),
        ] {
            let refused = ExportError::Io { action: "create", path: "/盘/课".into(), source: errno.into() };
            let fault = StoreFault::from(&refused);
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| Problem::store(None, fault.clone()).said(&texts(lang)));
            assert!(zh.contains(chinese) && zh.contains("/盘/课") && en.contains(english), "{zh} {en}");
            assert!(!zh.chars().any(|c| c.is_ascii_alphabetic()), "{zh}");
        }
        let newer = r#"{"problem":"of_tomorrow","what":1}"#;
        assert_eq!(serde_json::from_str::<Problem>(newer).unwrap(), Problem::Unknown);
    }
}
