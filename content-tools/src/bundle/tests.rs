//! Tests of bundles: there and back, only what lacks, interrupted, damaged, and made by an enemy.

use super::record::{Kind, Place, Record, part_header, record_header};
use super::*;
use crate::pack::{PackOptions, pack};
use crate::store::{HeldRelease, Store, StoreOptions};
use crate::verify::seal;
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::{ChunkId, NetworkId};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::wire::control::SignedRelease;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);

struct Shop {
    _guard: tempfile::TempDir,
    store: Store,
}

fn store() -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    Shop { _guard: dir, store }
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// A release as the store holds it; the envelope is opaque to bundles.
fn published(store: &Store, version: u64, files: &[(&str, Vec<u8>)]) -> HeldRelease {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
    let packed = pack(dir.path(), &PackOptions::default(), store, &mut |_| {}).unwrap();
    let signed = format!("signed {version}").into_bytes();
    let held =
        HeldRelease { collection: "bj4/shui".parse().unwrap(), version, signed, root: packed.root_bytes, whole: false };
    store.save_release(&held).unwrap();
    held
}

fn request<'a>(releases: &'a [HeldRelease], summary: Option<&'a HaveSummary>) -> ExportRequest<'a> {
    let slots = vec![Slot { kind: 9_999, bytes: b"a document of tomorrow".to_vec() }];
    ExportRequest {
        network: NETWORK,
        site: Some("minqin".into()),
        summary,
        releases,
        slots,
        part_bytes: 0,
        check: true,
    }
}

fn export_to(releases: &[HeldRelease], summary: Option<&HaveSummary>, store: &Store, to: &Path) -> ExportReport {
    export(request(releases, summary), store, to, &mut |_| {}).unwrap()
}

fn import_from(dir: &Path, store: &Store) -> Result<ImportReport, BundleError> {
    let mut offered = |release: &SignedRelease| match release.release.starts_with(b"signed") {
        true => Ok(()),
        false => Err("a stranger".to_owned()),
    };
    import(dir, &NETWORK, store, &mut offered, &mut |_| {})
}

fn two_versions(store: &Store) -> [HeldRelease; 2] {
    let film = noise(1, 20 << 20);
    let mut edited = film.clone();
    edited[9 << 20] ^= 1;
    let text = "水".repeat(9_000).into_bytes();
    let first = published(store, 1, &[("film.mp4", film), ("a.txt", text.clone())]);
    [first, published(store, 2, &[("film.mp4", edited), ("a.txt", text)])]
}

fn is_whole(release: &HeldRelease, store: &Store) -> bool {
    let layout = crate::export::layout(&release.root, store).unwrap();
    layout.entries().all(|(_, entry)| store.read_plain(&entry.id).unwrap().is_some())
}

#[test]
fn a_bundle_carries_releases_over_several_parts_and_a_second_import_finds_nothing_new() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let releases = two_versions(&flagship.store);
    let report = export_to(&releases, None, &flagship.store, stick.path());
    assert_eq!((report.parts, report.resumed_bytes > 1 << 20, report.held_chunks), (2, false, 0), "{report:?}");
    assert_eq!(find(stick.path()).unwrap(), vec![report.dir.clone()]);
    let first = import_from(&report.dir, &site.store).unwrap();
    assert_eq!((first.chunks_new, first.releases, first.damaged), (report.chunks, 2, 0), "{first:?}");
    assert_eq!((first.slots[0].kind, first.site.as_deref()), (9_999, Some("minqin")));
    assert!(releases.iter().all(|release| is_whole(release, &site.store)));
    let second = import_from(&report.dir, &site.store).unwrap();
    assert_eq!((second.chunks_new, second.bytes_new, second.damaged), (0, 0, 0));
}

