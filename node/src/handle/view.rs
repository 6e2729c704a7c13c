//! What the daemon shows: the shapes of `--json` and of the local API. Bytes are bytes, rates bytes a second, times
//! seconds. A promise to programs: fields are added, never renamed.

pub mod care;

use crate::trouble::Problem;
use care::CareView;
use karez_content_tools::cut::Fallback;
use karez_content_tools::pack::Skipped;
use serde::{Deserialize, Serialize};

/// A catalogue row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRow {
    /// `publisher/name`.
    pub collection: String,
    /// Newest version listed.
    pub version: u64,
    /// Title.
    pub title: String,
    /// Kind by name.
    pub kind: String,
    /// A few sentences.
    pub description: Option<String>,
    /// BCP-47 tags.
    pub languages: Vec<String>,
    /// Number of items.
    #[serde(rename = "item_count")]
    pub items: u64,
    /// Sum of file sizes.
    pub plain_bytes: u64,
    /// Stored bytes.
    pub stored_bytes: u64,
    /// Unix seconds.
    pub issued: u64,
    /// Version held here completely, if any.
    pub held_version: Option<u64>,
}

/// A collection with its items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionView {
    /// The catalogue row.
    #[serde(flatten)]
    pub row: SearchRow,
    /// The version whose items are listed.
    pub shown_version: u64,
    /// Bytes of chunks that a pull fetches now, from the manifest, less what is here.
    pub wire_bytes: u64,
    /// About what that puts on the wire, both ways, headers included.
    #[serde(default)]
    pub with_headers_bytes: u64,
    /// `exact`: so many; `upper`: at most so many.
    #[serde(default)]
    pub bound: String,
    /// Extra disk that a plain copy (`pull --to`) takes.
    pub copy_bytes: u64,
    /// Whether new versions arrive unasked.
    pub following: bool,
    /// Licence.
    pub licence: Option<String>,
    /// Creators.
    pub creators: Vec<String>,
    /// Items in order.
    pub items: Vec<ItemView>,
    /// How many more items there are.
    #[serde(default)]
    pub items_more: u64,
}

/// An item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// Number in order, from 1.
    pub number: u64,
    /// Stable key.
    pub key: String,
    /// Title.
    pub title: String,
    /// Sum of its file sizes.
    pub bytes: u64,
    /// Of these, bytes that are here.
    pub have_bytes: u64,
    /// Its files.
    pub files: Vec<FileView>,
    /// How many more files it has.
    #[serde(default)]
    pub files_more: u64,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Path inside the collection.
    pub path: String,
    /// Role by name.
    pub role: String,
    /// Media type.
    pub media_type: String,
    /// Size.
    pub bytes: u64,
    /// Where the local node plays it, when the gateway runs.
    pub url: Option<String>,
    /// Height of its pictures in lines, when known.
    #[serde(default)]
    pub height: Option<u32>,
    /// Bits a second, when known.
    #[serde(default)]
    pub bitrate: Option<u64>,
}

/// Result of a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// `publisher/name`.
    pub collection: String,
    /// Version that is current now.
    pub version: u64,
    /// Manifest id.
    pub manifest: String,
    /// Files.
    pub files: u64,
    /// Sum of file sizes.
    pub plain_bytes: u64,
    /// Unique stored bytes of the release.
    pub stored_bytes: u64,
    /// Bytes a follower of the version before fetches.
    pub new_bytes: u64,
    /// The folder is what the current version already holds: nothing was published.
    pub unchanged: bool,
    /// Whether the tracker has listed it; false means it will be listed at the next contact.
    pub listed: bool,
    /// What was left out, the first of it.
    pub skipped: Vec<SkippedView>,
    /// How much more there is.
    #[serde(default)]
    pub skipped_more: u64,
    /// How much of all of it systems and programs left in the folder.
    #[serde(default)]
    pub leftovers: u64,
    /// Title of the collection.
    #[serde(default)]
    pub title: String,
    /// What the publisher should know about the files.
    #[serde(default)]
    pub warnings: Vec<NoticeView>,
    /// How many more warnings there are.
    #[serde(default)]
    pub warnings_more: u64,
    /// Renditions among the files.
    #[serde(default)]
    pub renditions: u64,
    /// Bytes of the files read this time that stay in the folder, of which this node has no copy.
    #[serde(default)]
    pub in_place_bytes: u64,
    /// How containers were cut.
    #[serde(default)]
    pub plans: PlansView,
}

