//! Members that lie about what they hold.

use super::Lane;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::manifest::Run;
use karez_protocol::wire::peer::PeerMessage;
use std::time::Duration;

/// Pause between two have-maps that contradict each other.
const FLAP: Duration = Duration::from_millis(20);

/// Claims everything and refuses every chunk.
pub(super) async fn all_ones(mut lane: Lane) -> Option<()> {
    loop {
        let asked = lane.asked().await?;
        lane.refuse(&asked).await?;
        lane.bad.deed();
    }
}

/// Refuses every chunk and claims it again at once.
pub(super) async fn claims_again(mut lane: Lane) -> Option<()> {
    loop {
        let asked = lane.asked().await?;
        lane.refuse(&asked).await?;
        let set = lane.target().all();
        lane.send(&PeerMessage::Have { release: asked.release, set }).await?;
        lane.bad.deed();
    }
}

/// Has everything and nothing by turns, and answers no request.
pub(super) async fn flapping(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    let all = lane.target().all();
    lane.take_part(release, false, ChunkSet::new()).await?;
    let mut pace = tokio::time::interval(FLAP);
    for turn in 0u64.. {
        pace.tick().await;
        let set = if turn % 2 == 0 { all.clone() } else { ChunkSet::new() };
        lane.send(&PeerMessage::Have { release, set }).await?;
        lane.bad.deed();
    }
    Some(())
}

/// Claims 2^32 chunks, and has none.
pub(super) async fn endless_map(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    lane.take_part(release, false, ChunkSet::full(u32::MAX)).await?;
    lane.bad.deed();
    all_ones(lane).await
}

/// Says that it gained 2^32 chunks.
pub(super) async fn endless_delta(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    lane.take_part(release, false, ChunkSet::new()).await?;
    let gained = vec![Run { first: 0, count: u32::MAX }];
    lane.send(&PeerMessage::HaveDelta { release, gained, coming: vec![] }).await?;
    lane.bad.deed();
    Some(())
}
