//! Those who want to look into a collection: show, open, and the urgent chunks of somebody who is watching.

use super::shown::Look;
use super::transfer::{Stage, Transfer};
use super::{Driver, Outcome, catalogue::Known};
use crate::handle::view::SearchRow;
use crate::handle::{HandleError, Pull, Shown};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::Input;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a reader waits for a description: a page over a slow satellite link.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who waits for chunks asks again within this time, or has gone: a film on pause.
const WATCHED_FOR: Duration = Duration::from_secs(60);

type ShowReply = oneshot::Sender<Result<Shown, HandleError>>;
type OpenReply = oneshot::Sender<Result<Pull, HandleError>>;

/// Somebody who waits for a description.
#[derive(Debug)]
pub(super) struct Waiting {
    collection: CollectionName,
    release: ReleaseId,
    until: Instant,
    reply: Reply,
}

#[derive(Debug)]
enum Reply {
    Show(ShowReply),
    Open(OpenReply),
}

impl Reply {
    /// Whoever asked has gone.
    fn is_closed(&self) -> bool {
        match self {
            Self::Show(reply) => reply.is_closed(),
            Self::Open(reply) => reply.is_closed(),
        }
    }
}

impl Driver {
    pub(super) fn search(&self, query: &str) -> Vec<SearchRow> {
        let query = query.to_lowercase();
        let hit = |(name, known): &(&CollectionName, &Known)| {
            let metadata = &known.root.metadata;
            let texts = [Some(&metadata.title), metadata.description.as_ref(), metadata.subject.as_ref()];
            name.to_string().to_lowercase().contains(&query)
                || texts.into_iter().flatten().chain(&metadata.creators).any(|t| t.to_lowercase().contains(&query))
        };
        self.catalogue.iter().filter(hit).map(|(name, known)| self.row(name, known)).collect()
    }

    fn row(&self, collection: &CollectionName, known: &Known) -> SearchRow {
        let metadata = &known.root.metadata;
        SearchRow {
            collection: collection.to_string(),
            version: known.version(),
            title: metadata.title.clone(),
            kind: metadata.kind.name().into(),
            description: metadata.description.clone(),
            languages: metadata.languages.clone(),
            items: known.root.items,
            plain_bytes: known.root.plain_bytes,
            stored_bytes: known.root.stored_bytes,
            issued: known.release.value().issued,
            held_version: self.complete_version(collection),
        }
    }

    pub(super) fn complete_version(&self, collection: &CollectionName) -> Option<u64> {
        let complete = self.transfers.values().filter(|t| t.complete && t.collection == *collection);
        complete.map(|transfer| transfer.version).max()
    }

    pub(super) fn show(&mut self, collection: CollectionName, reply: ShowReply) {
        let Some(known) = self.catalogue.get(&collection).cloned() else {
            let unknown = HandleError::UnknownCollection { collection: collection.to_string() };
            return drop(reply.send(Err(unknown)));
        };
        self.begin(&collection, &known, false);
        self.wait(collection, known.id(), Reply::Show(reply));
    }

    /// The newest complete version is read undisturbed; without one, the version being fetched.
    pub(super) fn open(&mut self, collection: CollectionName, reply: OpenReply) {
        self.note_opened(&collection);
        let complete = self.transfers.values().filter(|t| t.complete && t.collection == collection);
        if let Some(transfer) = complete.max_by_key(|transfer| transfer.version) {
            return drop(reply.send(Ok(self.pull(transfer))));
        }
        let Some(known) = self.catalogue.get(&collection).cloned() else {
            let unknown = HandleError::UnknownCollection { collection: collection.to_string() };
            return drop(reply.send(Err(unknown)));
        };
        self.begin(&collection, &known, false);
        self.wait(collection, known.id(), Reply::Open(reply));
    }

    fn wait(&mut self, collection: CollectionName, release: ReleaseId, reply: Reply) {
        let now = Instant::now();
        self.waiting.push(Waiting { collection, release, until: now + PATIENCE, reply });
        self.answer_waiting(now);
    }