/// How films, archives and medical pictures were cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlansView {
    /// Files taken apart into streams.
    pub streams: u64,
    /// Files cut in order, at the ends of members or pixels.
    pub linear: u64,
    /// Containers cut like any other file, the first of them.
    pub plain: Vec<PlainView>,
    /// How many more there are.
    pub plain_more: u64,
}

/// A container that was cut like any other file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainView {
    /// Its path inside the collection.
    pub path: String,
    /// What it is: `mp4`, `mkv`, `zip`, `dicom`.
    pub container: String,
    /// Why, by name.
    pub reason: String,
}

impl PlansView {
    /// Plans as they are shown.
    pub fn of(plans: &karez_content_tools::pack::Plans) -> Self {
        let view = |plain: &karez_content_tools::pack::PlainContainer| PlainView {
            path: plain.path.to_string(),
            container: plain.container.name().into(),
            reason: plain.reason.name().into(),
        };
        let plain = plans.plain.iter().map(view).collect();
        Self { streams: plans.streams, linear: plans.linear, plain, plain_more: plans.plain_more }
    }

    /// Containers that are large enough to be taken apart, and were not.
    pub fn given_up(&self) -> u64 {
        self.plain.iter().filter(|plain| plain.reason != Fallback::TooSmall.name()).count() as u64
    }
}

/// What was noticed about a file: `code` is for programs and stays, `text` explains it in English.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// Its path inside the collection.
    pub path: String,
    /// What it is.
    pub code: String,
    /// A tag, a codec, a format.
    pub detail: String,
    /// The same for people.
    pub text: String,
}

impl NoticeView {
    /// Notices as they are shown.
    pub fn all(notices: &karez_content_tools::package::Notices) -> Vec<Self> {
        let view = |notice: &karez_content_tools::package::Notice| Self {
            path: notice.path.clone(),
            code: notice.code.name().into(),
            detail: notice.detail.clone(),
            text: notice.text(),
        };
        notices.list.iter().map(view).collect()
    }
}

/// Something in the folder that is not published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedView {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether a system or a program left it there.
    #[serde(default)]
    pub leftover: bool,
}

impl From<&Skipped> for SkippedView {
    fn from(skipped: &Skipped) -> Self {
        let reason = skipped.reason;
        Self { path: skipped.path.clone(), reason: reason.name().into(), leftover: reason.is_leftover() }
    }
}

/// The node's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Who this is.
    pub node: NodeView,
    /// The tracker, as seen from here.
    pub tracker: TrackerView,
    /// Bytes moved since the daemon started.
    pub counters: Counters,
    /// Connected peers.
    pub peers: Vec<PeerView>,
    /// Collections held or being fetched.
    pub collections: Vec<CollectionState>,
    /// Something the keeper should act on: disk full, damaged store.
    pub problems: Vec<String>,
    /// The same, for programs and other languages.
    #[serde(default)]
    pub problem_list: Vec<Problem>,
    /// The care of the store.
    #[serde(default)]
    pub care: CareView,
}

/// This node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Name in the roster.
    pub name: String,
    /// Peer id.
    pub peer: String,
    /// Network's name.
    pub network: String,
    /// Program version.
    pub version: String,
    /// `ip:port` on both planes.
    pub listen: Vec<String>,
    /// Base URL of the gateway.
    pub gateway: Option<String>,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Rate limit up, bytes a second; 0 is none.
    pub up_limit: u64,
    /// Rate limit down, bytes a second; 0 is none.
    pub down_limit: u64,
    /// Rate limit up to any one peer, bytes a second; 0 is none.
    pub peer_up_limit: u64,
    /// Rate limit down from any one peer, bytes a second; 0 is none.
    pub peer_down_limit: u64,
    /// Names of the relays through which others may reach this node.
    #[serde(default)]
    pub reachable_through: Vec<String>,
    /// What this node relays between members, if it does.
    #[serde(default)]
    pub relay: Option<RelayView>,
    /// The HTTP proxy that is the way out, without its password.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// A relay at work. Bytes are those of circuits, each counted once; they cross this node's link in both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayView {
    /// Members that may be called through it now.
    pub reservations: u64,
    /// Circuits now.
    pub circuits: u64,
    /// Bytes carried since the daemon started.
    pub bytes: u64,
    /// Refused or ended since the daemon started because a quota was used up.
    pub refused: u64,
    /// Most to carry, bytes a second; 0 is no limit.
    pub rate_limit: u64,
    /// Circuits there may be.
    pub circuits_max: u64,
    /// Of these, with any one member.
    pub peer_circuits_max: u64,
    /// Bytes that one circuit may carry.
    pub circuit_bytes_max: u64,
    /// Seconds that one circuit may last.
    pub circuit_s_max: u64,
}