#[test]
fn only_what_the_site_lacks_is_packed() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let [first, second] = two_versions(&flagship.store);
    let held = |chunks| vec![SiteHeld { collection: first.collection.clone(), version: 1, chunks }];
    let whole = export_to(std::slice::from_ref(&first), None, &flagship.store, stick.path());
    import_from(&whole.dir, &site.store).unwrap();
    let summary = HaveSummary::new(NETWORK, "minqin".into(), held(None));
    let file = stick.path().join("request.cbor");
    summary.save(&file).unwrap();
    let summary = HaveSummary::load(&file).unwrap();
    let update = export_to(std::slice::from_ref(&second), Some(&summary), &flagship.store, stick.path());
    assert!(update.bytes < 1 << 20 && update.held_chunks > 100, "{update:?}");
    assert_eq!(import_from(&update.dir, &site.store).unwrap().damaged, 0);
    assert!(is_whole(&second, &site.store));
    let nothing = HaveSummary::new(NETWORK, "x".into(), held(Some(ChunkSet::new())));
    let all = export_to(&[second], Some(&nothing), &flagship.store, stick.path());
    assert_eq!(all.held_chunks, 0);
}

#[test]
fn an_interrupted_export_goes_on_behind_the_last_whole_record() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let releases = two_versions(&flagship.store);
    let whole = export_to(&releases, None, &flagship.store, stick.path());
    let parts = [whole.dir.join("part-0001.kpart"), whole.dir.join("part-0002.kpart")];
    let bytes = parts.each_ref().map(|part| fs::read(part).unwrap());
    for (cut, kept) in [(0, 0_u64), (50, 0), (10_000_000, 9_800_000), (bytes[0].len(), bytes[0].len() as u64 - 1)] {
        let _ = fs::remove_file(whole.dir.join("bundle.cbor"));
        fs::write(&parts[0], &bytes[0][..cut]).unwrap();
        let _ = fs::remove_file(&parts[1]);
        assert!(matches!(import_from(&whole.dir, &site.store), Err(BundleError::Unfinished { parts: 1, .. })));
        let again = export_to(&releases, None, &flagship.store, stick.path());
        assert!(again.resumed_bytes >= kept && again.resumed_bytes <= cut as u64, "{cut}: {again:?}");
        assert_eq!(parts.each_ref().map(|part| fs::read(part).unwrap()), bytes, "{cut}");
    }
    assert_eq!(export_to(&releases, None, &flagship.store, stick.path()).resumed_bytes, whole.bytes);
    assert_eq!(import_from(&whole.dir, &site.store).unwrap().chunks_new, whole.chunks);
}

/// A bundle of one part, ready to be spoilt.
fn small(store: &Store, stick: &Path) -> PathBuf {
    let release = published(store, 1, &[("film.mp4", noise(3, 600_000)), ("b.mp4", noise(4, 300_000))]);
    export_to(&[release], None, store, stick).dir
}

#[test]
fn damaged_records_are_named_and_the_rest_comes_in() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let dir = small(&flagship.store, stick.path());
    let part = dir.join("part-0001.kpart");
    let sound = fs::read(&part).unwrap();
    let mut bytes = sound.clone();
    bytes[300_000] ^= 1;
    let last = sound.len() - 5;
    bytes[last] ^= 1;
    fs::write(&part, &bytes).unwrap();
    let report = import_from(&dir, &site.store).unwrap();
    assert_eq!((report.damaged, report.damages.len()), (2, 2), "{report:?}");
    fs::write(&part, &sound[..sound.len() / 2]).unwrap();
    let cut = import_from(&dir, &site.store).unwrap();
    assert!(cut.damaged >= 1 && cut.chunks_held > 0, "{cut:?}");
    fs::write(&part, &sound).unwrap();
    let repaired = import_from(&dir, &site.store).unwrap();
    assert_eq!((repaired.chunks_new, repaired.damaged), (1, 0));
}

