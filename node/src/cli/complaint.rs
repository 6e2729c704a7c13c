//! What goes wrong, as a sentence in the user's language that says what to do next.

use super::figure;
use crate::api::client::ClientError;
use crate::api::error::{ApiError, ErrorBody, RequestError};
use crate::trouble::StoreFault;
use karez_content_tools::speech::{Argument, Sentence, Spoken, Texts, with};
use serde_json::Value;
use std::io;
use std::path::PathBuf;

/// A command line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Not `PUBLISHER/NAME`.
    CollectionName {
        /// What was typed.
        found: String,
    },
    /// Not a kind.
    Kind {
        /// What was typed.
        found: String,
        /// The kinds there are.
        known: String,
    },
    /// Not `IP:PORT`.
    Address {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        found: String,
    },
    /// Not the URL of a proxy; it is not shown, for a password may be in it.
    Proxy,
    /// Not a number of milliseconds.
    Queue {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        found: String,
    },
    /// Not a count.
    Count {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        found: String,
    },
    /// Not a number of Mbit/s.
    Rate {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        found: String,
    },
    /// Not a mode.
    Mode {
        /// What was typed.
        found: String,
    },
    /// Not a collection or a version of one.
    Pin {
        /// What was typed.
        found: String,
    },
    /// Not a number of bytes.
    Size {
        /// What was typed.
        found: String,
    },
    /// Not a height of pictures.
    Rendition {
        /// What was typed.
        found: String,
    },
    /// No `--home`, and no home directory to put one in.
    NoHome,
}

impl Spoken for Wrong {
    fn sentence(&self) -> Sentence {
        match self {
            Self::CollectionName { found } => ("error-collection-name", with([("found", found)])),
            Self::Kind { found, known } => ("error-kind", with([("found", found), ("known", known)])),
            Self::Address { flag, found } => ("error-address", with([("flag", *flag), ("found", found)])),
            Self::Proxy => ("error-proxy", Vec::new()),
            Self::Queue { flag, found } => ("error-queue", with([("flag", *flag), ("found", found)])),
            Self::Count { flag, found } => ("error-count", with([("flag", *flag), ("found", found)])),
            Self::Rate { flag, found } => ("error-rate", with([("flag", *flag), ("found", found)])),
            Self::Mode { found } => ("error-mode", with([("found", found)])),
            Self::Pin { found } => ("error-pin", with([("found", found)])),
            Self::Size { found } => ("error-size", with([("found", found)])),
            Self::Rendition { found } => ("error-rendition", with([("found", found)])),
            Self::NoHome => ("error-no-home", Vec::new()),
        }
    }
}

/// A command that failed.
#[derive(Debug)]
pub enum Complaint {
    /// The node did not answer, or refused.
    Client(ClientError),
    /// The node reported a failure at the end of its work.
    Failed(ErrorBody),
    /// The node's answer ended before its end.
    CutShort,
    /// No such folder.
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// A path on this machine cannot be used.
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing here opens URLs.
    NoPlayer {
        /// What was to be opened.
        url: String,
    },
    /// A copy was made around files that are somebody's own.
    Kept {
        /// How many.
        files: u64,
    },
    /// A bundle was taken in, but not all of it.
    Damaged {
        /// Records that were left out.
        records: u64,
    },
    /// Chunks are damaged, and nobody reachable has them.
    StillDamaged {
        /// How many.
        chunks: u64,
    },
    /// Release files cannot be read, and nothing else is wrong.
    UnreadableReleases {
        /// How many.
        files: usize,
    },
    /// Less room than asked for.
    Short {
        /// Bytes that are missing.
        bytes: u64,
    },
    /// An error that explains itself, in English.
    Other {
        /// Its text.
        text: String,
    },
}

impl Complaint {
    /// An error from elsewhere, in its own words.
    pub fn other(error: &dyn std::error::Error) -> Self {
        Self::Other { text: error.to_string() }
    }

    /// Whether the command has printed its result, which says the same: `--json` prints one value.
    pub(super) fn follows_result(&self) -> bool {
        matches!(
            self,
            Self::Kept { .. }
                | Self::Damaged { .. }
                | Self::StillDamaged { .. }
                | Self::UnreadableReleases { .. }
                | Self::Short { .. }
        )
    }
}

