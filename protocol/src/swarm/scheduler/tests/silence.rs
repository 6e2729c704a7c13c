//! Silent and crawling peers never hold up what somebody who answers could give.

use super::*;

/// Whatever breaks ties: a silent peer that may be tried again takes nothing that somebody who answers can give now.
#[test]
fn who_answers_is_asked_before_who_was_silent() {
    for seed in 0..20 {
        let mut swarm = swarm_with_seed(false, EgressMode::Thrifty, seed);
        let rows: [Row; 9] = [
            (0, known_chunks(&[1, 2]), &[]),
            (1, joined(A), &[]),
            (2, has(A, &[1]), &["ask A import 1"]),
            (11_000, Input::Tick, &["cancel A 1", "ask A background 1"]),
            (12_000, joined(B), &[]),
            (12_001, good(B, 1), &["cancel A 1", "tell +1"]),
            (13_000, Input::Paused(true), &[]),
            (14_000, has(A, &[1, 2]), &[]),
            (14_001, has(B, &[1, 2]), &[]),
        ];
        check_swarm(&mut swarm, &rows);
        check_swarm(&mut swarm, &[(30_000, Input::Paused(false), &["ask B import 2"])]);
    }
}

/// A publisher on a bad minute: its rate would explain nine minutes for a chunk that an idle site has.
#[test]
fn the_last_chunk_does_not_wait_for_a_crawling_peer() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let crawls = |millis, bytes| (millis, Input::Progress { peer: peer(F), bytes }, &[][..]);
    let before = [(0, known_chunks(&[1, 2]), &[][..]), (0, joined(F), &[]), (0, has(F, &[1]), &["ask F import 1"])];
    check_swarm(&mut swarm, &before);
    (1..=5).for_each(|turn| check_swarm(&mut swarm, &[crawls(turn * 4_000, 1_000)]));
    let rows: [Row; 5] = [
        (21_000, refused(F, &[1]), &[]),
        (21_001, joined(A), &[]),
        (21_002, good(A, 1), &["tell +1"]),
        (21_003, has(A, &[]), &[]),
        (21_004, gained(F, &[2]), &["ask F import 2"]),
    ];
    check_swarm(&mut swarm, &rows);
    check_swarm(&mut swarm, &[(21_005, gained(A, &[2]), &[])]);
    (1..=29).for_each(|turn| check_swarm(&mut swarm, &[crawls(21_005 + turn * 4_000, 600)]));
    check_swarm(&mut swarm, &[(141_005, Input::Tick, &["ask A background 2"])]);
}
