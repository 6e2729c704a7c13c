//! Tests of packing as a whole, with a store and folders on disk.

use super::*;
use crate::export::layout;
use crate::pages::Pages;
use crate::quote::{Held, wire_bytes};
use crate::store::StoreOptions;
use karez_protocol::content::chunk::Codec;
use karez_protocol::content::layout::Layout;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::Write;

mod containers;
mod films;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    _store_dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (dir, store_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
        Self { dir, store, _store_dir: store_dir }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn pack(&self) -> Result<Packed, PackError> {
        pack(self.dir.path(), &PackOptions::default(), &self.store, &mut |_| {})
    }

    fn pages(&self, packed: &Packed) -> Pages<'_> {
        Pages::open(&packed.root_bytes, &self.store).unwrap()
    }

    fn layout(&self, packed: &Packed) -> Layout {
        layout(&packed.root_bytes, &self.store).unwrap()
    }
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn lesson(bench: &Bench) {
    bench.write("第1课/导入.mp4", &noise(1, 3 << 20));
    bench.write("第1课/导入.zh.vtt", &b"00:01.000 --> 00:02.000\nwater\n".repeat(300));
    bench.write("第2课/v.mp4", &noise(2, 1 << 20));
    bench.write("empty.txt", b"");
}

#[test]
fn the_totals_are_exact() {
    let bench = Bench::new();
    lesson(&bench);
    bench.write("第3课/copy.mp4", &noise(1, 3 << 20));
    let packed = bench.pack().unwrap();
    let layout = bench.layout(&packed);
    let unique: BTreeMap<_, _> = layout.entries().map(|(_, entry)| (entry.id, u64::from(entry.stored_len))).collect();
    let stored = unique.values().sum::<u64>();
    assert_eq!((packed.root.stored_bytes, packed.new_stored_bytes), (stored, stored));
    assert_eq!((packed.chunks, packed.chunks_new), (unique.len() as u64, unique.len() as u64));
    assert_eq!(packed.root.plain_bytes, layout.files().iter().map(|file| file.head.size).sum::<u64>());
    assert_eq!((packed.root.files, packed.root.items), (5, 4));
    assert_eq!(wire_bytes(&bench.pages(&packed), Held::Nothing).unwrap(), stored);
    // The copy costs rows and no chunks.
    let pages: u64 = packed.root.pages.iter().map(|page| u64::from(page.entry.stored_len)).sum();
    assert!(stored - pages < packed.root.plain_bytes - (3 << 20));
    assert_eq!(bench.store.stats().stored_bytes, stored);
}

#[test]
fn the_same_folder_is_the_same_manifest_in_any_store() {
    let bench = Bench::new();
    lesson(&bench);
    let first = bench.pack().unwrap();
    let again = bench.pack().unwrap();
    assert_eq!((again.manifest, again.chunks_new, again.new_stored_bytes), (first.manifest, 0, 0));
    let other = Bench::new();
    lesson(&other);
    let options = PackOptions { title: Some(first.root.metadata.title.clone()), ..PackOptions::default() };
    let elsewhere = pack(other.dir.path(), &options, &other.store, &mut |_| {}).unwrap();
    assert_eq!(elsewhere.manifest, first.manifest);
}

#[test]
fn an_insertion_in_a_big_file_costs_few_chunks() {
    let bench = Bench::new();
    let mut film = noise(3, 20 << 20);
    bench.write("film.mp4", &film);
    let old = bench.pages(&bench.pack().unwrap());
    film.splice(7_000_000..7_000_000, *b"a sentence more");
    bench.write("film.mp4", &film);
    let packed = bench.pack().unwrap();
    let wire = wire_bytes(&bench.pages(&packed), Held::Version(&old)).unwrap();
    assert_eq!(wire, packed.new_stored_bytes);
    assert!(wire < 600_000, "{wire}");
}

#[test]
fn text_is_compressed_and_film_is_not() {
    let bench = Bench::new();
    let text = b"line upon line, the water comes. ".repeat(5000);
    bench.write("a.txt", &text);
    bench.write("a.mp4", &text[1..]);
    bench.write("b.dat", &noise(4, 100_000));
    let layout = bench.layout(&bench.pack().unwrap());
    let codecs = |path: &str| -> Vec<Codec> {
        let file = layout.file(path).unwrap();
        layout.slices(&file, 0..u64::MAX).iter().map(|slice| slice.entry.codec).collect()
    };
    assert!(codecs("a.txt").iter().all(|codec| *codec == Codec::Zstd));
    assert_eq!(codecs("b.dat")[0], Codec::Raw);
    assert_eq!(codecs("a.mp4")[0], Codec::Raw);
}

