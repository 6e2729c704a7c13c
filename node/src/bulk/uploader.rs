//! Sending chunks: one loop shares the uplink fairly between releases, one writer per lane keeps its streams.

use super::frames::{self, Frame};
use super::gate::Gated;
use super::lane::Lane;
use super::queues::{Job, Queues};
use super::{Event, Shared, congestion};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex, Codec};
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::frame::{FRAME_HEADER_BYTES, FrameHeader};
use karez_protocol::wire::peer::Urgency;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};

/// The uplink's queue.
#[derive(Debug, Default)]
pub(super) struct Uploader {
    queues: Mutex<Queues>,
    /// Something was queued, or a lane is free again.
    changed: Notify,
}

impl Uploader {
    fn with<T>(&self, act: impl FnOnce(&mut Queues) -> T) -> T {
        act(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn enqueue(&self, peer: PeerId, release: ReleaseId, urgency: Urgency, chunks: &[ChunkIndex]) -> bool {
        let taken = self.with(|queues| queues.push(peer, release, urgency, chunks));
        self.changed.notify_one();
        taken
    }

    pub(super) fn cancel(&self, peer: &PeerId, release: ReleaseId, chunks: &[ChunkIndex]) {
        self.with(|queues| queues.cancel(peer, release, chunks));
    }

    /// A lane can take a chunk again.
    pub(super) fn lane_free(&self) {
        self.changed.notify_one();
    }

    pub(super) fn forget(&self, peer: &PeerId) {
        self.with(|queues| queues.forget(peer));
    }
}

/// Serves the queues until the endpoint closes.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let free = |peer: &PeerId| shared.lanes.get(peer).is_none_or(|lane| lane.frames.capacity() > 0);
        let Some(job) = shared.uploader.with(|queues| queues.next(free)) else {
            tokio::select! {
                () = shared.uploader.changed.notified() => continue,
                () = shared.events.closed() => return,
            }
        };
        let Some(lane) = shared.lanes.get(&job.peer) else { continue };
        let Loaded { frame, unservable } = load(&shared, job, lane.helping.bytes()).await;
        if let Some(frame) = frame {
            // The slot was free and this loop is its only user; a lane that closed meanwhile needs nothing.
            let _ = lane.frames.try_send(frame);
        }
        for (chunk, Unservable { away }) in unservable {
            let event = Event::Unservable { peer: job.peer, release: job.release, chunk, away };
            let _ = shared.events.send(event).await;
        }
    }
}

/// What was read to be sent.
#[derive(Debug, Default)]
struct Loaded {
    frame: Option<Frame>,
    unservable: Vec<(ChunkIndex, Unservable)>,
}

/// Why a chunk cannot be sent.
#[derive(Debug, Default)]
struct Unservable {
    /// The file that it is in, when that is on a disk that is not there now.
    away: Option<PathBuf>,
}

/// Reads a chunk and those that wait behind it, up to so many bytes; from a slow disk fewer, for all lanes wait meanwhile.
async fn load(shared: &Arc<Shared>, job: Job, bytes: usize) -> Loaded {
    let reader = Arc::clone(shared);
    let loaded = tokio::task::spawn_blocking(move || {
        let (mut loaded, mut next, begun) = (Loaded::default(), Some(job), Instant::now());
        while let Some(job) = next {
            match load_one(&reader, job) {
                Ok((header, stored)) => {
                    reader.uploader.with(|queues| queues.charge(&job, stored.len() as u64));
                    loaded.frame.get_or_insert_with(|| Frame::new(job.urgency, job.release)).push(header, stored);
                }
                Err(unservable) => loaded.unservable.push((job.chunk, unservable)),
            }
            let is_enough = loaded.frame.as_ref().is_none_or(|frame| frame.bytes >= bytes as u64);
            let is_slow = begun.elapsed() > frames::LATE;
            next = if is_enough || is_slow { None } else { reader.uploader.with(|queues| queues.next_like(&job)) };
        }
        loaded
    });
    loaded.await.unwrap_or_else(|_| Loaded { frame: None, unservable: vec![(job.chunk, Unservable::default())] })
}

