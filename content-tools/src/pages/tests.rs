//! The door against a layout that holds all pages, on a packed folder of several pages; and in another order.

use super::*;
use crate::export;
use crate::pack::{PackOptions, pack};
use crate::quote::{Difference, Held, difference, wire_bytes};
use crate::store::StoreOptions;
use crate::verify::seal;
use std::fs;
use std::path::Path;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    (dir, store)
}

/// Small files in many items: a few pages.
fn library(dir: &Path, files: u32) {
    for number in 0..files {
        let folder = dir.join(format!("book {}", number / 40));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{number}.txt")), format!("page {number}")).unwrap();
    }
}

fn packed(dir: &Path, store: &Store) -> Vec<u8> {
    pack(dir, &PackOptions::default(), store, &mut |_| {}).unwrap().root_bytes
}

/// Pages read one at a time tell what a layout of all pages tells.
fn check_same(root: &[u8], store: &Store) {
    let (pages, layout) = (Pages::open(root, store).unwrap(), export::layout(root, store).unwrap());
    let streamed: Vec<File> = pages.files().map(Result::unwrap).collect();
    let known = layout.files();
    assert_eq!(streamed.len(), known.len());
    for (one, other) in streamed.iter().zip(&known) {
        assert_eq!((one.item.as_str(), &one.head.path), (other.item, &other.head.path));
        let ids = |range: std::ops::Range<u64>| {
            let one =
                pages.slices(one, range.clone()).map(|slice| slice.unwrap()).map(|s| (s.entry.id, s.start, s.len));
            let other = layout.slices(other, range).into_iter().map(|s| (s.entry.id, s.start, s.len));
            assert!(one.eq(other));
        };
        ids(0..one.head.size);
        ids(3..one.head.size / 2);
    }
    for file in streamed.iter().step_by(101) {
        assert_eq!(pages.file(file.head.path.as_str()).unwrap().as_ref(), Some(file));
        let mine = streamed.iter().filter(|other| other.item == file.item);
        let of_item: Vec<File> = pages.files_of(&file.item).unwrap().map(Result::unwrap).collect();
        assert!(of_item.iter().eq(mine));
    }
    assert_eq!(pages.file("none").unwrap(), None);
}

/// The table of contents says `z`, `第10课`, `第2课`; what it does not name comes behind, in the order of names.
#[test]
fn a_course_has_its_own_order() {
    let (dir, (_guard, store)) = (tempfile::tempdir().unwrap(), store());
    let line = |id: &str| format!("<item identifierref='{id}'><title>{id}</title></item>");
    let resource = |(id, path): (&str, &str)| format!("<resource identifier='{id}' href='{path}'/>");
    let toc = format!(
        "<manifest><organizations><organization>{}</organization></organizations><resources>{}</resources></manifest>",
        ["z", "ten", "two"].map(line).concat(),
        [("two", "第2课/a.html"), ("ten", "第10课/a.html"), ("z", "z.html")].map(resource).concat(),
    );
    for (path, text) in [("imsmanifest.xml", toc.as_str()), ("第2课/a.html", "2"), ("第10课/a.html", "10")]
        .into_iter()
        .chain([("第10课/b.html", "b"), ("z.html", "z"), ("附10.txt", "x"), ("附2.txt", "y")])
    {
        fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
        fs::write(dir.path().join(path), text).unwrap();
    }
    let root = packed(dir.path(), &store);
    let pages = Pages::open(&root, &store).unwrap();
    let course = pages.course().unwrap();
    let shown: Vec<_> = pages
        .files_in_course(&course)
        .map(Result::unwrap)
        .map(|file| (file.head.path.to_string(), file.title))
        .collect();
    let paths: Vec<_> = shown.iter().map(|(path, _)| path.as_str()).collect();
    let placed = ["z.html", "第10课/a.html", "第10课/b.html", "第2课/a.html"];
    assert_eq!(paths, [&placed[..], &["imsmanifest.xml", "附2.txt", "附10.txt"]].concat());
    assert_eq!(shown[1].1, "ten");
    let (plain, (_guard, store)) = (tempfile::tempdir().unwrap(), self::store());
    library(plain.path(), 300);
    let root = packed(plain.path(), &store);
    let pages = Pages::open(&root, &store).unwrap();
    let course = pages.course().unwrap();
    let in_course = pages.files_in_course(&course).map(Result::unwrap);
    assert!(in_course.eq(pages.files().map(Result::unwrap)), "without one, names");
}

