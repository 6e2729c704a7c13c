//! The loop that decides. `next_event` only awaits, `apply` only decides; everything slow runs elsewhere and comes back
//! as an event. The driver introduces control plane, bulk lane, tracker and store to each other; they never meet.

mod announce;
mod care;
mod catalogue;
mod courier;
mod detour;
mod files;
mod greetings;
mod hearsay;
mod lanes;
mod meter;
mod opening;
mod peers;
mod problems;
mod publication;
mod punch;
mod readers;
mod relays;
mod report;
mod roster;
mod sharing;
mod shown;
mod throttled;
mod transfer;
mod transfers;

use crate::bulk::{self, Bulk, Limits};
use crate::control::{self, Control};
use crate::handle::Command;
use crate::home::Home;
use crate::keys::Key;
use crate::membership::Membership;
use crate::proxy::Proxy;
use crate::shelf::Shelf;
use crate::state::{Remembered, State};
use crate::tracker_client::TrackerClient;
use crate::trouble::StoreFault;
use announce::TrackerContact;
use catalogue::Catalogue;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::hash::{NetworkId, ReleaseId};
use karez_protocol::content::name::{CollectionName, PublisherName};
use karez_protocol::plan::Timestamp;
use karez_protocol::swarm::io::EgressMode;
use karez_protocol::trust::PublicKey;
use karez_protocol::trust::Signed;
use karez_protocol::trust::roster::Roster;
use peers::Peers;
use problems::{Problems, Topic};
use readers::Waiting;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use transfer::Transfer;

pub(crate) use publication::Packing;

/// Results of the driver's own tasks that may wait.
const OUTCOMES_MAX: usize = 64;
/// How often addresses are dialled, figures updated and waiting readers looked after.
const ROUND: Duration = Duration::from_millis(500);
/// How often a store that could not take a chunk is looked at again.
const STORE_RETRY: Duration = Duration::from_secs(10);
/// Room that makes another try worth its bytes on the wire.
const ROOM_TO_RESUME: u64 = 16 << 20;

/// Everything the driver is given.
#[derive(Debug)]
pub struct Parts {
    /// The node's folder.
    pub home: Home,
    /// The node key.
    pub key: Key,
    /// The network.
    pub network: NetworkId,
    /// The key that signs rosters.
    pub tracker_key: PublicKey,
    /// The namespace this node may publish in, with its key.
    pub publisher: Option<(PublisherName, Key)>,
    /// The newest roster held.
    pub roster: Signed<Roster>,
    /// Who is a member, shared with both planes.
    pub members: Membership,
    /// Releases with names, shared with the bulk lane.
    pub shelf: Shelf,
    /// The store.
    pub store: Arc<Store>,
    /// Told when the store could not take something.
    pub full: Arc<Notify>,
    /// The bulk lane.
    pub bulk: Bulk,
    /// The control plane.
    pub control: Control,
    /// The tracker.
    pub tracker: TrackerClient,
    /// The way out, if not a direct one.
    pub proxy: Option<Proxy>,
    /// Addresses told to others.
    pub addresses: Vec<String>,
    /// Base URL of the gateway.
    pub gateway: Option<String>,
    /// Egress mode.
    pub mode: EgressMode,
    /// Rate limits.
    pub limits: Limits,
    /// What this node relays between members, if it does.
    pub relay: Option<control::Relay>,
}

/// Where events come from.
#[derive(Debug)]
pub struct Inboxes {
    /// Commands.
    pub commands: mpsc::Receiver<Command>,
    /// Bulk lane.
    pub bulk: mpsc::Receiver<bulk::Event>,
    /// Control plane.
    pub control: mpsc::Receiver<control::Event>,
}

/// A result of one of the driver's own tasks.
#[derive(Debug)]
enum Outcome {
    /// A release was opened: what of it the store has.
    Opened(ReleaseId, opening::Opened),
    /// Chunks that the store lost were looked for in the releases at work.
    Lost(care::Lost),
    /// Somebody could not read these pages.
    PagesMissing(ReleaseId, Vec<karez_protocol::content::chunk::ChunkIndex>),
    /// Pages were read for a swarm.
    PagesRead(ReleaseId, opening::PagesRead),
    /// All chunks of a release are on the disk for good.
    Durable(ReleaseId, Result<(), StoreFault>),
    /// The tracker answered an announce.
    Announced(announce::Answer),
    /// A folder was packed.
    Packed(Box<Packing>),
    /// A release of a pull that began is in the store, or not.
    Saved(CollectionName, ReleaseId, Result<(), StoreFault>),
    /// Files outside the store were looked at.
    LookedAtFiles(files::Found),
    /// A release made here is in the store, or not.
    Kept(Box<publication::Keeping>),
    /// The tracker was told of a release.
    Listed(CollectionName, Result<(), String>, Option<Box<publication::Pending>>),
}

