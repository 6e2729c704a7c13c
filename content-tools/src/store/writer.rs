//! The writing half of a store: batches of records go into the open segment, and syncs run behind the writing.
//!
//! What must stay true: an index row is committed only after a sync that was begun when its bytes were written already, and
//! that succeeded; a sync that failed poisons the store for writing; at most one sync is under way, and a second one waits for
//! it, so that at most [`StoreOptions::sync_bytes`] are written and not synced (a put of more than half of that at once
//! comes on top); who claims durability waits for both. Why: `docs/decisions/0011-syncs-behind-the-writer.md`.

use super::index::Location;
use super::record::{self, Place, RECORD_HEADER_LEN, Record, RecordKind};
use super::segment::Segment;
use super::{Store, StoreError};
use crate::disk::PendingSync;
use karez_protocol::content::hash::ChunkId;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

#[cfg(doc)]
use super::StoreOptions;

/// Records in one write: with header and payload each, below the 1024 pieces that Linux takes.
const BATCH_RECORDS: usize = 500;

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) segment: Segment,
    /// Bytes written since the last sync was begun.
    unsynced: u64,
    oldest_unsynced: Instant,
    poisoned: bool,
    /// Records that a pending one stands in for: their rows go in the commit that brings the new ones.
    replaced: Vec<(ChunkId, Location)>,
    behind: Option<Behind>,
}

/// A sync that runs while the writer goes on, and what its end will be told to the index.
#[derive(Debug)]
struct Behind {
    /// `None` when it has succeeded and the index could not take the rows yet.
    sync: Option<Box<dyn PendingSync>>,
    /// What was written before this place is durable when it succeeds; all before that segment is.
    until: Place,
    oldest: Instant,
    replaced: Vec<(ChunkId, Location)>,
}

impl Writer {
    pub(super) fn new(segment: Segment) -> Self {
        Self {
            segment,
            unsynced: 0,
            oldest_unsynced: Instant::now(),
            poisoned: false,
            replaced: Vec::new(),
            behind: None,
        }
    }

    /// A pending record is lost: what it stood in for stays.
    pub(super) fn keep_replaced(&mut self, id: &ChunkId) {
        let behind = self.behind.iter_mut().map(|behind| &mut behind.replaced);
        for replaced in behind.chain([&mut self.replaced]) {
            replaced.retain(|(replaced, _)| replaced != id);
        }
    }

    /// Since when something has been waiting for its sync.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let written = (self.unsynced > 0).then_some(self.oldest_unsynced);
        self.behind.as_ref().map(|behind| behind.oldest).or(written)
    }

    /// Begins to sync what was written since the last time. Nothing may be under way.
    fn begin_sync(&mut self) {
        if self.unsynced > 0 {
            self.behind = Some(Behind {
                sync: Some(self.segment.begin_sync()),
                until: Place { segment: self.segment.number, offset: self.segment.len() },
                oldest: self.oldest_unsynced,
                replaced: std::mem::take(&mut self.replaced),
            });
            self.unsynced = 0;
        }
    }
}

