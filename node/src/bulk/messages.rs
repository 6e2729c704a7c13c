//! Length-prefixed messages on the lane's two-way stream.

use super::gate::Gated;
use karez_protocol::wire::peer::{PeerMessage, Urgency};
use karez_protocol::wire::{self, WireError};

/// Messages of at most so many bytes, which steer chunks, wait for no window: others would wait behind them, and they are rare
/// where they are long.
const SHORT_BYTES_MAX: usize = 16 << 10;

/// Why no further message can be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// The stream or connection ended.
    #[error("the connection ended")]
    Ended,
    /// The bytes are not a message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Reads messages.
#[derive(Debug)]
pub(super) struct MessageReader(quinn::RecvStream);

impl MessageReader {
    pub(super) fn new(stream: quinn::RecvStream) -> Self {
        Self(stream)
    }

    /// The next message, of at most `limit` bytes. Not cancellation-safe: read from one task.
    pub(super) async fn read(&mut self, limit: usize) -> Result<PeerMessage, MessageError> {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).await.map_err(|_| MessageError::Ended)?;
        let found = u32::from_le_bytes(prefix) as usize;
        if found > limit {
            return Err(WireError::TooLong { found, limit }.into());
        }
        // Grown as bytes arrive: a length alone reserves nothing.
        let mut body = Vec::new();
        while body.len() < found {
            let piece = self.0.read_chunk(found - body.len(), true).await.map_err(|_| MessageError::Ended)?;
            body.extend_from_slice(&piece.ok_or(MessageError::Ended)?.bytes);
        }
        Ok(wire::decode(&body)?)
    }
}

/// Writes messages.
#[derive(Debug)]
pub(super) struct MessageWriter(quinn::SendStream);

impl MessageWriter {
    pub(super) fn new(stream: quinn::SendStream) -> Self {
        // Messages go before chunk bytes: they are small and steer them.
        let _ = stream.set_priority(i32::MAX);
        Self(stream)
    }

    /// Writes one message; a long one through the gate.
    pub(super) async fn write(&mut self, message: &PeerMessage, gated: &mut Gated<'_>) -> Result<(), MessageError> {
        let body = wire::encode(message);
        self.0.write_all(&(body.len() as u32).to_le_bytes()).await.map_err(|_| MessageError::Ended)?;
        let is_short = body.len() <= SHORT_BYTES_MAX;
        let mut rest = &body[..];
        while !rest.is_empty() {
            let now = if is_short { rest.len() } else { gated.pass(Urgency::Play, rest.len()).await };
            let (piece, later) = rest.split_at(now);
            self.0.write_all(piece).await.map_err(|_| MessageError::Ended)?;
            rest = later;
        }
        Ok(())
    }
}
