//! Opening a store: making the index agree with the segments, whatever happened to either.
//!
//! What must stay true: the segments are right and the index follows. Bytes behind what the index knows are scanned,
//! whole records are taken in, a torn tail of the last segment is cut off (one before it may have such a tail too, as the
//! next segment begins while its last sync is under way). Recovered records are fsynced before their
//! rows are committed, because after a kill they may be in the page cache only.

use super::error::StoreError;
use super::index::{Index, Location, SegmentRow};
use super::record::{self, SEGMENT_HEADER_LEN, SegmentHeader};
use super::scan;
use super::segment::{self, Segment};
use crate::disk::{Access, Disk, DiskFile};
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
}

/// Brings index and segments together and opens the segment to append to.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    index: &Index,
    segment_bytes: u64,
) -> Result<Recovered, StoreError> {
    let failed = |e| StoreError::index(e, dir);
    let known = index.segments().map_err(failed)?;
    let numbers = segment::list(&**disk, dir)?;
    for lost in known.keys().filter(|number| !numbers.contains(number)) {
        tracing::warn!(segment = lost, "a segment file is gone: its chunks will be fetched again");
        index.forget_behind(*lost, 0).map_err(failed)?;
    }
    let mut recovered = 0;
    let mut last = None;
    for number in &numbers {
        let known = known.get(number).copied().unwrap_or_default();
        let checked = check_segment(&**disk, dir, *number, known, index, numbers.last() == Some(number))?;
        recovered += checked.recovered;
        last = Some(checked);
    }
    let (segment, created) = open_last(disk, dir, last, segment_bytes)?;
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

fn check_segment(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    known: SegmentRow,
    index: &Index,
    last: bool,
) -> Result<Checked, StoreError> {
    let path = segment::path(dir, number);
    let io = |e| StoreError::io("read", &path, e);
    let failed = |e| StoreError::index(e, dir);
    let file = disk.open(&path, Access::Read).map_err(io)?;
    let len = file.len().map_err(io)?;
    if len < SEGMENT_HEADER_LEN as u64 && known.synced_len == 0 {
        return Ok(Checked { number, end: len, clean: Some(record::SEGMENT_FORMAT), recovered: 0 });
    }
    let mut clean = known_format(&*file, number, &path)?;
    let mut synced = known.synced_len;
    if len < synced {
        tracing::warn!(segment = number, "a segment file has become shorter: what it lost will be fetched again");
        index.forget_behind(number, len).map_err(failed)?;
        (synced, clean) = (len, None);
    }
    let start = synced.max(SEGMENT_HEADER_LEN as u64);
    if len <= start {
        return Ok(Checked { number, end: start, clean, recovered: 0 });
    }
    let scan = scan::scan(&*file, number, start, len).map_err(io)?;
    if scan.damaged_bytes > 0 {
        tracing::warn!(
            segment = number,
            bytes = scan.damaged_bytes,
            "damaged records skipped: they will be fetched again"
        );
    }
    let rows: Vec<_> = scan
        .records
        .iter()
        .map(|(place, entry)| (entry.id, Location { place: *place, stored_len: entry.stored_len }))
        .collect();
    // After a kill the pages may not be on the disk yet; no row may refer to them before they are.
    file.sync_data().map_err(|e| StoreError::io("sync", &path, e))?;
    // The tail of the last segment is about to be cut off; a torn one of another is looked at this once.
    let known_to = if last { scan.end } else { len };
    index.commit(number, known_to, &rows, &[]).map_err(failed)?;
    Ok(Checked { number, end: scan.end, clean, recovered: rows.len() as u64 })
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
