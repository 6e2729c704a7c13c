//! What a background pull leaves to everybody else: a greedy TCP flow and a ping behind the same link, with and without it.
//!
//! What must stay true: all phases run in the same links and with the same programs up; only the pull and the flow differ. The
//! flow is the system's TCP, CUBIC as the links set it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Bench;
use super::links::{Links, TRACKER};
use super::outcome::LATE_PERCENT_MAX;
use super::swarm::Network;
use crate::place::Place;
use crate::process::{self, Daemon};
use crate::{stop, workspace};

const PYTHON: &str = "python3";
/// Long enough for CUBIC to meet the end of a 256 KiB queue several times.
const FLOW: Duration = Duration::from_secs(25);
const PING: Duration = Duration::from_secs(12);
/// A pull has found its rate by then.
const SETTLE: Duration = Duration::from_secs(8);

/// The figures.
#[derive(Serialize)]
pub(crate) struct Manners {
    link_mbit: f64,
    /// Of the flow without and beside the pull.
    flow_alone_mbit: f64,
    flow_beside_mbit: f64,
    flow_keeps: f64,
    /// Of the pull alone, on the wire.
    pull_alone_mbit: f64,
    pull_alone_share: f64,
    ping_idle: Ping,
    ping_beside_pull: Ping,
    late_percent: f64,
    pub(crate) rejected: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ping {
    median_ms: f64,
    p95_ms: f64,
    lost: u64,
}

#[derive(Deserialize)]
struct Flow {
    bytes: f64,
    seconds: f64,
}

impl Flow {
    fn mbit(&self) -> f64 {
        self.bytes * 8e-6 / self.seconds
    }
}

/// The two ends of the other traffic.
struct Others {
    site: Place,
    server: String,
    _server: Daemon,
}

impl Others {
    fn ask<T: serde::de::DeserializeOwned>(&self, what: &str, time: Duration) -> Result<T> {
        let mut command = script(&self.site);
        process::json(command.args([what, &self.server]).arg(time.as_secs().to_string()))
    }
}

fn script(place: &Place) -> Command {
    let mut command = place.command(PYTHON);
    command.arg(workspace::root().join("tests/lab/traffic.py"));
    command
}

/// Runs it once, on the first site.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Manners> {
    let name = bench.scenario.sites.iter().flat_map(|sites| sites.names()).next().context("no site")?;
    let link_mbit = bench.scenario.sites[0].link.down;
    let network = Network::start(bench, links)?;
    let published = network.publish(bench)?;
    let place = links.place(TRACKER)?;
    let server = Daemon::spawn("traffic", script(&place).args(["serve", &place.address]), &bench.scratch.join("logs"))?;
    let others = Others { site: links.place(&name)?, server: place.address, _server: server };

    let mut late = Vec::new();
    let mut phase = |links: &mut Links, what: &str| -> Result<u64> {
        let stats = links.stats()?.context("manners needs emulated links")?;
        late.push(stats.late_percent());
        eprintln!("{what}: done");
        Ok(stats.arrived_at(&name))
    };
    links.reset()?;
    let alone: Flow = others.ask("receive", FLOW)?;
    phase(links, "the flow alone")?;
    let ping_idle = others.ask("ping", PING)?;

    Network::follow(&network.sites)?;
    stop::pause(SETTLE)?;
    links.reset()?;
    let begun = Instant::now();
    let ping_beside_pull = others.ask("ping", PING)?;
    let elapsed = begun.elapsed().as_secs_f64();
    let pull_alone_mbit = phase(links, "the pull alone")? as f64 * 8e-6 / elapsed;

    links.reset()?;
    let beside: Flow = others.ask("receive", FLOW)?;
    phase(links, "both")?;
    ensure!(
        !Network::are_done(&network.sites, &published)?,
        "the pull was over before the flow: a larger --size is needed"
    );
    let late_percent = late.into_iter().fold(0.0, f64::max);
    Ok(Manners {
        link_mbit,
        flow_alone_mbit: alone.mbit(),
        flow_beside_mbit: beside.mbit(),
        flow_keeps: beside.mbit() / alone.mbit(),
        pull_alone_mbit,
        pull_alone_share: pull_alone_mbit / link_mbit,
        ping_idle,
        ping_beside_pull,
        late_percent,
        rejected: late_percent > LATE_PERCENT_MAX,
    })
}

impl std::fmt::Display for Manners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ping_idle: idle, ping_beside_pull: beside, .. } = self;
        writeln!(
            f,
            "flow alone {:.2} Mbit/s, beside the pull {:.2}: it keeps {:.3}",
            self.flow_alone_mbit, self.flow_beside_mbit, self.flow_keeps
        )?;
        writeln!(
            f,
            "pull alone {:.2} Mbit/s on the wire: {:.3} of the link",
            self.pull_alone_mbit, self.pull_alone_share
        )?;
        writeln!(
            f,
            "ping idle {:.1} ms, p95 {:.1}; beside the pull {:.1} ms ({:+.1}), p95 {:.1} ({:+.1})",
            idle.median_ms,
            idle.p95_ms,
            beside.median_ms,
            beside.median_ms - idle.median_ms,
            beside.p95_ms,
            beside.p95_ms - idle.p95_ms
        )?;
        write!(f, "late {:.2} %{}", self.late_percent, if self.rejected { " REJECTED" } else { "" })
    }
}
