//! What `karez status` shows.

use super::Driver;
use super::transfer::Transfer;
use crate::handle::view::care::CareView;
use crate::handle::view::{CollectionState, Counters, NodeView, PeerView, Status};
use crate::proxy::Proxy;
use crate::trouble::Problem;
use karez_protocol::content::name::CollectionName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

impl Driver {
    pub(super) fn status(&self) -> Status {
        let mut problem_list = self.problems.list();
        let proxy_fault = self.parts.proxy.as_ref().and_then(Proxy::fault);
        problem_list.extend(proxy_fault.map(|source| Problem::Proxy { source }));
        Status {
            node: self.node_view(),
            tracker: self.contact.view(self.parts.tracker.url()),
            counters: Counters { chunk_bytes_sent: self.parts.bulk.sent(), ..self.counters },
            peers: self.peer_views(),
            collections: self.collection_states(),
            problems: problem_list.iter().map(ToString::to_string).collect(),
            problem_list,
            // Whoever has the store at hand fills it in, off the loop.
            care: CareView::default(),
        }
    }

    fn node_view(&self) -> NodeView {
        let limits = self.parts.limits.rates();
        NodeView {
            name: self.name_of(&self.me()),
            peer: self.me().to_string(),
            network: self.parts.roster.value().network_name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            listen: self.parts.addresses.clone(),
            gateway: self.parts.gateway.clone(),
            uptime_s: self.start.elapsed().as_secs(),
            up_limit: limits.up.0,
            down_limit: limits.down.0,
            peer_up_limit: limits.peer_up.0,
            peer_down_limit: limits.peer_down.0,
            reachable_through: self.reserved_at(),
            relay: self.relay_view(),
            proxy: self.parts.proxy.as_ref().map(ToString::to_string),
        }
    }

    fn peer_views(&self) -> Vec<PeerView> {
        let connected = self.peers.iter().filter(|(_, peer)| peer.lane.is_some());
        let running = self.transfers.values().filter(|transfer| !transfer.complete);
        // Of whom nothing is asked, nothing comes.
        let asked = running.flat_map(|t| t.swarm.status().peers).filter(|peer| peer.outstanding > 0);
        let rates: Vec<_> = asked.map(|p| (p.peer, p.rate.unwrap_or(0))).collect();
        let view = |(id, peer): (&karez_protocol::trust::PeerId, &super::peers::Peer)| {
            let figures = self.parts.bulk.figures(id);
            let rates = rates.iter().filter(|(peer, _)| peer == id).map(|(_, rate)| rate);
            let rtt = figures.and_then(|figures| figures.rtt).or(peer.control_rtt);
            let on_lan = figures.is_some_and(|figures| peer.is_on_lan(figures.address));
            let (lane, reason) = match (&peer.detour.relay, peer.detour.udp_blocked) {
                (Some(_), _) => ("relayed", Some("no-direct-way")),
                (None, true) if peer.detour.throttled => ("tcp", Some("udp-throttled")),
                (None, true) => ("tcp", Some(if peer.control_proxied { "proxy" } else { "udp-blocked" })),
                (None, false) => (if on_lan { "lan" } else { "direct" }, None),
            };
            PeerView {
                name: self.name_of(id),
                peer: id.to_string(),
                role: if self.is_flagship(id) { "flagship" } else { "site" }.into(),
                same_group: self.same_group(id),
                lane: lane.into(),
                lane_reason: reason.map(Into::into),
                punches: peer.punches.tries,
                relay: peer.detour.relay.map(|relay| self.name_of(&relay)),
                address: figures.map(|figures| figures.address.to_string()).unwrap_or_default(),
                bytes_received: peer.received,
                bytes_sent: figures.map_or(0, |figures| figures.sent),
                rate_down: rates.sum(),
                rtt_ms: rtt.map_or(0.0, |rtt| rtt.as_secs_f64() * 1000.0),
            }
        };
        connected.map(view).collect()
    }

    /// One row for each collection: the version being fetched, else the newest held.
    fn collection_states(&self) -> Vec<CollectionState> {
        let mut newest: BTreeMap<&CollectionName, &Transfer> = BTreeMap::new();
        let is_wanted = |transfer: &&Transfer| transfer.wanted || transfer.complete;
        // Of what is not fetched, items may be here.
        let (wanted, others): (Vec<_>, Vec<_>) = self.transfers.values().partition(is_wanted);
        let named: BTreeSet<_> = wanted.iter().map(|transfer| &transfer.collection).collect();
        let partial = others.into_iter().filter(|t| t.is_more_than_described() && !named.contains(&t.collection));
        for transfer in wanted.iter().copied().chain(partial) {
            let row = newest.entry(&transfer.collection).or_insert(transfer);
            if row.version < transfer.version {
                *row = transfer;
            }
        }
        newest.into_values().map(|transfer| self.collection_state(transfer)).collect()
    }

    fn collection_state(&self, transfer: &Transfer) -> CollectionState {
        let status = transfer.swarm.status();
        let root = transfer.pages.root();
        let owned = self.owns(&transfer.collection);
        let rate = if transfer.complete || status.is_paused { 0 } else { transfer.meter.rate() };
        let left = root.stored_bytes.saturating_sub(transfer.have_bytes());
        let until = transfer.finished.unwrap_or_else(Instant::now);
        let without_holder = if transfer.complete { 0 } else { u64::from(status.missing_without_holder) };
        CollectionState {
            collection: transfer.collection.to_string(),
            title: root.metadata.title.clone(),
            version: transfer.version,
            complete_version: self.complete_version(&transfer.collection),
            complete: transfer.complete,
            following: self.wanted.get(&transfer.collection) == Some(&true),
            state: transfer.state_name(&status, owned).into(),
            chunks: if transfer.content_known { status.known.into() } else { 0 },
            have_chunks: status.held.into(),
            stored_bytes: root.stored_bytes,
            have_bytes: transfer.have_bytes(),
            missing_without_holder: without_holder,
            missing_without_site: if transfer.complete { 0 } else { status.missing_without_site.into() },
            yields: !transfer.complete && status.yields,
            waiting_for: if transfer.complete { Vec::new() } else { self.waiting_for(transfer) },
            rate,
            // What nobody is known to hold comes at no time that could be told.
            eta_s: (!transfer.complete && rate > 0 && without_holder == 0).then(|| left / rate),
            wall_s: until.duration_since(transfer.started).as_secs_f64(),
            bytes_from_flagship: transfer.sources.flagship,
            bytes_from_peers: transfer.sources.peers,
            bytes_from_group: transfer.sources.group,
            bytes_already_here: transfer.sources.already_here,
        }
    }

    /// Members that are known to hold all of it but are not connected, the publisher first.
    fn waiting_for(&self, transfer: &Transfer) -> Vec<String> {
        let publisher = self.parts.roster.value().publisher(transfer.collection.publisher());
        let origin = publisher.map(|publisher| publisher.peer).filter(|peer| *peer != self.me());
        let away = |peer: &karez_protocol::trust::PeerId| self.peers.lane_of(peer).is_none();
        let holders = self.peers.iter().filter(|(_, peer)| peer.collections.get(&transfer.collection) == Some(&true));
        let holders = holders.map(|(id, _)| *id).filter(|id| Some(*id) != origin);
        origin.into_iter().chain(holders).filter(away).map(|peer| self.name_of(&peer)).collect()
    }
}
