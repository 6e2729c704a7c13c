//! How much of a bulk connection may be in flight: the background class makes room for everybody, the urgent class takes
//! its share. Pure: times of sending and acknowledging come in, a window comes out.
//!
//! What must stay true:
//! - The signal is delay: round trips above the base delay are a queue, less what the other side's stamps say of the way back. Loss without a queue is no congestion, for rural
//!   links lose 1-3 % when idle. Congestion is: much more lost with a queue than without, or more than a tenth in any case.
//! - The background class keeps the queue that it makes near `Config::target`, and beside traffic that fills the queue it
//!   falls to its floor within a few round trips. The floors of many senders to one site add up, so it then rests between one
//!   packet and the next. The rate is never zero, so base delay and progress go on.
//! - The lanes of a node share its way out, so they share the queue that they see there, and move towards equal parts of it.
//! - A step is no larger than the queue that was measured, unless steps like it have not helped: on a long path a few
//!   milliseconds of queue are a few per cent of the window.
//!
//! After RFC 6817 and draft-irtf-iccrg-ledbat-plus-plus. Rejected:
//! 1. Their halving on loss: 5-8 % of the link at 2 % random loss. CUBIC does the same.
//! 2. Their slow-down to two packets for two round trips: at 300 ms it costs 8 % of the link. Half a window for one round
//!    trip drains the queue that a target of milliseconds allows, and costs 2 %.
//! 3. BBR: its probing keeps the queue full in quinn, and it does not make room.

mod delay;
mod pacer;
mod reverse;
mod round;
#[cfg(test)]
mod tests;
mod uplink;

use super::time::Timestamp;
use delay::{BaseDelay, Jitter};
pub use pacer::{Leave, Pacer};
pub use reverse::ReversePath;
use round::{Batch, Fates, Round};
use std::time::Duration;
pub use uplink::Uplink;
use uplink::{LaneId, Report};

/// Queue of the background class unless it is told otherwise: half of what a conversation would notice.
pub const TARGET: Duration = Duration::from_millis(8);
/// Queue of the urgent class where nobody else makes one: full rate also on links whose rate wavers.
const URGENT_TARGET: Duration = Duration::from_millis(30);
/// A path that wavers by more than this is not followed: the queue would be as long as TCP's.
const JITTER_MAX: Duration = Duration::from_millis(100);
/// What leaves before anything is known of a path, spread over a round trip: RFC 9002, section 7.2.
const INITIAL_PACKETS: u64 = 10;
/// And where somebody waits: at 300 ms of round trip half a second less until the link is full.
const INITIAL_PACKETS_URGENT: u64 = 32;
/// The longest that the other side may wait for a second packet before it acknowledges a single one: short beside any target. The
/// protocol's own 25 ms would look like a queue.
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(4);
/// The other side acknowledges at once when so many packets wait for it. The delay of the newest is what is looked at. Each one or
/// two took 7 % of an uplink of 5 Mbit/s that received 7 from eight peers.
pub const ACK_PACKETS: u32 = 8;
const WINDOW_PACKETS_MIN: u64 = 1;
/// Time between two looks at the path without our queue; but not more than one round trip in so many, as each costs about one.
const DRAIN_EVERY: Duration = Duration::from_secs(10);
const ROUNDS_BETWEEN_DRAINS: u32 = 100;
/// More than this lost in a round trip is a queue too short to be seen, or a policer.
const LOSS_SHARE_MAX: f64 = 0.1;
/// So much more than what the path loses without a queue, and twice that, is a queue that overflows.
const LOSS_SHARE_QUEUED: f64 = 0.02;
/// Losses of fewer packets say nothing about a share. Neither do losses among fewer where there is no queue and the start is over: radio
/// links lose several packets in a row, and that is a large part of a small window.
const LOSS_PACKETS_MIN: u64 = 5;
const LOSS_SHARE_OF: u64 = 256;
/// Rounds above the target, in spite of all steps back, until the urgent class takes the queue for somebody else's.
const ROUNDS_UNTIL_COMPETING: u32 = 4;
/// The start goes on at this fraction of its speed when delay rises, until the rate shows whether that is a queue.
const SLOWER_WHEN_QUEUED: u64 = 4;
/// Round trips in which a lane comes closer to its fair part by two thirds.
const SHARING: f64 = 8.0;
/// Rounds above the target, in spite of all steps back and at the cost of rate, until even the floor is too much.
const ROUNDS_UNTIL_RESTING: u32 = 4;
/// Least part of the floor that is sent: a packet in so many round trips, but no longer than this.
const RESTING_SHARE_MIN: f64 = 1.0 / 8.0;
const REST_MAX: Duration = Duration::from_secs(2);
/// What CUBIC keeps after a loss (RFC 9438).
const KEPT_AFTER_LOSS: f64 = 0.7;

