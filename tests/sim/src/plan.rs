//! Scenario files (`scenarios/NAME.toml`) over the link profiles of `links.toml`, understood as a [`Scenario`].
//!
//! What must stay true: a typing error is an error; what a file leaves to chance follows from the seed.

mod chance;
mod file;
mod link;
pub mod size;

pub use file::Error;

use super::scenario::Scenario;
use file::{File, Group};
use karez_protocol::swarm::io::EgressMode;
use std::collections::BTreeMap;
use std::time::Duration;

/// A scenario file, understood.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is, for people.
    pub about: String,
    /// Kinds of sites in the order of the file, and the sites (numbered from 0) of each.
    pub kinds: Vec<(String, Vec<usize>)>,
    /// Names of uplink groups.
    pub groups: BTreeMap<u8, String>,
    scenario: Scenario,
    file: File,
}

impl Plan {
    /// Reads a scenario of this crate by its name, or any file by its path.
    pub fn load(name: &str) -> Result<Self, Error> {
        Self::understand(file::load(name)?)
    }

    /// Names of this crate's scenarios.
    pub fn known() -> Vec<String> {
        file::known()
    }

    fn understand(file: File) -> Result<Self, Error> {
        let links = link::profiles()?;
        let mut plan = Self {
            about: file.about.clone(),
            kinds: Vec::new(),
            groups: BTreeMap::new(),
            scenario: Scenario::new(Vec::new(), 0, file.mode.egress(), 0),
            file,
        };
        let file = plan.file.clone();
        plan.scenario.bytes = file.size;
        plan.scenario.rtt = Duration::ZERO;
        plan.scenario.starts = Duration::from_secs(u64::from(file.starts) * 3_600);
        plan.scenario.until = Duration::from_secs_f64(file.hours_max * 3_600.0);
        plan.scenario.held_percent = file.held_percent;
        plan.scenario.acquaintances = file.acquaintances;
        plan.scenario.flagship = file.flagship.resolve(&links)?.site();
        for domain in &file.counties {
            for kind in &file.sites {
                plan.add(kind, domain, &links)?;
            }
        }
        Ok(plan)
    }

    /// Adds the sites of one kind in one county.
    fn add(&mut self, kind: &Group, domain: &str, links: &BTreeMap<String, link::Link>) -> Result<(), Error> {
        let mut site = kind.link.resolve(links)?.site();
        site.domain = domain.to_owned();
        site.weight = kind.weight;
        site.inbound = kind.inbound;
        site.conduct = kind.conduct.conduct();
        if kind.group {
            let number = self.groups.len() as u8 + 1;
            let name = if domain.is_empty() { kind.name.clone() } else { format!("{domain}/{}", kind.name) };
            self.groups.insert(number, name);
            site.group = Some(number);
        }
        let first = self.scenario.sites.len();
        self.scenario.sites.extend(std::iter::repeat_n(site, kind.count));
        let added = first..first + kind.count;
        match self.kinds.iter_mut().find(|(name, _)| *name == kind.name) {
            Some((_, sites)) => sites.extend(added),
            None => self.kinds.push((kind.name.clone(), added.collect())),
        }
        Ok(())
    }

    /// Other bytes than the file says.
    pub fn set_bytes(&mut self, bytes: u64) {
        self.scenario.bytes = bytes;
    }

    /// Another mode than the file says.
    pub fn set_mode(&mut self, mode: EgressMode) {
        self.scenario.mode = mode;
    }

    /// What is simulated with a seed.
    pub fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = Scenario { seed, ..self.scenario.clone() };
        chance::draw(&self.file, &mut scenario);
        scenario
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scenario() {
        for name in Plan::known() {
            let plan = Plan::load(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let bound = plan.scenario(1).bound_of_mode();
            assert!(bound.is_finite() && bound > 0.0, "{name}: {bound}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_published_formula() {
        let check = |name: &str, mode: EgressMode, expected: f64| {
            let mut plan = Plan::load(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            plan.set_bytes(64 << 20);
            plan.set_mode(mode);
            let bound = plan.scenario(1).bound_of_mode();
            assert!((bound - expected).abs() < 0.1, "{name}: {bound}, not {expected}");
        };
        check("equal", EgressMode::Fast, 71.6);
        check("equal", EgressMode::Thrifty, 94.0);
        check("mixed", EgressMode::Fast, 134.2);
        check("group", EgressMode::Thrifty, 67.1);
        check("weak-2", EgressMode::Fast, 107.4);
    }

    #[test]
    fn a_seed_gives_the_same_run_again_and_another_seed_another() {
        let run = |seed| {
            let mut plan = Plan::load("divergent").expect("a scenario of ours");
            plan.set_bytes(4 << 20);
            plan.scenario(seed).run()
        };
        let (one, same, other) = (run(7), run(7), run(8));
        assert_eq!((one.events, one.event_hash), (same.events, same.event_hash));
        assert_ne!(one.event_hash, other.event_hash);
    }

    #[test]
    fn nothing_moves_in_closed_hours() {
        // The villages close for the day with most of it missing.
        let mut plan = Plan::load("C").expect("a scenario of ours");
        plan.set_bytes(64 << 20);
        let mut scenario = plan.scenario(3);
        scenario.starts = Duration::from_secs(6 * 3_600 - 60);
        let outcome = scenario.run();
        assert_eq!((outcome.closed_bytes, outcome.over_budget_bytes), (0, 0));
        assert!(outcome.last().is_some_and(|last| last > 16.0 * 3_600.0), "{:?}", outcome.finished);
    }

    #[test]
    fn power_cuts_cost_what_was_not_synced_and_no_more() {
        let mut plan = Plan::load("E").expect("a scenario of ours");
        plan.set_bytes(24 << 20);
        let outcome = plan.scenario(5).run();
        assert!(outcome.last().is_some(), "{:?}", outcome.finished);
        assert!(outcome.held.iter().all(|held| held.len() == u64::from(outcome.chunks)));
    }

    #[test]
    fn unknown_names_get_the_list() {
        let error = Plan::load("equl").expect_err("there is none").to_string();
        assert!(error.contains("equal") && error.contains("mixed"), "{error}");
    }
}
