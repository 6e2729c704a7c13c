//! The control plane: greetings carry what is new from member to member, so that nothing depends on the tracker.

use super::Driver;
use crate::control;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::PROTOCOL;
use karez_protocol::wire::control::{
    ControlRequest, ControlResponse, Greeting, HeldVersion, LIST_MAX, PeerAddress, SignedRelease,
};
use karez_protocol::wire::relay::Address;
use minicbor::bytes::ByteVec;
use std::net::{IpAddr, SocketAddr};

/// Newer releases asked for after one greeting; the rest comes with the next one.
const QUESTIONS_MAX: usize = 16;
/// Own IPv6 addresses told to others; privacy addresses come and go.
const OWN_ADDRESSES_MAX: usize = 4;

impl Driver {
    pub(super) fn on_control(&mut self, event: control::Event) {
        use control::Event;
        match event {
            Event::Connected { peer, relay, proxied } => {
                let entry = self.peers.entry(peer);
                (entry.control, entry.control_relayed, entry.control_proxied) = (true, relay.is_some(), proxied);
                self.take_wanted_detour(peer);
                if relay.is_none() {
                    self.peers.entry(peer).detour.tcp_blocked = false;
                    self.call_through(peer);
                }
                self.parts.control.ask(peer, ControlRequest::Greet(self.greeting()));
                if !self.contact.is_reachable() {
                    self.parts.control.ask(peer, ControlRequest::Peers);
                }
            }
            Event::Disconnected { peer } => self.peers.entry(peer).control = false,
            Event::Unreachable { peer, relayed: false } => self.on_tcp_blocked(peer),
            Event::Unreachable { peer, relayed: true } => self.on_not_called(peer),
            Event::Reserved { relay } => self.on_reserved(relay),
            Event::NotReserved { relay, detail } => self.on_not_reserved(relay, &detail),
            Event::Request { peer, host, request, reply } => {
                let response = self.answer(peer, host, request);
                // The asker may be gone by now.
                let _ = reply.send(response);
            }
            Event::Response { peer, request, response } => self.on_answer(peer, &request, response),
            Event::Lane { peer, pipe, opened } => self.on_detour(peer, pipe, opened),
            Event::NoLane { peer, detail } => {
                tracing::debug!(peer = self.name_of(&peer), detail, "no lane over the control connection");
            }
            Event::RoundTrip { peer, rtt } => self.peers.entry(peer).control_rtt = Some(rtt),
            Event::OnLan { peer, address } => self.on_lan(peer, address),
            Event::Own { address, here } => self.on_own_address(address, here),
            Event::StrangerRefused => self.on_stranger(),
        }
    }

    fn greeting(&self) -> Greeting {
        Greeting {
            versions: PROTOCOL,
            network: self.parts.network,
            roster: self.parts.roster.value().version,
            addresses: self.told_addresses(),
            held: self.held_versions(),
            relay: self.parts.relay.is_some(),
        }
    }

    /// Addresses told to others: the one listened on, the relays through which this node may be called, and those of IPv6 by which anybody may reach this machine. An IPv4
    /// address is what others see anyway. Behind a proxy they would see the proxy's.
    pub(super) fn told_addresses(&self) -> Vec<String> {
        let own = self.own_addresses.iter().map(SocketAddr::to_string);
        let is_told = |text: &&String| self.parts.proxy.is_none() || !is_anywhere(text);
        self.parts.addresses.iter().filter(is_told).cloned().chain(own).chain(self.told_relays()).collect()
    }

    fn on_own_address(&mut self, address: SocketAddr, here: bool) {
        let everywhere = self.parts.addresses.iter().any(|told| told.starts_with("[::]:"));
        if !everywhere || self.parts.proxy.is_some() || !is_routed(address.ip()) {
            return;
        }
        let changed = match here {
            true => self.own_addresses.len() < OWN_ADDRESSES_MAX && self.own_addresses.insert(address),
            false => self.own_addresses.remove(&address),
        };
        if changed {
            self.greet_all();
            self.contact.hurry();
        }
    }

    /// Releases held or being fetched.
    pub(super) fn held_versions(&self) -> Vec<HeldVersion> {
        let held = self.transfers.values().filter(|transfer| transfer.wanted || transfer.complete).map(|transfer| {
            let collection = transfer.collection.clone();
            HeldVersion { collection, version: transfer.version, complete: transfer.complete }
        });
        held.take(LIST_MAX).collect()
    }

    /// Something changed: tell everybody who is connected, once a round however much changed.
    pub(super) fn greet_all(&mut self) {
        self.greeting_due = true;
    }

    pub(super) fn greet_if_due(&mut self) {
        if !std::mem::take(&mut self.greeting_due) {
            return;
        }
        for peer in self.peers.on_control().collect::<Vec<_>>() {
            self.parts.control.ask(peer, ControlRequest::Greet(self.greeting()));
        }
    }

