//! Messages of the control plane: small questions and answers between members, over libp2p request-response.
//!
//! Through these a node keeps working with the peers it knows while the tracker is away: newer rosters, newer releases
//! and other peers' addresses all arrive here, each signed by its owner.

use super::VersionRange;
use crate::content::hash::NetworkId;
use crate::content::name::CollectionName;
use crate::trust::PeerId;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Protocol name for libp2p.
pub const CONTROL_PROTOCOL: &str = "/karez/control/1";
/// Largest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Largest answer, in bytes: a roster or a manifest root with its release.
pub const RESPONSE_BYTES_MAX: usize = 17 << 20;
/// Most versions or peers in one answer.
pub const LIST_MAX: usize = 1_024;

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Greeting {
    /// Versions of the control protocol spoken.
    #[n(0)]
    pub versions: VersionRange,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Version of the roster held.
    #[n(2)]
    pub roster: u64,
    /// Where this node can be reached: `ip:port` on both planes (TCP control, UDP bulk), or `via/PEER`, see `relay::Address`.
    #[n(3)]
    pub addresses: Vec<String>,
    /// Releases held, whole or in part.
    #[n(4)]
    pub held: Vec<HeldVersion>,
    /// Whether it relays between members.
    #[n(5)]
    #[cbor(default)]
    pub relay: bool,
}

/// A release a node holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HeldVersion {
    /// The collection.
    #[n(0)]
    pub collection: CollectionName,
    /// Its version.
    #[n(1)]
    pub version: u64,
    /// Whether every chunk is held.
    #[n(2)]
    pub complete: bool,
}

/// Where a peer was last reached.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PeerAddress {
    /// Who.
    #[n(0)]
    pub peer: PeerId,
    /// `ip:port` or `via/PEER`, best first.
    #[n(1)]
    pub addresses: Vec<String>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ControlRequest {
    /// Who are you, and here is who I am. Sent on connecting and whenever something changed.
    #[n(0)]
    Greet(#[n(0)] Greeting),
    /// Your roster, if newer than this.
    #[n(1)]
    Roster {
        /// Version held.
        #[n(0)]
        newer_than: u64,
    },
    /// The newest release you know of a collection, if newer than this.
    #[n(2)]
    Release {
        /// The collection.
        #[n(0)]
        collection: CollectionName,
        /// Version held.
        #[n(1)]
        newer_than: u64,
    },
    /// Peers you know.
    #[n(3)]
    Peers,
    /// Dial my bulk port at one of these now, and tell me where yours is: we only reach each other through a relay.
    #[n(4)]
    Punch {
        /// `ip:port`, as others see them.
        #[n(0)]
        addresses: Vec<String>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ControlResponse {
    /// Who I am.
    #[n(0)]
    Greeting(#[n(0)] Greeting),
    /// A signed roster.
    #[n(1)]
    Roster(#[n(0)] ByteVec),
    /// A signed release and its manifest's root page.
    #[n(2)]
    Release(#[n(0)] SignedRelease),
    /// Peers.
    #[n(3)]
    Peers(#[n(0)] Vec<PeerAddress>),
    /// Nothing newer, or nothing known.
    #[n(4)]
    Nothing,
    /// I am dialling; dial me at one of these (`ip:port`).
    #[n(5)]
    Punch(#[n(0)] Vec<String>),
}

/// A release as it travels: the signed bytes and the root page they point to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedRelease {
    /// The signed release, as signed.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub release: Vec<u8>,
    /// The root page, as hashed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub root: Vec<u8>,
}
