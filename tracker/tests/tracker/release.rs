//! Publishing: only the next version, only by the namespace's key, only with its own root page.

use crate::actors::{NOW, Node, flagship_order, order, root, tracker};
use karez_protocol::wire;
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::RefusalReason;
use karez_tracker::{RequestError, Tracker};
use tempfile::TempDir;

const COURSE: &str = "bj4/algebra-1";

fn with_flagship() -> (TempDir, Tracker, Node) {
    let (folder, tracker) = tracker();
    let flagship = Node::publisher(1, 101);
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    (folder, tracker, flagship)
}

fn refusal(tracker: &Tracker, upload: &SignedRelease) -> (RefusalReason, u16) {
    let refused = tracker.publish(&wire::encode(upload)).expect_err("it must be refused");
    (refused.reason(), refused.status())
}

#[test]
fn versions_follow_each_other_and_the_same_again_changes_nothing() {
    let (_folder, tracker, flagship) = with_flagship();
    for version in 1..=3 {
        flagship.publish(&tracker, COURSE, version).unwrap();
    }
    for version in [3, 1] {
        flagship.publish(&tracker, COURSE, version).unwrap();
    }
    assert_eq!(tracker.health().unwrap().catalogue, 3);
    // Version 4 was made and replaced while the tracker was away.
    flagship.publish(&tracker, COURSE, 5).unwrap();
    for version in [5, 4, 3] {
        let upload = flagship.release(&tracker, COURSE, version, "other content");
        let refused = tracker.publish(&wire::encode(&upload)).unwrap_err();
        assert!(matches!(refused, RequestError::Version { newest: 5, .. }), "{refused:?}");
        assert!(refused.status() == 409 && refused.to_string().contains("version 5"), "{refused}");
    }
    let endless = flagship.release(&tracker, COURSE, u64::MAX, "代数入门");
    assert_eq!(refusal(&tracker, &endless), (RefusalReason::Malformed, 400));
}

#[test]
fn the_signer_must_own_the_namespace() {
    let (_folder, tracker, flagship) = with_flagship();
    let not_publisher = (RefusalReason::NotPublisher, 403);
    let stranger = Node::publisher(2, 102);
    assert_eq!(refusal(&tracker, &stranger.release(&tracker, COURSE, 1, "x")), not_publisher);
    assert_eq!(refusal(&tracker, &Node::new(1).release(&tracker, COURSE, 1, "x")), not_publisher);
    assert_eq!(refusal(&tracker, &flagship.release(&tracker, "other/algebra-1", 1, "x")), not_publisher);
    stranger.enter(&tracker, &flagship_order("second", "other"));
    assert_eq!(refusal(&tracker, &flagship.release(&tracker, "other/algebra-1", 1, "x")), not_publisher);
    let (_elsewhere, other) = crate::actors::tracker();
    let foreign = flagship.release(&other, COURSE, 1, "x");
    assert_eq!(refusal(&tracker, &foreign), (RefusalReason::Malformed, 400));
    assert_eq!(tracker.health().unwrap().releases, 0);
}

#[test]
fn the_root_must_be_the_one_that_was_signed_and_must_be_readable() {
    let (_folder, tracker, flagship) = with_flagship();
    let good = flagship.release(&tracker, COURSE, 1, "代数入门");
    let (release, root) = (good.release.clone(), root("代数入门"));
    let cut = root[..root.len() - 1].to_vec();
    let rows = [
        SignedRelease { release: release.clone(), root: crate::actors::root("other") },
        SignedRelease { release: release.clone(), root: cut.clone() },
        SignedRelease { release: release.clone(), root: Vec::new() },
        SignedRelease { release: release[..50].to_vec(), root },
        flagship.release_with(&tracker, COURSE, 1, &cut),
        flagship.release(&tracker, COURSE, 0, "x"),
    ];
    for row in rows {
        assert_eq!(refusal(&tracker, &row), (RefusalReason::Malformed, 400));
    }
    assert!(matches!(tracker.publish(b"hello"), Err(RequestError::Wire(_))));
    tracker.publish(&wire::encode(&good)).unwrap();
}

#[test]
fn revoked_publishers_are_not_shown_and_their_versions_are_not_reused() {
    let (_folder, tracker, flagship) = with_flagship();
    flagship.publish(&tracker, COURSE, 1).unwrap();
    tracker.revoke("flagship", NOW).unwrap();
    assert!(tracker.search("").unwrap().is_empty());
    let successor = Node::publisher(3, 103);
    successor.enter(&tracker, &flagship_order("successor", "bj4"));
    assert!(tracker.search("").unwrap().is_empty(), "signed by the old key");
    assert!(successor.publish(&tracker, COURSE, 1).is_err());
    successor.publish(&tracker, COURSE, 2).unwrap();
    assert_eq!(tracker.search("").unwrap()[0].version, 2);
}

#[test]
fn a_publisher_that_comes_back_is_news_again() {
    let (_folder, tracker, flagship) = with_flagship();
    let site = Node::new(5);
    site.enter(&tracker, &order("site"));
    flagship.publish(&tracker, COURSE, 1).unwrap();
    let held = site.send(&tracker, site.announce(1)).unwrap().catalogue;
    tracker.revoke("flagship", NOW).unwrap();
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    let announce = karez_protocol::wire::tracker::Announce { catalogue: held, ..site.announce(2) };
    assert_eq!(site.send(&tracker, announce).unwrap().releases.len(), 1);
}

#[test]
fn search_finds_words_inside_words_in_any_script() {
    let (_folder, tracker, flagship) = with_flagship();
    for (name, title) in [(COURSE, "高一代数入门"), ("bj4/physics", "初中物理实验"), ("bj4/100", "Sto%ries_")]
    {
        tracker.publish(&wire::encode(&flagship.release(&tracker, name, 1, title))).unwrap();
    }
    for (query, found) in [
        ("", 3),
        ("代数", 1),
        ("物理", 1),
        ("北京", 3),
        ("LINEAR equations", 3),
        ("algebra", 1),
        ("物理 四中", 1),
        ("物理 代数", 0),
        ("%", 1),
        ("化学", 0),
    ] {
        assert_eq!(tracker.search(query).unwrap().len(), found, "{query}");
    }
    let listing = &tracker.search("代数").unwrap()[0];
    assert_eq!((listing.collection.as_str(), listing.kind.as_str(), listing.files), (COURSE, "course", 3));
}
