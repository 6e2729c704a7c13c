//! Quotes against sums over plain sets, with chunks that move between pages, in one pass and in several.

use super::*;
use crate::store::{Store, StoreOptions};
use crate::verify::seal;
use karez_protocol::content::Document;
use karez_protocol::content::manifest::{Kind, ManifestRoot, Metadata, PageRef};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Stores a manifest whose pages have these chunks, each named by a number.
fn manifest(store: &Store, pages: &[Vec<u16>]) -> Vec<u8> {
    let refs = pages.iter().map(|numbers| {
        let rows = numbers.iter().map(|number| seal(&number.to_le_bytes(), false).unwrap().entry()).collect();
        let sealed = seal(&Page::new(vec![], rows, vec![], vec![]).to_bytes(), false).unwrap();
        store.put(&sealed).unwrap();
        PageRef { entry: sealed.entry(), chunks: numbers.len() as u32, items: 0, plain_bytes: 0 }
    });
    let metadata = Metadata {
        kind: Kind::Library,
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
    let (header, pages) = (ManifestRoot::new_header(), refs.collect());
    ManifestRoot { header, metadata, pages, plain_bytes: 0, stored_bytes: 1 << 40, files: 0, items: 0 }.to_bytes()
}

fn unique(pages: &Pages<'_>) -> BTreeMap<ChunkId, u64> {
    let rows = (0..pages.len()).flat_map(|page| pages.read(page).unwrap().chunks);
    let all = pages.root().pages.iter().map(|page| page.entry).chain(rows);
    all.map(|entry| (entry.id, u64::from(entry.stored_len))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_quote_is_the_sum_over_what_is_new(
        old in prop::collection::vec(prop::collection::vec(0u16..40, 0..12), 0..6),
        new in prop::collection::vec(prop::collection::vec(0u16..40, 0..12), 0..6),
        keep in 0usize..6,
        here in prop::collection::vec(0u16..40, 0..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        // Some pages are in both versions.
        let new: Vec<_> = old.iter().take(keep).cloned().chain(new).collect();
        let (old, new) = (manifest(&store, &old), manifest(&store, &new));
        let (old, new) = (Pages::open(&old, &store).unwrap(), Pages::open(&new, &store).unwrap());
        for number in here {
            store.put(&seal(&number.to_le_bytes(), false).unwrap()).unwrap();
        }
        let (before, after) = (unique(&old), unique(&new));
        let sum = |held: &dyn Fn(&ChunkId) -> bool| -> u64 {
            after.iter().filter(|(id, _)| !held(id)).map(|(_, len)| len).sum()
        };
        for pass_ids in [PASS_IDS_MAX, 7] {
            let quoted = |held| wire_in_passes(&new, held, pass_ids).unwrap().bytes;
            prop_assert_eq!(quoted(Held::Nothing), sum(&|_| false));
            prop_assert_eq!(quoted(Held::Version(&old)), sum(&|id| before.contains_key(id)));
            prop_assert_eq!(quoted(Held::Store), sum(&|id| store.contains(id).unwrap()));
        }
        let lacking = sum(&|id| store.contains(id).unwrap());
        let held = new.held().unwrap();
        for known in [&ChunkSet::new(), &held.chunks] {
            prop_assert_eq!(missing(&new, known).map(|(wire, bound)| (wire.bytes, bound)).unwrap(), (lacking, Bound::Exact));
        }
        prop_assert!(held.has_all_pages);
        let is_whole = held.chunks.len() == u64::from(new.space().count());
        prop_assert_eq!(is_whole, lacking == 0);
        if !is_whole {
            prop_assert_eq!(held.bytes, sum(&|_| false) - lacking);
        }
    }
}

/// The two measurements behind the constants: 3,000 files of 15 bytes, and 34.0 MB of films.
#[test]
fn headers_are_counted_as_they_were_measured() {
    for (bytes, chunks, measured) in [(45_931, 3_001, 694_578), (34_000_000, 1_700, 35_100_000)] {
        let off = Wire { bytes, chunks }.with_headers() as f64 / measured as f64;
        assert!((off - 1.0).abs() < 0.05, "{bytes}: {off}");
    }
}
