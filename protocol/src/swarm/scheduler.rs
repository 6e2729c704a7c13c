//! Joins importer, picker, peers and patience: takes what happened, says what to do.
//!
//! What must stay true after every input:
//! - a chunk is asked of one peer at a time (two near the end, when the first is far too late), and never when held, nor when
//!   another swarm of this node has asked for it;
//! - over a lane that is a bottleneck only the importer asks; a running import is never displaced;
//! - whatever a connected peer holds is asked for in the end: claims expire, importers stall, the silent are set aside;
//! - same inputs at the same times, same outputs.
//!
//! Inside: `roster` peers come, go and tell; `placing` what is to be done about a chunk; `asking` fills pipelines;
//! `hearsay` sites that only others reach; `arriving` what came; `timing` what is due; `sliding` which pages of a large collection are looked into; `sharing` what other swarms of this node fetch.

#[cfg(test)]
mod any_order;
mod arriving;
mod asking;
mod hearsay;
mod placing;
mod roster;
mod sharing;
#[cfg(test)]
mod siblings_test;
mod sliding;
#[cfg(test)]
mod tests;
mod timing;

use super::announcer::Announcer;
use super::importer::Tree;
use super::io::{EgressMode, Flights, Input, KnownChunk, Output, PeerProfile};
use super::lane::{Lane, Slot, mix};
use super::patience::Patience;
use super::peers::Peers;
use super::picker::{Picker, Place};
use super::siblings::Siblings;
use super::status::{PeerStatus, Status};
use super::window::Window;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::content::hash::ChunkId;
use crate::content::layout::ChunkSpace;
use crate::plan::time::Timestamp;
use crate::trust::PeerId;
use std::collections::{BTreeMap, VecDeque};

/// How a swarm starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node.
    pub me: PeerId,
    /// What the roster says of it.
    pub profile: PeerProfile,
    /// How the publisher's upload is traded against time.
    pub mode: EgressMode,
    /// Breaks ties; sites with different seeds ask for different chunks first. The node's id is mixed in.
    pub seed: u64,
    /// Chunks of a large collection that are looked at one by one: [`super::WINDOW_ROWS`], but in tests.
    pub window_rows: u32,
}

/// The state machine of one release on one node.
#[derive(Debug, Clone)]
pub struct Swarm {
    profile: PeerProfile,
    mode: EgressMode,
    seed: u64,
    is_paused: bool,
    /// Pages and urgent chunks, no others.
    only_urgent: bool,
    /// Time of the latest input.
    clock: Timestamp,
    have: ChunkSet,
    peers: Peers,
    picker: Picker,
    window: Window,
    tree: Tree,
    patience: Patience,
    announcer: Announcer,
    urgent: Vec<ChunkIndex>,
    /// When the window was last cleared of what nobody has.
    evicted: Timestamp,
    /// Whom each chunk in flight was asked of.
    flights: BTreeMap<ChunkIndex, Vec<Slot>>,
    siblings: Siblings,
    pages_known: bool,
    complete_told: bool,
    duplicates: u64,
    outputs: VecDeque<Output>,
}

impl Swarm {
    /// A swarm that knows nothing yet.
    pub fn new(config: Config) -> Self {
        let Config { me, profile, mode, seed, window_rows } = config;
        let seed = me.as_bytes().iter().fold(mix(seed), |state, byte| mix(state ^ u64::from(*byte)));
        Self {
            tree: Tree::new(me, profile.weight),
            profile,
            mode,
            seed,
            is_paused: false,
            only_urgent: false,
            clock: Timestamp::default(),
            have: ChunkSet::new(),
            peers: Peers::default(),
            picker: Picker::default(),
            window: Window::new(window_rows),
            patience: Patience::default(),
            announcer: Announcer::default(),
            urgent: Vec::new(),
            evicted: Timestamp::default(),
            flights: BTreeMap::new(),
            siblings: Siblings::default(),
            pages_known: false,
            complete_told: true,
            duplicates: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened; `poll_output` then gives what to do.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.clock = self.clock.max(now);
        let input = match input {
            Input::Elsewhere(news) if self.handle_elsewhere(now, &news) => return,
            other => other,
        };
        // First what came: a sign of life at the last moment counts.
        self.apply(now, input);
        self.run_due(now);
        self.slide(now);
        self.fill(now);
        self.tell(now);
    }

    fn apply(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::ChunksKnown(chunks) => self.handle_chunks_known(now, chunks),
            Input::ContentWanted(space) => self.handle_content_wanted(space),
            Input::PagesRead { pages, chunks } => self.handle_pages_read(now, &pages, chunks),
            Input::Held(set) => self.handle_held(now, &set),
            Input::PeerJoined { peer, profile } => self.handle_joined(now, peer, profile),
            Input::PeerLeft { peer } => self.handle_left(now, &peer),
            Input::PeerHeard { peer, profile, wants } => self.handle_heard(now, peer, &profile, wants),
            Input::PeerWants { peer, wants } => self.handle_wants(now, &peer, wants),
            Input::PeerHas { peer, set } => self.handle_has(now, &peer, set),
            Input::PeerGained { peer, gained, coming } => self.handle_gained(now, &peer, &gained, &coming),
            Input::PeerRefused { peer, chunks } => self.handle_refused(now, &peer, &chunks),
            Input::Progress { peer, bytes } => self.handle_progress(now, &peer, bytes),
            Input::Received { peer, chunk, verdict } => self.handle_received(now, &peer, chunk, verdict),
            Input::NotStored { chunk } => self.handle_not_stored(now, chunk),
            Input::Urgent(chunks) => self.handle_urgent(chunks),
            Input::Paused(is_paused) => self.handle_paused(now, is_paused),
            Input::OnlyUrgent(only_urgent) => {
                self.only_urgent = only_urgent;
                self.peers.wake_all();
            }
            Input::Mode(mode) => {
                self.mode = mode;
                self.peers.wake_all();
            }
            Input::Elsewhere(_) | Input::Tick => {}
        }
    }