/// One flipped bit in a page takes the names from all chunks behind it; once the page has come over the network, the same
/// import takes them.
#[test]
fn chunks_behind_a_damaged_page_come_in_when_the_page_is_here() {
    for in_header in [false, true] {
        let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
        let release = published(&flagship.store, 1, &[("film.mp4", noise(3, 6 << 20))]);
        let dir = export_to(std::slice::from_ref(&release), None, &flagship.store, stick.path()).dir;
        let page = ManifestRoot::from_bytes(&release.root).unwrap().pages[0].entry;
        let part = dir.join("part-0001.kpart");
        let mut bytes = fs::read(&part).unwrap();
        let at = bytes.windows(32).position(|bytes| bytes == page.id.as_bytes()).unwrap();
        // The root names the page as well: the header of its record comes behind.
        let at = at + 32 + bytes[at + 32..].windows(32).position(|bytes| bytes == page.id.as_bytes()).unwrap();
        bytes[if in_header { at } else { at + 100 }] ^= 1;
        fs::write(&part, &bytes).unwrap();
        let report = import_from(&dir, &site.store).unwrap();
        let faults: Vec<_> = report.damages.iter().map(|damage| (damage.fault.name(), damage.records)).collect();
        let first = if in_header { "bytes" } else { "chunk" };
        assert_eq!(faults, [(first, 1), ("chunks_unnamed", report.unnamed)], "{report:?}");
        assert!(report.unnamed > 100 && report.chunks_new == 0 && report.damaged == report.unnamed + 1);
        let stored = flagship.store.read_stored(&page.id).unwrap().unwrap();
        site.store.put(&crate::verify::verify(&page, stored.codec, stored.bytes).unwrap()).unwrap();
        let again = import_from(&dir, &site.store).unwrap();
        assert_eq!((again.chunks_new, again.unnamed), (report.unnamed, 0), "{again:?}");
        assert!(is_whole(&release, &site.store));
    }
}

/// Marks of records that are none, as an attacker would write them behind damage.
#[test]
fn a_part_of_nothing_but_marks_is_gone_through() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let dir = small(&flagship.store, stick.path());
    let part = dir.join("part-0001.kpart");
    let mut bytes = fs::read(&part).unwrap();
    let end = bytes.len();
    let marks: Vec<u8> = b"KBRC\x03\0\0\0".iter().copied().cycle().take(end - 64).collect();
    bytes[64..].copy_from_slice(&marks);
    fs::write(&part, &bytes).unwrap();
    let report = import_from(&dir, &site.store).unwrap();
    assert_eq!((report.damaged, report.chunks_new), (1, 0), "{report:?}");
}

