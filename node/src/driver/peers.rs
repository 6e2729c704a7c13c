//! Who is where, who is connected, and whom to dial.

use super::detour::Detour;
use super::punch::Punches;
use super::transfer::Transfer;
use super::{Driver, socket_addresses};
use crate::bulk::CloseReason;
use crate::state::Change;
use karez_protocol::content::name::CollectionName;
use karez_protocol::plan::throttle::Throttle;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::{HeldVersion, PeerAddress};
use karez_protocol::wire::relay::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// First wait after a dial that led nowhere; doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait between dials of one peer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Peers dialled for one collection; more connections do not fill a rural link any better.
const PEERS_PER_COLLECTION: usize = 32;
/// How long a peer that sent false bytes is shunned.
const BAN: Duration = Duration::from_secs(3600);
/// A lane that nobody needs is closed after this; keeping it alive would cost megabytes a day.
const LANE_IDLE: Duration = Duration::from_secs(60);
/// Addresses kept of one peer on the LAN: a machine has a few interfaces.
const LAN_ADDRESSES_MAX: usize = 4;
/// Addresses kept of one peer.
const ADDRESSES_MAX: usize = 8;

/// What is known of a peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) addresses: Vec<String>,
    /// Where it announces itself on this LAN; tried with the others.
    lan: Vec<SocketAddr>,
    /// Number of its bulk connection.
    pub(super) lane: Option<u64>,
    pub(super) control: bool,
    /// The control connection goes through a relay.
    pub(super) control_relayed: bool,
    /// It was dialled through the HTTP proxy.
    pub(super) control_proxied: bool,
    /// Collections it is known to hold or fetch; true when it said that it holds all.
    pub(super) collections: BTreeMap<CollectionName, bool>,
    /// Whether it said what it holds since this node started.
    pub(super) heard: bool,
    /// What it said last that it holds.
    pub(super) held: Vec<HeldVersion>,
    next_dial: Option<Instant>,
    failures: u32,
    dialling: bool,
    banned_until: Option<Instant>,
    /// Since when neither side wants anything over the lane.
    idle_since: Option<Instant>,
    pub(super) received: u64,
    pub(super) detour: Detour,
    pub(super) throttle: Throttle,
    pub(super) punches: Punches,
    /// Round trip of the control connection.
    pub(super) control_rtt: Option<Duration>,
}

/// All peers ever heard of.
#[derive(Debug)]
pub(super) struct Peers {
    known: BTreeMap<PeerId, Peer>,
}

impl Peers {
    pub(super) fn new(remembered: Vec<(PeerId, Vec<String>)>) -> Self {
        let known = remembered.into_iter().map(|(peer, addresses)| (peer, Peer { addresses, ..Peer::default() }));
        Self { known: known.collect() }
    }

    pub(super) fn entry(&mut self, peer: PeerId) -> &mut Peer {
        self.known.entry(peer).or_default()
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Peer> {
        self.known.get(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.known.iter()
    }

    /// Peers with a bulk connection.
    pub(super) fn connected(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.known.iter().filter(|(_, peer)| peer.lane.is_some()).map(|(id, _)| *id)
    }

    /// Peers with a control connection.
    pub(super) fn on_control(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.known.iter().filter(|(_, peer)| peer.control).map(|(id, _)| *id)
    }

    pub(super) fn lane_of(&self, peer: &PeerId) -> Option<u64> {
        self.known.get(peer)?.lane
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, now: Instant) {
        let peer = self.entry(peer);
        peer.dialling = false;
        let wait = BACKOFF.saturating_mul(1 << peer.failures.min(8)).min(BACKOFF_MAX);
        peer.failures += 1;
        peer.next_dial = Some(now + wait);
    }

    pub(super) fn connected_on(&mut self, peer: PeerId, lane: u64) {
        let peer = self.entry(peer);
        (peer.lane, peer.dialling, peer.failures, peer.next_dial) = (Some(lane), false, 0, None);
        peer.idle_since = None;
    }

    pub(super) fn ban(&mut self, peer: PeerId, now: Instant) {
        self.entry(peer).banned_until = Some(now + BAN);
    }

    pub(super) fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.known.get(peer).and_then(|peer| peer.banned_until).is_some_and(|until| until > now)
    }
}

impl Peer {
    /// Where to dial it, the LAN first.
    pub(super) fn dialable(&self) -> Vec<SocketAddr> {
        let told = socket_addresses(&self.addresses).into_iter().filter(|address| !self.lan.contains(address));
        self.lan.iter().copied().chain(told).collect()
    }

    /// Addresses that were told, those of relays left out.
    pub(super) fn dialable_told(&self) -> Vec<String> {
        socket_addresses(&self.addresses).iter().map(SocketAddr::to_string).collect()
    }

    /// Through whom it may be called.
    pub(super) fn relays(&self) -> Vec<PeerId> {
        let relay = |text: &String| match text.parse() {
            Ok(Address::Via(relay)) => Some(relay),
            _ => None,
        };
        self.addresses.iter().filter_map(relay).collect()
    }

