//! Fills pipelines: what somebody watches first, then whoever has room, least loaded first, rarest chunk first.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::plan::time::Timestamp;
use crate::swarm::io::{EgressMode, Output};
use crate::swarm::lane::{Lane, Slot, mix};
use crate::swarm::peers::{Peer, REQUESTS_IN_FLIGHT_MAX};
use crate::swarm::picker::{Place, Queue};
use crate::wire::peer::Urgency;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a peer that has just come or been heard of may keep us from asking farther off, the publisher above all: its
/// have-map is under way and may well make that unnecessary. A round trip over a satellite.
const SETTLE: Duration = Duration::from_secs(1);
/// Urgent chunks looked at for one event: more than any pipeline takes.
const URGENT_SCAN_MAX: usize = 64;
/// Bytes of urgent chunks one peer is asked for at least, whatever its rate: a second of 8 Mbit/s video.
const PLAY_WINDOW_BYTES_MIN: u64 = 1 << 20;
/// Thrift gives way when the publisher is so many times as fast as the only other site...
const YIELD_RATIO: u64 = 2;
/// ...and what is missing would take that site longer than this.
const YIELD_LEFT: Duration = Duration::from_secs(30);
/// Near the end at most this many chunks are asked of a second peer.
const ENDGAME_CHUNKS: u32 = 8;

/// Requests being put together: per peer and urgency, in order.
type Batch = BTreeMap<(Slot, Urgency), Vec<ChunkIndex>>;

/// When the have-map of a site that has come is given up, if it is still under way.
fn settled_at(peer: &Peer) -> Option<Timestamp> {
    (!peer.has_told && !peer.profile.is_origin).then(|| peer.joined + SETTLE)
}

impl Swarm {
    /// Asks for whatever may be asked for now.
    pub(super) fn fill(&mut self, now: Timestamp) {
        if self.is_paused || self.missing_count() == 0 {
            return;
        }
        let mut batch = Batch::new();
        self.fill_urgent(now, &mut batch);
        self.fill_pipelines(now, &mut batch);
        self.ask_overdue_again(now, &mut batch);
        for ((slot, urgency), chunks) in batch {
            if let Some(peer) = self.peers.get(slot) {
                self.outputs.push_back(Output::Request { peer: peer.id, urgency, chunks });
            }
        }
    }

    fn fill_urgent(&mut self, now: Timestamp, batch: &mut Batch) {
        self.urgent.retain(|chunk| !self.have.contains(*chunk));
        for at in 0..self.urgent.len().min(URGENT_SCAN_MAX) {
            let chunk = self.picker.asked_as(self.urgent[at]);
            let Some(row) = self.picker.row(chunk) else { continue };
            if matches!(row.place, Place::InFlight | Place::Elsewhere | Place::Nowhere) {
                continue;
            }
            let Some(slot) = self.best_for_play(chunk, row.len) else { continue };
            if self.peers.get(slot).is_some_and(|peer| peer.natural_lane == Lane::Origin) {
                self.announcer.coming(now, chunk);
            }
            self.ask(now, slot, chunk, Urgency::Play, batch);
        }
    }

    /// Over the cheapest lane with room for urgent chunks, whoever will have sent it first.
    fn best_for_play(&self, chunk: ChunkIndex, len: u32) -> Option<Slot> {
        let has_room = |peer: &Peer| {
            if peer.asks.len() >= REQUESTS_IN_FLIGHT_MAX {
                return false;
            }
            let asked = peer.asks.values().filter(|ask| ask.urgency == Urgency::Play).count() as u64 * u64::from(len);
            match peer.standing.snub() {
                Some(_) => peer.asks.is_empty(),
                None => asked < peer.pace.window().max(PLAY_WINDOW_BYTES_MIN),
            }
        };
        let holders = self.peers.iter().filter(|(_, peer)| peer.holds.contains(chunk) && has_room(peer));
        holders.min_by_key(|(_, peer)| (peer.lane(), peer.pace.time_for(u64::from(len)))).map(|(slot, _)| slot)
    }

