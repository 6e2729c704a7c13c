//! Members on the same LAN, found by multicast DNS (RFC 6762) without tracker or configuration.
//!
//! What must stay true: what is heard is a hint of where to dial, no more: the roster and the key decide. Strangers'
//! announcements are not passed on, and so many of them that memory would grow make this side forget all and go deaf for a while.

use super::{Event, Loop, from_libp2p, socket_address};
use libp2p::mdns;
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Entries kept, of whatever libp2p speaks on this LAN; about 200 bytes each. A school has fewer.
const HEARD_MAX: usize = 1_024;
/// How long this side is deaf after more than that.
const DEAF: Duration = Duration::from_secs(300);

/// Listens and answers. `None`, and a line in the log, where the system has no multicast.
pub(super) fn discovery(me: PeerId) -> Option<mdns::tokio::Behaviour> {
    let failed = |cause| tracing::info!(%cause, "members on the LAN are not looked for");
    mdns::tokio::Behaviour::new(mdns::Config::default(), me).map_err(failed).ok()
}

/// What is known of the LAN.
#[derive(Default)]
pub(super) struct Lan {
    /// Heard before the roster listed them, if it ever does: multicast DNS tells of a peer once, not each time it answers.
    unlisted: BTreeSet<(PeerId, Multiaddr)>,
    /// The LAN is not listened to until then.
    pub(super) deaf_until: Option<Instant>,
}

impl Loop {
    pub(super) async fn on_lan(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(heard) => self.lan.unlisted.extend(heard),
            mdns::Event::Expired(gone) => self.lan.unlisted.retain(|entry| !gone.contains(entry)),
        }
        self.tell_of_members_on_lan().await;
        let heard = self.swarm.behaviour().lan.as_ref().map_or(0, |lan| lan.discovered_nodes().len());
        if heard > HEARD_MAX || self.lan.unlisted.len() > HEARD_MAX {
            tracing::warn!(heard, "too many announcements on the LAN: deaf to them for a while");
            self.swarm.behaviour_mut().lan = None.into();
            self.lan = Lan { unlisted: BTreeSet::new(), deaf_until: Some(Instant::now() + DEAF) };
        }
    }

    /// Whoever is listed by now.
    pub(super) async fn tell_of_members_on_lan(&mut self) {
        let behaviour = self.swarm.behaviour();
        let members = self.lan.unlisted.extract_if(.., |(peer, _)| behaviour.is_member(peer));
        for (peer, address) in members.collect::<Vec<_>>() {
            if let (Some(peer), Some(address)) = (from_libp2p(&peer), socket_address(&address)) {
                let _ = self.events.send(Event::OnLan { peer, address }).await;
            }
        }
    }

    pub(super) fn listen_to_lan_again(&mut self) {
        self.lan.deaf_until = None;
        self.swarm.behaviour_mut().lan = discovery(*self.swarm.local_peer_id()).into();
    }
}
