//! Containers from folder to folder: what is taken apart comes out as it was, whole and in ranges, and an edit costs what
//! it should.

use super::films::{Shape, Track, dicom, mkv, mp4, track, zip};
use super::*;
use crate::cut::{Container, Fallback};
use crate::export::{ExportOptions, export, link, read_range};
use crate::shortfall::survey;
use crate::store::{HeldRelease, ScrubCursor};
use std::os::unix::fs::FileExt as _;

/// Parts of a few rows, so that films of some megabytes have many.
const SMALL: Limits = Limits { rows_min: 8, rows_max: 24, extents_min: 600, extents_max: 1200, one_in: 4 };

fn tracks() -> Vec<Track> {
    vec![track(1, 900, 8000), track(2, 1500, 700), track(3, 30, 60)]
}

fn pack_small(bench: &Bench) -> Packed {
    pack_in_parts(bench.dir.path(), &PackOptions::default(), &bench.store, SMALL, &mut |_| {}).unwrap()
}

/// Whether the film comes out of the store as it went in, by every way that bytes are read.
fn comes_out(bench: &Bench, packed: &Packed, name: &str, bytes: &[u8]) {
    let pages = bench.pages(packed);
    let out = tempfile::tempdir().unwrap();
    let options = ExportOptions::default();
    assert_eq!(export(&pages, &options, out.path(), &mut |_| {}).unwrap().written, packed.files);
    assert!(fs::read(out.path().join(name)).unwrap() == bytes, "{name}");
    let again = export(&pages, &options, out.path(), &mut |_| {}).unwrap();
    assert_eq!((again.written, again.unchanged), (0, packed.files), "{name}: it is told from its chunks");
    let layout = bench.layout(packed);
    let file = layout.file(name).unwrap();
    let size = bytes.len() as u64;
    let places = [0, 1, 47, 48, 65_536, size / 3, size / 2 + 1, size.saturating_sub(70_000), size - 1];
    for at in places.into_iter().filter(|at| *at < size) {
        for len in [1, 100, 65_536, 1 << 20] {
            let range = at..(at + len).min(size);
            let wanted = &bytes[range.start as usize..range.end as usize];
            assert!(read_range(&pages, name, range.clone()).unwrap() == wanted, "{name} {range:?}");
            let lens: u64 = layout.slices(&file, range.clone()).iter().map(|slice| u64::from(slice.len)).sum();
            assert_eq!(lens, range.end - range.start);
        }
    }
}

#[test]
fn films_come_out_as_they_went_in() {
    for (name, film) in [
        ("first.mp4", mp4(&tracks(), Shape::IndexFirst)),
        ("last.mp4", mp4(&tracks(), Shape::IndexLast)),
        ("wide.mov", mp4(&tracks(), Shape::Wide)),
        ("fragmented.mp4", mp4(&tracks(), Shape::Fragmented)),
        ("film.mkv", mkv(&tracks())),
        // Two tracks that are the same: one chunk stands in two streams.
        ("twice.mp4", mp4(&[tracks(), tracks()].concat(), Shape::IndexLast)),
    ] {
        let bench = Bench::new();
        bench.write(name, &film);
        bench.write("z.txt", b"another file");
        let packed = bench.pack().unwrap();
        assert_eq!((packed.plans.streams, packed.plans.plain.len()), (1, 0), "{name}");
        comes_out(&bench, &packed, name, &film);
        let in_parts = pack_small(&bench);
        assert!(in_parts.root.pages.len() > 5, "{name}: {} pages", in_parts.root.pages.len());
        comes_out(&bench, &in_parts, name, &film);
        // From the memory of the packing before, and read again: the same manifest.
        age(&bench.dir.path().join(name));
        assert_eq!(pack_small(&bench).manifest, in_parts.manifest);
        assert_eq!(remembered(&bench), 1);
        let before = accesses(&bench.dir.path().join(name));
        let recalled = pack_small(&bench);
        assert_eq!((recalled.manifest, recalled.plans.streams), (in_parts.manifest, 1));
        assert_eq!(accesses(&bench.dir.path().join(name)), before, "{name} was not read");
        assert_eq!(bench.pack().unwrap().manifest, packed.manifest);
    }
}

