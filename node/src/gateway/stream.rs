//! A byte range as a response body, chunk by chunk, in the order of the file. What is not here yet is asked for as
//! urgent and waited for; memory holds a few chunks and the plan of a few megabytes.
//!
//! What must stay true: no head promises bytes that were here and are lost; when bytes turn out to be lost on the way, the
//! connection breaks, and never looks as if all had come.

use super::refusal::Refusal;
use crate::handle::{Handle, Pull};
use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use karez_content_tools::export::{Decoded, LoadError, ReadError};
use karez_content_tools::pages::File;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::Slice;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a file whose slices are planned at a time: bounds memory for files of any size.
const PLANNED_BYTES: u64 = 16 << 20;
/// Bytes sent at a time, about: a film that was taken apart has slices of a few kilobytes.
const PIECE_BYTES: u64 = 64 << 10;
/// Missing chunks asked for at a time: enough to keep a satellite link busy, few enough to leave others their turn.
const URGENT_CHUNKS_MAX: usize = 16;
/// A hint is repeated after this time, in case the peer that was asked has left.
const URGENT_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Longest wait without any chunk of the release arriving. Long enough for a peer to reconnect, short enough that a
/// player shows its error while the teacher is still there.
pub(super) const STALL_MAX: Duration = Duration::from_secs(120);

/// How long bytes that were here and are lost may take to come back before the head is sent: some peer may have them.
const LOST_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// The same where the head is sent, and other bytes with it.
const LOST_STALL_MAX: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });

/// Why a response breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// The bytes were here, and are not any more.
    #[error("bytes that were here are lost, and nobody has brought them back")]
    Lost,
    /// Nothing came for too long.
    #[error("no chunk of the collection arrived for {} s", STALL_MAX.as_secs())]
    Stalled,
    /// The node stops, or the release was given up.
    #[error("the release is no longer being fetched")]
    Abandoned,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// A manifest page cannot be read.
    #[error(transparent)]
    Load(LoadError),
    /// The reading task died.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
    /// The store gave something else than the manifest says.
    #[error(transparent)]
    Read(ReadError),
}

struct Reader {
    handle: Handle,
    pull: Pull,
    file: Arc<File>,
    rest: Range<u64>,
    plan: VecDeque<Slice>,
    /// Chunks whose other slices come soon.
    decoded: Decoded,
    asked: Vec<ChunkIndex>,
}

/// What one look into the store found.
enum Look {
    /// The bytes of the first slices, and how many these are.
    Here(Vec<u8>, usize),
    Missing(Vec<ChunkIndex>),
}

/// The bytes `range` of a file. The first of them are looked at before anything is promised.
pub(super) async fn body(handle: Handle, pull: Pull, file: File, range: Range<u64>) -> Result<Body, Refusal> {
    let mut reader = Reader {
        handle,
        pull,
        file: Arc::new(file),
        rest: range,
        plan: VecDeque::new(),
        decoded: Decoded::default(),
        asked: Vec::new(),
    };
    let first = match reader.first().await {
        Ok(first) => first,
        Err(cause) => {
            reader.warn(&cause);
            return Err(reader.refusal(cause));
        }
    };
    let rest = stream::try_unfold(reader, |mut reader| async move {
        let next = reader.next().await;
        if let Err(cause) = &next {
            reader.warn(cause);
        }
        Ok::<_, StreamError>(next?.map(|bytes| (bytes, reader)))
    });
    Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(rest)))
}

impl Reader {
    /// The first bytes where they are here; nothing where they are still to come. An error when they were here, and do not
    /// come back soon.
    async fn first(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.plan_on().await?;
        let Some(slice) = self.plan.front().copied() else { return Ok(None) };
        let (bytes, slices) = match self.look().await? {
            Look::Here(bytes, slices) => (bytes, slices),
            Look::Missing(_) if !self.is_lost(slice.entry.id).await? => return Ok(None),
            Look::Missing(_) => match tokio::time::timeout(LOST_PATIENCE, self.fetch(slice)).await {
                Ok(fetched) => fetched?,
                Err(_) => return Err(StreamError::Lost),
            },
        };
        self.plan.drain(..slices);
        Ok(Some(Bytes::from(bytes)))
    }

    async fn is_lost(&self, id: ChunkId) -> Result<bool, StreamError> {
        let store = self.pull.store.clone();
        let lost = tokio::task::spawn_blocking(move || store.is_noted_damaged(&id)).await?;
        lost.map_err(StreamError::Store)
    }

    fn warn(&self, cause: &StreamError) {
        let path = self.file.head.path.as_str();
        tracing::warn!(collection = %self.pull.collection, path, %cause, "a response broke off");
    }

