//! Publishing a folder: pack, sign, keep, list.

use super::catalogue::Known;
use super::{Driver, Outcome};
use crate::handle::view::{Published, SkippedView};
use crate::handle::{HandleError, PublishEvent, PublishRequest};
use crate::state::Change;
use crate::tracker_client::TrackerError;
use karez_content_tools::export;
use karez_content_tools::pack::{self, PackOptions, Packed};
use karez_content_tools::store::Store;
use karez_protocol::content::Document as _;
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::RefusalReason;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// A publisher who waits for the outcome.
#[derive(Debug)]
pub(crate) struct Pending {
    published: Published,
    events: mpsc::Sender<PublishEvent>,
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
        let _ = events.try_send(PublishEvent::Packing {
            files: at.files_done,
            bytes: at.bytes_done,
            total: at.bytes_total,
        });
    };
    let failed = |detail: String| HandleError::Pack { detail };
    let packed = pack::pack(&request.dir, options, store, &mut progress).map_err(|e| failed(e.to_string()))?;
    store.sync().map_err(|e| failed(e.to_string()))?;
    let layout = |root: &[u8]| export::layout(root, store).map_err(|e| failed(e.to_string()));
    let before = before.map(layout).transpose()?;
    let new_bytes = pack::wire_bytes_between(before.as_ref(), &layout(&packed.root_bytes)?);
    Ok((packed, new_bytes))
}

impl Driver {
    pub(super) fn publish(&mut self, request: PublishRequest, kind: Option<Kind>, events: mpsc::Sender<PublishEvent>) {
        let collection = match self.may_publish(&request.collection) {
            Ok(collection) => collection,
            Err(cause) => return drop(events.try_send(PublishEvent::Failed(cause))),
        };
        let options = PackOptions { kind, title: request.title.clone() };
        let before = self.catalogue.get(&collection).map(|known| known.root_bytes.clone());
        let store = self.parts.store.clone();
        self.spawn(async move {
            let progress = events.clone();
            let packing = move || {
                let before = before.as_deref().map(Vec::as_slice);
                pack(&store, &request, &options, before, &progress)
            };
            let result = tokio::task::spawn_blocking(packing).await;
            let result = result.unwrap_or_else(|e| Err(HandleError::Pack { detail: e.to_string() }));
            Outcome::Packed(Box::new(Packing { collection, result, events }))
        });
    }

    fn may_publish(&self, name: &str) -> Result<CollectionName, HandleError> {
        let collection: CollectionName = name
            .parse()
            .map_err(|e: karez_protocol::content::name::NameError| HandleError::Pack { detail: e.to_string() })?;
        if self.owns(&collection) {
            return Ok(collection);
        }
        let owned = self.parts.publisher.as_ref().map_or("no publisher".into(), |(name, _)| name.to_string());
        Err(HandleError::NotPublisher { publisher: collection.publisher().to_string(), owned })
    }

    pub(super) fn on_packed(&mut self, packing: Packing) {
        let Packing { collection, result, events } = packing;
        match result.and_then(|(packed, new_bytes)| self.release(&collection, packed, new_bytes)) {
            Ok(published) if published.unchanged => {
                drop(events.try_send(PublishEvent::Done(Box::new(published))));
            }
            Ok(published) => self.list(collection, Some(Box::new(Pending { published, events }))),
            Err(cause) => drop(events.try_send(PublishEvent::Failed(cause))),
        }
    }

    /// Signs the next version, unless the folder is what the current one holds.
    fn release(
        &mut self,
        collection: &CollectionName,
        packed: Packed,
        new_bytes: u64,
    ) -> Result<Published, HandleError> {
        let before = self.catalogue.get(collection);
        let version = before.map_or(0, Known::version);
        let unchanged = before.is_some_and(|known| known.manifest() == packed.manifest);
        let skipped = packed.skipped.iter();
        let mut published = Published {
            collection: collection.to_string(),
            version: if unchanged { version } else { version + 1 },
            manifest: packed.manifest.to_string(),
            files: packed.root.files,
            plain_bytes: packed.root.plain_bytes,
            stored_bytes: packed.root.stored_bytes,
            new_bytes: if unchanged { 0 } else { new_bytes },
            unchanged,
            listed: unchanged && !self.unlisted.contains(collection),
            skipped: skipped.map(|s| SkippedView { path: s.path.clone(), reason: s.reason.name().into() }).collect(),
        };
        if unchanged {
            return Ok(published);
        }
        let release = Release {
            header: Release::new_header(),
            collection: collection.clone(),
            version: version + 1,
            manifest: packed.manifest,
            root_len: packed.root_bytes.len() as u32,
            plain_bytes: packed.root.plain_bytes,
            stored_bytes: packed.root.stored_bytes,
            new_bytes,
            issued: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            supersedes: before.map(Known::manifest),
        };
        let Some((_, key)) = &self.parts.publisher else { return Ok(published) };
        let release = Signed::sign(release, &self.parts.network, key.signing());
        let known = Known { release, root: packed.root, root_bytes: Arc::new(packed.root_bytes) };
        self.keep(collection, &known)?;
        published.listed = false;
        Ok(published)
    }

    /// Durable first, then known to others.
    fn keep(&mut self, collection: &CollectionName, known: &Known) -> Result<(), HandleError> {
        let failed = |detail: String| HandleError::Store { detail };
        let held = karez_content_tools::store::HeldRelease {
            collection: collection.clone(),
            version: known.version(),
            signed: known.release.bytes().to_vec(),
            root: known.root_bytes.to_vec(),
        };
        self.parts.store.save_release(&held).map_err(|e| failed(e.to_string()))?;
        self.unlisted.insert(collection.clone());
        self.state.remember(Change::Unlisted { collection: collection.clone(), pending: true });
        self.learn(&known.signed(), 0).map_err(|e| failed(e.to_string()))?;
        self.begin(collection, known, true);
        Ok(())
    }

    /// Tells the tracker of a release made here.
    fn list(&mut self, collection: CollectionName, pending: Option<Box<Pending>>) {
        let Some(known) = self.catalogue.get(&collection) else { return };
        let (release, tracker): (SignedRelease, _) = (known.signed(), self.parts.tracker.clone());
        self.spawn(async move {
            let result = match tracker.publish(&release).await {
                Ok(()) => Ok(()),
                // It has a newer or the same one: nothing is left to list.
                Err(TrackerError::Refused { reason: RefusalReason::Version, detail }) => {
                    tracing::warn!(detail, "the tracker has another version");
                    Ok(())
                }
                Err(cause) => Err(cause.to_string()),
            };
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
                self.state.remember(Change::Unlisted { collection, pending: false });
            }
            Err(cause) => self.problem(format!("{collection} is published but not listed yet: {cause}")),
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