#[test]
fn files_come_as_a_stream_and_by_name() {
    let (dir, (_guard, store)) = (tempfile::tempdir().unwrap(), store());
    library(dir.path(), 1_500);
    fs::write(dir.path().join("film.mp4"), vec![7; 3 << 20]).unwrap();
    fs::write(dir.path().join("film.zh.vtt"), "WEBVTT").unwrap();
    let root = packed(dir.path(), &store);
    assert!(Pages::open(&root, &store).unwrap().len() >= 4);
    check_same(&root, &store);
    // Pages in another order than the packer's are read all the same.
    let mut shuffled = ManifestRoot::from_bytes(&root).unwrap();
    shuffled.pages.reverse();
    shuffled.pages.swap(0, 1);
    let shuffled = shuffled.to_bytes();
    check_same(&shuffled, &store);
}

#[test]
fn a_lookup_reads_few_pages() {
    let (dir, (_guard, full), (_guard2, partial)) = (tempfile::tempdir().unwrap(), store(), store());
    library(dir.path(), 6_000);
    let root = packed(dir.path(), &full);
    let pages = Pages::open(&root, &full).unwrap();
    let path = "book 70/2811.txt";
    // Only the pages that a lookup comes by are copied, one after another, as they are found missing.
    let mut copied = 0;
    let found = loop {
        match Pages::open(&root, &partial).unwrap().file(path) {
            Err(export::LoadError::MissingPage { page, .. }) => {
                let plain = full.read_plain(&pages.root().pages[page].entry.id).unwrap().unwrap();
                partial.put(&seal(&plain, true).unwrap()).unwrap();
                copied += 1;
            }
            other => break other.unwrap(),
        }
    };
    assert_eq!(found.unwrap().head.path.as_str(), path);
    assert!(pages.len() >= 16 && copied <= 8, "{copied} of {}", pages.len());
}

#[test]
fn an_update_of_ten_files_costs_their_pages() {
    let (dir, (_guard, store)) = (tempfile::tempdir().unwrap(), store());
    library(dir.path(), 6_000);
    let old_root = packed(dir.path(), &store);
    let changed: Vec<u32> = (0..10).map(|at| 10 + at * 40).collect();
    for number in &changed {
        fs::write(dir.path().join(format!("book {}/{number}.txt", number / 40)), format!("new {number}")).unwrap();
    }
    let new_root = packed(dir.path(), &store);
    let (old, new) = (Pages::open(&old_root, &store).unwrap(), Pages::open(&new_root, &store).unwrap());
    let kept = new.root().pages.iter().filter(|page| old.root().pages.contains(page)).count();
    let fetched = new.len() - kept;
    assert!(new.len() >= 16 && fetched <= 4, "{fetched} of {} pages", new.len());
    let pages = new.root().pages.iter().filter(|page| !old.root().pages.contains(page));
    let pages: u64 = pages.map(|page| u64::from(page.entry.stored_len)).sum();
    let content: u64 = changed.iter().map(|number| format!("new {number}").len() as u64).sum();
    assert_eq!(wire_bytes(&new, Held::Version(&old)).unwrap(), pages + content);
    assert_eq!(wire_bytes(&new, Held::Store).unwrap(), 0);
    let expected = changed.iter().map(|number| format!("book {}/{number}.txt", number / 40));
    let found = difference(&old, &new).unwrap();
    assert_eq!((found.added.len(), found.removed.len(), found.changed.len()), (0, 0, 10));
    assert!(expected.into_iter().all(|path| found.changed.contains(&path)));
    assert_eq!(difference(&new, &new).unwrap(), Difference::default());
}
