//! Manifest roots and pages from strangers: refused, or the same again after encoding, with layouts that agree.

use super::recipe::check_part;
use super::shelf;
use karez_content_tools::pack::{PackOptions, pack};
use karez_protocol::content::Document;
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::{ChunkSpace, Layout, Place, read_page};
use karez_protocol::content::manifest::{Kind, ManifestRoot, Metadata, Page, PageRef};
use std::fs;

/// The first byte says what the others are.
pub(crate) fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, root)) => check_root(root),
        Some((_, page)) => check_page(page),
        None => {}
    }
}

/// A document that was understood is the same after another round.
pub(crate) fn decoded<D: Document + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<D> {
    let document = D::from_bytes(bytes).ok()?;
    let again = document.to_bytes();
    assert_eq!(D::from_bytes(&again).as_ref(), Ok(&document), "decoded, encoded, decoded");
    Some(document)
}

fn check_root(bytes: &[u8]) {
    let Some(root) = decoded::<ManifestRoot>(bytes) else { return };
    let space = ChunkSpace::of(&root);
    let rows: u64 = root.pages.iter().map(|page| u64::from(page.chunks)).sum();
    assert_eq!(u64::from(space.count()), root.pages.len() as u64 + rows);
    let mut next = root.pages.len() as u32;
    for (page, named) in root.pages.iter().enumerate() {
        assert_eq!(space.place(ChunkIndex(page as u32)), Some(Place::Page(page)));
        assert_eq!(space.rows(page), next..next + named.chunks);
        if let Some(last) = named.chunks.checked_sub(1) {
            assert_eq!(space.place(ChunkIndex(next + last)), Some(Place::Row { page, row: last as usize }));
        }
        next += named.chunks;
    }
    assert_eq!(space.place(ChunkIndex(space.count())), None);
}

fn check_page(bytes: &[u8]) {
    let Some(page) = decoded::<Page>(bytes) else { return };
    for part in page.items.iter().flat_map(|item| &item.files) {
        let len = page.part_bytes(part).expect("a page that is accepted has the bytes that its files name");
        assert!(part.offset.checked_add(len).is_some_and(|end| end <= part.size));
        check_part(&page, part, (1 << 30, 3 << 30));
    }
    if bytes.len() > PLAIN_BYTES_MAX as usize {
        return;
    }
    let root = root_of(bytes, page.chunks.len() as u32);
    assert_eq!(read_page(&root, 0, bytes).as_ref(), Ok(&page));
    let mut layout = Layout::new(root);
    assert_eq!(layout.add_page(0, bytes), Ok(true));
    for file in layout.files() {
        let slices = layout.slices(&file, 0..u64::MAX);
        assert_eq!(slices.iter().map(|slice| u64::from(slice.len)).sum::<u64>(), file.head.size);
        assert!(slices.iter().all(|slice| layout.entry(slice.chunk).is_some_and(|entry| entry.id == slice.entry.id)));
    }
}

/// A root that names one page.
pub(crate) fn root_of(page: &[u8], chunks: u32) -> ManifestRoot {
    let (len, id, check) = (page.len() as u32, ChunkId::of(page), StoredCheck::of(page));
    let entry = ChunkEntry { id, codec: Codec::Raw, plain_len: len, stored_len: len, check };
    ManifestRoot {
        header: ManifestRoot::new_header(),
        metadata: metadata(),
        pages: vec![PageRef { entry, chunks, items: 0, plain_bytes: 0 }],
        plain_bytes: 0,
        stored_bytes: u64::from(len),
        files: 0,
        items: 0,
    }
}

fn metadata() -> Metadata {
    Metadata {
        kind: Kind::Course,
        title: "水".into(),
        creators: vec![],
        languages: vec!["zh".into()],
        subject: None,
        grade: None,
        term: None,
        edition: None,
        licence: None,
        rights: None,
        sensitivity: None,
        ext: [("a".to_owned(), "b".to_owned())].into(),
        description: None,
    }
}

/// The root and the pages of a packed folder with a film that has a recipe.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (dir, home) = (shelf::folder(), shelf::folder());
    let mut film = super::container::mp4().pop().unwrap();
    film.extend([&((1u32 << 20) + 8).to_be_bytes(), b"free".as_slice(), &[0; 1 << 20]].concat());
    fs::write(dir.path().join("film.mp4"), film).unwrap();
    fs::write(dir.path().join("a.txt"), "water ".repeat(2_000)).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let store = shelf::store(home.path());
    let packed = pack(dir.path(), &PackOptions::default(), &store, &mut |_| {}).unwrap();
    let root = ManifestRoot::from_bytes(&packed.root_bytes).unwrap();
    let mut seeds = vec![[&[0], packed.root_bytes.as_slice()].concat()];
    for page in &root.pages {
        seeds.push([&[1], store.read_plain(&page.entry.id).unwrap().unwrap().as_slice()].concat());
    }
    seeds
}
