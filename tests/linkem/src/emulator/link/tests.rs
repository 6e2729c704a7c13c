//! The model against arithmetic, on a clock that only the tests move.

use super::{Fate, Link};
use crate::emulator::shape::Shape;

const MS: u64 = 1_000_000;
/// At 12 Mbit/s a packet of 1500 bytes takes 1 ms.
const PACKET: usize = 1500;

fn link(shape: Shape) -> Link {
    Link::new("t".into(), shape, 7, 0)
}

fn at_12_mbit() -> Shape {
    Shape { rate_mbit: 12.0, ..Shape::default() }
}

/// Offers packets at these milliseconds; `None` is a drop.
#[track_caller]
fn check(shape: Shape, offered: &[u64], expected: &[Option<u64>]) {
    let mut link = link(shape);
    let fates = offered.iter().map(|at| match link.offer(at * MS, PACKET) {
        Fate::Delivered { at } => Some(at / MS),
        Fate::Dropped => None,
    });
    assert_eq!(fates.collect::<Vec<_>>(), expected);
}

#[test]
fn packets_leave_at_the_rate_and_arrive_after_the_delay() {
    check(Shape { delay_ms: 30.0, ..at_12_mbit() }, &[0, 0, 10], &[Some(31), Some(32), Some(41)]);
}

#[test]
fn no_rate_is_no_limit() {
    check(Shape { delay_ms: 5.0, ..Shape::default() }, &[0, 0, 0], &[Some(5); 3]);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped() {
    let shape = Shape { queue_kib: 4500.0 / 1024.0, ..at_12_mbit() };
    check(shape, &[0, 0, 0, 0, 0, 2], &[Some(1), Some(2), Some(3), None, None, Some(4)]);
}

#[test]
fn a_queue_below_one_packet_still_lets_one_through() {
    check(Shape { queue_kib: 0.5, ..at_12_mbit() }, &[0, 0, 1], &[Some(1), None, Some(2)]);
}

#[test]
fn an_idle_link_spends_its_burst_at_once() {
    let shape = Shape { burst_kib: 3000.0 / 1024.0, ..at_12_mbit() };
    check(shape, &[100, 100, 100], &[Some(100), Some(100), Some(101)]);
}

#[test]
fn overhead_takes_time_too() {
    check(Shape { overhead_bytes: 1500.0, ..at_12_mbit() }, &[0, 0], &[Some(2), Some(4)]);
}

#[test]
fn losses_have_their_mean_and_their_length() {
    for burst in [1.0, 5.0] {
        let mut link = link(Shape { loss_percent: 3.0, loss_burst: burst, ..Shape::default() });
        let lost: Vec<bool> = (0..1_000_000).map(|at| link.offer(at, 100) == Fate::Dropped).collect();
        let count = lost.iter().filter(|lost| **lost).count() as f64;
        let runs = lost.windows(2).filter(|pair| pair[1] && !pair[0]).count() as f64;
        assert!((count / 1e6 - 0.03).abs() < 0.0025, "mean of burst {burst}: {count}");
        let length = if burst > 1.0 { burst } else { 1.0 / 0.97 };
        assert!((count / runs - length).abs() < 0.2 * length, "length of burst {burst}: {}", count / runs);
    }
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let fates = |seed| {
        let shape = Shape { loss_percent: 10.0, jitter_ms: 3.0, delay_ms: 9.0, ..Shape::default() };
        let mut link = Link::new("t".into(), shape, seed, 4);
        (0..1000).map(|at| link.offer(at * MS, 9)).collect::<Vec<_>>()
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
}

#[test]
fn a_lost_packet_has_used_capacity() {
    let mut link = link(Shape { loss_percent: 100.0, ..at_12_mbit() });
    assert_eq!(link.offer(0, PACKET), Fate::Dropped);
    link.shape.loss_percent = 0.0;
    assert_eq!(link.offer(0, PACKET), Fate::Delivered { at: 2 * MS });
}

#[test]
fn jitter_stays_in_its_range_and_keeps_the_order_unless_told() {
    for reorder in [false, true] {
        let mut link = link(Shape { delay_ms: 50.0, jitter_ms: 20.0, reorder, ..Shape::default() });
        let travel = |at| match link.offer(at, 100) {
            Fate::Delivered { at } => at,
            Fate::Dropped => panic!("nothing is lost here"),
        };
        let arrivals: Vec<u64> = (0..500).map(|n| n * MS).map(travel).collect();
        let in_range = |(n, at): (u64, &u64)| (30 * MS..=70 * MS).contains(&(at - n * MS));
        assert!((0..).zip(&arrivals).all(in_range));
        assert_eq!(arrivals.windows(2).any(|pair| pair[1] < pair[0]), reorder);
    }
}

#[test]
fn what_waits_goes_on_waiting_at_the_new_rate() {
    let mut link = link(at_12_mbit());
    for _ in 0..10 {
        link.offer(0, PACKET);
    }
    // 10 ms of backlog become 20 ms, and this packet takes 2.
    link.reshape(0, Shape { rate_mbit: 6.0, ..Shape::default() });
    assert_eq!(link.offer(0, PACKET), Fate::Delivered { at: 22 * MS });
    link.reshape(0, Shape { enabled: false, ..Shape::default() });
    assert_eq!(link.offer(50 * MS, PACKET), Fate::Dropped);
    assert_eq!(link.counters.drop_outage_packets, 1);
}