    fn answer(&mut self, peer: PeerId, host: Option<IpAddr>, request: ControlRequest) -> ControlResponse {
        match request {
            ControlRequest::Greet(greeting) => {
                self.on_greeting(peer, host, greeting);
                ControlResponse::Greeting(self.greeting())
            }
            ControlRequest::Roster { newer_than } if self.parts.roster.value().version > newer_than => {
                ControlResponse::Roster(ByteVec::from(self.parts.roster.bytes().to_vec()))
            }
            ControlRequest::Release { collection, newer_than } => match self.catalogue.get(&collection) {
                Some(known) if known.version() > newer_than => ControlResponse::Release(known.signed()),
                _ => ControlResponse::Nothing,
            },
            ControlRequest::Peers => ControlResponse::Peers(self.known_addresses()),
            ControlRequest::Punch { addresses } => match self.answer_punch(peer, &addresses) {
                Some(mine) => ControlResponse::Punch(mine),
                None => ControlResponse::Nothing,
            },
            ControlRequest::Roster { .. } => ControlResponse::Nothing,
        }
    }

    fn known_addresses(&self) -> Vec<PeerAddress> {
        let known = self.peers.iter().filter(|(_, peer)| !peer.addresses.is_empty());
        known.map(|(id, peer)| PeerAddress { peer: *id, addresses: peer.addresses.clone() }).take(LIST_MAX).collect()
    }

    fn on_answer(&mut self, peer: PeerId, request: &ControlRequest, response: ControlResponse) {
        match (request, response) {
            (ControlRequest::Greet(_), ControlResponse::Greeting(greeting)) => self.on_greeting(peer, None, greeting),
            (ControlRequest::Roster { .. }, ControlResponse::Roster(bytes)) => self.learn_roster(&bytes),
            (ControlRequest::Release { .. }, ControlResponse::Release(release)) => self.on_release(peer, &release),
            (ControlRequest::Punch { .. }, ControlResponse::Punch(theirs)) => {
                self.on_punch_answer(peer, Some(&theirs));
            }
            (ControlRequest::Punch { .. }, ControlResponse::Nothing) => self.on_punch_answer(peer, None),
            (ControlRequest::Peers, ControlResponse::Peers(peers)) => {
                peers.iter().take(LIST_MAX).for_each(|told| self.learn_addresses(told));
            }
            _ => {}
        }
    }

    fn on_release(&mut self, peer: PeerId, release: &SignedRelease) {
        if let Err(cause) = self.learn(release, 0) {
            tracing::debug!(peer = self.name_of(&peer), %cause, "a release was not taken");
        }
    }

    fn on_greeting(&mut self, peer: PeerId, host: Option<IpAddr>, greeting: Greeting) {
        if greeting.network != self.parts.network {
            return;
        }
        let addresses = greeting.addresses.iter().filter_map(|text| text.parse().ok());
        let mut addresses: Vec<_> = addresses.filter_map(|address| reachable(address, host)).collect();
        if !addresses.iter().any(|text| matches!(text.parse(), Ok(Address::Direct(_)))) {
            // Seen through a relay, it does not know where it is; what was known before may still be true.
            addresses.extend(self.peers.entry(peer).dialable_told());
        }
        self.learn_addresses(&PeerAddress { peer, addresses });
        self.learn_relay(peer, greeting.relay);
        if greeting.roster > self.parts.roster.value().version {
            self.parts.control.ask(peer, ControlRequest::Roster { newer_than: self.parts.roster.value().version });
        }
        let roster = self.parts.roster.value();
        let mut held = greeting.held;
        held.retain(|held| roster.publisher(held.collection.publisher()).is_some());
        held.truncate(LIST_MAX);
        let mut questions = 0;
        self.peers.entry(peer).collections.clear();
        let entry = self.peers.entry(peer);
        entry.heard = true;
        entry.held.clone_from(&held);
        for held in held {
            let known = self.catalogue.get(&held.collection).map_or(0, super::catalogue::Known::version);
            if held.version > known && questions < QUESTIONS_MAX {
                questions += 1;
                let (collection, newer_than) = (held.collection.clone(), known);
                self.parts.control.ask(peer, ControlRequest::Release { collection, newer_than });
            }
            self.take_back_from(&held);
            self.peers.entry(peer).collections.insert(held.collection, held.complete);
        }
    }
}

/// Whether an address names no host: who hears it takes the one that it came from.
fn is_anywhere(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
}

/// An IPv6 address that routers know: global unicast (2000::/3) or unique local (fc00::/7).
fn is_routed(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(address) => address.segments()[0] >> 13 == 1 || address.is_unique_local(),
        IpAddr::V4(_) => false,
    }
}

/// A node that listens everywhere does not know its address: the host it was seen from stands in.
fn reachable(address: Address, host: Option<IpAddr>) -> Option<String> {
    let Address::Direct(address) = address else { return Some(address.to_string()) };
    match (address.ip().is_unspecified(), host) {
        (false, _) => Some(address.to_string()),
        (true, Some(host)) => Some(SocketAddr::new(host, address.port()).to_string()),
        (true, None) => None,
    }
}
