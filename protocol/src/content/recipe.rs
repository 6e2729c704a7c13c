//! How the bytes of a file part come out of chunks: rows one behind the other, or, for a container that was taken apart
//! along its structure, several streams of rows that are interleaved (`docs/formats/manifest.md`).
//!
//! What must stay true: nothing here allocates more than what a page of 1 MiB can name, whatever its numbers say; a
//! recipe that asks for bytes which its streams do not have is refused as a whole.

use super::chunk::ChunkEntry;
use super::manifest::Run;
use minicbor::{Decode, Encode};
use std::ops::Range;

/// Most streams of one recipe: tracks of a film, and the rest.
pub const STREAMS_MAX: usize = 16;
/// Bits of an extent's number that name its stream.
const STREAM_BITS: u32 = 4;

/// Consecutive bytes of a part that come from one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Number of the stream.
    pub stream: u8,
    /// Bytes; never zero.
    pub len: u64,
}

/// A stream's bytes in one part: rows of the page's chunk table, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(array)]
pub struct Stream {
    /// Bytes of the first row that an earlier part has used.
    #[n(0)]
    pub skip: u32,
    /// The rows.
    #[n(1)]
    pub runs: Vec<Run>,
}

/// How a part is put together: its extents, in file order, each the next bytes of its stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(array)]
pub struct Recipe {
    /// The streams.
    #[n(0)]
    pub streams: Vec<Stream>,
    /// The extents, see [`encode_extents`].
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub extents: Vec<u8>,
}

/// A piece of a row's plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSlice {
    /// Row of the page's chunk table.
    pub row: u32,
    /// First byte inside the chunk.
    pub start: u32,
    /// Bytes from there on.
    pub len: u32,
}

/// Encodes extents: each as the number `len << 4 | stream` in LEB128.
pub fn encode_extents(extents: impl IntoIterator<Item = Extent>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for extent in extents {
        let mut number = extent.len << STREAM_BITS | u64::from(extent.stream);
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    bytes
}

/// Decodes extents; what is none yields one `None` and ends.
pub fn decode_extents(bytes: &[u8]) -> impl Iterator<Item = Option<Extent>> + '_ {
    Extents(bytes)
}

/// Reads extents; `None` once for bytes that are not extents.
struct Extents<'a>(&'a [u8]);

impl Iterator for Extents<'_> {
    type Item = Option<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let extent = self.read();
        if extent.is_none() {
            self.0 = &[];
        }
        Some(extent)
    }
}

impl Extents<'_> {
    fn read(&mut self) -> Option<Extent> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let stream = (number & ((1 << STREAM_BITS) - 1)) as u8;
                let len = number >> STREAM_BITS;
                return (len > 0).then_some(Extent { stream, len });
            }
        }
        None
    }
}

impl Recipe {
    /// Bytes of the part; `None` when the recipe is not usable with this table.
    pub(super) fn bytes(&self, table: &[ChunkEntry]) -> Option<u64> {
        if self.streams.len() > STREAMS_MAX {
            return None;
        }
        let left = |stream: &Stream| bytes_of(&stream.runs, table)?.checked_sub(u64::from(stream.skip));
        let mut left = self.streams.iter().map(left).collect::<Option<Vec<u64>>>()?;
        let mut bytes = 0u64;
        for extent in Extents(&self.extents) {
            let extent = extent?;
            let stream = left.get_mut(usize::from(extent.stream))?;
            *stream = stream.checked_sub(extent.len)?;
            bytes = bytes.checked_add(extent.len)?;
        }
        Some(bytes)
    }

    /// The slices of a byte range of the part. What is not usable yields nothing; pages are validated before.
    pub fn slices(&self, table: &[ChunkEntry], range: Range<u64>) -> Vec<RowSlice> {
        let mut cursors: Vec<_> = self.streams.iter().map(|stream| Cursor::new(&stream.runs, table)).collect();
        let mut skipped: Vec<u64> = self.streams.iter().map(|stream| u64::from(stream.skip)).collect();
        let (mut at, mut slices) = (0, Vec::new());
        for Extent { stream, len } in Extents(&self.extents).flatten() {
            if at >= range.end {
                break;
            }
            let stream = usize::from(stream);
            let (Some(cursor), Some(skipped)) = (cursors.get_mut(stream), skipped.get_mut(stream)) else { break };
            let before = range.start.saturating_sub(at).min(len);
            let wanted = (range.end - at).min(len).saturating_sub(before);
            // A stream's cursor moves only when something of it is wanted.
            *skipped += before;
            if wanted > 0 {
                cursor.skip(std::mem::take(skipped));
                cursor.take(wanted, &mut slices);
            }
            at += len;
        }
        slices
    }
}

