//! What is between a lane's chunks and its connection: lets go what the controller's window has room for.
//!
//! quinn sends no acknowledgement while data waits for its window or its pacer (RFC 9002, 7, wants them to pass): lanes that
//! carry chunks both ways took each other's waiting for a queue. So its own window is never full; chunks wait here, while
//! acknowledgements, time stamps and small messages pass.
//!
//! What must stay true: the most urgent goes first; whoever waits is woken when the window moves, or looks again soon when the
//! connection has another path, whose gate is another.

use super::congestion;
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::congestion::{Leave, Pacer};
use karez_protocol::wire::peer::Urgency;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// After so long without passing, the path is looked at again.
const SAME_PATH_FOR: Duration = Duration::from_secs(1);
/// Whoever had to wait so recently has more to send, though it does not wait at this moment.
const HAS_MORE_FOR: Duration = Duration::from_millis(10);

/// The gate of a path.
#[derive(Debug)]
pub(super) struct Gate {
    started: Instant,
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    pacer: Pacer,
    /// Who waits, by urgency.
    waiting: [u32; 3],
    waited_last: Timestamp,
}

impl Gate {
    pub(super) fn new(started: Instant, pacer: Pacer) -> Self {
        let state = State { pacer, waiting: [0; 3], waited_last: Timestamp(0) };
        Self { started, state: Mutex::new(state), moved: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the pacer something; whoever waits looks again.
    pub(super) fn tell(&self, tell: impl FnOnce(&mut Pacer)) {
        let is_waited_at = self.with(|state| {
            tell(&mut state.pacer);
            state.waiting != [0; 3]
        });
        if is_waited_at {
            self.moved.notify_waiters();
        }
    }

    /// Bytes were put on their way: nobody gains room by it.
    pub(super) fn handle_sent(&self, bytes: u64) {
        self.with(|state| state.pacer.handle_sent(bytes));
    }

    /// Whether there is more to send than may leave.
    pub(super) fn has_more(&self, now: Timestamp) -> bool {
        self.with(|state| state.waiting != [0; 3] || now.since(state.waited_last) < HAS_MORE_FOR)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.started.elapsed().as_micros() as u64)
    }

    /// Waits until some of `want` bytes may leave; how many.
    async fn pass(&self, urgency: Urgency, want: usize) -> usize {
        let _waiting = Waiting::new(self, urgency);
        loop {
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable();
            let now = self.now();
            match self.with(|state| state.leave(now, urgency, want as u64)) {
                Leave::Now(bytes) => return bytes as usize,
                Leave::At(then) => drop(timeout(then.since(now), moved).await),
                Leave::Later => moved.await,
            }
        }
    }
}

impl State {
    fn leave(&mut self, now: Timestamp, urgency: Urgency, want: u64) -> Leave {
        let is_more_urgent_waiting = self.waiting[..urgency as usize].iter().any(|count| *count > 0);
        let leave = match is_more_urgent_waiting {
            true => Leave::Later,
            false => self.pacer.leave(now, want, urgency == Urgency::Play),
        };
        if !matches!(leave, Leave::Now(_)) {
            self.waited_last = now;
        }
        leave
    }
}

/// A place among those who wait.
struct Waiting<'g>(&'g Gate, Urgency);

impl<'g> Waiting<'g> {
    fn new(gate: &'g Gate, urgency: Urgency) -> Self {
        gate.with(|state| state.waiting[urgency as usize] += 1);
        Self(gate, urgency)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let others_wait = self.0.with(|state| {
            state.waiting[self.1 as usize] -= 1;
            state.waiting != [0; 3]
        });
        if others_wait {
            self.0.moved.notify_waiters();
        }
    }
}

/// The way to a connection through the gate of whatever path it has. Kept for as long as something is sent that way: finding the gate
/// copies the controller's state.
#[derive(Debug)]
pub(super) struct Gated<'c> {
    connection: &'c quinn::Connection,
    remote: SocketAddr,
    gate: Option<Arc<Gate>>,
}

impl<'c> Gated<'c> {
    pub(super) fn new(connection: &'c quinn::Connection) -> Self {
        Self { connection, remote: connection.remote_address(), gate: congestion::gate(connection) }
    }

    /// Waits until some of `want` bytes may be given to the connection; how many.
    pub(super) async fn pass(&mut self, urgency: Urgency, want: usize) -> usize {
        if self.remote != self.connection.remote_address() {
            *self = Self::new(self.connection);
        }
        while let Some(gate) = &self.gate {
            if let Ok(bytes) = timeout(SAME_PATH_FOR, gate.pass(urgency, want)).await {
                return bytes;
            }
            *self = Self::new(self.connection);
        }
        want
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn gate(window: u64) -> Gate {
        let started = Instant::now() - Duration::from_secs(1);
        let mut pacer = Pacer::new(Timestamp(0), window, 1_240);
        pacer.set_window(window, 1_240, Duration::from_millis(1), Timestamp(0));
        Gate::new(started, pacer)
    }

    #[tokio::test]
    async fn the_most_urgent_goes_first_and_whoever_waits_is_woken() {
        let gate = gate(2_500);
        assert_eq!(gate.pass(Urgency::Background, 2_400).await, 2_400);
        let (mut background, mut play) =
            (Box::pin(gate.pass(Urgency::Background, 2_400)), Box::pin(gate.pass(Urgency::Play, 2_400)));
        assert!(background.as_mut().now_or_never().is_none() && play.as_mut().now_or_never().is_none());
        let now = gate.now();
        assert!(gate.has_more(now));
        gate.handle_sent(2_400);
        gate.tell(|pacer| pacer.set_in_flight(now, 0));
        assert!(background.as_mut().now_or_never().is_none(), "somebody waits for the other");
        assert_eq!(play.await, 2_400);
        gate.handle_sent(2_400);
        gate.tell(|pacer| pacer.set_in_flight(now, 0));
        assert_eq!(background.await, 2_400);
    }

    #[tokio::test]
    async fn who_gives_up_makes_room_for_the_less_urgent() {
        let gate = gate(2_500);
        let play = Box::pin(gate.pass(Urgency::Play, 9_000));
        gate.with(|state| state.waiting[0] += 1);
        let mut background = Box::pin(gate.pass(Urgency::Background, 100));
        assert!(background.as_mut().now_or_never().is_none());
        drop(play);
        drop(Waiting(&gate, Urgency::Play));
        assert_eq!(background.await, 100);
    }
}
