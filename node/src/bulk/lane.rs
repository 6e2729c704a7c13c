//! One connection between two members: its tasks, its outboxes, its place among the other lanes.

use super::carrier::Carrier;
use super::frames::{Frame, Helping};
use super::gate::Gated;
use super::judge::Judge;
use super::limits::LaneLimits;
use super::messages::{MessageReader, MessageWriter};
use super::stamps::{self, Due, Stamps};
use super::{Carried, CloseReason, Event, LaneFigures, Shared, piped, receiver, uploader};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::peer::{Hello, MESSAGE_BYTES_MAX, PeerMessage, from_runs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Messages that may wait for a peer to read; more means that it does not.
const OUTBOX_MAX: usize = 1_024;
/// Messages of one peer that may wait to be handled: each may have 4 MiB.
const PLACES: usize = 2;
/// Parts of chunks are signs of life and no more: told of each packet, the driver did little else.
const PROGRESS_EVERY: Duration = Duration::from_millis(10);
/// Chunks that may be outstanding at one peer; ours ask for far fewer.
pub(super) const OUTSTANDING_MAX: usize = 4_096;

/// One connection.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) peer: PeerId,
    pub(super) generation: u64,
    pub(super) carrier: Carrier,
    /// Capacity one: a peer whose link is full is passed over, not queued for.
    pub(super) frames: mpsc::Sender<Frame>,
    pub(super) helping: Helping,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) stamps: Stamps,
    /// When the driver is to hear of parts of chunks again.
    pub(super) progress: Due,
    pub(super) limits: LaneLimits,
    /// Credit that the peer has, in bytes; 0 until the lane runs.
    pub(super) window: AtomicU32,
    places: Arc<Semaphore>,
    pub(super) judge: Arc<Judge>,
    dialer: PeerId,
    session: u64,
    outbox: mpsc::Sender<PeerMessage>,
    expected: Mutex<BTreeSet<(ReleaseId, ChunkIndex)>>,
    ends: Mutex<Option<(mpsc::Receiver<PeerMessage>, mpsc::Receiver<Frame>)>>,
}

static GENERATIONS: AtomicU64 = AtomicU64::new(1);

impl Lane {
    pub(super) fn new(carrier: Carrier, limits: LaneLimits, (peer, dialer): (PeerId, PeerId), session: u64) -> Self {
        let (outbox, messages) = mpsc::channel(OUTBOX_MAX);
        let (frames, chunks) = mpsc::channel(1);
        Self {
            peer,
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            carrier,
            frames,
            helping: Helping::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            stamps: Stamps::default(),
            progress: Due::new(PROGRESS_EVERY),
            limits,
            window: AtomicU32::new(0),
            places: Arc::new(Semaphore::new(PLACES)),
            judge: Arc::new(Judge::new()),
            dialer,
            session,
            outbox,
            expected: Mutex::default(),
            ends: Mutex::new(Some((messages, chunks))),
        }
    }

    /// Hands a message of the peer on, once those before it were taken; false when nobody takes any.
    pub(super) async fn tell(&self, shared: &Shared, message: PeerMessage) -> bool {
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return false };
        let event = Event::Message { peer: self.peer, generation: self.generation, message, place };
        shared.events.send(event).await.is_ok()
    }

    /// Queues a message; false when the peer does not read.
    pub(super) fn send(&self, message: PeerMessage) -> bool {
        if let PeerMessage::Request { release, chunks, .. } = &message {
            let chunks = from_runs(chunks, OUTSTANDING_MAX).unwrap_or_default();
            let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            expected.extend(chunks.into_iter().map(|chunk| (*release, chunk)));
        }
        self.outbox.try_send(message).is_ok()
    }

    /// Whether this chunk was asked for; asking is used up by the answer.
    pub(super) fn take_expected(&self, release: ReleaseId, chunk: ChunkIndex) -> bool {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(&(release, chunk))
    }

    pub(super) fn close(&self, reason: CloseReason) {
        self.carrier.close(reason);
    }

    pub(super) fn carried(&self) -> Carried {
        match &self.carrier {
            Carrier::Quic(_) => Carried::Quic,
            Carrier::Stream(ending) => Carried::Stream { opened: self.dialer != self.peer, relay: ending.relay },
        }
    }

    /// Whether this lane takes the place of `old`. When both sides dialled at once, both keep the connection that the smaller
    /// peer id dialled; a second one by the same dialler, or by a peer that was restarted since, replaces the first. QUIC
    /// replaces a stream; whoever asks for a stream while we see QUIC knows better than we do that it no longer works. What is
    /// direct replaces what goes through a relay. While UDP is throttled, a stream is better than QUIC.
    fn replaces(&self, old: &Self, is_throttled: bool) -> bool {
        if !old.carrier.is_alive() || old.session != self.session {
            return true;
        }
        match (self.carried(), old.carried()) {
            (Carried::Quic, Carried::Stream { .. }) => !is_throttled,
            (Carried::Stream { opened, .. }, Carried::Quic) => !opened || is_throttled,
            (Carried::Stream { relay: new, .. }, Carried::Stream { relay: old, .. })
                if new.is_some() != old.is_some() =>
            {
                new.is_none()
            }
            _ => old.dialer >= self.dialer,
        }
    }

    pub(super) fn figures(&self) -> LaneFigures {
        LaneFigures {
            address: self.carrier.address(),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            rtt: self.carrier.rtt(),
        }
    }
}

