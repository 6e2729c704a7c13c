//! Announcing: who may, what is learned from it, what is told in return.

use crate::actors::{NOW, Node, SOURCE, after_hours, collection, flagship_order, order, tracker};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::tracker::{Announce, RefusalReason};
use karez_tracker::{InviteOrder, RequestError, Tracker};

const COURSE: &str = "bj4/algebra-1";

fn placed(name: &str, domain: &str, group: Option<&str>) -> InviteOrder {
    InviteOrder { domain: domain.into(), uplink_group: group.map(str::to_owned), ..order(name) }
}

fn peers_for(node: &Node, tracker: &Tracker, sequence: u64) -> Vec<PeerId> {
    let announce = Announce { wanted: vec![collection(COURSE)], ..node.announce(sequence) };
    let response = node.send(tracker, announce).expect("members may announce");
    assert_eq!(response.peers.len(), 1);
    response.peers[0].peers.iter().map(|peer| peer.peer).collect()
}

#[test]
fn relays_are_named_nearest_first_with_those_that_peers_are_reached_through() {
    let (_folder, tracker) = tracker();
    let (asker, near, far, holder) = (Node::new(1), Node::new(2), Node::new(3), Node::new(4));
    asker.enter(&tracker, &placed("asker", "gansu/minqin", None));
    near.enter(&tracker, &placed("near", "gansu/minqin", None));
    far.enter(&tracker, &placed("far", "yunnan/lijiang", None));
    holder.enter(&tracker, &placed("holder", "yunnan/lijiang", None));
    for relay in [&far, &near] {
        relay.send(&tracker, Announce { relay: true, ..relay.announce(1) }).unwrap();
    }
    let via = format!("via/{}", far.peer());
    let addresses = vec!["0.0.0.0:7000".to_owned(), via.clone(), via.clone()];
    let wanted = vec![collection(COURSE)];
    holder.send(&tracker, Announce { addresses, wanted: wanted.clone(), ..holder.announce(1) }).unwrap();
    let told = asker.send(&tracker, Announce { wanted, ..asker.announce(1) }).unwrap();
    let relays: Vec<_> = told.relays.iter().map(|relay| relay.peer).collect();
    assert_eq!(relays, [near.peer(), far.peer()]);
    assert_eq!(told.peers[0].peers[0].addresses[1..], [via]);

    near.send(&tracker, near.announce(2)).unwrap();
    let told = asker.send(&tracker, asker.announce(2)).unwrap();
    assert_eq!(told.relays.iter().map(|relay| relay.peer).collect::<Vec<_>>(), [far.peer()]);
}

#[test]
fn strangers_replays_and_false_macs_are_refused() {
    let (_folder, tracker) = tracker();
    let (member, stranger) = (Node::new(1), Node::new(2));
    member.enter(&tracker, &order("site"));
    let refused = stranger.send(&tracker, stranger.announce(1)).unwrap_err();
    assert_eq!((refused.reason(), refused.status()), (RefusalReason::NotMember, 403));

    member.send(&tracker, member.announce(10)).unwrap();
    for sequence in [10, 9, 0] {
        let refused = member.send(&tracker, member.announce(sequence)).unwrap_err();
        assert!(matches!(refused, RequestError::Replay { last: 10, .. }), "{refused:?}");
        assert_eq!(refused.status(), 409);
    }
    member.send(&tracker, member.announce(11)).unwrap();

    let elsewhere = NetworkId::from_bytes([7; 32]);
    let other_network = member.seal_as(member.peer(), &member.announce(12), &tracker.identity().public(), &elsewhere);
    let mut flipped = member.seal(&member.announce(12), &tracker);
    *flipped.last_mut().unwrap() ^= 1;
    let refused_all = || {
        for bytes in [&other_network, &flipped, b"hello".as_slice()] {
            let heard = tracker.hear_at_once(bytes).unwrap_or_else(|| tracker.hear(bytes));
            let refused = heard.unwrap_err();
            assert_eq!(refused.reason(), RefusalReason::Malformed, "{refused:?}");
        }
    };
    refused_all();
    member.send(&tracker, member.announce(12)).unwrap();
    refused_all();
}

#[test]
fn a_member_announces_for_nobody_else() {
    let (_folder, tracker) = tracker();
    let (liar, victim, stranger) = (Node::new(1), Node::new(2), Node::new(3));
    liar.enter(&tracker, &order("liar"));
    victim.enter(&tracker, &order("victim"));
    for _ in 0..2 {
        // Before and after the tracker knows their keys.
        let in_its_name = liar.seal(&victim.announce(9), &tracker);
        assert!(matches!(tracker.hear(&in_its_name), Err(RequestError::OtherPeer)));
        for other in [&liar, &stranger] {
            let claimed =
                other.seal_as(victim.peer(), &victim.announce(9), &tracker.identity().public(), &tracker.network());
            let refused = tracker.hear(&claimed).unwrap_err();
            assert_eq!(refused.reason(), RefusalReason::Malformed, "{refused:?}");
        }
        liar.send(&tracker, liar.announce(9)).ok();
        victim.send(&tracker, victim.announce(1)).ok();
    }
    victim.send(&tracker, victim.announce(9)).unwrap();
}

