//! Power cuts at every call that changes the disk: the real store on a disk that forgets what was not synced.
//!
//! What must stay true: whatever is left, the store opens, serves no wrong byte, keeps what it called durable, and goes on.
//! The suite proves its own strength: with any one call that syncs left out it must find a violation. More seeds for each call:
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
#[path = "powercut/sync_site.rs"]
mod sync_site;
#[path = "powercut/workload.rs"]
mod workload;

use claims::examine;
use disk::State;
use index_files::after_cut;
use std::sync::{Arc, Mutex};
use sync_site::SyncSite;
use workload::{Life, Moment};

/// Seeds for each call: one for each way of the index.
const SEEDS: u64 = 4;

/// The same where a sync is left out: what that breaks may need several names and writes to be lost together.
const SEEDS_WITHOUT: u64 = 32;

/// What a run with cuts found.
#[derive(Default)]
struct Findings {
    cuts: u64,
    violations: Vec<String>,
}

/// Cuts the power at each call of the workload, with `seeds` seeds each; ends looking after `enough` violations.
fn cuts(ignored: Option<SyncSite>, seeds: u64, enough: usize) -> (Findings, State) {
    let findings = Arc::new(Mutex::new(Findings::default()));
    let found = findings.clone();
    let (mut at, leaves_out) = (0, ignored.is_some());
    let watch = move |moment: Moment<'_>| {
        at += 1;
        // Before the call that is left out, the disk is one that another run has seen; without promises nothing can be lost.
        if leaves_out && (moment.disk.left_out() == 0 || moment.claims.promise_nothing()) {
            return;
        }
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

/// Each call of the code that syncs something, left out alone.
#[test]
fn each_sync_is_needed() {
    let sites = Life::run(None, Arc::new(Mutex::new(|_: Moment<'_>| {}))).unwrap().sites();
    assert!(sites.len() > 12, "the stack of a call tells nothing here: {sites:#?}");
    let mut unneeded = Vec::new();
    for site in &sites {
        let (found, _) = cuts(Some(site.clone()), SEEDS_WITHOUT, 1);
        println!("{site} left out, {} cuts: {:?}", found.cuts, found.violations);
        unneeded.extend(found.violations.is_empty().then_some(site));
    }
    println!("{} syncs, {} needed", sites.len(), sites.len() - unneeded.len());
    assert!(unneeded.is_empty(), "no violation without {unneeded:#?}: not needed, or the suite is too weak");
}

#[test]
fn unreadable_places_cost_their_own_chunk() {
    let (met, broken) = faults::run_reads();
    println!("{met} errors of reads met");
    assert!(broken.is_empty(), "{:#?}", &broken[..broken.len().min(10)]);
    assert!(met > 30, "{met}");
}

#[test]
fn errors_of_the_disk_lose_nothing() {
    let (met, broken) = faults::run();
    println!("{met} errors met");
    assert!(broken.is_empty(), "{:#?}", &broken[..broken.len().min(10)]);
    assert!(met > 150, "{met}");
}
