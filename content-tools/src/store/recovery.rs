//! Opening a store: making the index agree with the segments, whatever happened to either.
//!
//! What must stay true: the segments are right and the index follows. Bytes behind what the index knows are scanned,
//! whole records are taken in, a torn tail of the last segment is cut off (one before it may have such a tail too, as the
//! next segment begins while its last sync is under way). Recovered records are fsynced before their
//! rows are committed, because after a kill they may be in the page cache only. A reference is taken in only with the
//! description of its file: the two are separate records, and a power cut may leave the later one alone, where it must not
//! hide the copy that it was to stand in for.

use super::error::StoreError;
use super::index::{Index, Location, SegmentRow};
use super::record::{self, SEGMENT_HEADER_LEN, SegmentHeader};
use super::scan::{self, Scan, Whole};
use super::segment::{self, Segment};
use super::source::SOURCE_BYTES_MAX;
use crate::disk::{self, Access, Disk, DiskFile};
use karez_protocol::content::hash::ChunkId;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// An opened store's segments.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segment: Segment,
    pub(super) segments: u64,
    pub(super) chunks: u64,
    pub(super) stored_bytes: u64,
    pub(super) recovered: u64,
}

/// The state of one segment file after recovery.
struct Checked {
    number: u32,
    /// Where whole records end.
    end: u64,
    /// The format of its header when new records may be appended at `end`.
    clean: Option<u16>,
    recovered: u64,
    /// Whether the index was told of less than its end, for references that nothing describes yet.
    waits: bool,
}

/// What becomes of references whose file nothing describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undescribed {
    /// The index learns no more than where the first of them stands, so that it is looked at once more.
    Wait,
    /// They are garbage.
    Skip,
}

/// One pass over the segments.
struct Pass<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    index: &'a Index,
    /// The segment with the highest number.
    last: Option<u32>,
    undescribed: Undescribed,
    /// What was found is made durable before the index hears of it.
    syncs: bool,
}

/// Records of a scan that can be read.
#[derive(Default)]
struct Usable {
    rows: Vec<(ChunkId, Location)>,
    /// References that nothing describes, and where the first of them stands.
    undescribed: u64,
    first_undescribed: Option<u64>,
}

/// Brings index and segments together and opens the segment to append to; without `segment_bytes` nothing will be, and no file
/// is touched.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    index: &Index,
    segment_bytes: Option<u64>,
) -> Result<Recovered, StoreError> {
    let failed = |e| StoreError::index(e, dir);
    let known = index.segments().map_err(failed)?;
    let numbers = segment::list(&**disk, dir)?;
    for lost in known.keys().filter(|number| !numbers.contains(number)) {
        tracing::warn!(segment = lost, "a segment file is gone: its chunks will be fetched again");
        index.forget_behind(*lost, 0).map_err(failed)?;
    }
    let syncs = segment_bytes.is_some();
    let pass = |undescribed| Pass { disk: &**disk, dir, index, last: numbers.last().copied(), undescribed, syncs };
    let (mut recovered, mut last, mut again) = (0, None, Vec::new());
    for number in &numbers {
        let checked = pass(Undescribed::Wait).check_segment(*number, known.get(number).copied().unwrap_or_default())?;
        recovered += checked.recovered;
        again.extend(checked.waits.then_some(*number));
        last = Some(checked);
    }
    // Compaction may have moved a description behind what refers to it; now that all are known, the others are lost.
    for number in again {
        let known = index.segments().map_err(failed)?.get(&number).copied().unwrap_or_default();
        recovered += pass(Undescribed::Skip).check_segment(number, known)?.recovered;
    }
    let (segment, created) = match segment_bytes {
        Some(segment_bytes) => open_last(disk, dir, last, segment_bytes)?,
        None => (Segment::none(), false),
    };
    let rows = index.segments().map_err(failed)?;
    Ok(Recovered {
        segment,
        segments: numbers.len() as u64 + u64::from(created),
        chunks: rows.values().map(|row| row.chunks).sum(),
        stored_bytes: rows.values().map(|row| row.stored_bytes).sum(),
        recovered,
    })
}

fn open_last(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    last: Option<Checked>,
    segment_bytes: u64,
) -> Result<(Segment, bool), StoreError> {
    match last {
        None => Ok((Segment::create(disk, dir, 1, record::SEGMENT_FORMAT)?, true)),
        Some(Checked { number, end, clean: Some(format), .. }) if end < segment_bytes => {
            Ok((Segment::resume(&**disk, dir, number, end, format)?, false))
        }
        Some(last) => {
            let exhausted = || StoreError::SegmentsExhausted { dir: dir.into() };
            let number = last.number.checked_add(1).ok_or_else(exhausted)?;
            Ok((Segment::create(disk, dir, number, record::SEGMENT_FORMAT)?, true))
        }
    }
}

