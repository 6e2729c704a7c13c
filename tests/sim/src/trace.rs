//! What happened, as numbers: two runs are the same when these are.

use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::swarm::io::Input;

/// Numbers that tell one event from another, hashed in order.
#[derive(Debug, Default)]
pub(super) struct Trace(blake3::Hasher);

impl Trace {
    pub(super) fn note(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| _ = self.0.update(&number.to_le_bytes()));
    }

    pub(super) fn note_chunks(&mut self, chunks: &[ChunkIndex]) {
        chunks.iter().for_each(|chunk| self.note(&[u64::from(chunk.0)]));
    }

    pub(super) fn note_input(&mut self, input: &Input) {
        match input {
            Input::PeerHas { set, .. } => self.note(&[1, set.len()]),
            Input::PeerGained { gained, coming, .. } => {
                self.note(&[2, gained.len() as u64]);
                self.note_chunks(gained);
                self.note_chunks(coming);
            }
            Input::PeerRefused { chunks, .. } => {
                self.note(&[3]);
                self.note_chunks(chunks);
            }
            Input::Progress { bytes, .. } => self.note(&[4, *bytes]),
            Input::Received { chunk, .. } => self.note(&[5, u64::from(chunk.0)]),
            Input::PeerWants { wants, .. } => self.note(&[6, u64::from(*wants)]),
            _ => self.note(&[7]),
        }
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