    /// Whether the control connection stands and goes through nobody else.
    pub(super) fn is_direct(&self) -> bool {
        self.control && !self.control_relayed
    }

    /// Whether this address is one of the LAN.
    pub(super) fn is_on_lan(&self, address: SocketAddr) -> bool {
        self.lan.iter().any(|known| known.ip() == address.ip())
    }

    fn may_dial(&self, now: Instant) -> bool {
        self.lane.is_none()
            && !self.dialling
            && !(self.addresses.is_empty() && self.lan.is_empty())
            && self.next_dial.is_none_or(|at| at <= now)
            && self.banned_until.is_none_or(|until| until <= now)
    }
}

impl Driver {
    /// Remembers where a member can be reached.
    pub(super) fn learn_addresses(&mut self, told: &PeerAddress) {
        if told.peer == self.me() || self.member(&told.peer).is_none() {
            return;
        }
        let known = |text: &&String| text.parse::<Address>().is_ok();
        let addresses: Vec<_> = told.addresses.iter().filter(known).take(ADDRESSES_MAX).cloned().collect();
        if addresses.is_empty() || self.peers.entry(told.peer).addresses == addresses {
            return;
        }
        let peer = self.peers.entry(told.peer);
        (peer.addresses, peer.next_dial, peer.failures) = (addresses.clone(), None, 0);
        self.state.remember(Change::Addresses { peer: told.peer, addresses });
    }

    /// A member says on the LAN where it is. Whether it is the member shows when it is dialled.
    pub(super) fn on_lan(&mut self, peer: PeerId, address: SocketAddr) {
        let entry = self.peers.entry(peer);
        if !entry.lan.contains(&address) {
            entry.lan.insert(0, address);
            entry.lan.truncate(LAN_ADDRESSES_MAX);
            (entry.next_dial, entry.failures) = (None, 0);
        }
        if !entry.control {
            self.parts.control.dial(peer, vec![address]);
        }
    }

    /// Dials whoever may have something that is missing here.
    pub(super) fn dial_round(&mut self, now: Instant) {
        let missing: BTreeSet<CollectionName> =
            self.transfers.values().filter(|t| t.is_hungry()).map(|t| t.collection.clone()).collect();
        for collection in missing {
            let origin = self.parts.roster.value().publisher(collection.publisher()).map(|owner| owner.peer);
            let holds =
                |(id, peer): &(&PeerId, &Peer)| peer.collections.contains_key(&collection) || Some(**id) == origin;
            let fit = self.peers.iter().filter(holds);
            let (connected, others): (Vec<_>, Vec<_>) =
                fit.map(|(id, peer)| (*id, peer)).partition(|(_, peer)| peer.lane.is_some());
            let room = PEERS_PER_COLLECTION.saturating_sub(connected.len());
            let dial: Vec<_> =
                others.into_iter().filter(|(_, peer)| peer.may_dial(now)).map(|(id, _)| id).take(room).collect();
            dial.into_iter().for_each(|peer| self.dial(peer));
        }
        self.dial_control(now);
    }

    /// Closes lanes over which neither side has wanted anything for a while.
    pub(super) fn close_idle_lanes(&mut self, now: Instant) {
        for peer in self.peers.connected().collect::<Vec<_>>() {
            let uses = |t: &Transfer| t.participants.get(&peer).is_some_and(|wants| *wants || t.is_hungry());
            let busy = self.transfers.values().any(uses);
            let entry = self.peers.entry(peer);
            if busy {
                entry.idle_since = None;
            } else if now.duration_since(*entry.idle_since.get_or_insert(now)) > LANE_IDLE {
                entry.idle_since = None;
                self.parts.bulk.disconnect(&peer, CloseReason::Done);
            }
        }
    }

    fn dial(&mut self, peer: PeerId) {
        if self.member(&peer).is_none() || peer == self.me() {
            return;
        }
        let entry = self.peers.entry(peer);
        entry.dialling = true;
        let addresses = entry.dialable();
        let (control, udp_blocked) = (entry.control, entry.detour.udp_blocked);
        // Where a proxy is the way out, UDP seldom leads anywhere.
        let takes = |address: &SocketAddr| self.parts.proxy.as_ref().is_some_and(|proxy| proxy.takes(address.ip()));
        if udp_blocked || addresses.is_empty() || addresses.iter().any(takes) {
            self.take_detour(peer);
        } else if !control {
            self.parts.control.dial(peer, addresses.clone());
        }
        self.parts.bulk.dial(peer, addresses);
    }

    /// Without a tracker, news travels between members: keep a control connection to some of those we know.
    fn dial_control(&mut self, now: Instant) {
        if self.contact.is_reachable() || !self.contact.gossip_due(now) || self.peers.on_control().count() > 0 {
            return;
        }
        let members: Vec<_> = self.peers.iter().filter(|(_, peer)| !peer.dialable().is_empty()).collect();
        for (id, peer) in members.into_iter().take(4) {
            if self.member(id).is_some() && *id != self.me() {
                self.parts.control.dial(*id, peer.dialable());
            }
        }
    }
}
