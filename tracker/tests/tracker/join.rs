//! Joining: who gets in, and what each wrong way in is told.

use crate::actors::{NOW, Node, after_hours, flagship_order, order, tracker};
use karez_protocol::trust::Signed;
use karez_protocol::trust::roster::{MemberRole, Roster};
use karez_protocol::wire::tracker::{JoinResponse, RefusalReason};
use karez_tracker::{InviteOrder, OrderError, RequestError, Tracker};

fn roster(tracker: &Tracker, response: &JoinResponse) -> Roster {
    let key = tracker.identity().public();
    Signed::<Roster>::verify(&response.roster, &tracker.network(), &key).expect("the roster is signed").value().clone()
}

#[test]
fn a_site_joins_and_a_retry_changes_nothing() {
    let (_folder, tracker) = tracker();
    let order =
        InviteOrder {
            domain: "gansu/minqin".into(), uplink_group: Some("g1".into()), weight: 5, ..order("民勤一中")
        };
    let invite = tracker.invite(&order, NOW).unwrap();
    let node = Node::new(1);
    let first = node.join(&tracker, &invite).unwrap();
    let roster = roster(&tracker, &first);
    let member = roster.member(&node.peer()).unwrap();
    assert_eq!((roster.version, roster.network_name.as_str()), (2, "甘肃试验网"));
    assert_eq!((member.name.as_str(), member.domain.as_str(), member.weight), ("民勤一中", "gansu/minqin", 5));
    assert_eq!((member.uplink_group.as_deref(), member.role), (Some("g1"), MemberRole::Site));
    assert_eq!(first.publisher, None);
    // The answer may have been lost, for longer than the invite lives.
    let late = tracker.join(&node.join_bytes(&invite, &invite.secret), after_hours(100)).unwrap();
    assert_eq!(late, first);
}

#[test]
fn a_publisher_gets_its_namespace_for_one_key() {
    let (_folder, tracker) = tracker();
    let (one, two) = (flagship_order("flagship", "bj4"), flagship_order("impostor", "bj4"));
    let (one, two) = (tracker.invite(&one, NOW).unwrap(), tracker.invite(&two, NOW).unwrap());
    let keyless = Node::new(1).join(&tracker, &one);
    assert!(matches!(keyless, Err(RequestError::NoPublisherKey { .. })), "{keyless:?}");
    let response = Node::publisher(1, 101).join(&tracker, &one).unwrap();
    let roster = roster(&tracker, &response);
    assert_eq!(response.publisher, Some("bj4".parse().unwrap()));
    assert_eq!(roster.publisher(&"bj4".parse().unwrap()).unwrap().peer, Node::new(1).peer());
    assert_eq!(roster.members[0].role, MemberRole::Flagship);
    let second = Node::publisher(2, 102).join(&tracker, &two);
    assert!(matches!(second, Err(RequestError::NamespaceTaken { .. })), "{second:?}");
    let third = tracker.invite(&flagship_order("third", "bj4"), NOW);
    assert!(matches!(third, Err(OrderError::NamespaceTaken { .. })), "{third:?}");
}

#[test]
fn a_key_that_the_invite_does_not_ask_for_is_ignored() {
    let (_folder, tracker) = tracker();
    let invite = tracker.invite(&order("site"), NOW).unwrap();
    let response = Node::publisher(1, 101).join(&tracker, &invite).unwrap();
    assert!(response.publisher.is_none() && roster(&tracker, &response).publishers.is_empty());
}

#[test]
fn five_wrong_proofs_void_an_invite() {
    let (_folder, tracker) = tracker();
    let invite = tracker.invite(&order("site"), NOW).unwrap();
    let node = Node::new(1);
    for left in (0..5).rev() {
        let refused = tracker.join(&node.join_bytes(&invite, &[9; 16]), NOW).unwrap_err();
        assert!(matches!(refused, RequestError::WrongProof { left: found } if found == left), "{refused:?}");
    }
    let refused = node.join(&tracker, &invite).unwrap_err();
    assert!(matches!(refused, RequestError::InviteVoid), "{refused:?}");
    assert_eq!((refused.reason(), refused.status()), (RefusalReason::Invite, 403));
}

