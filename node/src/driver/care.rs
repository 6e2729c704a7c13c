//! Looking after the store: which releases a damaged chunk belongs to, what is in use, and letting go of versions.
//!
//! What must stay true: a version is let go of as a whole and before its file goes: nothing of it is served, announced or
//! counted on after that; what somebody reads or what is being fetched is not let go of.

use super::transfer::{Stage, Transfer};
use super::{Driver, Outcome, catalogue::Known};
use crate::handle::care::{AtWork, Look, Neighbour, Question};
use crate::state::Change;
use karez_content_tools::pages::Pages;
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::{ChunkId, ReleaseId};
use karez_protocol::content::name::CollectionName;
use karez_protocol::wire::control::{HeldVersion, SignedRelease};
use karez_protocol::wire::peer::PeerMessage;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Openings of one collection within this time count as one: a film is hundreds of requests.
const OPENED_AGAIN: Duration = Duration::from_secs(600);

/// Lost chunks whose page is lost, too, that are kept in mind: 2 MB.
const UNPLACED_MAX: usize = 1 << 16;

/// In which order collections were opened. Numbers, because clocks of cheap machines jump.
#[derive(Debug, Default)]
pub(super) struct Opened {
    numbers: std::collections::BTreeMap<CollectionName, u64>,
    noted: std::collections::BTreeMap<CollectionName, Instant>,
}

impl Opened {
    pub(super) fn new(remembered: Vec<(CollectionName, u64)>) -> Self {
        Self { numbers: remembered.into_iter().collect(), noted: std::collections::BTreeMap::new() }
    }

    /// The new number of a collection, unless it was noted a moment ago.
    fn note(&mut self, collection: &CollectionName, now: Instant) -> Option<u64> {
        if self.noted.get(collection).is_some_and(|at| now.duration_since(*at) < OPENED_AGAIN) {
            return None;
        }
        self.noted.insert(collection.clone(), now);
        let number = self.numbers.values().max().map_or(1, |last| last + 1);
        self.numbers.insert(collection.clone(), number);
        Some(number)
    }

    /// A collection that went and comes again was opened just now.
    fn forget(&mut self, collection: &CollectionName) {
        self.numbers.remove(collection);
        self.noted.remove(collection);
    }
}

/// Chunks that the store no longer has, and where they stand in the releases at work.
#[derive(Debug)]
pub(super) struct Lost {
    chunks: Vec<ChunkId>,
    found: Vec<Found>,
    /// Of the chunks, those that the store has again.
    back: BTreeSet<ChunkId>,
    reply: Option<oneshot::Sender<Vec<ChunkId>>>,
}

/// Where chunks stand in one release.
#[derive(Debug)]
struct Found {
    release: ReleaseId,
    indexes: Vec<(ChunkId, ChunkIndex)>,
    /// Pages that could not be read: what they name is not in `indexes`.
    unread: Vec<ChunkIndex>,
}

impl Driver {
    pub(super) fn on_care(&mut self, question: Question) {
        match question {
            Question::Lost(chunks, reply) => self.find_owners(chunks, Some(reply)),
            Question::Mend(release) => self.mend(*release),
            Question::Look(reply) => drop(reply.send(Box::new(self.look()))),
            Question::Retire(releases, whole, reply) => drop(reply.send(self.retire(&releases, &whole))),
            Question::Retired(releases) => {
                self.save_wanted_again(&releases);
                self.look_at_files();
            }
        }
    }

    /// Somebody opens or asks for a collection: it goes last when room is needed.
    pub(super) fn note_opened(&mut self, collection: &CollectionName) {
        if let Some(number) = self.opened.note(collection, Instant::now()) {
            self.state.remember(Change::Opened { collection: collection.clone(), number });
        }
    }

    /// Whatever reads the store may meet damage: a courier's bundle, a compaction.
    pub(super) fn hear_of_damage(&mut self) {
        let found = self.parts.store.take_found();
        if !found.is_empty() {
            self.find_owners(found, None);
            self.look_at_files();
        }
    }

