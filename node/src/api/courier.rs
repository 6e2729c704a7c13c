//! Bundles on a stick: written and taken in off the driver's loop, reported line by line. A client that goes away stops
//! nothing but the report.

use super::error::{ApiError, CourierError, RequestError};
use super::event::{BundleTaken, BundleWritten, CourierEvent, DamageView, ExportOrder, MediumPath, RequestWritten};
use super::{OwnHome, collection, lines};
use crate::care::Busy;
use crate::handle::courier::Courier;
use crate::handle::{Handle, HandleError};
use axum::response::Response;
use karez_content_tools::bundle::{
    self, BundleError, ExportProgress, ExportRequest, Fault, HaveSummary, ImportProgress, Slot,
};
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::wire::control::SignedRelease;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(300);
/// The largest collections are looked through within this time.
const OPENING_MAX: Duration = Duration::from_secs(120);
/// Documents and receipts kept until somebody understands them.
const KEPT_DOCUMENTS_MAX: usize = 256;

/// Damages told in full, of all bundles together; more are only counted.
const DAMAGES_MAX: usize = 100;

type Reports = mpsc::Sender<CourierEvent>;

impl From<CourierError> for ApiError {
    fn from(error: CourierError) -> Self {
        Self::Request(error.into())
    }
}

fn failed(cause: BundleError) -> ApiError {
    CourierError::of(cause).into()
}

fn absolute(path: &Path) -> Result<(), ApiError> {
    if path.is_absolute() { Ok(()) } else { Err(RequestError::RelativePath { path: path.into() }.into()) }
}

/// Writes what is held here into `karez-request-NAME.cbor` in a folder.
pub(super) async fn request(handle: &Handle, home: OwnHome, to: MediumPath) -> Result<RequestWritten, ApiError> {
    absolute(&to.path)?;
    let courier = handle.courier().await?;
    let work = move || {
        CourierError::check_folder(&to.path)?;
        home.keep_out(&courier.store, &to.path)?;
        let name: String = courier.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(40).collect();
        let path = to.path.join(format!("karez-request-{name}.cbor"));
        let summary = HaveSummary::new(courier.network, courier.name, courier.held);
        summary.save(&path).map_err(failed)?;
        Ok(RequestWritten { path, collections: summary.held.len() as u64 })
    };
    blocking(work).await?
}

/// Starts to write a bundle.
pub(super) async fn export(handle: &Handle, home: OwnHome, order: ExportOrder) -> Result<Response, ApiError> {
    absolute(&order.to)?;
    order.collections.iter().try_for_each(|name| collection(name).map(drop))?;
    let courier = once_opened(handle, &order.collections).await?;
    if let Some(name) = order.site.as_ref().filter(|name| !courier.members.contains_key(*name)) {
        return Err(RequestError::UnknownMember { name: name.clone() }.into());
    }
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    tokio::spawn(async move {
        let progress = reports.clone();
        let work = move || {
            home.keep_out(&courier.store, &order.to)?;
            pack(&courier, &order, &progress)
        };
        let written = blocking(work).await.map_err(ApiError::from);
        last(&reports, written.and_then(|written| written).map(CourierEvent::Exported)).await;
    });
    Ok(lines::response(receiver))
}

/// What was published a moment ago is waited for.
async fn once_opened(handle: &Handle, asked: &[String]) -> Result<Courier, ApiError> {
    let until = Instant::now() + OPENING_MAX;
    loop {
        let courier = handle.courier().await?;
        let is_asked = |name: &CollectionName| asked.is_empty() || asked.contains(&name.to_string());
        if !courier.opening.iter().any(is_asked) || Instant::now() >= until {
            return Ok(courier);
        }
        tokio::time::sleep(REPORT_EVERY).await;
    }
}

