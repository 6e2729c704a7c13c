//! One run's figures.
//!
//! What must stay true: copies are bytes over the release's unique stored bytes; an unfinished site has no time and makes
//! the run's last time unknown, it is never left out.

use std::time::Duration;

use serde::Serialize;

use super::links::{FLAGSHIP, Stats};
use super::scenario::Scenario;
use super::usage::Usage;

/// A run with more late packets than this says more about the emulator than about the programs.
pub(crate) const LATE_PERCENT_MAX: f64 = 1.0;

/// What was seen of a contender.
pub(crate) struct Measured {
    /// By site; `None` where it was not done in time.
    pub(crate) finished: Vec<Option<Duration>>,
    /// Whether every finished site's copy is the source.
    pub(crate) verified: bool,
    /// Unique bytes that every site needs.
    pub(crate) unique_bytes: u64,
    /// The contender's own books, where it keeps any.
    pub(crate) chunks: Option<ChunkBooks>,
    pub(crate) flagship: Usage,
    /// Of the site that had most.
    pub(crate) site: Usage,
    /// The emulator's counters.
    pub(crate) stats: Option<Stats>,
}

/// Chunk bytes as the nodes count them.
pub(crate) struct ChunkBooks {
    pub(crate) sent_by_flagship: u64,
    /// By site.
    pub(crate) received: Vec<u64>,
    /// Of these, from the site's own uplink group.
    pub(crate) from_group: Vec<u64>,
}

/// The figures.
#[derive(Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) who: String,
    pub(crate) seed: u64,
    /// By site, in the order of the scenario.
    pub(crate) finished_s: Vec<Option<f64>>,
    pub(crate) p50_s: Option<f64>,
    pub(crate) p90_s: Option<f64>,
    pub(crate) last_s: Option<f64>,
    /// The fluid bound, without headers and loss.
    pub(crate) bound_s: Option<f64>,
    pub(crate) times_bound: Option<f64>,
    pub(crate) flagship_copies: Option<f64>,
    /// The same on the wire, headers and repairs included.
    pub(crate) flagship_wire_copies: Option<f64>,
    pub(crate) groups: Vec<GroupFigures>,
    /// Chunk bytes that arrived beyond what was needed.
    pub(crate) duplicate_percent: Option<f64>,
    /// Time of the last site over the median's.
    pub(crate) worst_over_median: Option<f64>,
    pub(crate) flagship: Usage,
    pub(crate) site: Usage,
    /// Packets that the emulator delivered over 1 ms late.
    pub(crate) late_percent: Option<f64>,
    pub(crate) late_max_ms: Option<f64>,
    /// Too many of these: the figures do not count.
    pub(crate) rejected: bool,
    pub(crate) verified: bool,
    /// The machine's, when the run ended.
    pub(crate) load: String,
}

/// What crossed an uplink group's shared link.
#[derive(Clone, Serialize)]
pub(crate) struct GroupFigures {
    pub(crate) name: String,
    pub(crate) wan_copies: Option<f64>,
    pub(crate) wan_wire_copies: Option<f64>,
}

