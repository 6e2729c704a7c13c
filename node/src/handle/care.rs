//! What looking after the store asks of the driver, which alone knows what is in use.

use super::{Command, Handle, HandleError};
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::hash::ChunkId;
use tokio::sync::oneshot;

/// A question of those who look after the store.
#[derive(Debug)]
pub enum Question {
    /// These chunks were found damaged: fetch them again. Those that no release at work names come back.
    Lost(Vec<ChunkId>, oneshot::Sender<Vec<ChunkId>>),
    /// Make a version that is in the store whole again.
    Mend(Box<HeldRelease>),
}

impl Handle {
    /// Says that chunks were found damaged; answers with those that no release at work names.
    pub async fn lost(&self, chunks: Vec<ChunkId>) -> Result<Vec<ChunkId>, HandleError> {
        self.ask(|reply| Command::Care(Question::Lost(chunks, reply))).await
    }

    /// Asks for a version in the store to be made whole again.
    pub async fn mend(&self, release: HeldRelease) -> Result<(), HandleError> {
        let command = Command::Care(Question::Mend(Box::new(release)));
        self.commands.send(command).await.map_err(|_| HandleError::Stopping)
    }
}
