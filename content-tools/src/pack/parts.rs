//! Where the parts of a file that is taken apart end, and which rows and extents each needs (`docs/formats/manifest.md`).
//!
//! What must stay true: a part ends at a place that depends on content, so that an edit changes the parts around it; it
//! needs at most [`Limits::rows_max`] rows and [`Limits::extents_max`] bytes of extents, which fit a page; a row that a
//! part leaves unfinished stands in the next one again, with the bytes used so far as its `skip`. The result depends on
//! extents and rows only, not on when the rows came.

use super::lanes::{LaneReader, Lanes};
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::recipe::{Extent, STREAMS_MAX, encode_extents};
use std::io;

/// The size of parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From so many rows on a part may end.
    pub(super) rows_min: usize,
    /// A part has at most so many.
    pub(super) rows_max: usize,
    /// From so many bytes of extents on a part may end.
    pub(super) extents_min: usize,
    /// A part has at most so many.
    pub(super) extents_max: usize,
    /// One chunk in so many ends a part that may end.
    pub(super) one_in: u16,
}

impl Limits {
    /// What packing uses: pages of at most 900 KiB.
    pub(super) const PAGES: Self =
        Self { rows_min: 2_048, rows_max: 4_096, extents_min: 256 << 10, extents_max: 512 << 10, one_in: 1_024 };

    /// Whether the chunk ends a part that may end.
    pub(super) fn closes(&self, id: &ChunkId) -> bool {
        let id = id.as_bytes();
        u16::from_le_bytes([id[0], id[1]]).is_multiple_of(self.one_in)
    }
}

/// Bytes of the longest encoded extent.
const EXTENT_BYTES_MAX: usize = 9;

/// A part of a file that is taken apart.
#[derive(Debug, Default)]
pub(super) struct StreamPart {
    /// Rows with their streams, in the order in which the file needs them.
    pub(super) rows: Vec<(u8, ChunkEntry)>,
    /// Bytes of each stream's first row that an earlier part has used.
    pub(super) skips: [u32; STREAMS_MAX],
    /// Encoded extents.
    pub(super) extents: Vec<u8>,
    /// Bytes of the file.
    pub(super) bytes: u64,
}

/// Why there is no next part.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    /// A stream has fewer bytes than the extents want.
    #[error("a stream is shorter than its extents")]
    Short,
    /// A temporary file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The row of a stream that the next byte of the stream is in.
#[derive(Debug)]
struct Place {
    entry: ChunkEntry,
    /// Bytes of it that are used.
    used: u32,
    /// Whether it stands in the part that is being made.
    is_listed: bool,
}

/// Makes the parts of a file, one after the other.
#[derive(Debug)]
pub(super) struct Parts<'l> {
    limits: Limits,
    extents: &'l [Extent],
    /// What is left of the extent before them.
    current: Extent,
    readers: Vec<LaneReader<'l>>,
    places: [Option<Place>; STREAMS_MAX],
    /// Whether all that is left is one part.
    is_whole: bool,
}

impl<'l> Parts<'l> {
    pub(super) fn new(extents: &'l [Extent], lanes: &'l Lanes, limits: Limits) -> Self {
        let fits = |extents: &[Extent]| encode_extents(extents.iter().copied()).len() <= limits.extents_max;
        let is_whole = lanes.rows() <= limits.rows_max as u64 && fits(extents);
        let current = Extent { stream: 0, len: 0 };
        Self { limits, extents, current, readers: lanes.readers(), places: Default::default(), is_whole }
    }

    /// Whether the file has one part.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The next part; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<StreamPart>, PartError> {
        let mut part = StreamPart::default();
        // The extent that is growing: the one before in the file may be longer than what this part takes of it.
        let mut open = Extent { stream: 0, len: 0 };
        self.places.iter_mut().flatten().for_each(|place| place.is_listed = false);
        while self.advance() {
            let stream = usize::from(self.current.stream);
            if open.len == 0 || open.stream != self.current.stream {
                close_extent(&mut part, &mut open);
                if !self.is_whole && part.extents.len() + EXTENT_BYTES_MAX > self.limits.extents_max {
                    break;
                }
                open.stream = self.current.stream;
            }
            if !self.list_row(stream, &mut part)? {
                break;
            }
            let place = self.places[stream].as_mut().expect("it was listed");
            let len = self.current.len.min(u64::from(place.entry.plain_len - place.used));
            (self.current.len, open.len, part.bytes) = (self.current.len - len, open.len + len, part.bytes + len);
            place.used += len as u32;
            if place.used == place.entry.plain_len {
                let ended = place.entry.id;
                self.places[stream] = None;
                if !self.is_whole && self.may_end(&part) && self.limits.closes(&ended) {
                    break;
                }
            }
        }
        close_extent(&mut part, &mut open);
        Ok((part.bytes > 0).then_some(part))
    }

    /// Makes `current` the extent of the next byte; false at the end.
    fn advance(&mut self) -> bool {
        if self.current.len == 0
            && let Some((next, rest)) = self.extents.split_first()
        {
            (self.current, self.extents) = (*next, rest);
        }
        self.current.len > 0
    }

    /// Lists the row of a stream's next byte; false when the part has rows enough.
    fn list_row(&mut self, stream: usize, part: &mut StreamPart) -> Result<bool, PartError> {
        if self.places[stream].is_none() {
            let entry = self.readers[stream].next()?.ok_or(PartError::Short)?;
            self.places[stream] = Some(Place { entry, used: 0, is_listed: false });
        }
        let place = self.places[stream].as_mut().expect("made above");
        if place.is_listed {
            return Ok(true);
        }
        if !self.is_whole && part.rows.len() == self.limits.rows_max {
            return Ok(false);
        }
        place.is_listed = true;
        if place.used > 0 {
            part.skips[stream] = place.used;
        }
        part.rows.push((stream as u8, place.entry));
        Ok(true)
    }

    fn may_end(&self, part: &StreamPart) -> bool {
        part.rows.len() >= self.limits.rows_min || part.extents.len() >= self.limits.extents_min
    }
}

fn close_extent(part: &mut StreamPart, open: &mut Extent) {
    if open.len > 0 {
        part.extents.extend(encode_extents([*open]));
        open.len = 0;
    }
}

#[cfg(test)]
mod tests;
