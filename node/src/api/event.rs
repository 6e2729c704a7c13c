//! The shapes of the local API beside the views. Bytes are bytes, rates bytes a second, times seconds. A promise to
//! programs: fields are added, never renamed.

pub mod care;

use super::error::ErrorBody;
use crate::handle::view::{FileView, Published};
use crate::trouble::Problem;
use karez_content_tools::export::{ExportReport, LinkReport, Renamed};
use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A collection by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `publisher/name`.
    pub collection: String,
}

/// Rate limits to change, bytes a second; 0 takes one away, those not named stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsOrder {
    /// Sent to all peers together.
    pub up: Option<u64>,
    /// Received from all together.
    pub down: Option<u64>,
    /// Sent to any one.
    pub peer_up: Option<u64>,
    /// Received from any one.
    pub peer_down: Option<u64>,
}

impl LimitsOrder {
    /// What holds after this change.
    pub fn applied_to(&self, held: Rates) -> Rates {
        Rates {
            up: self.up.map_or(held.up, BytesPerSecond),
            down: self.down.map_or(held.down, BytesPerSecond),
            peer_up: self.peer_up.map_or(held.peer_up, BytesPerSecond),
            peer_down: self.peer_down.map_or(held.peer_down, BytesPerSecond),
        }
    }
}

/// Rate limits, bytes a second; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsView {
    /// Sent to all peers together.
    pub up: u64,
    /// Received from all together.
    pub down: u64,
    /// Sent to any one.
    pub peer_up: u64,
    /// Received from any one.
    pub peer_down: u64,
}

impl From<Rates> for LimitsView {
    fn from(Rates { up, down, peer_up, peer_down }: Rates) -> Self {
        Self { up: up.0, down: down.0, peer_up: peer_up.0, peer_down: peer_down.0 }
    }
}

/// What to fetch, and where to leave a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// `publisher/name`.
    pub collection: String,
    /// One item by number, key or title; all when absent.
    pub item: Option<String>,
    /// Folder for plain files, absolute; none are made when absent.
    pub to: Option<PathBuf>,
    /// Names as published, also those that some system cannot store.
    #[serde(default)]
    pub exact_names: bool,
    /// Replace files in the folder that no version of the collection had.
    #[serde(default)]
    pub overwrite: bool,
    /// Make the copy this node's own, so that the content is held once.
    #[serde(default)]
    pub link: bool,
}

/// A line of a running pull. `plan` comes first; `done` or `failed` comes last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PullEvent {
    /// What is going to happen.
    Plan(PullPlan),
    /// How far the download is.
    Progress(PullProgress),
    /// How far the copy is.
    Copying {
        /// Bytes written.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// How much of the copy has become this node's own.
    Linking {
        /// Bytes done.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Everything is here, and copied where that was asked for.
    Done(PullDone),
    /// It ends here; running the same again goes on where it stopped.
    Failed(ErrorBody),
}

/// What a pull is going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullPlan {
    /// `publisher/name`.
    pub collection: String,
    /// The version fetched.
    pub version: u64,
    /// Title of the collection.
    pub title: String,
    /// Title of the item, when only one is fetched.
    pub item: Option<String>,
    /// Files.
    pub files: u64,
    /// Sum of their sizes.
    pub plain_bytes: u64,
    /// Bytes of chunks that are fetched.
    pub wire_bytes: u64,
    /// About what that puts on the wire, both ways, headers included.
    #[serde(default)]
    pub with_headers_bytes: u64,
    /// Extra disk that the copy takes; files that are there already are not counted.
    pub copy_bytes: u64,
    /// Bytes free where the copy goes.
    pub free_bytes: Option<u64>,
    /// Where the copy goes.
    pub to: Option<PathBuf>,
}

