//! Where the samples of tracks stand in a file, and the extents that follow from it.
//!
//! What must stay true: the extents are the file's bytes, each once, in order; memory is bounded by [`RANGES_MAX`].

use super::fallback::Fallback;
use karez_protocol::content::recipe::{Extent, STREAMS_MAX, encode_extents};

/// Most ranges: five hours of film whose picture and sound take turns 50 times a second; 24 MiB of memory.
const RANGES_MAX: usize = 1 << 20;
/// A recipe may cost one part in this many of its file.
const RECIPE_PART: u64 = 200;

/// Consecutive sample bytes of one track.
#[derive(Debug, Clone, Copy)]
struct Range {
    offset: u64,
    len: u64,
    stream: u8,
}

/// Sample ranges as a parser finds them, in any order.
#[derive(Debug, Default)]
pub(super) struct Samples {
    ranges: Vec<Range>,
    tracks: Vec<u64>,
}

impl Samples {
    /// Notes bytes of a track, whatever number the container gives it.
    pub(super) fn add(&mut self, track: u64, offset: u64, len: u64) -> Result<(), Fallback> {
        if len == 0 {
            return Ok(());
        }
        let stream = self.stream_of(track)?;
        if let Some(last) = self.ranges.last_mut()
            && last.stream == stream
            && last.offset.checked_add(last.len) == Some(offset)
        {
            last.len = last.len.checked_add(len).ok_or(Fallback::Malformed)?;
            return Ok(());
        }
        if self.ranges.len() == RANGES_MAX {
            return Err(Fallback::TablesTooLarge);
        }
        self.ranges.push(Range { offset, len, stream });
        Ok(())
    }

    /// Stream 0 is everything outside the tracks.
    fn stream_of(&mut self, track: u64) -> Result<u8, Fallback> {
        let known = self.tracks.iter().position(|known| *known == track);
        let at = known.unwrap_or_else(|| {
            self.tracks.push(track);
            self.tracks.len() - 1
        });
        if at + 1 < STREAMS_MAX { Ok(at as u8 + 1) } else { Err(Fallback::TooManyTracks) }
    }

    /// The whole file as extents.
    pub(super) fn extents(mut self, size: u64) -> Result<Vec<Extent>, Fallback> {
        if self.ranges.is_empty() {
            return Err(Fallback::Empty);
        }
        self.ranges.sort_unstable_by_key(|range| range.offset);
        let (mut extents, mut at) = (Vec::<Extent>::new(), 0);
        let mut push = |stream, len| match extents.last_mut() {
            _ if len == 0 => {}
            Some(last) if last.stream == stream => last.len += len,
            _ => extents.push(Extent { stream, len }),
        };
        for range in &self.ranges {
            let gap = range.offset.checked_sub(at).ok_or(Fallback::Overlap)?;
            at = range.offset.checked_add(range.len).filter(|end| *end <= size).ok_or(Fallback::Truncated)?;
            push(0, gap);
            push(range.stream, range.len);
        }
        push(0, size - at);
        let recipe = encode_extents(extents.iter().copied()).len() as u64;
        if recipe > size / RECIPE_PART { Err(Fallback::RecipeTooLarge) } else { Ok(extents) }
    }
}
