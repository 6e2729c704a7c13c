//! What the flagship sends in scenarios of `scenarios/` and near them, at smaller sizes: whom it serves, and how often.

use karez_protocol::swarm::io::EgressMode::Thrifty;
use karez_sim::{Conduct, Outcome, Plan, Scenario, Site};

fn planned(name: &str, mebibytes: u64, seed: u64) -> Scenario {
    let mut plan = Plan::load(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    plan.set_bytes(mebibytes << 20);
    plan.scenario(seed)
}

/// Runs a scenario with some seeds: every honest site finishes, and the flagship sends no more than these copies to honest sites.
#[track_caller]
fn check(name: &str, seeds: u64, copies_max: f64, make: impl Fn(u64) -> Scenario) -> Vec<Outcome> {
    let run = |seed| {
        let scenario = make(seed);
        let honest: Vec<_> = scenario.sites.iter().map(|site| site.conduct == Conduct::Honest).collect();
        let outcome = scenario.run();
        let of_honest = || honest.iter().enumerate().filter(|(_, is_honest)| **is_honest).map(|(site, _)| site);
        let copies: f64 = of_honest().map(|site| outcome.flagship_copies_to[site]).sum();
        println!("{name}, seed {seed}: {copies:.3} copies, last {:?} s", outcome.last_of(of_honest()));
        assert!(copies <= copies_max, "{name}, seed {seed}: {copies} copies to honest sites");
        assert!(outcome.last_of(of_honest()).is_some(), "{name}, seed {seed}: {:?}", outcome.finished);
        assert!(outcome.duplicate_percent <= 3.0, "{name}, seed {seed}: {} % twice", outcome.duplicate_percent);
        assert_eq!(outcome.closed_bytes, 0, "{name}, seed {seed}");
        outcome
    };
    (1..=seeds).map(run).collect()
}

#[test]
fn sites_that_cannot_meet_count_on_each_other_all_the_same() {
    check("ten villages, three pairs in ten apart", 20, 1.1, |seed| planned("C", 16, seed));
    check("divergent", 6, 1.1, |seed| planned("divergent", 64, seed));
}

#[test]
fn sites_that_nobody_can_dial_import_for_each_other_where_there_are_no_others() {
    check("ten villages of weight 0", 6, 1.1, |seed| {
        let mut scenario = planned("C", 16, seed);
        scenario.sites.iter_mut().for_each(|site| site.weight = 0);
        scenario
    });
}

#[test]
fn a_case_for_three_goes_to_three_and_leaves_once() {
    let outcomes = check("three named sites", 6, 1.05, |seed| planned("G", 32, seed));
    assert!(outcomes.iter().all(|outcome| outcome.total_copies <= 3.05));
}

/// Whoever sends false bytes is dropped by all sites and sees nobody but the flagship, of which it may take all. A free rider takes
/// what it is to import. Neither makes the flagship send a chunk twice to others.
#[test]
fn hostile_sites_take_what_they_ask_for_and_cost_the_others_nothing() {
    for outcome in check("hostile sites", 3, 1.1, |seed| planned("H", 64, seed)) {
        assert!(outcome.flagship_copies <= 1.1 + 1.0 + 0.1, "{}", outcome.flagship_copies);
    }
}

#[test]
fn thrift_gives_way_to_one_weak_site_and_not_to_several() {
    for outcome in check("two sites that upload 1 Mbit/s", 4, 1.6, |seed| planned("weak-2", 64, seed)) {
        let (last, fluid) = (outcome.last().unwrap_or(f64::INFINITY), planned("weak-2", 64, 1).fluid_bound());
        assert!(last <= 1.5 * fluid, "{last:.1} s, fluid bound {fluid:.1} s");
    }
    let equal = |count, up, down| move |seed| Scenario::new(vec![Site::new(up, down); count], 32, Thrifty, seed);
    check("three sites that upload 1 Mbit/s", 4, 1.05, equal(3, 1.0, 5.0));
    check("two sites that upload as fast as the flagship", 4, 1.05, equal(2, 20.0, 20.0));
}