/// Lanes at once; a county hub serves some hundreds of sites.
const LANES_MAX: usize = 512;

/// The lanes by peer: at most one each.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<BTreeMap<PeerId, Arc<Lane>>>);

impl Lanes {
    pub(super) fn get(&self, peer: &PeerId) -> Option<Arc<Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(peer).cloned()
    }

    /// The lane whose place it takes, if any; an error when the newcomer is not kept.
    fn insert(&self, lane: &Arc<Lane>, is_throttled: bool) -> Result<Option<Arc<Lane>>, CloseReason> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = lanes.get(&lane.peer) {
            if !lane.replaces(old, is_throttled) {
                return Err(CloseReason::Duplicate);
            }
            old.close(CloseReason::Duplicate);
        } else if lanes.len() >= LANES_MAX {
            return Err(CloseReason::Busy);
        }
        Ok(lanes.insert(lane.peer, lane.clone()))
    }

    fn remove(&self, lane: &Lane) -> bool {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = lanes.get(&lane.peer).is_some_and(|held| held.generation == lane.generation);
        if current {
            lanes.remove(&lane.peer);
        }
        current
    }
}

/// Through what a lane speaks, once it has greeted.
pub(super) enum Talk {
    Quic(MessageReader, MessageWriter),
    Stream(Box<piped::Ends>),
}

/// Runs a lane until its connection ends.
pub(super) async fn run(shared: Arc<Shared>, lane: Lane, hello: Hello, talk: Talk) {
    let lane = Arc::new(lane);
    let (peer, generation) = (lane.peer, lane.generation);
    let ends = lane.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((messages, frames)) = ends else { return };
    let is_throttled = shared.is_throttled(&peer);
    match shared.lanes.insert(&lane, is_throttled) {
        Ok(None) => {}
        Ok(Some(old)) => old.judge.settle().await,
        Err(reason) => return lane.close(reason),
    }
    // What a replaced connection was asked for is not asked for on this one.
    shared.uploader.forget(&peer);
    let (address, carried) = (lane.carrier.address(), lane.carried());
    let seen_at = hello.seen_at.and_then(|text| text.parse().ok()).filter(|_| carried == Carried::Quic);
    let throttled = carried != Carried::Quic && (is_throttled || hello.throttled == Some(true));
    let connected = Event::Connected { peer, generation, address, roster: hello.roster, carried, seen_at, throttled };
    let _ = shared.events.send(connected).await;
    match (&lane.carrier, talk) {
        (Carrier::Quic(connection), Talk::Quic(reader, writer)) => tokio::select! {
            () = write_messages(connection, writer, messages) => {}
            () = read_messages(&shared, &lane, reader) => {}
            () = uploader::write_frames(&shared, &lane, connection, frames) => {}
            () = receiver::run(&shared, &lane, connection) => {}
            () = stamps::read(&lane, connection) => {}
            () = lane.carrier.closed() => {}
        },
        (Carrier::Stream(ending), Talk::Stream(ends)) => {
            piped::run(&shared, &lane, ending, *ends, (messages, frames)).await;
        }
        _ => unreachable!("a lane talks on what carries it"),
    }
    let (reason, lost) = (lane.carrier.end().unwrap_or("protocol violation".into()), lane.carrier.is_lost());
    lane.close(CloseReason::Violation);
    lane.judge.settle().await;
    if shared.lanes.remove(&lane) {
        shared.uploader.forget(&peer);
    }
    let _ = shared.events.send(Event::Disconnected { peer, generation, reason, lost }).await;
}

async fn write_messages(
    connection: &quinn::Connection,
    mut writer: MessageWriter,
    mut messages: mpsc::Receiver<PeerMessage>,
) {
    let mut gated = Gated::new(connection);
    while let Some(message) = messages.recv().await {
        if writer.write(&message, &mut gated).await.is_err() {
            return;
        }
    }
}

async fn read_messages(shared: &Shared, lane: &Lane, mut reader: MessageReader) {
    while let Ok(message) = reader.read(MESSAGE_BYTES_MAX).await {
        if !lane.tell(shared, message).await {
            return;
        }
    }
}
