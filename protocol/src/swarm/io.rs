//! The whole vocabulary of the swarm core on one page. It sees chunk numbers, sizes and verdicts, never chunk bytes.

use super::lane::Lane;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::content::hash::ChunkId;
use crate::content::layout::ChunkSpace;
use crate::trust::PeerId;
use crate::wire::peer::Urgency;

/// How the flagship's upload is traded against time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EgressMode {
    /// Only importers ask the flagship: it uploads about one copy. Gives way when the only other site is slow.
    #[default]
    Thrifty,
    /// First copies first; flagship uplink that would idle serves what is rarest among the sites.
    Fast,
}

/// What the roster says of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerProfile {
    /// It publishes this collection: its upload is what must be saved. It never imports.
    pub is_origin: bool,
    /// Province and county, widest first: `gansu/minqin`. Empty for a place in none.
    pub domain: String,
    /// Sites behind one WAN link share a group; unique in the network.
    pub uplink_group: Option<String>,
    /// Importer weight as a power of two; 0 comes behind all others.
    pub weight: u8,
}

impl PeerProfile {
    /// How near two members are by the roster's word.
    pub(super) fn lane_to(&self, other: &Self) -> Lane {
        let province = |profile: &Self| profile.domain.split('/').next().map(str::to_owned);
        match () {
            () if other.is_origin => Lane::Origin,
            () if self.uplink_group.is_some() && self.uplink_group == other.uplink_group => Lane::Group,
            () if self.domain.is_empty() => Lane::Site,
            () if self.domain == other.domain => Lane::County,
            () if province(self) == province(other) => Lane::Province,
            () => Lane::Site,
        }
    }
}

/// A chunk as the core knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownChunk {
    /// Its number.
    pub index: ChunkIndex,
    /// Its id: what importers are chosen by.
    pub id: ChunkId,
    /// Bytes that travel.
    pub stored_len: u32,
}

/// What a chunk that arrived turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Verified and written.
    Good,
    /// Its bytes are not the chunk's.
    Bad,
}

/// Chunks that other swarms of this node have under way. Nothing is asked in answer to the first two, so that a shell can tell
/// all its swarms before any of them goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// These, and no others: for a swarm that was not told before, or not of everything.
    All(Vec<ChunkId>),
    /// Another swarm asked for these.
    Begun(Vec<ChunkId>),
    /// Another swarm asks for these no longer. Which of them are in the store, `Input::Held` has said before.
    Ended(Vec<ChunkId>),
}

