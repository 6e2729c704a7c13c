//! Silent and crawling peers never hold up what somebody who answers could give.

use super::*;

/// A chunk that anybody may import.
fn any_chunk(index: u32) -> KnownChunk {
    KnownChunk { index: ChunkIndex(index), id: ChunkId::of(&index.to_le_bytes()), stored_len: LEN }
}

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

/// A try of somebody silent holds nothing up: the last chunk is soon asked of the publisher.
#[test]
fn the_last_chunk_does_not_wait_for_a_try() {
    check(&[
        (0, known_chunks(&[1, 2, 3, 4, 5]), &[]),
        (0, joined(F), &[]),
        (0, joined(A), &[]),
        (0, has(F, &[1, 2, 3, 4, 5]), &[]),
        (1, has(A, &[1, 2, 3, 4, 5]), &["ask A import 1 3 4 5"]),
        (10_001, Input::Tick, &["cancel A 1 3 4 5", "ask F import 1 3 4 5", "ask A background 2"]),
        (10_100, good(F, 1), &["tell +1"]),
        (10_101, good(F, 3), &["tell +3"]),
        (10_102, good(F, 4), &["tell +4"]),
        (10_103, good(F, 5), &["tell +5"]),
        (12_001, Input::Tick, &["ask F background 2"]),
        (12_200, good(F, 2), &["cancel A 2", "tell +2", "complete"]),
    ]);
}

/// Whoever delivers every second chunk owes more each time, also after it left and came back.
#[test]
fn half_a_server_is_relied_on_less_each_time() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let mut feed = |millis: u64, input: Input| {
        swarm.handle(Timestamp(millis * 1_000), input);
        while swarm.poll_output().is_some() {}
        swarm.status().peers.iter().find(|it| it.peer == peer(A)).is_some_and(|it| it.is_snubbed)
    };
    let all: Vec<u32> = (1..400).collect();
    feed(0, Input::ChunksKnown(all.iter().map(|index| any_chunk(*index)).collect()));
    feed(0, joined(F));
    feed(0, joined(A));
    feed(0, has(F, &all));
    assert!(!feed(1, has(A, &all)));
    let (mut now, mut next) = (10_001, 1);
    let mut owed = |feed: &mut dyn FnMut(u64, Input) -> bool, now: &mut u64| {
        let mut count = 0;
        while feed(*now, good(A, next)) {
            (count, next, *now) = (count + 1, next + 1, *now + 1);
        }
        next += 1;
        count + 1
    };
    assert!(feed(now, Input::Tick), "silent for ten seconds");
    assert_eq!(owed(&mut feed, &mut now), 1, "nobody delivered meanwhile: it may have been our link");
    for (round, owes) in [(1, 1), (2, 4), (3, 16)] {
        feed(now + 1, good(F, 400 - round));
        now += 10_002;
        assert!(feed(now, Input::Tick), "silent again");
        assert_eq!(owed(&mut feed, &mut now), owes);
    }
    feed(now, left(A));
    feed(now, joined(A));
    assert!(feed(now, has(A, &all)), "coming back redeems nothing");
    assert_eq!(owed(&mut feed, &mut now), 16);
}

/// Refusing what one claims, and claiming it again, is a kind of silence.
#[test]
fn who_refuses_without_end_is_set_aside() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let first = [(0, known_chunks(&[1]), &[][..]), (0, joined(F), &[]), (0, joined(A), &[]), (0, has(F, &[1]), &[])];
    check_swarm(&mut swarm, &first);
    let mut from_publisher = false;
    for turn in 1..=100 {
        for input in [has(A, &[1]), refused(A, &[1])] {
            swarm.handle(Timestamp(turn * 1_000), input);
            let outputs = std::iter::from_fn(|| swarm.poll_output()).map(line);
            from_publisher |= outputs.filter(|line| line.starts_with("ask F")).count() > 0;
        }
    }
    assert!(from_publisher);
    assert!(swarm.status().peers.iter().any(|it| it.peer == peer(A) && it.is_snubbed));
}