impl Pass<'_> {
    fn check_segment(&self, number: u32, known: SegmentRow) -> Result<Checked, StoreError> {
        let path = segment::path(self.dir, number);
        let io = |e| StoreError::io("read", &path, e);
        let file = match self.disk.open(&path, Access::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound || disk::is_not_a_file(&error) => {
                tracing::warn!(file = %path.display(), %error, "a segment is lost: its chunks will be fetched again");
                self.index.forget_behind(number, 0).map_err(|e| self.failed(e))?;
                return Ok(Checked { number, end: 0, clean: None, recovered: 0, waits: false });
            }
            opened => opened.map_err(io)?,
        };
        let len = file.len().map_err(io)?;
        let checked = |end, clean| Checked { number, end, clean, recovered: 0, waits: false };
        if len < SEGMENT_HEADER_LEN as u64 && known.synced_len == 0 {
            return Ok(checked(len, Some(record::SEGMENT_FORMAT)));
        }
        let mut clean = known_format(&*file, number, &path)?;
        let mut synced = known.synced_len;
        if len < synced {
            tracing::warn!(segment = number, "a segment file has become shorter: what it lost will be fetched again");
            self.index.forget_behind(number, len).map_err(|e| self.failed(e))?;
            (synced, clean) = (len, None);
        }
        let start = synced.max(SEGMENT_HEADER_LEN as u64);
        if len <= start {
            return Ok(checked(start, clean));
        }
        let scan = scan::scan(&*file, number, start, len).map_err(io)?;
        // After a kill the pages may not be on the disk yet; no row may refer to them before they are.
        if self.syncs {
            file.sync_data().map_err(|e| StoreError::io("sync", &path, e))?;
        }
        let (recovered, waits) = self.take_in(number, &scan, len)?;
        Ok(Checked { recovered, waits, ..checked(scan.end, clean) })
    }

    /// Tells the index what a scan up to `len` found, which is synced. How many records were new to it, and whether some wait.
    fn take_in(&self, number: u32, scan: &Scan, len: u64) -> Result<(u64, bool), StoreError> {
        if scan.damaged_bytes > 0 {
            let bytes = scan.damaged_bytes;
            tracing::warn!(segment = number, bytes, "damaged records skipped: they will be fetched again");
        }
        let usable = self.usable(&scan.records)?;
        let waits = usable.first_undescribed.filter(|_| self.undescribed == Undescribed::Wait);
        if waits.is_none() && usable.undescribed > 0 {
            tracing::warn!(
                segment = number,
                chunks = usable.undescribed,
                "nothing says which file these are in: they will be fetched again"
            );
        }
        // The tail of the last segment is about to be cut off; a torn one of another is looked at this once.
        let known_to = waits.unwrap_or(if self.last == Some(number) { scan.end } else { len });
        let new = self.index.commit(number, known_to, &usable.rows, &[]).map_err(|e| self.failed(e))?;
        Ok((new, waits.is_some()))
    }

    fn usable(&self, records: &[Whole]) -> Result<Usable, StoreError> {
        let could_describe = |record: &&Whole| record.source.is_none() && record.entry.stored_len <= SOURCE_BYTES_MAX;
        let here: HashSet<&ChunkId> = records.iter().filter(could_describe).map(|record| &record.entry.id).collect();
        let mut usable = Usable::default();
        // References to one file mostly follow each other.
        let mut described = None;
        for Whole { place, entry, source } in records {
            if let Some(source) = source
                && described != Some(source)
            {
                if !here.contains(source) && self.index.get(source).map_err(|e| self.failed(e))?.is_none() {
                    usable.undescribed += 1;
                    usable.first_undescribed.get_or_insert(place.offset);
                    continue;
                }
                described = Some(source);
            }
            usable.rows.push((entry.id, Location { place: *place, stored_len: entry.stored_len }));
        }
        Ok(usable)
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::index(error, self.dir)
    }
}

/// The format of a segment; `None` when its header is damaged: the records behind it describe themselves, but nothing is
/// appended any more.
fn known_format(file: &dyn DiskFile, number: u32, path: &Path) -> Result<Option<u16>, StoreError> {
    let mut header = [0; SEGMENT_HEADER_LEN];
    let read = file.read_at(&mut header, 0).map_err(|e| StoreError::io("read", path, e))?;
    match record::read_segment_header(&header[..read], number) {
        SegmentHeader::Known(format) => Ok(Some(format)),
        SegmentHeader::Damaged => Ok(None),
        SegmentHeader::Newer(found) => {
            Err(StoreError::UnknownFormat { path: path.into(), found, known: record::SEGMENT_FORMAT_REFERENCES })
        }
    }
}
