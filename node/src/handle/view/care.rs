//! What is shown of the care of the store: pins, quota, scrub.

use serde::{Deserialize, Serialize};

/// The care of the store, as `status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareView {
    /// Bytes that the store's files take.
    pub used_bytes: u64,
    /// Bytes they may take, when somebody set a quota.
    pub quota_bytes: Option<u64>,
    /// Chunks that were found damaged and have not come back.
    pub damaged_chunks: u64,
    /// The scrub that runs, or the last one since the node started.
    pub scrub: Option<ScrubView>,
    /// Release files that cannot be read, as far as the start, the last scrub or the last gc found any.
    #[serde(default)]
    pub unreadable: Vec<String>,
    /// Of these, those that the next gc removes, as nothing needs what they named; all others make it wait.
    #[serde(default)]
    pub superseded: Vec<String>,
}

/// How a scrub stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubView {
    /// `reading`, `repairing`, `done`, `stopped` or `failed`.
    pub phase: String,
    /// Chunks in the store when it began.
    pub chunks: u64,
    /// Chunks that an earlier run had read.
    pub skipped: u64,
    /// Chunks read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes a second at most; 0 is no limit.
    pub rate: u64,
    /// Chunks found damaged, those that waited for repair from before included.
    pub found: u64,
    /// Of these, chunks that are whole again.
    pub repaired: u64,
    /// Of these, chunks that nothing needs any more.
    pub unneeded: u64,
    /// Of these, chunks that nobody reachable had so far: they are fetched as soon as somebody has them.
    pub missing: u64,
    /// Ids of the missing ones, up to 100.
    pub missing_ids: Vec<String>,
    /// Versions that have lost something and are not whole again.
    pub lost: Vec<LostView>,
    /// Release files that cannot be read: what they named was not looked at.
    pub unreadable: Vec<String>,
    /// Why it failed.
    pub problem: Option<String>,
}

impl ScrubView {
    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        matches!(self.phase.as_str(), "reading" | "repairing")
    }
}

/// What a version has lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostView {
    /// `publisher/name`.
    pub collection: String,
    /// The version.
    pub version: u64,
    /// Whether nobody signed it.
    pub draft: bool,
    /// Whether it was made here: publishing the folder again brings it back.
    pub published_here: bool,
    /// A newer version is here.
    pub superseded: bool,
    /// Chunks that are missing.
    pub chunks: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Chunks of which nobody knows whether they are here, because the page that names them is missing.
    pub unknown_chunks: u64,
    /// Some of the items that miss something.
    pub items: Vec<String>,
    /// How many do.
    pub items_total: u64,
}

/// The quota, and what is used of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// Bytes that the store's files take, garbage included.
    pub used_bytes: u64,
    /// Bytes they may take, when somebody set a quota.
    pub quota_bytes: Option<u64>,
    /// Bytes free on its disk.
    pub free_bytes: u64,
}

/// The pins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinsView {
    /// `publisher/name` or `publisher/name@version`.
    pub pins: Vec<String>,
}

/// A pin that was set or taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinChanged {
    /// `publisher/name` or `publisher/name@version`.
    pub pin: String,
    /// False when it was so before.
    pub changed: bool,
    /// Whether a version that it holds is here; else it is kept once it comes.
    pub here: bool,
}

/// What making room does, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Nothing was removed.
    pub dry_run: bool,
    /// Every version in the store, with its reason.
    pub rows: Vec<RoomRow>,
    /// Bytes asked for.
    pub asked_bytes: Option<u64>,
    /// Bytes that come free.
    pub will_free_bytes: u64,
    /// Garbage that stays in files which hold little of it.
    pub left_bytes: u64,
    /// Bytes that came free.
    pub freed_bytes: u64,
    /// Chunks that were moved for it.
    pub moved_chunks: u64,
}

impl RoomView {
    /// Bytes of those asked for that do not come free.
    pub fn short_bytes(&self) -> u64 {
        self.asked_bytes.unwrap_or(0).saturating_sub(self.will_free_bytes)
    }
}

/// A version, and what becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    /// `publisher/name`.
    pub collection: String,
    /// The version.
    pub version: u64,
    /// Whether nobody signed it.
    pub draft: bool,
    /// Whether it goes.
    pub goes: bool,
    /// Stays: `pinned`, `published`, `following`, `pulling`, `in_use`, `newest`, `until_newer`, `last_copy`, `not_needed`.
    /// Goes: `superseded`, `for_room`.
    pub reason: String,
    /// Bytes that only it, and what goes before it, needs.
    pub bytes: u64,
    /// Other members of the county that said they hold it, or a newer version.
    pub holders_county: u64,
    /// Members of the county that were not heard of since the node started.
    pub holders_unknown: u64,
    /// Members elsewhere that said they hold it, or a newer version.
    pub holders_elsewhere: u64,
}