/// Plaintext bytes of runs; `None` when a run points outside the table or the sum overflows.
pub(super) fn bytes_of(runs: &[Run], table: &[ChunkEntry]) -> Option<u64> {
    let mut bytes = 0u64;
    for run in runs {
        let end = run.first.checked_add(run.count)?;
        for entry in table.get(run.first as usize..end as usize)? {
            bytes = bytes.checked_add(u64::from(entry.plain_len))?;
        }
    }
    Some(bytes)
}

/// The slices of a byte range of runs.
pub(super) fn slices_of_runs(runs: &[Run], table: &[ChunkEntry], range: Range<u64>) -> Vec<RowSlice> {
    let (mut cursor, mut slices) = (Cursor::new(runs, table), Vec::new());
    cursor.skip(range.start);
    cursor.take(range.end.saturating_sub(range.start), &mut slices);
    slices
}

/// A place in the bytes of runs.
struct Cursor<'a> {
    runs: &'a [Run],
    table: &'a [ChunkEntry],
    /// Row inside the first run.
    row: u32,
    /// Byte inside the row.
    at: u32,
}

impl<'a> Cursor<'a> {
    fn new(runs: &'a [Run], table: &'a [ChunkEntry]) -> Self {
        Self { runs, table, row: 0, at: 0 }
    }

    fn skip(&mut self, bytes: u64) {
        self.walk(bytes, |_| {});
    }

    fn take(&mut self, bytes: u64, slices: &mut Vec<RowSlice>) {
        self.walk(bytes, |slice| match slices.last_mut() {
            Some(last) if last.row == slice.row && last.start + last.len == slice.start => last.len += slice.len,
            _ => slices.push(slice),
        });
    }

