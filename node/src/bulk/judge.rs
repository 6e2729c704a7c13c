//! Between arriving and being told: whole chunks are verified and stored off the async threads, those together that came together.
//!
//! What must stay true: what waits here is bounded in bytes, and whoever brings more waits; nothing is told as stored that was not
//! verified and stored; what is stored is told though the lane has ended, or it would be fetched again.

use super::{Arrived, Event, Outcome, Shared};
use crate::shelf::Shelf;
use crate::trouble::StoreFault;
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::Pages;
use karez_content_tools::verify::{VerifiedChunk, verify};
use karez_protocol::content::chunk::PLAIN_BYTES_MAX;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::frame::FrameHeader;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one lane's chunks that wait or are being verified and stored: as many as its streams could bring one each.
const BYTES_MAX: u32 = 4 * PLAIN_BYTES_MAX;
/// Bytes verified and stored at once, so that a thread and a write serve several; less than what goes around the page cache.
const BATCH_BYTES: usize = 256 << 10;
/// A disk that takes longer is not waited for when a lane ends.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// A lane's chunks on their way into the store.
#[derive(Debug)]
pub(super) struct Judge {
    room: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Whole>,
    /// Somebody takes from it.
    is_served: bool,
}

/// A chunk that came whole.
#[derive(Debug)]
struct Whole {
    header: FrameHeader,
    stored: Vec<u8>,
    room: OwnedSemaphorePermit,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(BYTES_MAX as usize)), queue: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a chunk in, once there is room; false when the lane has ended or nobody hears of it.
    pub(super) async fn take(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        peer: PeerId,
        header: FrameHeader,
        stored: Vec<u8>,
    ) -> bool {
        let bytes = (stored.len() as u32).clamp(1, BYTES_MAX);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(bytes).await else { return false };
        let was_served = self.with(|queue| {
            queue.waiting.push_back(Whole { header, stored, room });
            std::mem::replace(&mut queue.is_served, true)
        });
        if !was_served {
            tokio::spawn(Arc::clone(self).serve(Arc::clone(shared), peer));
        }
        true
    }

    /// Until nothing waits. The lane may have ended meanwhile.
    async fn serve(self: Arc<Self>, shared: Arc<Shared>, peer: PeerId) {
        while let Some(batch) = self.with(Queue::take) {
            let shelf = shared.config.shelf.clone();
            let (room, batch): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|whole| (whole.room, (whole.header, whole.stored))).unzip();
            let headers: Vec<_> = batch.iter().map(|(header, _)| *header).collect();
            let judged = tokio::task::spawn_blocking(move || judge(&shelf, batch)).await;
            let outcomes = judged.unwrap_or_else(|e| {
                let fault = StoreFault::other(&e);
                headers.iter().map(|_| Some(Outcome::NotStored { fault: fault.clone() })).collect()
            });
            let chunks = headers.iter().zip(outcomes).filter_map(|(header, outcome)| {
                let FrameHeader { release, chunk, stored_len, .. } = *header;
                Some(Arrived { release, chunk, bytes: stored_len.into(), outcome: outcome? })
            });
            if shared.events.send(Event::Chunks { peer, chunks: chunks.collect() }).await.is_err() {
                self.room.close();
            }
            drop(room);
        }
    }

    /// Waits for the chunks that arrived whole: whoever hears that the lane has ended asks others for what is not here.
    pub(super) async fn settle(&self) {
        let _ = tokio::time::timeout(SETTLES_WITHIN, self.room.acquire_many(BYTES_MAX)).await;
        self.room.close();
    }
}

impl Queue {
    /// What came together; `None` when nothing waits, and nobody takes from it any more.
    fn take(&mut self) -> Option<Vec<Whole>> {
        let mut bytes = 0;
        let fits = |whole: &&Whole| {
            let is_first = bytes == 0;
            bytes += whole.stored.len();
            is_first || bytes <= BATCH_BYTES
        };
        let count = self.waiting.iter().take_while(fits).count();
        self.is_served = count > 0;
        self.is_served.then(|| self.waiting.drain(..count).collect())
    }
}

/// Verifies chunks and stores those that are what they say; `None` for what belongs to no release any more: nothing to tell anybody.
fn judge(shelf: &Shelf, batch: Vec<(FrameHeader, Vec<u8>)>) -> Vec<Option<Outcome>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    // One store holds all releases.
    let (mut verified, mut pages) = (Vec::with_capacity(batch.len()), None);
    for (at, (header, stored)) in batch.into_iter().enumerate() {
        // Asked for, but the release may have been dropped since.
        let outcome = shelf.get(&header.release).and_then(|of| {
            let outcome = match judge_one(&of, header, stored) {
                Ok(chunk) => {
                    verified.push((at, chunk));
                    None
                }
                Err(outcome) => Some(outcome),
            };
            pages = Some(of);
            outcome
        });
        outcomes.push(outcome);
    }
    if let Some(pages) = pages {
        store(&pages, verified, &mut outcomes);
    }
    outcomes
}

fn judge_one(pages: &Pages<'_>, header: FrameHeader, stored: Vec<u8>) -> Result<VerifiedChunk, Outcome> {
    match pages.entry(header.chunk) {
        Ok(Some(entry)) => verify(&entry, header.codec, stored).map_err(|_| Outcome::Bad),
        Ok(None) => Err(Outcome::Bad),
        Err(LoadError::MissingPage { .. }) => Err(Outcome::NoPage),
        Err(cause) => Err(Outcome::NotStored { fault: (&cause).into() }),
    }
}

fn store(pages: &Pages<'_>, verified: Vec<(usize, VerifiedChunk)>, outcomes: &mut [Option<Outcome>]) {
    let (places, chunks): (Vec<_>, Vec<_>) = verified.into_iter().unzip();
    let put = pages.store().put_verified(&chunks);
    for (at, fresh) in places.into_iter().zip(put.fresh) {
        outcomes[at] = Some(match (fresh, &put.error) {
            (Some(fresh), _) => Outcome::Stored { fresh },
            (None, Some(cause)) => Outcome::NotStored { fault: cause.into() },
            (None, None) => unreachable!("what is not stored has a cause"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::content::chunk::{ChunkIndex, Codec};
    use karez_protocol::content::hash::ReleaseId;

    #[tokio::test]
    async fn what_came_together_is_taken_together_up_to_a_batch() {
        let judge = Judge::new();
        let whole = |len: usize| {
            let release = ReleaseId::from_bytes([8; 32]);
            let header = FrameHeader { release, chunk: ChunkIndex(0), stored_len: len as u32, codec: Codec::Raw };
            let room = Arc::clone(&judge.room).try_acquire_many_owned(len as u32).unwrap();
            Whole { header, stored: vec![0; len], room }
        };
        let lens = [1, BATCH_BYTES - 1, 1, BATCH_BYTES + 1, 2, 3];
        judge.with(|queue| queue.waiting.extend(lens.map(whole)));
        let taken = std::iter::from_fn(|| judge.with(Queue::take)).map(|batch| batch.len());
        assert_eq!(taken.collect::<Vec<_>>(), [2, 1, 1, 2]);
        assert!(!judge.with(|queue| queue.is_served));
        judge.settle().await;
        assert!(judge.room.is_closed());
    }
}
