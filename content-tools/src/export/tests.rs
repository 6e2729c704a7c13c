//! Tests of the way back: what was packed comes out as it was, and a hostile manifest or destination does no harm.

use super::*;
use crate::pack::{PackOptions, pack};
use crate::store::StoreOptions;
use crate::verify::seal;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::LayoutError;
use karez_protocol::content::manifest::{FilePart, Item, Kind, Metadata, Page, PageRef, Role, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    (dir, store)
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Every entry below a folder, as text: path, kind, executable or not, hash of the content.
fn tree(dir: &Path) -> BTreeSet<String> {
    let describe = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        if entry.file_type().is_dir() {
            return Some(format!("{path}/"));
        }
        let executable = entry.metadata().unwrap().permissions().mode() & 0o100 != 0;
        entry
            .file_type()
            .is_file()
            .then(|| format!("{path} {executable} {}", ChunkId::of(&fs::read(entry.path()).unwrap())))
    };
    walkdir::WalkDir::new(dir).min_depth(1).into_iter().filter_map(|entry| describe(entry.unwrap())).collect()
}

fn packed_folder(store: &Store) -> (tempfile::TempDir, Pages<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for folder in ["第一课 引言", "第二课/资料/空", "第二课/资料/深"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("第一课 引言/视频…「一」.mp4"), noise(1, 2 << 20)).unwrap();
    fs::write(root.join("第一课 引言/e\u{301}.txt"), "decomposed").unwrap();
    fs::write(root.join("第一课 引言/\u{e9}.txt"), "composed").unwrap();
    fs::write(root.join("第二课/资料/深/run.sh"), "#!/bin/sh\n").unwrap();
    fs::write(root.join("第二课/零"), "").unwrap();
    fs::write(root.join("collection.toml"), "title = 'x'\n").unwrap();
    fs::set_permissions(root.join("第二课/资料/深/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    let packed = pack(root, &PackOptions::default(), store, &mut |_| {}).unwrap();
    assert_eq!(packed.skipped.total(), 1);
    let pages = Pages::open(&packed.root_bytes, store).unwrap();
    (dir, pages)
}

fn exported(pages: &Pages<'_>, item: Option<&str>, to: &Path) -> Result<(u64, u64), ExportError> {
    let options = ExportOptions { item, exact_names: true, overwrite: true, previous: &[], keep_out: None };
    export(pages, &options, to, &mut |_| {}).map(|report| (report.written, report.unchanged))
}

#[test]
fn what_goes_in_comes_out_and_an_export_goes_on_where_it_stopped() {
    let (_guard, store) = store();
    let (dir, pages) = packed_folder(&store);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("new/folder");
    assert_eq!(exported(&pages, None, &to).unwrap(), (6, 0));
    assert_eq!(tree(&to), tree(dir.path()));
    assert_eq!(exported(&pages, None, &to).unwrap(), (0, 6));
    let film = to.join("第一课 引言/视频…「一」.mp4");
    let mut bytes = fs::read(&film).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&film, bytes).unwrap();
    fs::remove_file(to.join("collection.toml")).unwrap();
    fs::set_permissions(to.join("第二课/资料/深/run.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(exported(&pages, None, &to).unwrap(), (2, 4));
    assert_eq!(tree(&to), tree(dir.path()));
}

#[test]
fn names_are_made_portable_and_told() {
    let (_guard, store) = store();
    let (_dir, layout) = packed_folder(&store);
    let out = tempfile::tempdir().unwrap();
    let report = export(&layout, &ExportOptions::default(), out.path(), &mut |_| {}).unwrap();
    let renamed: Vec<_> =
        report.renamed.iter().map(|r| (r.published.as_str(), r.exported.as_str(), r.change.name())).collect();
    let composed = "第一课 引言/\u{e9}.txt";
    let second = "第一课 引言/\u{e9} (2).txt";
    assert_eq!(renamed, [("第一课 引言/e\u{301}.txt", composed, "normalised"), (composed, second, "collision")]);
    assert_eq!(fs::read(out.path().join(composed)).unwrap(), b"decomposed");
    assert_eq!(fs::read(out.path().join(second)).unwrap(), b"composed");
    assert_eq!((report.written, report.kept.len()), (6, 0));
    let again = export(&layout, &ExportOptions::default(), out.path(), &mut |_| {}).unwrap();
    assert_eq!((again.written, again.unchanged), (0, 6));
}

/// What somebody else made or changed stays, unless it is to be overwritten; what an earlier version left is replaced.
#[test]
fn files_of_other_people_are_kept() {
    let (_guard, store) = store();
    let (dir, first) = packed_folder(&store);
    let film = "第一课 引言/视频…「一」.mp4";
    let mut newer = noise(1, 2 << 20);
    newer[1_500_000] ^= 1;
    fs::write(dir.path().join(film), newer).unwrap();
    fs::write(dir.path().join("第二课/零"), "no longer empty").unwrap();
    let packed = pack(dir.path(), &PackOptions::default(), &store, &mut |_| {}).unwrap();
    let second = Pages::open(&packed.root_bytes, &store).unwrap();
    let out = tempfile::tempdir().unwrap();
    exported(&first, None, out.path()).unwrap();
    let mine = out.path().join("第二课/零");
    fs::write(&mine, "notes of a teacher").unwrap();
    fs::remove_file(out.path().join("collection.toml")).unwrap();
    symlink("/etc/hostname", out.path().join("collection.toml")).unwrap();
    let previous = [first];
    let run = |overwrite| {
        let options = ExportOptions { exact_names: true, overwrite, previous: &previous, ..ExportOptions::default() };
        let report = export(&second, &options, out.path(), &mut |_| {}).unwrap();
        let kept: Vec<_> = report.kept.iter().map(|path| path.as_str().to_owned()).collect();
        (report.written, report.unchanged, kept)
    };
    assert_eq!(run(false), (1, 3, vec!["collection.toml".into(), "第二课/零".into()]));
    assert_eq!(fs::read(&mine).unwrap(), b"notes of a teacher");
    assert_eq!(fs::read(out.path().join(film)).unwrap(), fs::read(dir.path().join(film)).unwrap());
    assert_eq!(run(true), (2, 4, vec![]));
    assert_eq!(tree(out.path()), tree(dir.path()));
}

/// A copy into the folder that a node's home is in, of a collection that has files where the home is.
#[test]
fn no_path_leads_into_an_own_folder() {
    let (_guard, store) = store();
    let (_dir, pages) = packed_folder(&store);
    let out = tempfile::tempdir().unwrap();
    let home = out.path().join("第二课/资料");
    fs::create_dir_all(home.join("深")).unwrap();
    for own in [&home, &home.join("深")] {
        let own = OwnFolders::of([own.as_path()]);
        let options = ExportOptions { keep_out: Some(&own), ..ExportOptions::default() };
        let error = export(&pages, &options, out.path(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ExportError::OwnFolder { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(home.join("深")).unwrap().count(), 0);
}

#[test]
fn one_item_or_a_range() {
    let (_guard, store) = store();
    let (_dir, pages) = packed_folder(&store);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(exported(&pages, Some("第二课"), out.path()).unwrap(), (2, 0));
    assert!(matches!(exported(&pages, Some("none"), out.path()), Err(ExportError::UnknownItem { .. })));
    let (path, film) = ("第一课 引言/视频…「一」.mp4", noise(1, 2 << 20));
    for range in [0..10, 100_000..400_001, (2 << 20) - 5..u64::MAX, 5..5, 1 << 30..1 << 31] {
        let end = range.end.min(film.len() as u64) as usize;
        let expected = film.get(range.start as usize..end).unwrap_or(&[]);
        assert_eq!(read_range(&pages, path, range.clone()).unwrap(), expected, "{range:?}");
    }
    assert!(matches!(read_range(&pages, "none", 0..1), Err(ReadError::UnknownFile { .. })));
}

#[test]
fn a_destination_that_takes_nothing_is_known_beforehand() {
    let out = tempfile::tempdir().unwrap();
    check_writable(&out.path().join("new/deeper")).unwrap();
    let (file, link) = (out.path().join("file"), out.path().join("link"));
    fs::write(&file, "mine").unwrap();
    symlink("nowhere", &link).unwrap();
    for (to, obstacle) in [(file.clone(), &file), (file.join("a/b"), &file), (link.join("a"), &link)] {
        match check_writable(&to) {
            Err(ExportError::InTheWay { path }) => assert_eq!(path, *obstacle),
            other => panic!("{to:?}: {other:?}"),
        }
    }
    let long = out.path().join("a".repeat(300));
    assert!(matches!(check_writable(&long), Err(ExportError::Io { .. })));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2, "nothing is made");
}

#[test]
fn links_in_the_destination_are_never_followed() {
    let (_guard, store) = store();
    let (_dir, pages) = packed_folder(&store);
    let (out, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(elsewhere.path(), out.path().join("第二课")).unwrap();
    match exported(&pages, None, out.path()) {
        Err(ExportError::InTheWay { path }) => assert!(path.ends_with("第二课")),
        other => panic!("{other:?}"),
    }
    fs::remove_file(out.path().join("第二课")).unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    fs::remove_file(out.path().join("collection.toml")).unwrap();
    symlink(&victim, out.path().join("collection.toml")).unwrap();
    exported(&pages, None, out.path()).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert!(out.path().join("collection.toml").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    let _busy = Destination::open(out.path(), None).unwrap();
    assert!(matches!(exported(&pages, None, out.path()), Err(ExportError::Busy { .. })));
    let blocked = tempfile::tempdir().unwrap();
    fs::create_dir(blocked.path().join("collection.toml")).unwrap();
    assert!(matches!(exported(&pages, None, blocked.path()), Err(ExportError::InTheWay { .. })));
}

#[test]
fn missing_chunks_are_counted_before_anything_is_written() {
    let (_guard, full) = store();
    let (_dir, whole) = packed_folder(&full);
    let (_guard, partial) = store();
    let root = whole.root().to_bytes();
    let unread = Pages::open(&root, &partial).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = exported(&unread, None, out.path()).unwrap_err();
    assert!(matches!(error, ExportError::Read(ReadError::Load(LoadError::MissingPage { page: 0, pages: 1 }))));
    let file = whole.file("第一课 引言/视频…「一」.mp4").unwrap().unwrap();
    let missing = whole.slices(&file, 0..file.head.size).nth(3).unwrap().unwrap().entry;
    let page = whole.root().pages[0].entry;
    for entry in whole.page(0).unwrap().chunks.iter().chain([&page]).filter(|entry| entry.id != missing.id) {
        let plain = full.read_plain(&entry.id).unwrap().unwrap();
        partial.put(&seal(&plain, false).unwrap()).unwrap();
    }
    let loaded = Pages::open(&root, &partial).unwrap();
    let bytes = u64::from(missing.stored_len);
    match exported(&loaded, None, out.path()) {
        Err(ExportError::Missing { chunks: 1, bytes: found }) => assert_eq!(found, bytes),
        other => panic!("{other:?}"),
    }
    assert!(tree(out.path()).is_empty());
    assert_eq!(exported(&loaded, Some("第二课"), out.path()).unwrap(), (2, 0));
}

/// A manifest made by hand around one page.
fn manifest(store: &Store, page: &[u8], rows: u32, files: u64) -> Vec<u8> {
    let sealed = seal(page, false).unwrap();
    store.put(&sealed).unwrap();
    let metadata = Metadata {
        kind: Kind::Course,
        title: "x".into(),
        creators: vec![],
        languages: vec![],
        subject: None,
        grade: None,
        term: None,
        edition: None,
        licence: None,
        rights: None,
        sensitivity: None,
        ext: BTreeMap::new(),
        description: None,
    };
    let entry = sealed.entry();
    let pages = vec![PageRef { entry, chunks: rows, items: 1, plain_bytes: 0 }];
    let header = ManifestRoot::new_header();
    ManifestRoot { header, metadata, pages, plain_bytes: 0, stored_bytes: 0, files, items: 1 }.to_bytes()
}

fn page(store: &Store, paths: &[&str], plain_len_lie: u32, run: Run) -> Page {
    let sealed = seal(b"content", false).unwrap();
    store.put(&sealed).unwrap();
    let mut row = sealed.entry();
    row.plain_len += plain_len_lie;
    row.stored_len += plain_len_lie;
    let file = |path: &&str| FilePart {
        path: path.parse().unwrap(),
        role: Role::Main,
        media_type: String::new(),
        size: u64::from(row.plain_len),
        offset: 0,
        executable: false,
        cut_profile: 1,
        runs: vec![run],
        language: None,
        recipe: None,
    };
    let files = paths.iter().map(file).collect();
    let item = Item { key: "x".into(), title: "x".into(), files, ext: BTreeMap::new() };
    Page::new(vec![item], vec![row], vec![], vec![])
}

#[test]
fn hostile_pages_are_refused() {
    let (_guard, store) = store();
    let whole = Run { first: 0, count: 1 };
    let good = page(&store, &["good.txt"], 0, whole).to_bytes();
    let load = |bytes: &[u8], rows| Pages::open(&manifest(&store, bytes, rows, 1), &store)?.page(0);
    assert!(load(&good, 1).is_ok());
    let mut escaping = good.clone();
    let at = escaping.windows(8).position(|bytes| bytes == b"good.txt").unwrap();
    escaping[at..at + 8].copy_from_slice(b"../../up");
    let mut absolute = good.clone();
    absolute[at..at + 8].copy_from_slice(b"/etc/pwn");
    let outside = page(&store, &["a"], 0, Run { first: u32::MAX, count: 2 }).to_bytes();
    let mut endless = page(&store, &["a"], 0, whole);
    endless.items[0].files[0].runs = vec![whole; 65_537];
    endless.items[0].files[0].size = u64::MAX;
    let endless = endless.to_bytes();
    for bad in [&escaping, &absolute, &outside, &endless, &good[..good.len() - 1]] {
        assert!(matches!(load(bad, 1), Err(LoadError::Layout(LayoutError::Document(_)))));
    }
    assert!(matches!(load(&good, 2), Err(LoadError::Layout(LayoutError::Mismatch { page: 0 }))));
}

#[test]
fn pages_that_contradict_themselves_do_no_harm() {
    let (_guard, store) = store();
    let whole = Run { first: 0, count: 1 };
    let out = tempfile::tempdir().unwrap();
    let run = |page: &Page, files| {
        let pages = Pages::open(&manifest(&store, &page.to_bytes(), 1, files), &store).unwrap();
        exported(&pages, None, out.path())
    };
    let clash = page(&store, &["a", "a/b"], 0, whole);
    assert!(matches!(run(&clash, 2), Err(ExportError::InTheWay { .. })));
    let twice = page(&store, &["c", "c"], 0, whole);
    assert!(matches!(run(&twice, 2), Err(ExportError::Incomplete { described: 0, files: 2 })));
    let longer = page(&store, &["d"], 5, whole);
    assert!(matches!(run(&longer, 1), Err(ExportError::Read(ReadError::Length { .. }))));
    assert_eq!(tree(out.path()).iter().filter(|entry| !entry.starts_with("a ")).count(), 0);
}
