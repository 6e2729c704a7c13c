//! What a swarm says of itself: counts for `status`, and why it does not go on.

use crate::trust::PeerId;

/// A snapshot. Bytes are stored bytes, which is what travels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Chunks wanted. A chunk that stands in several pages counts for each once these are wanted.
    pub known: u32,
    /// Of these, held.
    pub held: u32,
    /// And not held.
    pub missing: u32,
    /// Bytes of the missing ones that are looked at one by one now: of a large collection, a part.
    pub missing_bytes: u64,
    /// Of the missing, chunks that no connected peer has.
    pub missing_without_holder: u32,
    /// Of the missing, chunks that no connected site has: if the publisher leaves now, these do not come.
    pub missing_without_site: u32,
    /// Chunks asked for.
    pub in_flight: u32,
    /// Asks nobody for anything.
    pub is_paused: bool,
    /// Thrift has given way: the only other site is so slow that the publisher sends some of what that one could.
    pub yields: bool,
    /// Chunks left to an importer for now, by importer.
    pub waiting_for: Vec<(PeerId, u32)>,
    /// Whole chunks that came although they were held: bytes for nothing.
    pub duplicates: u64,
    /// The connected peers.
    pub peers: Vec<PeerStatus>,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub peer: PeerId,
    /// It publishes this collection.
    pub is_origin: bool,
    /// It lacks chunks.
    pub wants: bool,
    /// Of the wanted chunks, how many it holds.
    pub holds: u64,
    /// Chunks asked of it.
    pub outstanding: u32,
    /// Measured rate, in bytes a second; `None` before it has delivered.
    pub rate: Option<u64>,
    /// It let requests lie and is asked for one chunk at a time.
    pub is_snubbed: bool,
    /// As an importer it does not deliver: others do its share.
    pub is_stalled: bool,
}
