//! Members whose messages and frames have the wrong shape.

use super::lane::{self, Lane};
use super::{Act, Bad};
use crate::cluster::tree::noise;
use karez_protocol::content::chunk::{ChunkIndex, Codec};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::wire::peer::{Hello, PeerMessage};
use karez_protocol::wire::{self, VersionRange};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two greetings.
const PAUSE: Duration = Duration::from_millis(500);

/// Announces a message of 4 GiB and sends what the node takes of it.
pub(super) async fn long_message(mut lane: Lane) -> Option<()> {
    lane.out.write_all(&u32::MAX.to_le_bytes()).await.ok()?;
    lane.bad.deed();
    loop {
        lane.out.write_all(&[0; 4096]).await.ok()?;
    }
}

/// Ends in the middle of a message.
pub(super) async fn cut_message(mut lane: Lane) -> Option<()> {
    lane.out.write_all(&100u32.to_le_bytes()).await.ok()?;
    lane.out.write_all(&[0; 10]).await.ok()?;
    lane.bad.deed();
    lane.out.finish().ok()
}

/// Sends noise as a message.
pub(super) async fn garbage_message(mut lane: Lane) -> Option<()> {
    lane.out.write_all(&64u32.to_le_bytes()).await.ok()?;
    lane.bad.deed();
    lane.out.write_all(&noise(1, 64)).await.ok()
}

/// Announces a chunk of 4 GiB.
pub(super) async fn long_frame(mut lane: Lane) -> Option<()> {
    let piece = lane.hoard().piece(lane.release(), ChunkIndex(0))?;
    let mut header = piece.header.to_bytes();
    header[36..40].copy_from_slice(&u32::MAX.to_le_bytes());
    lane.frames().await?.write_all(&header).await.ok()?;
    lane.bad.deed();
    Some(())
}

/// Ends in the middle of a chunk.
pub(super) async fn cut_frame(mut lane: Lane) -> Option<()> {
    let piece = lane.hoard().piece(lane.release(), ChunkIndex(0))?;
    let frames = lane.frames().await?;
    frames.write_all(&piece.header.to_bytes()).await.ok()?;
    frames.write_all(&piece.bytes[..piece.bytes.len() / 2]).await.ok()?;
    frames.finish().ok()?;
    lane.bad.deed();
    Some(())
}

/// Sends noise as chunks; its codec is none.
pub(super) async fn garbage_frame(mut lane: Lane) -> Option<()> {
    let mut bytes = noise(2, 64 << 10);
    bytes[40] = Codec::Zstd.number() + 7;
    lane.bad.deed();
    lane.frames().await?.write_all(&bytes).await.ok()
}

/// Greets over and over with these bytes.
fn greets(bad: Arc<Bad>, greeting: Vec<u8>) -> Act {
    Box::pin(async move {
        let endpoint = bad.client(&bad.key);
        let mut pace = tokio::time::interval(PAUSE);
        loop {
            pace.tick().await;
            let Ok(connection) = endpoint.connect(bad.victim.address, "karez").expect("a dial").await else { continue };
            if let Ok((mut out, _incoming)) = connection.open_bi().await {
                // What does not go out was refused before.
                let _ = out.write_all(&greeting).await;
                bad.deed();
                bad.note(connection.closed().await.to_string());
            }
        }
    })
}

fn framed(hello: Hello) -> Vec<u8> {
    let body = wire::encode(&PeerMessage::Hello(hello));
    [&(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// Greets as a member of another network.
pub(super) fn other_network(bad: Arc<Bad>) -> Act {
    let hello = Hello { network: NetworkId::from_bytes([7; 32]), ..lane::hello(&bad) };
    greets(bad, framed(hello))
}

/// Greets in a version of the protocol that is not spoken here.
pub(super) fn other_version(bad: Arc<Bad>) -> Act {
    let hello = Hello { versions: VersionRange { min: 900, max: 901 }, ..lane::hello(&bad) };
    greets(bad, framed(hello))
}

/// Greets with 1 MiB.
pub(super) fn long_hello(bad: Arc<Bad>) -> Act {
    let hello = Hello { agent: "a".repeat(1 << 20), ..lane::hello(&bad) };
    greets(bad, framed(hello))
}