    fn refusal(&self, cause: StreamError) -> Refusal {
        let path = self.file.head.path.to_string();
        match cause {
            StreamError::Lost | StreamError::Stalled | StreamError::Abandoned => Refusal::Lost { path },
            StreamError::Read(ReadError::Store(StoreError::SourceAway { path: file })) => {
                Refusal::Away { file: file.to_string_lossy().into_owned() }
            }
            other => Refusal::Unreadable { path, detail: other.to_string() },
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        if self.plan.is_empty() {
            self.plan_on().await?;
        }
        let Some(slice) = self.plan.front().copied() else { return Ok(None) };
        let (bytes, slices) = self.fetch(slice).await?;
        self.plan.drain(..slices);
        Ok(Some(Bytes::from(bytes)))
    }

    async fn plan_on(&mut self) -> Result<(), StreamError> {
        let end = self.rest.end.min(self.rest.start.saturating_add(PLANNED_BYTES));
        let range = std::mem::replace(&mut self.rest.start, end)..end;
        if !range.is_empty() {
            let (pages, file) = (self.pull.pages.clone(), self.file.clone());
            let planned = tokio::task::spawn_blocking(move || {
                pages.slices(&file, range).collect::<Result<VecDeque<Slice>, LoadError>>()
            });
            self.plan = planned.await?.map_err(StreamError::Load)?;
        }
        Ok(())
    }

    async fn fetch(&mut self, slice: Slice) -> Result<(Vec<u8>, usize), StreamError> {
        let mut waited = Duration::ZERO;
        loop {
            // Seen before looking, so that a chunk that comes in between is not slept over.
            self.pull.changes.borrow_and_update();
            let missing = match self.look().await? {
                Look::Here(bytes, slices) => return Ok((bytes, slices)),
                Look::Missing(missing) => missing,
            };
            self.ask(slice.chunk, missing).await;
            let is_lost = self.is_lost(slice.entry.id).await?;
            let again_after = if is_lost { LOST_STALL_MAX } else { URGENT_AGAIN_AFTER };
            match tokio::time::timeout(again_after, self.pull.changes.changed()).await {
                Ok(Ok(())) => waited = Duration::ZERO,
                Ok(Err(_)) => return self.last_look().await,
                Err(_) if is_lost => return Err(StreamError::Lost),
                Err(_) => {
                    waited += URGENT_AGAIN_AFTER;
                    self.asked.clear();
                }
            }
            if waited >= STALL_MAX {
                return Err(StreamError::Stalled);
            }
        }
    }

    /// Hints to the driver, unless it was told and still has enough to do.
    async fn ask(&mut self, now: ChunkIndex, missing: Vec<ChunkIndex>) {
        let news = missing.iter().filter(|chunk| !self.asked.contains(chunk)).count();
        if self.asked.contains(&now) && news < URGENT_CHUNKS_MAX / 2 {
            return;
        }
        self.asked.clone_from(&missing);
        self.handle.urgent(self.pull.collection.clone(), self.pull.version, missing).await;
    }

    /// Nobody stores chunks of this release any more: what is here is all there will be.
    async fn last_look(&mut self) -> Result<(Vec<u8>, usize), StreamError> {
        match self.look().await? {
            Look::Here(bytes, slices) => Ok((bytes, slices)),
            Look::Missing(_) => Err(StreamError::Abandoned),
        }
    }

    /// The first bytes of the plan, or else the first chunks of it that are missing.
    async fn look(&mut self) -> Result<Look, StreamError> {
        let (store, mut decoded) = (self.pull.store.clone(), std::mem::take(&mut self.decoded));
        let mut bytes = 0;
        let front = self.plan.iter().take_while(|slice| {
            let before = bytes;
            bytes += u64::from(slice.len);
            before < PIECE_BYTES
        });
        let front: Vec<Slice> = front.copied().collect();
        let read = tokio::task::spawn_blocking(move || {
            let read = read_front(&store, &front, &mut decoded);
            (read, decoded)
        });
        let (read, decoded) = read.await?;
        self.decoded = decoded;
        let (bytes, slices) = read.map_err(StreamError::Read)?;
        if slices > 0 {
            return Ok(Look::Here(bytes, slices));
        }
        let (store, plan) = (self.pull.store.clone(), self.plan.iter().copied().collect::<Vec<_>>());
        let missing = tokio::task::spawn_blocking(move || first_missing(&store, &plan)).await?;
        missing.map(Look::Missing).map_err(StreamError::Store)
    }
}

/// The bytes of slices up to the first chunk that is missing, and how many slices these are.
fn read_front(store: &Store, front: &[Slice], decoded: &mut Decoded) -> Result<(Vec<u8>, usize), ReadError> {
    let mut bytes = Vec::new();
    for (number, slice) in front.iter().enumerate() {
        match decoded.slice(slice, store) {
            Ok(piece) => bytes.extend_from_slice(piece),
            Err(ReadError::Missing { .. }) => return Ok((bytes, number)),
            // A damaged chunk has left the index just now: the film waits for it as for one that never came.
            Err(ReadError::Store(StoreError::Damaged { .. })) => return Ok((bytes, number)),
            Err(error) => return Err(error),
        }
    }
    Ok((bytes, front.len()))
}

fn first_missing(store: &Store, plan: &[Slice]) -> Result<Vec<ChunkIndex>, StoreError> {
    // Slices of one chunk come again and again in a film that was taken apart.
    let mut chunks: Vec<(ChunkId, ChunkIndex)> = Vec::new();
    let mut seen = HashSet::new();
    chunks.extend(plan.iter().map(|slice| (slice.entry.id, slice.chunk)).filter(|(_, chunk)| seen.insert(*chunk)));
    let ids: Vec<ChunkId> = chunks.iter().map(|(id, _)| *id).collect();
    let here = store.contains_many(&ids)?;
    let missing = chunks.iter().zip(here).filter(|(_, here)| !here).map(|((_, chunk), _)| *chunk);
    Ok(missing.take(URGENT_CHUNKS_MAX).collect())
}
