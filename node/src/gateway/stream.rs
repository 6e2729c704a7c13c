//! A byte range as a response body, chunk by chunk, in the order of the file. What is not here yet is asked for as
//! urgent and waited for; memory holds one chunk and the plan of a few megabytes.

use crate::handle::{Handle, Pull};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::Slice;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a file whose slices are planned at a time: bounds memory for files of any size.
const PLANNED_BYTES: u64 = 16 << 20;
/// Missing chunks asked for at a time: enough to keep a satellite link busy, few enough to leave others their turn.
const URGENT_CHUNKS_MAX: usize = 16;
/// A hint is repeated after this time, in case the peer that was asked has left.
const URGENT_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Longest wait without any chunk of the release arriving. Long enough for a peer to reconnect, short enough that a
/// player shows its error while the teacher is still there.
pub(super) const STALL_MAX: Duration = Duration::from_secs(120);

/// Why a response breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// Nothing came for too long.
    #[error("no chunk of the collection arrived for {} s", STALL_MAX.as_secs())]
    Stalled,
    /// The node stops, or the release was given up.
    #[error("the release is no longer being fetched")]
    Abandoned,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The reading task died.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
    /// The store gave fewer bytes than the manifest says.
    #[error("chunk {0:?} in the store is shorter than the manifest says")]
    Short(ChunkIndex),
}

struct Reader {
    handle: Handle,
    pull: Pull,
    path: String,
    rest: Range<u64>,
    plan: VecDeque<Slice>,
    asked: Vec<ChunkIndex>,
}

/// What one look into the store found.
enum Look {
    Here(Vec<u8>),
    Missing(Vec<ChunkIndex>),
}

/// The bytes `range` of the file at `path`.
pub(super) fn body(handle: Handle, pull: Pull, path: String, range: Range<u64>) -> Body {
    let reader = Reader { handle, pull, path, rest: range, plan: VecDeque::new(), asked: Vec::new() };
    Body::from_stream(stream::try_unfold(reader, |mut reader| async move {
        let next = reader.next().await;
        if let Err(cause) = &next {
            tracing::warn!(collection = %reader.pull.collection, path = reader.path, %cause, "a response broke off");
        }
        Ok::<_, StreamError>(next?.map(|bytes| (bytes, reader)))
    }))
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        if self.plan.is_empty() {
            self.plan_on();
        }
        let Some(slice) = self.plan.front().copied() else { return Ok(None) };
        let plain = self.fetch(slice).await?;
        self.plan.pop_front();
        let (start, end) = (slice.start as usize, slice.start as usize + slice.len as usize);
        if plain.len() < end {
            return Err(StreamError::Short(slice.chunk));
        }
        Ok(Some(Bytes::from(plain).slice(start..end)))
    }

    fn plan_on(&mut self) {
        let end = self.rest.end.min(self.rest.start.saturating_add(PLANNED_BYTES));
        if let Some(file) = self.pull.layout.file(&self.path).filter(|_| self.rest.start < end) {
            self.plan = self.pull.layout.slices(&file, self.rest.start..end).into();
        }
        self.rest.start = end;
    }

    async fn fetch(&mut self, slice: Slice) -> Result<Vec<u8>, StreamError> {
        let mut waited = Duration::ZERO;
        loop {
            // Seen before looking, so that a chunk that comes in between is not slept over.
            self.pull.changes.borrow_and_update();
            let missing = match look(self.pull.store.clone(), &self.plan).await? {
                Look::Here(plain) => return Ok(plain),
                Look::Missing(missing) => missing,
            };
            self.ask(slice.chunk, missing).await;
            match tokio::time::timeout(URGENT_AGAIN_AFTER, self.pull.changes.changed()).await {
                Ok(Ok(())) => waited = Duration::ZERO,
                Ok(Err(_)) => return self.last_look(slice).await,
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
    async fn last_look(&self, slice: Slice) -> Result<Vec<u8>, StreamError> {
        match look(self.pull.store.clone(), &VecDeque::from([slice])).await? {
            Look::Here(plain) => Ok(plain),
            Look::Missing(_) => Err(StreamError::Abandoned),
        }
    }
}

/// The first chunk of the plan, or else the first chunks of it that are missing.
async fn look(store: Arc<Store>, plan: &VecDeque<Slice>) -> Result<Look, StreamError> {
    let plan: Vec<Slice> = plan.iter().copied().collect();
    let found = tokio::task::spawn_blocking(move || {
        let Some(first) = plan.first() else { return Ok(Look::Missing(Vec::new())) };
        if let Some(plain) = store.read_plain(&first.entry.id)? {
            return Ok(Look::Here(plain));
        }
        let ids: Vec<ChunkId> = plan.iter().map(|slice| slice.entry.id).collect();
        let here = store.contains_many(&ids)?;
        let mut missing = Vec::new();
        for (slice, _) in plan.iter().zip(here).filter(|(_, here)| !here) {
            if missing.len() < URGENT_CHUNKS_MAX && !missing.contains(&slice.chunk) {
                missing.push(slice.chunk);
            }
        }
        Ok(Look::Missing(missing))
    });
    found.await?.map_err(StreamError::Store)
}
