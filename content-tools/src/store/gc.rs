//! Compaction: giving back the space of what no kept version names.
//!
//! What must stay true: a chunk that a kept version names is never removed; when it cannot be told what is named (a
//! damaged release file, a page that is not here), nothing is. The old segment goes only after the live records of it are
//! fsynced in another one. A kill or power cut at any point leaves chunks twice at worst: recovery counts each once, and
//! the next compaction removes the rest. What somebody was told is here since the claims were begun stays (`claims`), so
//! that others may read and write meanwhile. What was written since the store was opened is touched only for a caller who
//! knows everything that is at work ([`GcOrder::recent`]).
//!
//! Which versions go is decided elsewhere: by [`Store::gc_order`] for a store that nobody uses, by the node for its own.
//! What is live is marked in a blocked Bloom filter of 12 bits per chunk: it errs only by keeping garbage (one chunk in a
//! hundred, another one each time, as the marks are seeded anew), and 20 million chunks fit into 30 MB.
//!
//! Rejected: an exact set of ids (640 MB) or of their prefixes (160 MB) in memory; sorting ids on disk, which writes the
//! whole index once more on the disk that is short of space; reference counts, which must be right after every power cut.

mod live;
mod plan;

use super::index::Location;
use super::record::{RECORD_HEADER_LEN, RecordKind};
use super::{Claims, HeldRelease, Store, StoreError, held, segment};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::name::CollectionName;
use live::Live;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// A segment is rewritten when a quarter of it is garbage: then each byte given back costs at most three written.
pub(super) const GARBAGE_PARTS: u64 = 4;

/// A version with a release file in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldVersion {
    /// The collection.
    pub collection: CollectionName,
    /// The version.
    pub version: u64,
    /// Whether nobody signed it.
    pub draft: bool,
}

/// Versions that go together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcGroup {
    /// The versions.
    pub versions: Vec<HeldVersion>,
    /// They go only when what goes before them does not make enough room.
    pub for_room: bool,
}

/// What a compaction is to do.
#[derive(Debug, Default)]
pub struct GcOrder {
    /// What goes, in this order. Pinned versions stay in any case, and what has come since the order was made.
    pub groups: Vec<GcGroup>,
    /// Bytes that are to come free: as many groups go "for room" as that takes, and segments with less garbage than usual
    /// are rewritten.
    pub free_bytes: u64,
    /// Versions whose pages need not all be here, as nobody counts on what only a missing page names.
    pub half: BTreeSet<HeldVersion>,
    /// What is at work and may have no file here.
    pub at_work: Vec<AtWork>,
    /// Everything that is at work is among the kept and in `at_work`: what was written since the store was opened, and is
    /// named by none of them, may go as well.
    pub recent: bool,
    /// Versions whose release file is damaged and that would go if it were not: the rest is cleared without them.
    pub lost: BTreeSet<HeldVersion>,
}

/// A version that is at work.
#[derive(Debug, Clone)]
pub struct AtWork {
    /// The collection.
    pub collection: CollectionName,
    /// The version.
    pub version: u64,
    /// Its root page.
    pub root: ManifestRoot,
    /// Its pages need not all be here.
    pub half: bool,
}

/// A segment that is worth rewriting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentGarbage {
    /// Its number.
    pub number: u32,
    /// Bytes that stay.
    pub live_bytes: u64,
    /// Bytes that come free.
    pub garbage_bytes: u64,
}

/// What becomes of a group of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupShare {
    /// Whether it goes.
    pub goes: bool,
    /// Bytes that come free when it goes after those before it.
    pub bytes: u64,
}

/// What a compaction will do. Carried out one segment at a time, with pauses as you like.
#[derive(Debug)]
pub struct GcPlan {
    /// Versions that stay.
    pub kept: Vec<HeldVersion>,
    /// Versions that go.
    pub dropped: Vec<HeldVersion>,
    /// Of the order's lost versions, those whose damaged release file goes.
    pub lost: Vec<HeldVersion>,
    /// What becomes of each group of the order.
    pub shares: Vec<GroupShare>,
    /// Segments to rewrite, those with most garbage first.
    pub segments: Vec<SegmentGarbage>,
    /// Garbage in segments that hold too little of it to be rewritten.
    pub left_bytes: u64,
    live: Live,
    claims: Claims,
}

impl GcPlan {
    /// Bytes that come free.
    pub fn garbage_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.garbage_bytes).sum()
    }

    fn stays(&self, id: &ChunkId) -> bool {
        self.live.contains(id) || self.claims.contains(id)
    }
}

