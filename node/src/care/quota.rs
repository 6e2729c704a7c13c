//! Staying within the quota: when what is wanted does not fit any more, other things go, as `karez gc --free` would have it.
//!
//! What must stay true: only a quota that somebody set makes anything go unasked; what may be the last copy in the county
//! never does; and nothing goes when all of it together would not make enough room.

use super::{Care, Wish};
use crate::handle::HandleError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Beside the chunks: their headers, and pages that are not counted yet.
const MARGIN_BYTES: u64 = 1 << 20;
const MARGIN_PARTS: u64 = 32;
/// After a look that led to nothing: it reads all pages, and little changes in less.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Care {
    /// Makes room whenever the store is full and has a quota. Never ends.
    pub async fn keep_within_quota(&self, full: &Arc<Notify>) {
        let mut in_vain: Option<Instant> = None;
        loop {
            full.notified().await;
            if in_vain.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
                continue;
            }
            match self.make_room_within_quota().await {
                Ok(true) => in_vain = None,
                Ok(false) => in_vain = Some(Instant::now()),
                Err(cause) => {
                    tracing::warn!(%cause, "no room could be made");
                    in_vain = Some(Instant::now());
                }
            }
        }
    }

    async fn make_room_within_quota(&self) -> Result<bool, HandleError> {
        let Some(quota) = self.store.quota() else { return Ok(false) };
        let needed = self.handle.look().await?.needed_bytes;
        let needed = needed + needed / MARGIN_PARTS + MARGIN_BYTES;
        let free_bytes = (self.store.disk_bytes() + needed).saturating_sub(quota);
        if free_bytes == 0 {
            // The disk itself is full: what goes then is for people to say.
            return Ok(false);
        }
        let wish = Wish { free_bytes: Some(free_bytes), last_copies: false };
        if self.room(wish).await?.short_bytes() > 0 {
            return Ok(false);
        }
        let done = self.make_room(wish, |_, _| {}).await?;
        for row in done.rows.iter().filter(|row| row.goes) {
            let (collection, version, reason) = (&row.collection, row.version, &row.reason);
            tracing::warn!(collection, version, reason, "removed to stay within the quota");
        }
        Ok(done.freed_bytes > 0)
    }
}
