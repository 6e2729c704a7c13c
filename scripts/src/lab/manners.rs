//! What background copying leaves to everybody else: a greedy TCP flow and a ping behind the first site's link, with and without it.
//!
//! What must stay true: all phases run in the same links and with the same programs up; only the copying and the flow differ. The
//! flow is the system's TCP. Downwards the site pulls from the flagship and from all other sites, which have everything by
//! then; upwards it has everything, the flagship is gone, and all others pull from it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Bench;
use super::links::{Links, Stats, TRACKER};
use super::outcome::LATE_PERCENT_MAX;
use super::scenario::Flow;
use super::swarm::Network;
use crate::karez::Published;
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
    tcp: &'static str,
    upwards: bool,
    /// Those the site copies from, or to.
    peers: usize,
    link_mbit: f64,
    /// Of the flow without and beside the copying.
    flow_alone_mbit: f64,
    flow_beside_mbit: f64,
    flow_keeps: f64,
    /// Of the copying alone, on the wire, and beside the flow.
    copying_alone_mbit: f64,
    copying_alone_share: f64,
    ping_idle: Ping,
    ping_beside_copying: Ping,
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
struct Carried {
    bytes: f64,
    seconds: f64,
}

impl Carried {
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
    fn flow(&self, flow: Flow) -> Result<Carried> {
        self.ask(if flow.upwards { "send" } else { "receive" }, &[flow.tcp.name()], FLOW)
    }

    fn ping(&self) -> Result<Ping> {
        self.ask("ping", &[], PING)
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, what: &str, how: &[&str], time: Duration) -> Result<T> {
        let mut command = script(&self.site);
        process::json(command.args([what, &self.server]).args(how).arg(time.as_secs().to_string()))
    }
}

fn script(place: &Place) -> Command {
    let mut command = place.command(PYTHON);
    command.arg(workspace::root().join("tests/lab/traffic.py"));
    command
}

/// Runs it once.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Manners> {
    let flow = bench.scenario.flow;
    let mut network = Network::start(bench, links)?;
    let published = network.publish(bench)?;
    let name = network.sites.first().context("no site")?.name.clone();
    prepare(bench, &mut network, &published)?;
    let place = links.place(TRACKER)?;
    let server = Daemon::spawn("traffic", script(&place).args(["serve", &place.address]), &bench.scratch.join("logs"))?;
    let others = Others { site: links.place(&name)?, server: place.address, _server: server };
    let (site, rest) = network.sites.split_at(1);
    let copying = if flow.upwards { rest } else { site };

    let mut late = Vec::new();
    let mut phase = |links: &mut Links, what: &str| -> Result<Stats> {
        let stats = links.stats()?.context("manners needs emulated links")?;
        late.push(stats.late_percent());
        eprintln!("{what}: done");
        Ok(stats)
    };
    links.reset()?;
    let alone = others.flow(flow)?;
    phase(links, "the flow alone")?;
    let ping_idle = others.ping()?;

    Network::follow(copying)?;
    stop::pause(SETTLE)?;
    links.reset()?;
    let begun = Instant::now();
    let ping_beside_copying = others.ping()?;
    let elapsed = begun.elapsed().as_secs_f64();
    let stats = phase(links, "the copying alone")?;
    let copied = if flow.upwards { stats.sent_by(&name) } else { stats.arrived_at(&name) };
    let copying_alone_mbit = copied as f64 * 8e-6 / elapsed;

    links.reset()?;
    let beside = others.flow(flow)?;
    phase(links, "both")?;
    ensure!(
        !Network::are_done(copying, &published)?,
        "the copying was over before the flow: a larger --size is needed"
    );
    let link = &bench.scenario.sites[0].link;
    let link_mbit = if flow.upwards { link.up } else { link.down };
    let late_percent = late.into_iter().fold(0.0, f64::max);
    Ok(Manners {
        tcp: flow.tcp.name(),
        upwards: flow.upwards,
        peers: rest.len() + usize::from(!flow.upwards),
        link_mbit,
        flow_alone_mbit: alone.mbit(),
        flow_beside_mbit: beside.mbit(),
        flow_keeps: beside.mbit() / alone.mbit(),
        copying_alone_mbit,
        copying_alone_share: copying_alone_mbit / link_mbit,
        ping_idle,
        ping_beside_copying,
        late_percent,
        rejected: late_percent > LATE_PERCENT_MAX,
    })
}

/// Brings everything to whom the measured copying comes from.
fn prepare(bench: &Bench<'_>, network: &mut Network, published: &Published) -> Result<()> {
    let (site, rest) = network.sites.split_at(1);
    let holders = if bench.scenario.flow.upwards { site } else { rest };
    Network::follow(holders)?;
    let deadline = Instant::now() + bench.time_max;
    while !Network::are_done(holders, published)? {
        ensure!(Instant::now() < deadline, "who is to have everything did not get it in time");
        stop::pause(Duration::from_secs(1))?;
    }
    if bench.scenario.flow.upwards {
        network.flagship.daemon.kill()?;
    }
    Ok(())
}

impl std::fmt::Display for Manners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ping_idle: idle, ping_beside_copying: beside, .. } = self;
        let (way, to) = if self.upwards { ("up", "to") } else { ("down", "from") };
        writeln!(
            f,
            "{way}, {} peers: the flow ({}) alone {:.2} Mbit/s, beside the copying {:.2}: it keeps {:.3}",
            self.peers, self.tcp, self.flow_alone_mbit, self.flow_beside_mbit, self.flow_keeps
        )?;
        writeln!(
            f,
            "copying {to} them alone {:.2} Mbit/s on the wire: {:.3} of the link",
            self.copying_alone_mbit, self.copying_alone_share
        )?;
        writeln!(
            f,
            "ping idle {:.1} ms, p95 {:.1}; beside the copying {:.1} ms ({:+.1}), p95 {:.1} ({:+.1})",
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