/// How far a download is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullProgress {
    /// As in `status`: `pulling`, `waiting`, `paused`, `complete`.
    pub state: String,
    /// Version that is fetched: a newer one than planned, when one has come meanwhile.
    #[serde(default)]
    pub version: u64,
    /// Stored bytes here.
    pub have_bytes: u64,
    /// Stored bytes in all.
    pub total_bytes: u64,
    /// Rate now.
    pub rate: u64,
    /// Seconds to go at this rate.
    pub eta_s: Option<u64>,
    /// From flagships.
    pub bytes_from_flagship: u64,
    /// From sites, group included.
    pub bytes_from_peers: u64,
    /// From the uplink group.
    pub bytes_from_group: u64,
    /// Here before.
    pub bytes_already_here: u64,
    /// Missing chunks that nobody connected holds.
    pub missing_without_holder: u64,
    /// Who could bring them.
    pub waiting_for: Vec<String>,
    /// What stops it, when something on this machine does: a full disk.
    pub problem: Option<String>,
    /// The same, for programs and other languages.
    #[serde(default)]
    pub stopped_by: Option<Problem>,
}

/// A finished pull.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PullDone {
    /// `publisher/name`.
    pub collection: String,
    /// The version.
    pub version: u64,
    /// Files copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of chunks that were to be fetched when it began.
    #[serde(default)]
    pub wire_bytes: u64,
    /// The folder, when a copy was asked for.
    pub to: Option<PathBuf>,
    /// Files that were written; the others were there.
    pub written: u64,
    /// Files in the folder that are in the way of others and were left as they are.
    pub kept: Vec<String>,
    /// Files that have another name than published.
    pub renamed: Vec<RenamedFile>,
    /// What became this node's own, when that was asked for.
    #[serde(default)]
    pub linked: Option<LinkedFiles>,
    /// Seconds from the request to here.
    pub wall_s: f64,
}

/// Files of a copy that are this node's own now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedFiles {
    /// How many.
    pub files: u64,
    /// Bytes that this node no longer holds beside them.
    pub bytes: u64,
    /// Bytes of the store that came free.
    pub freed_bytes: u64,
    /// Files that stay beside what the store holds: they belong to another user, or were changed.
    pub left: Vec<String>,
}

impl From<LinkReport> for LinkedFiles {
    fn from(report: LinkReport) -> Self {
        let LinkReport { files, bytes, freed_bytes, left } = report;
        let left = left.iter().map(|path| path.as_str().to_owned()).collect();
        Self { files, bytes, freed_bytes, left }
    }
}

/// A file that has another name in the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenamedFile {
    /// Path as published.
    pub path: String,
    /// Path in the copy.
    pub exported: String,
    /// Why: characters, reserved, ending, normalised, length or collision.
    pub reason: String,
}

impl PullDone {
    /// Takes over what a copy did.
    pub(super) fn take(&mut self, report: &ExportReport) {
        (self.files, self.bytes, self.written) = (report.files, report.bytes, report.written);
        self.kept = report.kept.iter().map(|path| path.as_str().to_owned()).collect();
        let renamed = |file: &Renamed| RenamedFile {
            path: file.published.as_str().to_owned(),
            exported: file.exported.as_str().to_owned(),
            reason: file.change.name().to_owned(),
        };
        self.renamed = report.renamed.iter().map(renamed).collect();
    }
}

/// A line of a running publication. `done` or `failed` comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PublishLine {
    /// Reading and cutting.
    Packing {
        /// Files finished.
        files: u64,
        /// Bytes read.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A rendition is being made, before packing begins.
    Rendering {
        /// Its height, such as `360p`.
        height: String,
        /// Renditions finished.
        done: u64,
        /// Renditions in all.
        renditions: u64,
        /// Milliseconds of film encoded.
        ms: u64,
        /// Milliseconds in all, as far as they are known.
        total_ms: u64,
    },
    /// Published.
    Done(Box<Published>),
    /// Nothing was published.
    Failed(ErrorBody),
}

/// A path on a medium, absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumPath {
    /// The path.
    pub path: PathBuf,
}