#[test]
fn expired_reused_replaced_unknown_and_foreign_invites_are_refused() {
    let (_folder, tracker) = tracker();
    let invite = tracker.invite(&InviteOrder { hours: 1, ..order("late") }, NOW).unwrap();
    let request = Node::new(1).join_bytes(&invite, &invite.secret);
    assert!(matches!(tracker.join(&request, after_hours(1)), Err(RequestError::InviteExpired)));

    let invite = tracker.invite(&order("site"), NOW).unwrap();
    Node::new(1).join(&tracker, &invite).unwrap();
    assert!(matches!(Node::new(2).join(&tracker, &invite), Err(RequestError::InviteUsed)));

    let old = tracker.invite(&order("other"), NOW).unwrap();
    tracker.invite(&order("other"), NOW).unwrap();
    assert!(matches!(Node::new(3).join(&tracker, &old), Err(RequestError::InviteVoid)));

    for token in [7, u64::MAX] {
        let mut unknown = old.clone();
        unknown.token = token;
        assert!(matches!(Node::new(3).join(&tracker, &unknown), Err(RequestError::UnknownInvite)), "{token}");
    }
    let (_elsewhere, stranger) = crate::actors::tracker();
    let foreign = stranger.invite(&order("site"), NOW).unwrap();
    assert!(matches!(Node::new(3).join(&tracker, &foreign), Err(RequestError::Signature(_))));
}

#[test]
fn garbage_is_malformed() {
    let (_folder, tracker) = tracker();
    let invite = tracker.invite(&order("site"), NOW).unwrap();
    let good = Node::new(1).join_bytes(&invite, &invite.secret);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [&b""[..], b"hello", &[0xff; 600], &good[..good.len() - 1], &flipped, &[0x9f; 5000]] {
        let refused = tracker.join(bytes, NOW).unwrap_err();
        assert_eq!((refused.reason(), refused.status()), (RefusalReason::Malformed, 400), "{refused:?}");
    }
    tracker.join(&good, NOW).unwrap();
}

#[test]
fn a_revoked_node_is_out_until_it_is_invited_again() {
    let (_folder, tracker) = tracker();
    let node = Node::publisher(1, 101);
    let invite = tracker.invite(&flagship_order("flagship", "bj4"), NOW).unwrap();
    node.join(&tracker, &invite).unwrap();
    assert!(tracker.revoke("nobody", NOW).is_err());
    assert_eq!(tracker.revoke("flagship", NOW).unwrap().peer, node.peer());
    assert!(matches!(node.join(&tracker, &invite), Err(RequestError::Revoked)));
    assert!(matches!(node.send(&tracker, node.announce(1)), Err(RequestError::NotMember)));
    assert!(tracker.members().unwrap().is_empty() && tracker.publishers().unwrap().is_empty());
    let again = tracker.invite(&flagship_order("flagship", "bj4"), NOW).unwrap();
    assert_eq!(roster(&tracker, &node.join(&tracker, &again).unwrap()).version, 4);
}

#[test]
fn orders_that_cannot_be_are_refused() {
    let (_folder, tracker) = tracker();
    Node::new(1).enter(&tracker, &order("taken"));
    let long = "x".repeat(65);
    let rows = [
        order("taken"),
        order(""),
        order(&long),
        order("a\nb"),
        InviteOrder { domain: "gansu//minqin".into(), ..order("a") },
        InviteOrder { uplink_group: Some(String::new()), ..order("a") },
        InviteOrder { weight: 11, ..order("a") },
        InviteOrder { hours: 0, ..order("a") },
        InviteOrder { urls: vec!["https://host".into()], ..order("a") },
        InviteOrder { urls: vec!["http://".into()], ..order("a") },
        InviteOrder::site("a"),
    ];
    for row in rows {
        assert!(tracker.invite(&row, NOW).is_err(), "{row:?}");
    }
}
