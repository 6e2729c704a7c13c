//! Reading the whole store again at a pace, and seeing to it that what is damaged comes back.
//!
//! What must stay true: a damaged chunk is out of the index before anybody hears of it, so it is never served; the place
//! is noted as it goes, so a restart costs reading 64 MiB again; a step reads little, so that stopping and a new pace
//! take effect at once.

use super::missing::{self, Missing};
use super::{Care, damage};
use crate::handle::HandleError;
use crate::handle::view::care::ScrubView;
use karez_content_tools::shortfall::Survey;
use karez_content_tools::store::{HeldRelease, ScrubCursor, Store};
use karez_protocol::content::hash::ChunkId;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Chunks read in one step: a megabyte or two.
const STEP_CHUNKS: u32 = 16;
/// Bytes after which the place is noted.
const NOTE_BYTES: u64 = 64 << 20;
/// Longest pause between two looks at pace and stop.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// How often repairs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long nothing may come back before those still missing count as held by nobody: time to dial everybody once.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for more: for lost pages, for what they name, once more to see that it is all, and a reserve of one.
const REPAIRS_MAX: usize = 4;
/// Missing chunks that are named.
const NAMED_MAX: usize = 100;

/// What can be changed while a scrub runs.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes a second; 0 is no limit.
    rate: AtomicU64,
    stop: AtomicBool,
}

impl Pace {
    fn set_rate(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Why the reading ended.
enum End {
    Whole,
    Stopped,
}

impl Care {
    /// Starts a scrub, or joins the one that runs and gives it the new pace. The receiver sees how it stands.
    pub fn scrub(&self, rate: Option<u64>, resume: bool) -> watch::Receiver<ScrubView> {
        let mut begun = false;
        self.scrub.send_if_modified(|view| {
            begun = !view.is_running();
            if begun {
                *view = ScrubView { phase: "reading".into(), rate: rate.unwrap_or(0), ..ScrubView::default() };
            }
            begun
        });
        let receiver = self.scrub.subscribe();
        if begun {
            self.pace.stop.store(false, Ordering::Relaxed);
            self.pace.set_rate(rate);
            tokio::spawn(Scrub { care: self.clone(), found: BTreeSet::new(), unnamed: BTreeSet::new() }.run(resume));
        } else if rate.is_some() {
            self.pace.set_rate(rate);
        }
        receiver
    }

    /// Stops the scrub that runs; the receiver sees it end.
    pub fn stop_scrub(&self) -> watch::Receiver<ScrubView> {
        self.pace.stop.store(true, Ordering::Relaxed);
        self.scrub.subscribe()
    }
}

struct Scrub {
    care: Care,
    found: BTreeSet<ChunkId>,
    /// Of the found, those that no release at work names.
    unnamed: BTreeSet<ChunkId>,
}

impl Scrub {
    async fn run(mut self, resume: bool) {
        let phase = match self.whole_run(resume).await {
            Ok(End::Whole) => "done",
            Ok(End::Stopped) => "stopped",
            Err(cause) => {
                self.show(|view| view.problem = Some(cause.to_string()));
                "failed"
            }
        };
        self.show(|view| view.phase = phase.into());
    }

    fn show(&self, change: impl FnOnce(&mut ScrubView)) {
        self.care.scrub.send_modify(change);
    }

    async fn whole_run(&mut self, resume: bool) -> Result<End, HandleError> {
        let earlier = self.care.blocking(|store| store.damaged()).await?;
        self.report(earlier.iter().map(|chunk| chunk.id).collect()).await?;
        if let End::Stopped = self.read(resume).await? {
            return Ok(End::Stopped);
        }
        self.show(|view| view.phase = "repairing".into());
        self.repair().await?;
        Ok(End::Whole)
    }

    /// Also what went without being read, as with a segment file: no list names it, but versions miss it. A page that comes
    /// back may name more of the kind.
    async fn repair(&mut self) -> Result<(), HandleError> {
        let mut before = BTreeSet::new();
        for _ in 0..REPAIRS_MAX {
            let Missing { chunks, releases, .. } = self.care.blocking(missing::look).await?;
            self.report(chunks.iter().copied().collect()).await?;
            for release in self.worth_mending(releases).await? {
                self.care.handle.mend(release).await?;
            }
            self.see_to_old_versions().await?;
            self.wait_for_repairs().await?;
            if chunks == before || self.care.pace.is_stopped() {
                break;
            }
            before = chunks;
        }
        let survey = self.care.blocking(missing::look).await?.survey;
        self.show_survey(survey).await
    }

    async fn show_survey(&self, survey: Survey) -> Result<(), HandleError> {
        let publisher = self.care.handle.look().await?.publisher;
        self.care.unreadable.look_again();
        self.show(|view| {
            view.lost = survey.lost().map(|short| missing::view(short, publisher.as_ref())).collect();
            view.unreadable = survey.unreadable.iter().map(|path| path.display().to_string()).collect();
        });
        Ok(())
    }

    async fn read(&mut self, resume: bool) -> Result<End, HandleError> {
        let (mut cursor, skipped) = self.care.blocking(move |store| start(store, resume)).await?;
        let chunks = self.care.store.stats().chunks;
        self.show(|view| (view.chunks, view.skipped) = (chunks, skipped));
        let (mut noted, mut due) = (0, Instant::now());
        loop {
            let (step, at) = self.care.blocking(move |store| next(store, cursor)).await?;
            cursor = at;
            noted += step.bytes;
            self.show(|view| (view.checked, view.bytes) = (view.checked + step.checked, view.bytes + step.bytes));
            self.report(step.damaged).await?;
            if step.done {
                self.care.blocking(|store| store.note_scrub(&ScrubCursor::default())).await?;
                return Ok(End::Whole);
            }
            due = due.max(Instant::now()) + self.cost(step.bytes);
            let stopped = self.pause_until(due).await;
            if stopped || noted >= NOTE_BYTES {
                noted = 0;
                self.care.blocking(move |store| store.note_scrub(&cursor)).await?;
            }
            if stopped {
                return Ok(End::Stopped);
            }
        }
    }

    /// How long so many bytes may take at the pace of now.
    fn cost(&self, bytes: u64) -> Duration {
        match self.care.pace.rate.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        }
    }

    /// True when the scrub is to stop.
    async fn pause_until(&self, due: Instant) -> bool {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() || self.care.pace.is_stopped() {
                return self.care.pace.is_stopped();
            }
            tokio::time::sleep(left.min(PAUSE_MAX)).await;
        }
    }