/// The tracker, as seen from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerView {
    /// Its address.
    pub url: String,
    /// Whether the last contact succeeded.
    pub reachable: bool,
    /// Seconds since the last successful contact.
    pub last_contact_s: Option<u64>,
    /// What went wrong last.
    pub problem: Option<String>,
}

/// Bytes moved since the daemon started. Chunk bytes are stored form, headers not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Chunk bytes sent.
    pub chunk_bytes_sent: u64,
    /// Chunk bytes received, duplicates and bad ones included.
    pub chunk_bytes_received: u64,
    /// Of the received: from flagships.
    pub bytes_from_flagship: u64,
    /// From sites, group included.
    pub bytes_from_peers: u64,
    /// From sites of this node's uplink group.
    pub bytes_from_group: u64,
    /// Of the received: through a relay, from whomever.
    #[serde(default)]
    pub bytes_relayed: u64,
    /// Chunks received that were already held.
    pub refetched_chunks: u64,
    /// Chunks whose bytes were false.
    pub bad_chunks: u64,
    /// Connections refused because the other side is not a member, both planes.
    pub strangers_refused: u64,
}

/// A connected peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    /// Name in the roster.
    pub name: String,
    /// Peer id.
    pub peer: String,
    /// `site` or `flagship`.
    pub role: String,
    /// Whether it is in this node's uplink group.
    pub same_group: bool,
    /// How bytes travel: `direct` (QUIC), `lan` (QUIC to where the peer announces itself on this LAN), `tcp` (over the control
    /// connection) or `relayed` (over a control connection through a relay).
    pub lane: String,
    /// Why not `direct`: `udp-blocked`, `udp-throttled`, `proxy` (UDP blocked, and the control connection goes through the HTTP proxy), `no-direct-way`.
    #[serde(default)]
    pub lane_reason: Option<String>,
    /// The relay's name.
    #[serde(default)]
    pub relay: Option<String>,
    /// Times that both sides dialled each other at once to get past their NATs, since the relay is in use.
    #[serde(default)]
    pub punches: u32,
    /// Its address.
    pub address: String,
    /// Chunk bytes received from it.
    pub bytes_received: u64,
    /// Chunk bytes sent to it.
    pub bytes_sent: u64,
    /// Rate from it now.
    pub rate_down: u64,
    /// Round trip in milliseconds.
    pub rtt_ms: f64,
}

/// A collection held or being fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionState {
    /// `publisher/name`.
    pub collection: String,
    /// Title.
    pub title: String,
    /// Version meant by the figures here: the one being fetched, else the newest held.
    pub version: u64,
    /// Newest complete version.
    pub complete_version: Option<u64>,
    /// Whether `version` is complete.
    pub complete: bool,
    /// Whether new versions arrive unasked.
    pub following: bool,
    /// `complete`, `pulling`, `waiting` (nobody connected holds the rest), `paused`, `published`.
    pub state: String,
    /// Chunks of the release; 0 until its description has arrived.
    pub chunks: u64,
    /// Chunks here.
    pub have_chunks: u64,
    /// Unique stored bytes of the release.
    pub stored_bytes: u64,
    /// Of these, here.
    pub have_bytes: u64,
    /// Missing chunks that no connected peer holds.
    pub missing_without_holder: u64,
    /// Missing chunks that no connected site holds: if the flagship left now, these would not come.
    pub missing_without_site: u64,
    /// Thrift has given way: the only other site is so slow that the flagship sends some of what that one could.
    pub yields: bool,
    /// From whom the missing ones could come: names of members that are known to hold it but are not connected.
    pub waiting_for: Vec<String>,
    /// Rate now.
    pub rate: u64,
    /// Seconds to go at this rate.
    pub eta_s: Option<u64>,
    /// Seconds from the start of the pull to completion, or until now.
    pub wall_s: f64,
    /// Where the bytes of this version came from.
    pub bytes_from_flagship: u64,
    /// From sites, group included.
    pub bytes_from_peers: u64,
    /// From the uplink group.
    pub bytes_from_group: u64,
    /// Were here before the pull began.
    pub bytes_already_here: u64,
}
