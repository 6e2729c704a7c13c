//! A bottleneck, a sender that obeys the controller and paces as quinn does, and perhaps somebody else.
//!
//! Steps of 50 µs; every second packet is acknowledged, or after a timer. The same numbers give the same run.

use crate::plan::congestion::{ACK_DELAY_MAX, Class, Config, Controller, Uplink};
use crate::plan::time::Timestamp;
use std::collections::VecDeque;

const STEP_S: f64 = 50e-6;
const PACKET: f64 = 1_452.0;
/// After a change, before shares are counted.
const SETTLES_S: f64 = 3.0;

#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) mbit: f64,
    pub(super) base_ms: f64,
    pub(super) queue_kib: f64,
    /// Plus or minus on the way back, order kept.
    pub(super) jitter_ms: f64,
    pub(super) loss: f64,
    /// Mean length of a run of losses in packets.
    pub(super) burst: f64,
}

/// Other traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cross {
    None,
    /// Reno's growth and CUBIC's step back.
    Greedy {
        from_s: f64,
    },
    Brief {
        from_s: f64,
        to_s: f64,
    },
}

impl Cross {
    /// From, to, and whether there is any.
    fn times(self) -> (f64, f64, bool) {
        match self {
            Self::None => (0.0, 0.0, false),
            Self::Greedy { from_s } => (from_s, f64::MAX, true),
            Self::Brief { from_s, to_s } => (from_s, to_s, true),
        }
    }

    fn is_on(self, now: f64) -> bool {
        let (from_s, to_s, any) = self.times();
        any && (from_s..to_s).contains(&now)
    }
}

/// What arrived, in packets.
#[derive(Default)]
struct Tally {
    done: f64,
    by_lane: Vec<f64>,
    beside: f64,
    after: f64,
}

impl Tally {
    fn deliver(&mut self, lane: usize, cross: Cross, now: f64) {
        self.by_lane[lane] += 1.0;
        let (from_s, to_s, any) = cross.times();
        self.done += 1.0;
        if any && now >= to_s + SETTLES_S {
            self.after += 1.0;
        } else if cross.is_on(now) && now >= from_s + SETTLES_S {
            self.beside += 1.0;
        }
    }
}

/// Shares are of the link's rate.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) share: f64,
    /// The slowest lane's part of a fair one.
    pub(super) slowest: f64,
    pub(super) queue_median_ms: f64,
    pub(super) queue_p95_ms: f64,
    /// While somebody else was there, from 3 s after it came.
    pub(super) share_beside: f64,
    /// From 3 s after it went.
    pub(super) share_after: f64,
    pub(super) lost: f64,
}

struct Packet {
    lane: usize,
    sent: f64,
    arrives: f64,
    is_lost: bool,
}

struct Sender {
    controller: Controller,
    in_flight: f64,
    tokens: f64,
    srtt: f64,
    waiting: Vec<f64>,
    waits_until: f64,
}

impl Sender {
    fn new(uplink: &mut Uplink, class: Class, base: f64) -> Self {
        let mut controller = Controller::new(Config::default(), uplink, Timestamp(0), PACKET as u64);
        controller.set_class(class);
        let (tokens, waits_until) = (10.0 * PACKET, f64::INFINITY);
        Self { controller, in_flight: 0.0, tokens, srtt: base, waiting: Vec::new(), waits_until }
    }

    /// quinn's pacer: 1.25 windows a round trip, bursts of ten packets.
    fn may_send(&mut self, now: f64) -> bool {
        let rests = now * 1e6 < self.controller.rests_until().0 as f64;
        let window = if rests { 0.0 } else { self.controller.window() as f64 };
        let burst = (window * 0.002 / self.srtt).max(10.0 * PACKET);
        self.tokens = (self.tokens + 1.25 * window / self.srtt * STEP_S).min(burst);
        let sends = self.in_flight + PACKET < window && self.tokens >= PACKET;
        if sends {
            self.tokens -= PACKET;
            self.in_flight += PACKET;
        }
        sends
    }

    fn lose(&mut self) {
        self.in_flight -= PACKET;
        self.controller.handle_loss(PACKET as u64, false);
    }

    fn arrived(&mut self, uplink: &mut Uplink, now: f64, sent: f64) {
        self.waiting.push(sent);
        self.waits_until = now + ACK_DELAY_MAX.as_secs_f64();
        if self.waiting.len() > 1 {
            self.acknowledge(uplink, now);
        }
    }

    fn wait(&mut self, uplink: &mut Uplink, now: f64) {
        if !self.waiting.is_empty() && now >= self.waits_until {
            self.acknowledge(uplink, now);
        }
    }

    fn acknowledge(&mut self, uplink: &mut Uplink, now: f64) {
        let at = |seconds: f64| Timestamp((seconds * 1e6) as u64);
        for sent in std::mem::take(&mut self.waiting) {
            self.in_flight -= PACKET;
            self.controller.handle_ack(at(now), at(sent), PACKET as u64);
            self.srtt += (now - sent - self.srtt) / 8.0;
        }
        self.controller.handle_acks_end(uplink, at(now), false);
    }
}

/// A flow that grows by a packet each round trip until the queue overflows.
struct Greedy {
    window: f64,
    in_flight: f64,
    /// When packets come back.
    back: VecDeque<f64>,
    deaf_until: f64,
}

