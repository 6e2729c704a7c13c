//! The event loop: nodes, links between them, and what befalls them.

mod carriage;
mod meeting;

use super::course::Course;
use super::dice::Dice;
use super::port::{Parcel, Port};
use super::trace::Trace;
use super::{Conduct, Moment, Outcome, Scenario, Site};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::plan::time::Timestamp;
use karez_protocol::swarm::io::{Input, Output, PeerProfile};
use karez_protocol::swarm::{Config, Swarm};
use karez_protocol::trust::PeerId;
use karez_protocol::wire::peer::Urgency;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Rate of a LAN, in Mbit/s.
const LAN: f64 = 200.0;
/// One way over a LAN.
const LAN_DELAY: Duration = Duration::from_millis(1);
/// Connections come up within this.
const HANDSHAKE: Duration = Duration::from_millis(200);
/// A vanished node's connections last so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Manifest pages are read from the disk within one to two of these.
const READ: Duration = Duration::from_millis(5);
/// A claimer says the same again this often.
const CLAIM_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
enum Event {
    /// Two nodes are connected.
    Connect(usize, usize),
    /// Their connection is gone.
    Sever(usize, usize),
    /// Tells a node something of a peer; nothing when they are not connected.
    Tell {
        to: usize,
        from: usize,
        what: Input,
    },
    Ask {
        to: usize,
        from: usize,
        urgency: Urgency,
        chunks: Vec<ChunkIndex>,
    },
    Revoke {
        to: usize,
        from: usize,
        chunks: Vec<ChunkIndex>,
    },
    Sent {
        port: usize,
    },
    Arrived {
        port: usize,
        parcel: Parcel,
    },
    Tick {
        node: usize,
    },
    Claim {
        node: usize,
    },
    /// A node has read manifest pages.
    Read {
        node: usize,
        pages: Vec<u32>,
    },
    Befall(usize),
}