    fn fill_pipelines(&mut self, now: Timestamp, batch: &mut Batch) {
        let untold = self.nearest_untold(now);
        let has_settled = |lane: Lane| untold.is_none_or(|nearest| lane <= nearest);
        let is_open = |peer: &Peer| !peer.is_dry && peer.is_open(now) && has_settled(peer.natural_lane);
        let mut open: Vec<_> = self.peers.iter().filter(|(_, peer)| is_open(peer)).map(|(slot, _)| slot).collect();
        while let Some(at) = self.least_loaded(&open) {
            let slot = open[at];
            match self.pick_for(slot) {
                Some((chunk, urgency)) => self.ask_in_turn(now, slot, chunk, urgency, batch),
                None => self.mark_dry(slot),
            }
            if self.peers.get(slot).is_none_or(|peer| peer.is_dry || !peer.has_room()) {
                open.swap_remove(at);
            }
        }
    }

    fn mark_dry(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.is_dry = true;
        }
    }

    /// Sites whose have-map may be under way: the lane of each, and when it is given up.
    pub(super) fn untold(&self) -> impl Iterator<Item = (Lane, Timestamp)> + '_ {
        let here = self.peers.iter().filter_map(|(_, peer)| Some((peer.natural_lane, settled_at(peer)?)));
        here.chain(self.peers.all_heard().filter_map(|(_, site)| Some((site.lane, site.since? + SETTLE))))
    }

    /// The lane of the nearest site whose have-map is under way: nothing is taken from farther off until it is here.
    fn nearest_untold(&self, now: Timestamp) -> Option<Lane> {
        self.untold().filter(|(_, settled)| now < *settled).map(|(lane, _)| lane).min()
    }

    /// Who is asked next. The silent come last: two of them could take turns with the only chunk that is left while
    /// somebody who answers has nothing to do.
    fn least_loaded(&self, open: &[Slot]) -> Option<usize> {
        let load = |slot: Slot| {
            let load = self.peers.get(slot).map(|peer| (peer.is_snubbed(), peer.pace.time_for(0)));
            (load, mix(self.seed ^ u64::from(slot.0)))
        };
        (0..open.len()).min_by_key(|at| load(open[*at]))
    }

    /// What to ask a peer for next, and how urgently.
    fn pick_for(&self, slot: Slot) -> Option<(ChunkIndex, Urgency)> {
        let peer = self.peers.get(slot)?;
        let lane = peer.natural_lane;
        let first = self.picker.pick(Queue::Ready(lane), &peer.holds);
        if self.only_urgent {
            // Pages come before all others.
            let is_page = |chunk: &ChunkIndex| self.picker.row(*chunk).is_some_and(|row| row.is_page);
            return first.filter(is_page).map(|page| (page, Urgency::Import));
        }
        if let Some(chunk) = first {
            return Some((chunk, self.urgency(chunk, lane)));
        }
        if peer.is_snubbed()
            && let Some(chunk) = self.pick_probe(peer)
        {
            return Some((chunk, Urgency::Background));
        }
        if lane == Lane::Origin && (self.mode == EgressMode::Fast || self.yields()) && peer.has_spare() {
            return self.pick_extra(peer).map(|it| (it, Urgency::Background));
        }
        None
    }

    /// Whether thrift gives way. With one other site all that it saves is one copy, which a weak uplink makes dear: two sites that
    /// upload 1 Mbit/s took 292 s for what the publisher's uplink allows in 112. Among more sites, an extra copy saves less time.
    pub(super) fn yields(&self) -> bool {
        let Some(site) = self.peers.only_site() else { return false };
        let publisher =
            self.peers.iter().filter(|(_, peer)| peer.profile.is_origin).filter_map(|(_, peer)| peer.pace.rate());
        let (Some(site), Some(publisher)) = (site.pace.rate(), publisher.max()) else { return false };
        publisher >= YIELD_RATIO * site.max(1) && self.picker.missing_bytes() >= site * YIELD_LEFT.as_secs()
    }

    /// What to try a silent peer with: what nobody else has, or of a site anything, so that it can redeem itself.
    fn pick_probe(&self, peer: &Peer) -> Option<ChunkIndex> {
        let others = Lane::SITES.map(Queue::Ready).into_iter().chain([Queue::Ready(Lane::Origin), Queue::Waiting]);
        let others = others.filter(|_| !peer.profile.is_origin);
        [Queue::Ready(Lane::Doubtful)].into_iter().chain(others).find_map(|queue| self.picker.pick(queue, &peer.holds))
    }

    /// Others wait for pages and for what crosses a bottleneck.
    fn urgency(&self, chunk: ChunkIndex, lane: Lane) -> Urgency {
        let is_page = self.picker.row(chunk).is_some_and(|row| row.is_page);
        if is_page || lane == Lane::Origin || self.tree.has_others(lane) {
            Urgency::Import
        } else {
            Urgency::Background
        }
    }

    /// With the publisher's uplink to spare: what no site can give now, then what is rarest among the sites, far before near.
    /// Only over an uplink that is shared is an importer waited for: a county's border is no bottleneck to the publisher.
    fn pick_extra(&self, origin: &Peer) -> Option<ChunkIndex> {
        let is_ours = |chunk: ChunkIndex| self.tree.winner(chunk, Lane::County) == Slot::ME;
        let suits = |chunk: ChunkIndex| origin.holds.contains(chunk) && is_ours(chunk);
        let [site, province, county, _] = Lane::SITES.map(Queue::Ready);
        [Queue::Waiting, site, province, county].into_iter().find_map(|queue| self.picker.pick_near_front(queue, suits))
    }

    /// Asks, and tells the others when that is an import they can wait for.
    fn ask_in_turn(&mut self, now: Timestamp, slot: Slot, chunk: ChunkIndex, urgency: Urgency, batch: &mut Batch) {
        if urgency == Urgency::Import && self.tree.has_others(Lane::Origin) {
            self.announcer.coming(now, chunk);
        }
        self.ask(now, slot, chunk, urgency, batch);
    }

    fn ask(&mut self, now: Timestamp, slot: Slot, chunk: ChunkIndex, urgency: Urgency, batch: &mut Batch) {
        let len = self.picker.row(chunk).map_or(0, |row| u64::from(row.len));
        let Some(peer) = self.peers.get_mut(slot) else { return };
        peer.ask(now, chunk, len, urgency);
        self.flights.entry(chunk).or_default().push(slot);
        self.move_to(now, chunk, Place::InFlight);
        batch.entry((slot, urgency)).or_default().push(chunk);
    }

    /// Whether only a few chunks are left to look at and all are under way.
    pub(super) fn is_endgame(&self) -> bool {
        let missing = self.picker.missing_count();
        missing > 0 && missing <= ENDGAME_CHUNKS && missing == self.picker.in_flight_count()
    }

    /// The moment from which a chunk in flight is asked of a second peer, too.
    pub(super) fn overdue_at(&self, chunk: ChunkIndex) -> Option<Timestamp> {
        let [only] = self.flights.get(&chunk)?.as_slice() else { return None };
        self.peers.get(*only)?.asks.get(&chunk).map(|ask| ask.overdue_at)
    }

    /// Whether nobody who is relied on was asked for a chunk in flight.
    fn is_tried_only(&self, chunk: ChunkIndex) -> bool {
        let is_snubbed = |slot: &Slot| self.peers.get(*slot).is_none_or(Peer::is_snubbed);
        self.flights.get(&chunk).is_some_and(|slots| slots.iter().all(is_snubbed))
    }

    fn ask_overdue_again(&mut self, now: Timestamp, batch: &mut Batch) {
        if !self.is_endgame() {
            return;
        }
        let chunks: Vec<_> = self.flights.keys().copied().collect();
        for chunk in chunks {
            if self.overdue_at(chunk).is_some_and(|due| due <= now)
                && let Some(slot) = self.second_with(chunk)
            {
                self.ask(now, slot, chunk, Urgency::Background, batch);
            }
        }
    }

    /// Who holds a chunk and has nothing to do for us. The publisher is not asked for what a site is relied on to bring.
    fn second_with(&self, chunk: ChunkIndex) -> Option<Slot> {
        let farthest = if self.is_tried_only(chunk) { Lane::Origin } else { Lane::Site };
        let fits = |peer: &Peer| peer.lane() <= farthest && peer.asks.is_empty() && peer.holds.contains(chunk);
        self.peers.iter().filter(|(_, peer)| fits(peer)).min_by_key(|(_, peer)| peer.lane()).map(|(slot, _)| slot)
    }
}
