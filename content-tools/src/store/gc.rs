//! Compaction: giving back the space of what no kept version names.
//!
//! What must stay true: a chunk that a kept version names is never removed; when it cannot be told what is named (a
//! damaged release file, a page that is not here), nothing is. The old segment goes only after the live records of it are
//! fsynced in another one. A kill or power cut at any point leaves chunks twice at worst: recovery counts each once, and
//! the next compaction removes the rest. Nothing written since the store was opened is touched: it may belong to a version
//! that is still being packed or pulled and has no release yet.
//!
//! Kept are the newest version of each collection, signed and draft, and what is pinned. What is live is marked in a
//! blocked Bloom filter of 12 bits per chunk: it errs only by keeping garbage (one chunk in a hundred, another one each
//! time, as the marks are seeded anew), and 20 million chunks fit into 30 MB.
//!
//! Rejected: an exact set of ids (640 MB) or of their prefixes (160 MB) in memory; sorting ids on disk, which writes the
//! whole index once more on the disk that is short of space; reference counts, which must be right after every power cut.

use super::filter::{Filter, prefix};
use super::index::Location;
use super::read::Failed;
use super::record::{RECORD_HEADER_LEN, RecordKind, SEGMENT_HEADER_LEN};
use super::{HeldRelease, Pin, Store, StoreError, held, segment, source};
use karez_protocol::content::Document;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page};
use karez_protocol::content::name::CollectionName;
use std::hash::{BuildHasher, RandomState};
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

/// A segment that is worth rewriting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentGarbage {
    /// Its number.
    pub number: u32,
    /// Bytes of records that stay.
    pub live_bytes: u64,
    /// Bytes that come free.
    pub garbage_bytes: u64,
}

/// What a compaction will do. Made with nothing else writing; carried out one segment at a time, with pauses as you like.
#[derive(Debug)]
pub struct GcPlan {
    /// Versions that stay.
    pub kept: Vec<HeldVersion>,
    /// Older versions that go.
    pub dropped: Vec<HeldVersion>,
    /// Segments to rewrite.
    pub segments: Vec<SegmentGarbage>,
    /// Garbage in segments that hold too little of it to be rewritten.
    pub left_bytes: u64,
    live: Live,
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

/// Marks of what is live; may know too much, never too little.
#[derive(Debug)]
struct Live {
    marks: Filter,
    seed: u64,
}

impl Live {
    fn with_room(chunks: usize) -> Self {
        Self { marks: Filter::with_room(chunks), seed: RandomState::new().hash_one(chunks) }
    }

    fn mark(&mut self, id: &ChunkId) {
        self.marks.insert(prefix(id) ^ self.seed);
    }

    fn contains(&self, id: &ChunkId) -> bool {
        self.marks.contains(prefix(id) ^ self.seed)
    }
}

impl Store {
    /// Finds out what is garbage. Reads the pages of all kept versions and the index, changes nothing.
    pub fn gc_plan(&self) -> Result<GcPlan, StoreError> {
        self.sync()?;
        let (mut kept, mut dropped, mut roots) = (Vec::new(), Vec::new(), Vec::new());
        let pins = self.pins()?;
        for draft in [false, true] {
            let all = held::list_all(&*self.disk, &self.dir.join(folder(draft)))?;
            for release in &all {
                let stays = is_newest(release, &all) || pins.iter().any(|pin| holds(pin, release));
                let (collection, version) = (release.collection.clone(), release.version);
                let list = if stays { &mut kept } else { &mut dropped };
                list.push(HeldVersion { collection, version, draft });
            }
            roots.extend(all.into_iter().filter(|release| kept.iter().any(|kept| names(kept, release, draft))));
        }
        kept.sort();
        dropped.sort();
        let live = self.mark(&roots)?;
        let mut plan = GcPlan { kept, dropped, segments: Vec::new(), left_bytes: 0, live };
        self.weigh(&mut plan)?;
        Ok(plan)
    }

    fn mark(&self, releases: &[HeldRelease]) -> Result<Live, StoreError> {
        let roots = releases.iter().map(|release| Ok((release, ManifestRoot::from_bytes(&release.root)?)));
        let roots = roots.collect::<Result<Vec<_>, StoreError>>()?;
        let rows = roots.iter().flat_map(|(_, root)| &root.pages).map(|page| page.chunks as usize + 1).sum();
        let mut live = Live::with_room(rows);
        for (release, root) in roots {
            for page in root.pages {
                live.mark(&page.entry.id);
                let plain = self.read_plain(&page.entry.id);
                let known = plain.ok().flatten().and_then(|plain| Page::from_bytes(&plain).ok());
                let (collection, version) = (&release.collection, release.version);
                let unknown = || StoreError::UnknownContents { collection: collection.clone(), version };
                known.ok_or_else(unknown)?.chunks.iter().for_each(|entry| live.mark(&entry.id));
            }
        }
        Ok(live)
    }

