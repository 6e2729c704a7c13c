//! A bottleneck, a sender that obeys the controller and paces as quinn does, and perhaps somebody else.
//!
//! Steps of 50 µs; every second packet is acknowledged, or after 25 ms. The same numbers give the same run.

use crate::plan::congestion::{Class, Config, Controller};
use crate::plan::time::Timestamp;
use std::collections::VecDeque;

const STEP_S: f64 = 50e-6;
const PACKET: f64 = 1_452.0;
const ACK_TIMER_S: f64 = 0.025;
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
    beside: f64,
    after: f64,
}

impl Tally {
    fn deliver(&mut self, cross: Cross, now: f64) {
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
    pub(super) queue_median_ms: f64,
    pub(super) queue_p95_ms: f64,
    /// While somebody else was there, from 3 s after it came.
    pub(super) share_beside: f64,
    /// From 3 s after it went.
    pub(super) share_after: f64,
    pub(super) lost: f64,
}

struct Packet {
    sent: f64,
    arrives: f64,
    is_lost: bool,
}

struct Sender {
    controller: Controller,
    in_flight: f64,
    tokens: f64,
    srtt: f64,
}

impl Sender {
    /// quinn's pacer: 1.25 windows a round trip, bursts of ten packets.
    fn may_send(&mut self) -> bool {
        let window = self.controller.window() as f64;
        let burst = (window * 0.002 / self.srtt).max(10.0 * PACKET);
        self.tokens = (self.tokens + 1.25 * window / self.srtt * STEP_S).min(burst);
        self.in_flight + PACKET < window && self.tokens >= PACKET
    }

    fn acknowledge(&mut self, now: f64, acked: &[f64]) {
        let at = |seconds: f64| Timestamp((seconds * 1e6) as u64);
        for sent in acked {
            self.in_flight -= PACKET;
            self.controller.handle_ack(at(now), at(*sent), PACKET as u64);
            self.srtt += (now - sent - self.srtt) / 8.0;
        }
        self.controller.handle_acks_end(at(now), false);
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
    pub(super) const PLAIN: Self = Self { mbit: 10.0, base_ms: 50.0, queue_kib: 64.0, jitter_ms: 0.0, loss: 0.0 };

    pub(super) fn run(self, class: Class, seconds: f64, cross: Cross) -> Seen {
        let rate = self.mbit * 125_000.0;
        let base = self.base_ms / 1e3;
        let mut controller = Controller::new(Config::default(), Timestamp(0), PACKET as u64);
        controller.set_class(class);
        let mut us = Sender { controller, in_flight: 0.0, tokens: 10.0 * PACKET, srtt: base };
        let mut other = Greedy { window: 4.0 * PACKET, in_flight: 0.0, back: VecDeque::new(), deaf_until: 0.0 };
        let (mut queue, mut dice) = (0.0f64, 1u64);
        let mut flying: VecDeque<Packet> = VecDeque::new();
        let (mut waiting, mut waits_until) = (Vec::new(), f64::INFINITY);
        let (mut last_out, mut sent_packets, mut lost_packets) = (0.0f64, 0.0, 0.0);
        let mut queues = Vec::new();
        let mut tally = Tally::default();
        for step in 0..(seconds / STEP_S) as u64 {
            let now = step as f64 * STEP_S;
            queue = (queue - rate * STEP_S).max(0.0);
            let on = cross.is_on(now);
            other.step(now, on, base, rate, self.queue_kib * 1024.0, &mut queue);
            while us.may_send() {
                us.tokens -= PACKET;
                us.in_flight += PACKET;
                sent_packets += 1.0;
                let overflow = queue > 0.0 && queue + PACKET > self.queue_kib * 1024.0;
                if !overflow {
                    queue += PACKET;
                }
                let jitter = (unit(&mut dice) * 2.0 - 1.0) * self.jitter_ms / 1e3;
                let arrives = (now + queue / rate + base + jitter).max(last_out);
                last_out = arrives;
                flying.push_back(Packet { sent: now, arrives, is_lost: overflow || unit(&mut dice) < self.loss });
            }
            let mut lost = 0.0;
            while flying.front().is_some_and(|packet| packet.arrives <= now) {
                let Some(packet) = flying.pop_front() else { break };
                if packet.is_lost {
                    lost += 1.0;
                    us.in_flight -= PACKET;
                    continue;
                }
                tally.deliver(cross, now);
                waiting.push(packet.sent);
                waits_until = now + ACK_TIMER_S;
                if waiting.len() > 1 {
                    us.acknowledge(now, &std::mem::take(&mut waiting));
                }
            }
            if lost > 0.0 {
                lost_packets += lost;
                us.controller.handle_loss((lost * PACKET) as u64, false);
            }
            if !waiting.is_empty() && now >= waits_until {
                us.acknowledge(now, &std::mem::take(&mut waiting));
            }
            if step % 200 == 0 {
                queues.push(queue / rate * 1e3);
            }
        }
        queues.sort_by(f64::total_cmp);
        let share = |packets: f64, of_s: f64| packets * PACKET / of_s.max(1.0) / rate;
        let (from_s, to_s, _) = cross.times();
        Seen {
            share: share(tally.done, seconds),
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