/// The container files of the corpus, films padded to a size at which they are taken apart. Its DICOM files do not say that
/// they may be published, and are tried where nothing is packed (`tests/containers.rs`).
#[test]
fn the_corpus_comes_out_as_it_went_in() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let pad = 1u32 << 20;
    let header = |folder| match folder {
        "mp4" => [&(pad + 8).to_be_bytes()[..], b"free"].concat(),
        _ => [&[0xec, 0x10], &pad.to_be_bytes()[1..]].concat(),
    };
    for (folder, streams) in [("mp4", 1), ("mkv", 1), ("zip", 0)] {
        for entry in fs::read_dir(corpus.join(folder)).unwrap().map(Result::unwrap) {
            let (name, mut bytes) = (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
            if streams > 0 {
                bytes.extend([header(folder), noise(9, pad as usize)].concat());
            }
            let bench = Bench::new();
            bench.write(&name, &bytes);
            let packed = bench.pack().unwrap();
            assert_eq!((packed.plans.streams, packed.plans.linear), (streams, 1 - streams), "{name}");
            comes_out(&bench, &packed, &name, &bytes);
        }
    }
}

#[test]
fn archives_and_pictures_come_out_as_they_went_in() {
    let archive = zip(&[("a/film.bin", noise(4, 3 << 20)), ("b.txt", b"text".to_vec()), ("c.bin", noise(5, 200_000))]);
    let picture = dicom("CHEST ", &noise(6, 2 << 20));
    for (name, bytes) in [("course.zip", archive), ("1.dcm", picture)] {
        let bench = Bench::new();
        bench.write(name, &bytes);
        let packed = bench.pack().unwrap();
        assert_eq!((packed.plans.linear, packed.plans.plain.len()), (1, 0), "{name}");
        comes_out(&bench, &packed, name, &bytes);
    }
}

#[test]
fn what_cannot_be_taken_apart_is_named_with_its_reason() {
    let film = mp4(&tracks(), Shape::IndexLast);
    let bench = Bench::new();
    bench.write("cut off.mp4", &film[..film.len() * 2 / 3]);
    bench.write("small.mp4", &mp4(&[track(1, 4, 1000)], Shape::IndexFirst));
    let packed = bench.pack().unwrap();
    let plain: Vec<_> = packed.plans.plain.iter().map(|p| (p.path.as_str(), p.container, p.reason.name())).collect();
    assert_eq!(plain, [("cut off.mp4", Container::Mp4, "truncated"), ("small.mp4", Container::Mp4, "too-small")]);
    assert_eq!((packed.plans.given_up(), packed.plans.streams), (1, 0));
    assert!(packed.plans.plain.iter().all(|plain| Fallback::from_name(plain.reason.name()) == Some(plain.reason)));
    for name in ["cut off.mp4", "small.mp4"] {
        age(&bench.dir.path().join(name));
    }
    bench.pack().unwrap();
    let recalled = bench.pack().unwrap();
    assert_eq!((recalled.plans, recalled.manifest), (packed.plans, packed.manifest), "also when nothing is read");
}

/// What one version adds to the one before, in bytes on the wire.
fn update(name: &str, before: &[u8], after_name: &str, after: &[u8]) -> u64 {
    let bench = Bench::new();
    bench.write(name, before);
    let old = bench.pages(&bench.pack().unwrap());
    fs::remove_file(bench.dir.path().join(name)).unwrap();
    bench.write(after_name, after);
    wire_bytes(&bench.pages(&bench.pack().unwrap()), Held::Version(&old)).unwrap()
}

#[test]
fn an_edit_costs_what_it_changes() {
    let film = mp4(&tracks(), Shape::IndexLast);
    let (pictures, others) = (tracks().swap_remove(0), tracks().split_off(1));
    let index = 60_000;
    let cost = |after: &[u8]| update("a.mp4", &film, "a.mp4", after);
    // The index moves to the front: it and the page come again.
    assert!(cost(&mp4(&tracks(), Shape::IndexFirst)) < index, "{}", cost(&mp4(&tracks(), Shape::IndexFirst)));
    // A track more between the samples of the others.
    let subtitled = [tracks(), vec![track(4, 200, 80)]].concat();
    let subtitles: u64 = subtitled[3].iter().map(|sample| sample.len() as u64).sum();
    let wire = cost(&mp4(&subtitled, Shape::IndexLast));
    assert!(wire < index + subtitles, "{wire}");
    // Another sound under the same pictures.
    let sound: u64 = 1500 * 700;
    let wire =
        cost(&mp4(&[vec![pictures], vec![track(7, 1500, 700)], others[1..].to_vec()].concat(), Shape::IndexLast));
    assert!(wire < sound * 11 / 10 + index, "{wire}");
    // Another container: the index of a Matroska is between its blocks.
    let wire = update("a.mp4", &film, "a.mkv", &mkv(&tracks()));
    assert!(wire < 2 * index, "{wire} of {}", film.len());
    // Patient tags rewritten, a member of an archive edited.
    let pixels = noise(8, 2 << 20);
    let wire = update("1.dcm", &dicom("A ", &pixels), "1.dcm", &dicom("ANOTHER ", &pixels));
    assert!(wire < 10_000, "{wire}");
    let member = |text: &str| zip(&[("t.vtt", text.into()), ("film.bin", noise(4, 3 << 20))]);
    let wire = update("a.zip", &member("one"), "a.zip", &member("another sentence"));
    assert!(wire < 10_000, "{wire}");
}

