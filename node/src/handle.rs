//! The one door between the daemon's loop (`driver`) and those who ask it things (`gateway`, `api`).
//!
//! A [`Handle`] is cheap to clone. Questions are commands with a reply channel; long work reports through a bounded
//! channel of events. File bytes do not pass here: readers take the store itself and wait on [`Pull::changes`].

pub mod care;
pub mod courier;
pub mod view;

mod pack_failure;
mod sentence;

pub use pack_failure::{BadNameView, PackFailure};

use crate::trouble::StoreFault;
use courier::Courier;
use karez_content_tools::pages::Pages;
use karez_content_tools::rendition::Height;
use karez_content_tools::store::{Store, StoreError};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::name::CollectionName;
use karez_protocol::wire::control::SignedRelease;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use view::{CollectionView, NoticeView, Published, SearchRow, Status};

/// Commands that may wait in the driver's inbox.
pub const COMMANDS_MAX: usize = 256;

/// Why the daemon cannot do what was asked.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum HandleError {
    /// Neither the catalogue nor the store knows it.
    #[error("no collection '{collection}' in the catalogue: `karez search` lists what there is")]
    UnknownCollection {
        /// The name asked for.
        collection: String,
    },
    /// The collection has no such item.
    #[error("'{collection}' has no item '{item}': `karez show {collection}` lists its items")]
    UnknownItem {
        /// The collection.
        collection: String,
        /// The item asked for.
        item: String,
    },
    /// The collection has no such file.
    #[error("'{collection}' has no file '{path}'")]
    UnknownFile {
        /// The collection.
        collection: String,
        /// The path asked for.
        path: String,
    },
    /// Its manifest is still on its way.
    #[error("the description of '{collection}' has not arrived yet: {}", waits_for(stopped.as_ref()))]
    NotReady {
        /// The collection.
        collection: String,
        /// What keeps the store from taking it.
        stopped: Option<StoreFault>,
    },
    /// Nobody asks for the rest of it any more.
    #[error("'{collection}' was given up (`karez unfollow`): pull it again to go on with what is here")]
    GivenUp {
        /// The collection.
        collection: String,
    },
    /// This node owns no namespace of that name.
    #[error("this node may not publish as '{publisher}': its invite names {}", if owned.is_empty() { "no publisher" } else { owned })]
    NotPublisher {
        /// The namespace asked for.
        publisher: String,
        /// The namespaces it owns, or nothing.
        owned: String,
    },
    /// The folder was not published.
    #[error(transparent)]
    Pack(PackFailure),
    /// A compressed tar in the folder. Nothing was published.
    #[error("{path} is a compressed archive: unpack it, or publish with --unpack")]
    CompressedTar {
        /// The archive.
        path: PathBuf,
        /// Whether `--unpack` can read it.
        can_unpack: bool,
    },
    /// The folder is not for everybody. Nothing was published.
    #[error("collection.toml says sensitivity = \"{found}\": only open collections can be published so far")]
    Sensitivity {
        /// The class named.
        found: String,
    },
    /// Renditions were asked for and a program for them is missing. Nothing was published.
    #[error("renditions need {program}, which is not installed: on Debian and Ubuntu `apt install ffmpeg`")]
    NoFfmpeg {
        /// `ffmpeg` or `ffprobe`.
        program: String,
    },
    /// A rendition could not be made. Nothing was published.
    #[error("ffmpeg failed on {path}: {line} (its log is {log})")]
    Ffmpeg {
        /// The film.
        path: PathBuf,
        /// The last line that it wrote.
        line: String,
        /// All that it wrote.
        log: PathBuf,
    },
    /// Files that must not become public. Nothing was published.
    #[error("{} files or tags must not become public: the list says which and why", refusals.len() as u64 + more)]
    Refused {
        /// The first of them.
        refusals: Vec<NoticeView>,
        /// How many more there are.
        more: u64,
    },
    /// Something else has to end first: `publish`, `import` or `use`.
    #[error("this has to wait: {work} is under way; try again when it has ended")]
    Busy {
        /// What is under way.
        work: String,
    },
    /// A release file says nothing any more, and what it named may still be needed. Nothing was removed.
    #[error("{path} is damaged: remove it, then pull or publish that again; until then nothing is removed")]
    DamagedRelease {
        /// The file.
        path: String,
    },
    /// The store refused something, typed.
    #[error("{fault}")]
    Fault {
        /// Why.
        fault: StoreFault,
    },
    /// The store failed; the text says what to do.
    #[error("{detail}")]
    Store {
        /// What the store said.
        detail: String,
    },
    /// The daemon is stopping.
    #[error("the node is stopping")]
    Stopping,
}

