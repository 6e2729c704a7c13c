//! Karez in the links: a tracker, a flagship and the sites as real processes; from `follow` to the last byte.
//!
//! What must stay true: the clock starts before the first site is asked and stops when the node itself says that the
//! version is complete; copies are judged from outside afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::links::{FLAGSHIP, Links, TRACKER};
use super::outcome::{ChunkBooks, Measured};
use super::scenario::Measures;
use super::usage::{Meter, Usage};
use crate::karez::{Guest, Node, Published, Running, Status, Tracker, Tracking};
use crate::stop;
use crate::tree::Tree;

const PUBLISHER: &str = "bj4";
const COLLECTION: &str = "bj4/lab";
/// The catalogue and everybody's address get around before the clock starts, as in a network that has been up for a while; at
/// the program's own 30 s a run would mostly wait. Connections between sites are made when they want something, and that
/// is part of what is measured.
const ANNOUNCE_SECONDS: &str = "3";
const LISTED_WITHIN: Duration = Duration::from_secs(60);
/// Every site is asked this often, on its socket: coarse enough to cost nothing, fine enough for times of a minute.
const POLL: Duration = Duration::from_millis(100);

pub(super) struct Network {
    tracker: Tracker,
    pub(super) flagship: Node,
    pub(super) sites: Vec<Node>,
}

/// Runs it once.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Measured> {
    let mut network = Network::start(bench, links)?;
    let published = network.publish(bench)?;
    let flagship = Meter::start(network.flagship.daemon.pid())?;
    let sites: Vec<Meter> = network.sites.iter().map(|site| Meter::start(site.daemon.pid())).collect::<Result<_>>()?;
    links.reset()?;
    let finished = network.replicate(&published, bench.time_max)?;
    let stats = links.stats()?;
    let site = sites.iter().map(Meter::read).try_fold(Usage::default(), |most, usage| usage.map(|u| most.max(u)))?;
    let flagship = flagship.read()?;
    let chunks = Some(network.books()?);
    let verified = network.verify(bench.source, bench.scratch, &finished)?;
    Ok(Measured { finished, verified, unique_bytes: published.stored_bytes, chunks, flagship, site, stats })
}

impl Network {
    pub(super) fn start(bench: &Bench<'_>, links: &Links) -> Result<Self> {
        let folder = bench.scratch;
        let place = links.place(TRACKER)?;
        // An idle network is measured with the program's own pace.
        let announce_seconds = (bench.scenario.measures != Measures::Idle).then_some(ANNOUNCE_SECONDS);
        let tracking = Tracking { place: &place, announce_seconds };
        let tracker =
            Tracker::start(&bench.programs.tracker, &folder.join("tracker"), &folder.join("logs"), &tracking)?;
        let node = |name: &str, guest: &Guest<'_>| {
            let invite = tracker.invite(name, guest)?;
            let place = links.place(name)?;
            let how = Running { place: &place, uplink_mbit: 0, mode: Some(bench.scenario.mode.name()) };
            Node::start(&bench.programs.karez, &folder.join(name), name, &invite, &how)
        };
        let flagship = node(FLAGSHIP, &Guest::Flagship { publisher: PUBLISHER })?;
        let mut sites = Vec::new();
        for kind in &bench.scenario.sites {
            let group = kind.group.then_some(kind.name.as_str());
            for name in kind.names() {
                sites.push(node(&name, &Guest::Site { domain: "cn/gansu/minqin", group })?);
            }
        }
        Ok(Self { tracker, flagship, sites })
    }

    /// Publishes the collection; every site sees it in the catalogue afterwards.
    pub(super) fn publish(&self, bench: &Bench<'_>) -> Result<Published> {
        let published = self.flagship.publish(bench.source, COLLECTION)?;
        self.wait_until_listed()?;
        Ok(published)
    }

    /// Lets these sites follow the collection.
    pub(super) fn follow(sites: &[Node]) -> Result<()> {
        sites.iter().try_for_each(|site| site.follow(COLLECTION))
    }

    /// Whether all of these hold everything.
    pub(super) fn are_done(sites: &[Node], published: &Published) -> Result<bool> {
        let done = |site: &Node| Ok(is_complete(&site.glance()?, published.version));
        sites.iter().map(done).try_fold(true, |all, done: Result<bool>| Ok(all & done?))
    }

    /// An error when any process has ended.
    fn check(&mut self) -> Result<()> {
        self.tracker.daemon.check()?;
        self.flagship.daemon.check()?;
        self.sites.iter_mut().try_for_each(|site| site.daemon.check())
    }

    fn wait_until_listed(&self) -> Result<()> {
        let deadline = Instant::now() + LISTED_WITHIN;
        for site in &self.sites {
            while site.ask("/v1/search")?.as_array().is_none_or(Vec::is_empty) {
                anyhow::ensure!(Instant::now() < deadline, "{} never saw the collection listed", site.name);
                stop::pause(POLL)?;
            }
        }
        Ok(())
    }

    /// Lets every site follow the collection; when each was done.
    fn replicate(&mut self, published: &Published, time_max: Duration) -> Result<Vec<Option<Duration>>> {
        let started = Instant::now();
        Self::follow(&self.sites)?;
        let mut finished = vec![None; self.sites.len()];
        let mut told = 0;
        while started.elapsed() < time_max && finished.contains(&None) {
            self.check()?;
            for (site, finished) in self.sites.iter().zip(&mut finished).filter(|(_, finished)| finished.is_none()) {
                if is_complete(&site.glance()?, published.version) {
                    *finished = Some(started.elapsed());
                }
            }
            let elapsed = started.elapsed().as_secs();
            if elapsed >= told + super::PROGRESS_EVERY_S {
                told = elapsed;
                eprintln!("{elapsed:5} s  {}", self.progress()?);
            }
            stop::pause(POLL)?;
        }
        Ok(finished)
    }

    fn progress(&self) -> Result<String> {
        let share = |site: &Node| {
            let collections = site.glance()?.collections;
            let share = collections.first().map_or(0, |c| c.have_bytes * 100 / c.stored_bytes.max(1));
            Ok(format!("{} {share} %", site.name))
        };
        let shares: Vec<String> = self.sites.iter().map(share).collect::<Result<_>>()?;
        Ok(shares.join("  "))
    }

    fn books(&self) -> Result<ChunkBooks> {
        let counters = self.sites.iter().map(|site| Ok(site.glance()?.counters)).collect::<Result<Vec<_>>>()?;
        Ok(ChunkBooks {
            sent_by_flagship: self.flagship.glance()?.counters.chunk_bytes_sent,
            received: counters.iter().map(|c| c.chunk_bytes_received).collect(),
            from_group: counters.iter().map(|c| c.bytes_from_group).collect(),
        })
    }

    /// Whether the copies of all sites that say they are done are the source.
    fn verify(&self, source: &Path, scratch: &Path, finished: &[Option<Duration>]) -> Result<bool> {
        let tree = Tree::of_source(source)?;
        let mut all = true;
        for (site, _) in self.sites.iter().zip(finished).filter(|(_, finished)| finished.is_some()) {
            let export = scratch.join("export");
            site.pull(COLLECTION, &export)?;
            all &= tree.check(&Tree::of_export(&export)?, &site.name);
            std::fs::remove_dir_all(&export).context("the export")?;
        }
        Ok(all)
    }
}

fn is_complete(status: &Status, version: u64) -> bool {
    status.collections.iter().any(|c| c.collection == COLLECTION && c.version == version && c.complete)
}