#[test]
fn what_is_no_bundle_is_refused() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let dir = small(&flagship.store, stick.path());
    let part = dir.join("part-0001.kpart");
    let check = |what: &str, expected: fn(&BundleError) -> bool| match import_from(&dir, &site.store) {
        Err(error) => assert!(expected(&error), "{what}: {error}"),
        Ok(report) => panic!("{what}: {report:?}"),
    };
    let bytes = fs::read(&part).unwrap();
    fs::remove_file(&part).unwrap();
    symlink("/etc/passwd", &part).unwrap();
    check("link as part", |error| matches!(error, BundleError::NotPlain { .. }));
    fs::remove_file(&part).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &part, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    check("pipe as part", |error| matches!(error, BundleError::NotPlain { .. }));
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    check("folder as part", |error| matches!(error, BundleError::NotPlain { .. }));
    fs::remove_dir(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    let path = dir.join("bundle.cbor");
    let sound = fs::read(&path).unwrap();
    let descriptor = Descriptor::from_file(&sound, &path).unwrap();
    let put = |descriptor: &Descriptor| fs::write(&path, descriptor.to_file()).unwrap();
    put(&Descriptor { network: NetworkId::from_bytes([8; 32]), ..descriptor.clone() });
    check("other network", |error| matches!(error, BundleError::OtherNetwork { .. }));
    let row = descriptor.parts[0];
    put(&Descriptor { parts: vec![PartRow { len: 1 << 60, ..row }], ..descriptor.clone() });
    check("a part of 2^60 bytes", |error| matches!(error, BundleError::Document { .. }));
    put(&Descriptor { parts: vec![row; 65_537], ..descriptor.clone() });
    check("too many parts", |error| matches!(error, BundleError::Document { .. }));
    let mut endless = descriptor.to_bytes();
    let at = endless.windows(2).position(|bytes| bytes == [5, 0x81]).unwrap();
    endless.splice(at + 1..at + 2, [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    endless.extend_from_slice(blake3::hash(&endless.clone()).as_bytes());
    fs::write(&path, endless).unwrap();
    check("2^60 parts", |error| matches!(error, BundleError::Document { .. }));
    fs::File::create(&path).unwrap().set_len(10 << 30).unwrap();
    check("descriptor of 10 GiB", |error| matches!(error, BundleError::NotPlain { .. }));
    fs::write(&path, &sound[..sound.len() - 1]).unwrap();
    check("torn descriptor", |error| matches!(error, BundleError::DamagedDescriptor { .. }));
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    check("link as descriptor", |error| matches!(error, BundleError::NotPlain { .. }));
    assert!(matches!(find(&stick.path().join("none")), Err(BundleError::Io { .. })));
    assert_eq!(site.store.stats().chunks, 0);
}

const BUNDLE: [u8; 32] = [5; 32];

fn record(kind: Kind, id: ChunkId, codec: Codec, plain_len: u32, bytes: &[u8]) -> (Record, Vec<u8>) {
    let (stored_len, check) = (bytes.len() as u32, StoredCheck::of(bytes));
    (Record { kind, entry: ChunkEntry { id, codec, plain_len, stored_len, check } }, bytes.to_vec())
}

/// A bundle made by hand of these records.
fn forged(to: &Path, records: &[(Record, Vec<u8>)]) -> PathBuf {
    let dir = to.join("karez-bundle-forged");
    fs::create_dir_all(&dir).unwrap();
    let mut part = part_header(&BUNDLE, 1).to_vec();
    for (record, bytes) in records {
        let place = Place { bundle: BUNDLE, part: 1, offset: part.len() as u64 };
        part.extend_from_slice(&record_header(record, place));
        part.extend_from_slice(bytes);
    }
    let row = PartRow { len: part.len() as u64, hash: *blake3::hash(&part).as_bytes() };
    let descriptor = Descriptor {
        header: Descriptor::new_header(),
        network: NETWORK,
        id: BUNDLE,
        site: None,
        summary: None,
        parts: vec![row],
        chunks: 0,
        chunk_bytes: 0,
        slots: vec![],
    };
    fs::write(dir.join("part-0001.kpart"), &part).unwrap();
    fs::write(dir.join("bundle.cbor"), descriptor.to_file()).unwrap();
    dir
}

#[test]
fn nothing_comes_in_that_no_accepted_release_names() {
    let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
    let held = published(&flagship.store, 1, &[("a.txt", "水".repeat(9_000).into_bytes())]);
    let release = |signed: &[u8]| {
        let bytes = karez_protocol::wire::encode(&SignedRelease { release: signed.to_vec(), root: held.root.clone() });
        record(Kind::Release, ChunkId::of(&bytes), Codec::Raw, bytes.len() as u32, &bytes)
    };
    let layout = crate::export::layout(&held.root, &flagship.store).unwrap();
    let entries: Vec<_> = layout.entries().map(|(_, entry)| entry).collect();
    let stored = |kind, entry: &ChunkEntry| {
        let stored = flagship.store.read_stored(&entry.id).unwrap().unwrap();
        record(kind, entry.id, stored.codec, stored.plain_len, &stored.bytes)
    };
    let (page, chunk) = (stored(Kind::Page, &entries[0]), stored(Kind::Chunk, &entries[1]));
    let alien = seal(&noise(1, 5_000), false).unwrap();
    let alien = record(Kind::Chunk, alien.id(), Codec::Raw, 5_000, alien.stored());
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let bomb = record(Kind::Chunk, entries[1].id, Codec::Zstd, entries[1].plain_len, &bomb[..1_000.min(bomb.len())]);
    let mut longer = chunk.clone();
    longer.0.entry.plain_len += 1;
    let (good, stranger) = (release(b"signed"), release(b"by a stranger"));
    let check = |what: &str, records: &[&(Record, Vec<u8>)], (new, damaged): (u64, u64)| {
        let records: Vec<_> = records.iter().map(|record| (*record).clone()).collect();
        let report = import_from(&forged(stick.path(), &records), &site.store).unwrap();
        assert_eq!((report.chunks_new, report.damaged), (new, damaged), "{what}: {report:?}");
    };
    check("a stranger's release", &[&stranger, &page, &chunk], (0, 3));
    check("no release", &[&page, &chunk], (0, 2));
    check("chunk before its page", &[&good, &chunk], (0, 1));
    check("another chunk", &[&good, &page, &alien], (1, 1));
    check("a bomb", &[&good, &page, &bomb], (0, 1));
    check("another length", &[&good, &page, &longer], (0, 1));
    check("the real one, twice", &[&good, &page, &chunk, &chunk], (1, 0));
    // Two faults in turn, more often than are listed: no entry counts what is not behind it.
    let rotten = record(Kind::Release, chunk.0.entry.id, Codec::Raw, 3, b"rot");
    let in_turn = [vec![&good], [&chunk, &rotten].repeat(80)].concat();
    let records: Vec<_> = in_turn.into_iter().cloned().collect();
    let report = import_from(&forged(stick.path(), &records), &site.store).unwrap();
    let listed: u64 = report.damages.iter().map(|damage| damage.records).sum();
    assert!(report.damages.iter().all(|damage| damage.records == 1), "{report:?}");
    assert_eq!((report.damages.len(), listed + report.damages_more), (100, report.damaged));
}

/// The vectors of docs/formats/bundle.md.
#[test]
fn golden() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (record, _) = record(Kind::Chunk, ChunkId::of(b"karez"), Codec::Raw, 5, b"karez");
    let place = Place { bundle: BUNDLE, part: 3, offset: 64 };
    let docs = include_str!("../../../docs/formats/bundle.md");
    for bytes in [part_header(&BUNDLE, 3).to_vec(), record_header(&record, place).to_vec()] {
        let found = hex(&bytes);
        assert!(docs.replace(['\n', ' '], "").contains(&found), "{found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is spoilt, nothing false comes in, and the sound bundle completes the store afterwards.
    #[test]
    fn spoilt_bundles_do_no_harm(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 1..6)
    ) {
        let (flagship, site, stick) = (store(), store(), tempfile::tempdir().unwrap());
        let release = published(&flagship.store, 1, &[("film.mp4", noise(3, 200_000)), ("b.txt", vec![b'x'; 9_000])]);
        let dir = export_to(std::slice::from_ref(&release), None, &flagship.store, stick.path()).dir;
        let part = dir.join("part-0001.kpart");
        let sound = fs::read(&part).unwrap();
        let mut bytes = sound.clone();
        for (at, value, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] ^= value,
                1 => bytes.truncate(at.max(1)),
                _ => drop(bytes.splice(at..at, vec![value; usize::from(value)])),
            }
        }
        fs::write(&part, &bytes).unwrap();
        import_from(&dir, &site.store).unwrap();
        fs::write(&part, &sound).unwrap();
        prop_assert_eq!(import_from(&dir, &site.store).unwrap().damaged, 0);
        prop_assert!(is_whole(&release, &site.store));
    }

    #[test]
    fn garbage_is_no_descriptor(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Descriptor::from_file(&bytes, Path::new("x")).is_err());
        let mut checked = bytes.clone();
        checked.extend_from_slice(blake3::hash(&bytes).as_bytes());
        let _ = Descriptor::from_file(&checked, Path::new("x"));
        let _ = HaveSummary::from_bytes(&bytes);
    }
}
