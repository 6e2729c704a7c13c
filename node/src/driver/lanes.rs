//! What the bulk lane reports: peers coming and going, their messages, chunks that arrived.

use super::transfer::{Stage, Transfer};
use super::{Driver, Topic};
use crate::bulk;
use crate::bulk::CloseReason;
use crate::trouble::Problem;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::layout::Place;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::{Input, Verdict};
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::ControlRequest;
use karez_protocol::wire::peer::{PeerMessage, from_runs, to_runs};
use std::time::Instant;

/// Chunks that one request, cancellation or refusal may name; ours name at most 512.
const ASKED_MAX: usize = 4_096;
/// Chunks that one have-delta may name.
const GAINED_MAX: usize = 1 << 16;

impl Driver {
    pub(super) fn on_bulk(&mut self, event: bulk::Event) {
        use bulk::Event;
        match event {
            Event::Connected { peer, generation, roster, carried, seen_at, throttled, .. } => {
                if self.on_lane(peer, generation, roster) {
                    self.note_carried(peer, carried, throttled);
                    seen_at.into_iter().for_each(|address| self.note_seen(peer, address));
                }
            }
            Event::Disconnected { peer, generation, reason, lost } => {
                if self.peers.lane_of(&peer) == Some(generation) {
                    tracing::debug!(peer = self.name_of(&peer), reason, "lane closed");
                    self.on_lane_lost(peer);
                    // Give whoever closed it a moment; then dial again if something is still missing.
                    self.peers.dial_failed(peer, Instant::now());
                    if lost {
                        self.on_udp_blocked(peer);
                    }
                }
            }
            Event::DialFailed { peer, detail, unanswered } => {
                tracing::debug!(peer = self.name_of(&peer), detail, "dial failed");
                if self.peers.lane_of(&peer).is_none() {
                    self.peers.dial_failed(peer, Instant::now());
                    if unanswered {
                        self.on_udp_blocked(peer);
                    }
                }
            }
            Event::Message { peer, generation, message, place } => {
                if self.peers.lane_of(&peer) == Some(generation) {
                    self.on_message(peer, message);
                }
                drop(place);
            }
            Event::Progress { peer, bytes } => self.on_progress(peer, bytes),
            Event::Chunks { peer, chunks } => chunks.into_iter().for_each(|arrived| self.on_chunk(peer, arrived)),
            Event::Unservable { peer, release, chunk, away } => {
                let chunks = to_runs(&[chunk]);
                self.parts.bulk.send(&peer, PeerMessage::Refused { release, chunks });
                self.on_unservable(&release, chunk, away);
            }
            Event::StrangerRefused => self.on_stranger(),
        }
    }

    /// Somebody outside the roster: perhaps a member that is newer than our roster.
    pub(super) fn on_stranger(&mut self) {
        self.counters.strangers_refused += 1;
        self.contact.hurry_for_stranger(Instant::now());
    }

    /// False when the lane is not used.
    fn on_lane(&mut self, peer: PeerId, generation: u64, roster: u64) -> bool {
        if self.peers.lane_of(&peer).is_some_and(|current| current > generation) {
            return false;
        }
        if self.peers.lane_of(&peer).is_some() {
            self.on_lane_lost(peer);
        }
        if self.peers.is_banned(&peer, Instant::now()) {
            self.peers.dial_failed(peer, Instant::now());
            self.parts.bulk.disconnect(&peer, CloseReason::BadChunk);
            return false;
        }
        self.peers.connected_on(peer, generation);
        if roster > self.parts.roster.value().version {
            self.parts.control.ask(peer, ControlRequest::Roster { newer_than: self.parts.roster.value().version });
        }
        let hungry: Vec<_> = self.transfers.values().filter(|t| t.is_hungry()).map(|t| t.release).collect();
        hungry.iter().for_each(|release| self.tell(release, peer));
        true
    }

    fn on_lane_lost(&mut self, peer: PeerId) {
        self.peers.entry(peer).lane = None;
        let releases: Vec<_> = self.transfers.keys().copied().collect();
        for release in releases {
            let Some(transfer) = self.transfers.get_mut(&release) else { continue };
            transfer.told.remove(&peer);
            if transfer.participants.remove(&peer).is_some() {
                self.drive(&release, Input::PeerLeft { peer });
            }
        }
    }

    /// Tells every connected peer that this node takes part in a release.
    pub(super) fn introduce(&mut self, release: &ReleaseId) {
        let connected: Vec<_> = self.peers.connected().collect();
        let Some(transfer) = self.transfers.get(release) else { return };
        let (hungry, waiting) = (transfer.is_hungry(), transfer.participants.clone());
        for peer in connected {
            if hungry || waiting.contains_key(&peer) {
                self.tell(release, peer);
            }
        }
    }

    /// Interest and have-map, once for each peer and release.
    fn tell(&mut self, release: &ReleaseId, peer: PeerId) {
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        if transfer.stage == Stage::Opening || !transfer.told.insert(peer) {
            return;
        }
        let (collection, release) = (transfer.collection.clone(), *release);
        let (wants, set) = (transfer.is_hungry(), transfer.swarm.have().clone());
        self.parts.bulk.send(&peer, PeerMessage::Interest { collection, release, wants });
        self.parts.bulk.send(&peer, PeerMessage::Have { release, set });
    }