#[test]
fn keys_are_kept_for_members_only_and_are_the_same_after_a_restart() {
    let (folder, tracker) = tracker();
    let (member, stranger) = (Node::new(1), Node::new(2));
    member.enter(&tracker, &order("site"));
    let (known, unknown) = (member.seal(&member.announce(1), &tracker), stranger.seal(&stranger.announce(1), &tracker));
    assert!(tracker.hear_at_once(&known).is_none());
    assert!(matches!(tracker.hear(&unknown), Err(RequestError::NotMember)));
    tracker.hear(&known).unwrap();
    assert!(tracker.hear_at_once(&known).is_some());
    assert!(tracker.hear_at_once(&unknown).is_none());
    tracker.revoke("site", NOW).unwrap();
    tracker.save_presence().unwrap();
    assert!(tracker.hear_at_once(&known).is_none(), "who was revoked is forgotten");
    drop(tracker);

    let tracker = Tracker::open(folder.path()).unwrap();
    member.enter(&tracker, &order("again"));
    tracker.hear(&known).unwrap();
    member.send(&tracker, member.announce(2)).unwrap();
}

#[test]
fn a_false_mac_has_a_members_key_computed_once() {
    let (_folder, tracker) = tracker();
    let (member, stranger) = (Node::new(1), Node::new(2));
    member.enter(&tracker, &order("site"));
    let public = tracker.identity().public();
    let false_mac = stranger.seal_as(member.peer(), &member.announce(1), &public, &tracker.network());
    assert!(tracker.hear_at_once(&false_mac).is_none());
    assert_eq!(tracker.hear(&false_mac).unwrap_err().reason(), RefusalReason::Malformed);
    let again = tracker.hear_at_once(&false_mac).expect("the key is there");
    assert_eq!(again.unwrap_err().reason(), RefusalReason::Malformed);
    member.send(&tracker, member.announce(1)).unwrap();
}

#[test]
fn a_clock_of_another_year_shuts_no_node_out() {
    let (_folder, tracker) = tracker();
    let site = Node::new(1);
    site.enter(&tracker, &order("site"));
    let clock = NOW.0 as u64 * 1_000;
    let day = 24 * 3_600_000;
    for sequence in [clock + day + 1, u64::MAX] {
        let refused = site.send(&tracker, site.announce(sequence)).unwrap_err();
        assert_eq!((refused.reason(), refused.status()), (RefusalReason::Clock, 409));
        assert!(refused.refusal().detail.contains("clock"), "{refused}");
    }
    site.send(&tracker, site.announce(clock)).unwrap();
    site.send(&tracker, site.announce(clock + day)).unwrap();
    // The tracker's own clock was two days ahead, and is set.
    let set = |hours: i64, sequence: u64| {
        let bytes = site.seal(&site.announce(sequence), &tracker);
        tracker.announce(tracker.hear(&bytes).unwrap(), SOURCE, after_hours(hours))
    };
    set(48, clock + 2 * day).unwrap();
    set(0, clock + 1).unwrap();
    assert!(matches!(set(0, clock + 1), Err(RequestError::Replay { .. })));
}

#[test]
fn who_lacks_something_announces_more_often() {
    let (_folder, tracker) = tracker();
    let site = Node::new(1);
    site.enter(&tracker, &order("site"));
    for (sequence, wanted, interval) in [(1, vec![], 60), (2, vec![collection(COURSE)], 30), (3, vec![], 60)] {
        let announce = Announce { wanted, roster: 9, ..site.announce(sequence) };
        assert_eq!(site.send(&tracker, announce).unwrap().interval, interval);
    }
}

#[test]
fn the_roster_and_the_catalogue_come_once() {
    let (_folder, tracker) = tracker();
    let (site, flagship) = (Node::new(1), Node::publisher(2, 102));
    site.enter(&tracker, &order("site"));
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    for (name, version) in [(COURSE, 1), ("bj4/physics", 1), (COURSE, 2)] {
        flagship.publish(&tracker, name, version).unwrap();
    }
    let first = site.send(&tracker, site.announce(1)).unwrap();
    assert!(first.roster.is_some());
    assert_eq!((first.catalogue, first.interval), (3, 60));
    let revisions: Vec<_> = first.releases.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, [2, 3], "only the newest version of each collection, oldest first");
    let held = Announce { roster: 3, catalogue: 2, ..site.announce(2) };
    let second = site.send(&tracker, held).unwrap();
    assert!(second.roster.is_none());
    assert_eq!(second.releases, first.releases[1..]);
    // A node that knows more than a restored tracker gets everything anew.
    let ahead = site.send(&tracker, Announce { roster: 3, catalogue: 9, ..site.announce(3) }).unwrap();
    assert_eq!((ahead.catalogue, ahead.releases.len()), (3, 2));
}

