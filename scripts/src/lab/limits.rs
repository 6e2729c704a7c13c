//! How exactly rate limits hold on the wire: up at a flagship that serves every site, and down at a site that all others serve.
//!
//! What must stay true: what is counted is what the emulated link saw, packets whole; limits change while the node runs, as an
//! operator would change them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::Bench;
use super::links::{FLAGSHIP, Links, Stats};
use super::outcome::LATE_PERCENT_MAX;
use super::swarm::Network;
use crate::karez::Node;
use crate::stop;

const RATES_MBIT: [u32; 3] = [1, 10, 100];
/// After a change, what was on its way arrives.
const SETTLE: Duration = Duration::from_secs(4);
const SECONDS: u32 = 10;
const PEERS: usize = 8;

/// One limit's figures.
#[derive(Serialize)]
pub(crate) struct Held {
    direction: &'static str,
    limit_mbit: u32,
    /// Over all seconds, and over the one that was farthest from the limit.
    wire_mbit: f64,
    off_percent: f64,
    worst_second_percent: f64,
    late_percent: f64,
    rejected: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Limits(Vec<Held>);

/// Runs it once: the last site is the one that is served by all others.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Limits> {
    let network = Network::start(bench, links)?;
    let published = network.publish(bench)?;
    let (last, others) = network.sites.split_last().context("no site")?;
    ensure!(others.len() >= PEERS, "limits needs {} sites", PEERS + 1);
    let mut held = Vec::new();

    let flagship = &network.flagship;
    flagship.limit("--up-mbit", RATES_MBIT[0])?;
    Network::follow(others)?;
    for mbit in RATES_MBIT {
        held.push(hold(links, (flagship, "up", mbit), |stats| stats.sent_by(FLAGSHIP))?);
    }
    flagship.limit("--up-mbit", 0)?;
    let deadline = Instant::now() + bench.time_max;
    while !Network::are_done(others, &published)? {
        ensure!(Instant::now() < deadline, "the sites did not finish");
        stop::pause(Duration::from_secs(1))?;
    }

    last.limit("--down-mbit", RATES_MBIT[0])?;
    Network::follow(std::slice::from_ref(last))?;
    for mbit in RATES_MBIT {
        held.push(hold(links, (last, "down", mbit), |stats| stats.arrived_at(&last.name))?);
    }
    ensure!(
        !Network::are_done(std::slice::from_ref(last), &published)?,
        "it was over too soon: a larger --size is needed"
    );
    Ok(Limits(held))
}

fn hold(
    links: &mut Links,
    (node, direction, mbit): (&Node, &'static str, u32),
    counted: impl Fn(&Stats) -> u64,
) -> Result<Held> {
    node.limit(&format!("--{direction}-mbit"), mbit)?;
    stop::pause(SETTLE)?;
    links.reset()?;
    let begun = Instant::now();
    let (mut before, mut worst, mut late) = ((0, 0.0), 0.0_f64, 0.0);
    let off = |rate: f64| (rate / f64::from(mbit) - 1.0) * 100.0;
    for second in 1..=SECONDS {
        stop::pause((begun + Duration::from_secs(second.into())).saturating_duration_since(Instant::now()))?;
        let stats = links.stats()?.context("limits needs emulated links")?;
        let now = (counted(&stats), begun.elapsed().as_secs_f64());
        let rate = (now.0 - before.0) as f64 * 8e-6 / (now.1 - before.1);
        if off(rate).abs() > worst.abs() {
            worst = off(rate);
        }
        (before, late) = (now, stats.late_percent());
    }
    let wire_mbit = before.0 as f64 * 8e-6 / before.1;
    let held = Held {
        direction,
        limit_mbit: mbit,
        wire_mbit,
        off_percent: off(wire_mbit),
        worst_second_percent: worst,
        late_percent: late,
        rejected: late > LATE_PERCENT_MAX,
    };
    eprintln!("{held}");
    Ok(held)
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>4} {:3} Mbit/s: {:7.3} on the wire over {SECONDS} s ({:+.2} %), worst second {:+.1} %; late {:.2} %{}",
            self.direction,
            self.limit_mbit,
            self.wire_mbit,
            self.off_percent,
            self.worst_second_percent,
            self.late_percent,
            if self.rejected { " REJECTED" } else { "" }
        )
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "{}", lines.join("\n"))
    }
}