/// What changed of a swarm's chunks under way, for its siblings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flights {
    /// Asked for since the last look.
    pub begun: Vec<ChunkId>,
    /// Asked for no longer: they came, or will not.
    pub ended: Vec<ChunkId>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Chunks became known that are all wanted; the first call names the manifest's pages.
    ChunksKnown(Vec<KnownChunk>),
    /// The content of all pages is wanted. `Output::Read` says which pages to look into, when there is room.
    ContentWanted(ChunkSpace),
    /// These pages were read: what they name, or of them what `Input::Held` has not named before. A page that cannot be
    /// read is left out of `chunks`, and `NotStored` names its chunk.
    PagesRead {
        /// Their numbers.
        pages: Vec<u32>,
        /// Their rows.
        chunks: Vec<KnownChunk>,
    },
    /// These chunks are in the store by other ways than this swarm: at start, or shared with another collection.
    Held(ChunkSet),
    /// What other swarms of this node fetch is not asked for here.
    Elsewhere(Elsewhere),
    /// A peer that takes part in this release is connected.
    PeerJoined {
        /// Who.
        peer: PeerId,
        /// What the roster says.
        profile: PeerProfile,
    },
    /// It is gone, or is not heard of any more.
    PeerLeft {
        /// Who.
        peer: PeerId,
    },
    /// A site takes part in this release, and no connection to it stands: one may come, or what it imports comes by others.
    /// Until it joins or leaves. Of no effect for a peer that is connected.
    PeerHeard {
        /// Who.
        peer: PeerId,
        /// What the roster says.
        profile: PeerProfile,
        /// Lacks chunks, as far as is known.
        wants: bool,
    },
    /// Whether it still lacks chunks.
    PeerWants {
        /// Who.
        peer: PeerId,
        /// Lacks chunks.
        wants: bool,
    },
    /// Everything it holds; replaces what was known.
    PeerHas {
        /// Who.
        peer: PeerId,
        /// Chunks held.
        set: ChunkSet,
    },
    /// It gained some and is importing some.
    PeerGained {
        /// Who.
        peer: PeerId,
        /// Newly held.
        gained: Vec<ChunkIndex>,
        /// Being imported now.
        coming: Vec<ChunkIndex>,
    },
    /// It cannot serve these requested chunks.
    PeerRefused {
        /// Who.
        peer: PeerId,
        /// Which.
        chunks: Vec<ChunkIndex>,
    },
    /// Bytes of a chunk still under way came from it: it is alive.
    Progress {
        /// Who.
        peer: PeerId,
        /// Bytes since the last report.
        bytes: u64,
    },
    /// A whole chunk came from it and was judged.
    Received {
        /// Who.
        peer: PeerId,
        /// Which.
        chunk: ChunkIndex,
        /// What it turned out to be.
        verdict: Verdict,
    },
    /// A verified chunk could not be stored (disk full), whether it was reported as received before or not: it is missing
    /// again; the shell pauses the swarm itself.
    NotStored {
        /// Which.
        chunk: ChunkIndex,
    },
    /// Somebody is watching: these first, in this order. Replaces the urgent list from before.
    Urgent(Vec<ChunkIndex>),
    /// Of the content only what is urgent is wanted: somebody watches or takes one item of a collection that is not fetched.
    OnlyUrgent(bool),
    /// Ask nobody for anything until resumed (disk full, metered).
    Paused(bool),
    /// Changes the egress mode.
    Mode(EgressMode),
    /// `next_deadline` has come.
    Tick,
}

/// Why a peer is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// It sent bytes that are not the chunk's.
    BadChunk,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Ask a peer for chunks, in this order.
    Request {
        /// Whom.
        peer: PeerId,
        /// How urgent.
        urgency: Urgency,
        /// Which.
        chunks: Vec<ChunkIndex>,
    },
    /// Take back what was asked.
    Cancel {
        /// Whom.
        peer: PeerId,
        /// Which.
        chunks: Vec<ChunkIndex>,
    },
    /// Tell all peers of this release.
    Announce {
        /// Newly held.
        gained: Vec<ChunkIndex>,
        /// Being imported now.
        coming: Vec<ChunkIndex>,
    },
    /// Drop a peer.
    Disconnect {
        /// Whom.
        peer: PeerId,
        /// Why.
        reason: DropReason,
    },
    /// Read these manifest pages, which are held, and answer with `Input::PagesRead`.
    Read {
        /// Their numbers.
        pages: Vec<u32>,
    },
    /// Every known chunk is held (emitted once each time the set of known chunks becomes complete).
    Complete,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_near_by_their_paths() {
        let at = |domain: &str, group: &str| PeerProfile {
            is_origin: false,
            domain: domain.into(),
            uplink_group: (!group.is_empty()).then(|| group.into()),
            weight: 2,
        };
        for (here, there, lane) in [
            (at("gansu/minqin", "hop"), at("gansu/minqin", "hop"), Lane::Group),
            (at("gansu/minqin", "hop"), at("gansu/minqin", "fibre"), Lane::County),
            (at("gansu/minqin", ""), at("gansu/minqin", ""), Lane::County),
            (at("gansu/minqin", ""), at("gansu/gulang", ""), Lane::Province),
            (at("gansu/minqin", ""), at("gansu", ""), Lane::Province),
            (at("gansu/minqin", ""), at("gan/minqin", ""), Lane::Site),
            (at("gansu/minqin", ""), at("ningxia/yanchi", ""), Lane::Site),
            (at("gansu/minqin", ""), at("", ""), Lane::Site),
            (at("", ""), at("", ""), Lane::Site),
            (at("", "hop"), at("", "hop"), Lane::Group),
        ] {
            assert_eq!((here.lane_to(&there), there.lane_to(&here)), (lane, lane), "{here:?}, {there:?}");
            let origin = PeerProfile { is_origin: true, ..there };
            assert_eq!(here.lane_to(&origin), Lane::Origin);
        }
    }
}