    fn on_message(&mut self, peer: PeerId, message: PeerMessage) {
        tracing::trace!(?peer, ?message, "message");
        let well_formed = match message {
            PeerMessage::Hello(_) => false,
            PeerMessage::Interest { collection, release, wants } => self.on_interest(peer, &collection, release, wants),
            PeerMessage::NoInterest { release } => self.on_no_interest(peer, &release),
            PeerMessage::Have { release, mut set } => {
                let count = self.transfers.get(&release).map_or(0, |transfer| transfer.pages.space().count());
                set.truncate(count);
                self.tell_swarm(peer, &release, Input::PeerHas { peer, set })
            }
            PeerMessage::HaveDelta { release, gained, coming } => {
                match (from_runs(&gained, GAINED_MAX), from_runs(&coming, GAINED_MAX)) {
                    (Some(gained), Some(coming)) => {
                        self.tell_swarm(peer, &release, Input::PeerGained { peer, gained, coming })
                    }
                    _ => false,
                }
            }
            PeerMessage::Refused { release, chunks } => match from_runs(&chunks, ASKED_MAX) {
                Some(chunks) => self.tell_swarm(peer, &release, Input::PeerRefused { peer, chunks }),
                None => false,
            },
            PeerMessage::Request { release, urgency, chunks } => match from_runs(&chunks, ASKED_MAX) {
                Some(chunks) => self.on_request(peer, release, urgency, &chunks),
                None => false,
            },
            PeerMessage::Cancel { release, chunks } => match from_runs(&chunks, ASKED_MAX) {
                Some(chunks) => {
                    self.parts.bulk.unserve(&peer, release, &chunks);
                    true
                }
                None => false,
            },
        };
        if !well_formed {
            tracing::warn!(peer = self.name_of(&peer), "dropped: it broke the protocol's rules");
            self.parts.bulk.disconnect(&peer, CloseReason::Violation);
        }
    }

    fn tell_swarm(&mut self, peer: PeerId, release: &ReleaseId, input: Input) -> bool {
        if self.transfers.get(release).is_some_and(|transfer| transfer.participants.contains_key(&peer)) {
            self.drive(release, input);
        }
        true
    }

    fn on_interest(&mut self, peer: PeerId, collection: &CollectionName, release: ReleaseId, wants: bool) -> bool {
        if !self.transfers.contains_key(&release) {
            self.begin_held(collection, &release);
        }
        let (now, profile) = (self.now(), self.profile(&peer, collection));
        let Some(transfer) = self.transfers.get_mut(&release) else {
            // It may begin here later; then this node says so, and the peer must not think that it has told us already.
            self.parts.bulk.send(&peer, PeerMessage::NoInterest { release });
            return true;
        };
        if transfer.collection != *collection {
            return false;
        }
        self.peers.entry(peer).collections.insert(collection.clone(), !wants);
        transfer.heard.remove(&peer);
        if transfer.participants.insert(peer, wants).is_none() {
            transfer.swarm.handle(now, Input::PeerJoined { peer, profile });
        }
        transfer.swarm.handle(now, Input::PeerWants { peer, wants });
        self.tell(&release, peer);
        self.pump(&release);
        true
    }

    /// Somebody asks for an older version that is still in the store.
    fn begin_held(&mut self, collection: &CollectionName, release: &ReleaseId) {
        if !self.stored.contains(release) {
            return;
        }
        let held = self.parts.store.releases().unwrap_or_default();
        for held in held.into_iter().filter(|held| held.collection == *collection) {
            let offered = karez_protocol::wire::control::SignedRelease { release: held.signed, root: held.root };
            match self.check(&offered) {
                Ok(known) if known.id() == *release => return self.begin(collection, &known, false),
                _ => {}
            }
        }
    }

    fn on_no_interest(&mut self, peer: PeerId, release: &ReleaseId) -> bool {
        let Some(transfer) = self.transfers.get_mut(release) else { return true };
        transfer.told.remove(&peer);
        if transfer.participants.remove(&peer).is_some() {
            self.drive(release, Input::PeerLeft { peer });
        }
        true
    }

    fn on_request(
        &mut self,
        peer: PeerId,
        release: ReleaseId,
        urgency: karez_protocol::wire::peer::Urgency,
        chunks: &[ChunkIndex],
    ) -> bool {
        let have = self.transfers.get(&release).map(|transfer| transfer.swarm.have());
        let held = |chunk: &ChunkIndex| have.is_some_and(|have| have.contains(*chunk));
        let (serve, refuse): (Vec<_>, Vec<_>) = chunks.iter().copied().partition(held);
        if !refuse.is_empty() {
            self.parts.bulk.send(&peer, PeerMessage::Refused { release, chunks: to_runs(&refuse) });
        }
        self.parts.bulk.serve(peer, release, urgency, &serve)
    }