/// Something that happened.
enum Event {
    Command(Option<Command>),
    Bulk(Option<bulk::Event>),
    Control(Option<control::Event>),
    Outcome(Outcome),
    Round,
    Deadline,
}

/// The driver.
#[derive(Debug)]
pub struct Driver {
    parts: Parts,
    state: State,
    start: Instant,
    next_round: Instant,
    outcomes: mpsc::Sender<Outcome>,
    finished: mpsc::Receiver<Outcome>,
    catalogue: Catalogue,
    transfers: BTreeMap<ReleaseId, Transfer>,
    /// Collections wanted here; true also for coming versions.
    wanted: BTreeMap<CollectionName, bool>,
    unlisted: BTreeSet<CollectionName>,
    /// Collections whose folder is being packed or kept right now.
    publishing: BTreeSet<CollectionName>,
    /// Releases in the store, by release.
    stored: BTreeSet<ReleaseId>,
    /// Lost chunks that no page that is here names: of a release whose own page is lost, perhaps.
    unplaced: BTreeSet<karez_protocol::content::hash::ChunkId>,
    peers: Peers,
    relays: relays::Relays,
    seen: punch::Seen,
    /// Addresses of this machine that are told to others, beside the one listened on.
    own_addresses: BTreeSet<SocketAddr>,
    contact: TrackerContact,
    waiting: Vec<Waiting>,
    /// Members should be greeted again.
    greeting_due: bool,
    /// Commands about collections that are not known yet.
    deferred: Vec<(Instant, Command)>,
    counters: crate::handle::view::Counters,
    problems: Problems,
    files: files::Files,
    store_retry: Option<Instant>,
    /// In which order collections were opened.
    opened: care::Opened,
}

impl Driver {
    /// A driver that knows what was remembered.
    pub fn new(parts: Parts, (state, remembered): (State, Remembered)) -> Self {
        let (outcomes, finished) = mpsc::channel(OUTCOMES_MAX);
        let now = Instant::now();
        let mut driver = Self {
            state,
            start: now,
            next_round: now,
            outcomes,
            finished,
            catalogue: Catalogue::default(),
            transfers: BTreeMap::new(),
            wanted: remembered.wanted.into_iter().collect(),
            unlisted: remembered.unlisted.into_iter().collect(),
            publishing: BTreeSet::new(),
            stored: BTreeSet::new(),
            unplaced: BTreeSet::new(),
            peers: Peers::new(remembered.addresses),
            relays: relays::Relays::default(),
            seen: punch::Seen::default(),
            own_addresses: BTreeSet::new(),
            contact: TrackerContact::new(now),
            waiting: Vec::new(),
            greeting_due: false,
            deferred: Vec::new(),
            counters: crate::handle::view::Counters::default(),
            problems: Problems::default(),
            files: files::Files::default(),
            store_retry: None,
            opened: care::Opened::new(remembered.opened),
            parts,
        };
        driver.apply_roster();
        driver.restore(remembered.catalogue);
        driver
    }

    /// Runs until told to stop or every handle is gone; an error where what came last could not be made durable.
    pub async fn run(mut self, mut inboxes: Inboxes) -> Result<(), StoreError> {
        self.look_at_files();
        loop {
            let event = self.next_event(&mut inboxes).await;
            if !self.apply(event) {
                break;
            }
        }
        let store = self.parts.store.clone();
        tokio::task::spawn_blocking(move || store.sync()).await.unwrap_or(Ok(()))
    }

    async fn next_event(&mut self, inboxes: &mut Inboxes) -> Event {
        let (round, deadline) = (self.round_due(), self.swarm_deadline());
        tokio::select! {
            biased;
            command = inboxes.commands.recv() => Event::Command(command),
            Some(outcome) = self.finished.recv() => Event::Outcome(outcome),
            () = tokio::time::sleep_until(round.into()) => Event::Round,
            () = tokio::time::sleep_until(deadline.into()) => Event::Deadline,
            event = inboxes.control.recv() => Event::Control(event),
            event = inboxes.bulk.recv() => Event::Bulk(event),
        }
    }

    /// When the next round is: sooner than it would be when the tracker is to be asked.
    fn round_due(&self) -> Instant {
        self.contact.due().map_or(self.next_round, |at| at.min(self.next_round))
    }

