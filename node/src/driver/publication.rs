//! Publishing a folder: pack, sign, keep, list.

use super::catalogue::Known;
use super::{Driver, Outcome, Topic};
use crate::handle::view::{NoticeView, PlansView, Published, SkippedView};
use crate::handle::{HandleError, PackFailure, PublishEvent, PublishRequest};
use crate::state::Change;
use crate::trouble::Problem;
use karez_content_tools::pack::{self, PackOptions, Packed};
use karez_content_tools::pages::Pages;
use karez_content_tools::quote::{self, Held};
use karez_content_tools::store::{HeldRelease, Store};
use karez_protocol::content::Document as _;
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::wire::control::SignedRelease;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// A publisher who waits for the outcome.
#[derive(Debug)]
pub(crate) struct Pending {
    published: Published,
    events: mpsc::Sender<PublishEvent>,
}

/// A release made here on its way into the store.
#[derive(Debug)]
pub(crate) struct Keeping {
    collection: CollectionName,
    known: Known,
    pending: Pending,
    result: Result<(), String>,
}

/// A folder that was packed, or not.
#[derive(Debug)]
pub(crate) struct Packing {
    collection: CollectionName,
    result: Result<(Packed, u64), HandleError>,
    events: mpsc::Sender<PublishEvent>,
}

/// Packs a folder and works out what a follower of the version before fetches. Blocking.
fn pack(
    store: &Store,
    request: &PublishRequest,
    options: &PackOptions,
    before: Option<&[u8]>,
    events: &mpsc::Sender<PublishEvent>,
) -> Result<(Packed, u64), HandleError> {
    let mut progress = |at: pack::Progress| {
        // Progress is for people; a slow reader misses some.
        let _ = events.try_send(event(at));
    };
    let failed = |detail: String| HandleError::from(PackFailure::Other { detail });
    let packed = pack::pack(&request.dir, options, store, &mut progress)?;
    store.sync().map_err(PackFailure::from)?;
    let pages = |root: &[u8]| Pages::open(root, store).map_err(|e| failed(e.to_string()));
    let (before, after) = (before.map(pages).transpose()?, pages(&packed.root_bytes)?);
    let held = before.as_ref().map_or(Held::Nothing, Held::Version);
    let new_bytes = quote::wire_bytes(&after, held).map_err(|e| failed(e.to_string()))?;
    Ok((packed, new_bytes))
}

fn event(at: pack::Progress) -> PublishEvent {
    match at.rendering {
        Some(height) => PublishEvent::Rendering {
            height: height.to_string(),
            done: at.files_done,
            renditions: at.files_total,
            ms: at.bytes_done,
            total_ms: at.bytes_total,
        },
        None => PublishEvent::Packing { files: at.files_done, bytes: at.bytes_done, total: at.bytes_total },
    }
}

/// What the publisher is told; `new_bytes` is `None` when nothing changed.
fn published(collection: &CollectionName, version: u64, packed: &Packed, new_bytes: Option<u64>) -> Published {
    let skipped = packed.skipped.list.iter().map(SkippedView::from);
    Published {
        collection: collection.to_string(),
        version,
        manifest: packed.manifest.to_string(),
        files: packed.root.files,
        plain_bytes: packed.root.plain_bytes,
        stored_bytes: packed.root.stored_bytes,
        new_bytes: new_bytes.unwrap_or(0),
        unchanged: new_bytes.is_none(),
        listed: false,
        skipped: skipped.collect(),
        skipped_more: packed.skipped.more(),
        leftovers: packed.skipped.leftovers(),
        title: packed.root.metadata.title.clone(),
        warnings: NoticeView::all(&packed.warnings),
        warnings_more: packed.warnings.more,
        renditions: packed.renditions,
        plans: PlansView::of(&packed.plans),
        in_place_bytes: packed.in_place_bytes,
    }
}

impl Driver {
    pub(super) fn publish(&mut self, request: PublishRequest, kind: Option<Kind>, events: mpsc::Sender<PublishEvent>) {
        let collection = match self.may_publish(&request.collection) {
            Ok(collection) => collection,
            Err(cause) => return drop(events.try_send(PublishEvent::Failed(cause))),
        };
        if !self.publishing.insert(collection.clone()) {
            let failure = PackFailure::UnderWay { collection: collection.to_string() };
            return drop(events.try_send(PublishEvent::Failed(failure.into())));
        }
        let options = PackOptions {
            kind,
            title: request.title.clone(),
            unpack: request.unpack,
            unchecked: request.unchecked,
            renditions: request.renditions.clone(),
            read_all: false,
            in_place: request.in_place,
            keep_out: vec![self.parts.home.path().to_owned()],
        };
        let before = self.catalogue.get(&collection).map(|known| known.root_bytes.clone());
        let store = self.parts.store.clone();
        self.spawn(async move {
            let progress = events.clone();
            let packing = move || {
                let before = before.as_deref().map(Vec::as_slice);
                pack(&store, &request, &options, before, &progress)
            };
            let result = tokio::task::spawn_blocking(packing).await;
            let result = result.unwrap_or_else(|e| Err(PackFailure::Other { detail: e.to_string() }.into()));
            Outcome::Packed(Box::new(Packing { collection, result, events }))
        });
    }

