//! One run's figures, and the report of several.
//!
//! What must stay true: a site that was not done has no time, and makes the run's last time unknown.

use karez_protocol::swarm::io::EgressMode;
use karez_sim::{Outcome, Plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What `--json` prints and `--base` reads.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) bytes: u64,
    pub(crate) mode: String,
    pub(crate) runs: Vec<Figures>,
}

impl Report {
    pub(crate) fn new(scenario: &str, plan: &Plan, runs: Vec<Figures>) -> Self {
        let first = plan.scenario(1);
        let mode = if first.mode == EgressMode::Fast { "fast" } else { "thrifty" };
        Self { scenario: scenario.into(), bytes: first.bytes, mode: mode.into(), runs }
    }
}

/// The figures of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) seed: u64,
    pub(crate) p50_s: Option<f64>,
    pub(crate) p90_s: Option<f64>,
    pub(crate) last_s: Option<f64>,
    /// Of the mode: thrifty leaves the flagship one copy to send.
    pub(crate) bound_s: f64,
    pub(crate) fluid_bound_s: f64,
    /// Last of each kind of sites.
    pub(crate) kinds_last_s: BTreeMap<String, Option<f64>>,
    pub(crate) flagship_copies: f64,
    /// Of these, to all sites of each kind.
    #[serde(default)]
    pub(crate) kinds_copies: BTreeMap<String, f64>,
    pub(crate) group_copies: BTreeMap<String, f64>,
    pub(crate) domain_copies: BTreeMap<String, f64>,
    pub(crate) duplicate_percent: f64,
    pub(crate) closed_bytes: u64,
    pub(crate) over_budget_bytes: u64,
    pub(crate) worst_over_median: Option<f64>,
    pub(crate) events: u64,
    pub(crate) events_per_second: f64,
    pub(crate) event_hash: String,
}

impl Figures {
    pub(crate) fn new(
        plan: &Plan,
        seed: u64,
        (bounds, honest): ((f64, f64), &[bool]),
        outcome: &Outcome,
        took: Duration,
    ) -> Self {
        let times: Vec<_> = outcome.finished.iter().zip(honest).filter(|(_, it)| **it).map(|(time, _)| *time).collect();
        let (p50_s, p90_s, last_s) = (quantile(&times, 0.5), quantile(&times, 0.9), quantile(&times, 1.0));
        let kind = |(name, sites): &(String, Vec<usize>)| (name.clone(), outcome.last_of(sites.iter().copied()));
        let copies = |(name, sites): &(String, Vec<usize>)| {
            (name.clone(), sites.iter().map(|site| outcome.flagship_copies_to[*site]).sum())
        };
        let group = |(number, copies): (&u8, &f64)| (plan.groups.get(number).cloned().unwrap_or_default(), *copies);
        Self {
            seed,
            p50_s,
            p90_s,
            last_s,
            bound_s: bounds.0,
            fluid_bound_s: bounds.1,
            kinds_last_s: plan.kinds.iter().map(kind).collect(),
            flagship_copies: outcome.flagship_copies,
            kinds_copies: plan.kinds.iter().map(copies).collect(),
            group_copies: outcome.group_copies.iter().map(group).collect(),
            domain_copies: outcome.domain_copies.clone(),
            duplicate_percent: outcome.duplicate_percent,
            closed_bytes: outcome.closed_bytes,
            over_budget_bytes: outcome.over_budget_bytes,
            worst_over_median: last_s.zip(p50_s).map(|(last, median)| last / median),
            events: outcome.events,
            events_per_second: outcome.events as f64 / took.as_secs_f64().max(1e-9),
            event_hash: outcome.event_hash[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Last over the bound.
    pub(crate) fn times_bound(&self) -> Option<f64> {
        self.last_s.map(|last| last / self.bound_s)
    }

    /// Last over what no schedule beats at any egress.
    pub(crate) fn times_fluid_bound(&self) -> Option<f64> {
        self.last_s.map(|last| last / self.fluid_bound_s)
    }

    /// Most copies into any group.
    pub(crate) fn group_max(&self) -> Option<f64> {
        self.group_copies.values().copied().reduce(f64::max)
    }

    /// Most copies into any county or province.
    pub(crate) fn domain_max(&self) -> Option<f64> {
        self.domain_copies.values().copied().reduce(f64::max)
    }
}

/// The smallest time by which this share of the sites was done.
fn quantile(times: &[Option<f64>], share: f64) -> Option<f64> {
    let mut times: Vec<f64> = times.iter().map(|time| time.unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.max(1) - 1).copied().filter(|time| time.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_site_is_never_left_out() {
        let times = [Some(4.0), None, Some(1.0), Some(3.0)];
        assert_eq!(quantile(&times, 0.5), Some(3.0));
        assert_eq!(quantile(&times, 0.9), None);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