/// Appends to the file whenever packing reports progress within it. The reader is a few blocks ahead of that at most.
fn pack_while_changing(times: usize) -> Result<Packed, PackError> {
    let bench = Bench::new();
    bench.write("film.mp4", &noise(5, 24 << 20));
    let mut left = times;
    let mut last = u64::MAX;
    pack(bench.dir.path(), &PackOptions::default(), &bench.store, &mut |progress| {
        if progress.bytes_done < last && left > 0 {
            left -= 1;
            let film = bench.dir.path().join("film.mp4");
            fs::File::options().append(true).open(film).unwrap().write_all(b"more").unwrap();
        }
        last = progress.bytes_done;
    })
}

#[test]
fn a_file_that_changes_is_read_again_and_then_given_up() {
    for times in [1, 2] {
        assert_eq!(pack_while_changing(times).unwrap().root.plain_bytes, (24 << 20) + 4 * times as u64);
    }
    match pack_while_changing(3) {
        Err(PackError::Changing { path }) => assert!(path.ends_with("film.mp4")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn metadata_and_items_come_from_the_description() {
    let bench = Bench::new();
    lesson(&bench);
    let text = "title = '代数'\nkind = 'library'\nlicence = 'CC-BY-4.0'\n[items.'第1课']\ntitle = '开始'\n";
    bench.write("collection.toml", text.as_bytes());
    let packed = bench.pack().unwrap();
    assert_eq!((packed.root.metadata.title.as_str(), packed.root.metadata.kind), ("代数", Kind::Library));
    assert_eq!(packed.root.metadata.licence.as_deref(), Some("CC-BY-4.0"));
    let layout = bench.layout(&packed);
    let titles: Vec<_> = layout.items().map(|item| (item.key.as_str(), item.title.as_str())).collect();
    let expected = [("collection.toml", "collection"), ("empty.txt", "empty"), ("第1课", "开始"), ("第2课", "第2课")];
    assert_eq!(titles, expected);
    bench.write("collection.toml", b"titel = 'x'");
    assert!(matches!(bench.pack(), Err(PackError::Description { .. })));
}

/// Makes a file look as if it had been written an hour ago, so that its stamp is trusted.
fn age(path: &std::path::Path) {
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
}

/// Files whose listings are believed when their stamps are the same.
fn remembered(bench: &Bench) -> i64 {
    let connection = rusqlite::Connection::open(bench.store.dir().join("pack-cache.sqlite")).unwrap();
    connection.query_row("SELECT COUNT(*) FROM files WHERE stamp IS NOT NULL", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let bench = Bench::new();
    lesson(&bench);
    bench.write("text.txt", &b"line upon line ".repeat(40_000));
    let film = bench.dir.path().join("第1课/导入.mp4");
    // Too young to be believed.
    let first = bench.pack().unwrap();
    assert_eq!(remembered(&bench), 0);
    for name in ["第1课/导入.mp4", "第2课/v.mp4", "text.txt", "第1课/导入.zh.vtt", "empty.txt"] {
        age(&bench.dir.path().join(name));
    }
    assert_eq!(bench.pack().unwrap().manifest, first.manifest);
    assert_eq!(remembered(&bench), 5);
    let reads = |bench: &Bench| {
        let before = accesses(&film);
        let packed = bench.pack().unwrap();
        (packed.manifest == first.manifest, accesses(&film) != before)
    };
    assert_eq!(reads(&bench), (true, false));
    // A listing whose rows have rotted, and one whose chunks the store has lost, are not believed.
    let cache = bench.store.dir().join("pack-cache.sqlite");
    rusqlite::Connection::open(&cache).unwrap().execute("UPDATE listings SET rows = substr(rows, 2)", []).unwrap();
    assert!(reads(&bench).0);
    fs::write(&cache, b"no database at all, whatever the name says").unwrap();
    assert!(reads(&bench).0);
    let mut bytes = fs::read(&film).unwrap();
    bytes[1000] ^= 1;
    fs::write(&film, bytes).unwrap();
    age(&film);
    assert!(!reads(&bench).0, "same size and mtime, other ctime");
}

/// Access time in nanoseconds, if the file system keeps it; otherwise this test says less.
fn accesses(path: &std::path::Path) -> i64 {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).unwrap();
    metadata.atime() * 1_000_000_000 + metadata.atime_nsec()
}

/// The store lost chunks that the memory names: the file is read again and heals the store.
#[test]
fn a_listing_without_its_chunks_is_not_believed() {
    let bench = Bench::new();
    bench.write("film.mp4", &noise(9, 3 << 20));
    age(&bench.dir.path().join("film.mp4"));
    let first = bench.pack().unwrap();
    assert_eq!(remembered(&bench), 1);
    let other = Bench::new();
    drop(other.store.sync());
    fs::copy(bench.store.dir().join("pack-cache.sqlite"), other.store.dir().join("pack-cache.sqlite")).unwrap();
    let options = PackOptions::default();
    let packed = pack(bench.dir.path(), &options, &other.store, &mut |_| {}).unwrap();
    assert_eq!((packed.manifest, packed.chunks_new), (first.manifest, first.chunks_new));
}

/// Stopped in the middle: files that were finished are known to the next run.
#[test]
fn a_stopped_packing_goes_on() {
    let bench = Bench::new();
    // Two of them are more than the reader is ahead of the storing thread.
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        bench.write(name, &noise(name.as_bytes()[0], 8 << 20));
        age(&bench.dir.path().join(name));
    }
    std::os::unix::fs::symlink("/nonexistent", bench.dir.path().join("later")).unwrap();
    let c = bench.dir.path().join("c.mp4");
    let stopped = pack(bench.dir.path(), &PackOptions::default(), &bench.store, &mut |progress| {
        if progress.files_done == 0 && c.exists() {
            fs::remove_file(&c).unwrap();
        }
    });
    assert!(matches!(stopped, Err(PackError::Unreadable { .. })));
    assert_eq!(remembered(&bench), 2);
    bench.write("c.mp4", &noise(b'c', 8 << 20));
    let packed = bench.pack().unwrap();
    assert_eq!(packed.root.files, 3);
    let fresh = Bench::new();
    let options = PackOptions { title: Some(packed.root.metadata.title.clone()), ..PackOptions::default() };
    assert_eq!(pack(bench.dir.path(), &options, &fresh.store, &mut |_| {}).unwrap().manifest, packed.manifest);
}

/// The vectors of docs/formats/manifest.md: a folder of two files and an empty folder, byte for byte.
#[test]
fn golden() {
    let bench = Bench::new();
    bench.write("课1/a.txt", b"karez\n");
    bench.write("z.bin", b"");
    fs::create_dir(bench.dir.path().join("空")).unwrap();
    let options = PackOptions { title: Some("t".into()), kind: Some(Kind::Library), ..PackOptions::default() };
    let packed = pack(bench.dir.path(), &options, &bench.store, &mut |_| {}).unwrap();
    let page = bench.store.read_plain(&packed.root.pages[0].entry.id).unwrap().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&page), GOLDEN_PAGE);
    assert_eq!(hex(&packed.root_bytes), GOLDEN_ROOT);
    assert_eq!(packed.manifest.to_string(), GOLDEN_MANIFEST);
}

const GOLDEN_PAGE: &str = concat!(
    "a400a30001010102800182a400657a2e62696e01617a0281a800657a2e62696e01000278186170706c69636174696f6e2f6f",
    "637465742d73747265616d0300040005f40603078003a0a40064e8afbe310164e8afbe310281a8006ae8afbe312f612e7478",
    "740100026a746578742f706c61696e0306040005f40604078182000103a002818558209831e201c62ada3a7a064380b79b51",
    "08e600c575acffb8ad1666e161fc558ae1000606509831e201c62ada3a7a064380b79b5108038163e7a9ba",
);
const GOLDEN_ROOT: &str = concat!(
    "a700a300010101028001a50003016174028003800ba00281a40085582069224398240b2a633ce91b1de899fdda70eb6f525c",
    "d48a1f035a85ed739cd4730118c118b450942b95b6bda6219ca06d6c38c16d12fc01010202030603060418ba05020602",
);
const GOLDEN_MANIFEST: &str = "7af7948f06e50a746ed169026d6570b6cfadd848890734ba5da112f7a1b77c75";
