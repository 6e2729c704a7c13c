//! What looking after the store asks of the driver, which alone knows what is in use.

use super::{Command, Handle, HandleError, Pull};
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::name::{CollectionName, PublisherName};
use karez_protocol::wire::control::HeldVersion;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// A question of those who look after the store.
#[derive(Debug)]
pub enum Question {
    /// These chunks were found damaged: fetch them again. Those that no release at work names come back.
    Lost(Vec<ChunkId>, oneshot::Sender<Vec<ChunkId>>),
    /// Make a version that is in the store whole again.
    Mend(Box<HeldRelease>),
    /// What is at work and known.
    Look(oneshot::Sender<Box<Look>>),
    /// Let go of these versions; the collections named go as a whole. False, and nothing is done, when one is in use.
    Retire(Vec<HeldRelease>, BTreeSet<CollectionName>, oneshot::Sender<bool>),
    /// The files of these are gone; who is wanted again meanwhile is written again.
    Retired(Vec<HeldRelease>),
}

/// A release at work.
#[derive(Debug, Clone)]
pub struct AtWork {
    /// The collection.
    pub collection: CollectionName,
    /// The version.
    pub version: u64,
    /// Its root page.
    pub root: ManifestRoot,
    /// All of it is to be here.
    pub wanted: bool,
    /// All of it is here.
    pub complete: bool,
    /// Somebody reads it.
    pub in_use: bool,
    /// All its pages were here, so that its other chunks may be counted on.
    pub described: bool,
}

/// Another member, as far as it was heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Whether it belongs to the same county.
    pub same_county: bool,
    /// Whether it said what it holds since this node started.
    pub heard: bool,
    /// What it said last.
    pub held: Vec<HeldVersion>,
}

/// What is at work and known, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Releases at work.
    pub at_work: Vec<AtWork>,
    /// Collections whose new versions come unasked.
    pub following: BTreeSet<CollectionName>,
    /// The namespace that this node publishes in.
    pub publisher: Option<PublisherName>,
    /// When each collection was opened last, as a number that grows; those that never were are missing.
    pub opened: BTreeMap<CollectionName, u64>,
    /// The other members.
    pub members: Vec<Neighbour>,
    /// Folders that are being packed.
    pub publishing: usize,
    /// Bytes that what is wanted still needs.
    pub needed_bytes: u64,
}

impl Look {
    /// A release at work by name.
    pub fn at_work(&self, collection: &CollectionName, version: u64) -> Option<&AtWork> {
        self.at_work.iter().find(|work| work.collection == *collection && work.version == version)
    }
}

impl Handle {
    /// Says that chunks were found damaged; answers with those that no release at work names.
    pub async fn lost(&self, chunks: Vec<ChunkId>) -> Result<Vec<ChunkId>, HandleError> {
        self.ask(|reply| Command::Care(Question::Lost(chunks, reply))).await
    }

    /// Says that a reader failed at pages of a release; answers with what to tell whoever reads. Missing pages are fetched
    /// again.
    pub async fn unreadable(&self, pull: &Pull, detail: String) -> HandleError {
        let pages = pull.pages.clone();
        let missing =
            tokio::task::spawn_blocking(move || pages.missing().unwrap_or_default()).await.unwrap_or_default();
        let root = pull.pages.root();
        let ids = missing.iter().map(|page| root.pages[page.0 as usize].entry.id).collect::<Vec<_>>();
        if !ids.is_empty() {
            // A driver that is gone needs no hints.
            let _ = self.lost(ids).await;
        }
        pull.cannot_read(detail, &missing)
    }

    /// Asks for a version in the store to be made whole again.
    pub async fn mend(&self, release: HeldRelease) -> Result<(), HandleError> {
        self.tell(Question::Mend(Box::new(release))).await
    }

    /// What is at work and known.
    pub async fn look(&self) -> Result<Look, HandleError> {
        Ok(*self.ask(|reply| Command::Care(Question::Look(reply))).await?)
    }

    /// Asks the driver to let go of versions before their files go; false when one of them is in use.
    pub async fn retire(
        &self,
        releases: Vec<HeldRelease>,
        whole: BTreeSet<CollectionName>,
    ) -> Result<bool, HandleError> {
        self.ask(|reply| Command::Care(Question::Retire(releases, whole, reply))).await
    }

    /// Says that the files of versions are gone.
    pub async fn retired(&self, releases: Vec<HeldRelease>) -> Result<(), HandleError> {
        self.tell(Question::Retired(releases)).await
    }

    async fn tell(&self, question: Question) -> Result<(), HandleError> {
        self.commands.send(Command::Care(question)).await.map_err(|_| HandleError::Stopping)
    }
}
