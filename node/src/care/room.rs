//! Making room: what would go and why, and letting it go while everything else runs.
//!
//! What must stay true: a run does what a look at the same moment says, by the same decision; the claims begin before the
//! look, the driver lets go of a version before its file goes, and the file before its chunks. One run at a time.

use super::choice::{self, Choice, Kept, Reason, Wish};
use super::{Care, damage, unreadable};
use crate::handle::HandleError;
use crate::handle::care::Look;
use crate::handle::view::care::{RoomRow, RoomView};
use karez_content_tools::shortfall;
use karez_content_tools::store::{
    AtWork, Claims, Compacted, GcOrder, GcPlan, GroupShare, HeldRelease, HeldVersion, Store, StoreError,
};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::name::CollectionName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a run begins again because something came into use in between.
const TRIES: usize = 5;

/// What a run hears of itself.
pub(super) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// A choice with what it comes to.
struct Weighed {
    view: RoomView,
    plan: GcPlan,
    going: Vec<HeldRelease>,
    /// Collections that go as a whole.
    whole: BTreeSet<CollectionName>,
}

impl Care {
    /// What making room would do.
    pub async fn room(&self, wish: Wish) -> Result<RoomView, HandleError> {
        let _one_at_a_time = self.room.lock().await;
        Ok(self.weigh(wish).await?.view)
    }

    /// Makes room. `progress` hears of bytes freed, and of how many there will be.
    pub async fn make_room(&self, wish: Wish, progress: impl Fn(u64, u64) + Sync) -> Result<RoomView, HandleError> {
        let _one_at_a_time = self.room.lock().await;
        for _ in 0..TRIES {
            let weighed = self.weigh(wish).await?;
            if weighed.going.is_empty() || self.handle.retire(weighed.going.clone(), weighed.whole.clone()).await? {
                return self.carry_out(weighed, &progress).await;
            }
        }
        Err(HandleError::Busy { work: "use".into() })
    }

    async fn weigh(&self, wish: Wish) -> Result<Weighed, HandleError> {
        if self.imports.is_busy() {
            return Err(HandleError::Busy { work: "import".into() });
        }
        self.unreadable.look_again();
        let claims = self.store.claims();
        let look = self.handle.look().await?;
        if look.publishing > 0 {
            return Err(HandleError::Busy { work: "publish".into() });
        }
        self.blocking(move |store| weigh(store, &look, wish, claims)).await
    }

    async fn carry_out(&self, weighed: Weighed, progress: Progress<'_>) -> Result<RoomView, HandleError> {
        let Weighed { mut view, plan, going, .. } = weighed;
        let plan = Arc::new(plan);
        let dropping = plan.clone();
        self.blocking(move |store| store.gc_drop(&dropping)).await?;
        self.strike_unneeded().await?;
        self.handle.retired(going).await?;
        let mut done = Compacted::default();
        for segment in plan.segments.clone() {
            let plan = plan.clone();
            done.add(self.blocking(move |store| store.gc_segment(&plan, segment.number)).await?);
            progress(done.freed_bytes, view.will_free_bytes);
        }
        view.dry_run = false;
        (view.freed_bytes, view.moved_chunks) = (done.freed_bytes, done.moved);
        Ok(view)
    }
}

impl Care {
    /// What only dropped versions lacked is missed no more.
    async fn strike_unneeded(&self) -> Result<(), HandleError> {
        let damaged = self.blocking(|store| store.damaged()).await?;
        let damaged: Vec<ChunkId> = damaged.into_iter().map(|chunk| chunk.id).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let unnamed: BTreeSet<ChunkId> = self.handle.lost(damaged).await?.into_iter().collect();
        self.blocking(move |store| {
            let named = damage::owners(store, &unnamed)?.named;
            store.strike_damaged(&unnamed.difference(&named).copied().collect::<Vec<_>>())
        })
        .await
    }
}