    /// False when the loop ends.
    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Command(None | Some(Command::Stop)) | Event::Bulk(None) | Event::Control(None) => return false,
            Event::Command(Some(command)) => self.on_new_command(command),
            Event::Bulk(Some(event)) => self.on_bulk(event),
            Event::Control(Some(event)) => self.on_control(event),
            Event::Outcome(outcome) => self.on_outcome(outcome),
            Event::Round => self.on_round(),
            Event::Deadline => self.on_deadline(),
        }
        true
    }

    /// What is not known here may have been listed a moment ago: ask the tracker before saying no.
    fn on_new_command(&mut self, command: Command) {
        let unknown = match &command {
            Command::Search(query, _) => self.search(query).is_empty(),
            other => other.collection().is_some_and(|collection| self.catalogue.get(collection).is_none()),
        };
        if unknown && self.contact.may_ask() {
            self.contact.hurry();
            self.deferred.push((Instant::now(), command));
        } else {
            self.on_command(command);
        }
    }

    /// Carries out what waited for an announce that was sent at this time.
    fn on_deferred(&mut self, asked: Instant) {
        let (ready, later) = std::mem::take(&mut self.deferred).into_iter().partition(|(since, _)| *since <= asked);
        self.deferred = later;
        let ready: Vec<(Instant, Command)> = ready;
        ready.into_iter().for_each(|(_, command)| self.on_command(command));
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Search(query, reply) => drop(reply.send(self.search(&query))),
            Command::Show(collection, reply) => self.show(collection, reply),
            Command::Want(collection, reply) => drop(reply.send(self.want(collection, None))),
            Command::Follow(collection, true, reply) => drop(reply.send(self.want(collection, Some(true)))),
            Command::Follow(collection, false, reply) => drop(reply.send(self.unfollow(collection))),
            Command::Open(collection, reply) => self.open(collection, reply),
            Command::Urgent(collection, version, chunks) => self.urgent(&collection, version, chunks),
            Command::Publish(request, kind, events) => self.publish(request, kind, events),
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Courier(reply) => drop(reply.send(Box::new(self.courier()))),
            Command::Imported(releases, reply) => {
                self.imported(&releases);
                let _ = reply.send(());
            }
            Command::Care(question) => self.on_care(question),
            Command::Stop => {}
        }
    }

    fn on_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Opened(release, opened) => self.on_opened(release, opened),
            Outcome::Lost(lost) => self.on_lost_chunks(lost),
            Outcome::PagesMissing(release, pages) => self.find_lost(&release, &pages),
            Outcome::PagesRead(release, read) => self.on_pages_read(release, read),
            Outcome::Durable(release, result) => self.on_durable(release, result),
            Outcome::Announced(answer) => self.on_announced(answer),
            Outcome::LookedAtFiles(found) => self.on_files(found),
            Outcome::Packed(packing) => self.on_packed(*packing),
            Outcome::Saved(collection, release, result) => self.on_saved(&collection, &release, result),
            Outcome::Kept(keeping) => self.on_kept(*keeping),
            Outcome::Listed(collection, result, pending) => self.on_listed(collection, result, pending),
        }
    }

    /// Looked after twice a second, and at once when the tracker is to be asked or has answered: dialling, announcing, readers, rates.
    fn on_round(&mut self) {
        let now = Instant::now();
        self.next_round = now + ROUND;
        if self.store_retry.is_some_and(|at| at <= now) {
            self.retry_store(now);
        }
        self.end_watches(now);
        self.hear_of_damage();
        self.dial_round(now);
        self.tell_hearsay(now);
        self.probe_direct(now);
        self.judge_lanes();
        self.punch_if_due(now);
        self.reserve_if_due(now);
        self.close_idle_lanes(now);
        self.look_for_disk(now);
        self.announce_if_due(now);
        self.greet_if_due();
        self.answer_waiting(now);
        self.transfers.values_mut().for_each(|transfer| transfer.meter.tick(now));
    }

    /// Goes on after a full disk, but not before there is room: what is fetched into a full disk was paid for in vain.
    fn retry_store(&mut self, now: Instant) {
        let room = self.parts.store.room().unwrap_or(0);
        if room < ROOM_TO_RESUME.min(self.needed_bytes()) {
            self.store_retry = Some(now + STORE_RETRY);
        } else {
            self.store_retry = None;
            self.problems.solved(&Topic::Disk);
            self.redo_writes();
            self.pause_all(false);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.start.elapsed().as_micros() as u64)
    }

    fn instant(&self, at: Timestamp) -> Instant {
        self.start + Duration::from_micros(at.0)
    }

    /// Runs something off the loop; its result comes back as an outcome.
    fn spawn(&self, task: impl Future<Output = Outcome> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            let outcome = task.await;
            let _ = outcomes.send(outcome).await;
        });
    }
}

/// Parses addresses that others told us; what is no address is dropped.
fn socket_addresses(texts: &[String]) -> Vec<SocketAddr> {
    texts.iter().filter_map(|text| text.parse().ok()).filter(|address: &SocketAddr| address.port() != 0).collect()
}