impl Path {
    pub(super) const PLAIN: Self =
        Self { mbit: 10.0, base_ms: 50.0, queue_kib: 64.0, jitter_ms: 0.0, loss: 0.0, burst: 1.0 };

    /// As in the emulator: one state loses everything, the other nothing (Gilbert).
    fn is_lost(self, was_lost: bool, dice: &mut u64) -> bool {
        let (stays, begins) = (1.0 - 1.0 / self.burst, self.loss / (self.burst * (1.0 - self.loss)));
        let chance = match (self.burst > 1.0, was_lost) {
            (false, _) => self.loss,
            (true, true) => stays,
            (true, false) => begins,
        };
        unit(dice) < chance
    }

    pub(super) fn run(self, class: Class, seconds: f64, cross: Cross) -> Seen {
        self.run_lanes(1, class, seconds, cross)
    }

    /// The same with several lanes of one node.
    pub(super) fn run_lanes(self, lanes: usize, class: Class, seconds: f64, cross: Cross) -> Seen {
        self.run_nodes(1, lanes, class, seconds, cross)
    }

    /// The same with several nodes that share nothing but the link, each with so many lanes.
    pub(super) fn run_nodes(self, nodes: usize, lanes: usize, class: Class, seconds: f64, cross: Cross) -> Seen {
        let lanes = nodes * lanes;
        let rate = self.mbit * 125_000.0;
        let base = self.base_ms / 1e3;
        let mut uplinks = vec![Uplink::default(); nodes];
        let mut us: Vec<Sender> = (0..lanes).map(|lane| Sender::new(&mut uplinks[lane % nodes], class, base)).collect();
        let mut other = Greedy { window: 4.0 * PACKET, in_flight: 0.0, back: VecDeque::new(), deaf_until: 0.0 };
        let (mut queue, mut dice, mut is_bad) = (0.0f64, 1u64, false);
        let mut flying: VecDeque<Packet> = VecDeque::new();
        let (mut last_out, mut sent_packets, mut lost_packets) = (0.0f64, 0.0, 0.0);
        let mut queues = Vec::new();
        let mut tally = Tally { by_lane: vec![0.0; lanes], ..Tally::default() };
        for step in 0..(seconds / STEP_S) as u64 {
            let now = step as f64 * STEP_S;
            queue = (queue - rate * STEP_S).max(0.0);
            let on = cross.is_on(now);
            other.step(now, on, base, rate, self.queue_kib * 1024.0, &mut queue);
            for turn in 0..lanes {
                let lane = (turn + step as usize) % lanes;
                while us[lane].may_send(now) {
                    sent_packets += 1.0;
                    let overflow = queue > 0.0 && queue + PACKET > self.queue_kib * 1024.0;
                    if !overflow {
                        queue += PACKET;
                    }
                    let jitter = (unit(&mut dice) * 2.0 - 1.0) * self.jitter_ms / 1e3;
                    let arrives = (now + queue / rate + base + jitter).max(last_out);
                    last_out = arrives;
                    is_bad = self.is_lost(is_bad, &mut dice);
                    let is_lost = overflow || is_bad;
                    flying.push_back(Packet { lane, sent: now, arrives, is_lost });
                }
            }
            while flying.front().is_some_and(|packet| packet.arrives <= now) {
                let Some(packet) = flying.pop_front() else { break };
                if packet.is_lost {
                    lost_packets += 1.0;
                    us[packet.lane].lose();
                } else {
                    tally.deliver(packet.lane, cross, now);
                    us[packet.lane].arrived(&mut uplinks[packet.lane % nodes], now, packet.sent);
                }
            }
            for (lane, us) in us.iter_mut().enumerate() {
                us.wait(&mut uplinks[lane % nodes], now);
            }
            if step % 200 == 0 {
                queues.push(queue / rate * 1e3);
            }
        }
        queues.sort_by(f64::total_cmp);
        let share = |packets: f64, of_s: f64| packets * PACKET / of_s.max(1.0) / rate;
        let (from_s, to_s, _) = cross.times();
        let slowest = tally.by_lane.iter().copied().fold(f64::MAX, f64::min);
        Seen {
            share: share(tally.done, seconds),
            slowest: slowest * lanes as f64 / tally.done,
            queue_median_ms: queues[queues.len() / 2],
            queue_p95_ms: queues[queues.len() * 95 / 100],
            share_beside: share(tally.beside, to_s.min(seconds) - from_s - SETTLES_S),
            share_after: share(tally.after, seconds - to_s - SETTLES_S),
            lost: lost_packets / sent_packets,
        }
    }
}

impl Greedy {
    fn step(&mut self, now: f64, on: bool, base: f64, rate: f64, queue_max: f64, queue: &mut f64) {
        while self.back.front().is_some_and(|back| *back <= now) {
            self.back.pop_front();
            self.in_flight -= PACKET;
            self.window += PACKET * PACKET / self.window;
        }
        while on && self.in_flight + PACKET <= self.window {
            if *queue > 0.0 && *queue + PACKET > queue_max {
                if now >= self.deaf_until {
                    self.window = (self.window * 0.7).max(2.0 * PACKET);
                    self.deaf_until = now + base + *queue / rate;
                }
                break;
            }
            *queue += PACKET;
            self.in_flight += PACKET;
            self.back.push_back(now + *queue / rate + base);
        }
    }
}

/// A number below 1; xorshift.
fn unit(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1u64 << 53) as f64
}
