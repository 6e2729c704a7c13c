//! Those who want to look into a collection: show, open, and the urgent chunks of somebody who is watching.

use super::transfer::{Stage, Transfer};
use super::{Driver, catalogue::Known};
use crate::handle::view::{CollectionView, FileView, ItemView, SearchRow};
use crate::handle::{HandleError, Pull};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::layout::File;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::Input;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a reader waits for a description: a page over a slow satellite link.
const PATIENCE: Duration = Duration::from_secs(20);

type ShowReply = oneshot::Sender<Result<CollectionView, HandleError>>;
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
        self.contact.hurry();
        self.waiting.push(Waiting { collection, release, until: now + PATIENCE, reply });
        self.answer_waiting(now);
    }

    /// Answers those whose description has come, or whose patience has ended.
    pub(super) fn answer_waiting(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting) {
            let ready = self.transfers.get(&waiting.release).filter(|t| t.stage == Stage::Content);
            match (ready, waiting.reply) {
                (Some(transfer), Reply::Show(reply)) => drop(reply.send(Ok(self.view(transfer)))),
                (Some(transfer), Reply::Open(reply)) => drop(reply.send(Ok(self.pull(transfer)))),
                (None, reply) if waiting.until > now => self.waiting.push(Waiting { reply, ..waiting }),
                (None, reply) => {
                    let not_ready = HandleError::NotReady { collection: waiting.collection.to_string() };
                    match reply {
                        Reply::Show(reply) => drop(reply.send(Err(not_ready))),
                        Reply::Open(reply) => drop(reply.send(Err(not_ready))),
                    }
                }
            }
        }
    }

    fn pull(&self, transfer: &Transfer) -> Pull {
        Pull {
            collection: transfer.collection.clone(),
            version: transfer.version,
            layout: transfer.layout.clone(),
            store: self.parts.store.clone(),
            changes: transfer.changes.subscribe(),
        }
    }

    /// Somebody is watching: these chunks first. A collection that is not fetched yet is from now on.
    pub(super) fn urgent(&mut self, collection: &CollectionName, version: u64, chunks: Vec<ChunkIndex>) {
        let fits = |t: &&Transfer| t.collection == *collection && t.version == version;
        let Some(release) = self.transfers.values().find(fits).map(|transfer| transfer.release) else { return };
        if self.transfers.get(&release).is_some_and(|transfer| !transfer.wanted) {
            // The newest version is what the reader opened, unless it changed just now; then this one still is fetched.
            let _ = self.want(collection.clone(), None);
        }
        self.find_lost(&release, &chunks);
        let now = self.now();
        if let Some(transfer) = self.transfers.get_mut(&release) {
            transfer.wanted = true;
            transfer.swarm.handle(now, Input::Urgent(chunks));
        }
        self.pump(&release);
    }

    /// A reader misses these although they count as held: the store may have found them damaged.
    fn find_lost(&mut self, release: &ReleaseId, chunks: &[ChunkIndex]) {
        let Some(transfer) = self.transfers.get(release) else { return };
        let gone = |chunk: &&ChunkIndex| {
            let entry = transfer.layout.entry(**chunk);
            let here = entry.is_none_or(|entry| self.parts.store.contains(&entry.id).unwrap_or(true));
            transfer.swarm.have().contains(**chunk) && !here
        };
        let gone: Vec<_> = chunks.iter().filter(gone).copied().collect();
        gone.into_iter().for_each(|chunk| self.on_lost(release, chunk));
    }

    fn view(&self, transfer: &Transfer) -> CollectionView {
        let metadata = &transfer.layout.root().metadata;
        let row = self.catalogue.get(&transfer.collection).map(|known| self.row(&transfer.collection, known));
        CollectionView {
            row: row.unwrap_or_default(),
            shown_version: transfer.version,
            wire_bytes: missing_bytes(transfer),
            copy_bytes: transfer.layout.root().plain_bytes,
            following: self.wanted.get(&transfer.collection) == Some(&true),
            licence: metadata.licence.clone(),
            creators: metadata.creators.clone(),
            items: self.items(transfer),
        }
    }

    fn items(&self, transfer: &Transfer) -> Vec<ItemView> {
        let mut titles: BTreeMap<&str, &str> = BTreeMap::new();
        let mut orders: BTreeMap<&str, &str> = BTreeMap::new();
        let mut films: BTreeMap<&str, &str> = BTreeMap::new();
        for item in transfer.layout.items() {
            titles.entry(&item.key).or_insert(&item.title);
            films.extend(
                item.ext.iter().filter_map(|(name, words)| Some((name.strip_prefix("film:")?, words.as_str()))),
            );
            orders.extend(item.ext.get("order").map(|order| (item.key.as_str(), order.as_str())));
        }
        let mut items: Vec<ItemView> = Vec::new();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for file in transfer.layout.files() {
            let at = *numbers.entry(file.item.to_owned()).or_insert_with(|| {
                let title = titles.get(file.item).map_or(file.item, |title| title);
                let number = items.len() as u64 + 1;
                items.push(ItemView { number, key: file.item.into(), title: title.into(), ..ItemView::default() });
                items.len() - 1
            });
            items[at].bytes += file.head.size;
            items[at].have_bytes += have_bytes(transfer, &file);
            items[at].files.push(self.file(transfer, &file, films.get(file.head.path.as_str()).copied()));
        }
        in_course_order(&mut items, &orders);
        items
    }

    fn file(&self, transfer: &Transfer, file: &File<'_>, words: Option<&str>) -> FileView {
        let path = file.head.path.as_str();
        let url = self.parts.gateway.as_ref().map(|base| format!("{base}/c/{}/{}", transfer.collection, encode(path)));
        FileView {
            path: path.into(),
            role: file.head.role.name().into(),
            media_type: file.head.media_type.clone(),
            bytes: file.head.size,
            url,
            height: film_fact(words, "height").and_then(|lines| u32::try_from(lines).ok()),
            bitrate: film_fact(words, "bitrate"),
        }
    }
}

