//! What is simulated: sites, their links and manners, and what goes wrong.

use super::hours::Span;
use super::outcome::Outcome;
use super::world::World;
use karez_protocol::swarm::WINDOW_ROWS;
use karez_protocol::swarm::io::EgressMode;
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
    /// Takes what it can and says that it has nothing.
    FreeRider,
}

/// A site and its link.
#[derive(Debug, Clone)]
pub struct Site {
    /// Uplink in Mbit/s; a group shares its first site's.
    pub up: f64,
    /// Downlink in Mbit/s; a group shares its first site's.
    pub down: f64,
    /// Its share of a round trip, beside the scenario's.
    pub rtt: Duration,
    /// Loss in percent.
    pub loss: f64,
    /// Hours with bulk traffic and their rates; without any it is always open.
    pub hours: Vec<Span>,
    /// Bytes it may move while the scenario lasts, both ways.
    pub budget: Option<u64>,
    /// Province and county.
    pub domain: String,
    /// Number of its uplink group.
    pub group: Option<u8>,
    /// Importer weight, a power of two.
    pub weight: u8,
    /// Can be dialled.
    pub inbound: bool,
    /// How it behaves.
    pub conduct: Conduct,
    /// When it comes.
    pub joins: Duration,
}

impl Site {
    /// An honest site on its own link.
    pub fn new(up: f64, down: f64) -> Self {
        Self {
            up,
            down,
            rtt: Duration::ZERO,
            loss: 0.5,
            hours: Vec::new(),
            budget: None,
            domain: String::new(),
            group: None,
            weight: 3,
            inbound: true,
            conduct: Conduct::Honest,
            joins: Duration::ZERO,
        }
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
    /// Power is back: it starts anew with what had been synced when it vanished.
    Restarts,
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
    /// The flagship and its link.
    pub flagship: Site,
    /// The sites: nodes 1 and up.
    pub sites: Vec<Site>,
    /// Stored bytes of the release.
    pub bytes: u64,
    /// Of the content, the percentage that every site has from an older version.
    pub held_percent: u32,
    /// Egress mode of all sites.
    pub mode: EgressMode,
    /// Round trip between any two links, beside their own.
    pub rtt: Duration,
    /// Time of day at which it begins.
    pub starts: Duration,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
    /// Pairs of nodes that cannot reach each other.
    pub strangers: Vec<(usize, usize)>,
    /// Other sites that each site knows at the start; all, when the tracker is there. The rest is heard of from peers.
    pub acquaintances: Option<usize>,
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
            flagship: Site::new(20.0, 20.0),
            sites,
            bytes: mebibytes << 20,
            held_percent: 0,
            mode,
            rtt: Duration::from_millis(60),
            starts: Duration::ZERO,
            incidents: Vec::new(),
            strangers: Vec::new(),
            acquaintances: None,
            until: Duration::from_secs(3_600),
            seed,
            window: Window { rows: WINDOW_ROWS, page_rows: 1_000 },
        }
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        World::new(self).run()
    }
}
