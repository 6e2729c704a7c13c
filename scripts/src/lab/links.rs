//! The emulator: its topology, made from a scenario, and the process that runs it.
//!
//! What must stay true: the emulator's standard input is held open here and nowhere else; when this program ends, however
//! it ends, the emulator takes down its namespaces and what runs in them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::scenario::{End, Scenario, Sites};
use crate::place::Place;

/// Hosts beside the sites.
pub(crate) const TRACKER: &str = "tracker";
pub(crate) const FLAGSHIP: &str = "flagship";
/// One way, within a group's building: a switch or two.
const LAN_DELAY_MS: f64 = 0.25;
/// One way, of the tracker in a data centre; it carries little.
const TRACKER_DELAY_MS: f64 = 5.0;

/// What the lab is run on: emulated links, or loopback alone.
pub(crate) enum Links {
    Emulated(Emulator),
    Loopback,
}

impl Links {
    pub(crate) fn bring_up(scenario: &Scenario, linkem: &Path, scratch: &Path, seed: u64) -> Result<Self> {
        if scenario.loopback {
            return Ok(Self::Loopback);
        }
        Emulator::start(linkem, scratch, &topology(scenario, seed)).map(Self::Emulated)
    }

    /// Where a host's programs run.
    pub(crate) fn place(&self, host: &str) -> Result<Place> {
        match self {
            Self::Loopback => Ok(Place::loopback()),
            Self::Emulated(emulator) => emulator.places.get(host).cloned().with_context(|| format!("no host {host}")),
        }
    }

    /// Counts from here.
    pub(crate) fn reset(&mut self) -> Result<()> {
        match self {
            Self::Loopback => Ok(()),
            Self::Emulated(emulator) => emulator.ask("reset").map(drop),
        }
    }

    /// What was counted.
    pub(crate) fn stats(&mut self) -> Result<Option<Stats>> {
        let Self::Emulated(emulator) = self else { return Ok(None) };
        let answer = emulator.ask("stats")?;
        serde_json::from_value(answer).context("the emulator's counters").map(Some)
    }
}

/// What was counted.
#[derive(Deserialize)]
pub(crate) struct Stats {
    delivered_packets: u64,
    late_over_1ms: u64,
    pub(crate) late_max_ms: f64,
    links: Vec<LinkStats>,
}

#[derive(Deserialize)]
struct LinkStats {
    link: String,
    in_bytes: u64,
    out_bytes: u64,
}

impl Stats {
    pub(crate) fn late_percent(&self) -> f64 {
        self.late_over_1ms as f64 * 100.0 / self.delivered_packets.max(1) as f64
    }

    /// Bytes that a node sent, those lost on the way included.
    pub(crate) fn sent_by(&self, node: &str) -> u64 {
        self.find(node, "up").map_or(0, |link| link.in_bytes)
    }

    /// Bytes that came down to a node.
    pub(crate) fn arrived_at(&self, node: &str) -> u64 {
        self.find(node, "down").map_or(0, |link| link.out_bytes)
    }

    fn find(&self, node: &str, direction: &str) -> Option<&LinkStats> {
        self.links.iter().find(|link| link.link.strip_prefix(node).is_some_and(|rest| rest == format!(".{direction}")))
    }
}

/// The running emulator.
pub(crate) struct Emulator {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    places: BTreeMap<String, Place>,
}

impl Emulator {
    fn start(linkem: &Path, scratch: &Path, topology: &Value) -> Result<Self> {
        let (file, log) = (scratch.join("topology.toml"), scratch.join("linkem.log"));
        fs::write(&file, toml::to_string(topology)?)?;
        let mut command = Command::new(linkem);
        command.arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        // Its own group: Ctrl-C is for us, who then let it take down what it made.
        let mut child = command.process_group(0).spawn().context("cannot start the link emulator")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.context("the emulator's pipes")?;
        let mut emulator = Self { child, to: Some(to), from: BufReader::new(from), places: BTreeMap::new() };
        let Ok(ready) = emulator.answer() else {
            bail!("the links did not come up: {}", fs::read_to_string(&log).unwrap_or_default().trim());
        };
        let hosts: Vec<Host> = serde_json::from_value(ready["hosts"].clone()).context("the emulator's hosts")?;
        let places = hosts.into_iter().map(|host| (host.name, Place::host(&host.namespace, &host.address)));
        emulator.places = places.collect();
        Ok(emulator)
    }

    fn ask(&mut self, request: &str) -> Result<Value> {
        let to = self.to.as_mut().context("the emulator has been stopped")?;
        writeln!(to, "{request}").context("the emulator is gone")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line).context("the emulator is gone")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Closing its input makes it take down the namespaces; that it has gone is waited for.
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

#[derive(Deserialize)]
struct Host {
    name: String,
    namespace: String,
    address: String,
}

/// The emulator's topology, with the TCP that most machines have. Names carry the process id, so that labs can run beside each other.
fn topology(scenario: &Scenario, seed: u64) -> Value {
    let tracker = json!({"delay_ms": TRACKER_DELAY_MS});
    let mut nodes =
        vec![json!({"name": TRACKER, "up": tracker, "down": tracker}), node(FLAGSHIP, &scenario.flagship, false)];
    nodes.extend(scenario.sites.iter().flat_map(site_nodes));
    let sysctl = json!({"net.ipv4.tcp_congestion_control": "cubic"});
    json!({"seed": seed, "prefix": format!("kz{}-", std::process::id()), "sysctl": sysctl, "nodes": nodes})
}

fn site_nodes(sites: &Sites) -> Vec<Value> {
    if !sites.group {
        return sites.names().map(|name| node(&name, &sites.link, false)).collect();
    }
    let lan = json!({"delay_ms": LAN_DELAY_MS});
    let member = |name: String| json!({"name": name, "parent": sites.name, "up": lan, "down": lan});
    [node(&sites.name, &sites.link, true)].into_iter().chain(sites.names().map(member)).collect()
}

fn node(name: &str, end: &End, router: bool) -> Value {
    let shape = |rate: f64, loss: f64| {
        json!({
            "rate_mbit": rate, "queue_kib": end.queue_kib, "delay_ms": end.rtt_ms / 2.0,
            "jitter_ms": end.jitter_ms / 2.0, "loss_percent": loss, "loss_burst": end.loss_burst,
        })
    };
    json!({"name": name, "router": router, "up": shape(end.up, 0.0), "down": shape(end.down, end.loss_percent)})
}
