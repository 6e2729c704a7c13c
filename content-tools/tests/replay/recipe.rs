//! Recipes with any numbers in them: refused, or a file whose every range is a piece of the whole.

use super::choices::Choices;
use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{FilePart, Page, Role, Run};
use karez_protocol::content::recipe::{Extent, Recipe, RowSlice, Stream, encode_extents};

/// A table, streams over it, extents (written by us, or any bytes), and a range.
pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let range = (choices.u32(), choices.u32());
    let table: Vec<_> = (0..choices.below(24)).map(|_| row(&mut choices)).collect();
    let streams: Vec<_> = (0..choices.below(18)).map(|_| stream(&mut choices)).collect();
    let extents =
        if choices.u8().is_multiple_of(2) { encode_extents(extents(&mut choices)) } else { choices.rest().to_vec() };
    let page = Page::new(vec![], table, vec![], vec![Recipe { streams, extents }]);
    check_part(&page, &part(Some(0), vec![]), range);
    if let Some(stream) = page.recipes.iter().flatten().flat_map(|recipe| &recipe.streams).next() {
        check_part(&page, &part(None, stream.runs.clone()), range);
    }
}

/// A part's bytes are what its slices say, and a range of it is that piece of the whole.
pub(crate) fn check_part(page: &Page, part: &FilePart, (a, b): (u32, u32)) {
    let Some(bytes) = page.part_bytes(part) else { return };
    let whole = page.part_slices(part, 0..u64::MAX);
    for slice in &whole {
        let row = page.chunks.get(slice.row as usize).expect("a slice names a row of the table");
        assert!(slice.len > 0 && u64::from(slice.start) + u64::from(slice.len) <= u64::from(row.plain_len));
    }
    assert_eq!(whole.iter().map(|slice| u64::from(slice.len)).sum::<u64>(), bytes, "the slices are the whole part");
    let at = |pick: u32| ((u128::from(pick) * u128::from(bytes + 1)) >> 32) as u64;
    let range = at(a.min(b))..at(a.max(b));
    assert_eq!(page.part_slices(part, range.clone()), piece(&whole, range.clone()), "{range:?} of {bytes}");
}

/// The slices of a range, taken from the slices of the whole.
fn piece(whole: &[RowSlice], range: std::ops::Range<u64>) -> Vec<RowSlice> {
    let (mut at, mut piece) = (0, Vec::<RowSlice>::new());
    for slice in whole {
        let end = at + u64::from(slice.len);
        let (from, to) = (range.start.max(at), range.end.min(end));
        if from < to {
            piece.push(RowSlice { start: slice.start + (from - at) as u32, len: (to - from) as u32, ..*slice });
        }
        at = end;
    }
    piece
}

fn part(recipe: Option<u32>, runs: Vec<Run>) -> FilePart {
    FilePart {
        path: "film.mp4".parse().unwrap(),
        role: Role::Main,
        media_type: String::new(),
        size: u64::MAX,
        offset: 0,
        executable: false,
        cut_profile: 1,
        runs,
        language: None,
        recipe,
    }
}

/// Small chunks mostly, so that extents cross their edges.
fn row(choices: &mut Choices<'_>) -> ChunkEntry {
    let number = u32::from(choices.u16());
    let plain_len = if number.is_multiple_of(5) { 1 + number * 16 } else { 1 + number % 40 }.min(PLAIN_BYTES_MAX);
    let id = ChunkId::of(&number.to_le_bytes());
    ChunkEntry { id, codec: Codec::Raw, plain_len, stored_len: plain_len, check: StoredCheck([0; 16]) }
}

fn stream(choices: &mut Choices<'_>) -> Stream {
    let skip = u32::from(choices.u8());
    let run = |choices: &mut Choices<'_>| match choices.u8() {
        255 => Run { first: choices.u32(), count: choices.u32() },
        first => Run { first: u32::from(first % 24), count: u32::from(choices.u8() % 8) },
    };
    Stream { skip, runs: (0..choices.below(5)).map(|_| run(choices)).collect() }
}

fn extents(choices: &mut Choices<'_>) -> Vec<Extent> {
    let mut extents = Vec::new();
    while !choices.is_empty() {
        let (stream, len) = (choices.u8() % 16, u64::from(choices.u8()));
        extents.push(Extent { stream, len: if len == 255 { u64::from(choices.u32()) } else { len % 60 } });
    }
    extents
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let rows = |n: u8| (0..n).flat_map(|n| [n * 7 + 1, 0]).collect::<Vec<_>>();
    let head = [0, 0, 0, 64, 0, 0, 0, 192, 12];
    // Two streams of a run each, taking turns.
    let streams = [2, 0, 1, 0, 6, 3, 1, 6, 6, 0];
    let turns = [0, 7, 1, 9, 0, 20, 1, 3, 0, 1];
    let raw =
        [&[1u8], encode_extents([Extent { stream: 0, len: 9 }, Extent { stream: 1, len: 5 }]).as_slice()].concat();
    let begin = [head.as_slice(), &rows(12)].concat();
    vec![[begin.as_slice(), &streams, &turns].concat(), [begin.as_slice(), &streams[..9], &raw].concat()]
}
