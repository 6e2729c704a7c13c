//! Telling the index of another store from one's own: somebody copied a folder half, or put a backup of one file back.
//!
//! What must stay true: a damaged record is no proof, as damage must cost its own chunk and not the index; what proves it
//! is a whole record header of another chunk in the place of a segment's first record, which every segment has at the
//! same offset. A copy of this store that went its own way is told by the last record of the segment where they parted.
//! The cost is two short reads in each of [`SAMPLES`] segments.

use super::error::StoreError;
use super::index::{Index, SegmentRow};
use super::record::{
    Place, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, SegmentHeader, read_record_header, read_segment_header,
};
use super::segment;
use crate::disk::{Access, Disk, DiskFile};
use karez_protocol::content::hash::ChunkId;
use std::collections::BTreeMap;
use std::path::Path;

/// Segments looked into: the latest, where copies differ, and some before them.
const SAMPLES: usize = 16;
/// Of these, the latest.
const LATEST: usize = 8;

/// What a sample of an index says about whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing speaks against it but these segments, whose rows are another store's.
    Own { but: Vec<u32> },
    /// It is another store's.
    Foreign,
}

/// Looks whether an index is that of the segments in a folder.
pub(super) fn judge(disk: &dyn Disk, dir: &Path, index: &Index) -> Result<Verdict, StoreError> {
    let known = index.segments().map_err(|e| StoreError::index(e, dir))?;
    let (mut own, mut but) = (0, Vec::new());
    for number in sample(&known) {
        // What cannot be opened says nothing; recovery says what it is.
        let Ok(file) = disk.open(&segment::path(dir, number), Access::Read) else { continue };
        match is_of(&*file, number, index).map_err(|e| StoreError::index(e, dir))? {
            Some(true) => own += 1,
            Some(false) => but.push(number),
            None => {}
        }
    }
    Ok(if but.len() > own { Verdict::Foreign } else { Verdict::Own { but } })
}

fn sample(known: &BTreeMap<u32, SegmentRow>) -> Vec<u32> {
    let filled = known.iter().filter(|(_, row)| row.chunks > 0).map(|(number, _)| *number);
    let mut numbers: Vec<u32> = filled.collect();
    let latest = numbers.split_off(numbers.len().saturating_sub(LATEST));
    let step = numbers.len().div_ceil(SAMPLES - LATEST).max(1);
    latest.into_iter().chain(numbers.into_iter().step_by(step)).collect()
}

/// Whether the rows of a segment are those of its file; `None` when nothing can be told.
fn is_of(file: &dyn DiskFile, number: u32, index: &Index) -> rusqlite::Result<Option<bool>> {
    let first = Place { segment: number, offset: SEGMENT_HEADER_LEN as u64 };
    let rows = index.ends_of(number)?;
    let Some(((first_place, first_id), (last_place, last_id))) = rows else { return Ok(None) };
    if first_place == first
        && let Some(found) = id_at(file, first)
        && found != first_id
    {
        return Ok(Some(false));
    }
    let is_whole = file.len().is_ok_and(|len| last_place.offset + (RECORD_HEADER_LEN as u64) <= len);
    if !is_whole || !has_header(file, number) {
        return Ok(None);
    }
    Ok(Some(id_at(file, last_place) == Some(last_id)))
}

fn id_at(file: &dyn DiskFile, place: Place) -> Option<ChunkId> {
    let mut header = [0; RECORD_HEADER_LEN];
    file.read_exact_at(&mut header, place.offset).ok()?;
    read_record_header(&header, place).map(|record| record.entry.id)
}

fn has_header(file: &dyn DiskFile, number: u32) -> bool {
    let mut header = [0; SEGMENT_HEADER_LEN];
    file.read_exact_at(&mut header, 0).is_ok()
        && matches!(read_segment_header(&header, number), SegmentHeader::Known(_))
}

#[cfg(test)]
mod tests;
