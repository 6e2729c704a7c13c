//! Members that are there and hardly move.

use super::{Act, Bad, Lane};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two bytes.
const TRICKLE: Duration = Duration::from_secs(1);
/// Connections that hold their greeting back.
const SILENT: usize = 16;

/// Sends what is asked for, a byte a second.
pub(super) async fn trickle(mut lane: Lane) -> Option<()> {
    let mut pace = tokio::time::interval(TRICKLE);
    loop {
        let asked = lane.asked().await?;
        for chunk in asked.chunks {
            let piece = lane.hoard().piece(asked.release, chunk)?;
            let frames = lane.frames().await?;
            frames.write_all(&piece.header.to_bytes()).await.ok()?;
            for byte in piece.bytes {
                pace.tick().await;
                lane.frames().await?.write_all(&[byte]).await.ok()?;
                lane.bad.deed();
            }
        }
    }
}

/// Sends 99 % of the first chunk and no more.
pub(super) async fn stalls(mut lane: Lane) -> Option<()> {
    let asked = lane.asked().await?;
    let piece = lane.hoard().piece(asked.release, *asked.chunks.first()?)?;
    let frames = lane.frames().await?;
    frames.write_all(&piece.header.to_bytes()).await.ok()?;
    frames.write_all(&piece.bytes[..piece.bytes.len() / 100 * 99]).await.ok()?;
    lane.bad.deed();
    while lane.asked().await.is_some() {}
    Some(())
}

/// Connects and never greets.
pub(super) fn never_greets(bad: Arc<Bad>) -> Act {
    Box::pin(async move {
        let endpoint = bad.client(&bad.key);
        loop {
            let mut held = Vec::new();
            for _ in 0..SILENT {
                match endpoint.connect(bad.victim.address, "karez").expect("a dial").await {
                    Ok(connection) => held.push(connection),
                    Err(refused) => bad.note(refused.to_string()),
                }
            }
            for connection in held {
                bad.deed();
                bad.note(connection.closed().await.to_string());
            }
        }
    })
}