impl Store {
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        self.must_be_writable()?;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.poisoned { Err(StoreError::Poisoned { dir: self.dir.clone() }) } else { Ok(writer) }
    }

    /// Appends new chunks as far as the quota lets them, each usable when this returns.
    pub(super) fn write_all(&self, writer: &mut Writer, records: &[(Record, &[u8])]) -> Result<(), StoreError> {
        let mut rest = records;
        while let Some((first, _)) = rest.first() {
            self.make_room(writer, first.kind, rest)?;
            let (now, later) = rest.split_at(self.batch_len(writer, rest));
            match self.may_grow(bytes_of(now)) {
                Ok(()) => self.append(writer, now)?,
                // Not all of it: what fits, up to the first that does not.
                Err(_) => now.iter().map(std::slice::from_ref).try_for_each(|one| {
                    self.may_grow(bytes_of(one))?;
                    self.append(writer, one)
                })?,
            }
            rest = later;
        }
        Ok(())
    }

    /// Appends a record in the place of another, whose row goes in the commit that brings its own.
    pub(super) fn write_instead(
        &self,
        writer: &mut Writer,
        record: (Record, &[u8]),
        of: Location,
    ) -> Result<(), StoreError> {
        self.make_room(writer, record.0.kind, &[record])?;
        self.append(writer, &[record])?;
        // Between the append and the next sync: neither may know one row without the other.
        writer.replaced.push((record.0.entry.id, of));
        self.counts.chunks.fetch_sub(1, Ordering::Relaxed);
        self.counts.stored_bytes.fetch_sub(u64::from(of.stored_len), Ordering::Relaxed);
        Ok(())
    }

    /// Rolls and syncs as is due before the next record.
    fn make_room(&self, writer: &mut Writer, kind: RecordKind, rest: &[(Record, &[u8])]) -> Result<(), StoreError> {
        if self.batch_len(writer, rest) == 0 || !writer.segment.takes(kind) {
            self.roll(writer, kind)?;
        }
        let next = bytes_of(&rest[..self.batch_len(writer, rest)]);
        // Half runs behind, half is being written.
        if writer.unsynced > 0 && writer.unsynced + next > self.options.sync_bytes / 2 {
            self.finish_sync(writer)?;
            writer.begin_sync();
        }
        Ok(())
    }

    /// How many of some records go into the open segment with the next write; an empty segment takes one of any length.
    fn batch_len(&self, writer: &Writer, records: &[(Record, &[u8])]) -> usize {
        let mut len = writer.segment.len();
        let fits = |(_, payload): &&(Record, &[u8])| {
            len += (RECORD_HEADER_LEN + payload.len()) as u64;
            len <= self.options.segment_bytes
        };
        let fitting = records.iter().take(BATCH_RECORDS).take_while(fits).count();
        fitting.max(usize::from(writer.segment.is_empty()))
    }

    fn append(&self, writer: &mut Writer, records: &[(Record, &[u8])]) -> Result<(), StoreError> {
        let mut place = writer.segment.append(records).map_err(|failed| {
            writer.poisoned |= !failed.whole;
            failed.error
        })?;
        if writer.unsynced == 0 {
            writer.oldest_unsynced = Instant::now();
        }
        let bytes = bytes_of(records);
        writer.unsynced += bytes;
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        for (record, payload) in records {
            pending.insert(record.entry.id, Location { place, stored_len: payload.len() as u32 });
            place.offset += (RECORD_HEADER_LEN + payload.len()) as u64;
        }
        drop(pending);
        self.counts.disk_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.counts.chunks.fetch_add(records.len() as u64, Ordering::Relaxed);
        let stored_bytes = bytes - (records.len() * RECORD_HEADER_LEN) as u64;
        self.counts.stored_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync_writer(&self, writer: &mut Writer) -> Result<(), StoreError> {
        self.finish_sync(writer)?;
        writer.begin_sync();
        self.finish_sync(writer)
    }

    /// Waits for the sync under way; then the index rows, and only then out of the pending map, so that a reader always finds
    /// the chunk.
    fn finish_sync(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let Some(behind) = &mut writer.behind else { return Ok(()) };
        let Place { segment, offset } = behind.until;
        if let Some(sync) = behind.sync.take()
            && let Err(error) = sync.finish()
        {
            writer.poisoned = true;
            return Err(StoreError::io("sync", &super::segment::path(&self.dir.join("segments"), segment), error));
        }
        let rows: Vec<(ChunkId, Location)> = {
            let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
            pending.iter().filter(|(_, at)| at.place < behind.until).map(|(id, at)| (*id, *at)).collect()
        };
        self.with_index(|index| index.commit(segment, offset, &rows, &behind.replaced))?;
        // Whoever adds to the map holds the writer lock, as this does: nothing came in since.
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, at| at.place >= behind.until);
        writer.behind = None;
        Ok(())
    }

    /// Begins the next segment, while the sync of the last one goes on.
    pub(super) fn roll(&self, writer: &mut Writer, kind: RecordKind) -> Result<(), StoreError> {
        self.finish_sync(writer)?;
        writer.begin_sync();
        let exhausted = || StoreError::SegmentsExhausted { dir: self.dir.clone() };
        let number = writer.segment.number.checked_add(1).ok_or_else(exhausted)?;
        let format = match kind {
            RecordKind::Chunk => record::SEGMENT_FORMAT,
            RecordKind::Reference => record::SEGMENT_FORMAT_REFERENCES,
        };
        writer.segment = Segment::create(&self.disk, &self.dir.join("segments"), number, format)?;
        self.readers.insert(number, writer.segment.file());
        self.counts.segments.fetch_add(1, Ordering::Relaxed);
        self.counts.disk_bytes.fetch_add(writer.segment.len(), Ordering::Relaxed);
        Ok(())
    }
}

fn bytes_of(records: &[(Record, &[u8])]) -> u64 {
    records.iter().map(|(_, payload)| (RECORD_HEADER_LEN + payload.len()) as u64).sum()
}