    /// Looks through the pages of every release at work, off the loop.
    fn find_owners(&self, chunks: Vec<ChunkId>, reply: Option<oneshot::Sender<Vec<ChunkId>>>) {
        let store = self.parts.store.clone();
        let at_work = self.transfers.values().map(|transfer| (transfer.release, transfer.pages.clone()));
        let at_work: Vec<(ReleaseId, Arc<Pages<'static>>)> = at_work.collect();
        self.spawn(async move {
            let lost = chunks.clone();
            let found = tokio::task::spawn_blocking(move || {
                let of = |(release, pages): (ReleaseId, Arc<Pages<'static>>), ids: &BTreeSet<ChunkId>| {
                    let (indexes, unread) = pages.indexes_of(ids);
                    Found { release, indexes, unread }
                };
                let found: Vec<Found> = {
                    let ids = lost.iter().copied().collect();
                    at_work.into_iter().map(|work| of(work, &ids)).collect()
                };
                // What a reader has missed meanwhile may be back already.
                let here = store.contains_many(&lost).unwrap_or_default();
                let back: BTreeSet<ChunkId> =
                    lost.iter().zip(here).filter(|(_, here)| *here).map(|(id, _)| *id).collect();
                (found, back)
            });
            let (found, back) = found.await.unwrap_or_default();
            Outcome::Lost(Lost { chunks, found, back, reply })
        });
    }

    /// The store no longer has these chunks: every release that counts them as held fetches them again.
    pub(super) fn on_lost_chunks(&mut self, lost: Lost) {
        let (mut needed, mut is_unsure) = (BTreeSet::new(), false);
        for Found { release, indexes, unread } in lost.found {
            let needs = self.transfers.get(&release).is_some_and(|transfer| transfer.wanted || transfer.complete);
            is_unsure |= needs && !unread.is_empty();
            self.find_lost(&release, &unread);
            for (id, index) in indexes {
                if !lost.back.contains(&id) {
                    self.on_lost(&release, index);
                }
                needed.extend(needs.then_some(id));
            }
        }
        let mut unnamed: Vec<ChunkId> = lost.chunks.into_iter().filter(|chunk| !needed.contains(chunk)).collect();
        if is_unsure {
            // The page that names them may be lost itself: asked again when it has come.
            self.unplaced.extend(unnamed.drain(..).take(UNPLACED_MAX.saturating_sub(self.unplaced.len())));
        }
        if let Some(reply) = lost.reply {
            // Whoever asked may have gone; the chunks are fetched all the same.
            let _ = reply.send(unnamed);
        }
    }

    /// A page has come: lost chunks that no page has named so far may stand in it.
    pub(super) fn place_lost(&mut self) {
        if !self.unplaced.is_empty() {
            let chunks = std::mem::take(&mut self.unplaced).into_iter().collect();
            self.find_owners(chunks, None);
        }
    }

    /// An older version that is kept (a pin holds it) is fetched like a wanted one until it is whole again.
    fn mend(&mut self, held: HeldRelease) {
        let collection = held.collection.clone();
        if let Some(known) = self.known_of(held) {
            self.begin(&collection, &known, true);
            self.contact.hurry();
        }
    }

    /// A publisher that lost chunks has nobody else to ask: sites that hold another version of the collection may have them.
    pub(super) fn take_back_from(&mut self, held: &HeldVersion) {
        let collection = &held.collection;
        let lacks = |t: &&Transfer| t.collection == *collection && t.wanted && !t.complete && t.version != held.version;
        let stuck = self.transfers.values().filter(lacks).any(|t| t.swarm.status().missing_without_holder > 0);
        if !held.complete || !stuck || !self.owns(collection) {
            return;
        }
        let stored = self.parts.store.releases().unwrap_or_default();
        let version = stored.into_iter().find(|own| own.collection == *collection && own.version == held.version);
        if let Some(version) = version.filter(|own| !self.is_at_work(own)) {
            self.mend(version);
        }
    }

    fn is_at_work(&self, held: &HeldRelease) -> bool {
        let same = |t: &Transfer| t.collection == held.collection && t.version == held.version;
        self.transfers.values().any(|t| same(t) && t.wanted)
    }

    fn known_of(&self, held: HeldRelease) -> Option<Known> {
        let collection = held.collection;
        match self.check(&SignedRelease { release: held.signed, root: held.root }) {
            Ok(known) => Some(known),
            Err(cause) => {
                tracing::warn!(%collection, %cause, "a version in the store is no longer valid");
                None
            }
        }
    }

    fn look(&self) -> Look {
        let me = self.me();
        let county = self.member(&me).map(|member| member.domain.clone());
        let others = self.parts.roster.value().members.iter().filter(|member| member.peer != me);
        let neighbour = |member: &karez_protocol::trust::roster::Member| {
            let peer = self.peers.get(&member.peer);
            Neighbour {
                same_county: Some(&member.domain) == county.as_ref(),
                heard: peer.is_some_and(|peer| peer.heard),
                held: peer.map(|peer| peer.held.clone()).unwrap_or_default(),
            }
        };
        let following = self.wanted.iter().filter(|(_, follow)| **follow).map(|(collection, _)| collection.clone());
        Look {
            at_work: self.transfers.values().map(at_work).collect(),
            following: following.collect(),
            publisher: self.parts.publisher.as_ref().map(|(name, _)| name.clone()),
            opened: self.opened.numbers.clone(),
            members: others.map(neighbour).collect(),
            publishing: self.publishing.len(),
            needed_bytes: self.needed_bytes(),
        }
    }

    /// Bytes that what is wanted still needs.
    pub(super) fn needed_bytes(&self) -> u64 {
        let needs = self.transfers.values().filter(|transfer| transfer.wanted && !transfer.complete);
        needs.map(|t| t.pages.root().stored_bytes.saturating_sub(t.have_bytes())).sum()
    }

    fn retire(&mut self, releases: &[HeldRelease], whole: &BTreeSet<CollectionName>) -> bool {
        let goes = |transfer: &&Transfer| {
            let named = |held: &HeldRelease| held.collection == transfer.collection && held.version == transfer.version;
            releases.iter().any(named)
        };
        let going: Vec<_> = self.transfers.values().filter(goes).collect();
        let busy = |transfer: &Transfer| {
            is_read(transfer) || transfer.stage == Stage::Opening || (transfer.wanted && !transfer.complete)
        };
        let followed = whole.iter().any(|collection| self.wanted.get(collection) == Some(&true));
        if followed || !self.publishing.is_empty() || going.iter().any(|transfer| busy(transfer)) {
            return false;
        }
        let going: Vec<ReleaseId> = going.into_iter().map(|transfer| transfer.release).collect();
        going.iter().for_each(|release| self.forget(release));
        for held in releases {
            if let Some(known) = self.known_of(held.clone()) {
                self.stored.remove(&known.id());
            }
        }
        for collection in whole {
            self.wanted.remove(collection);
            self.opened.forget(collection);
            self.state.remember(Change::Unwanted { collection: collection.clone() });
        }
        self.contact.hurry();
        self.greet_all();
        true
    }

    /// Lets go of a release: those who take part hear that it is not here any more.
    fn forget(&mut self, release: &ReleaseId) {
        self.parts.shelf.remove(release);
        let Some(transfer) = self.transfers.remove(release) else { return };
        for peer in transfer.told.iter().chain(transfer.participants.keys()) {
            self.parts.bulk.send(peer, PeerMessage::NoInterest { release: *release });
        }
        self.let_others_go_on(*release, transfer.swarm.in_flight().collect());
    }

    /// Wanted again between letting go and removing: its file went with the rest.
    fn save_wanted_again(&mut self, releases: &[HeldRelease]) {
        for held in releases {
            let Some(known) = self.known_of(held.clone()) else { continue };
            if self.transfers.get(&known.id()).is_some_and(|transfer| transfer.wanted) {
                self.save(held.collection.clone(), &known);
            }
        }
    }
}

fn is_read(transfer: &Transfer) -> bool {
    transfer.changes.receiver_count() > 0
}

fn at_work(transfer: &Transfer) -> AtWork {
    AtWork {
        collection: transfer.collection.clone(),
        version: transfer.version,
        root: transfer.pages.root().clone(),
        wanted: transfer.wanted,
        complete: transfer.complete,
        in_use: is_read(transfer),
        described: transfer.stage == Stage::Content,
    }
}
