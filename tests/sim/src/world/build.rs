//! How it begins: nodes and ports, who knows whom, and what will befall them.

use super::books::Books;
use super::{Course, Dice, Event, Node, World, pair};
use crate::port::Port;
use crate::scenario::{Conduct, Moment, Scenario, Site};
use crate::trace::Trace;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::plan::time::Timestamp;
use karez_protocol::swarm::io::{Input, PeerProfile};
use karez_protocol::swarm::{Config, Swarm};
use karez_protocol::trust::PeerId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Rate of a LAN, in Mbit/s.
const LAN: f64 = 200.0;
/// Connections come up within this.
const HANDSHAKE: Duration = Duration::from_millis(200);

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut dice = Dice::new(scenario.seed);
        let course = Course::new(scenario.bytes, scenario.held_percent, scenario.window.page_rows, &mut dice);
        let mut world = Self {
            out: course.shared.clone(),
            course,
            now: Timestamp(0),
            events: BTreeMap::new(),
            count: 0,
            trace: Trace::default(),
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            ports: Vec::new(),
            connected: BTreeSet::new(),
            strangers: scenario.strangers.iter().map(|(a, b)| pair(*a, *b)).collect(),
            acquainted: None,
            books: Books::new(&scenario),
            is_over: false,
            scenario,
            dice,
        };
        world.build();
        world
    }

    fn build(&mut self) {
        let flagship = Site { weight: 0, ..self.scenario.flagship.clone() };
        let sites: Vec<Site> = [flagship].into_iter().chain(self.scenario.sites.clone()).collect();
        let mut links = BTreeMap::new();
        for (number, site) in sites.iter().enumerate() {
            let wan = match site.group.and_then(|group| links.get(&group)) {
                Some(shared) => *shared,
                None => self.add_port((site.up, site.down), site.loss),
            };
            links.extend(site.group.map(|group| (group, wan)));
            self.add_node(number == 0, site, wan);
        }
        self.acquaint();
        for b in 1..sites.len() {
            for a in 0..b {
                self.schedule_connect(a, b, sites[a].joins.max(sites[b].joins));
            }
        }
        for (number, _) in sites.iter().enumerate().filter(|(_, site)| !site.hours.is_empty()) {
            self.schedule(Duration::ZERO, Event::Hour(number));
        }
        for (at, incident) in self.scenario.incidents.clone().into_iter().enumerate() {
            if let Moment::At(time) = incident.when {
                self.schedule(time, Event::Befall(at));
            }
        }
    }

    fn add_port(&mut self, rates: (f64, f64), loss: f64) -> usize {
        self.ports.push(Port::new(rates, loss));
        self.ports.len() - 1
    }

    fn add_node(&mut self, is_origin: bool, site: &Site, wan: usize) {
        let id = PeerId::from_bytes(self.dice.bytes());
        let uplink_group = site.group.map(|group| group.to_string());
        let profile = PeerProfile { is_origin, domain: site.domain.clone(), uplink_group, weight: site.weight };
        let (mode, seed, window_rows) = (self.scenario.mode, self.dice.bits(), self.scenario.window.rows);
        let config = Config { me: id, profile: profile.clone(), mode, seed, window_rows };
        let mut swarm = Swarm::new(config.clone());
        let held = if is_origin { ChunkSet::full(self.course.count()) } else { self.course.shared.clone() };
        if !held.is_empty() {
            swarm.handle(self.now, Input::Held(held));
        }
        let lan = self.add_port((LAN, LAN), 0.5);
        let number = self.nodes.len();
        self.numbers.insert(id, number);
        let conduct = site.conduct;
        let (finished, tick_at, unsynced) = (None, None, VecDeque::new());
        self.nodes.push(Node {
            id,
            config,
            profile,
            conduct,
            swarm,
            wan,
            lan,
            content_known: false,
            finished,
            tick_at,
            is_up: true,
            is_open: true,
            unsynced,
        });
        self.step(number, Input::ChunksKnown(self.course.pages.clone()));
        if conduct == Conduct::Claimer {
            self.schedule(Duration::from_millis(300), Event::Claim { node: number });
        }
    }

    /// Without a tracker each site knows the flagship, its group and a few others.
    fn acquaint(&mut self) {
        let Some(count) = self.scenario.acquaintances else { return };
        let sites = self.nodes.len() - 1;
        let mut known = BTreeSet::new();
        for site in 1..=sites {
            known.insert((0, site));
            for _ in 0..count {
                let other = 1 + self.dice.below(sites as u64) as usize;
                known.extend((other != site).then(|| pair(site, other)));
            }
        }
        self.acquainted = Some(known);
    }

    /// Two nodes that know of each other hear that both take part, and connect soon if they can reach each other.
    pub(super) fn schedule_connect(&mut self, a: usize, b: usize, after: Duration) {
        let is_known = self.acquainted.as_ref().is_none_or(|known| known.contains(&pair(a, b)));
        if !is_known {
            return;
        }
        self.schedule(after, Event::Rumour(a, b));
        if !self.strangers.contains(&pair(a, b)) {
            let handshake = Duration::from_micros(self.dice.below(HANDSHAKE.as_micros() as u64));
            self.schedule(after + handshake, Event::Connect(a, b));
        }
    }
}
