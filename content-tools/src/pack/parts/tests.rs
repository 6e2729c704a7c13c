//! Parts put every byte where it was, keep their limits, and end where they ended before an edit.

use super::super::row::Row;
use super::*;
use karez_protocol::content::chunk::{Codec, StoredCheck};
use karez_protocol::content::recipe::decode_extents;
use proptest::prelude::*;
use std::path::Path;

const SMALL: Limits = Limits { rows_min: 4, rows_max: 12, extents_min: 40, extents_max: 120, one_in: 4 };

fn entry(stream: u8, number: u64, len: u32) -> ChunkEntry {
    let id = ChunkId::of(&[&[stream], number.to_le_bytes().as_slice()].concat());
    ChunkEntry { id, codec: Codec::Raw, plain_len: len, stored_len: len, check: StoredCheck([0; 16]) }
}

/// A file as extents and the rows of its streams, of lengths that vary.
fn film(pairs: &[(u8, u64)], dir: &Path) -> (Vec<Extent>, Lanes) {
    let extents: Vec<Extent> = pairs.iter().map(|(stream, len)| Extent { stream: *stream, len: *len }).collect();
    let mut lanes = Lanes::new(dir);
    for stream in 0..STREAMS_MAX as u8 {
        let mut left: u64 = extents.iter().filter(|extent| extent.stream == stream).map(|extent| extent.len).sum();
        for number in 0.. {
            let len = left.min(20 + number * 7 % 40);
            if len == 0 {
                break;
            }
            lanes.push(Row { stream, entry: entry(stream, number, len as u32) }).unwrap();
            left -= len;
        }
    }
    (extents, lanes)
}

fn parts(extents: &[Extent], lanes: &Lanes, limits: Limits) -> Result<Vec<StreamPart>, PartError> {
    let (mut parts, mut found) = (Parts::new(extents, lanes, limits), Vec::new());
    while let Some(part) = parts.next()? {
        found.push(part);
    }
    Ok(found)
}

/// Every byte as its chunk and its place there.
type Bytes = Vec<(ChunkId, u32)>;

fn expand(extents: impl Iterator<Item = Extent>, mut streams: Vec<Bytes>) -> Bytes {
    let take = |extent: Extent| streams[usize::from(extent.stream)].drain(..extent.len as usize).collect::<Bytes>();
    extents.flat_map(take).collect()
}

fn bytes_of(entry: &ChunkEntry) -> impl Iterator<Item = (ChunkId, u32)> + use<> {
    let id = entry.id;
    (0..entry.plain_len).map(move |at| (id, at))
}

fn of_part(part: &StreamPart) -> Bytes {
    let mut streams = vec![Bytes::new(); STREAMS_MAX];
    for (stream, entry) in &part.rows {
        streams[usize::from(*stream)].extend(bytes_of(entry));
    }
    for (stream, skip) in streams.iter_mut().zip(part.skips) {
        stream.drain(..skip as usize);
    }
    expand(decode_extents(&part.extents).map(Option::unwrap), streams)
}

fn of_file(extents: &[Extent], lanes: &Lanes) -> Bytes {
    let mut readers = lanes.readers();
    let all = |reader: &mut LaneReader<'_>| {
        std::iter::from_fn(|| reader.next().unwrap()).flat_map(|entry| bytes_of(&entry)).collect()
    };
    expand(extents.iter().copied(), readers.iter_mut().map(all).collect())
}

proptest! {
    #[test]
    fn parts_joined_are_the_file(pairs in prop::collection::vec((0u8..5, 1u64..200), 1..200)) {
        let dir = tempfile::tempdir().unwrap();
        let (extents, lanes) = film(&pairs, dir.path());
        let whole = of_file(&extents, &lanes);
        for limits in [SMALL, Limits { rows_max: 5, ..SMALL }, Limits { extents_max: 10, ..SMALL }, Limits::PAGES] {
            let parts = parts(&extents, &lanes, limits).unwrap();
            prop_assert_eq!(parts.iter().flat_map(of_part).collect::<Bytes>(), &whole[..]);
            for part in &parts {
                prop_assert!(part.rows.len() <= limits.rows_max && part.extents.len() <= limits.extents_max);
                prop_assert_eq!(part.bytes, of_part(part).len() as u64);
            }
        }
    }
}

#[test]
fn a_stream_that_is_too_short_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (mut extents, lanes) = film(&[(0, 100), (1, 500), (0, 100)], dir.path());
    extents.push(Extent { stream: 1, len: 1 });
    for limits in [SMALL, Limits::PAGES] {
        assert!(matches!(parts(&extents, &lanes, limits), Err(PartError::Short)));
    }
}

/// A film whose index is moved to the front: behind the first ends, the parts are the same.
#[test]
fn parts_end_where_they_ended_before_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    let turns: Vec<(u8, u64)> = (0..3000).map(|n| (1 + (n % 2) as u8, 30 + n % 90)).collect();
    let edited = [&[(0, 300)], &turns[..]].concat();
    let ends = |pairs: &[(u8, u64)], prefix: u64| {
        let (extents, lanes) = film(pairs, dir.path());
        let mut at = 0;
        let parts = parts(&extents, &lanes, SMALL).unwrap();
        assert!(parts.len() > 100);
        let end = |part: &StreamPart| {
            at += part.bytes;
            (at - prefix.min(at), part.rows.clone(), part.extents.clone())
        };
        parts.iter().map(end).collect::<Vec<_>>()
    };
    let (before, after) = (ends(&turns, 0), ends(&edited, 300));
    let same = after.iter().filter(|part| before.contains(part)).count();
    assert!(same + 8 > before.len(), "{same} of {}", before.len());
}