fn weigh(store: &Store, look: &Look, wish: Wish, claims: Claims) -> Result<Weighed, StoreError> {
    let releases = store.releases()?;
    let mut held: Vec<HeldVersion> = releases.iter().map(|held| version(held, false)).collect();
    held.extend(store.drafts()?.iter().map(|held| version(held, true)));
    let Choice { rows, groups } = choice::choose(look, &held, &Kept { pins: store.pins()?, lost: lost(store)? }, wish);
    let lost = unreadable::superseded(store, look.publisher.as_ref())?;
    let order = GcOrder { lost, ..order(look, rows.iter().map(|row| &row.version), groups, wish) };
    let plan = store.gc_plan_for(&order, claims)?;
    let shares = shares(&order, &plan.shares);
    let dropped: BTreeSet<&HeldVersion> = plan.dropped.iter().collect();
    let mut rows: Vec<RoomRow> = rows.into_iter().map(|row| view(row, &shares)).collect();
    rows.extend(plan.lost.iter().map(lost_row));
    let going = releases.into_iter().filter(|held| dropped.contains(&version(held, false))).collect();
    let whole = order.groups.iter().zip(&plan.shares).filter(|(group, share)| group.for_room && share.goes);
    let whole = whole.flat_map(|(group, _)| group.versions.iter().map(|version| version.collection.clone())).collect();
    let view = RoomView {
        dry_run: true,
        rows,
        asked_bytes: wish.free_bytes,
        will_free_bytes: plan.garbage_bytes(),
        left_bytes: plan.left_bytes,
        ..RoomView::default()
    };
    Ok(Weighed { view, plan, going, whole })
}

/// Superseded versions of which something was found damaged. Reads pages only when anything was.
fn lost(store: &Store) -> Result<BTreeSet<HeldVersion>, StoreError> {
    if store.damaged()?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let survey = shortfall::survey(store, |_| {})?;
    Ok(survey.lost().filter(|short| short.superseded).map(|short| short.version.clone()).collect())
}

fn version(held: &HeldRelease, draft: bool) -> HeldVersion {
    HeldVersion { collection: held.collection.clone(), version: held.version, draft }
}

fn order<'a>(
    look: &Look,
    held: impl Iterator<Item = &'a HeldVersion>,
    groups: Vec<karez_content_tools::store::GcGroup>,
    wish: Wish,
) -> GcOrder {
    let going: BTreeSet<(&CollectionName, u64)> =
        groups.iter().flat_map(|group| &group.versions).map(|going| (&going.collection, going.version)).collect();
    let stays = |work: &&crate::handle::care::AtWork| !going.contains(&(&work.collection, work.version));
    // Before all pages of a version are here, nobody counts on what the missing ones name; what was published here is
    // whole or in trouble.
    let half = |collection: &CollectionName, number: u64| {
        let owned = look.publisher.as_ref() == Some(collection.publisher());
        !owned && look.at_work(collection, number).is_some_and(|work| !work.described)
    };
    let at_work = look.at_work.iter().filter(stays).map(|work| AtWork {
        collection: work.collection.clone(),
        version: work.version,
        root: work.root.clone(),
        half: half(&work.collection, work.version),
    });
    GcOrder {
        at_work: at_work.collect(),
        half: held.filter(|held| half(&held.collection, held.version)).cloned().collect(),
        groups,
        free_bytes: wish.free_bytes.unwrap_or(0),
        recent: true,
        lost: BTreeSet::new(),
    }
}

/// Of each version in the order, whether it goes, and the bytes of its group: on the group's last version, so that
/// nothing is counted twice.
fn shares(order: &GcOrder, shares: &[GroupShare]) -> BTreeMap<HeldVersion, GroupShare> {
    let mut found = BTreeMap::new();
    for (group, share) in order.groups.iter().zip(shares) {
        let last = group.versions.len().saturating_sub(1);
        for (at, version) in group.versions.iter().enumerate() {
            let bytes = if at == last { share.bytes } else { 0 };
            found.insert(version.clone(), GroupShare { goes: share.goes, bytes });
        }
    }
    found
}

/// A version whose damaged release file goes.
fn lost_row(version: &HeldVersion) -> RoomRow {
    RoomRow {
        collection: version.collection.to_string(),
        version: version.version,
        draft: version.draft,
        goes: true,
        reason: Reason::Superseded.name().into(),
        ..RoomRow::default()
    }
}

fn view(row: choice::Row, shares: &BTreeMap<HeldVersion, GroupShare>) -> RoomRow {
    let share = shares.get(&row.version).copied().unwrap_or_default();
    let reason = match (row.reason, share.goes) {
        (Reason::ForRoom, false) => Reason::NotNeeded,
        (Reason::Superseded, false) => Reason::Pinned,
        (reason, _) => reason,
    };
    RoomRow {
        collection: row.version.collection.to_string(),
        version: row.version.version,
        draft: row.version.draft,
        goes: share.goes,
        reason: reason.name().into(),
        bytes: share.bytes,
        holders_county: row.holders.county,
        holders_unknown: row.holders.silent,
        holders_elsewhere: row.holders.elsewhere,
    }
}
