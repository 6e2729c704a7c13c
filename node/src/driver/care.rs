//! Looking after the store: which releases a damaged chunk belongs to, and fetching it again.

use super::Driver;
use crate::handle::care::Question;
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::{ChunkId, ReleaseId};
use karez_protocol::wire::control::SignedRelease;

impl Driver {
    pub(super) fn on_care(&mut self, question: Question) {
        match question {
            Question::Lost(chunks, reply) => {
                let unnamed = chunks.into_iter().filter(|chunk| !self.lose(chunk)).collect();
                // Whoever asked may have gone; the chunks are fetched all the same.
                let _ = reply.send(unnamed);
            }
            Question::Mend(release) => self.mend(*release),
        }
    }

    /// The store no longer has a chunk: every release that counts it as held fetches it again. False when none needs it.
    fn lose(&mut self, chunk: &ChunkId) -> bool {
        let named = self.transfers.values().filter_map(|transfer| {
            let index = transfer.layout.index_of(chunk)?;
            Some((transfer.release, index, transfer.wanted || transfer.complete))
        });
        let named: Vec<(ReleaseId, ChunkIndex, bool)> = named.collect();
        named.iter().for_each(|(release, index, _)| self.on_lost(release, *index));
        named.iter().any(|(_, _, needed)| *needed)
    }

    /// An older version that is kept (a pin holds it) is fetched like a wanted one until it is whole again.
    fn mend(&mut self, held: HeldRelease) {
        let collection = held.collection.clone();
        match self.check(&SignedRelease { release: held.signed, root: held.root }) {
            Ok(known) => {
                self.begin(&collection, &known, true);
                self.contact.hurry();
            }
            Err(cause) => tracing::warn!(%collection, %cause, "a version in the store is no longer valid"),
        }
    }
}
