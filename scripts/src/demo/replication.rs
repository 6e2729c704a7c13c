//! One version's way to all sites: waiting, progress, and the books afterwards.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::COLLECTION;
use super::network::Network;
use crate::karez::{Collection, Counters, Node, Published};
use crate::stop;
use crate::tree::Tree;

const POLL: Duration = Duration::from_millis(200);
/// Plain lines, where no terminal shows them in place, come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// No byte at any site for this long is a failure: far above any timeout of the nodes.
const STALLED_AFTER: Duration = Duration::from_secs(120);
/// Counters of both ends may be read a moment apart.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// How version 1 arrived.
pub(crate) struct Arrival {
    pub(crate) flagship_sent: u64,
    pub(crate) sites: Vec<SiteArrival>,
    pub(crate) wall: Duration,
}

pub(crate) struct SiteArrival {
    pub(crate) name: String,
    pub(crate) counters: Counters,
    pub(crate) wall: Duration,
}

/// Lets every site follow the collection and waits until all hold `version`.
pub(crate) fn first(network: &mut Network, version: &Published) -> Result<Arrival> {
    let started = Instant::now();
    network.sites.iter().try_for_each(|site| site.follow(COLLECTION))?;
    let walls = wait(network, version.version, started)?;
    let (flagship, counters) = settled(network)?;
    let rows = network.sites.iter().zip(counters).zip(&walls);
    let sites = rows.map(|((site, counters), wall)| SiteArrival { name: site.name.clone(), counters, wall: *wall });
    let wall = walls.iter().max().copied().unwrap_or_default();
    Ok(Arrival { flagship_sent: flagship.chunk_bytes_sent, sites: sites.collect(), wall })
}

/// Waits until the followers hold `version`; returns the most chunk bytes that one site received since `before`.
pub(crate) fn update(network: &mut Network, version: &Published, before: &[Counters]) -> Result<u64> {
    wait(network, version.version, Instant::now())?;
    let (_, after) = settled(network)?;
    let cost = after.iter().zip(before).map(|(after, before)| after.chunk_bytes_received - before.chunk_bytes_received);
    Ok(cost.max().unwrap_or_default())
}

/// Exports every site's copy, one after the other, and compares it with the source's tree; one verdict per site.
pub(crate) fn verify(network: &Network, source: &Tree) -> Result<Vec<bool>> {
    let verdict = |site: &Node| {
        let export = site.home.with_file_name(format!("{}-export", site.name));
        site.pull(COLLECTION, &export)?;
        let same = source.check(&Tree::of_export(&export)?, &site.name);
        std::fs::remove_dir_all(&export)?;
        Ok(same)
    };
    network.sites.iter().map(verdict).collect()
}

/// The time each site took from `started` until it held all of `version`.
fn wait(network: &mut Network, version: u64, started: Instant) -> Result<Vec<Duration>> {
    let mut progress = Progress::new(version, network.sites.len());
    loop {
        network.check()?;
        for (site, row) in network.sites.iter().zip(&mut progress.rows).filter(|(_, row)| row.wall.is_none()) {
            let collections = site.status()?.collections;
            let found = collections.into_iter().find(|c| c.collection == COLLECTION && c.version == version);
            let Some(collection) = found else { continue };
            row.wall = collection.complete.then(|| started.elapsed());
            row.collection = Some(collection);
        }
        progress.show(started.elapsed(), &network.sites);
        if let Some(walls) = progress.rows.iter().map(|row| row.wall).collect() {
            progress.close();
            return Ok(walls);
        }
        progress.check()?;
        stop::pause(POLL)?;
    }
}

/// The flagship's and the sites' counters, once what all sent is what all received, within 1 %.
fn settled(network: &Network) -> Result<(Counters, Vec<Counters>)> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let flagship = network.flagship.status()?.counters;
        let sites = network.counters()?;
        let sum = |of: fn(&Counters) -> u64| sites.iter().map(of).sum::<u64>() + of(&flagship);
        let (sent, received) = (sum(|c| c.chunk_bytes_sent), sum(|c| c.chunk_bytes_received));
        if sent.abs_diff(received) * 100 <= received {
            return Ok((flagship, sites));
        }
        if Instant::now() > deadline {
            bail!("the books do not balance: {sent} chunk bytes sent, {received} received");
        }
        stop::pause(POLL)?;
    }
}

struct Progress {
    version: u64,
    rows: Vec<Row>,
    in_place: bool,
    shown: Option<Duration>,
    /// Bytes at all sites together, and when they last grew.
    grown: (u64, Instant),
}

#[derive(Clone, Default)]
struct Row {
    collection: Option<Collection>,
    wall: Option<Duration>,
}

impl Progress {
    fn new(version: u64, sites: usize) -> Self {
        let in_place = std::io::stderr().is_terminal();
        Self { version, rows: vec![Row::default(); sites], in_place, shown: None, grown: (0, Instant::now()) }
    }

    fn show(&mut self, elapsed: Duration, sites: &[Node]) {
        let done = self.rows.iter().all(|row| row.wall.is_some());
        let due = self.shown.is_none_or(|shown| elapsed >= shown + LINE_EVERY);
        if !(self.in_place || due || done) {
            return;
        }
        self.shown = Some(elapsed);
        let cells = sites.iter().zip(&self.rows).map(|(site, row)| format!("{} {}", site.name, percent(row)));
        let cells = cells.collect::<Vec<_>>().join("  ");
        let (start, end) = if self.in_place { ("\r\x1b[K", "") } else { ("", "\n") };
        eprint!("{start}version {} {:6.1} s  {cells}{end}", self.version, elapsed.as_secs_f64());
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().flush();
    }

    fn close(&self) {
        if self.in_place {
            eprintln!();
        }
    }

    /// An error when nothing has arrived anywhere for too long.
    fn check(&mut self) -> Result<()> {
        let bytes = self.rows.iter().filter_map(|row| row.collection.as_ref()).map(|c| c.have_bytes).sum();
        if bytes != self.grown.0 {
            self.grown = (bytes, Instant::now());
        }
        if self.grown.1.elapsed() > STALLED_AFTER {
            bail!("nothing arrived at any site for {} s ({bytes} bytes so far)", STALLED_AFTER.as_secs());
        }
        Ok(())
    }
}

fn percent(row: &Row) -> String {
    match &row.collection {
        None => "  -".to_string(),
        Some(collection) if collection.complete => "done".to_string(),
        Some(collection) => format!("{:3}%", collection.have_bytes * 100 / collection.stored_bytes.max(1)),
    }
}
