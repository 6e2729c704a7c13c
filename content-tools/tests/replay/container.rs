//! Files that containers claim to be: planned without harm, cut by the plan, and put together again bit by bit.

use karez_content_tools::cut::{Block, Cutter, Plan, ReadAt, plan};
use karez_protocol::content::cut_profile::TEXT;
use karez_protocol::content::recipe::{STREAMS_MAX, encode_extents};
use std::fs;
use std::io;

/// From this size on films are taken apart; shorter input is followed by a `free` box and zeros up to it.
const FILM_BYTES: usize = 1 << 20;
/// A recipe may cost one part in this many of its file.
const RECIPE_PART: usize = 200;

/// A film: the input, padded to the size at which recipes pay.
pub(crate) fn film(bytes: &[u8]) {
    let mut film = bytes.to_vec();
    let pad = FILM_BYTES as u32;
    match film.first() {
        Some(0x1a) => film.extend([&[0xec, 0x10 | (pad >> 24) as u8], &pad.to_be_bytes()[1..]].concat()),
        _ => film.extend([&(pad + 8).to_be_bytes(), b"free".as_slice()].concat()),
    }
    film.resize(film.len() + FILM_BYTES, 0);
    whole(&film);
}

/// A file as it is.
pub(crate) fn whole(bytes: &[u8]) {
    let size = bytes.len() as u64;
    let planned = plan(&InMemory(bytes), size, &TEXT);
    if planned.container.is_none() || planned.fallback.is_some() {
        assert_eq!(planned.plan, Plan::plain());
    }
    match &planned.plan {
        Plan::Linear { cuts } => {
            assert!(cuts.is_sorted() && cuts.iter().all(|cut| *cut <= size), "{cuts:?}");
            if !cuts.is_empty() {
                assert!(streams(bytes, planned.plan.clone())[0] == bytes, "cut in file order, it is another file");
            }
        }
        Plan::Streams { extents } => {
            assert_eq!(extents.iter().map(|extent| extent.len).sum::<u64>(), size, "each byte once");
            assert!(extents.iter().all(|extent| extent.len > 0 && usize::from(extent.stream) < STREAMS_MAX));
            assert!(encode_extents(extents.iter().copied()).len() <= bytes.len() / RECIPE_PART);
            let streams = streams(bytes, planned.plan.clone());
            let mut left: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
            let mut at = 0;
            for extent in extents.iter() {
                let (next, rest) = left[usize::from(extent.stream)].split_at(extent.len as usize);
                assert!(*next == bytes[at..at + next.len()], "at {at} it is another file");
                left[usize::from(extent.stream)] = rest;
                at += next.len();
            }
            assert!(left.iter().all(|rest| rest.is_empty()), "bytes that no extent names");
        }
    }
}

/// The streams that cutting by a plan yields.
fn streams(bytes: &[u8], plan: Plan) -> Vec<Vec<u8>> {
    let (mut cutter, mut block) = (Cutter::new(bytes, TEXT, plan), Block::default());
    let mut streams = vec![Vec::new(); STREAMS_MAX];
    while cutter.next_block(&mut block).unwrap() {
        for chunk in block.chunks() {
            assert!((1..=TEXT.max as usize).contains(&chunk.plain.len()));
            streams[usize::from(chunk.stream)].extend_from_slice(chunk.plain);
        }
    }
    streams
}

struct InMemory<'a>(&'a [u8]);

impl ReadAt for InMemory<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

/// The files of a folder of the corpus of whole containers.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(super::corpus().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

pub(crate) fn mp4() -> Vec<Vec<u8>> {
    files("mp4")
}

pub(crate) fn mkv() -> Vec<Vec<u8>> {
    files("mkv")
}

pub(crate) fn zip() -> Vec<Vec<u8>> {
    files("zip")
}

pub(crate) fn dicom() -> Vec<Vec<u8>> {
    files("dicom")
}
