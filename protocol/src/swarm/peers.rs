//! The connected peers of one release: what each holds, what it has been asked for, and its standing.

use super::io::PeerProfile;
use super::lane::{Lane, Slot};
use super::pace::Pace;
use super::standing::Standing;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::plan::time::Timestamp;
use crate::trust::PeerId;
use crate::wire::peer::Urgency;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

/// Largest chunk number taken from a peer: 1.6 TB of chunks of 48 KiB. Bounds what a liar can make us remember to 4 MB.
const CHUNKS_MAX: u32 = 1 << 25;

/// Most chunks asked of one peer at a time, however small they are: peers bound their queues, and several releases share
/// one.
pub(super) const REQUESTS_IN_FLIGHT_MAX: usize = 512;

/// Times the usual patience with a publisher that was only asked for what its uplink has to spare.
const SPARE_PATIENCE: u32 = 6;

/// Slack before a chunk in flight counts as overdue.
const OVERDUE_SLACK: Duration = Duration::from_secs(1);
/// But after so long at the latest, whatever its peer's rate makes likely: the last few chunks from somebody idle cost a
/// duplicate at worst, and a peer that was measured on one bad minute would hold up the end for ten.
const OVERDUE_MAX: Duration = Duration::from_secs(120);

/// And after so long when its peer is only being tried: whoever is back answers within a round trip or two.
const TRY_OVERDUE: Duration = Duration::from_secs(2);

/// A chunk asked of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// When it is so late that somebody idle may be asked, too.
    pub(super) overdue_at: Timestamp,
    /// How urgently it was asked for.
    pub(super) urgency: Urgency,
}

/// A connected peer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Who.
    pub(super) id: PeerId,
    /// What the roster says.
    pub(super) profile: PeerProfile,
    /// The lane it serves over in good standing.
    pub(super) natural_lane: Lane,
    /// When it came.
    pub(super) joined: Timestamp,
    /// It lacks chunks.
    pub(super) wants: bool,
    /// Its have-map has come.
    pub(super) has_told: bool,
    /// What it holds, as far as told.
    pub(super) holds: ChunkSet,
    /// What it has been asked for.
    pub(super) asks: BTreeMap<ChunkIndex, Ask>,
    /// How it delivers.
    pub(super) pace: Pace,
    /// Whether it is relied on.
    pub(super) standing: Standing,
    /// Chunks that may be asked in the background at once, of a publisher: one more for each that came. Thus little waits
    /// at a publisher that has nothing to spare, and its whole pipeline is used when it has (8 sites at 20/20: 5 % of the
    /// time).
    pub(super) spare: usize,
    /// Nothing to ask it for until something changes.
    pub(super) is_dry: bool,
}

impl Peer {
    /// The lane it serves over.
    pub(super) fn lane(&self) -> Lane {
        if self.is_snubbed() { Lane::Doubtful } else { self.natural_lane }
    }

    /// Whether it is asked for one chunk at a time.
    pub(super) fn is_snubbed(&self) -> bool {
        self.standing.snub().is_some()
    }

    /// Whether a publisher has shown that its uplink has more to spare than is asked of it.
    pub(super) fn has_spare(&self) -> bool {
        self.asks.values().filter(|ask| ask.urgency == Urgency::Background).count() < self.spare
    }

    /// Takes note of a chunk it says it holds; false when that was known or cannot be.
    pub(super) fn gains(&mut self, chunk: ChunkIndex) -> bool {
        chunk.0 < CHUNKS_MAX && self.holds.insert(chunk)
    }

    /// When its silence becomes a stall. The publisher serves first copies before all else, so what is asked of it in the
    /// background may wait long for its turn.
    pub(super) fn silent_at(&self) -> Option<Timestamp> {
        self.pace.silent_at(if self.waits_its_turn() { SPARE_PATIENCE } else { 1 })
    }

    fn waits_its_turn(&self) -> bool {
        let is_spare = |ask: &Ask| ask.urgency == Urgency::Background;
        self.profile.is_origin && !self.is_snubbed() && self.asks.values().all(is_spare)
    }

