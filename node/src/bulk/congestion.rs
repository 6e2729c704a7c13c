//! The controller of `protocol::plan` put to work: quinn's clock and numbers in, a window out.
//!
//! What must stay true: nothing is decided here. The class is read at every acknowledgement, so a switch needs no message. The window
//! is kept by the [`Gate`], not by quinn.

use super::gate::Gate;
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::congestion::{Class, Config, Controller, Pacer, Uplink};
use quinn::congestion;
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A connection stays urgent for so long after an urgent chunk: a player asks every few seconds.
const URGENT_FOR: Duration = Duration::from_secs(5);

/// How the lanes of a node use its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    /// Queue that background work may make, and such.
    pub config: Config,
    /// All that this node sends is urgent: somebody waits, or the link is its own.
    pub always_urgent: bool,
}

/// What all paths of an endpoint share.
#[derive(Debug)]
pub(super) struct Way {
    manners: Manners,
    started: Instant,
    uplink: Mutex<Uplink>,
}

impl Way {
    pub(super) fn new(manners: Manners) -> Self {
        Self { manners, started: Instant::now(), uplink: Mutex::default() }
    }

    fn with_uplink<T>(&self, act: impl FnOnce(&mut Uplink) -> T) -> T {
        act(&mut self.uplink.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl congestion::ControllerFactory for Way {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn congestion::Controller> {
        let clock = Clock { started: self.started, told: Arc::default() };
        let (config, now) = (self.manners.config, clock.timestamp(now));
        let mut controller = self.with_uplink(|uplink| Controller::new(config, uplink, now, current_mtu.into()));
        if self.manners.always_urgent {
            controller.set_class(Class::Urgent);
        }
        let gate = Arc::new(Gate::new(self.started, Pacer::new(now, controller.window(), controller.mtu())));
        Box::new(Congestion { controller, clock, gate, round_trip: Duration::ZERO, repair: 0, way: self })
    }
}

/// quinn's own window and pacer, which hold acknowledgements up, stand open (from 4 GiB it does not pace).
const NO_WINDOW: u64 = 1 << 40;
/// But while what was lost leaves again, which they pace: at least so many packets, RFC 9002's initial window. With two, a lane that
/// loses most waited for a time-out behind each.
const REPAIR_PACKETS_MIN: u64 = 10;
/// What the peer's stamps said is forgotten after so long without one.
const REVERSE_FOR: Duration = Duration::from_millis(500);

/// The endpoint's clock, and what a path is told from outside.
#[derive(Debug, Clone)]
struct Clock {
    started: Instant,
    told: Arc<Told>,
}

#[derive(Debug, Default)]
struct Told {
    urgent_until: AtomicU64,
    /// Microseconds of queue on the way back, and until when they count.
    reverse: AtomicU64,
    reverse_until: AtomicU64,
}

impl Clock {
    fn timestamp(&self, at: Instant) -> Timestamp {
        Timestamp(at.saturating_duration_since(self.started).as_micros() as u64)
    }

    fn reverse(&self, now: Timestamp) -> Duration {
        let counts = now.0 < self.told.reverse_until.load(Ordering::Relaxed);
        Duration::from_micros(if counts { self.told.reverse.load(Ordering::Relaxed) } else { 0 })
    }

    fn is_urgent(&self, now: Timestamp) -> bool {
        now.0 < self.told.urgent_until.load(Ordering::Relaxed)
    }
}

/// One path's controller.
#[derive(Debug, Clone)]
struct Congestion {
    controller: Controller,
    clock: Clock,
    gate: Arc<Gate>,
    round_trip: Duration,
    /// Bytes lost that have not left again: quinn sends them without asking the gate.
    repair: u64,
    way: Arc<Way>,
}

impl Congestion {
    fn tell_gate(&self, tell: impl FnOnce(&mut Pacer)) {
        let (controller, round_trip) = (&self.controller, self.round_trip);
        self.gate.tell(|pacer| {
            tell(pacer);
            pacer.set_window(controller.window(), controller.mtu(), round_trip, controller.rests_until());
        });
    }
}

/// Somebody waits for what is sent on this connection now. A path that is replaced forgets it until the next urgent chunk.
pub(super) fn hurry(connection: &quinn::Connection) {
    if let Some(clock) = clock(connection) {
        let until = clock.timestamp(Instant::now()) + URGENT_FOR;
        clock.told.urgent_until.store(until.0, Ordering::Relaxed);
    }
}

/// The queue on the way back is so long now.
pub(super) fn tell_reverse(connection: &quinn::Connection, queue: Duration) {
    if let Some(clock) = clock(connection) {
        let until = clock.timestamp(Instant::now()) + REVERSE_FOR;
        clock.told.reverse.store(queue.as_micros() as u64, Ordering::Relaxed);
        clock.told.reverse_until.store(until.0, Ordering::Relaxed);
    }
}

/// The gate of the path that a connection has now.
pub(super) fn gate(connection: &quinn::Connection) -> Option<Arc<Gate>> {
    path(connection).map(|path| path.gate)
}

/// Round trips of the path so far, and those with a queue that was stepped back from.
pub(super) fn rounds(connection: &quinn::Connection) -> (u64, u64) {
    path(connection).map(|path| path.controller.rounds()).unwrap_or_default()
}

fn clock(connection: &quinn::Connection) -> Option<Clock> {
    path(connection).map(|path| path.clock)
}

fn path(connection: &quinn::Connection) -> Option<Box<Congestion>> {
    connection.congestion_state().into_any().downcast().ok()
}

impl congestion::Controller for Congestion {
    fn on_sent(&mut self, _: Instant, bytes: u64, _: u64) {
        self.repair = self.repair.saturating_sub(bytes);
        self.gate.handle_sent(bytes);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _: bool, round_trip: &RttEstimator) {
        self.round_trip = round_trip.get();
        self.controller.handle_ack(self.clock.timestamp(now), self.clock.timestamp(sent), bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _: bool, _: Option<u64>) {
        let now = self.clock.timestamp(now);
        let is_urgent = self.way.manners.always_urgent || self.clock.is_urgent(now);
        self.controller.set_class(if is_urgent { Class::Urgent } else { Class::Background });
        self.controller.set_reverse(self.clock.reverse(now));
        let (controller, app_limited) = (&mut self.controller, !self.gate.has_more(now));
        self.way.with_uplink(|uplink| controller.handle_acks_end(uplink, now, app_limited));
        self.tell_gate(|pacer| pacer.set_in_flight(now, in_flight));
    }

    fn on_congestion_event(&mut self, _: Instant, _: Instant, is_persistent: bool, lost_bytes: u64) {
        self.controller.handle_loss(lost_bytes, is_persistent);
        self.repair += lost_bytes;
        self.tell_gate(|_| {});
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.controller.set_mtu(new_mtu.into());
    }

    fn window(&self) -> u64 {
        match self.repair {
            0 => NO_WINDOW,
            _ => self.controller.window().max(REPAIR_PACKETS_MIN * self.controller.mtu()),
        }
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        NO_WINDOW
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use congestion::ControllerFactory as _;

    #[test]
    fn a_copy_of_the_state_switches_the_class_of_the_connection() {
        let now = Instant::now();
        let mut running = Arc::new(Way::new(Manners::default())).build(now, 1_200);
        let copy = running.clone_box().into_any().downcast::<Congestion>().unwrap();
        let class = |running: &dyn congestion::Controller| {
            running.clone_box().into_any().downcast::<Congestion>().unwrap().controller.class()
        };
        copy.clock.told.urgent_until.store(1_000_000, Ordering::Relaxed);
        running.on_end_acks(now + Duration::from_millis(10), 0, false, None);
        assert_eq!(class(&*running), Class::Urgent);
        running.on_end_acks(now + Duration::from_secs(2), 0, false, None);
        assert_eq!(class(&*running), Class::Background);
    }
}
