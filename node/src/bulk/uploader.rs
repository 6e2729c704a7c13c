//! Sending chunks: one loop shares the uplink fairly between releases, one writer per lane keeps its streams.

use super::gate::Gated;
use super::lane::{Frame, Lane};
use super::queues::{Job, Queues};
use super::{Event, Shared, congestion};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex, Codec};
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::frame::FrameHeader;
use karez_protocol::wire::peer::Urgency;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
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
        match load(&shared, job).await {
            Ok(frame) => {
                shared.uploader.with(|queues| queues.charge(&job, frame.stored.len() as u64));
                // The slot was free and this loop is its only user; a lane that closed meanwhile needs nothing.
                let _ = lane.frames.try_send(frame);
            }
            Err(Unservable { away }) => {
                let event = Event::Unservable { peer: job.peer, release: job.release, chunk: job.chunk, away };
                let _ = shared.events.send(event).await;
            }
        }
    }
}

/// Why a chunk cannot be sent.
#[derive(Debug, Default)]
struct Unservable {
    /// The file that it is in, when that is on a disk that is not there now.
    away: Option<PathBuf>,
}

async fn load(shared: &Arc<Shared>, job: Job) -> Result<Frame, Unservable> {
    let pages = shared.config.shelf.get(&job.release).ok_or_else(Unservable::default)?;
    let read = move || {
        let reported = |cause| tracing::error!(chunk = job.chunk.0, %cause, "cannot tell which chunk to serve");
        let entry = pages.entry(job.chunk).map_err(reported).ok().flatten().ok_or_else(Unservable::default)?;
        read(pages.store(), &entry)
    };
    let loaded = tokio::task::spawn_blocking(read).await;
    let (codec, stored) = loaded.unwrap_or_else(|_| Err(Unservable::default()))?;
    let stored_len = stored.len() as u32;
    let header = FrameHeader { release: job.release, chunk: job.chunk, stored_len, codec }.to_bytes();
    Ok(Frame { urgency: job.urgency, release: job.release, header, stored })
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
    frame: Frame,
) -> Result<u64, quinn::WriteError> {
    let flow = frame.flow();
    let Frame { urgency, header, mut stored, .. } = frame;
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
    let bytes = stored.len() as u64;
    stream.write_all(&header).await?;
    while !stored.is_empty() {
        let mut piece = stored.split_to(stored.len().min(lane.limits.piece_up()));
        lane.limits.pass_up(&lane.carrier, piece.len() as u64, flow).await;
        while !piece.is_empty() {
            let now = gated.pass(urgency, piece.len()).await;
            stream.write_chunk(piece.split_to(now)).await?;
        }
    }
    Ok(bytes)
}