impl Spoken for Complaint {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Client(error) => error.sentence(),
            Self::Failed(body) => body.error.sentence(),
            Self::CutShort => ("error-cut-short", Vec::new()),
            Self::NoFolder { path } => ("error-no-folder", with([("path", path.to_string_lossy())])),
            Self::Path { path, source } => {
                ("error-path", with([("path", path.to_string_lossy().into_owned()), ("detail", source.to_string())]))
            }
            Self::NoPlayer { url } => ("error-no-player", with([("url", url)])),
            Self::Kept { files } => ("error-kept", vec![("files", (*files).into())]),
            Self::Damaged { records } => ("error-import-damaged", vec![("count", (*records).into())]),
            Self::Short { bytes } => ("error-short", with([("bytes", figure::bytes(*bytes))])),
            Self::UnreadableReleases { files } => ("error-unreadable-releases", with([("count", files)])),
            Self::StillDamaged { chunks } => ("error-still-damaged", with([("chunks", chunks)])),
            Self::Other { text } => ("error-other", with([("detail", text)])),
        }
    }

    fn json(&self, english: &Texts) -> Value {
        let body = match self {
            Self::Client(ClientError::Refused(error)) => ErrorBody::from(error.clone()),
            Self::Failed(body) => body.clone(),
            other => {
                let (key, arguments) = other.sentence();
                return Bare(key, arguments).json(english);
            }
        };
        serde_json::to_value(body).unwrap_or_default()
    }
}

/// A sentence on its own, for the JSON that every sentence has.
struct Bare(&'static str, Vec<Argument<'static>>);

impl Spoken for Bare {
    fn sentence(&self) -> Sentence {
        (self.0, self.1.clone())
    }
}

impl Spoken for ClientError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::NotRunning { socket } => ("error-not-running", with([("socket", socket.to_string_lossy())])),
            Self::NotAllowed { socket } => ("error-not-allowed", with([("socket", socket.to_string_lossy())])),
            Self::Refused(error) => error.sentence(),
            Self::Broken { detail } => ("error-broken", with([("detail", detail)])),
        }
    }
}

impl Spoken for ApiError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Handle(error) => error.sentence(),
            Self::Request(error) => error.sentence(),
        }
    }
}

/// A copy that failed, by its cause.
fn copy_failed(cause: &StoreFault) -> Sentence {
    let (key, arguments) = cause.sentence();
    let key = match key {
        "fault-disk-full" => "error-copy-disk-full",
        "fault-quota" => "error-copy-quota",
        "fault-read-only" => "error-copy-read-only",
        "fault-not-allowed" => "error-copy-not-allowed",
        "fault-away" => "error-copy-away",
        "fault-damaged" => "error-copy-damaged",
        "fault-missing" => "error-copy-missing",
        "fault-in-the-way" => "error-copy-in-the-way",
        "fault-busy" => "error-copy-busy",
        _ => "error-copy-system",
    };
    (key, arguments)
}

impl Spoken for RequestError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::UnknownEndpoint => ("error-unknown-endpoint", Vec::new()),
            Self::Body { detail } => ("error-body", with([("detail", detail)])),
            Self::CollectionName { found } => ("error-collection-name", with([("found", found)])),
            Self::Kind { found, known } => ("error-kind", with([("found", found), ("known", known)])),
            Self::Pin { found } => ("error-pin", with([("found", found)])),
            Self::RelativePath { path } => ("error-relative-path", with([("path", path.to_string_lossy())])),
            Self::NoSpace { needed, free, path } => {
                let [needed, free] = [*needed, *free].map(figure::bytes);
                let path = path.to_string_lossy().into_owned();
                ("error-no-space", with([("needed", needed), ("free", free), ("path", path)]))
            }
            Self::LinkElsewhere { path } => ("error-link-elsewhere", with([("path", path.to_string_lossy())])),
            Self::OwnFolder { path, own } => {
                let [path, own] = [path, own].map(|path| path.to_string_lossy().into_owned());
                ("error-own-folder", with([("path", path), ("own", own)]))
            }
            Self::Copy { cause: Some(cause), .. }
                if !matches!(cause, StoreFault::Other { .. } | StoreFault::Unknown) =>
            {
                copy_failed(cause)
            }
            Self::Copy { path, detail, .. } => {
                ("error-copy", with([("path", path.to_string_lossy().into_owned()), ("detail", detail.clone())]))
            }
            Self::Courier(error) => error.sentence(),
            Self::UnknownMember { name } => ("error-unknown-member", with([("name", name)])),
            Self::GatewayOff => ("error-gateway-off", Vec::new()),
            Self::NothingToPlay { collection, item } => {
                ("error-nothing-to-play", with([("collection", collection), ("item", item)]))
            }
        }
    }
}
