//! Messages between node and tracker: CBOR bodies of HTTP requests. What a node says is signed by its node key; whom and what to
//! trust travels inside the signed roster and signed releases. Announces, which are the tracker's alone, carry a MAC instead
//! (`trust::pair`), and so do their answers. Refusals carry nothing.

use super::control::{HeldVersion, PeerAddress, SignedRelease};
use crate::content::name::{CollectionName, PublisherName};
use crate::content::{Document, DocumentError, Header};
use crate::trust::signed::SignedDocument;
use crate::trust::{PeerId, PublicKey};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

/// Largest request body, in bytes.
pub const REQUEST_BYTES_MAX: usize = 9 << 20;

/// `POST /v1/join`, signed by the joiner's node key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinRequest {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Number of the invite.
    #[n(1)]
    pub token: u64,
    /// Who joins.
    #[n(2)]
    pub peer: PeerId,
    /// The key that will sign its releases, when it publishes.
    #[n(3)]
    pub publisher_key: Option<PublicKey>,
    /// See `Invite::proof`.
    #[n(4)]
    pub proof: ByteArray<32>,
}

/// Answer to a join.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinResponse {
    /// The signed roster, with the joiner in it.
    #[n(0)]
    pub roster: ByteVec,
    /// The namespace the joiner may publish in.
    #[n(1)]
    pub publisher: Option<PublisherName>,
}

/// `POST /v1/announce`, with a MAC under the key between node and tracker: where I am and what I hold. The answer tells what is new.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Announce {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Who.
    #[n(1)]
    pub peer: PeerId,
    /// Grows with every announce of this node (milliseconds of Unix time): a replay is refused, and what is more than a day ahead
    /// of the tracker's clock.
    #[n(2)]
    pub sequence: u64,
    /// `ip:port` on both planes, or `via/PEER`, see `relay::Address`.
    #[n(3)]
    pub addresses: Vec<String>,
    /// Releases held, whole or in part.
    #[n(4)]
    pub held: Vec<HeldVersion>,
    /// Collections whose peers are wanted.
    #[n(5)]
    pub wanted: Vec<CollectionName>,
    /// Version of the roster held.
    #[n(6)]
    pub roster: u64,
    /// Revision of the catalogue held, see [`AnnounceResponse::catalogue`].
    #[n(7)]
    pub catalogue: u64,
    /// Whether it relays between members.
    #[n(8)]
    #[cbor(default)]
    pub relay: bool,
}

/// Answer to an announce; travels with a MAC, see `PairKey::seal_answer`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AnnounceResponse {
    /// The signed roster, when the node's is older.
    #[n(0)]
    pub roster: Option<ByteVec>,
    /// Revision of the catalogue: grows with every release, survives restarts.
    #[n(1)]
    pub catalogue: u64,
    /// Newest releases whose revision is above the node's, oldest first, as many as fit.
    #[n(2)]
    pub releases: Vec<CatalogueEntry>,
    /// Peers for each wanted collection, best first for the asking site.
    #[n(3)]
    pub peers: Vec<CollectionPeers>,
    /// Seconds until the next announce is due.
    #[n(4)]
    pub interval: u32,
    /// Members that relay, best first for the asking site.
    #[n(5)]
    #[cbor(default)]
    pub relays: Vec<PeerAddress>,
}

/// A release in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CatalogueEntry {
    /// Catalogue revision at which it came.
    #[n(0)]
    pub revision: u64,
    /// Release and root page.
    #[n(1)]
    pub release: SignedRelease,
}

/// Peers for one collection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CollectionPeers {
    /// The collection.
    #[n(0)]
    pub collection: CollectionName,
    /// Best first: uplink group, county, province, anywhere.
    #[n(1)]
    pub peers: Vec<PeerAddress>,
}

/// Answer of the tracker when it refuses, with an HTTP status of 400 and above.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// Why, for programs.
    #[n(0)]
    pub reason: RefusalReason,
    /// Why, for people.
    #[n(1)]
    pub detail: String,
}

/// Why a tracker refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalReason {
    /// The body is not a message or its signature is false.
    #[n(0)]
    Malformed,
    /// The invite is unknown, used by somebody else, expired or its proof is false.
    #[n(1)]
    Invite,
    /// The node is not a member.
    #[n(2)]
    NotMember,
    /// The release's signer does not own the namespace.
    #[n(3)]
    NotPublisher,
    /// The release's version is not the next one.
    #[n(4)]
    Version,
    /// The announce is older than one already seen.
    #[n(5)]
    Replay,
    /// The tracker itself has a problem.
    #[n(6)]
    Internal,
    /// The clocks of node and tracker are too far apart.
    #[n(7)]
    Clock,
}

impl Document for JoinRequest {
    const NAME: &'static str = "join request";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 4;
    const BYTES_MAX: usize = 4 << 10;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        Ok(())
    }
}

impl SignedDocument for JoinRequest {
    const CONTEXT: &'static str = "karez/join/v1";
}

impl Document for Announce {
    const NAME: &'static str = "announce";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 8;
    const BYTES_MAX: usize = 1 << 20;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        let short = |address: &String| address.len() <= 64;
        if self.addresses.len() > 16
            || !self.addresses.iter().all(short)
            || self.wanted.len() > super::control::LIST_MAX
        {
            return Err(Self::invalid("too many or too long entries"));
        }
        Ok(())
    }
}

impl SignedDocument for Announce {
    const CONTEXT: &'static str = "karez/announce/v1";
}
