//! Beginning, opening, feeding and finishing transfers, and carrying out what their swarms decide.

use super::catalogue::Known;
use super::opening::{self, Opened, PagesRead};
use super::transfer::{Sources, Stage, Transfer};
use super::{Driver, Outcome, STORE_RETRY, Topic};
use crate::bulk::CloseReason;
use crate::handle::HandleError;
use crate::state::Change;
use crate::trouble::{Problem, StoreFault};
use karez_content_tools::pages::Pages;
use karez_content_tools::store::StoreError;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::{DropReason, Input, Output};
use karez_protocol::swarm::{Config, Swarm, WINDOW_ROWS};
use karez_protocol::wire::peer::{PeerMessage, to_runs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Chunks named in one have-delta; a receiver takes twice as many.
const ANNOUNCED_MAX: usize = 1 << 15;

impl Driver {
    /// Wants the newest version known of a collection; `follow` says whether its coming versions, too.
    pub(super) fn want(&mut self, collection: CollectionName, follow: Option<bool>) -> Result<(), HandleError> {
        if self.catalogue.get(&collection).is_none() {
            return Err(HandleError::UnknownCollection { collection: collection.to_string() });
        }
        let follow = follow.unwrap_or_else(|| self.wanted.get(&collection).copied().unwrap_or(false));
        self.state.remember(Change::Wanted { collection: collection.clone(), follow });
        self.wanted.insert(collection.clone(), follow);
        self.note_opened(&collection);
        self.fetch_newest(&collection);
        Ok(())
    }

    /// Begins or goes on with the newest version of a wanted collection.
    pub(super) fn fetch_newest(&mut self, collection: &CollectionName) {
        if let Some(known) = self.catalogue.get(collection).cloned() {
            self.begin(collection, &known, true);
        }
    }

    /// Starts a transfer, or raises one that only described to a wanted one.
    pub(super) fn begin(&mut self, collection: &CollectionName, known: &Known, wanted: bool) {
        let release = known.id();
        if wanted && self.stored.insert(release) {
            self.save(collection.clone(), known);
        }
        if self.transfers.contains_key(&release) {
            if wanted {
                self.want_all(&release);
            }
            return;
        }
        let me = self.me();
        let mut seed = [0; 8];
        seed.copy_from_slice(&me.as_bytes()[..8]);
        let profile = self.profile(&me, collection);
        let (mode, seed) = (self.parts.mode, u64::from_le_bytes(seed));
        let config = Config { me, profile, mode, seed, window_rows: WINDOW_ROWS };
        let pages = Arc::new(Pages::shared(known.root.clone(), self.parts.store.clone()));
        self.parts.shelf.put(release, pages.clone());
        let transfer = Transfer {
            collection: collection.clone(),
            version: known.version(),
            release,
            pages: pages.clone(),
            swarm: Swarm::new(config),
            stage: Stage::Opening,
            reads: 0,
            meanwhile: BTreeSet::new(),
            wanted,
            watched: None,
            content_known: false,
            complete: false,
            changes: watch::channel(0).0,
            participants: BTreeMap::new(),
            told: BTreeSet::new(),
            heard: BTreeMap::new(),
            sources: Sources::default(),
            meter: super::meter::Meter::new(Instant::now()),
            started: Instant::now(),
            finished: None,
            have_bytes: 0,
        };
        self.transfers.insert(release, transfer);
        self.tell_all_elsewhere(&release);
        self.open_transfer(release, pages);
        if !wanted {
            self.tell_swarm_scope(&release);
        }
    }

    /// All of a release is to be here from now on.
    pub(super) fn want_all(&mut self, release: &ReleaseId) {
        if let Some(transfer) = self.transfers.get_mut(release)
            && !std::mem::replace(&mut transfer.wanted, true)
        {
            self.tell_swarm_scope(release);
            self.introduce(release);
            self.tell_wants(release, true);
            self.contact.hurry();
        }
        self.feed_content(release);
    }

    pub(super) fn want_no_more(&mut self, release: &ReleaseId) {
        if let Some(transfer) = self.transfers.get_mut(release) {
            transfer.wanted = false;
            self.tell_swarm_scope(release);
        }
    }

    /// Fetches no older version of a collection any more, but what is pinned; true when one was being fetched.
    pub(super) fn give_up_older(&mut self, collection: &CollectionName) -> bool {
        let newest = self.catalogue.get(collection).map_or(0, Known::version);
        let is_own = self.owns(collection);
        // What was whole and has lost something is mended; only who published it has nobody to wait for.
        let older = |t: &&Transfer| {
            t.collection == *collection && t.version < newest && t.is_fetched() && (is_own || t.finished.is_none())
        };
        let older: Vec<_> = self.transfers.values().filter(older).map(|t| (t.release, t.version)).collect();
        if older.is_empty() {
            return false;
        }
        // Pins that cannot be read may hold any version.
        let Ok(pins) = self.parts.store.pins() else { return false };
        let is_pinned = |version: u64| pins.iter().any(|pin| pin.holds(collection, version));
        let given_up: Vec<_> = older.into_iter().filter(|(_, version)| !is_pinned(*version)).collect();
        given_up.iter().for_each(|(release, _)| self.give_up(release));
        !given_up.is_empty()
    }

    /// Fetches nothing more of a release; what is here stays.
    fn give_up(&mut self, release: &ReleaseId) {
        self.want_no_more(release);
        let wants = self.transfers.get(release).is_some_and(Transfer::is_hungry);
        self.tell_wants(release, wants);
    }

    /// Follows a collection no more, and gives up what is not whole.
    pub(super) fn unfollow(&mut self, collection: CollectionName) -> Result<(), HandleError> {
        if self.catalogue.get(&collection).is_none() {
            return Err(HandleError::UnknownCollection { collection: collection.to_string() });
        }
        let unfinished = |t: &&Transfer| t.collection == collection && t.wanted && !t.complete;
        let unfinished: Vec<_> = self.transfers.values().filter(unfinished).map(|t| t.release).collect();
        unfinished.iter().for_each(|release| self.give_up(release));
        // What was given up must not begin again at the next start.
        if unfinished.is_empty() && self.complete_version(&collection).is_some() {
            self.state.remember(Change::Wanted { collection: collection.clone(), follow: false });
            self.wanted.insert(collection, false);
        } else {
            self.state.remember(Change::Unwanted { collection: collection.clone() });
            self.wanted.remove(&collection);
        }
        Ok(())
    }

    fn tell_swarm_scope(&mut self, release: &ReleaseId) {
        let now = self.now();
        if let Some(transfer) = self.transfers.get_mut(release) {
            transfer.swarm.handle(now, Input::OnlyUrgent(!transfer.wanted));
        }
        self.pump(release);
    }

    /// Lets a restart know which version was being fetched.
    pub(super) fn save(&self, collection: CollectionName, known: &Known) {
        let (store, held, release) = (self.parts.store.clone(), known.held(), known.id());
        self.spawn(async move {
            let saved = tokio::task::spawn_blocking(move || store.save_release(&held)).await;
            let result = saved.map_err(|e| StoreFault::other(&e)).and_then(|r| r.map_err(|e| (&e).into()));
            Outcome::Saved(collection, release, result)
        });
    }

    /// A release that could not be saved is saved again when the store is retried.
    pub(super) fn on_saved(
        &mut self,
        collection: &CollectionName,
        release: &ReleaseId,
        result: Result<(), StoreFault>,
    ) {
        if let Err(fault) = result {
            self.stored.remove(release);
            self.store_full(Problem::store(Some(collection), fault));
        } else if self.transfers.get(release).is_some_and(|transfer| transfer.complete) {
            // All of it was here before its file was: now there is something to mark.
            self.finish(release);
        }
    }

    /// The store could not take something: look again in a while.
    pub(super) fn store_full(&mut self, problem: Problem) {
        self.problems.report(Topic::Disk, problem);
        self.parts.full.notify_one();
        self.store_retry = Some(Instant::now() + STORE_RETRY);
    }

    /// After the store has room again: what could not be saved or synced before.
    pub(super) fn redo_writes(&mut self) {
        let wanted: Vec<_> = self.wanted.keys().cloned().collect();
        wanted.iter().for_each(|collection| self.fetch_newest(collection));
        let done = |t: &&Transfer| !t.complete && t.content_known && t.swarm.missing_count() == 0;
        let done: Vec<_> = self.transfers.values().filter(done).map(|t| t.release).collect();
        done.iter().for_each(|release| self.finish(release));
    }

    pub(super) fn open_transfer(&self, release: ReleaseId, pages: Arc<Pages<'static>>) {
        self.spawn(async move {
            let opened = tokio::task::spawn_blocking(move || opening::open(&pages)).await;
            Outcome::Opened(release, opened.unwrap_or_else(|cause| Opened::failed(StoreFault::other(&cause))))
        });
    }

    pub(super) fn on_opened(&mut self, release: ReleaseId, opened: Opened) {
        let (now, mut held) = (self.now(), opened.held);
        let Some(transfer) = self.transfers.get_mut(&release) else { return };
        if let Some(problem) = opened.problem {
            let problem = Problem::store(Some(&transfer.collection), problem);
            self.problems.report(Topic::Content(transfer.collection.clone()), problem);
        }
        let first = transfer.stage == Stage::Opening;
        transfer.stage = if held.has_all_pages { Stage::Content } else { Stage::Pages };
        if first {
            let pages = (0..).map(ChunkIndex).zip(&transfer.pages.root().pages);
            let pages: Vec<_> = pages.map(|(index, page)| opening::known(index, &page.entry)).collect();
            for page in transfer.came_meanwhile(&pages) {
                held.bytes += if held.chunks.insert(page.index) { u64::from(page.stored_len) } else { 0 };
            }
            transfer.swarm.handle(now, Input::ChunksKnown(pages));
        }
        let bytes = held.bytes.saturating_sub(transfer.have_bytes);
        transfer.sources.already_here += bytes;
        transfer.have_bytes += bytes;
        transfer.swarm.handle(now, Input::Held(held.chunks));
        self.feed_content(&release);
        if first {
            self.introduce(&release);
            // From now on an announce says that it is wanted, and the tracker names who has it; who is known to have it is dialled now.
            if self.transfers.get(&release).is_some_and(Transfer::is_hungry) {
                self.contact.hurry();
                self.next_round = Instant::now();
            }
        }
        self.pump(&release);
    }

    /// Lets the swarm fetch the content, once all pages are here and somebody wants it.
    pub(super) fn feed_content(&mut self, release: &ReleaseId) {
        let now = self.now();
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        // What is here whole is known to the swarm in any case, so that it can be served. Of what is not, whoever only looks at
        // the description must not be made to fetch the rest.
        let held_whole = transfer.swarm.have().len() == u64::from(transfer.pages.space().count());
        if transfer.stage != Stage::Content
            || transfer.content_known
            || !(transfer.wanted || transfer.watched.is_some() || held_whole)
        {
            return;
        }
        transfer.content_known = true;
        transfer.started = Instant::now();
        transfer.swarm.handle(now, Input::ContentWanted(transfer.pages.space().clone()));
        self.pump(release);
    }

    /// Reads pages for a swarm, off the loop.
    fn read_pages(&mut self, release: ReleaseId, numbers: Vec<u32>) {
        let Some(transfer) = self.transfers.get_mut(&release) else { return };
        transfer.reads += 1;
        let (pages, have) = (transfer.pages.clone(), transfer.swarm.have().clone());
        self.spawn(async move {
            let asked = numbers.clone();
            let read = tokio::task::spawn_blocking(move || opening::read(&pages, numbers, &have)).await;
            let failed = |cause: tokio::task::JoinError| PagesRead {
                problem: Some(StoreFault::other(&cause)),
                lost: asked.clone(),
                pages: asked,
                ..PagesRead::default()
            };
            Outcome::PagesRead(release, read.unwrap_or_else(failed))
        });
    }

    pub(super) fn on_pages_read(&mut self, release: ReleaseId, mut read: PagesRead) {
        let now = self.now();
        let Some(transfer) = self.transfers.get_mut(&release) else { return };
        transfer.reads = transfer.reads.saturating_sub(1);
        let came = transfer.came_meanwhile(&read.chunks);
        read.take_as_held(&came);
        if let Some(problem) = read.problem {
            let problem = Problem::store(Some(&transfer.collection), problem);
            self.problems.report(Topic::Content(transfer.collection.clone()), problem);
        }
        transfer.sources.already_here += read.held_bytes;
        transfer.have_bytes += read.held_bytes;
        if !read.held.is_empty() {
            transfer.swarm.handle(now, Input::Held(read.held));
            transfer.changes.send_modify(|count| *count += 1);
        }
        transfer.swarm.handle(now, Input::PagesRead { pages: read.pages, chunks: read.chunks });
        read.lost.into_iter().for_each(|page| self.on_lost(&release, ChunkIndex(page)));
        self.pump(&release);
    }

    pub(super) fn carry_out(&mut self, release: ReleaseId, output: Output) {
        match output {
            Output::Request { peer, urgency, chunks } => {
                self.parts.bulk.send(&peer, PeerMessage::Request { release, urgency, chunks: to_runs(&chunks) });
            }
            Output::Cancel { peer, chunks } => {
                self.parts.bulk.send(&peer, PeerMessage::Cancel { release, chunks: to_runs(&chunks) });
            }
            Output::Announce { gained, coming } => {
                gained.chunks(ANNOUNCED_MAX).for_each(|gained| self.announce(&release, gained, &[]));
                coming.chunks(ANNOUNCED_MAX).for_each(|coming| self.announce(&release, &[], coming));
            }
            Output::Disconnect { peer, reason: DropReason::BadChunk } => {
                tracing::warn!(peer = self.name_of(&peer), "dropped: it sent false bytes");
                self.peers.ban(peer, Instant::now());
                self.parts.bulk.disconnect(&peer, CloseReason::BadChunk);
            }
            Output::Read { pages } => self.read_pages(release, pages),
            Output::Complete => self.on_complete(&release),
        }
    }

    fn announce(&self, release: &ReleaseId, gained: &[ChunkIndex], coming: &[ChunkIndex]) {
        let Some(transfer) = self.transfers.get(release) else { return };
        for peer in transfer.participants.keys().filter(|peer| transfer.told.contains(peer)) {
            let (gained, coming) = (to_runs(gained), to_runs(coming));
            self.parts.bulk.send(peer, PeerMessage::HaveDelta { release: *release, gained, coming });
        }
    }

    /// The chunks known so far are all here: either the description, or everything.
    fn on_complete(&mut self, release: &ReleaseId) {
        let Some(transfer) = self.transfers.get(release) else { return };
        if transfer.stage == Stage::Pages && transfer.holds_all_pages() {
            self.open_transfer(*release, transfer.pages.clone());
        } else if transfer.content_known && transfer.swarm.missing_count() == 0 {
            // Asked again, because the pages' completion may come out of the queue after the content became known.
            self.finish(release);
        }
    }

    /// Claims completeness only for what survives a power cut, and notes it: what is missing from then on was lost.
    fn finish(&self, release: &ReleaseId) {
        let Some(transfer) = self.transfers.get(release) else { return };
        let (collection, version) = (transfer.collection.clone(), transfer.version);
        let (store, release) = (self.parts.store.clone(), *release);
        self.spawn(async move {
            let synced = tokio::task::spawn_blocking(move || {
                store.sync()?;
                if let Err(cause) = store.mark_whole(&collection, version) {
                    // The next start does it; until then a loss looks like something that is still to come.
                    tracing::warn!(%collection, version, %cause, "cannot note that it is here whole");
                }
                Ok::<(), StoreError>(())
            })
            .await;
            let result = synced.map_err(|e| StoreFault::other(&e)).and_then(|r| r.map_err(|e| (&e).into()));
            Outcome::Durable(release, result)
        });
    }

    pub(super) fn on_durable(&mut self, release: ReleaseId, result: Result<(), StoreFault>) {
        if let Err(fault) = result {
            return self.store_full(Problem::store(None, fault));
        }
        let Some(transfer) = self.transfers.get_mut(&release) else { return };
        // A chunk may have been found damaged while the sync ran.
        if transfer.complete || transfer.swarm.missing_count() > 0 {
            return;
        }
        transfer.complete = true;
        transfer.finished = Some(Instant::now());
        transfer.changes.send_modify(|count| *count += 1);
        self.problems.solved(&Topic::Content(transfer.collection.clone()));
        tracing::info!(collection = %transfer.collection, version = transfer.version, "complete");
        self.tell_wants(&release, false);
        self.look_at_files();
        self.contact.hurry();
        self.greet_all();
    }

    pub(super) fn pause_all(&mut self, paused: bool) {
        let now = self.now();
        let releases: Vec<_> = self.transfers.keys().copied().collect();
        if paused {
            // All of them first: none is to ask for what another has just given up.
            self.transfers.values_mut().for_each(|transfer| transfer.swarm.handle(now, Input::Paused(true)));
            releases.iter().for_each(|release| self.pump(release));
        } else {
            releases.iter().for_each(|release| self.drive(release, Input::Paused(false)));
        }
    }

    /// When the next swarm wants to be woken.
    pub(super) fn swarm_deadline(&self) -> Instant {
        let deadlines = self.transfers.values().filter_map(|transfer| transfer.swarm.next_deadline());
        deadlines.min().map_or(self.next_round, |at| self.instant(at))
    }

    pub(super) fn on_deadline(&mut self) {
        let now = self.now();
        let due = |t: &&Transfer| t.swarm.next_deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = self.transfers.values().filter(due).map(|transfer| transfer.release).collect();
        due.iter().for_each(|release| self.drive(release, Input::Tick));
    }
}