    /// Answers those whose description has come, or whose patience has ended.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting).into_iter().filter(|waiting| !waiting.reply.is_closed()) {
            let ready = self.transfers.get(&waiting.release).filter(|t| t.stage == Stage::Content);
            match (ready, waiting.reply) {
                (Some(transfer), Reply::Show(reply)) => self.answer_show(transfer, reply),
                (Some(transfer), Reply::Open(reply)) => drop(reply.send(Ok(self.pull(transfer)))),
                (None, reply) if waiting.until > now => self.waiting.push(Waiting { reply, ..waiting }),
                (None, reply) => {
                    let (collection, stopped) = (waiting.collection.to_string(), self.problems.disk());
                    let not_ready = HandleError::NotReady { collection, stopped };
                    match reply {
                        Reply::Show(reply) => drop(reply.send(Err(not_ready))),
                        Reply::Open(reply) => drop(reply.send(Err(not_ready))),
                    }
                }
            }
        }
    }

    /// Looks through the pages off the loop.
    fn answer_show(&self, transfer: &Transfer, reply: ShowReply) {
        let row = self.catalogue.get(&transfer.collection).map(|known| self.row(&transfer.collection, known));
        let look = Look {
            collection: transfer.collection.clone(),
            version: transfer.version,
            row: row.unwrap_or_default(),
            following: self.wanted.get(&transfer.collection) == Some(&true),
            gateway: self.parts.gateway.clone(),
            pages: transfer.pages.clone(),
            have: (!transfer.complete).then(|| transfer.swarm.have().clone()),
        };
        let (pull, release) = (self.pull(transfer), transfer.release);
        self.spawn(async move {
            let pages = pull.pages.clone();
            let looked = tokio::task::spawn_blocking(move || {
                look.view().map_err(|cause| (cause.to_string(), pages.missing().unwrap_or_default()))
            });
            let looked = looked.await.unwrap_or_else(|cause| Err((cause.to_string(), Vec::new())));
            let (answer, missing) = match looked {
                Ok(view) => (Ok(Shown { view, pull }), Vec::new()),
                Err((detail, missing)) => (Err(pull.cannot_read(detail, &missing)), missing),
            };
            // Whoever asked may have gone.
            let _ = reply.send(answer);
            Outcome::PagesMissing(release, missing)
        });
    }

    fn pull(&self, transfer: &Transfer) -> Pull {
        Pull {
            collection: transfer.collection.clone(),
            version: transfer.version,
            pages: transfer.pages.clone(),
            store: self.parts.store.clone(),
            changes: transfer.changes.subscribe(),
        }
    }

    /// Somebody is watching: these chunks first. Of a collection that is not fetched, these alone.
    pub(super) fn urgent(&mut self, collection: &CollectionName, version: u64, chunks: Vec<ChunkIndex>) {
        let fits = |t: &&Transfer| t.collection == *collection && t.version == version;
        let Some(release) = self.transfers.values().find(fits).map(|transfer| transfer.release) else { return };
        self.watch(&release);
        self.find_lost(&release, &chunks);
        let now = self.now();
        if let Some(transfer) = self.transfers.get_mut(&release) {
            transfer.swarm.handle(now, Input::Urgent(chunks));
        }
        self.pump(&release);
    }

    fn watch(&mut self, release: &ReleaseId) {
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        let first = transfer.watched.replace(Instant::now() + WATCHED_FOR).is_none() && !transfer.wanted;
        let collection = transfer.collection.clone();
        if !first {
            return;
        }
        // A restart must know what its chunks belong to.
        if let Some(known) = self.catalogue.get(&collection).filter(|known| known.id() == *release).cloned()
            && self.stored.insert(*release)
        {
            self.save(collection, &known);
        }
        self.feed_content(release);
        self.introduce(release);
        self.tell_wants(release, true);
        self.contact.hurry();
    }

    /// Nobody has asked for any chunk for a while.
    pub(super) fn end_watches(&mut self, now: Instant) {
        let ended = |t: &&mut Transfer| t.watched.is_some_and(|until| until <= now);
        let ended = self.transfers.values_mut().filter(ended).map(|transfer| {
            transfer.watched = None;
            (transfer.release, transfer.wanted)
        });
        for (release, _) in ended.collect::<Vec<_>>().into_iter().filter(|(_, wanted)| !wanted) {
            self.tell_wants(&release, false);
        }
    }

    /// A reader misses these although they count as held: the store may have found them damaged.
    pub(super) fn find_lost(&mut self, release: &ReleaseId, chunks: &[ChunkIndex]) {
        let Some(transfer) = self.transfers.get(release) else { return };
        let gone = |chunk: &&ChunkIndex| {
            let entry = transfer.pages.entry(**chunk).ok().flatten();
            let here = entry.is_none_or(|entry| self.parts.store.contains(&entry.id).unwrap_or(true));
            transfer.swarm.have().contains(**chunk) && !here
        };
        let gone: Vec<_> = chunks.iter().filter(gone).copied().collect();
        gone.into_iter().for_each(|chunk| self.on_lost(release, chunk));
    }
}
