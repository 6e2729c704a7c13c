//! Messages of the chunk protocol, on the bulk lane's message stream.
//!
//! Each message is a 4-byte little-endian length and a CBOR body. The first one each way is `Hello`; until it has been
//! checked a stranger may send one message of at most [`HELLO_BYTES_MAX`].

use super::VersionRange;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::content::hash::{NetworkId, ReleaseId};
use crate::content::manifest::Run;
use crate::content::name::CollectionName;
use minicbor::{Decode, Encode};

/// Largest first message, in bytes.
pub const HELLO_BYTES_MAX: usize = 64 << 10;
/// Largest later message, in bytes: a have-map of 20 million scattered chunks fits.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most runs of one request.
pub const RUNS_MAX: usize = 4_096;

/// How urgent a request is; lower is more urgent and is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Urgency {
    /// Somebody is watching it now.
    #[n(0)]
    Play,
    /// A manifest page or a first copy into a domain: others wait for it.
    #[n(1)]
    Import,
    /// Everything else.
    #[n(2)]
    Background,
}

/// First message of each side.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Versions of the chunk protocol spoken.
    #[n(0)]
    pub versions: VersionRange,
    /// The network; another one is refused.
    #[n(1)]
    pub network: NetworkId,
    /// Version of the roster held: whoever is behind fetches the newer one before any chunk.
    #[n(2)]
    pub roster: u64,
    /// Program and version, for people.
    #[n(3)]
    pub agent: String,
    /// Random number of this run of the program: a new one tells that connections from before are dead.
    #[n(4)]
    pub session: u64,
    /// Where the sender sees the receiver: `ip:port`, on QUIC.
    #[n(5)]
    pub seen_at: Option<String>,
    /// On a stream: the sender has found that UDP between the two is throttled.
    #[n(6)]
    pub throttled: Option<bool>,
}

/// A message of the chunk protocol.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PeerMessage {
    /// First message each way.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// The sender takes part in this release; the receiver answers with `Have` if it does, too.
    #[n(1)]
    Interest {
        /// The collection.
        #[n(0)]
        collection: CollectionName,
        /// The release's release.
        #[n(1)]
        release: ReleaseId,
        /// Whether the sender still lacks chunks.
        #[n(2)]
        wants: bool,
    },
    /// The sender no longer takes part.
    #[n(2)]
    NoInterest {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
    },
    /// Everything the sender holds of a release.
    #[n(3)]
    Have {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
        /// The chunks held.
        #[n(1)]
        set: ChunkSet,
    },
    /// What changed since.
    #[n(4)]
    HaveDelta {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
        /// Newly held.
        #[n(1)]
        gained: Vec<Run>,
        /// Being imported now: others need not.
        #[n(2)]
        coming: Vec<Run>,
    },
    /// Please send these, in this order.
    #[n(5)]
    Request {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
        /// How urgent.
        #[n(1)]
        urgency: Urgency,
        /// Which chunks.
        #[n(2)]
        chunks: Vec<Run>,
    },
    /// Do not send these if you have not begun.
    #[n(6)]
    Cancel {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
        /// Which chunks.
        #[n(1)]
        chunks: Vec<Run>,
    },
    /// The sender cannot serve these requested chunks.
    #[n(7)]
    Refused {
        /// The release's release.
        #[n(0)]
        release: ReleaseId,
        /// Which chunks.
        #[n(1)]
        chunks: Vec<Run>,
    },
}

/// Joins sorted or unsorted chunk indexes into runs, keeping their order.
pub fn to_runs(chunks: &[ChunkIndex]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for chunk in chunks {
        match runs.last_mut() {
            Some(run) if run.first + run.count == chunk.0 => run.count += 1,
            _ => runs.push(Run { first: chunk.0, count: 1 }),
        }
    }
    runs
}

/// Spreads untrusted runs out again; `None` when there are more than `limit` chunks or an index overflows.
pub fn from_runs(runs: &[Run], limit: usize) -> Option<Vec<ChunkIndex>> {
    let mut chunks = Vec::new();
    for run in runs {
        let end = run.first.checked_add(run.count)?;
        if run.count as usize > limit - chunks.len() {
            return None;
        }
        chunks.extend((run.first..end).map(ChunkIndex));
    }
    Some(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn runs_join_and_spread() {
        let chunks: Vec<_> = [5, 6, 7, 2, 3, 9].map(ChunkIndex).into();
        let runs = to_runs(&chunks);
        assert_eq!(runs.len(), 3);
        assert_eq!(from_runs(&runs, 6), Some(chunks));
        assert_eq!(from_runs(&runs, 5), None);
        assert_eq!(from_runs(&[Run { first: u32::MAX, count: 2 }], 10), None);
    }

    #[test]
    fn messages_round_trip() {
        let release = ReleaseId::from_bytes([8; 32]);
        let run = Run { first: 3, count: 4 };
        let hello = Hello {
            versions: crate::wire::PROTOCOL,
            network: NetworkId::from_bytes([1; 32]),
            roster: 7,
            agent: "karez/0.1".into(),
            session: 9,
            seen_at: Some("203.0.113.9:4041".into()),
            throttled: Some(true),
        };
        for message in [
            PeerMessage::Hello(hello),
            PeerMessage::Interest { collection: "a/b".parse().unwrap(), release, wants: true },
            PeerMessage::NoInterest { release },
            PeerMessage::Have { release, set: ChunkSet::full(9) },
            PeerMessage::HaveDelta { release, gained: vec![run], coming: vec![] },
            PeerMessage::Request { release, urgency: Urgency::Play, chunks: vec![run] },
            PeerMessage::Cancel { release, chunks: vec![run] },
            PeerMessage::Refused { release, chunks: vec![run] },
        ] {
            assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode::<PeerMessage>(&bytes);
        }
    }
}