/// What rewriting a segment came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Chunks that were moved.
    pub moved: u64,
    /// Bytes given back, the moved ones not counted.
    pub freed_bytes: u64,
    /// Chunks found damaged on the way. They have left the index.
    pub damaged: u64,
}

impl Compacted {
    /// Adds what another segment came to.
    pub fn add(&mut self, other: Self) {
        self.moved += other.moved;
        self.freed_bytes += other.freed_bytes;
        self.damaged += other.damaged;
    }
}

impl Store {
    /// What goes when nobody uses the store: everything but the newest version of each collection, signed and draft, and
    /// what is pinned.
    pub fn gc_order(&self) -> Result<GcOrder, StoreError> {
        let (pins, lost) = (self.pins()?, self.superseded_lost()?);
        let held: Vec<HeldVersion> = self.held(&lost)?.into_iter().map(|(version, _)| version).collect();
        let newest = |version: &HeldVersion| {
            let same = |other: &&HeldVersion| other.collection == version.collection && other.draft == version.draft;
            held.iter().filter(same).all(|other| other.version <= version.version)
        };
        let pinned = |v: &HeldVersion| pins.iter().any(|pin| pin.holds(&v.collection, v.version));
        let goes = held.iter().filter(|version| !newest(version) && !pinned(version)).cloned();
        let groups = vec![GcGroup { versions: goes.collect(), for_room: false }];
        Ok(GcOrder { groups, lost, ..GcOrder::default() })
    }

    /// Versions whose release file is damaged, but that a newer one has superseded, which is here whole, and that no pin
    /// holds: they would go in any case, so nobody needs to know what they named.
    pub fn superseded_lost(&self) -> Result<BTreeSet<HeldVersion>, StoreError> {
        let mut lost = BTreeSet::new();
        for draft in [false, true] {
            let dir = self.dir.join(folder(draft));
            let damaged = held::damaged(&*self.disk, &dir)?;
            let named = damaged.iter().filter_map(|path| held::release_of(path, &dir));
            lost.extend(named.map(|(collection, version)| HeldVersion { collection, version, draft }));
        }
        if lost.is_empty() {
            return Ok(lost);
        }
        let pins = self.pins()?;
        let [signed, drafts] = [self.releases()?, self.drafts()?];
        lost.retain(|lost| {
            let newer = |held: &HeldRelease| held.collection == lost.collection && held.version > lost.version;
            let superseded = match lost.draft {
                false => signed.iter().any(|held| newer(held) && held.whole),
                true => drafts.iter().any(newer),
            };
            superseded && !pins.iter().any(|pin| pin.holds(&lost.collection, lost.version))
        });
        Ok(lost)
    }

    /// Everything that has a release file here, signed and draft; an error when one of them cannot be read and is not lost.
    fn held(&self, lost: &BTreeSet<HeldVersion>) -> Result<Vec<(HeldVersion, HeldRelease)>, StoreError> {
        let mut held = Vec::new();
        for draft in [false, true] {
            let lost = |collection: &CollectionName, version: u64| {
                lost.contains(&HeldVersion { collection: collection.clone(), version, draft })
            };
            for release in held::list_all(&*self.disk, &self.dir.join(folder(draft)), lost)? {
                let (collection, version) = (release.collection.clone(), release.version);
                held.push((HeldVersion { collection, version, draft }, release));
            }
        }
        held.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(held)
    }

    /// Where the release file of a version is, whether or not there is one.
    pub fn release_path(&self, version: &HeldVersion) -> PathBuf {
        held::path_of(&self.dir.join(folder(version.draft)), &version.collection, version.version)
    }

    /// Removes the release files of the versions a plan drops, and those that are damaged and nobody needs. Their chunks go
    /// with the segments of the plan.
    pub fn gc_drop(&self, plan: &GcPlan) -> Result<(), StoreError> {
        let _alone = self.documents()?;
        let remove = |version: &HeldVersion| {
            held::remove(&*self.disk, &self.dir.join(folder(version.draft)), &version.collection, version.version)
        };
        // One that has come back meanwhile stays; what is no file at all stays, and stops nothing.
        for lost in plan.lost.iter().filter(|version| self.is_damaged_release(&self.release_path(version))) {
            if let Err(error) = remove(lost) {
                tracing::warn!(%error, "a damaged release file stays");
            }
        }
        plan.dropped.iter().try_for_each(remove)
    }

