//! A site that this node cannot reach, and one between them.

use super::*;

fn heard(name: u8) -> Input {
    Input::PeerHeard { peer: peer(name), profile: profile(name, false), wants: true }
}

/// Page known and held; F and B are connected and A is not, though it takes part. Ten seconds have passed.
fn beyond_reach() -> Swarm {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let rows: [Row; 8] = [
        (0, joined(F), &[]),
        (0, joined(B), &[]),
        (0, wants(B), &[]),
        (0, has(B, &[]), &[]),
        (0, has(F, &(0..40).collect::<Vec<_>>()), &[]),
        (0, heard(A), &[]),
        (9_000, known_chunks(&[0]), &["ask F import 0"]),
        (10_000, good(F, 0), &["tell +0", "complete"]),
    ];
    check_swarm(&mut swarm, &rows);
    swarm
}

#[test]
fn what_a_site_out_of_reach_imports_comes_by_another() {
    let mut swarm = beyond_reach();
    let rows: [Row; 4] = [
        (10_000, known_chunks(&[11, 12]), &[]),
        (13_000, gained(B, &[11]), &["ask B background 11"]),
        (13_010, good(B, 11), &[]),
        // One in three seconds: four times that is borne.
        (24_900, Input::Tick, &["tell +11"]),
    ];
    check_swarm(&mut swarm, &rows);
    assert_eq!(swarm.status().waiting_for, [(peer(A), 1)]);
}

#[test]
fn a_site_out_of_reach_of_which_nothing_comes_is_passed_over() {
    let mut swarm = beyond_reach();
    check_swarm(&mut swarm, &[(10_000, known_chunks(&[11]), &[]), (14_900, Input::Tick, &[])]);
    assert_eq!(swarm.status().waiting_for, [(peer(A), 1)]);
    swarm.handle(Timestamp(15_010_000), Input::Tick);
    assert!(swarm.status().waiting_for.iter().all(|(importer, _)| *importer != peer(A)));
}

#[test]
fn nobody_waits_when_nobody_is_between() {
    let mut swarm = beyond_reach();
    check_swarm(&mut swarm, &[(10_000, known_chunks(&[11]), &[]), (10_010, left(B), &["ask F import 11"])]);
}

#[test]
fn it_is_never_asked_and_counts_as_any_other_once_it_is_here() {
    let mut swarm = beyond_reach();
    let rows: [Row; 7] = [
        (10_000, known_chunks(&[11]), &[]),
        (10_020, has(A, &[11]), &[]),
        (10_030, gained(A, &[11]), &[]),
        (10_040, joined(A), &[]),
        (10_050, heard(A), &[]),
        (10_060, wants(A), &[]),
        (10_070, has(A, &[11]), &["ask A background 11"]),
    ];
    check_swarm(&mut swarm, &rows);
}

#[test]
fn pages_are_not_left_to_it() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let rows: [Row; 7] = [
        (0, joined(F), &[]),
        (0, joined(B), &[]),
        (0, has(B, &[]), &[]),
        (0, has(F, &[11, 12]), &[]),
        (0, heard(A), &[]),
        // It may be here at once, and have it.
        (500, known_chunks(&[11]), &[]),
        (1_000, Input::Tick, &["ask F import 11"]),
    ];
    check_swarm(&mut swarm, &rows);
}

#[test]
fn who_lacks_nothing_imports_nothing() {
    let mut swarm = beyond_reach();
    let all = Input::PeerHeard { peer: peer(A), profile: profile(A, false), wants: false };
    // B or me: then me for certain.
    check_swarm(&mut swarm, &[(10_000, all, &[]), (10_010, known_chunks(&[1]), &["ask F import 1"])]);
    assert!(swarm.status().waiting_for.is_empty());
}

/// Who comes while something is being imported hears of it, and does not take it as well.
#[test]
fn claims_are_repeated_to_who_comes() {
    check_in_company(
        &[1],
        &["ask F import 1"],
        &[(110, Input::Tick, &["tell ~1"]), (5_000, left(B), &[]), (5_100, joined(B), &["tell ~1"])],
    );
}
