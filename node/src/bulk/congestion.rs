//! The controller of `protocol::plan` put to work: quinn's clock and numbers in, a window out.
//!
//! What must stay true: nothing is decided here. The class is read at every acknowledgement, so a switch needs no message. A lane
//! rests only while somebody wakes it, sends nothing urgent, and brings no chunks the other way, which need its small messages.

use super::endpoint::ONE_WAY_STREAMS;
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::congestion::{Class, Config, Controller, Uplink};
use quinn::congestion;
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

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
        Box::new(Congestion { controller, clock, way: self })
    }
}

/// What the peer's stamps said is forgotten after so long without one.
const REVERSE_FOR: Duration = Duration::from_millis(500);
/// A lane on which a chunk's bytes arrived does not rest for so long.
const RECEIVING_FOR: Duration = Duration::from_secs(2);

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
    receiving_until: AtomicU64,
    /// Until when nothing is to leave, and whether somebody will wake the connection then: nothing else would.
    rests_until: AtomicU64,
    is_watched: AtomicBool,
    rests: Notify,
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

    /// How long nothing is to leave from now on.
    fn rest(&self) -> Option<Duration> {
        let until = Timestamp(self.told.rests_until.load(Ordering::Relaxed));
        if until == Timestamp(0) || !self.told.is_watched.load(Ordering::Relaxed) {
            return None;
        }
        let now = self.timestamp(Instant::now());
        let is_receiving = now.0 < self.told.receiving_until.load(Ordering::Relaxed);
        (now < until && !is_receiving && !self.is_urgent(now)).then(|| until.since(now))
    }
}

/// One path's controller.
#[derive(Debug, Clone)]
struct Congestion {
    controller: Controller,
    clock: Clock,
    way: Arc<Way>,
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

/// Bytes of a chunk arrived on this connection.
pub(super) fn note_receiving(connection: &quinn::Connection) {
    if let Some(clock) = clock(connection) {
        let until = clock.timestamp(Instant::now()) + RECEIVING_FOR;
        clock.told.receiving_until.store(until.0, Ordering::Relaxed);
    }
}

/// Wakes a connection whenever a rest is over, as long as it lives. A path that takes the place of this one does not rest.
pub(super) async fn keep_awake(connection: &quinn::Connection) {
    let Some(clock) = clock(connection) else { return std::future::pending().await };
    clock.told.is_watched.store(true, Ordering::Relaxed);
    loop {
        clock.told.rests.notified().await;
        while let Some(rest) = clock.rest() {
            tokio::time::sleep(rest).await;
        }
        // It has this number already; but quinn looks whether anything may leave.
        connection.set_max_concurrent_uni_streams(ONE_WAY_STREAMS.into());
    }
}

fn clock(connection: &quinn::Connection) -> Option<Clock> {
    connection.congestion_state().into_any().downcast::<Congestion>().ok().map(|path| path.clock)
}

impl congestion::Controller for Congestion {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _: bool, _: &RttEstimator) {
        self.controller.handle_ack(self.clock.timestamp(now), self.clock.timestamp(sent), bytes);
    }

    fn on_end_acks(&mut self, now: Instant, _: u64, app_limited: bool, _: Option<u64>) {
        let now = self.clock.timestamp(now);
        let is_urgent = self.way.manners.always_urgent || self.clock.is_urgent(now);
        self.controller.set_class(if is_urgent { Class::Urgent } else { Class::Background });
        self.controller.set_reverse(self.clock.reverse(now));
        let controller = &mut self.controller;
        self.way.with_uplink(|uplink| controller.handle_acks_end(uplink, now, app_limited));
        let rests_until = self.controller.rests_until();
        self.clock.told.rests_until.store(rests_until.0, Ordering::Relaxed);
        if now < rests_until {
            self.clock.told.rests.notify_one();
        }
    }

    fn on_congestion_event(&mut self, _: Instant, _: Instant, is_persistent: bool, lost_bytes: u64) {
        self.controller.handle_loss(lost_bytes, is_persistent);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.controller.set_mtu(new_mtu.into());
    }

    fn window(&self) -> u64 {
        if self.clock.rest().is_some() { 0 } else { self.controller.window() }
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.controller.window()
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