    fn on_progress(&mut self, peer: PeerId, bytes: u64) {
        let with = |t: &&Transfer| !t.complete && t.participants.contains_key(&peer);
        let with: Vec<_> = self.transfers.values().filter(with).map(|transfer| transfer.release).collect();
        with.iter().for_each(|release| self.drive(release, Input::Progress { peer, bytes }));
    }

    fn on_chunk(&mut self, peer: PeerId, arrived: bulk::Arrived) {
        let bulk::Arrived { release, chunk, bytes, outcome } = arrived;
        self.count(peer, &release, bytes);
        let (now, mut stored, mut full) = (self.now(), false, false);
        let input = match outcome {
            bulk::Outcome::Stored { fresh } => {
                self.counters.refetched_chunks += u64::from(!fresh);
                stored = true;
                Input::Received { peer, chunk, verdict: Verdict::Good }
            }
            bulk::Outcome::Bad => {
                self.counters.bad_chunks += 1;
                Input::Received { peer, chunk, verdict: Verdict::Bad }
            }
            bulk::Outcome::NoPage => {
                self.find_page_lost(&release, chunk);
                Input::NotStored { chunk }
            }
            bulk::Outcome::NotStored { fault } => {
                self.store_full(Problem::store(None, fault));
                full = true;
                Input::NotStored { chunk }
            }
        };
        let Some(transfer) = self.transfers.get_mut(&release) else { return };
        let known = transfer.swarm.known(chunk).filter(|_| stored);
        transfer.swarm.handle(now, input);
        let is_page = chunk.0 < transfer.page_count();
        if let Some(known) = known {
            transfer.note_stored(u64::from(known.stored_len));
        }
        let ended = self.pump_alone(&release);
        if let Some(known) = known {
            self.share(&release, &known);
        }
        self.let_others_go_on(release, ended);
        if known.is_some() && is_page {
            self.place_lost();
        }
        if full {
            self.pause_all(true);
        }
    }

    /// The store no longer has a chunk that was held (damaged on the disk): fetch it again, and say no more that all is here.
    pub(super) fn on_lost(&mut self, release: &ReleaseId, chunk: ChunkIndex) {
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        if !transfer.swarm.have().contains(chunk) {
            return;
        }
        let bytes = transfer.stored_len(chunk);
        transfer.have_bytes = transfer.have_bytes.saturating_sub(bytes);
        let reopened = std::mem::take(&mut transfer.complete);
        let collection = transfer.collection.clone();
        if reopened {
            self.tell_all_elsewhere(release);
        }
        self.drive(release, Input::NotStored { chunk });
        self.look_at_files();
        if reopened && self.is_superseded(release) {
            // What a pin keeps is mended by a scrub; nobody else needs it.
            self.want_no_more(release);
        } else if reopened {
            // What was whole is to be whole again, also when nobody asked for it by name.
            self.want_all(release);
            self.tell_wants(release, true);
            // Beside others to whom all was whole as well, nobody said what it holds.
            self.introduce(release);
            self.contact.hurry();
        }
        if self.transfers.get(release).is_some_and(|transfer| transfer.wanted) {
            let problem = Problem::Lost { collection: collection.to_string() };
            self.problems.report(Topic::Content(collection), problem);
        }
        self.pump(release);
    }

    /// Whether a newer version of the collection is here whole.
    fn is_superseded(&self, release: &ReleaseId) -> bool {
        let Some(transfer) = self.transfers.get(release) else { return false };
        let newer = |t: &Transfer| t.collection == transfer.collection && t.version > transfer.version;
        self.transfers.values().any(|t| newer(t) && t.complete)
    }

    /// The page that describes a chunk could not be read.
    fn find_page_lost(&mut self, release: &ReleaseId, chunk: ChunkIndex) {
        let place = self.transfers.get(release).and_then(|transfer| transfer.pages.space().place(chunk));
        if let Some(Place::Row { page, .. }) = place {
            self.find_lost(release, &[ChunkIndex(page as u32)]);
        }
    }

    /// Tells those who take part in a release whether this node still lacks chunks.
    pub(super) fn tell_wants(&self, release: &ReleaseId, wants: bool) {
        let Some(transfer) = self.transfers.get(release) else { return };
        for peer in &transfer.told {
            let (collection, release) = (transfer.collection.clone(), *release);
            self.parts.bulk.send(peer, PeerMessage::Interest { collection, release, wants });
        }
    }

    fn count(&mut self, peer: PeerId, release: &ReleaseId, bytes: u64) {
        let (flagship, group) = (self.is_flagship(&peer), self.same_group(&peer));
        self.counters.chunk_bytes_received += bytes;
        let entry = self.peers.entry(peer);
        entry.received += bytes;
        let relayed = entry.detour.relay.is_some();
        let counters = &mut self.counters;
        match flagship {
            true => counters.bytes_from_flagship += bytes,
            false => counters.bytes_from_peers += bytes,
        }
        counters.bytes_from_group += if group { bytes } else { 0 };
        counters.bytes_relayed += if relayed { bytes } else { 0 };
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        transfer.meter.add(bytes);
        match flagship {
            true => transfer.sources.flagship += bytes,
            false => transfer.sources.peers += bytes,
        }
        transfer.sources.group += if group { bytes } else { 0 };
    }
}
