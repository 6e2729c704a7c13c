//! The event loop: nodes, links between them, and what befalls them.
//!
//! Inside: `build` how it begins, `meeting` who is connected to whom, `carriage` chunks on their way, `fate` what befalls
//! nodes, `day` hours that open and close, `books` who moved how much.

mod books;
mod build;
mod carriage;
mod day;
mod fate;
mod meeting;

use super::course::Course;
use super::dice::Dice;
use super::outcome::Outcome;
use super::port::{Parcel, Port};
use super::scenario::{Conduct, Scenario};
use super::trace::Trace;
use books::Books;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::plan::time::Timestamp;
use karez_protocol::swarm::io::{Input, Output, PeerProfile};
use karez_protocol::swarm::{Config, Swarm};
use karez_protocol::trust::PeerId;
use karez_protocol::wire::peer::Urgency;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Manifest pages are read from the disk within one to two of these.
const READ: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
enum Event {
    /// Two nodes are connected.
    Connect(usize, usize),
    /// Their connection is gone.
    Sever(usize, usize),
    /// Two nodes tell each other whom they know.
    Introduce(usize, usize),
    /// Two nodes hear that the other takes part.
    Rumour(usize, usize),
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
    /// A node's hours may change at this moment, or soon.
    Hour(usize),
    /// It stops asking.
    Hush(usize),
    /// It stops altogether.
    Close(usize),
}

#[derive(Debug)]
struct Node {
    id: PeerId,
    config: Config,
    profile: PeerProfile,
    conduct: Conduct,
    swarm: Swarm,
    /// Port to the outside, and to the LAN of its group.
    wan: usize,
    lan: usize,
    content_known: bool,
    finished: Option<Timestamp>,
    tick_at: Option<Timestamp>,
    /// It has power.
    is_up: bool,
    /// Its hours allow bulk traffic.
    is_open: bool,
    /// What came of late and may not be synced.
    unsynced: VecDeque<(Timestamp, ChunkIndex)>,
}

impl Node {
    fn is_here(&self) -> bool {
        self.is_up && self.is_open
    }
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
    strangers: BTreeSet<(usize, usize)>,
    /// Pairs that know each other's addresses; `None` when the tracker tells everybody.
    acquainted: Option<BTreeSet<(usize, usize)>>,
    books: Books,
    out: ChunkSet,
    is_over: bool,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    fn schedule(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    pub(super) fn run(mut self) -> Outcome {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at.0 > self.scenario.until.as_micros() as u64 || self.is_over {
                break;
            }
            self.now = at;
            self.note(&event);
            self.happen(event);
            self.check_incidents();
        }
        self.outcome()
    }

    /// All honest sites that have power hold everything; one that was cut off has to come back first.
    fn look_whether_over(&mut self) {
        let for_good = |number: usize| {
            let last = self.scenario.incidents.iter().rev().find(|incident| incident.node == number);
            last.is_some_and(|incident| incident.is_departure())
        };
        let counts = |(number, node): &(usize, &Node)| {
            *number > 0 && node.conduct == Conduct::Honest && (node.is_up || !for_good(*number))
        };
        let mut counted = self.nodes.iter().enumerate().filter(counts);
        let is_built = self.nodes.len() == self.scenario.sites.len() + 1;
        self.is_over = is_built && counted.all(|(_, node)| node.finished.is_some());
    }

    fn note(&mut self, event: &Event) {
        self.trace.note(&[self.now.0]);
        let parties = |a: &usize, b: &usize| [*a as u64, *b as u64];
        match event {
            Event::Connect(a, b) | Event::Sever(a, b) | Event::Introduce(a, b) | Event::Rumour(a, b) => {
                self.trace.note(&parties(a, b))
            }
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
            | Event::Hour(number)
            | Event::Hush(number)
            | Event::Close(number)
            | Event::Befall(number) => self.trace.note(&[*number as u64]),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(a, b) => self.connect(a, b),
            Event::Sever(a, b) => self.sever(a, b),
            Event::Introduce(a, b) => self.introduce(a, b),
            Event::Rumour(a, b) => self.spread_rumour(a, b),
            Event::Tell { to, from, what } => {
                if self.connected.contains(&pair(to, from)) {
                    self.hear(to, what);
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
            Event::Read { node, pages } => {
                let chunks = self.course.rows_of(&pages);
                self.step(node, Input::PagesRead { pages, chunks });
            }
            Event::Befall(incident) => self.befall(self.scenario.incidents[incident]),
            Event::Hour(node) => self.strike_hour(node),
            Event::Hush(node) => self.step(node, Input::Paused(true)),
            Event::Close(node) => self.close(node),
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
        match (self.nodes[node].conduct, &output) {
            (Conduct::Claimer | Conduct::Boaster, _) | (Conduct::FreeRider, Output::Announce { .. }) => return,
            _ => {}
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
            self.look_whether_over();
        }
    }
}