/// The film changes between planning and reading: its plan goes with the reading, and the next one has its own.
#[test]
fn a_film_that_changes_while_it_is_packed_is_packed_as_it_ends() {
    let bench = Bench::new();
    let film = mp4(&tracks(), Shape::IndexLast);
    bench.write("film.mp4", &film);
    let more = [&16u32.to_be_bytes()[..], b"free", &[7; 8]].concat();
    let (mut left, mut last) = (2, u64::MAX);
    let packed = pack_in_parts(bench.dir.path(), &PackOptions::default(), &bench.store, SMALL, &mut |progress| {
        if progress.bytes_done < last && left > 0 {
            left -= 1;
            let path = bench.dir.path().join("film.mp4");
            File::options().append(true).open(path).unwrap().write_all(&more).unwrap();
        }
        last = progress.bytes_done;
    });
    let packed = packed.unwrap();
    assert_eq!((left, packed.plans.streams), (0, 1));
    comes_out(&bench, &packed, "film.mp4", &[&film[..], &more, &more].concat());
}

/// A chunk of a track is many ranges of the film: published in place, and of a copy that is linked.
#[test]
fn films_stay_in_place_in_pieces() {
    for (name, film) in [("film.mp4", mp4(&tracks(), Shape::IndexLast)), ("film.mkv", mkv(&tracks()))] {
        let len = film.len() as u64;
        let bench = Bench::new();
        bench.write(name, &film);
        let options = PackOptions { in_place: true, ..PackOptions::default() };
        let packed = pack(bench.dir.path(), &options, &bench.store, &mut |_| {}).unwrap();
        assert_eq!(packed.plans.streams, 1, "{name}");
        assert!(packed.in_place_bytes > len / 10 * 9, "{name}: {} of {len}", packed.in_place_bytes);
        assert!(bench.store.disk_bytes() < len / 10, "{name}: {} of {len}", bench.store.disk_bytes());
        comes_out(&bench, &packed, name, &film);

        let site = Bench::new();
        site.write(name, &film);
        let packed = site.pack().unwrap();
        let (pages, out) = (site.pages(&packed), tempfile::tempdir().unwrap());
        let options = ExportOptions::default();
        let report = export(&pages, &options, out.path(), &mut |_| {}).unwrap();
        let linked = link(&pages, &options, (out.path(), &report), &mut |_| {}).unwrap();
        assert!(linked.bytes > len / 10 * 9, "{name}: {linked:?}");
        assert!(site.store.disk_bytes() < len / 10, "{name}: {} of {len}", site.store.disk_bytes());
        comes_out(&site, &packed, name, &film);
    }
}

/// A film that is taken apart has no runs of its own: what it lost stands in its streams.
#[test]
fn a_film_that_lost_chunks_of_its_streams_is_named() {
    let bench = Bench::new();
    bench.write("film.mp4", &mp4(&tracks(), Shape::IndexLast));
    bench.write("z.txt", b"whole");
    let packed = bench.pack().unwrap();
    let held = HeldRelease {
        collection: "bj4/shui".parse().unwrap(),
        version: 1,
        signed: Vec::new(),
        root: packed.root_bytes.clone(),
        whole: false,
    };
    bench.store.save_draft(&held).unwrap();
    let segment = bench.store.dir().join("segments/00000001.kseg");
    let middle = fs::metadata(&segment).unwrap().len() / 2;
    File::options().write(true).open(segment).unwrap().write_all_at(&[0x55; 100], middle).unwrap();
    bench.store.scrub(&mut ScrubCursor::default(), u32::MAX).unwrap();
    let survey = survey(&bench.store, |_| {}).unwrap();
    let short = survey.lost().next().unwrap();
    assert_eq!((short.items.as_slice(), short.items_total), (["film.mp4".to_owned()].as_slice(), 1), "{short:?}");
}