#[derive(Debug)]
struct Node {
    id: PeerId,
    profile: PeerProfile,
    conduct: Conduct,
    swarm: Swarm,
    /// Port to the outside, and to the LAN of its group.
    wan: usize,
    lan: usize,
    content_known: bool,
    finished: Option<Timestamp>,
    tick_at: Option<Timestamp>,
    is_up: bool,
}

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct World {
    scenario: Scenario,
    course: Course,
    dice: Dice,
    now: Timestamp,
    events: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
    trace: Trace,
    nodes: Vec<Node>,
    numbers: BTreeMap<PeerId, usize>,
    ports: Vec<Port>,
    connected: BTreeSet<(usize, usize)>,
    sent: Vec<u64>,
    into_groups: BTreeMap<u8, u64>,
    out: ChunkSet,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub(super) fn new(scenario: Scenario) -> Self {
        let mut dice = Dice::new(scenario.seed);
        let course = Course::new(scenario.bytes, scenario.window.page_rows, &mut dice);
        let mut world = Self {
            course,
            now: Timestamp(0),
            events: BTreeMap::new(),
            count: 0,
            trace: Trace::default(),
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            ports: Vec::new(),
            connected: BTreeSet::new(),
            sent: vec![0; scenario.sites.len() + 1],
            into_groups: BTreeMap::new(),
            out: ChunkSet::new(),
            scenario,
            dice,
        };
        world.build();
        world
    }

    fn build(&mut self) {
        let flagship = Site { weight: 0, ..Site::new(self.scenario.flagship_up, self.scenario.flagship_up) };
        let sites: Vec<Site> = [flagship].into_iter().chain(self.scenario.sites.clone()).collect();
        let mut links = BTreeMap::new();
        for (number, site) in sites.iter().enumerate() {
            let wan = match site.group.and_then(|group| links.get(&group)) {
                Some(shared) => *shared,
                None => self.add_port(site.up, site.down),
            };
            links.extend(site.group.map(|group| (group, wan)));
            self.add_node(number == 0, site, wan);
        }
        for b in 1..sites.len() {
            for a in 0..b {
                self.schedule_connect(a, b, sites[a].joins.max(sites[b].joins));
            }
        }
        for (at, incident) in self.scenario.incidents.clone().into_iter().enumerate() {
            if let Moment::At(time) = incident.when {
                self.schedule(time, Event::Befall(at));
            }
        }
    }

    fn add_port(&mut self, up: f64, down: f64) -> usize {
        self.ports.push(Port::new(up, down));
        self.ports.len() - 1
    }

    fn add_node(&mut self, is_origin: bool, site: &Site, wan: usize) {
        let id = PeerId::from_bytes(self.dice.bytes());
        let uplink_group = site.group.map(|group| group.to_string());
        let profile = PeerProfile { is_origin, uplink_group, weight: site.weight };
        let (mode, seed) = (self.scenario.mode, self.dice.bits());
        let window_rows = self.scenario.window.rows;
        let mut swarm = Swarm::new(Config { me: id, profile: profile.clone(), mode, seed, window_rows });
        if is_origin {
            swarm.handle(self.now, Input::Held(ChunkSet::full(self.course.count())));
        }
        let lan = self.add_port(LAN, LAN);
        let number = self.nodes.len();
        self.numbers.insert(id, number);
        let conduct = site.conduct;
        let (finished, tick_at) = (None, None);
        self.nodes.push(Node {
            id,
            profile,
            conduct,
            swarm,
            wan,
            lan,
            content_known: false,
            finished,
            tick_at,
            is_up: true,
        });
        self.step(number, Input::ChunksKnown(self.course.pages.clone()));
        if conduct == Conduct::Claimer {
            self.schedule(Duration::from_millis(300), Event::Claim { node: number });
        }
    }

    fn schedule_connect(&mut self, a: usize, b: usize, after: Duration) {
        if self.scenario.strangers.iter().any(|(x, y)| pair(*x, *y) == pair(a, b)) {
            return;
        }
        let handshake = Duration::from_micros(self.dice.below(HANDSHAKE.as_micros() as u64));
        self.schedule(after + handshake, Event::Connect(a, b));
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    pub(super) fn run(mut self) -> Outcome {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at.0 > self.scenario.until.as_micros() as u64 || self.is_over() {
                break;
            }
            self.now = at;
            self.note(&event);
            self.happen(event);
            self.check_incidents();
        }
        self.outcome()
    }

    /// All honest sites that are up hold everything.
    fn is_over(&self) -> bool {
        let honest = |node: &&Node| node.is_up && node.conduct == Conduct::Honest && !node.profile.is_origin;
        self.nodes.iter().filter(honest).all(|node| node.finished.is_some())
    }

    fn note(&mut self, event: &Event) {
        self.trace.note(&[self.now.0]);
        let parties = |a: &usize, b: &usize| [*a as u64, *b as u64];
        match event {
            Event::Connect(a, b) | Event::Sever(a, b) => self.trace.note(&parties(a, b)),
            Event::Tell { to, from, what } => {
                self.trace.note(&parties(to, from));
                self.trace.note_input(what);
            }
            Event::Ask { to, from, chunks, .. } | Event::Revoke { to, from, chunks } => {
                self.trace.note(&parties(to, from));
                self.trace.note_chunks(chunks);
            }
            Event::Arrived { parcel, .. } => {
                self.trace.note(&parties(&parcel.from, &parcel.to));
                self.trace.note_chunks(&[parcel.chunk]);
            }
            Event::Sent { port: number }
            | Event::Tick { node: number }
            | Event::Claim { node: number }
            | Event::Read { node: number, .. }
            | Event::Befall(number) => self.trace.note(&[*number as u64]),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(a, b) => self.connect(a, b),
            Event::Sever(a, b) => self.sever(a, b),
            Event::Tell { to, from, what } => {
                if self.connected.contains(&pair(to, from)) {
                    self.step(to, what);
                }
            }
            Event::Ask { to, from, urgency, chunks } => self.serve(to, from, urgency, chunks),
            Event::Revoke { to, from, chunks } => {
                let port = self.port_between(to, from);
                chunks.into_iter().for_each(|chunk| self.ports[port].cancel(Parcel { from: to, to: from, chunk }));
            }
            Event::Sent { port } => self.sent(port),
            Event::Arrived { port, parcel } => self.arrived(port, parcel),
            Event::Tick { node } => {
                if self.nodes[node].tick_at == Some(self.now) && self.nodes[node].is_up {
                    self.nodes[node].tick_at = None;
                    self.step(node, Input::Tick);
                }
            }
            Event::Claim { node } => self.claim(node),
            Event::Read { node, pages } if !self.nodes[node].is_up => {
                self.schedule(IDLE_TIMEOUT, Event::Read { node, pages });
            }
            Event::Read { node, pages } => {
                let chunks = self.course.rows_of(&pages);
                self.step(node, Input::PagesRead { pages, chunks });
            }
            Event::Befall(incident) => self.befall(self.scenario.incidents[incident]),
        }
    }

    /// Gives a node's core something to think about and carries out what it says.
    fn step(&mut self, node: usize, input: Input) {
        if !self.nodes[node].is_up {
            return;
        }
        self.nodes[node].swarm.handle(self.now, input);
        while let Some(output) = self.nodes[node].swarm.poll_output() {
            self.carry_out(node, output);
        }
        let due = self.nodes[node].swarm.next_deadline();
        if let Some(due) = due {
            assert!(due > self.now, "node {node} wants to be woken at {due:?}, and it is {:?}", self.now);
            if self.nodes[node].tick_at.is_none_or(|at| due < at || at <= self.now) {
                self.nodes[node].tick_at = Some(due);
                self.schedule(due - self.now, Event::Tick { node });
            }
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        if matches!(self.nodes[node].conduct, Conduct::Claimer | Conduct::Boaster) {
            return;
        }
        match output {
            Output::Request { peer, urgency, chunks } => {
                let to = self.numbers[&peer];
                self.schedule(self.delay(node, to), Event::Ask { to, from: node, urgency, chunks });
            }
            Output::Cancel { peer, chunks } => {
                let to = self.numbers[&peer];
                self.schedule(self.delay(node, to), Event::Revoke { to, from: node, chunks });
            }
            Output::Announce { gained, coming } => {
                let peer = self.nodes[node].id;
                self.tell_all(node, &Input::PeerGained { peer, gained, coming });
            }
            Output::Disconnect { peer, .. } => self.schedule(Duration::ZERO, Event::Sever(node, self.numbers[&peer])),
            Output::Read { pages } => {
                let delay = Duration::from_micros(READ.as_micros() as u64 + self.dice.below(READ.as_micros() as u64));
                self.schedule(delay, Event::Read { node, pages });
            }
            Output::Complete => self.complete(node),
        }
    }

    fn complete(&mut self, node: usize) {
        if !std::mem::replace(&mut self.nodes[node].content_known, true) {
            self.step(node, Input::ContentWanted(self.course.space()));
        } else if self.nodes[node].finished.is_none() {
            self.nodes[node].finished = Some(self.now);
            let peer = self.nodes[node].id;
            self.tell_all(node, &Input::PeerWants { peer, wants: false });
        }
    }

    fn outcome(self) -> Outcome {
        let total = self.course.bytes() as f64;
        let sites = &self.nodes[1..];
        let seconds = |at: Timestamp| at.0 as f64 / 1e6;
        Outcome {
            finished: sites.iter().map(|node| node.finished.map(seconds)).collect(),
            flagship_copies: self.sent[0] as f64 / total,
            group_copies: self.into_groups.iter().map(|(group, bytes)| (*group, *bytes as f64 / total)).collect(),
            total_copies: self.sent.iter().sum::<u64>() as f64 / total,
            held: sites.iter().map(|node| node.swarm.have().clone()).collect(),
            statuses: sites.iter().map(|node| node.swarm.status()).collect(),
            chunks: self.course.count(),
            events: self.count,
            event_hash: self.trace.hash(),
            ended: seconds(self.now),
        }
    }
}
