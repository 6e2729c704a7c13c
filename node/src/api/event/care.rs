//! Requests and lines of the care of the store.

use crate::api::error::ErrorBody;
use crate::handle::view::care::{RoomView, ScrubView};
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

/// How much room to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomOrder {
    /// Only tell what would go.
    #[serde(default)]
    pub dry_run: bool,
    /// Bytes that are to come free; without it only versions go that have newer ones.
    pub free_bytes: Option<u64>,
    /// Also what may be the last copy in the county.
    #[serde(default)]
    pub last_copies: bool,
}

/// A line of a run that makes room. `done` or `failed` comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RoomLine {
    /// How far it is.
    Progress {
        /// Bytes that came free.
        bytes: u64,
        /// Bytes that will.
        total: u64,
    },
    /// It ended.
    Done(RoomView),
    /// It ends here; running it again goes on.
    Failed(ErrorBody),
}
