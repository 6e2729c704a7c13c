//! The roster: everybody in the network and every publisher, signed by the tracker key that the invite pins.
//!
//! Versions only grow; a node never goes back to an older roster.

use super::key::{PeerId, PublicKey};
use super::signed::SignedDocument;
use crate::content::name::PublisherName;
use crate::content::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};
use std::collections::BTreeSet;

/// Most members of one network.
pub const MEMBERS_MAX: usize = 65_536;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MemberRole {
    /// A receiving site.
    #[n(0)]
    Site,
    /// A publishing organisation's node: the origin of its collections, whose upload is what must be saved.
    #[n(1)]
    Flagship,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Member {
    /// Its identity on both planes.
    #[n(0)]
    pub peer: PeerId,
    /// Its name as people read it.
    #[n(1)]
    pub name: String,
    /// What it is.
    #[n(2)]
    pub role: MemberRole,
    /// Domain path, widest first: province, county (for example `gansu/minqin`).
    #[n(3)]
    pub domain: String,
    /// Sites behind one WAN link carry the same group name.
    #[n(4)]
    pub uplink_group: Option<String>,
    /// Importer weight as a power of two: 0 imports for itself alone, 1 is half a site, 2 a site, 5 a county hub.
    #[n(5)]
    pub weight: u8,
}

/// A publisher's namespace and the key that signs releases in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Publisher {
    /// The namespace.
    #[n(0)]
    pub name: PublisherName,
    /// Its key.
    #[n(1)]
    pub key: PublicKey,
    /// The node that publishes.
    #[n(2)]
    pub peer: PeerId,
}

/// The roster.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Roster {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Grows with every change.
    #[n(1)]
    pub version: u64,
    /// The network's name as people read it.
    #[n(2)]
    pub network_name: String,
    /// All members.
    #[n(3)]
    pub members: Vec<Member>,
    /// All publishers.
    #[n(4)]
    pub publishers: Vec<Publisher>,
}

impl Roster {
    /// The member with this identity.
    pub fn member(&self, peer: &PeerId) -> Option<&Member> {
        self.members.iter().find(|member| member.peer == *peer)
    }

    /// The publisher of a namespace.
    pub fn publisher(&self, name: &PublisherName) -> Option<&Publisher> {
        self.publishers.iter().find(|publisher| publisher.name == *name)
    }
}

impl Document for Roster {
    const NAME: &'static str = "roster";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 4;
    const BYTES_MAX: usize = 16 << 20;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.members.len() > MEMBERS_MAX || self.publishers.len() > MEMBERS_MAX {
            return Err(Self::invalid("too many members"));
        }
        let peers: BTreeSet<_> = self.members.iter().map(|member| member.peer).collect();
        let names: BTreeSet<_> = self.publishers.iter().map(|publisher| &publisher.name).collect();
        if peers.len() != self.members.len() || names.len() != self.publishers.len() {
            return Err(Self::invalid("a member or publisher is listed twice"));
        }
        Ok(())
    }
}

impl SignedDocument for Roster {
    const CONTEXT: &'static str = "karez/roster/v1";
}