/// Who the bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// May wait: only what nobody else uses.
    #[default]
    Background,
    /// Somebody waits: a full share, as TCP takes it.
    Urgent,
}

/// What an operator may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Queue that the background class may make.
    pub target: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { target: TARGET }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Doubles each round until a queue shows, or this window is reached.
    Start { until: u64 },
    /// Follows the queue.
    Steady,
    /// Lets the queue run dry for a round, then goes back to this window.
    Draining { back_to: u64 },
}

/// One connection's controller.
#[derive(Debug, Clone)]
pub struct Controller {
    config: Config,
    lane: LaneId,
    class: Class,
    mtu: u64,
    /// In bytes, and below the floor when it rests: what is sent in a round trip on average.
    window: f64,
    phase: Phase,
    base: BaseDelay,
    /// Queue on the way back: not ours to drain.
    reverse: Duration,
    jitter: Jitter,
    batch: Batch,
    round: Round,
    fates: Fates,
    /// Bytes a second delivered in the last full round.
    rate: f64,
    /// Share of packets that is lost where there is no queue.
    idle_loss: f64,
    /// Where a queue showed last: up to there the window may grow fast.
    ceiling: u64,
    /// In the round after a step for losses, those of the round before are still being told.
    deaf: bool,
    /// Rounds in a row without a queue, and above the target.
    under: u32,
    over: u32,
    /// All rounds, and those above the target.
    rounds: (u64, u64),
    /// What all lanes together delivered before the steps back.
    delivered_before: f64,
    /// Urgent only: somebody else fills the queue, so loss is the signal.
    competing: bool,
    /// When the queue was let run dry last.
    drained: Timestamp,
    /// Background only: somebody else fills the queue, and the floor is too much.
    resting: bool,
    rests_until: Timestamp,
}

impl Controller {
    /// A controller of a fresh path, one of those that share `uplink`.
    pub fn new(config: Config, uplink: &mut Uplink, now: Timestamp, mtu: u64) -> Self {
        Self {
            config,
            lane: uplink.join(),
            class: Class::Background,
            mtu,
            window: (INITIAL_PACKETS * mtu) as f64,
            phase: Phase::Start { until: u64::MAX },
            base: BaseDelay::default(),
            reverse: Duration::ZERO,
            jitter: Jitter::default(),
            batch: Batch::default(),
            round: Round::new(now),
            fates: Fates::default(),
            rate: 0.0,
            idle_loss: 0.0,
            ceiling: 0,
            deaf: false,
            under: 0,
            over: 0,
            rounds: (0, 0),
            delivered_before: 0.0,
            competing: false,
            drained: now,
            resting: false,
            rests_until: now,
        }
    }

    /// Bytes that may be in flight from [`Controller::rests_until`] on; none before.
    pub fn window(&self) -> u64 {
        (self.window as u64).max(self.floor())
    }

    /// When the next packets may leave; in the past where it does not rest.
    pub fn rests_until(&self) -> Timestamp {
        self.rests_until
    }

    /// Round trips so far, and those with a queue above the target.
    pub fn rounds(&self) -> (u64, u64) {
        self.rounds
    }