#[test]
fn a_large_catalogue_comes_in_several_answers() {
    let (_folder, tracker) = tracker();
    let flagship = Node::publisher(2, 102);
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    for number in 0..4 {
        let name = format!("bj4/book-{number}");
        let root = crate::actors::root(&"书".repeat(600_000));
        let upload = flagship.release_with(&tracker, &name, 1, &root);
        tracker.publish(&karez_protocol::wire::encode(&upload)).unwrap();
    }
    let (mut held, mut seen) = (0, Vec::new());
    for sequence in 1..=2 {
        let announce = Announce { roster: 9, catalogue: held, ..flagship.announce(sequence) };
        let response = flagship.send(&tracker, announce).unwrap();
        seen.extend(response.releases.iter().map(|entry| entry.revision));
        assert_eq!(response.interval, if sequence == 1 { 1 } else { 60 });
        held = response.catalogue;
    }
    assert_eq!((seen, held), (vec![1, 2, 3, 4], 4));
}

#[test]
fn peers_are_ordered_for_the_asking_site() {
    let (_folder, tracker) = tracker();
    let flagship = Node::publisher(9, 109);
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    let rows = [
        (1, "gansu/minqin", Some("g1"), true),
        (2, "gansu/minqin", None, true),
        (3, "gansu/minqin", None, false),
        (4, "gansu/dunhuang", None, true),
        (5, "yunnan/lijiang", None, true),
    ];
    flagship.hold(&tracker, COURSE, 1, true, 1);
    for (number, domain, group, complete) in rows {
        Node::new(number).enter(&tracker, &placed(&number.to_string(), domain, group));
        Node::new(number).hold(&tracker, COURSE, 1, complete, 1);
    }
    let asker = Node::new(7);
    asker.enter(&tracker, &placed("asker", "gansu/minqin", Some("g1")));
    let expected: Vec<_> = [1, 2, 3, 4, 5].map(|number| Node::new(number).peer()).into();
    let peers = peers_for(&asker, &tracker, 1);
    assert_eq!(peers[..5], expected);
    assert_eq!(peers[5..], [flagship.peer()]);
}

#[test]
fn a_new_version_makes_holders_of_the_old_one_partial_and_leavers_vanish() {
    let (_folder, tracker) = tracker();
    let (old, new, asker) = (Node::new(1), Node::new(2), Node::new(3));
    for (node, name) in [(&old, "old"), (&new, "new"), (&asker, "asker")] {
        node.enter(&tracker, &order(name));
    }
    old.hold(&tracker, COURSE, 1, true, 1);
    new.hold(&tracker, COURSE, 2, true, 1);
    assert_eq!(peers_for(&asker, &tracker, 1), [new.peer(), old.peer()]);
    new.send(&tracker, new.announce(2)).unwrap();
    assert_eq!(peers_for(&asker, &tracker, 2), [old.peer()]);
    tracker.revoke("old", NOW).unwrap();
    assert!(peers_for(&asker, &tracker, 3).is_empty());
}

#[test]
fn the_origin_is_named_before_it_announces_holding_and_silent_nodes_come_last() {
    let (_folder, tracker) = tracker();
    let (flagship, near, asker) = (Node::publisher(9, 109), Node::new(1), Node::new(2));
    flagship.enter(&tracker, &flagship_order("flagship", "bj4"));
    near.enter(&tracker, &placed("near", "gansu", None));
    asker.enter(&tracker, &placed("asker", "gansu", None));
    near.hold(&tracker, COURSE, 1, true, 1);
    let late = |node: &Node, sequence, wanted: &[&str]| {
        let wanted = wanted.iter().map(|name| collection(name)).collect();
        let bytes = node.seal(&Announce { wanted, ..node.announce(sequence) }, &tracker);
        tracker.announce(tracker.hear(&bytes).unwrap(), SOURCE, after_hours(1)).unwrap()
    };
    late(&flagship, 1, &[]);
    let response = late(&asker, 1, &[COURSE, COURSE]);
    assert_eq!(response.peers.len(), 1, "asking twice does not double the answer");
    let peers: Vec<_> = response.peers[0].peers.iter().map(|peer| peer.peer).collect();
    assert_eq!(peers, [flagship.peer(), near.peer()]);
    assert_eq!(response.peers[0].peers[0].addresses, ["203.0.113.9:7000"]);
}
