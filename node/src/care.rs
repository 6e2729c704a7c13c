//! Looking after the store while the node runs: pins, quota, reading everything again, making room.
//!
//! What must stay true: what is in use is the driver's knowledge, so nothing goes and nothing is fetched again but through
//! it; long work runs here, off its loop, one scrub at a time, and goes on when whoever asked for it leaves.

mod busy;
mod choice;
mod damage;
mod missing;
mod quota;
mod room;
mod scrub;
mod unreadable;

use crate::handle::view::care::{CareView, PinChanged, PinsView, QuotaView, ScrubView};
use crate::handle::{Handle, HandleError};
pub use busy::Busy;
pub use choice::Wish;
use karez_content_tools::disk::{Disk as _, RealDisk};
use karez_content_tools::store::{Pin, Store, StoreError};
use scrub::Pace;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};
use unreadable::Unreadable;

/// Looks after one store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Care {
    store: Arc<Store>,
    handle: Handle,
    scrub: watch::Sender<ScrubView>,
    pace: Arc<Pace>,
    /// Held by the one run that makes room.
    room: Arc<Mutex<()>>,
    unreadable: Arc<Unreadable>,
    /// Bundles that are being taken in.
    pub imports: Busy,
}

impl Care {
    /// The care of a store whose driver this handle reaches.
    pub fn new(store: Arc<Store>, handle: Handle) -> Self {
        Self {
            store,
            handle,
            scrub: watch::Sender::default(),
            pace: Arc::default(),
            room: Arc::default(),
            unreadable: Arc::default(),
            imports: Busy::default(),
        }
    }

    /// What it looks after.
    pub(crate) fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// How things stand.
    pub async fn view(&self) -> Result<CareView, HandleError> {
        let scrub = self.scrub.borrow().clone();
        let scrub = (!scrub.phase.is_empty()).then_some(scrub);
        let unreadable = self.unreadable.clone();
        let unreadable = self.blocking(move |store| unreadable.now(store)).await?;
        let superseded = if unreadable.is_empty() { Vec::new() } else { self.superseded().await? };
        self.blocking(move |store| {
            let damaged_chunks = store.damaged()?.len() as u64;
            let (used_bytes, quota_bytes) = (store.disk_bytes(), store.quota());
            Ok(CareView { used_bytes, quota_bytes, damaged_chunks, scrub, unreadable, superseded })
        })
        .await
    }

    /// The damaged release files that the next run that makes room removes.
    async fn superseded(&self) -> Result<Vec<String>, HandleError> {
        let publisher = self.handle.look().await?.publisher;
        self.blocking(move |store| {
            let lost = unreadable::superseded(store, publisher.as_ref())?;
            Ok(lost.iter().map(|version| store.release_path(version).display().to_string()).collect())
        })
        .await
    }

    /// What is pinned.
    pub async fn pins(&self) -> Result<PinsView, HandleError> {
        self.blocking(|store| Ok(PinsView { pins: store.pins()?.iter().map(Pin::to_string).collect() })).await
    }

    /// Pins something that the network or the store knows, or takes a pin away.
    pub async fn pin(&self, pin: Pin, on: bool) -> Result<PinChanged, HandleError> {
        if on {
            self.must_be_known(&pin).await?;
        }
        self.blocking(move |store| {
            let text = pin.to_string();
            let here = store.has_pinned(&pin)?;
            let changed = if on { store.pin(pin)? } else { store.unpin(&pin)? };
            Ok(PinChanged { pin: text, changed, here })
        })
        .await
    }

    /// A typing error must not look like protection.
    async fn must_be_known(&self, pin: &Pin) -> Result<(), HandleError> {
        let (name, collection) = (pin.collection.to_string(), pin.collection.clone());
        let listed = self.handle.search(name.clone()).await?.iter().any(|row| row.collection == name);
        let here = move |store: &Store| {
            let held = store.releases()?.into_iter().chain(store.drafts()?);
            Ok(held.into_iter().any(|held| held.collection == collection))
        };
        match listed || self.blocking(here).await? {
            true => Ok(()),
            false => Err(HandleError::UnknownCollection { collection: name }),
        }
    }

    /// The quota, after setting (or lifting) it when told to.
    pub async fn quota(&self, change: Option<Option<u64>>) -> Result<QuotaView, HandleError> {
        self.blocking(move |store| {
            if let Some(bytes) = change {
                store.set_quota(bytes)?;
            }
            let free_bytes = RealDisk.space(store.dir()).map_or(0, |space| space.free);
            Ok(QuotaView { used_bytes: store.disk_bytes(), quota_bytes: store.quota(), free_bytes })
        })
        .await
    }

    /// Runs a call on the store off the loop.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, HandleError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        Ok(done.map_err(|cause| HandleError::Store { detail: cause.to_string() })??)
    }
}
