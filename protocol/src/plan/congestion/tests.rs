//! The controller on a model of a link: does it fill it, stay out of others' way, and come back?

mod path;

use super::*;
use path::{Cross, Path, Seen};

const LONG: Path = Path { mbit: 20.0, base_ms: 300.0, queue_kib: 732.0, ..Path::PLAIN };
const SHORT: Path = Path { mbit: 10.0, base_ms: 50.0, queue_kib: 64.0, ..Path::PLAIN };
const SATELLITE: Path =
    Path { mbit: 4.0, base_ms: 620.0, queue_kib: 310.0, jitter_ms: 20.0, loss: 0.007, ..Path::PLAIN };

fn alone(path: Path, class: Class, seconds: f64) -> Seen {
    path.run(class, seconds, Cross::None)
}

#[test]
fn random_loss_is_not_congestion() {
    // Time to the last byte matters, so the start counts.
    let check = |loss: f64, class: Class, share_min: f64| {
        let seen = alone(Path { loss, ..LONG }, class, 55.0);
        assert!(seen.share >= share_min, "{class:?} at {loss}: {seen:?}");
    };
    check(0.0, Class::Background, 0.93);
    check(0.01, Class::Background, 0.91);
    check(0.03, Class::Background, 0.89);
    check(0.01, Class::Urgent, 0.91);
    check(0.03, Class::Urgent, 0.89);
}

#[test]
fn losses_in_a_row_are_not_congestion_either() {
    let check = |loss: f64, class: Class, share_min: f64| {
        let seen = alone(Path { loss, burst: 5.0, ..LONG }, class, 55.0);
        assert!(seen.share >= share_min, "{class:?} at {loss}: {seen:?}");
    };
    check(0.01, Class::Background, 0.92);
    check(0.03, Class::Background, 0.72);
    check(0.01, Class::Urgent, 0.92);
    check(0.03, Class::Urgent, 0.76);
}

#[test]
fn alone_it_fills_the_link_with_a_short_queue() {
    let check = |path: Path, share_min: f64, median_ms: f64, p95_ms: f64| {
        let seen = alone(path, Class::Background, 60.0);
        let fine = seen.share >= share_min && seen.queue_median_ms <= median_ms && seen.queue_p95_ms <= p95_ms;
        assert!(fine, "{path:?}: {seen:?}");
    };
    check(SHORT, 0.93, 10.0, 25.0);
    check(Path { queue_kib: 256.0, ..SHORT }, 0.93, 10.0, 25.0);
    check(Path { mbit: 100.0, base_ms: 30.0, ..SHORT }, 0.93, 10.0, 25.0);
    check(Path { mbit: 1.0, base_ms: 60.0, ..SHORT }, 0.93, 25.0, 40.0);
    check(SATELLITE, 0.88, 100.0, 150.0);
}

#[test]
fn the_background_makes_room_for_a_flow_that_fills_the_queue() {
    let check = |path: Path| {
        let seen = path.run(Class::Background, 60.0, Cross::Greedy { from_s: 10.0 });
        assert!(seen.share_beside <= 0.05, "{path:?}: {seen:?}");
    };
    check(SHORT);
    check(Path { queue_kib: 256.0, ..SHORT });
    check(Path { loss: 0.01, ..SHORT });
}

/// Two packets of each of eight would be a fifth of the link.
#[test]
fn many_senders_and_many_lanes_make_room_too() {
    for (nodes, lanes) in [(8, 1), (1, 8)] {
        for path in [SHORT, Path { queue_kib: 256.0, ..SHORT }, Path { loss: 0.01, ..SHORT }] {
            let run = |cross| path.run_nodes(nodes, lanes, Class::Background, 60.0, cross);
            let (beside, alone) = (run(Cross::Greedy { from_s: 10.0 }), run(Cross::None));
            assert!(beside.share_beside <= 0.04, "{nodes} x {lanes}, {path:?}: {beside:?}");
            assert!(alone.share >= 0.97, "{nodes} x {lanes}, {path:?}: {alone:?}");
            let back = run(Cross::Brief { from_s: 10.0, to_s: 40.0 });
            assert!(back.share_after >= 0.9, "{nodes} x {lanes}, {path:?}: {back:?}");
        }
    }
    let poor = Path { mbit: 1.0, base_ms: 62.0, queue_kib: 128.0, loss: 0.005, ..Path::PLAIN };
    let seen = poor.run_nodes(7, 1, Class::Background, 60.0, Cross::None);
    assert!(seen.share >= 0.95, "{seen:?}");
}

#[test]
fn the_urgent_class_takes_a_share_beside_it() {
    let check = |path: Path| {
        let seen = path.run(Class::Urgent, 60.0, Cross::Greedy { from_s: 10.0 });
        assert!((0.2..0.8).contains(&seen.share_beside), "{path:?}: {seen:?}");
    };
    check(SHORT);
    check(Path { queue_kib: 256.0, ..SHORT });
}

#[test]
fn lanes_of_one_node_fill_its_link_and_share_it() {
    let village = Path { mbit: 5.0, base_ms: 62.0, queue_kib: 128.0, loss: 0.005, ..Path::PLAIN };
    let fast = Path { mbit: 100.0, queue_kib: 512.0, base_ms: 30.0, ..village };
    // Two packets of each of seven are a queue of 100 ms at 1 Mbit/s.
    let poor = Path { mbit: 1.0, ..village };
    let rows = [(1, village, 40.0), (2, village, 40.0), (7, village, 45.0), (8, Path { mbit: 20.0, ..village }, 35.0)];
    for (lanes, path, queue_ms) in rows.into_iter().chain([(7, poor, 110.0), (8, fast, 35.0)]) {
        for class in [Class::Background, Class::Urgent] {
            let seen = path.run_lanes(lanes, class, 60.0, Cross::None);
            let fine = seen.share >= 0.96 && seen.slowest >= 0.85 && seen.queue_median_ms <= queue_ms;
            assert!(fine, "{lanes} lanes, {class:?}, {path:?}: {seen:?}");
        }
    }
}

#[test]
fn it_comes_back_when_the_other_has_gone() {
    let seen = SHORT.run(Class::Background, 60.0, Cross::Brief { from_s: 10.0, to_s: 40.0 });
    assert!(seen.share_after >= 0.85, "{seen:?}");
}

#[test]
fn a_queue_too_short_to_be_seen_is_noticed_by_its_losses() {
    let seen = alone(Path { queue_kib: 6.0, ..SHORT }, Class::Background, 30.0);
    assert!(seen.share >= 0.8 && seen.lost <= 0.12, "{seen:?}");
}

#[test]
fn the_urgent_start_is_wider() {
    let mut controller = Controller::new(Config::default(), &mut Uplink::default(), Timestamp(0), 1_200);
    controller.set_class(Class::Urgent);
    assert_eq!(controller.window(), 32 * 1_200);
    controller.handle_loss(1_200, true);
    controller.set_class(Class::Background);
    controller.set_class(Class::Urgent);
    assert_eq!(controller.window(), 1_201, "a path that was away is not a fresh one");
}

#[test]
fn a_path_that_was_away_starts_again() {
    let mut controller = Controller::new(Config::default(), &mut Uplink::default(), Timestamp(0), 1_200);
    assert_eq!(controller.window(), 12_000);
    controller.handle_loss(12_000, true);
    assert_eq!((controller.window(), controller.phase), (1_201, Phase::Start { until: 6_000 }));
}
