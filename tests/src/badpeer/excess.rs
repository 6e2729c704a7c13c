//! Members that take more than their share.

use super::Lane;
use super::lane::{hello, receive, send};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::manifest::Run;
use karez_protocol::wire::peer::{PeerMessage, Urgency, to_runs};
use std::time::Duration;

/// Pause between two rounds of requests.
const ROUND: Duration = Duration::from_millis(50);
/// Small messages in a row.
const FLOOD: usize = 20_000;
/// Chunks pushed that nobody asked for.
const PUSHED: u32 = 200;

fn all(lane: &Lane) -> Vec<ChunkIndex> {
    lane.target().all().iter().collect()
}

/// Asks for everything again and again, and reads nothing of it.
pub(super) async fn never_reads(mut lane: Lane) -> Option<()> {
    let (release, all) = (lane.release(), all(&lane));
    lane.take_part(release, true, ChunkSet::new()).await?;
    let mut pace = tokio::time::interval(ROUND);
    loop {
        pace.tick().await;
        lane.ask(release, &all).await?;
        lane.bad.deed();
    }
}

/// Names 2^32 chunks in one request.
pub(super) async fn endless_request(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    lane.take_part(release, true, ChunkSet::new()).await?;
    let chunks = vec![Run { first: 0, count: u32::MAX }];
    lane.send(&PeerMessage::Request { release, urgency: Urgency::Play, chunks }).await?;
    lane.bad.deed();
    Some(())
}

/// Takes all it can get and gives nothing: asks in the most urgent class, reads, and never says that it has anything.
pub(super) async fn free_rider(mut lane: Lane) -> Option<()> {
    let (release, all) = (lane.release(), to_runs(&all(&lane)));
    lane.take_part(release, true, ChunkSet::new()).await?;
    let Lane { bad, connection, mut out, mut incoming, .. } = lane;
    let reading = async { while receive(&mut incoming).await.is_some() {} };
    let taking = async {
        let mut streams = tokio::task::JoinSet::new();
        while let Ok(stream) = connection.accept_uni().await {
            streams.spawn(drain(stream));
        }
    };
    let asking = async {
        let mut pace = tokio::time::interval(ROUND);
        loop {
            pace.tick().await;
            let chunks = all.clone();
            if send(&mut out, &PeerMessage::Request { release, urgency: Urgency::Play, chunks }).await.is_none() {
                return;
            }
            bad.deed();
        }
    };
    tokio::select! { () = reading => {} () = taking => {} () = asking => {} }
    Some(())
}

async fn drain(mut stream: quinn::RecvStream) {
    while let Ok(Some(_)) = stream.read_chunk(1 << 20, false).await {}
}

/// Small messages as fast as they go out, each of which asks for an answer.
pub(super) async fn flood(mut lane: Lane) -> Option<()> {
    let collection = lane.bad.collection.clone();
    for number in 0..FLOOD {
        let mut release = [0; 32];
        release[..8].copy_from_slice(&number.to_le_bytes());
        let (collection, release) = (collection.clone(), ReleaseId::from_bytes(release));
        lane.send(&PeerMessage::Interest { collection, release, wants: true }).await?;
        lane.bad.deed();
    }
    Some(())
}

/// Pushes chunks that nobody asked for.
pub(super) async fn unasked(mut lane: Lane) -> Option<()> {
    let release = lane.release();
    let count = lane.target().layout.count();
    for number in 0..PUSHED {
        lane.deliver_honestly(release, ChunkIndex(number % count)).await?;
        lane.bad.deed();
    }
    Some(())
}

/// Greets a second time, with the node's own greeting.
pub(super) async fn greets_again(mut lane: Lane) -> Option<()> {
    let heard = match lane.receive().await? {
        PeerMessage::Hello(heard) => heard,
        _ => hello(&lane.bad),
    };
    lane.send(&PeerMessage::Hello(heard)).await?;
    lane.bad.deed();
    Some(())
}