    fn weigh(&self, plan: &mut GcPlan) -> Result<(), StoreError> {
        for number in self.settled_segments()? {
            let rows = self.with_index(|index| index.rows_of(number))?;
            let mut live_bytes = 0;
            for (id, at) in rows {
                if self.is_live(&plan.live, &id, at)? {
                    live_bytes += RECORD_HEADER_LEN as u64 + u64::from(at.stored_len);
                }
            }
            let len = self.segment_len(number)?;
            let garbage_bytes = len.saturating_sub(SEGMENT_HEADER_LEN as u64 + live_bytes);
            if garbage_bytes > 0 && garbage_bytes * GARBAGE_PARTS >= len {
                plan.segments.push(SegmentGarbage { number, live_bytes, garbage_bytes });
            } else {
                plan.left_bytes += garbage_bytes;
            }
        }
        Ok(())
    }

    /// Segments that nothing was written to since the store was opened.
    fn settled_segments(&self) -> Result<Vec<u32>, StoreError> {
        let mut numbers = segment::list(&*self.disk, &self.dir.join("segments"))?;
        let writer = self.writer()?;
        let untouched =
            writer.segment.number == self.opened_at.segment && writer.segment.len() == self.opened_at.offset;
        numbers.retain(|number| *number < self.opened_at.segment || (untouched && *number == self.opened_at.segment));
        Ok(numbers)
    }

    pub(super) fn segment_len(&self, number: u32) -> Result<u64, StoreError> {
        let path = segment::path(&self.dir.join("segments"), number);
        self.disk.len(&path).map_err(|e| StoreError::io("read", &path, e))
    }

    /// Whether a chunk stays. Descriptions of source files do, as only the references say who needs them; they are small.
    fn is_live(&self, live: &Live, id: &ChunkId, at: Location) -> Result<bool, StoreError> {
        if live.contains(id) {
            return Ok(true);
        }
        if at.stored_len > source::SOURCE_BYTES_MAX {
            return Ok(false);
        }
        // The record alone: what a reference refers to need not be read, and may have changed since it became garbage.
        match self.record_at(id, at) {
            Ok((record, payload)) => Ok(record.kind == RecordKind::Chunk && source::is_source(&payload)),
            Err(Failed::Passing(error)) => Err(error),
            Err(Failed::Lost | Failed::Changed(_)) => Ok(false),
        }
    }

    /// Removes the release files of the versions a plan drops. Their chunks go with the segments of the plan.
    pub fn gc_drop(&self, plan: &GcPlan) -> Result<(), StoreError> {
        let _alone = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        plan.dropped.iter().try_for_each(|version| {
            held::remove(&*self.disk, &self.dir.join(folder(version.draft)), &version.collection, version.version)
        })
    }

    /// Rewrites one segment of a plan: moves what is live into the open segment, then removes the file.
    pub fn gc_segment(&self, plan: &GcPlan, number: u32) -> Result<Compacted, StoreError> {
        self.rewrite(number, &|id, at| self.is_live(&plan.live, id, at))
    }

    /// Rewrites a segment that nothing is written to: moves the records that stay, then removes the file. One segment at a
    /// time; one that another call has removed meanwhile needs nothing.
    pub(super) fn rewrite(
        &self,
        number: u32,
        stays: &dyn Fn(&ChunkId, Location) -> Result<bool, StoreError>,
    ) -> Result<Compacted, StoreError> {
        let _alone = self.compaction.lock().unwrap_or_else(PoisonError::into_inner);
        if !segment::list(&*self.disk, &self.dir.join("segments"))?.contains(&number) {
            return Ok(Compacted::default());
        }
        let mut done = Compacted { freed_bytes: self.segment_len(number)?, ..Compacted::default() };
        for (id, at) in self.with_index(|index| index.rows_of(number))? {
            if !stays(&id, at)? {
                continue;
            }
            match self.move_record(&id, at) {
                Ok(bytes) => {
                    done.moved += 1;
                    done.freed_bytes = done.freed_bytes.saturating_sub(bytes);
                }
                Err(StoreError::Damaged { .. }) => done.damaged += 1,
                Err(error) => return Err(error),
            }
        }
        self.remove_segment(number)?;
        Ok(done)
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
        if writer.segment.number == at.place.segment {
            self.roll(&mut writer, record.kind)?;
        }
        self.write_instead(&mut writer, (record, &payload), at)?;
        Ok(RECORD_HEADER_LEN as u64 + u64::from(at.stored_len))
    }

    /// Everything live is elsewhere: synced there, then the rows, then the file. Rows that a power cut brings back find no
    /// file and are dropped when the store is opened; a file that comes back is scanned, and is garbage again.
    fn remove_segment(&self, number: u32) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        if writer.segment.number == number {
            self.roll(&mut writer, RecordKind::Chunk)?;
        }
        self.sync_writer(&mut writer)?;
        let dead = self.with_index(|index| {
            let dead = index.rows_of(number)?;
            index.forget_behind(number, 0)?;
            Ok(dead)
        })?;
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
        self.disk.sync_dir(&dir).map_err(|e| StoreError::io("sync", &dir, e))
    }
}

fn folder(draft: bool) -> &'static str {
    if draft { "drafts" } else { "releases" }
}

fn is_newest(release: &HeldRelease, all: &[HeldRelease]) -> bool {
    !all.iter().any(|other| other.collection == release.collection && other.version > release.version)
}

fn holds(pin: &Pin, release: &HeldRelease) -> bool {
    pin.holds(&release.collection, release.version)
}

fn names(kept: &HeldVersion, release: &HeldRelease, draft: bool) -> bool {
    kept.draft == draft && kept.collection == release.collection && kept.version == release.version
}

#[cfg(test)]
mod tests;
