//! One bulk connection of a bad peer: everything up to the lie is what an honest peer says.

use super::Bad;
use super::hoard::{Held, Hoard, Piece};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::wire::peer::{Hello, PeerMessage, Urgency, from_runs, to_runs};
use karez_protocol::wire::{self, PROTOCOL};
use std::sync::Arc;

/// Chunks that the node asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) release: ReleaseId,
    pub(super) chunks: Vec<ChunkIndex>,
}

/// A connection that has greeted.
#[derive(Debug)]
pub struct Lane {
    pub(super) bad: Arc<Bad>,
    pub(super) connection: quinn::Connection,
    pub(super) out: quinn::SendStream,
    pub(super) incoming: quinn::RecvStream,
    /// Where its chunks go, once there are any.
    frames: Option<quinn::SendStream>,
}

pub(super) async fn send(stream: &mut quinn::SendStream, message: &PeerMessage) -> Option<()> {
    let body = wire::encode(message);
    stream.write_all(&(body.len() as u32).to_le_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()
}

pub(super) async fn receive(stream: &mut quinn::RecvStream) -> Option<PeerMessage> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; u32::from_le_bytes(prefix) as usize];
    stream.read_exact(&mut body).await.ok()?;
    wire::decode(&body).ok()
}

pub(super) fn hello(bad: &Bad) -> Hello {
    Hello {
        versions: PROTOCOL,
        network: bad.network,
        roster: 0,
        agent: "bad".into(),
        session: 1,
        seen_at: None,
        throttled: None,
    }
}

impl Lane {
    pub(super) async fn greet(bad: Arc<Bad>, connection: quinn::Connection, dialled: bool) -> Option<Self> {
        let streams = if dialled { connection.open_bi().await } else { connection.accept_bi().await };
        let (mut out, incoming) = streams.ok()?;
        send(&mut out, &PeerMessage::Hello(hello(&bad))).await?;
        Some(Self { bad, connection, out, incoming, frames: None })
    }

    pub(super) fn hoard(&self) -> Arc<Hoard> {
        self.bad.hoard.clone()
    }

    /// The release that the mode is about.
    pub(super) fn target(&self) -> &Held {
        self.bad.hoard.newest(&self.bad.collection)
    }

    pub(super) fn release(&self) -> ReleaseId {
        self.target().signed.value().id()
    }

    pub(super) async fn send(&mut self, message: &PeerMessage) -> Option<()> {
        send(&mut self.out, message).await
    }

    pub(super) async fn receive(&mut self) -> Option<PeerMessage> {
        receive(&mut self.incoming).await
    }

    /// Says that it takes part in a release.
    pub(super) async fn take_part(&mut self, release: ReleaseId, wants: bool, set: ChunkSet) -> Option<()> {
        let collection = self.bad.collection.clone();
        self.send(&PeerMessage::Interest { collection, release, wants }).await?;
        self.send(&PeerMessage::Have { release, set }).await
    }

    /// The next request for chunks. Meanwhile it claims to hold all of what the node takes interest in.
    pub(super) async fn asked(&mut self) -> Option<Asked> {
        loop {
            match self.receive().await? {
                PeerMessage::Interest { release, .. } => {
                    if let Some(all) = self.bad.hoard.get(&release).map(Held::all) {
                        self.take_part(release, false, all).await?;
                    }
                }
                PeerMessage::Request { release, chunks, .. } => {
                    return Some(Asked { release, chunks: from_runs(&chunks, 1 << 16)? });
                }
                _ => {}
            }
        }
    }

    /// Asks for chunks.
    pub(super) async fn ask(&mut self, release: ReleaseId, chunks: &[ChunkIndex]) -> Option<()> {
        self.send(&PeerMessage::Request { release, urgency: Urgency::Import, chunks: to_runs(chunks) }).await
    }

    pub(super) async fn refuse(&mut self, asked: &Asked) -> Option<()> {
        let (release, chunks) = (asked.release, to_runs(&asked.chunks));
        self.send(&PeerMessage::Refused { release, chunks }).await
    }

    /// The stream that chunks go on.
    pub(super) async fn frames(&mut self) -> Option<&mut quinn::SendStream> {
        if self.frames.is_none() {
            self.frames = Some(self.connection.open_uni().await.ok()?);
        }
        self.frames.as_mut()
    }

    /// Sends a chunk.
    pub(super) async fn deliver(&mut self, piece: &Piece) -> Option<()> {
        let frames = self.frames().await?;
        frames.write_all(&piece.header.to_bytes()).await.ok()?;
        frames.write_all(&piece.bytes).await.ok()
    }

    /// Sends a chunk as an honest peer does.
    pub(super) async fn deliver_honestly(&mut self, release: ReleaseId, chunk: ChunkIndex) -> Option<()> {
        let piece = self.hoard().piece(release, chunk)?;
        self.deliver(&piece).await
    }
}