impl Outcome {
    pub(crate) fn new(who: &str, seed: u64, scenario: &Scenario, measured: &Measured) -> Self {
        let Measured { finished, unique_bytes, chunks, stats, .. } = measured;
        let copies = |bytes: u64| bytes as f64 / (*unique_bytes).max(1) as f64;
        let finished_s: Vec<Option<f64>> = finished.iter().map(|time| time.map(|time| time.as_secs_f64())).collect();
        let (p50_s, p90_s, last_s) =
            (quantile(&finished_s, 0.5), quantile(&finished_s, 0.9), quantile(&finished_s, 1.0));
        let bound_s = scenario.bound(*unique_bytes);
        let late_percent = stats.as_ref().map(Stats::late_percent);
        Self {
            who: who.into(),
            seed,
            p50_s,
            p90_s,
            last_s,
            bound_s,
            times_bound: last_s.zip(bound_s).map(|(last, bound)| last / bound),
            flagship_copies: chunks.as_ref().map(|chunks| copies(chunks.sent_by_flagship)),
            flagship_wire_copies: stats.as_ref().map(|stats| copies(stats.sent_by(FLAGSHIP))),
            groups: groups(scenario, measured),
            duplicate_percent: chunks.as_ref().and_then(|chunks| {
                let needed = *unique_bytes * finished.len() as u64;
                let complete = finished.iter().all(Option::is_some);
                let received = chunks.received.iter().sum::<u64>() as f64;
                complete.then(|| (received / needed.max(1) as f64 - 1.0) * 100.0)
            }),
            worst_over_median: last_s.zip(p50_s).map(|(last, median)| last / median),
            flagship: measured.flagship,
            site: measured.site,
            late_percent,
            late_max_ms: stats.as_ref().map(|stats| stats.late_max_ms),
            rejected: late_percent.is_some_and(|late| late > LATE_PERCENT_MAX),
            verified: measured.verified,
            load: load(),
            finished_s,
        }
    }
}

fn groups(scenario: &Scenario, measured: &Measured) -> Vec<GroupFigures> {
    let copies = |bytes: u64| bytes as f64 / measured.unique_bytes.max(1) as f64;
    let mut first = 0;
    let mut found = Vec::new();
    for sites in &scenario.sites {
        let members = first..first + sites.count;
        first = members.end;
        if sites.group {
            let from_outside = |chunks: &ChunkBooks| {
                let sum = |all: &[u64]| all[members.clone()].iter().sum::<u64>();
                copies(sum(&chunks.received).saturating_sub(sum(&chunks.from_group)))
            };
            found.push(GroupFigures {
                name: sites.name.clone(),
                wan_copies: measured.chunks.as_ref().map(from_outside),
                wan_wire_copies: measured.stats.as_ref().map(|stats| copies(stats.arrived_at(&sites.name))),
            });
        }
    }
    found
}

/// The time at which this share of all sites was done; `None` when so many never were.
fn quantile(finished: &[Option<f64>], share: f64) -> Option<f64> {
    let mut times: Vec<f64> = finished.iter().map(|time| time.unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.max(1) - 1).copied().filter(|time| time.is_finite())
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// The middle one of what is known, the lower of two.
pub(crate) fn median(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let mut known: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
    known.sort_by(f64::total_cmp);
    known.get(known.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scenario::Scenario;

    #[test]
    fn an_unfinished_site_is_never_left_out() {
        let times = [Some(4.0), None, Some(1.0), Some(3.0)];
        assert_eq!(quantile(&times, 0.5), Some(3.0));
        assert_eq!(quantile(&times, 0.9), None);
        assert_eq!(quantile(&[Some(2.0)], 0.5), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(median([Some(1.0), None]), None);
        assert_eq!(median([Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
    }

    #[test]
    fn a_groups_wan_bytes_are_those_from_outside() {
        let scenario = Scenario::load("group").unwrap();
        let chunks =
            ChunkBooks { sent_by_flagship: 110, received: vec![100, 100, 100, 105], from_group: vec![70, 80, 75, 75] };
        let measured = Measured {
            finished: vec![Some(Duration::from_secs(2)); 4],
            verified: true,
            unique_bytes: 100,
            chunks: Some(chunks),
            flagship: Usage::default(),
            site: Usage::default(),
            stats: None,
        };
        let outcome = Outcome::new("karez", 1, &scenario, &measured);
        assert_eq!(outcome.groups[0].wan_copies, Some(1.05));
        assert_eq!(outcome.flagship_copies, Some(1.1));
        assert!((outcome.duplicate_percent.unwrap() - 1.25).abs() < 1e-9);
        assert_eq!(outcome.worst_over_median, Some(1.0));
    }
}