fn waits_for(stopped: Option<&StoreFault>) -> String {
    stopped.map_or_else(|| "try again in a moment, or see `karez status`".into(), ToString::to_string)
}

impl From<StoreError> for HandleError {
    fn from(error: StoreError) -> Self {
        match StoreFault::from(&error) {
            _ if let StoreError::DamagedRelease { path } = &error => {
                Self::DamagedRelease { path: path.display().to_string() }
            }
            StoreFault::Other { detail } => Self::Store { detail },
            fault => Self::Fault { fault },
        }
    }
}

/// What to publish.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PublishRequest {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// `publisher/name`.
    pub collection: String,
    /// Kind by name, over `collection.toml`.
    pub kind: Option<String>,
    /// Title, over `collection.toml`.
    pub title: Option<String>,
    /// Publish what is inside compressed tars instead of refusing these.
    #[serde(default)]
    pub unpack: bool,
    /// Publish archives of consultations and care that could not be looked into.
    #[serde(default)]
    pub unchecked: bool,
    /// Heights at which films are published as well.
    #[serde(default)]
    pub renditions: Vec<Height>,
    /// Leave in the folder what does not compress, instead of copying it.
    #[serde(default)]
    pub in_place: bool,
}

/// Progress of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishEvent {
    /// Reading and cutting.
    Packing {
        /// Files finished.
        files: u64,
        /// Bytes read.
        bytes: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A rendition is being made, before packing begins.
    Rendering {
        /// Its height, such as `360p`.
        height: String,
        /// Renditions finished.
        done: u64,
        /// Renditions in all.
        renditions: u64,
        /// Milliseconds of film encoded.
        ms: u64,
        /// Milliseconds in all, as far as they are known.
        total_ms: u64,
    },
    /// Finished.
    Done(Box<Published>),
    /// It failed; nothing was published.
    Failed(HandleError),
}

/// A release this node holds or is fetching, as readers see it.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The collection.
    pub collection: CollectionName,
    /// Version.
    pub version: u64,
    /// The manifest's pages, all of which are in the store.
    pub pages: Arc<Pages<'static>>,
    /// The store that holds its chunks.
    pub store: Arc<Store>,
    /// Counts stored chunks of this release: wait on it, then look into the store again.
    pub changes: watch::Receiver<u64>,
}

impl Pull {
    /// What to say when its pages cannot be read: those that are missing are on their way again as soon as the driver knows.
    pub fn cannot_read(&self, detail: String, missing: &[ChunkIndex]) -> HandleError {
        match missing.is_empty() {
            true => HandleError::Store { detail },
            false => HandleError::NotReady { collection: self.collection.to_string(), stopped: None },
        }
    }
}

/// A collection as it is shown, and the version shown for whoever wants to look further.
#[derive(Debug)]
pub struct Shown {
    /// For people.
    pub view: CollectionView,
    /// The version shown, whole or on its way.
    pub pull: Pull,
}

