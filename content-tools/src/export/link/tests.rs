//! Tests of linking: a course is held once, and nothing is lost whatever becomes of the files.

use super::*;
use crate::export::export;
use crate::pack::{PackOptions, pack};
use crate::store::StoreOptions;
use std::fs;
use std::os::unix::fs::PermissionsExt;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

const FILM: &str = "第一课/视频.mp4";

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("第一课")).unwrap();
    fs::create_dir_all(source.join("第二课")).unwrap();
    fs::write(source.join(FILM), noise(1, 4 << 20)).unwrap();
    fs::write(source.join("第一课/讲义.txt"), "水".repeat(40_000)).unwrap();
    fs::write(source.join("第二课/run.bin"), noise(2, 300_000)).unwrap();
    fs::set_permissions(source.join("第二课/run.bin"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(source.join("第二课/small"), noise(3, 100)).unwrap();
    let store = Store::open(&dir.path().join("store"), StoreOptions::default()).unwrap();
    Bench { dir, store }
}

impl Bench {
    fn pack(&self) -> Pages<'_> {
        let packed = pack(&self.dir.path().join("source"), &PackOptions::default(), &self.store, &mut |_| {}).unwrap();
        Pages::open(&packed.root_bytes, &self.store).unwrap()
    }

    fn pull(&self, pages: &Pages<'_>, to: &str, options: ExportOptions<'_>, linked: bool) -> LinkReport {
        let to = self.dir.path().join(to);
        let report = export(pages, &options, &to, &mut |_| {}).unwrap();
        if linked { link(pages, &options, (&to, &report), &mut |_| {}).unwrap() } else { LinkReport::default() }
    }

    fn film(&self, folder: &str) -> std::path::PathBuf {
        self.dir.path().join(folder).join(FILM)
    }

    /// Whether every chunk of a version can be read.
    fn is_whole(&self, pages: &Pages<'_>) -> bool {
        (0..pages.len()).all(|page| {
            let page = pages.page(page).unwrap();
            page.chunks.iter().all(|row| self.store.read_plain(&row.id).unwrap().is_some())
        })
    }
}

#[test]
fn a_linked_course_is_held_once() {
    let bench = bench();
    let pages = bench.pack();
    let before = bench.store.disk_bytes();
    let report = bench.pull(&pages, "out", ExportOptions::default(), true);
    assert_eq!((report.files, report.bytes, report.left.len()), (2, (4 << 20) + 300_000, 0));
    assert!(before - bench.store.disk_bytes() > 4 << 20, "{before} {}", bench.store.disk_bytes());
    assert!(bench.store.disk_bytes() < 40_000, "{}", bench.store.disk_bytes());
    let mode = |path: &str| fs::metadata(bench.dir.path().join("out").join(path)).unwrap().permissions().mode() & 0o333;
    assert_eq!((mode(FILM), mode("第二课/run.bin")), (0, 0o111));
    assert!(mode("第一课/讲义.txt") > 0, "what stays in the store is as always");
    assert!(bench.is_whole(&pages));
    let again = bench.pull(&pages, "out", ExportOptions::default(), true);
    assert_eq!((again.files, again.bytes, again.freed_bytes), (2, 0, 0));
    // A second folder takes over.
    let moved = bench.pull(&pages, "second", ExportOptions::default(), true);
    assert_eq!(moved.bytes, report.bytes);
    fs::remove_dir_all(bench.dir.path().join("out")).unwrap();
    assert!(bench.is_whole(&pages));
}

/// The next version is exported over linked files of the one before, of which nothing is lost.
#[test]
fn an_update_over_linked_files_keeps_both_versions() {
    for linked in [true, false] {
        let bench = bench();
        let first = bench.pack();
        bench.pull(&first, "out", ExportOptions::default(), true);
        let mut newer = noise(1, 4 << 20);
        newer.splice(1000..1000, *b"inserted");
        fs::write(bench.film("source"), &newer).unwrap();
        let second = bench.pack();
        let previous = [bench.pack_again(&first)];
        bench.pull(&second, "out", ExportOptions { previous: &previous, ..ExportOptions::default() }, linked);
        assert_eq!(fs::read(bench.film("out")).unwrap(), newer);
        assert!(bench.is_whole(&second) && bench.is_whole(&first), "linked {linked}");
        bench.store.sync().unwrap();
        assert_eq!(bench.store.damaged().unwrap(), []);
    }
}

impl Bench {
    fn pack_again<'a>(&'a self, pages: &Pages<'a>) -> Pages<'a> {
        Pages::new(std::sync::Arc::new(pages.root().clone()), &self.store)
    }
}

/// Somebody changes a linked file all the same: refused, all of it found at once, and mended when the chunks come again.
#[test]
fn a_linked_file_that_was_changed_is_noticed() {
    let bench = bench();
    let pages = bench.pack();
    bench.pull(&pages, "out", ExportOptions::default(), true);
    let film = bench.film("out");
    fs::remove_file(&film).unwrap();
    fs::write(&film, noise(9, 4 << 20)).unwrap();
    let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
    let refused = export(&pages, &options, &bench.dir.path().join("out"), &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("视频.mp4"), "{refused}");
    let damaged = bench.store.damaged().unwrap();
    let film_chunks = pages.files().map(Result::unwrap).find(|file| file.head.path.as_str() == FILM).unwrap();
    assert_eq!(damaged.len(), pages.slices(&film_chunks, 0..u64::MAX).count());
    bench.pack();
    bench.pull(&pages, "out", options, true);
    assert_eq!(fs::read(&film).unwrap(), noise(1, 4 << 20));
    assert_eq!(bench.store.damaged().unwrap(), []);
}

#[test]
fn what_is_not_ours_stays_beside_the_store() {
    let bench = bench();
    let pages = bench.pack();
    let out = bench.dir.path().join("out");
    fs::create_dir_all(out.join("第一课")).unwrap();
    fs::write(bench.film("out"), "a teacher's own film").unwrap();
    let report = bench.pull(&pages, "out", ExportOptions::default(), true);
    assert_eq!((report.files, report.bytes), (1, 300_000));
    assert!(bench.is_whole(&pages));
    assert!(matches!(check_disk(&bench.store, Path::new("/proc")), Err(LinkError::OtherDisk { .. })));
    assert!(check_disk(&bench.store, &out.join("not/yet")).is_ok());
}

#[test]
fn pieces_of_a_chunk_become_its_ranges() {
    let entry = crate::verify::seal(&noise(4, 100), false).unwrap().entry();
    let slice = |start, len| Slice { chunk: karez_protocol::content::chunk::ChunkIndex(0), entry, start, len };
    let range = |offset, len| SourceRange { offset, len };
    let mut pieces = Pieces::default();
    assert_eq!(pieces.add(&slice(0, 100), range(7, 100)), Some((entry, vec![range(7, 100)])));
    assert_eq!(pieces.add(&slice(0, 30), range(0, 30)), None);
    assert_eq!(pieces.add(&slice(60, 40), range(500, 40)), None);
    assert_eq!(pieces.add(&slice(30, 30), range(30, 30)), Some((entry, vec![range(0, 60), range(500, 40)])));
    assert_eq!(pieces.add(&slice(0, 60), range(0, 60)), None);
    assert_eq!(pieces.add(&slice(50, 50), range(60, 50)), None, "they overlap");
}