    /// Moves on by some bytes, or to the end, over one slice after the other.
    fn walk(&mut self, mut bytes: u64, mut visit: impl FnMut(RowSlice)) {
        while bytes > 0 {
            let Some(run) = self.runs.first() else { return };
            if self.row >= run.count {
                (self.runs, self.row) = (&self.runs[1..], 0);
                continue;
            }
            let row = run.first.saturating_add(self.row);
            let Some(entry) = self.table.get(row as usize) else { return };
            let len = u64::from(entry.plain_len - self.at).min(bytes) as u32;
            visit(RowSlice { row, start: self.at, len });
            bytes -= u64::from(len);
            self.at += len;
            if self.at == entry.plain_len {
                (self.row, self.at) = (self.row + 1, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Document as _;
    use crate::content::chunk::{Codec, StoredCheck};
    use crate::content::hash::ChunkId;
    use crate::content::manifest::{FilePart, Item, Page, Role};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn table(lens: &[u32]) -> Vec<ChunkEntry> {
        let entry = |len: &u32| {
            let id = ChunkId::of(&len.to_le_bytes());
            ChunkEntry { id, codec: Codec::Raw, plain_len: *len, stored_len: *len, check: StoredCheck([0; 16]) }
        };
        lens.iter().map(entry).collect()
    }

    fn extents(pairs: &[(u8, u64)]) -> Vec<u8> {
        encode_extents(pairs.iter().map(|(stream, len)| Extent { stream: *stream, len: *len }))
    }

    fn run(first: u32, count: u32) -> Run {
        Run { first, count }
    }

    /// Two streams: rows 0, 1 and rows 2, 2; the first byte of row 2 belongs to an earlier part.
    fn recipe(pairs: &[(u8, u64)]) -> Recipe {
        let streams =
            vec![Stream { skip: 0, runs: vec![run(0, 2)] }, Stream { skip: 1, runs: vec![run(2, 1), run(2, 1)] }];
        Recipe { streams, extents: extents(pairs) }
    }

    #[test]
    fn extents_take_turns() {
        let table = table(&[4, 4, 5]);
        let recipe = recipe(&[(0, 3), (1, 4), (0, 5), (1, 2)]);
        assert_eq!(recipe.bytes(&table), Some(14));
        let shown = |range| {
            let slices = recipe.slices(&table, range);
            slices.iter().map(|s| (s.row, s.start, s.len)).collect::<Vec<_>>()
        };
        assert_eq!(shown(0..14), [(0, 0, 3), (2, 1, 4), (0, 3, 1), (1, 0, 4), (2, 0, 2)]);
        assert_eq!(shown(5..9), [(2, 3, 2), (0, 3, 1), (1, 0, 1)]);
        assert_eq!(shown(13..99), [(2, 1, 1)]);
        assert_eq!(shown(14..99), []);
    }

    #[test]
    fn what_the_streams_do_not_have_is_refused() {
        let table = table(&[4, 4, 5]);
        let too_much: [&[(u8, u64)]; 4] = [&[(0, 9)], &[(1, 10)], &[(2, 1)], &[(0, u64::MAX >> 5), (1, 1)]];
        for pairs in too_much {
            assert_eq!(recipe(pairs).bytes(&table), None, "{pairs:?}");
        }
        let outside = Recipe { streams: vec![Stream { skip: 0, runs: vec![run(2, 2)] }], extents: extents(&[(0, 1)]) };
        assert_eq!(outside.bytes(&table), None);
        let many = Recipe { streams: vec![Stream::default(); STREAMS_MAX + 1], extents: vec![] };
        assert_eq!(many.bytes(&table), None);
        let bad: [&[u8]; 4] = [&[0x80], &[0x00], &[0x05], &[0xff; 10]];
        for bad in bad {
            let recipe = Recipe { extents: bad.to_vec(), ..recipe(&[]) };
            assert_eq!(recipe.bytes(&table), None, "{bad:?}");
        }
    }

    /// Every part of a page is worked through when the page is read: sharing a recipe must not multiply that work.
    #[test]
    fn what_many_parts_share_counts_for_each() {
        let of = |rows: u32, count: usize| Recipe {
            streams: vec![Stream { skip: 0, runs: vec![run(0, rows)] }],
            extents: extents(&vec![(0, 1); count]),
        };
        let check = |parts: u32, size: u64, recipe: &Recipe, refused: Option<&str>| {
            let part = |number: u32| FilePart {
                path: format!("{number}.mp4").parse().unwrap(),
                role: Role::Main,
                media_type: String::new(),
                size,
                offset: 0,
                executable: false,
                cut_profile: 1,
                runs: vec![],
                language: None,
                recipe: Some(0),
            };
            let files = (0..parts).map(part).collect();
            let item = Item { key: "a".into(), title: "a".into(), files, ext: BTreeMap::new() };
            let page = Page::new(vec![item], table(&[1000; 300]), vec![], vec![recipe.clone()]);
            let why = Page::from_bytes(&page.to_bytes()).err().map(|error| error.to_string());
            assert_eq!(why.is_some(), refused.is_some(), "{parts} parts: {why:?}");
            assert!(why.unwrap_or_default().contains(refused.unwrap_or_default()));
        };
        check(218, 9, &of(300, 9), None);
        check(219, 9, &of(300, 9), Some("too many rows"));
        check(5, 200_000, &of(250, 200_000), None);
        check(6, 200_000, &of(250, 200_000), Some("share a recipe"));
    }

    proptest! {
        /// Any range yields the bytes that putting the whole part together yields.
        #[test]
        fn a_range_is_a_piece_of_the_whole(
            lens in prop::collection::vec(1u32..20, 1..12),
            picks in prop::collection::vec((0u8..2, 1u64..15), 0..40),
            skip in 0u32..4,
            (a, b) in (0u64..200, 0u64..200),
        ) {
            let table = table(&lens);
            let half = (lens.len() / 2) as u32;
            let streams = vec![
                Stream { skip: 0, runs: vec![run(0, half)] },
                Stream { skip, runs: vec![run(half, lens.len() as u32 - half)] },
            ];
            let recipe = Recipe { streams, extents: extents(&picks) };
            let Some(bytes) = recipe.bytes(&table) else { return Ok(()) };
            let expand = |slices: Vec<RowSlice>| -> Vec<(u32, u32)> {
                slices.iter().flat_map(|s| (s.start..s.start + s.len).map(|at| (s.row, at))).collect()
            };
            let whole = expand(recipe.slices(&table, 0..bytes));
            prop_assert_eq!(whole.len() as u64, bytes);
            let range = a.min(bytes)..b.min(bytes).max(a.min(bytes));
            let piece = expand(recipe.slices(&table, range.clone()));
            prop_assert_eq!(&piece[..], &whole[range.start as usize..range.end as usize]);
        }
    }
}
