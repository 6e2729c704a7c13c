//! Membership: taking in a newer roster, and what it says of peers.

use super::{Driver, Topic};
use crate::bulk::CloseReason;
use crate::trouble::Problem;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::PeerProfile;
use karez_protocol::trust::roster::{Member, MemberRole, Roster};
use karez_protocol::trust::{PeerId, Signed};

impl Driver {
    /// Takes a roster if it is newer and signed by the pinned key.
    pub(super) fn learn_roster(&mut self, bytes: &[u8]) {
        match Signed::<Roster>::verify(bytes, &self.parts.network, &self.parts.tracker_key) {
            Ok(roster) if roster.value().version > self.parts.roster.value().version => {
                if let Err(cause) = self.parts.home.write(&self.parts.home.roster(), roster.bytes()) {
                    self.problems.report(Topic::Home, Problem::Roster { detail: cause.to_string() });
                }
                self.parts.roster = roster;
                self.apply_roster();
                self.greet_all();
            }
            Ok(_) => {}
            Err(cause) => tracing::warn!(%cause, "a roster was refused"),
        }
    }

    /// Tells both planes who is a member, and drops who no longer is.
    pub(super) fn apply_roster(&mut self) {
        let roster = self.parts.roster.value();
        let members: std::collections::BTreeSet<PeerId> = roster.members.iter().map(|member| member.peer).collect();
        let gone: Vec<_> = self.peers.connected().filter(|peer| !members.contains(peer)).collect();
        self.parts.control.set_members(members.iter().copied().collect());
        self.parts.members.replace(members);
        self.parts.bulk.set_roster(roster.version);
        for peer in gone {
            self.parts.bulk.disconnect(&peer, CloseReason::NotAMember);
        }
    }

    pub(super) fn member(&self, peer: &PeerId) -> Option<&Member> {
        self.parts.roster.value().member(peer)
    }

    pub(super) fn me(&self) -> PeerId {
        self.parts.key.peer()
    }

    /// Whether this node publishes the collection.
    pub(super) fn owns(&self, collection: &CollectionName) -> bool {
        self.parts.publisher.as_ref().is_some_and(|(name, _)| name == collection.publisher())
    }

    /// What the roster says of a peer, for one collection, as far as the peer is reached directly.
    pub(super) fn profile(&self, peer: &PeerId, collection: &CollectionName) -> PeerProfile {
        let publisher = self.parts.roster.value().publisher(collection.publisher());
        // Behind a relay everything crosses the relay's link: nothing is nearer for it, and nobody waits for what it imports.
        let is_relayed = self.peers.get(peer).is_some_and(|peer| peer.detour.relay.is_some());
        let member = self.member(peer).filter(|_| !is_relayed);
        PeerProfile {
            is_origin: publisher.is_some_and(|publisher| publisher.peer == *peer),
            domain: member.map(|member| member.domain.clone()).unwrap_or_default(),
            uplink_group: member.and_then(uplink_group),
            weight: member.map_or(0, |member| member.weight),
        }
    }

    pub(super) fn is_flagship(&self, peer: &PeerId) -> bool {
        self.member(peer).is_some_and(|member| member.role == MemberRole::Flagship)
    }

    pub(super) fn same_group(&self, peer: &PeerId) -> bool {
        let mine = self.member(&self.me()).and_then(uplink_group);
        mine.is_some() && mine == self.member(peer).and_then(uplink_group)
    }

    pub(super) fn name_of(&self, peer: &PeerId) -> String {
        self.member(peer).map_or_else(|| peer.to_string(), |member| member.name.clone())
    }
}

/// Group names are unique within their domain.
fn uplink_group(member: &Member) -> Option<String> {
    member.uplink_group.as_ref().map(|group| format!("{}/{group}", member.domain))
}
