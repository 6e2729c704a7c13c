//! What a site that has everything costs its link: it, a flagship and the other sites follow a collection that does not change.
//!
//! What must stay true: whole packets are counted, both ways, with everything that the node and its system send; the tracker
//! runs at its own pace; nobody touches a node while it is counted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::Bench;
use super::links::{FLAGSHIP, Links, Stats};
use super::swarm::Network;
use crate::stop;

/// Lanes and connections that nobody needs have closed by then.
const SETTLE: Duration = Duration::from_secs(240);
const DONE_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_secs(1);
/// Between two looks: talkers show by how often they talk.
const LOOK: Duration = Duration::from_secs(30);
const DAY_S: f64 = 86_400.0;

/// The figures of one node.
#[derive(Serialize)]
struct Talk {
    node: String,
    up_bytes: u64,
    down_bytes: u64,
    mb_a_day: f64,
    /// The most in one look, both ways.
    most_bytes: u64,
    /// Looks in which nothing moved.
    silent: u32,
}

/// The figures.
#[derive(Serialize)]
pub(crate) struct Idle {
    seconds: f64,
    looks: u32,
    peers: usize,
    nodes: Vec<Talk>,
}

/// Runs it once; the first site is the one that counts.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Idle> {
    let network = Network::start(bench, links)?;
    let published = network.publish(bench)?;
    Network::follow(&network.sites)?;
    let deadline = Instant::now() + DONE_WITHIN;
    while !Network::are_done(&network.sites, &published)? {
        ensure!(Instant::now() < deadline, "the sites did not finish");
        stop::pause(POLL)?;
    }
    stop::pause(SETTLE)?;
    links.reset()?;
    let begun = Instant::now();
    let names = [network.sites[0].name.as_str(), FLAGSHIP];
    let talk = |name: &str| Talk {
        node: name.to_owned(),
        up_bytes: 0,
        down_bytes: 0,
        mb_a_day: 0.0,
        most_bytes: 0,
        silent: 0,
    };
    let mut nodes = names.map(talk);
    let mut looks = 0;
    while begun.elapsed() < bench.time_max {
        stop::pause(LOOK.min(bench.time_max.saturating_sub(begun.elapsed())))?;
        let stats = links.stats()?.context("idle needs emulated links")?;
        looks += 1;
        nodes.iter_mut().for_each(|node| node.look(&stats));
    }
    let seconds = begun.elapsed().as_secs_f64();
    for node in &mut nodes {
        node.mb_a_day = (node.up_bytes + node.down_bytes) as f64 / 1e6 / seconds * DAY_S;
    }
    Ok(Idle { seconds, looks, peers: network.sites.len(), nodes: nodes.into() })
}

impl Talk {
    fn look(&mut self, stats: &Stats) {
        let before = self.up_bytes + self.down_bytes;
        self.up_bytes = stats.sent_by(&self.node);
        self.down_bytes = stats.arrived_at(&self.node);
        let moved = (self.up_bytes + self.down_bytes).saturating_sub(before);
        self.most_bytes = self.most_bytes.max(moved);
        self.silent += u32::from(moved == 0);
    }
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "idle for {:.0} s with {} peers", self.seconds, self.peers)?;
        for Talk { node, up_bytes, down_bytes, mb_a_day, most_bytes, silent } in &self.nodes {
            write!(
                f,
                "\n{node}: {up_bytes} bytes up, {down_bytes} down: {mb_a_day:.2} MB a day; at most {most_bytes} in {} s, \
                 {silent} of {} looks without a byte",
                LOOK.as_secs(),
                self.looks
            )?;
        }
        Ok(())
    }
}