/// A number among the facts of a film: words `name=value`.
fn film_fact(words: Option<&str>, name: &str) -> Option<u64> {
    let mut pairs = words?.split(' ').filter_map(|word| word.split_once('='));
    pairs.find(|(known, _)| *known == name)?.1.parse().ok()
}

/// Items that have a place in a course come first, in its order; numbers follow what people see.
fn in_course_order(items: &mut [ItemView], orders: &BTreeMap<&str, &str>) {
    items.sort_by_key(|item| orders.get(item.key.as_str()).map_or((1, ""), |order| (0, *order)));
    for (at, item) in items.iter_mut().enumerate() {
        item.number = at as u64 + 1;
    }
}

/// Bytes a pull would put on the wire: every chunk of the release that is not here.
fn missing_bytes(transfer: &Transfer) -> u64 {
    let missing = transfer.layout.entries().filter(|(index, _)| !holds(transfer, *index));
    missing.map(|(_, entry)| u64::from(entry.stored_len)).sum()
}

fn have_bytes(transfer: &Transfer, file: &File<'_>) -> u64 {
    let slices = transfer.layout.slices(file, 0..file.head.size);
    slices.iter().filter(|slice| holds(transfer, slice.chunk)).map(|slice| u64::from(slice.len)).sum()
}

fn holds(transfer: &Transfer, chunk: ChunkIndex) -> bool {
    transfer.complete || transfer.swarm.have().contains(chunk)
}

/// Percent-encodes a path for a URL (RFC 3986), slashes kept.
fn encode(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_keeps_its_order() {
        let item = |key: &str| ItemView { key: key.into(), ..ItemView::default() };
        let mut items = vec![item("a"), item("b"), item("c"), item("d")];
        in_course_order(&mut items, &BTreeMap::from([("c", "000001"), ("b", "000002")]));
        let shown: Vec<_> = items.iter().map(|item| (item.number, item.key.as_str())).collect();
        assert_eq!(shown, [(1, "c"), (2, "b"), (3, "a"), (4, "d")]);
    }

    #[test]
    fn urls_are_percent_encoded() {
        assert_eq!(super::encode("02-坎/a b.mp4"), "02-%E5%9D%8E/a%20b.mp4");
    }
}