    /// Lets the driver fetch damaged chunks again.
    async fn report(&mut self, damaged: Vec<ChunkId>) -> Result<(), HandleError> {
        if damaged.is_empty() {
            return Ok(());
        }
        self.unnamed.extend(self.care.handle.lost(damaged.clone()).await?);
        self.found.extend(damaged);
        while self.found.len() > missing::FOUND_MAX {
            self.found.pop_last();
        }
        let found = self.found.len() as u64;
        self.show(|view| view.found = found);
        Ok(())
    }

    /// What no release at work names may belong to an older version that is kept; what belongs to nothing is struck off.
    async fn see_to_old_versions(&mut self) -> Result<(), HandleError> {
        if self.unnamed.is_empty() {
            return Ok(());
        }
        let unnamed = std::mem::take(&mut self.unnamed);
        let (owners, unneeded) = self
            .care
            .blocking(move |store| {
                let owners = damage::owners(store, &unnamed)?;
                let unneeded: Vec<ChunkId> = unnamed.difference(&owners.named).copied().collect();
                store.strike_damaged(&unneeded)?;
                Ok((owners, unneeded))
            })
            .await?;
        for release in self.worth_mending(owners.releases).await? {
            self.care.handle.mend(release).await?;
        }
        self.found.retain(|chunk| !unneeded.contains(chunk));
        self.show(|view| view.unneeded = unneeded.len() as u64);
        Ok(())
    }

    /// Nobody has what older versions of this node's own have lost, and `karez gc` lets go of them; a pin keeps them.
    async fn worth_mending(&self, mut releases: Vec<HeldRelease>) -> Result<Vec<HeldRelease>, HandleError> {
        let publisher = self.care.handle.look().await?.publisher;
        let (pins, held) = self.care.blocking(|store| Ok((store.pins()?, store.releases()?))).await?;
        releases.retain(|release| {
            let of_own = publisher.as_ref() == Some(release.collection.publisher());
            let newer = |other: &HeldRelease| other.collection == release.collection && other.version > release.version;
            let is_superseded = held.iter().any(|other| newer(other) && other.whole);
            !of_own || !is_superseded || pins.iter().any(|pin| pin.holds(&release.collection, release.version))
        });
        Ok(releases)
    }

    async fn wait_for_repairs(&self) -> Result<(), HandleError> {
        let (mut missing, mut since) = (self.missing().await?, Instant::now());
        while !missing.is_empty() && since.elapsed() < PATIENCE && !self.care.pace.is_stopped() {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.missing().await?;
            if now.len() < missing.len() {
                since = Instant::now();
            }
            missing = now;
        }
        // What came back is claimed only when it survives a power cut.
        self.care.blocking(|store| store.sync()).await
    }

    /// Chunks that have not come back, told to whoever watches.
    async fn missing(&self) -> Result<Vec<ChunkId>, HandleError> {
        let found: Vec<ChunkId> = self.found.iter().copied().collect();
        let missing = self
            .care
            .blocking(move |store| {
                let here = store.contains_many(&found)?;
                Ok(found.into_iter().zip(here).filter(|(_, here)| !here).map(|(chunk, _)| chunk).collect::<Vec<_>>())
            })
            .await?;
        let repaired = (self.found.len() - missing.len()) as u64;
        self.show(|view| {
            (view.repaired, view.missing) = (repaired, missing.len() as u64);
            view.missing_ids = missing.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        });
        Ok(missing)
    }
}

fn start(store: &Store, resume: bool) -> Result<(ScrubCursor, u64), karez_content_tools::store::StoreError> {
    // The newest chunks are to be in the index, too.
    store.sync()?;
    let cursor = if resume { store.noted_scrub()? } else { ScrubCursor::default() };
    Ok((cursor, store.chunks_before(&cursor)?))
}

fn next(
    store: &Store,
    mut cursor: ScrubCursor,
) -> Result<(karez_content_tools::store::ScrubStep, ScrubCursor), karez_content_tools::store::StoreError> {
    let step = store.scrub(&mut cursor, STEP_CHUNKS)?;
    Ok((step, cursor))
}
