//! Power cuts at every call that changes the disk: the real store on a disk that forgets what was not synced.
//!
//! What must stay true: whatever is left, the store opens, serves no wrong byte, keeps what it called durable, and goes on.
//! The suite proves its own strength: with any one kind of sync ignored it must find a violation. More seeds for each call:
//! `KAREZ_CUT_SEEDS=64 cargo test -p karez-content-tools --test powercut`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "powercut/claims.rs"]
mod claims;
#[path = "powercut/disk.rs"]
mod disk;
#[path = "powercut/faults.rs"]
mod faults;
#[path = "powercut/index_files.rs"]
mod index_files;
#[path = "powercut/seeded.rs"]
mod seeded;
#[path = "powercut/workload.rs"]
mod workload;

use claims::examine;
use disk::{State, SyncKind};
use index_files::after_cut;
use std::sync::{Arc, Mutex};
use workload::{Life, Moment};

/// Seeds for each call: one for each way of the index.
const SEEDS: u64 = 4;

/// What a run with cuts found.
#[derive(Default)]
struct Findings {
    cuts: u64,
    violations: Vec<String>,
}

/// Cuts the power at each call of the workload, with `seeds` seeds each; ends looking after `enough` violations.
fn cuts(ignored: Option<SyncKind>, seeds: u64, enough: usize) -> (Findings, State) {
    let findings = Arc::new(Mutex::new(Findings::default()));
    let found = findings.clone();
    let mut at = 0;
    let watch = move |moment: Moment<'_>| {
        at += 1;
        let mut found = found.lock().unwrap();
        for seed in (at * 1000..).take(seeds as usize) {
            if found.violations.len() >= enough {
                return;
            }
            let (way, index) = after_cut(moment.index, seed);
            found.cuts += 1;
            if let Err(violation) = examine(moment.disk.cut(seed), &index, moment.claims, seed) {
                found.violations.push(format!("call {at} seed {seed} index {way}: {violation}"));
            }
        }
    };
    let end = Life::run(ignored, Arc::new(Mutex::new(watch))).unwrap();
    let found = std::mem::take(&mut *findings.lock().unwrap());
    (found, end)
}

#[test]
fn nothing_promised_is_lost() {
    let seeds = std::env::var("KAREZ_CUT_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let (found, end) = cuts(None, seeds, 10);
    println!("{} calls, {} cuts", end.calls(), found.cuts);
    assert!(found.violations.is_empty(), "{:#?}", found.violations);
    assert!(found.cuts > 140 * seeds, "{}", found.cuts);
}

#[test]
fn each_kind_of_sync_is_needed() {
    let kinds = Life::run(None, Arc::new(Mutex::new(|_: Moment<'_>| {}))).unwrap().kinds_of_sync();
    let mut unneeded = Vec::new();
    for kind in &kinds {
        let (found, _) = cuts(Some(*kind), 8, 1);
        println!("{kind:?} ignored: {:?}", found.violations);
        unneeded.extend(found.violations.is_empty().then_some(*kind));
    }
    assert!(unneeded.is_empty(), "no violation without {unneeded:?}: not needed, or the suite is too weak");
}

#[test]
fn errors_of_the_disk_lose_nothing() {
    let (met, broken) = faults::run();
    println!("{met} errors met");
    assert!(broken.is_empty(), "{:#?}", &broken[..broken.len().min(10)]);
    assert!(met > 150, "{met}");
}
