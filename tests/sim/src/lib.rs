//! A small simulator: the real swarm core of every node, links in place of the network, a virtual clock.
//!
//! One flagship (node 0) and sites on links with a rate each way and a round trip. A chunk is stored and forwarded whole:
//! uplink, half a round trip, downlink. Uplinks serve the most urgent class first and peers in turn, as the node's
//! uploader does. Sites of an uplink group share one link to the outside and have a LAN among them. Everything follows
//! from the scenario and its seed: the same seed gives the same events, and `Outcome::event_hash` says so.
//!
//! Not modelled: loss, congestion control, disks, CPU. A flat 4.1 % stands for headers and loss.

mod course;
mod dice;
mod port;
mod trace;
mod world;

pub use dice::Dice;

use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::io::EgressMode;
use karez_protocol::swarm::{Status, WINDOW_ROWS};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a site behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// As the core says.
    Honest,
    /// Sends chunks with wrong bytes.
    Liar,
    /// Says of every chunk that it is coming, and gains none.
    Claimer,
    /// Takes requests and never answers.
    Silent,
    /// Says that it has everything, and refuses what it is asked for.
    Boaster,
}

/// A site and its link.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// Uplink in Mbit/s; a group shares its first site's.
    pub up: f64,
    /// Downlink in Mbit/s; a group shares its first site's.
    pub down: f64,
    /// Number of its uplink group.
    pub group: Option<u8>,
    /// Importer weight, a power of two.
    pub weight: u8,
    /// How it behaves.
    pub conduct: Conduct,
    /// When it comes.
    pub joins: Duration,
}

impl Site {
    /// An honest site on its own link.
    pub fn new(up: f64, down: f64) -> Self {
        Self { up, down, group: None, weight: 3, conduct: Conduct::Honest, joins: Duration::ZERO }
    }
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// At a time.
    At(Duration),
    /// When the flagship has sent so many copies.
    CopiesSent(f64),
    /// When every chunk is at some site.
    EveryChunkOut,
}

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone, and its peers see that.
    Dies,
    /// It is gone, and its peers see that only after 30 s.
    Vanishes,
    /// It comes back with what it had.
    Returns,
}

/// Something happens.
#[derive(Debug, Clone, Copy)]
pub struct Incident {
    /// When.
    pub when: Moment,
    /// To which node; 0 is the flagship.
    pub node: usize,
    /// What.
    pub fate: Fate,
}

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The flagship's uplink in Mbit/s.
    pub flagship_up: f64,
    /// The sites: nodes 1 and up.
    pub sites: Vec<Site>,
    /// Stored bytes of the release.
    pub bytes: u64,
    /// Egress mode of all sites.
    pub mode: EgressMode,
    /// Round trip between any two links.
    pub rtt: Duration,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
    /// Pairs of nodes that cannot reach each other.
    pub strangers: Vec<(usize, usize)>,
    /// When to stop.
    pub until: Duration,
    /// Seed of sizes, ids, connection times and ties.
    pub seed: u64,
    /// Chunks that each site looks at one by one, and rows of a manifest page.
    pub window: Window,
}

/// How much of a release is looked at one by one.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Rows in the window.
    pub rows: u32,
    /// Rows of a page.
    pub page_rows: u32,
}

impl Scenario {
    /// 20 Mbit/s at the flagship, 60 ms, thrifty: the standard shape of the design pages.
    pub fn new(sites: Vec<Site>, mebibytes: u64, mode: EgressMode, seed: u64) -> Self {
        Self {
            flagship_up: 20.0,
            sites,
            bytes: mebibytes << 20,
            mode,
            rtt: Duration::from_millis(60),
            incidents: Vec::new(),
            strangers: Vec::new(),
            until: Duration::from_secs(3_600),
            seed,
            window: Window { rows: WINDOW_ROWS, page_rows: 1_000 },
        }
    }

    /// Seconds before which no schedule ends the last site, when the flagship sends `copies` (fluid bound; sites on
    /// links of their own).
    pub fn bound(&self, copies: f64) -> f64 {
        let bits = self.bytes as f64 * 8.0 / 1e6;
        let n = self.sites.len() as f64;
        let ups: f64 = self.sites.iter().map(|site| site.up).sum();
        let down = self.sites.iter().map(|site| site.down).fold(f64::INFINITY, f64::min);
        [bits / down, copies * bits / self.flagship_up, (n - copies) * bits / ups, n * bits / (self.flagship_up + ups)]
            .into_iter()
            .fold(0.0, f64::max)
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        world::World::new(self).run()
    }
}

/// What came out. Copies are chunk bytes sent over chunk bytes of the release.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Seconds at which each site held everything.
    pub finished: Vec<Option<f64>>,
    /// Copies the flagship sent.
    pub flagship_copies: f64,
    /// Copies that came into each uplink group from outside.
    pub group_copies: BTreeMap<u8, f64>,
    /// Copies that all nodes sent together.
    pub total_copies: f64,
    /// What each site held in the end.
    pub held: Vec<ChunkSet>,
    /// What each site said of itself in the end.
    pub statuses: Vec<Status>,
    /// Chunks of the release, pages included.
    pub chunks: u32,
    /// Number of events.
    pub events: u64,
    /// Hash over all events: equal for equal seeds.
    pub event_hash: [u8; 32],
    /// Seconds at which the simulation ended.
    pub ended: f64,
}

impl Outcome {
    /// Seconds at which the last of these sites (numbered from 0) was done; `None` when one was not.
    pub fn last_of(&self, sites: impl IntoIterator<Item = usize>) -> Option<f64> {
        sites.into_iter().map(|site| self.finished[site]).try_fold(0.0, |last: f64, done| Some(last.max(done?)))
    }

    /// Seconds at which the last site was done.
    pub fn last(&self) -> Option<f64> {
        self.last_of(0..self.finished.len())
    }

    /// Chunks that arrived although they were held.
    pub fn duplicates(&self) -> u64 {
        self.statuses.iter().map(|status| status.duplicates).sum()
    }
}