fn load_one(shared: &Shared, job: Job) -> Result<([u8; FRAME_HEADER_BYTES], Bytes), Unservable> {
    let pages = shared.config.shelf.get(&job.release).ok_or_else(Unservable::default)?;
    let reported = |cause| tracing::error!(chunk = job.chunk.0, %cause, "cannot tell which chunk to serve");
    let entry = pages.entry(job.chunk).map_err(reported).ok().flatten().ok_or_else(Unservable::default)?;
    let (codec, stored) = read(pages.store(), &entry)?;
    let stored_len = stored.len() as u32;
    Ok((FrameHeader { release: job.release, chunk: job.chunk, stored_len, codec }.to_bytes(), stored))
}

/// The chunk as the release encodes it, or raw when it rests here in another encoding.
fn read(store: &Store, entry: &ChunkEntry) -> Result<(Codec, Bytes), Unservable> {
    let unservable = |cause| {
        tracing::error!(chunk = %entry.id, %cause, "cannot serve a chunk");
        let StoreError::SourceAway { path } = cause else { return Unservable::default() };
        Unservable { away: Some(path) }
    };
    let stored = store.read_stored(&entry.id).map_err(unservable)?.ok_or_else(Unservable::default)?;
    if stored.codec == Codec::Raw || (stored.codec == entry.codec && stored.check == entry.check) {
        return Ok((stored.codec, stored.bytes.into()));
    }
    let plain = store.read_plain(&entry.id).map_err(unservable)?.ok_or_else(Unservable::default)?;
    Ok((Codec::Raw, plain.into()))
}

/// Frames of a lane in hand: one under way, and one that may be more urgent.
const IN_HAND_MAX: usize = 2;

/// One stream for each urgency, and its way through the gate; frames on one must not mix.
type Streams<'c> = [tokio::sync::Mutex<Option<(quinn::SendStream, Gated<'c>)>>; 3];

/// Writes a lane's frames.
pub(super) async fn write_frames(
    shared: &Shared,
    lane: &Lane,
    connection: &quinn::Connection,
    mut frames: mpsc::Receiver<Frame>,
) {
    let (streams, mut in_hand) = (Streams::default(), FuturesUnordered::new());
    loop {
        tokio::select! {
            frame = frames.recv(), if in_hand.len() < IN_HAND_MAX => {
                let Some(frame) = frame else { return };
                if frame.urgency == Urgency::Play {
                    congestion::hurry(connection);
                }
                in_hand.push(write_frame(lane, connection, &streams, frame));
                shared.uploader.changed.notify_one();
            }
            Some(written) = in_hand.next() => {
                let Ok(bytes) = written else { return };
                lane.sent.fetch_add(bytes, Ordering::Relaxed);
                shared.sent.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }
}

async fn write_frame<'c>(
    lane: &Lane,
    connection: &'c quinn::Connection,
    streams: &Streams<'c>,
    mut frame: Frame,
) -> Result<u64, quinn::WriteError> {
    let (flow, urgency, bytes) = (frame.flow(), frame.urgency, frame.bytes);
    let mut slot = streams[urgency as usize].lock().await;
    let slot: &mut Option<_> = &mut slot;
    let (stream, gated) = match slot {
        Some(opened) => opened,
        None => {
            let stream = connection.open_uni().await?;
            let _ = stream.set_priority(-(urgency as i32));
            slot.insert((stream, Gated::new(connection)))
        }
    };
    let begun = Instant::now();
    while frame.left() > 0 {
        let mut piece = frame.left().min(lane.limits.piece_up());
        lane.limits.pass_up(&lane.carrier, piece as u64, flow).await;
        while piece > 0 {
            let now = gated.pass(urgency, piece).await;
            stream.write_all_chunks(&mut frame.take(now)).await?;
            piece -= now;
        }
    }
    lane.helping.took(bytes, begun.elapsed());
    Ok(bytes)
}