    /// Takes note of a request.
    pub(super) fn ask(&mut self, now: Timestamp, chunk: ChunkIndex, len: u64, urgency: Urgency) {
        let late = (self.pace.time_for(len) * 2 + OVERDUE_SLACK).min(OVERDUE_MAX);
        let overdue_at = now + if self.is_snubbed() { late.min(TRY_OVERDUE) } else { late };
        if urgency != Urgency::Background && self.waits_its_turn() {
            self.pace.forgive(now);
        }
        self.asks.insert(chunk, Ask { overdue_at, urgency });
        self.pace.ask(now, len);
    }

    /// Whether its pipeline is half empty, so that asking is worth a message.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        match self.standing.snub() {
            Some(snub) => self.asks.is_empty() && snub.probe_at <= now,
            None => {
                self.asks.is_empty()
                    || self.has_room() && self.pace.outstanding() + self.pace.batch() <= self.pace.window()
            }
        }
    }

    /// Whether more fits.
    pub(super) fn has_room(&self) -> bool {
        let has_room = self.asks.len() < REQUESTS_IN_FLIGHT_MAX && self.pace.outstanding() < self.pace.window();
        self.asks.is_empty() || (!self.is_snubbed() && has_room)
    }
}

/// A site that takes part and is not connected.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Who.
    pub(super) id: PeerId,
    /// Importer weight.
    pub(super) weight: u8,
    /// The lane that it would serve over.
    pub(super) lane: Lane,
    /// It lacks chunks.
    pub(super) wants: bool,
    /// When it was heard of first; `None` when it was known before.
    pub(super) since: Option<Timestamp>,
}

/// All connected peers, and sites that are only heard of.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers {
    by_slot: BTreeMap<Slot, Peer>,
    slots: BTreeMap<PeerId, Slot>,
    heard: BTreeMap<Slot, Heard>,
    /// Sites that have been here or were heard of: nothing is settled anew when they come and go.
    met: BTreeSet<PeerId>,
    banned: BTreeSet<PeerId>,
    /// Peers that have left with something to make up for: when, and their standing.
    remembered: BTreeMap<PeerId, (Timestamp, Standing)>,
}

impl Peers {
    /// Adds a peer; `None` when it is banned or no number is free.
    pub(super) fn add(&mut self, mut peer: Peer) -> Option<Slot> {
        if self.banned.contains(&peer.id) {
            return None;
        }
        let free = self.free_slot()?;
        if let Some((left, standing)) = self.remembered.remove(&peer.id) {
            peer.standing = standing.returned(left, peer.joined);
        }
        self.met.insert(peer.id);
        self.slots.insert(peer.id, free);
        self.by_slot.insert(free, peer);
        self.tell_alone();
        Some(free)
    }

    fn free_slot(&self) -> Option<Slot> {
        let is_taken = |slot: &Slot| self.by_slot.contains_key(slot) || self.heard.contains_key(slot);
        (1..=u16::MAX).map(Slot).find(|slot| !is_taken(slot))
    }

    /// Adds a site that is not connected; `None` when it is, or is banned, or no number is free.
    pub(super) fn hear_of(&mut self, site: Heard) -> Option<Slot> {
        if self.banned.contains(&site.id) || self.slots.contains_key(&site.id) {
            return None;
        }
        let free = self.free_slot()?;
        self.met.insert(site.id);
        self.heard.insert(free, site);
        Some(free)
    }

    /// Whether it was here or heard of before.
    pub(super) fn has_met(&self, id: &PeerId) -> bool {
        self.met.contains(id)
    }

    /// A site that is not connected.
    pub(super) fn heard(&self, slot: Slot) -> Option<&Heard> {
        self.heard.get(&slot)
    }

    /// A site that is not connected, to change.
    pub(super) fn heard_mut(&mut self, slot: Slot) -> Option<&mut Heard> {
        self.heard.get_mut(&slot)
    }

