//! Members that others count on, and that let them wait.

use super::Lane;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::wire::peer::{PeerMessage, to_runs};
use std::time::Duration;

/// Pause between two promises.
const PROMISE: Duration = Duration::from_secs(2);

/// Takes every request and answers none.
pub(super) async fn withholds(mut lane: Lane) -> Option<()> {
    loop {
        lane.asked().await?;
        lane.bad.deed();
    }
}

/// Delivers every second chunk.
pub(super) async fn half(mut lane: Lane) -> Option<()> {
    let mut turn = 0;
    loop {
        let asked = lane.asked().await?;
        for chunk in asked.chunks {
            turn += 1;
            if turn % 2 == 0 {
                lane.deliver_honestly(asked.release, chunk).await?;
            } else {
                lane.bad.deed();
            }
        }
    }
}

/// Wants everything, says over and over that every chunk is coming, and never gains one.
pub(super) async fn promises(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    lane.take_part(release, true, ChunkSet::new()).await?;
    let coming: Vec<_> = lane.target().all().iter().collect();
    let mut pace = tokio::time::interval(PROMISE);
    loop {
        pace.tick().await;
        lane.send(&PeerMessage::HaveDelta { release, gained: vec![], coming: to_runs(&coming) }).await?;
        lane.bad.deed();
    }
}

/// Wants everything, as an importer of great weight, and never gains a chunk.
pub(super) async fn idles(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    lane.take_part(release, true, ChunkSet::new()).await?;
    lane.bad.deed();
    while lane.receive().await.is_some() {}
    Some(())
}