/// A have-summary that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestWritten {
    /// The file.
    pub path: PathBuf,
    /// Collections in it.
    pub collections: u64,
}

/// What to pack into a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportOrder {
    /// `publisher/name`; everything complete here when empty.
    pub collections: Vec<String>,
    /// Name of the member it is for.
    pub site: Option<String>,
    /// The have-summary that the site wrote, absolute.
    pub have: Option<PathBuf>,
    /// Folder on the medium, absolute.
    pub to: PathBuf,
    /// Whether everything is read back.
    pub check: bool,
}

/// A line of a running export or import. `exported`, `imported` or `failed` comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CourierEvent {
    /// How far it is.
    Progress {
        /// Bytes done.
        bytes: u64,
        /// Bytes in all, about.
        total: u64,
        /// Whether they are being read back.
        checking: bool,
    },
    /// The bundle is written.
    Exported(BundleWritten),
    /// The bundles are taken in.
    Imported(BundleTaken),
    /// It ends here; running the same again goes on where it stopped.
    Failed(ErrorBody),
}

/// A bundle that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleWritten {
    /// Its folder.
    pub path: PathBuf,
    /// Collections in it.
    pub collections: u64,
    /// Part files.
    pub parts: u64,
    /// Chunks, manifest pages included.
    pub chunks: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of these, bytes that an interrupted run had written.
    pub resumed_bytes: u64,
    /// Chunks left out because the site holds them.
    pub held_chunks: u64,
    /// Whether everything was read back.
    pub checked: bool,
    /// Whether anything was known of what the site holds.
    pub site_known: bool,
}

/// What bundles brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleTaken {
    /// Bundles.
    pub bundles: u64,
    /// Releases accepted.
    pub releases: u64,
    /// Releases refused.
    pub refused: u64,
    /// Chunks stored.
    pub chunks_new: u64,
    /// Their stored bytes.
    pub bytes_new: u64,
    /// Chunks that were here.
    pub chunks_held: u64,
    /// Records left out because they are damaged or not named by a release.
    pub damaged: u64,
    /// Of these, chunks that no page names: one before them is damaged.
    #[serde(default)]
    pub unnamed: u64,
    /// The first of them.
    pub damages: Vec<DamageView>,
    /// Records left out that are in none of those.
    #[serde(default)]
    pub damages_more: u64,
    /// Signed documents and receipts that were kept.
    pub documents: u64,
}

/// Records that were left out, one behind the other for the same reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageView {
    /// The part's file.
    pub path: PathBuf,
    /// Where the first of them stands.
    pub offset: u64,
    /// How many they are.
    #[serde(default)]
    pub records: u64,
    /// What is wrong, by name.
    #[serde(default)]
    pub fault: String,
    /// What the system, or who checked a release, said.
    #[serde(default)]
    pub detail: Option<String>,
    /// What is wrong, in English.
    pub reason: String,
}

/// What to hand to a player.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayView {
    /// `publisher/name`.
    pub collection: String,
    /// The version.
    pub version: u64,
    /// The items.
    pub items: Vec<PlayItem>,
}

/// An item to play.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayItem {
    /// Number in order, from 1.
    pub number: u64,
    /// Stable key.
    pub key: String,
    /// Title.
    pub title: String,
    /// The lesson itself.
    pub main: FileView,
    /// Its subtitles.
    pub subtitles: Vec<FileView>,
    /// The same at other heights.
    #[serde(default)]
    pub renditions: Vec<FileView>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ApiError;
    use crate::handle::HandleError;

    #[test]
    fn lines_come_back_as_they_went() {
        let failed = ApiError::from(HandleError::Store { detail: "disk full".into() });
        for event in [
            PullEvent::Plan(PullPlan::default()),
            PullEvent::Progress(PullProgress { eta_s: Some(3), ..PullProgress::default() }),
            PullEvent::Done(PullDone::default()),
            PullEvent::Failed(failed.into()),
        ] {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<PullEvent>(&text).unwrap(), event, "{text}");
        }
    }
}