    /// The next thing to do, in order; `None` when that was all.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Every chunk held.
    pub fn have(&self) -> &ChunkSet {
        &self.have
    }

    /// Chunks wanted, as far as that is known.
    fn wanted_count(&self) -> u32 {
        self.window.space().map_or_else(|| self.picker.known_count(), ChunkSpace::count)
    }

    /// Number of chunks that are wanted and not held.
    pub fn missing_count(&self) -> u32 {
        match self.window.space() {
            Some(space) => space.count().saturating_sub(self.have.len() as u32),
            None => self.picker.missing_count(),
        }
    }

    /// A chunk that is looked at one by one now: its id and stored length.
    pub fn known(&self, chunk: ChunkIndex) -> Option<KnownChunk> {
        let row = self.picker.row(chunk)?;
        Some(KnownChunk { index: chunk, id: row.id, stored_len: row.len })
    }

    /// The chunk with this id, if it is looked at now.
    pub fn index_of(&self, id: &ChunkId) -> Option<ChunkIndex> {
        self.picker.index_of(id)
    }

    /// The missing chunks.
    fn missing_set(&self) -> ChunkSet {
        match self.window.space() {
            Some(space) => ChunkSet::full(space.count()).difference(&self.have),
            None => self.picker.known().difference(&self.have),
        }
    }

    /// A snapshot for people. Costs a pass over the peers' have-maps: not for every event.
    pub fn status(&self) -> Status {
        let missing = self.missing_set();
        let elsewhere = self.siblings.under_way().filter_map(|id| self.picker.index_of(id));
        let in_flight: ChunkSet = self.flights.keys().copied().chain(elsewhere).collect();
        let nowhere = missing.difference(&self.peers.held_over(Lane::Group..=Lane::Doubtful)).difference(&in_flight);
        let siteless = missing.difference(&self.peers.held_over(Lane::Group..=Lane::Site));
        let missing = missing.len() as u32;
        let id = |slot: Slot| self.peers.id_of(slot);
        Status {
            known: self.wanted_count(),
            held: self.wanted_count() - missing,
            missing,
            missing_bytes: self.picker.missing_bytes(),
            missing_without_holder: nowhere.len() as u32,
            missing_without_site: siteless.len() as u32,
            in_flight: self.picker.in_flight_count(),
            is_paused: self.is_paused,
            yields: self.mode == EgressMode::Thrifty && self.yields(),
            waiting_for: self.patience.awaited().filter_map(|(slot, count)| Some((id(slot)?, count))).collect(),
            duplicates: self.duplicates,
            peers: self.peers.iter().map(|(slot, _)| slot).filter_map(|slot| self.peer_status(slot)).collect(),
        }
    }

    fn peer_status(&self, slot: Slot) -> Option<PeerStatus> {
        let peer = self.peers.get(slot)?;
        Some(PeerStatus {
            peer: peer.id,
            is_origin: peer.profile.is_origin,
            wants: peer.wants,
            holds: match self.window.space() {
                Some(space) => peer.holds.count_in(0..space.count()),
                None => self.picker.known_of(&peer.holds).len(),
            },
            outstanding: peer.asks.len() as u32,
            rate: peer.pace.rate(),
            is_snubbed: peer.is_snubbed(),
            is_stalled: self.patience.is_stalled(slot),
        })
    }
}