    /// Bytes of the largest packet.
    pub fn mtu(&self) -> u64 {
        self.mtu
    }

    /// The class in force.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Switches the class; takes effect with the next round.
    pub fn set_class(&mut self, class: Class) {
        if class != self.class {
            (self.class, self.under, self.over, self.competing) = (class, 0, 0, false);
            self.wake();
            if matches!(self.phase, Phase::Start { until: u64::MAX }) {
                self.set_window(self.window.max(self.initial_window() as f64));
            }
        }
    }

    /// The largest packet has another size.
    pub fn set_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
        self.set_window(self.window);
    }

    /// What the way back adds to round trips now.
    pub fn set_reverse(&mut self, queue: Duration) {
        self.reverse = queue;
    }

    /// A packet was acknowledged.
    pub fn handle_ack(&mut self, now: Timestamp, sent: Timestamp, bytes: u64) {
        self.batch.add(now, sent, bytes);
    }

    /// All packets of one acknowledgement have been told. `app_limited`: there was nothing more to send.
    pub fn handle_acks_end(&mut self, uplink: &mut Uplink, now: Timestamp, app_limited: bool) {
        let batch = std::mem::take(&mut self.batch);
        let Some(sent) = batch.newest else { return };
        self.base.add(now, batch.delay);
        self.round.add_delay(batch.delay);
        self.round.add(batch.bytes, app_limited);
        if matches!(self.phase, Phase::Start { .. }) {
            self.start(now, batch.bytes, app_limited);
        }
        if self.round.is_ended_by(sent) {
            self.end_round(uplink, now);
        }
    }

    /// Packets were lost; all of them for a long time, if `persistent`.
    pub fn handle_loss(&mut self, bytes: u64, persistent: bool) {
        self.round.lost += bytes;
        if persistent {
            // The path was away; what it carried before is a hint of what it carries now.
            self.phase = Phase::Start { until: (self.window() / 2).max(self.floor()) };
            self.wake();
            self.set_window(0.0);
            self.rate = 0.0;
        }
    }

    /// The sender stops one byte short of the window, hence one more.
    fn floor(&self) -> u64 {
        WINDOW_PACKETS_MIN * self.mtu + 1
    }

    fn initial_window(&self) -> u64 {
        let packets = match self.class {
            Class::Background => INITIAL_PACKETS,
            Class::Urgent => INITIAL_PACKETS_URGENT,
        };
        packets * self.mtu
    }

    /// What of a round trip is a queue on the way there.
    fn queue(&self, round_trip: Option<Duration>) -> Option<Duration> {
        let base = self.base.get()?;
        Some(round_trip?.saturating_sub(base).saturating_sub(self.reverse))
    }

    /// Queue that this class may make on this path.
    fn target(&self) -> Duration {
        let own = match self.class {
            Class::Background => self.config.target,
            Class::Urgent => self.config.target.max(URGENT_TARGET),
        };
        own.max(self.jitter.get().min(JITTER_MAX))
    }

    fn start(&mut self, now: Timestamp, acked: u64, app_limited: bool) {
        let Phase::Start { until } = self.phase else { return };
        let queue = self.queue(self.round.recent());
        let is_queued = queue.is_some_and(|queue| queue > self.target() * 3 / 4);
        if !app_limited {
            let growth = if is_queued { acked / SLOWER_WHEN_QUEUED } else { acked };
            let window = self.window();
            self.set_window((window + growth).min(until.max(window)) as f64);
        }
        if self.window() >= until || (is_queued && self.is_full(now, queue.unwrap_or_default())) {
            self.phase = Phase::Steady;
            self.keep_delivered(self.round.rate(now).max(self.rate));
            // A guess until a queue shows again.
            self.ceiling = 0;
            self.round = Round::new(now);
        }
    }

    /// Jitter looks like a queue, but then the rate still grows with the window, if there is enough to send.
    fn is_full(&self, now: Timestamp, queue: Duration) -> bool {
        let base = self.base.get().unwrap_or_default();
        let is_known = now.since(self.round.begun) >= base / 4;
        let is_flat = !self.round.app_limited && self.round.rate(now) < 1.4 * self.rate;
        is_known && (is_flat || queue > (self.target() * 4).max(base / 4))
    }

    /// Without a queue, this rate needs no larger window.
    fn keep_delivered(&mut self, rate: f64) {
        if self.base.get().is_some() {
            self.set_window((rate * self.round_trip(Duration::ZERO)).min(self.window));
            self.ceiling = self.window();
        }
    }

    fn end_round(&mut self, uplink: &mut Uplink, now: Timestamp) {
        let round = std::mem::replace(&mut self.round, Round::new(now));

        self.rounds.0 += 1;
        self.rate = round.rate(now);
        self.jitter.add(&round);
        let own = self.queue(round.recent().or(round.least));
        let rate = self.window / self.round_trip(own.unwrap_or_default());
        let report = Report { queue: own, rate, delivered: self.rate, app_limited: round.app_limited };
        let view = uplink.report(now, self.lane, report, self.target());
        // Too few packets of its own to tell, or nearly what the others see: it is the shared queue.
        let is_shared = |own: Duration| view.queue.is_some_and(|shared| own <= shared + self.target());
        let queue = own.filter(|own| !is_shared(*own)).or(view.queue);
        let was_deaf = std::mem::take(&mut self.deaf);
        if self.is_overflow(&round, queue) && !was_deaf {
            let was_starting = matches!(std::mem::replace(&mut self.phase, Phase::Steady), Phase::Start { .. });
            self.deaf = true;
            self.keep_delivered(self.rate);
            if was_starting && queue.is_none_or(|queue| queue <= self.target() / 4) {
                // It may have been the path, and no queue says where to be careful.
                self.ceiling = 0;
            }
            return;
        }
        match self.phase {
            // A window that was not used is not known to fit (RFC 7661): it would leave as one burst.
            Phase::Start { .. } if round.app_limited => {
                let used = (round.acked * 2).max(self.initial_window());
                self.set_window(self.window.min(used as f64));
            }
            Phase::Start { .. } => {}
            Phase::Draining { back_to } => {
                self.phase = Phase::Steady;
                self.set_window(back_to as f64);
            }
            Phase::Steady => match queue {
                Some(queue) => {
                    self.follow(now, &round, queue, view.delivered);
                    self.share(view.fair);
                    self.rest(now, queue);
                }
                // Nothing measured yet.
                None => self.set_window(self.window + self.mtu as f64 / 2.0),
            },
        }
    }

    /// Whether a queue lost packets, and not the path.
    fn is_overflow(&mut self, round: &Round, queue: Option<Duration>) -> bool {
        self.fates.add(round);
        let is_sure = self.phase != Phase::Steady || queue.is_some_and(|queue| queue > self.target());
        if !is_sure && self.fates.bytes() < LOSS_SHARE_OF * self.mtu {
            return false;
        }
        let fates = std::mem::take(&mut self.fates);
        let (share, is_queued) = (fates.lost_share(), queue.is_some_and(|queue| queue > self.target() / 4));
        let allowed = if is_queued { self.idle_loss * 2.0 + LOSS_SHARE_QUEUED } else { LOSS_SHARE_MAX };
        if !is_queued && round.samples > 0 {
            self.idle_loss += (share - self.idle_loss) / 8.0;
        }
        fates.lost >= LOSS_PACKETS_MIN * self.mtu && share > allowed.min(LOSS_SHARE_MAX)
    }

    fn follow(&mut self, now: Timestamp, round: &Round, queue: Duration, delivered: f64) {
        let target = self.target();
        self.under = if queue < target / 4 { self.under.saturating_add(1) } else { 0 };
        self.over = if queue > target { self.over.saturating_add(1) } else { 0 };
        self.rounds.1 += u64::from(queue > target);
        if self.over <= 1 {
            self.delivered_before = delivered;
        }
        let is_foreign = |rounds| self.over >= rounds && delivered < self.delivered_before * KEPT_AFTER_LOSS;
        match self.class {
            Class::Urgent if self.competing => self.competing = queue >= target / 2,
            Class::Urgent => self.competing = is_foreign(ROUNDS_UNTIL_COMPETING),
            Class::Background => self.resting |= is_foreign(ROUNDS_UNTIL_RESTING),
        }
        if self.competing {
            let (window, is_lost) = (self.window, round.lost > 0 && queue > target);
            self.set_window(if is_lost { window * KEPT_AFTER_LOSS } else { window + self.mtu as f64 });
        } else if queue > target {
            self.step_back(queue, target);
        } else if !round.app_limited {
            self.grow(queue, target);
            self.drain_if_due(now);
        }
    }

    /// A part of the way to what the others have.
    fn share(&mut self, fair: Option<f64>) {
        let Some(fair) = fair.filter(|_| self.phase == Phase::Steady) else { return };
        let (window, fair) = (self.window, fair * self.round_trip(Duration::ZERO));
        self.set_window(window + (fair - window) / SHARING);
    }

    /// By the queue that is too much; by more each time that this has not helped, for then it is somebody else's.
    fn step_back(&mut self, queue: Duration, target: Duration) {
        let share = (queue - target).as_secs_f64() / self.round_trip(queue);
        self.set_window(self.window * (1.0 - (share * doubled(self.over)).min(0.5)));
        self.ceiling = self.window();
    }

    /// By half of what the target leaves, where there is a queue; where there is none, fast up to the last ceiling, and
    /// beyond it carefully at first.
    fn grow(&mut self, queue: Duration, target: Duration) {
        let (window, mtu) = (self.window, self.mtu as f64);
        if self.under == 0 {
            let share = ((target - queue).as_secs_f64() / self.round_trip(queue) / 2.0).min(0.25);
            self.ceiling = self.window();
            return self.set_window(window + (window * share).max(mtu / 10.0));
        }
        if self.window() < self.ceiling {
            return self.set_window((window * 1.25).min(self.ceiling as f64 + 1.0));
        }
        if window < self.ceiling as f64 * 1.25 {
            self.under = 1;
        }
        let share = (doubled(self.under) / 64.0).min(0.25);
        self.set_window(window + (window * share).max(mtu / 2.0));
    }

    fn drain_if_due(&mut self, now: Timestamp) {
        let (Some(base), target) = (self.base.get(), self.target()) else { return };
        if now.since(self.drained) < DRAIN_EVERY.max(base * ROUNDS_BETWEEN_DRAINS) {
            return;
        }
        self.drained = now;
        self.phase = Phase::Draining { back_to: self.window() };
        // A path shorter than the queue must lose it all.
        self.set_window(if base > target * 2 { self.window / 2.0 } else { 0.0 });
    }

    fn round_trip(&self, queue: Duration) -> f64 {
        (self.base.get().unwrap_or_default() + self.reverse + queue).as_secs_f64().max(1e-6)
    }

    fn set_window(&mut self, window: f64) {
        let floor = self.floor() as f64;
        self.resting &= window < floor;
        self.window = window.max(if self.resting { floor * RESTING_SHARE_MIN } else { floor });
    }

    /// What is less than the floor is sent as the floor, more rarely.
    fn rest(&mut self, now: Timestamp, queue: Duration) {
        if self.resting {
            let rounds = self.floor() as f64 / self.window - 1.0;
            self.rests_until = now + Duration::from_secs_f64(rounds * self.round_trip(queue)).min(REST_MAX);
        }
    }

    fn wake(&mut self) {
        (self.resting, self.rests_until) = (false, Timestamp(0));
        self.set_window(self.window);
    }
}

/// 1 for the first in a row, 2 for the second, and so on.
fn doubled(in_a_row: u32) -> f64 {
    f64::from(1u32 << in_a_row.saturating_sub(1).min(16))
}
