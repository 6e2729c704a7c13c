//! What goes, what stays, and why; as rows.

use super::*;
use crate::handle::care::Neighbour;
use karez_protocol::content::Document as _;
use karez_protocol::content::manifest::{Kind, ManifestRoot, Metadata};
use karez_protocol::wire::control::HeldVersion as Said;

fn name(text: &str) -> CollectionName {
    text.parse().unwrap()
}

fn held(list: &[(&str, u64)]) -> Vec<HeldVersion> {
    list.iter().map(|(text, version)| HeldVersion { collection: name(text), version: *version, draft: false }).collect()
}

fn says(same_county: bool, held: &[(&str, u64, bool)]) -> Neighbour {
    let said = |(text, version, complete): &(&str, u64, bool)| Said {
        collection: name(text),
        version: *version,
        complete: *complete,
    };
    Neighbour { same_county, heard: true, held: held.iter().map(said).collect() }
}

fn reasons(choice: &Choice) -> Vec<(String, &'static str)> {
    choice
        .rows
        .iter()
        .map(|row| (format!("{}@{}", row.version.collection, row.version.version), row.reason.name()))
        .collect()
}

fn order(choice: &Choice) -> Vec<String> {
    let going = choice.groups.iter().flat_map(|group| &group.versions);
    going.map(|version| format!("{}@{}", version.collection, version.version)).collect()
}

const ROOM: Wish = Wish { free_bytes: Some(1), last_copies: false };

#[test]
fn superseded_versions_go_oldest_first_and_pins_stay() {
    let look = Look { at_work: vec![work("a/x", 3, true, true)], ..Look::default() };
    let pins = BTreeSet::from(["a/x@2".parse().unwrap()]);
    let choice = choose(
        &look,
        &held(&[("a/x", 3), ("a/x", 1), ("a/x", 2), ("a/x", 0)]),
        &Kept { pins, ..Kept::default() },
        Wish::default(),
    );
    assert_eq!(order(&choice), ["a/x@0", "a/x@1"]);
    let expected = [("a/x@0", "superseded"), ("a/x@1", "superseded"), ("a/x@2", "pinned"), ("a/x@3", "newest")];
    assert_eq!(reasons(&choice), expected.map(|(name, reason)| (name.to_owned(), reason)));
}

fn work(text: &str, version: u64, wanted: bool, complete: bool) -> AtWork {
    let metadata = Metadata {
        kind: Kind::Course,
        title: text.into(),
        creators: Vec::new(),
        languages: Vec::new(),
        subject: None,
        grade: None,
        term: None,
        edition: None,
        licence: None,
        rights: None,
        sensitivity: None,
        description: None,
        ext: BTreeMap::new(),
    };
    let (header, pages) = (ManifestRoot::new_header(), Vec::new());
    let root = ManifestRoot { header, metadata, pages, plain_bytes: 0, stored_bytes: 0, files: 0, items: 0 };
    AtWork { collection: name(text), version, root, wanted, complete, in_use: false, described: true }
}

#[test]
fn what_is_fetched_read_followed_or_published_stays() {
    let mut read = work("a/read", 1, true, true);
    read.in_use = true;
    let at_work = vec![work("a/half", 2, true, false), read, work("a/followed", 1, true, true)];
    let look = Look {
        at_work,
        following: BTreeSet::from([name("a/followed")]),
        publisher: Some("me".parse().unwrap()),
        members: vec![says(true, &[("a/half", 2, true), ("a/read", 2, true), ("me/own", 2, true)])],
        ..Look::default()
    };
    let rows =
        [("a/half", 1), ("a/half", 2), ("a/read", 1), ("a/read", 2), ("a/followed", 1), ("me/own", 1), ("me/own", 2)];
    let choice = choose(&look, &held(&rows), &Kept::default(), ROOM);
    let found: BTreeMap<String, &str> = reasons(&choice).into_iter().collect();
    for (version, reason) in [
        ("a/half@1", "until_newer"),
        ("a/half@2", "pulling"),
        ("a/read@1", "in_use"),
        ("a/read@2", "newest"),
        ("a/followed@1", "following"),
        ("me/own@1", "published"),
        ("me/own@2", "published"),
    ] {
        assert_eq!(found[version], reason, "{version}");
    }
    assert!(order(&choice).is_empty(), "{:?}", order(&choice));
}

#[test]
fn collections_go_in_the_order_they_were_opened_and_the_last_copy_only_when_named() {
    let opened = [("a/old", 1), ("a/new", 9), ("a/last", 2)].map(|(text, number)| (name(text), number));
    let all = [("a/new", 1, true), ("a/old", 1, true), ("a/never", 2, true)];
    let look = Look {
        at_work: ["a/old", "a/new", "a/never", "a/last"].map(|text| work(text, 1, true, true)).to_vec(),
        opened: opened.into_iter().collect(),
        members: vec![
            says(true, &all),
            says(true, &[("a/last", 1, false)]),
            says(false, &[("a/last", 1, true)]),
            Neighbour { same_county: true, ..Neighbour::default() },
        ],
        ..Look::default()
    };
    let here = held(&[("a/old", 1), ("a/new", 1), ("a/never", 1), ("a/last", 1)]);
    let choice = choose(&look, &here, &Kept::default(), ROOM);
    assert_eq!(order(&choice), ["a/never@1", "a/old@1", "a/new@1"]);
    let last = choice.rows.iter().find(|row| row.version.collection == name("a/last")).unwrap();
    assert_eq!((last.reason, last.holders), (Reason::LastCopy, Holders { county: 0, silent: 1, elsewhere: 1 }));
    let choice = choose(&look, &here, &Kept::default(), Wish { last_copies: true, ..ROOM });
    assert_eq!(order(&choice), ["a/never@1", "a/old@1", "a/new@1", "a/last@1"]);
    let choice = choose(&look, &here, &Kept::default(), Wish::default());
    assert!(order(&choice).is_empty());
}
