//! How members are connected: directly, or through a relay.
//!
//! What must stay true: as soon as a direct connection with a member stands, those through relays close.

use super::circuits::relay_of;
use super::{Event, Loop, from_libp2p, socket_address};
use karez_protocol::trust::PeerId;
use libp2p::core::connection::ConnectedPoint;
use libp2p::swarm::{ConnectionId, DialError};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

/// One connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Where the other end is; behind a relay, where the relay is.
    pub(super) address: SocketAddr,
    /// Through whom, when it is not direct.
    pub(super) relay: Option<PeerId>,
    /// Dialled through the HTTP proxy.
    pub(super) proxied: bool,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Ways(BTreeMap<PeerId, BTreeMap<ConnectionId, Way>>);

impl Ways {
    /// The way that counts: a direct one if there is any.
    pub(super) fn best(&self, peer: &PeerId) -> Option<Way> {
        self.0.get(peer)?.values().min_by_key(|way| way.relay.is_some()).copied()
    }

    fn add(&mut self, peer: PeerId, id: ConnectionId, way: Way) {
        self.0.entry(peer).or_default().insert(id, way);
    }

    fn remove(&mut self, peer: &PeerId, id: ConnectionId) {
        if let Some(ways) = self.0.get_mut(peer) {
            ways.remove(&id);
            if ways.is_empty() {
                self.0.remove(peer);
            }
        }
    }

    /// Relayed connections beside a direct one.
    fn needless(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let is_direct = self.best(peer).is_some_and(|way| way.relay.is_none());
        let relayed = self.0.get(peer).into_iter().flatten().filter(|(_, way)| is_direct && way.relay.is_some());
        relayed.map(|(id, _)| *id).collect()
    }
}

impl Loop {
    fn way_of(&self, endpoint: &ConnectedPoint) -> Option<Way> {
        let (ConnectedPoint::Dialer { address, .. } | ConnectedPoint::Listener { send_back_addr: address, .. }) =
            endpoint;
        let takes = |address: SocketAddr| self.proxy.as_ref().is_some_and(|proxy| proxy.takes(address.ip()));
        match relay_of(address).map(|relay| from_libp2p(&relay)) {
            None => socket_address(address).map(|address| {
                let proxied = endpoint.is_dialer() && takes(address);
                Way { address, relay: None, proxied }
            }),
            Some(relay) => {
                let nowhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
                let address = relay.and_then(|relay| self.ways.best(&relay)).map_or(nowhere, |way| way.address);
                relay.map(|relay| Way { address, relay: Some(relay), proxied: false })
            }
        }
    }

    pub(super) async fn on_connection(&mut self, peer: &libp2p::PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let (Some(peer), Some(way)) = (from_libp2p(peer), self.way_of(endpoint)) else { return };
        let before = self.ways.best(&peer);
        self.ways.add(peer, id, way);
        let Some(Way { relay, proxied, .. }) = self.ways.best(&peer) else { return };
        if before.is_none_or(|before| before.relay != relay) {
            let _ = self.events.send(Event::Connected { peer, relay, proxied }).await;
        }
        for id in self.ways.needless(&peer) {
            self.swarm.close_connection(id);
        }
    }

    pub(super) async fn on_connection_closed(&mut self, peer: &libp2p::PeerId, id: ConnectionId) {
        let Some(peer) = from_libp2p(peer) else { return };
        let before = self.ways.best(&peer);
        self.ways.remove(&peer, id);
        match (before, self.ways.best(&peer)) {
            (_, None) => {
                self.questions.forget(&peer);
                let _ = self.events.send(Event::Disconnected { peer }).await;
            }
            (Some(before), Some(now)) if before.relay != now.relay => {
                let Way { relay, proxied, .. } = now;
                let _ = self.events.send(Event::Connected { peer, relay, proxied }).await;
            }
            _ => {}
        }
    }

    pub(super) async fn on_dial_failed(&mut self, peer: &libp2p::PeerId, error: &DialError) {
        let Some(peer) = from_libp2p(peer) else { return };
        tracing::debug!(?peer, %error, "control dial failed");
        let addresses = match error {
            DialError::Transport(tried) => tried.iter().map(|(address, _)| address).collect(),
            DialError::WrongPeerId { .. } | DialError::LocalPeerId { .. } => vec![],
            _ => return,
        };
        let relayed = addresses.iter().any(|address| relay_of(address).is_some());
        let _ = self.events.send(Event::Unreachable { peer, relayed }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_connection_makes_relayed_ones_needless() {
        let [peer, relay] = [1, 2].map(|number| PeerId::from_bytes([number; 32]));
        let [first, second] = [7, 8].map(ConnectionId::new_unchecked);
        let address = "10.0.0.1:4041".parse().unwrap();
        let mut ways = Ways::default();
        ways.add(peer, first, Way { address, relay: Some(relay), proxied: false });
        assert_eq!((ways.best(&peer).unwrap().relay, ways.needless(&peer)), (Some(relay), vec![]));
        ways.add(peer, second, Way { address, relay: None, proxied: false });
        assert_eq!((ways.best(&peer).unwrap().relay, ways.needless(&peer)), (None, vec![first]));
        ways.remove(&peer, first);
        ways.remove(&peer, second);
        assert_eq!(ways.best(&peer), None);
    }
}