    /// All sites that are not connected.
    pub(super) fn all_heard(&self) -> impl Iterator<Item = (Slot, &Heard)> + '_ {
        self.heard.iter().map(|(slot, site)| (*slot, site))
    }

    /// The number of a site that is not connected.
    pub(super) fn slot_heard(&self, id: &PeerId) -> Option<Slot> {
        self.heard.iter().find(|(_, site)| site.id == *id).map(|(slot, _)| *slot)
    }

    /// Forgets a site that is not connected.
    pub(super) fn unhear(&mut self, slot: Slot) {
        self.heard.remove(&slot);
    }

    /// Whether a site is connected: others than the publisher bring something.
    pub(super) fn has_site(&self) -> bool {
        self.by_slot.values().any(|peer| !peer.profile.is_origin)
    }

    /// The only site that takes part beside this node, when there is one and it is connected.
    pub(super) fn only_site(&self) -> Option<&Peer> {
        let mut sites = self.by_slot.values().filter(|peer| !peer.profile.is_origin);
        let only = sites.next().filter(|_| self.heard.is_empty());
        if sites.next().is_some() { None } else { only }
    }

    /// Who has this number.
    pub(super) fn id_of(&self, slot: Slot) -> Option<PeerId> {
        self.get(slot).map(|peer| peer.id).or_else(|| self.heard(slot).map(|site| site.id))
    }

    /// Removes a peer.
    pub(super) fn remove(&mut self, now: Timestamp, slot: Slot) -> Option<Peer> {
        let peer = self.by_slot.remove(&slot)?;
        if !peer.standing.is_clean() {
            self.remembered.insert(peer.id, (now, peer.standing));
        }
        self.slots.remove(&peer.id);
        self.tell_alone();
        Some(peer)
    }

    fn tell_alone(&mut self) {
        let is_alone = self.by_slot.len() == 1;
        self.by_slot.values_mut().for_each(|peer| peer.pace.set_alone(is_alone));
    }

    /// Never lets it in again.
    pub(super) fn ban(&mut self, peer: PeerId) {
        self.banned.insert(peer);
    }

    /// The number of a connected peer.
    pub(super) fn slot(&self, peer: &PeerId) -> Option<Slot> {
        self.slots.get(peer).copied()
    }

    /// A connected peer.
    pub(super) fn get(&self, slot: Slot) -> Option<&Peer> {
        self.by_slot.get(&slot)
    }

    /// A connected peer, to change.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.by_slot.get_mut(&slot)
    }

    /// Whether another peer has delivered since this one did.
    pub(super) fn others_delivered_since(&self, slot: Slot) -> bool {
        let last = |peer: &Peer| peer.pace.last_delivery();
        let mine = self.get(slot).and_then(last);
        self.by_slot.iter().any(|(other, peer)| *other != slot && last(peer) > mine)
    }

    /// All connected peers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Peer)> + '_ {
        self.by_slot.iter().map(|(slot, peer)| (*slot, peer))
    }

    /// Whether a connected peer holds one of these chunks that `have` lacks.
    pub(super) fn any_exceeds(&self, have: &ChunkSet, chunks: Range<u32>) -> bool {
        self.by_slot.values().any(|peer| peer.holds.exceeds_in(have, chunks.clone()))
    }

    /// Whether a connected peer in good standing at least as near as this lane holds a chunk.
    pub(super) fn is_as_near(&self, chunk: ChunkIndex, lane: Lane) -> bool {
        self.by_slot.values().any(|peer| peer.lane() <= lane && peer.holds.contains(chunk))
    }

    /// What the peers of these lanes hold together.
    pub(super) fn held_over(&self, lanes: RangeInclusive<Lane>) -> ChunkSet {
        let mut union = ChunkSet::new();
        let peers = self.by_slot.values().filter(|peer| lanes.contains(&peer.lane()));
        peers.for_each(|peer| union.extend_from(&peer.holds));
        union
    }

    /// Something changed for everybody: look again what to ask them for.
    pub(super) fn wake_all(&mut self) {
        self.by_slot.values_mut().for_each(|peer| peer.is_dry = false);
    }

    /// A chunk may be asked for now: its holders are worth looking at again.
    pub(super) fn wake_holders(&mut self, chunk: ChunkIndex) {
        for peer in self.by_slot.values_mut().filter(|peer| peer.is_dry) {
            peer.is_dry = !peer.holds.contains(chunk);
        }
    }
}
