//! Sending chunks: one loop shares the uplink fairly, one writer per lane keeps its streams.

use super::lane::{Frame, Lane};
use super::queues::{Job, Queues};
use super::{Event, Shared, congestion};
use bytes::Bytes;
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
                shared.config.up.pass(frame.stored.len() as u64).await;
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
    Ok(Frame { urgency: job.urgency, header, stored })
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

/// Writes a lane's frames, on one stream for each urgency.
pub(super) async fn write_frames(
    shared: &Shared,
    lane: &Lane,
    connection: &quinn::Connection,
    mut frames: mpsc::Receiver<Frame>,
) {
    let mut streams: [Option<quinn::SendStream>; 3] = [const { None }; 3];
    while let Some(frame) = frames.recv().await {
        let bytes = frame.stored.len() as u64;
        if frame.urgency == Urgency::Play {
            congestion::hurry(connection);
        }
        if write_frame(connection, &mut streams[frame.urgency as usize], frame).await.is_err() {
            return;
        }
        lane.sent.fetch_add(bytes, Ordering::Relaxed);
        shared.sent.fetch_add(bytes, Ordering::Relaxed);
        shared.uploader.changed.notify_one();
    }
}

async fn write_frame(
    connection: &quinn::Connection,
    slot: &mut Option<quinn::SendStream>,
    frame: Frame,
) -> Result<(), quinn::WriteError> {
    let stream = match slot {
        Some(stream) => stream,
        None => {
            let stream = connection.open_uni().await?;
            let _ = stream.set_priority(-(frame.urgency as i32));
            slot.insert(stream)
        }
    };
    stream.write_all(&frame.header).await?;
    stream.write_chunk(frame.stored).await
}