/// Starts to take bundles in.
pub(super) async fn import(handle: Handle, imports: &Busy, from: MediumPath) -> Result<Response, ApiError> {
    absolute(&from.path)?;
    let under_way = imports.begin();
    let courier = handle.courier().await?;
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    tokio::spawn(async move {
        let progress = reports.clone();
        let taken = blocking(move || Ok::<_, ApiError>(unpack(&courier, &from.path, &progress))).await;
        let taken = match taken.map_err(ApiError::from).and_then(|taken| taken) {
            // What came before the failure is here all the same.
            Ok((releases, outcome)) => match handle.imported(releases).await {
                Ok(()) => outcome,
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        // The driver knows of what came: from here on it may be looked after like the rest.
        drop(under_way);
        last(&reports, taken.map(CourierEvent::Imported)).await;
    });
    Ok(lines::response(receiver))
}

async fn last(reports: &Reports, outcome: Result<CourierEvent, ApiError>) {
    // Nobody may be listening any more.
    let _ = reports.send(outcome.unwrap_or_else(|error| CourierEvent::Failed(error.into()))).await;
}

/// Sends progress now and then; a reader that is behind gets the next one.
fn reporter(reports: &Reports) -> impl FnMut(u64, u64, bool) {
    let reports = reports.clone();
    let mut last: Option<Instant> = None;
    move |bytes, total, checking| {
        if last.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            last = Some(Instant::now());
            let _ = reports.try_send(CourierEvent::Progress { bytes, total, checking });
        }
    }
}

fn pack(courier: &Courier, order: &ExportOrder, reports: &Reports) -> Result<BundleWritten, ApiError> {
    CourierError::check_folder(&order.to)?;
    let releases = chosen(courier, &order.collections)?;
    let summary = match (&order.have, &order.site) {
        (Some(file), _) => Some(read_request(file, &courier.network)?),
        (None, Some(site)) => {
            let held = courier.members.get(site).cloned().unwrap_or_default();
            (!held.is_empty()).then(|| HaveSummary::new(courier.network, site.clone(), held))
        }
        (None, None) => None,
    };
    let site = order.site.clone().or_else(|| summary.as_ref().map(|summary| summary.site.clone()));
    let request = ExportRequest {
        network: courier.network,
        site,
        summary: summary.as_ref(),
        releases: &releases,
        slots: Vec::new(),
        part_bytes: bundle::PART_BYTES,
        check: order.check,
    };
    let mut report = reporter(reports);
    let mut progress = |at: ExportProgress| report(at.bytes, at.total, at.checking);
    let done = bundle::export(request, &courier.store, &order.to, &mut progress).map_err(failed)?;
    Ok(BundleWritten {
        path: done.dir,
        collections: releases.len() as u64,
        parts: done.parts,
        chunks: done.chunks,
        bytes: done.bytes,
        resumed_bytes: done.resumed_bytes,
        held_chunks: done.held_chunks,
        checked: done.checked,
        site_known: summary.is_some(),
    })
}

/// What a site says that it holds.
fn read_request(file: &Path, network: &NetworkId) -> Result<HaveSummary, CourierError> {
    let summary = HaveSummary::load(file).map_err(|cause| CourierError::of_request(file, &cause))?;
    match summary.network == *network {
        true => Ok(summary),
        false => Err(CourierError::ForeignRequest { path: file.to_owned() }),
    }
}

/// The newest complete versions of the collections asked for, or of all.
fn chosen(courier: &Courier, asked: &[String]) -> Result<Vec<HeldRelease>, ApiError> {
    let mut releases = courier.store.releases().map_err(|cause| failed(cause.into()))?;
    let owner = |held: &HeldRelease| courier.roster.publisher(held.collection.publisher()).map(|owner| owner.key);
    releases.retain(|held| {
        let signed = owner(held).and_then(|key| Signed::<Release>::verify(&held.signed, &courier.network, &key).ok());
        signed.is_some_and(|signed| courier.complete.contains(&signed.value().id()))
    });
    let here: BTreeSet<_> = releases.iter().map(|held| held.collection.to_string()).collect();
    if let Some(missing) = asked.iter().find(|name| !here.contains(*name)) {
        return Err(RequestError::from(CourierError::NotHere { collection: missing.clone() }).into());
    }
    releases.retain(|held| asked.is_empty() || asked.contains(&held.collection.to_string()));
    Ok(releases)
}

/// Takes in every bundle at a path; the releases accepted, and what came of it.
fn unpack(courier: &Courier, from: &Path, reports: &Reports) -> (Vec<SignedRelease>, Result<BundleTaken, ApiError>) {
    let mut accepted: Vec<SignedRelease> = Vec::new();
    let mut taken = BundleTaken::default();
    if let Err(error) = CourierError::check_source(from) {
        return (accepted, Err(error.into()));
    }
    let outcome = bundle::find(from).and_then(|found| {
        found.iter().try_for_each(|dir| {
            let mut report = reporter(reports);
            let mut progress = |at: ImportProgress| report(at.bytes, at.total, false);
            let mut offered = |release: &SignedRelease| {
                courier.check(release)?;
                accepted.push(release.clone());
                Ok(())
            };
            let done = bundle::import(dir, &courier.network, &courier.store, &mut offered, &mut progress)?;
            keep(&courier.store.dir().join("courier"), &done.slots);
            add(&mut taken, dir, done);
            Ok(())
        })
    });
    (accepted, outcome.map(|()| taken).map_err(failed))
}

fn add(taken: &mut BundleTaken, dir: &Path, done: bundle::ImportReport) {
    taken.bundles += 1;
    taken.releases += done.releases;
    taken.refused += done.refused;
    taken.chunks_new += done.chunks_new;
    taken.bytes_new += done.bytes_new;
    taken.chunks_held += done.chunks_held;
    taken.damaged += done.damaged;
    taken.unnamed += done.unnamed;
    taken.documents += done.slots.len() as u64;
    let view = |damage: bundle::Damage| DamageView {
        path: part(dir, damage.part),
        offset: damage.offset,
        records: damage.records,
        fault: damage.fault.name().into(),
        detail: match &damage.fault {
            Fault::PartUnreadable(detail) | Fault::ReleaseRefused(detail) => Some(detail.clone()),
            _ => None,
        },
        reason: damage.fault.to_string(),
    };
    let mut damages = done.damages;
    let unlisted = damages.split_off(damages.len().min(DAMAGES_MAX.saturating_sub(taken.damages.len())));
    taken.damages_more += done.damages_more + unlisted.iter().map(|damage| damage.records).sum::<u64>();
    taken.damages.extend(damages.into_iter().map(view));
}

fn part(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("part-{number:04}.kpart"))
}

/// Documents of types that this version does not know wait in the store's folder, by hash, for one that does.
fn keep(folder: &Path, slots: &[Slot]) {
    for slot in slots {
        let kept = std::fs::read_dir(folder).map_or(0, Iterator::count);
        let path = folder.join(format!("{}-{}.slot", slot.kind, blake3::hash(&slot.bytes).to_hex()));
        if kept >= KEPT_DOCUMENTS_MAX || path.exists() {
            continue;
        }
        if let Err(cause) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &slot.bytes)) {
            tracing::warn!(%cause, path = %path.display(), "a document of a bundle was not kept");
        }
    }
}

/// Runs disk work off the loop.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HandleError> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| HandleError::Store { detail: cause.to_string() })
}
