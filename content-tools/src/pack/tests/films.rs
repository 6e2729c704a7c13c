//! Containers made for tests: small enough to read, with the structure that muxers write.

use super::noise;

/// Samples of a track, in order.
pub(super) type Track = Vec<Vec<u8>>;

/// A track of samples whose lengths vary around `len`.
pub(super) fn track(seed: u8, samples: usize, len: usize) -> Track {
    let bytes = noise(seed, samples * len * 2);
    (0..samples).map(|n| bytes[n * len * 2..][..len / 2 + (n * 37) % len].to_vec()).collect()
}

/// How an MP4 is laid out.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    IndexFirst,
    IndexLast,
    /// The index last, with offsets of 64 bits and a media box of 64 bits.
    Wide,
    Fragmented,
}

pub(super) fn mp4(tracks: &[Track], shape: Shape) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isommp42");
    match shape {
        Shape::IndexFirst => {
            let index = moov(tracks, 0, false).len() as u64;
            let moov = moov(tracks, ftyp.len() as u64 + index + 8, false);
            [ftyp, moov, boxed(b"mdat", &interleaved(tracks))].concat()
        }
        Shape::IndexLast => {
            let moov = moov(tracks, ftyp.len() as u64 + 8, false);
            [ftyp, boxed(b"mdat", &interleaved(tracks)), moov].concat()
        }
        Shape::Wide => {
            let (media, moov) = (interleaved(tracks), moov(tracks, ftyp.len() as u64 + 16, true));
            let header = [&1u32.to_be_bytes()[..], b"mdat", &(media.len() as u64 + 16).to_be_bytes()].concat();
            [ftyp, header, media, moov].concat()
        }
        Shape::Fragmented => fragmented(ftyp, tracks),
    }
}

/// Samples of a track that stand together.
const RUN: usize = 4;

fn interleaved(tracks: &[Track]) -> Vec<u8> {
    turns(tracks).into_iter().flat_map(|(_, run)| run.concat()).collect()
}

/// Runs of samples in file order with the numbers of their tracks.
fn turns(tracks: &[Track]) -> Vec<(usize, &[Vec<u8>])> {
    let rounds = tracks.iter().map(|track| track.len().div_ceil(RUN)).max().unwrap_or(0);
    let run = |round: usize, track: usize| {
        let from = (round * RUN).min(tracks[track].len());
        (track, &tracks[track][from..(from + RUN).min(tracks[track].len())])
    };
    let all = (0..rounds).flat_map(|round| (0..tracks.len()).map(move |track| (round, track)));
    all.map(|(round, track)| run(round, track)).filter(|(_, run)| !run.is_empty()).collect()
}

fn moov(tracks: &[Track], mut at: u64, wide: bool) -> Vec<u8> {
    let mut offsets = vec![Vec::new(); tracks.len()];
    for (track, run) in turns(tracks) {
        offsets[track].push(at);
        at += run.iter().map(|sample| sample.len() as u64).sum::<u64>();
    }
    let traks = tracks.iter().zip(&offsets).map(|(track, offsets)| {
        let lens = track.iter().map(|sample| sample.len() as u32);
        let stsz = boxed(b"stsz", &words([0, 0, track.len() as u32].into_iter().chain(lens)));
        let stsc = boxed(b"stsc", &words([0, 1, 1, RUN as u32, 1]));
        let count = words([0, offsets.len() as u32]);
        let table = |offset: &u64| if wide { offset.to_be_bytes().to_vec() } else { words([*offset as u32]) };
        let rows: Vec<u8> = offsets.iter().flat_map(table).collect();
        let places = boxed(if wide { b"co64" } else { b"stco" }, &[count, rows].concat());
        let stbl = boxed(b"stbl", &[stsz, stsc, places].concat());
        boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &stbl)))
    });
    boxed(b"moov", &traks.collect::<Vec<_>>().concat())
}

fn fragmented(ftyp: Vec<u8>, tracks: &[Track]) -> Vec<u8> {
    let extends: Vec<Vec<u8>> =
        (1..=tracks.len() as u32).map(|id| boxed(b"trex", &words([0, id, 1, 0, 0, 0]))).collect();
    let mut film = [ftyp, boxed(b"moov", &boxed(b"mvex", &extends.concat()))].concat();
    for (track, run) in turns(tracks) {
        let lens: Vec<u32> = run.iter().map(|sample| sample.len() as u32).collect();
        let moof = |data: u32| {
            let header = boxed(b"tfhd", &words([0x02_0000, track as u32 + 1]));
            let trun = boxed(b"trun", &words([0x201, lens.len() as u32, data].into_iter().chain(lens.iter().copied())));
            boxed(b"moof", &boxed(b"traf", &[header, trun].concat()))
        };
        let data = moof(0).len() as u32 + 8;
        film.extend([moof(data), boxed(b"mdat", &run.concat())].concat());
    }
    film
}

/// Matroska: blocks of all tracks in clusters, one of them of unknown size.
pub(super) fn mkv(tracks: &[Track]) -> Vec<u8> {
    let mut film =
        [element(&[0x1a, 0x45, 0xdf, 0xa3], b"\x42\x82\x84webm"), vec![0x18, 0x53, 0x80, 0x67, 0xff]].concat();
    for (number, round) in turns(tracks).chunks(20).enumerate() {
        let blocks = round.iter().flat_map(|(track, run)| {
            let head = [0x81 + *track as u8, 0, 0, 0x80];
            run.iter().map(move |sample| element(&[0xa3], &[&head[..], sample].concat()))
        });
        let blocks: Vec<u8> = blocks.flatten().collect();
        match number {
            0 => film.extend([&[0x1f, 0x43, 0xb6, 0x75, 0xff], blocks.as_slice()].concat()),
            _ => film.extend(element(&[0x1f, 0x43, 0xb6, 0x75], &blocks)),
        }
    }
    film
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), name.as_slice(), body].concat()
}

fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A ZIP of stored members.
pub(super) fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A DICOM picture that may be published, with a value of our choice before the pixels.
pub(super) fn dicom(description: &str, pixels: &[u8]) -> Vec<u8> {
    let element = |group: u16, tag: u16, vr: &[u8; 2], value: &[u8]| {
        let head = [&group.to_le_bytes()[..], &tag.to_le_bytes(), vr].concat();
        match vr {
            b"OW" => [&head[..], &[0, 0], &(value.len() as u32).to_le_bytes(), value].concat(),
            _ => [&head[..], &(value.len() as u16).to_le_bytes(), value].concat(),
        }
    };
    let mut file = [&[0; 128][..], b"DICM"].concat();
    file.extend(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0"));
    file.extend(element(8, 0x1030, b"LO", description.as_bytes()));
    file.extend(element(0x12, 0x62, b"CS", b"YES "));
    file.extend(element(0x28, 0x301, b"CS", b"NO"));
    file.extend(element(0x7fe0, 0x10, b"OW", pixels));
    file
}
