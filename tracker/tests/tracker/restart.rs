//! A restart loses nothing registered; what was announced comes back as far as it was written.

use crate::actors::{NOW, Node, collection, flagship_order, order, tracker};
use karez_protocol::wire::tracker::Announce;
use karez_tracker::{HomeError, RequestError, Tracker, home};

const COURSE: &str = "bj4/algebra-1";

#[test]
fn members_releases_invites_and_versions_are_kept() {
    let (folder, tracker) = tracker();
    let (flagship, site) = (Node::publisher(1, 101), Node::new(2));
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    flagship.publish(&tracker, COURSE, 1).unwrap();
    let invite = tracker.invite(&order("site"), NOW).unwrap();
    flagship.hold(&tracker, COURSE, 1, true, 5);
    tracker.save_presence().unwrap();
    let (network, roster) = (tracker.network(), tracker.roster().unwrap());
    drop(tracker);

    let tracker = Tracker::open(folder.path()).unwrap();
    assert_eq!((tracker.network(), tracker.roster().unwrap()), (network, roster));
    let health = tracker.health().unwrap();
    assert_eq!((health.members, health.releases, health.roster, health.catalogue), (1, 1, 2, 1));
    site.join(&tracker, &invite).unwrap();
    let announce = Announce { wanted: vec![collection(COURSE)], ..site.announce(1) };
    let response = site.send(&tracker, announce).unwrap();
    assert_eq!(response.peers[0].peers[0].peer, flagship.peer(), "holdings were written");
    assert_eq!(response.releases.len(), 1);
    let replay = flagship.send(&tracker, flagship.announce(5));
    assert!(matches!(replay, Err(RequestError::Replay { last: 5, .. })), "{replay:?}");
    flagship.publish(&tracker, COURSE, 2).unwrap();
}

#[test]
fn a_command_beside_the_server_is_seen_at_once() {
    let (folder, server) = tracker();
    let command = Tracker::open(folder.path()).unwrap();
    let node = Node::new(1);
    let invite = command.invite(&order("site"), NOW).unwrap();
    node.join(&server, &invite).unwrap();
    node.send(&server, node.announce(1)).unwrap();
    command.revoke(&node.peer().to_string(), NOW).unwrap();
    assert!(matches!(node.send(&server, node.announce(2)), Err(RequestError::NotMember)));
}

#[test]
fn homes_are_made_once_and_half_ones_are_named() {
    let (folder, tracker) = tracker();
    drop(tracker);
    let again = home::init(folder.path(), "other", NOW);
    assert!(matches!(again, Err(HomeError::Exists { .. })), "{again:?}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Tracker::open(empty.path()).err(), Some(HomeError::Missing { .. })));
    let key = folder.path().join("tracker.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&key, [1; 32]).unwrap();
    assert!(matches!(Tracker::open(folder.path()).err(), Some(HomeError::Key { .. })));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(Tracker::open(folder.path()).err(), Some(HomeError::Half { .. })));
}

#[test]
fn one_server_per_home() {
    let (folder, _tracker) = tracker();
    let first = home::lock(folder.path()).unwrap();
    assert!(matches!(home::lock(folder.path()), Err(HomeError::Running { .. })));
    drop(first);
    home::lock(folder.path()).unwrap();
}
