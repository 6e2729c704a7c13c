//! Requests and lines of the care of the store.

use crate::api::error::ErrorBody;
use crate::handle::view::care::ScrubView;
use serde::{Deserialize, Serialize};

/// A pin by its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinOrder {
    /// `publisher/name` or `publisher/name@version`.
    pub pin: String,
}

/// A new quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaOrder {
    /// Bytes that the store may take; `null` lifts the quota.
    pub bytes: Option<u64>,
}

/// How to read the store again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubOrder {
    /// Bytes a second at most; as fast as the disk without.
    pub rate: Option<u64>,
    /// Go on where the last one was stopped.
    #[serde(default)]
    pub resume: bool,
    /// Stop the one that runs.
    #[serde(default)]
    pub stop: bool,
}

/// A line of a running scrub. `done` or `failed` comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ScrubLine {
    /// How far it is.
    Progress(ScrubView),
    /// It ended, or was stopped.
    Done(ScrubView),
    /// It ends here; `--resume` goes on where it stopped.
    Failed(ErrorBody),
}