/// A command to the driver.
#[derive(Debug)]
pub enum Command {
    /// Catalogue rows that match.
    Search(String, oneshot::Sender<Vec<SearchRow>>),
    /// One collection with its items.
    Show(CollectionName, oneshot::Sender<Result<Shown, HandleError>>),
    /// Start (or go on) fetching the newest version known.
    Want(CollectionName, oneshot::Sender<Result<(), HandleError>>),
    /// Fetch new versions unasked, from now on.
    Follow(CollectionName, bool, oneshot::Sender<Result<(), HandleError>>),
    /// Open the best version for reading: the newest complete one, else the one being fetched.
    Open(CollectionName, oneshot::Sender<Result<Pull, HandleError>>),
    /// A reader waits for these chunks, in this order. The driver fetches the collection if it does not yet.
    Urgent(CollectionName, u64, Vec<ChunkIndex>),
    /// Pack, sign and list a folder.
    Publish(PublishRequest, Option<Kind>, mpsc::Sender<PublishEvent>),
    /// Everything `karez status` shows.
    Status(oneshot::Sender<Status>),
    /// What carrying bundles needs to know.
    Courier(oneshot::Sender<Box<Courier>>),
    /// A bundle brought these checked releases, and chunks of them into the store.
    Imported(Vec<SignedRelease>, oneshot::Sender<()>),
    /// A question of those who look after the store.
    Care(care::Question),
    /// Leave the loop.
    Stop,
}

impl Command {
    /// The collection it needs to be known.
    pub fn collection(&self) -> Option<&CollectionName> {
        match self {
            Self::Show(collection, _) | Self::Want(collection, _) => Some(collection),
            Self::Follow(collection, ..) | Self::Open(collection, _) => Some(collection),
            Self::Search(..) | Self::Urgent(..) | Self::Publish(..) | Self::Status(_) | Self::Stop => None,
            Self::Courier(_) | Self::Imported(..) | Self::Care(_) => None,
        }
    }
}

/// The door.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// A handle and the driver's end of it.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        (Self { commands }, inbox)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, HandleError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| HandleError::Stopping)?;
        answer.await.map_err(|_| HandleError::Stopping)
    }

    /// Catalogue rows whose title, name, description or creators contain `query` (all when empty).
    pub async fn search(&self, query: String) -> Result<Vec<SearchRow>, HandleError> {
        self.ask(|reply| Command::Search(query, reply)).await
    }

    /// One collection with its items; fetches its description first when the node does not hold it.
    pub async fn show(&self, collection: CollectionName) -> Result<Shown, HandleError> {
        self.ask(|reply| Command::Show(collection, reply)).await?
    }

    /// Starts or goes on fetching the newest version known.
    pub async fn want(&self, collection: CollectionName) -> Result<(), HandleError> {
        self.ask(|reply| Command::Want(collection, reply)).await?
    }

    /// Follows or stops following a collection.
    pub async fn follow(&self, collection: CollectionName, on: bool) -> Result<(), HandleError> {
        self.ask(|reply| Command::Follow(collection, on, reply)).await?
    }

    /// Opens a collection for reading.
    pub async fn open(&self, collection: CollectionName) -> Result<Pull, HandleError> {
        self.ask(|reply| Command::Open(collection, reply)).await?
    }

    /// Says that a reader waits for these chunks of this version.
    pub async fn urgent(&self, collection: CollectionName, version: u64, chunks: Vec<ChunkIndex>) {
        // A driver that is gone needs no hints.
        let _ = self.commands.send(Command::Urgent(collection, version, chunks)).await;
    }

    /// Publishes a folder; the receiver yields progress and then `Done` or `Failed`.
    pub async fn publish(
        &self,
        request: PublishRequest,
        kind: Option<Kind>,
    ) -> Result<mpsc::Receiver<PublishEvent>, HandleError> {
        let (events, receiver) = mpsc::channel(16);
        let command = Command::Publish(request, kind, events);
        self.commands.send(command).await.map_err(|_| HandleError::Stopping)?;
        Ok(receiver)
    }

    /// The node's state.
    pub async fn status(&self) -> Result<Status, HandleError> {
        self.ask(Command::Status).await
    }

    /// What carrying bundles needs to know.
    pub async fn courier(&self) -> Result<Courier, HandleError> {
        Ok(*self.ask(Command::Courier).await?)
    }

    /// Says that a bundle was taken in.
    pub async fn imported(&self, releases: Vec<SignedRelease>) -> Result<(), HandleError> {
        self.ask(|reply| Command::Imported(releases, reply)).await
    }

    /// Asks the driver to leave its loop.
    pub async fn stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
    }
}