    /// Rewrites one segment of a plan: moves what stays into the open segment, then removes the file.
    pub fn gc_segment(&self, plan: &GcPlan, number: u32) -> Result<Compacted, StoreError> {
        self.rewrite(number, &|id, at| Ok(plan.stays(id) || self.is_needed(id, at)?), Some(&plan.claims))
    }

    /// Rewrites a segment: moves the records that stay, then removes the file. One segment at a time; one that another call
    /// has removed meanwhile needs nothing. Without claims nothing goes but what was replaced.
    pub(super) fn rewrite(
        &self,
        number: u32,
        stays: &dyn Fn(&ChunkId, Location) -> Result<bool, StoreError>,
        claims: Option<&Claims>,
    ) -> Result<Compacted, StoreError> {
        let _alone = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        if !segment::list(&*self.disk, &self.dir.join("segments"))?.contains(&number) {
            return Ok(Compacted::default());
        }
        self.close_segment(number)?;
        let mut done = Compacted { freed_bytes: self.segment_len(number)?, ..Compacted::default() };
        loop {
            let mut staying = Vec::new();
            for (id, at) in self.with_index(|index| index.rows_of(number))? {
                if stays(&id, at)? {
                    staying.push((id, at));
                }
            }
            self.may_move(staying.iter().map(|(_, at)| RECORD_HEADER_LEN as u64 + u64::from(at.stored_len)).sum())?;
            for (id, at) in staying {
                match self.move_record(&id, at) {
                    Ok(bytes) => {
                        done.moved += 1;
                        done.freed_bytes = done.freed_bytes.saturating_sub(bytes);
                    }
                    Err(StoreError::Damaged { .. }) => done.damaged += 1,
                    Err(error) => return Err(error),
                }
            }
            // Claimed meanwhile: once more for those.
            if self.remove_segment(number, claims)? {
                return Ok(done);
            }
        }
    }

    /// Nothing more is appended to a segment from here on.
    fn close_segment(&self, number: u32) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        if writer.segment.number != number {
            return Ok(());
        }
        // What stays of it goes into the next: one that takes the same, or it would be left empty for another.
        let kind = if writer.segment.takes(RecordKind::Reference) { RecordKind::Reference } else { RecordKind::Chunk };
        self.roll(&mut writer, kind)
    }

    fn move_record(&self, id: &ChunkId, at: Location) -> Result<u64, StoreError> {
        let (record, payload) = match self.record_at(id, at) {
            Ok(found) => found,
            Err(failed) => return Err(self.give_up(id, at, failed)),
        };
        let mut writer = self.writer()?;
        if self.locate(id)? != Some(at) {
            return Ok(0);
        }
        self.write_instead(&mut writer, (record, &payload), at)?;
        Ok(RECORD_HEADER_LEN as u64 + u64::from(at.stored_len))
    }

    /// Everything live is elsewhere: synced there, then the rows, then the file. Rows that a power cut brings back find no
    /// file and are dropped when the store is opened; a file that comes back is scanned, and is garbage again. False, and
    /// nothing is done, when somebody has claimed a chunk that would go.
    fn remove_segment(&self, number: u32, claims: Option<&Claims>) -> Result<bool, StoreError> {
        let mut writer = self.writer()?;
        self.sync_writer(&mut writer)?;
        let dead = self.with_index(|index| {
            let dead = index.rows_of(number)?;
            if dead.iter().any(|(id, _)| claims.is_some_and(|claims| claims.contains(id))) {
                return Ok(None);
            }
            index.forget_behind(number, 0)?;
            Ok(Some(dead))
        })?;
        let Some(dead) = dead else { return Ok(false) };
        let bytes = dead.iter().map(|(_, at)| u64::from(at.stored_len)).sum();
        self.counts.chunks.fetch_sub(dead.len() as u64, Ordering::Relaxed);
        self.counts.stored_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.counts.segments.fetch_sub(1, Ordering::Relaxed);
        self.readers.remove(number);
        let dir = self.dir.join("segments");
        let path = segment::path(&dir, number);
        let len = self.segment_len(number)?;
        self.disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
        self.counts.disk_bytes.fetch_sub(len, Ordering::Relaxed);
        self.disk.sync_dir(&dir).map_err(|e| StoreError::io("sync", &dir, e))?;
        Ok(true)
    }

    pub(super) fn segment_len(&self, number: u32) -> Result<u64, StoreError> {
        segment::len(&*self.disk, &self.dir.join("segments"), number)
    }
}

fn folder(draft: bool) -> &'static str {
    if draft { "drafts" } else { "releases" }
}

#[cfg(test)]
mod tests;
