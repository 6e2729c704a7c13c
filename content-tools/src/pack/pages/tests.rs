//! Tests of the page builder: every page is valid, and an edit changes few of them.

use super::*;
use karez_protocol::content::chunk::{Codec, StoredCheck};
use karez_protocol::content::manifest::Role;
use std::collections::BTreeSet;

fn row(seed: u64) -> ChunkEntry {
    let id = ChunkId::of(&seed.to_le_bytes());
    ChunkEntry { id, codec: Codec::Raw, plain_len: 1000, stored_len: 1000, check: StoredCheck([0; 16]) }
}

fn rows(seeds: std::ops::Range<u64>) -> Vec<ChunkEntry> {
    seeds.map(row).collect()
}

/// Pages of some files, each an item.
fn pages(files: &[(String, Vec<ChunkEntry>)]) -> Vec<Page> {
    let mut builder = PageBuilder::default();
    for (name, chunks) in files {
        let file = FilePart {
            path: name.parse().unwrap(),
            role: Role::Main,
            media_type: "video/mp4".into(),
            size: chunks.len() as u64 * 1000,
            offset: 0,
            executable: false,
            cut_profile: 1,
            runs: Vec::new(),
            language: None,
            recipe: None,
        };
        let mut listing = Listing { key: name, title: name, begins_item: true, file, chunks, ext: Vec::new() };
        if chunks.len() <= PART_CHUNKS_MAX {
            builder.add(&listing).unwrap();
            continue;
        }
        let mut offset = 0;
        while !listing.chunks.is_empty() {
            let listed = builder.add_part(&listing, offset).unwrap();
            offset += listed as u64 * 1000;
            listing.chunks = &listing.chunks[listed..];
        }
    }
    builder.close().unwrap();
    let closed = builder.take_closed();
    assert_eq!(closed.iter().map(|page| page.items as usize).sum::<usize>(), files.len());
    let bytes = files.iter().map(|(_, chunks)| chunks.len() as u64 * 1000).sum::<u64>();
    assert_eq!(closed.iter().map(|page| page.plain_bytes).sum::<u64>(), bytes);
    closed.iter().map(|page| Page::from_bytes(&page.plain).unwrap()).collect()
}

fn changed(before: &[Page], after: &[Page]) -> usize {
    let before: BTreeSet<Vec<u8>> = before.iter().map(Document::to_bytes).collect();
    after.iter().filter(|page| !before.contains(&page.to_bytes())).count()
}

#[test]
fn a_new_file_changes_the_pages_around_it() {
    let mut files: Vec<_> = (0..1000).map(|n| (format!("lesson {n:04}.mp4"), rows(n * 100..n * 100 + 60))).collect();
    let before = pages(&files);
    assert!(before.len() > 50, "{}", before.len());
    files.insert(500, ("lesson 0499 b.mp4".into(), rows(1_000_000..1_000_060)));
    files[200].1[7] = row(2_000_000);
    let after = pages(&files);
    assert!(changed(&before, &after) <= 4, "{}", changed(&before, &after));
}

#[test]
fn a_large_file_goes_over_pages_and_an_edit_changes_few() {
    let mut files =
        vec![("a.txt".to_owned(), rows(0..3)), ("film.mp4".into(), rows(10..60_010)), ("z".into(), rows(5..8))];
    let before = pages(&files);
    assert!((16..32).contains(&before.len()), "{}", before.len());
    // The same number of bytes: offsets behind the edit stay.
    files[1].1[30_000] = row(1_000_000);
    assert!(changed(&before, &pages(&files)) <= 2);
}

#[test]
fn a_chunk_that_occurs_again_has_one_row() {
    let twice: Vec<_> = rows(0..5).into_iter().chain(rows(2..5)).chain(rows(4..6)).collect();
    let page = &pages(&[("a".into(), twice)])[0];
    assert_eq!(page.chunks.len(), 6);
    let runs: Vec<_> = page.items[0].files[0].runs.iter().map(|run| (run.first, run.count)).collect();
    assert_eq!(runs, [(0, 5), (2, 3), (4, 2)]);
}

/// Worst cases for the size of a page: names of full length, and runs that never join.
#[test]
fn pages_stay_within_the_format() {
    let long = |n: u64| format!("{n:0>250}/{n:0>250}/{n:0>250}/{n:0>250}");
    let many: Vec<_> = (0..3000).map(|n| (long(n), Vec::new())).collect();
    assert!(pages(&many).len() > 3);
    let alternating: Vec<_> = (0..20_000).map(|n| row(n % 2)).collect();
    assert!(pages(&[("zeros".into(), alternating)]).len() >= 5);
    let copies: Vec<_> = (0..100).map(|n| (format!("copy {n}"), rows(0..2000))).collect();
    assert!(pages(&copies).len() >= 4);
    let odd: Vec<_> = (0..4_000u64).map(|n| row(n * 7 % 4_000)).collect();
    pages(&(0..20).map(|n| (n.to_string(), odd.clone())).collect::<Vec<_>>());
}

#[test]
fn a_title_that_fits_no_page_is_an_error() {
    let mut builder = PageBuilder::default();
    let file = FilePart {
        path: "a".parse().unwrap(),
        role: Role::Main,
        media_type: String::new(),
        size: 0,
        offset: 0,
        executable: false,
        cut_profile: 1,
        runs: Vec::new(),
        language: None,
        recipe: None,
    };
    let title = "x".repeat(2 << 20);
    builder.add(&Listing { key: "a", title: &title, begins_item: true, file, chunks: &[], ext: Vec::new() }).unwrap();
    assert!(matches!(builder.close(), Err(DocumentError::TooLarge { .. })));
}