    fn may_publish(&self, name: &str) -> Result<CollectionName, HandleError> {
        let collection: CollectionName =
            name.parse().map_err(|_| PackFailure::CollectionName { found: name.into() })?;
        if self.owns(&collection) {
            return Ok(collection);
        }
        let owned = self.parts.publisher.as_ref().map_or_else(String::new, |(name, _)| name.to_string());
        Err(HandleError::NotPublisher { publisher: collection.publisher().to_string(), owned })
    }

    pub(super) fn on_packed(&mut self, packing: Packing) {
        let Packing { collection, result, events } = packing;
        self.look_at_files();
        match result {
            Ok((packed, new_bytes)) => self.release(collection, packed, new_bytes, events),
            Err(cause) => self.fail(&collection, &events, cause),
        }
    }

    fn fail(&mut self, collection: &CollectionName, events: &mpsc::Sender<PublishEvent>, cause: HandleError) {
        self.publishing.remove(collection);
        drop(events.try_send(PublishEvent::Failed(cause)));
    }

    /// Signs the next version and keeps it, unless the folder is what the current one holds.
    fn release(
        &mut self,
        collection: CollectionName,
        packed: Packed,
        new_bytes: u64,
        events: mpsc::Sender<PublishEvent>,
    ) {
        let before = self.catalogue.get(&collection);
        let unchanged = before.is_some_and(|known| known.manifest() == packed.manifest);
        let version = before.map_or(0, Known::version) + u64::from(!unchanged);
        let published = published(&collection, version, &packed, if unchanged { None } else { Some(new_bytes) });
        if unchanged {
            let listed = !self.unlisted.contains(&collection);
            // What was missing of it was stored again just now, and nobody has told its swarm.
            let short = before.and_then(|known| self.transfers.get(&known.id())).filter(|transfer| !transfer.complete);
            short.into_iter().for_each(|transfer| self.open_transfer(transfer.release, transfer.pages.clone()));
            self.publishing.remove(&collection);
            return drop(events.try_send(PublishEvent::Done(Box::new(Published { listed, ..published }))));
        }
        let release = Release {
            header: Release::new_header(),
            collection: collection.clone(),
            version,
            manifest: packed.manifest,
            root_len: packed.root_bytes.len() as u32,
            plain_bytes: packed.root.plain_bytes,
            stored_bytes: packed.root.stored_bytes,
            new_bytes,
            issued: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            supersedes: before.map(Known::manifest),
        };
        let Some((_, key)) = &self.parts.publisher else { return };
        let release = Signed::sign(release, &self.parts.network, key.signing());
        let known = Known { release, root: Arc::new(packed.root), root_bytes: Arc::new(packed.root_bytes) };
        self.keep(collection, known, Pending { published, events });
    }

    /// Durable first, then known to others.
    fn keep(&self, collection: CollectionName, known: Known, pending: Pending) {
        let (store, held) = (self.parts.store.clone(), HeldRelease { whole: true, ..known.held() });
        self.spawn(async move {
            let saved = tokio::task::spawn_blocking(move || store.save_release(&held)).await;
            let result = saved.map_err(|e| e.to_string()).and_then(|r| r.map_err(|e| e.to_string()));
            Outcome::Kept(Box::new(Keeping { collection, known, pending, result }))
        });
    }

    pub(super) fn on_kept(&mut self, keeping: Keeping) {
        let Keeping { collection, known, pending, result } = keeping;
        let learned = result.and_then(|()| self.learn(&known.signed(), 0).map_err(|e| e.to_string()));
        if let Err(detail) = learned {
            return self.fail(&collection, &pending.events, HandleError::Store { detail });
        }
        self.publishing.remove(&collection);
        self.stored.insert(known.id());
        self.unlisted.insert(collection.clone());
        self.state.remember(Change::Unlisted { collection: collection.clone(), pending: true });
        self.begin(&collection, &known, true);
        self.list(collection, Some(Box::new(pending)));
    }

    /// Tells the tracker of a release made here.
    fn list(&mut self, collection: CollectionName, pending: Option<Box<Pending>>) {
        let Some(known) = self.catalogue.get(&collection) else { return };
        let (release, tracker): (SignedRelease, _) = (known.signed(), self.parts.tracker.clone());
        self.spawn(async move {
            let result = tracker.publish(&release).await.map_err(|cause| cause.to_string());
            Outcome::Listed(collection, result, pending)
        });
    }

    pub(super) fn on_listed(
        &mut self,
        collection: CollectionName,
        result: Result<(), String>,
        pending: Option<Box<Pending>>,
    ) {
        let listed = result.is_ok();
        match result {
            Ok(()) => {
                self.unlisted.remove(&collection);
                self.problems.solved(&Topic::Listing(collection.clone()));
                self.state.remember(Change::Unlisted { collection, pending: false });
            }
            Err(cause) => {
                let problem = Problem::Unlisted { collection: collection.to_string(), detail: cause };
                self.problems.report(Topic::Listing(collection), problem);
            }
        }
        if let Some(pending) = pending {
            let published = Published { listed, ..pending.published };
            drop(pending.events.try_send(PublishEvent::Done(Box::new(published))));
        }
        self.contact.hurry();
    }

    /// The tracker answers again: list what it does not have.
    pub(super) fn list_pending(&mut self) {
        for collection in self.unlisted.clone() {
            self.list(collection, None);
        }
    }
}
