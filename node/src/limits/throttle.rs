//! One limiter at work, and who waits for it: the more urgent first, then the releases by bytes, then in the order of coming.
//!
//! What must stay true: one at a time has the turn; whoever gives up waiting, or is dropped while it has the turn, holds nobody up.

use super::Which;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::limiter::{Limiter, Rates};
use karez_protocol::plan::turns::Turns;
use karez_protocol::wire::peer::Urgency;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// What bytes belong to: how urgent they are, and of which release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) urgency: Urgency,
    /// `None` shares nothing: in the order of coming.
    pub(crate) release: Option<ReleaseId>,
}

impl Default for Flow {
    fn default() -> Self {
        Self { urgency: Urgency::Background, release: None }
    }
}

/// Who waits.
#[derive(Debug)]
struct Waiter {
    flow: Flow,
    bytes: u64,
    called: Arc<Notify>,
}

/// Who has the turn and who waits for it.
#[derive(Debug, Default)]
struct Queue {
    is_taken: bool,
    waiting: Vec<Waiter>,
    turns: [Turns<Option<ReleaseId>>; 3],
}

impl Queue {
    /// Gives the turn to whoever goes next, if it is free.
    fn call(&mut self) {
        let Some(class) =
            self.waiting.iter().map(|waiter| waiter.flow.urgency as usize).min().filter(|_| !self.is_taken)
        else {
            return;
        };
        let of_class = |waiter: &&Waiter| waiter.flow.urgency as usize == class;
        let Some(next) = self.turns[class].next(self.waiting.iter().filter(of_class).map(|it| it.flow.release)) else {
            return;
        };
        let first = |waiter: &Waiter| of_class(&waiter) && waiter.flow.release == next;
        let Some(at) = self.waiting.iter().position(first) else { return };
        let waiter = self.waiting.remove(at);
        self.turns[class].charge(next, waiter.bytes);
        self.is_taken = true;
        waiter.called.notify_one();
    }
}

/// A limiter with its queue.
#[derive(Debug)]
pub(crate) struct Throttle {
    start: Instant,
    which: Which,
    rates: watch::Receiver<Rates>,
    limiter: Mutex<Limiter>,
    queue: Mutex<Queue>,
}

/// A place in the queue, or the turn; given back when dropped.
struct Place<'a> {
    throttle: &'a Throttle,
    called: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.throttle.queue(|queue| {
            match queue.waiting.iter().position(|waiter| Arc::ptr_eq(&waiter.called, &self.called)) {
                Some(at) => _ = queue.waiting.remove(at),
                // It was called, whether it has heard it or not.
                None => queue.is_taken = false,
            }
            queue.call();
        });
    }
}

impl Throttle {
    pub(super) fn new(rates: &watch::Sender<Rates>, which: Which) -> Self {
        let rates = rates.subscribe();
        let limiter = Mutex::new(Limiter::new(which.of(&rates.borrow()), Timestamp(0)));
        Self { start: Instant::now(), which, rates, limiter, queue: Mutex::default() }
    }

    /// Acts on the limiter at the rate in force.
    fn with<T>(&self, act: impl FnOnce(&mut Limiter, Timestamp) -> T) -> T {
        let now = Timestamp(self.start.elapsed().as_micros() as u64);
        let rate = self.which.of(&self.rates.borrow());
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.set_rate(rate, now);
        act(&mut limiter, now)
    }

    fn queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The wire carried so much since the last call.
    pub(crate) fn carried(&self, bytes: u64) {
        self.with(|limiter, now| limiter.carried(bytes, now));
    }

    /// Waits for the turn, and until so many bytes may move.
    pub(crate) async fn pass(&self, bytes: u64, flow: Flow) {
        if self.which.of(&self.rates.borrow()).0 == 0 {
            return;
        }
        let _place = self.turn(bytes, flow).await;
        let mut rates = self.rates.clone();
        let mut wait = self.with(|limiter, now| limiter.take(bytes, now));
        while wait > Duration::ZERO {
            // Nobody can change them any more when the sender is gone.
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(()) = rates.changed() => {}
            }
            wait = self.with(Limiter::wait);
        }
    }

    async fn turn(&self, bytes: u64, flow: Flow) -> Place<'_> {
        let called = Arc::new(Notify::new());
        let place = Place { throttle: self, called: called.clone() };
        self.queue(|queue| {
            queue.waiting.push(Waiter { flow, bytes, called: called.clone() });
            queue.call();
        });
        called.notified().await;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::plan::limiter::BytesPerSecond;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn throttle(rate: u64) -> (watch::Sender<Rates>, Arc<Throttle>) {
        let (rates, _) = watch::channel(Rates { up: BytesPerSecond(rate), ..Rates::default() });
        let throttle = Arc::new(Throttle::new(&rates, Which::Up));
        (rates, throttle)
    }

    fn flow(urgency: Urgency, release: u8) -> Flow {
        Flow { urgency, release: Some(ReleaseId::from_bytes([release; 32])) }
    }

    /// Bytes that each of some endless senders has passed when all together have passed so many.
    async fn passed(senders: &[(Flow, u64)], total: u64) -> Vec<u64> {
        let (_rates, throttle) = throttle(40_000_000);
        let sent: Arc<Vec<AtomicU64>> = Arc::new(senders.iter().map(|_| AtomicU64::new(0)).collect());
        let sum = |sent: &[AtomicU64]| sent.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum::<u64>();
        let mut tasks = tokio::task::JoinSet::new();
        for (at, (flow, bytes)) in senders.iter().copied().enumerate() {
            let (throttle, sent) = (throttle.clone(), sent.clone());
            tasks.spawn(async move {
                while sum(&sent) < total {
                    throttle.pass(bytes, flow).await;
                    sent[at].fetch_add(bytes, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
        sent.iter().map(|bytes| bytes.load(Ordering::Relaxed)).collect()
    }

    #[tokio::test]
    async fn releases_share_and_their_lanes_take_turns() {
        let of = |release| flow(Urgency::Import, release);
        let sent = passed(&[(of(1), 10_000), (of(2), 10_000), (of(2), 10_000), (of(2), 10_000)], 4_000_000).await;
        let (one, other) = (sent[0], sent[1..].iter().sum::<u64>());
        assert!(one.abs_diff(other) <= 60_000, "{sent:?}");
        let lanes = || sent[1..].iter();
        assert!(lanes().max().unwrap() - lanes().min().unwrap() <= 60_000, "{sent:?}");
    }

    #[tokio::test]
    async fn whoever_gives_up_holds_nobody_up() {
        let (_rates, throttle) = throttle(1_000);
        let slow = flow(Urgency::Background, 1);
        // The first has the turn for hours, the second waits for it; both give up.
        let mut first = Box::pin(throttle.pass(10_000_000, slow));
        let mut second = Box::pin(throttle.pass(1, slow));
        assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
        drop(second);
        assert_eq!(throttle.queue(|queue| (queue.is_taken, queue.waiting.len())), (true, 0));
        drop(first);
        assert_eq!(throttle.queue(|queue| (queue.is_taken, queue.waiting.len())), (false, 0));
    }

    #[test]
    fn the_urgent_go_first() {
        let (mut queue, mut order) = (Queue { is_taken: true, ..Queue::default() }, Vec::new());
        let calls = [(Urgency::Background, 1), (Urgency::Import, 2), (Urgency::Play, 3), (Urgency::Import, 4)];
        let waiter = |(urgency, release)| Waiter { flow: flow(urgency, release), bytes: 10, called: Arc::default() };
        queue.waiting.extend(calls.map(waiter));
        while !queue.waiting.is_empty() {
            let before: Vec<_> = queue.waiting.iter().map(|waiter| waiter.flow.release).collect();
            queue.is_taken = false;
            queue.call();
            let gone = before.iter().find(|it| queue.waiting.iter().all(|waiter| waiter.flow.release != **it));
            order.push(gone.unwrap().unwrap().as_bytes()[0]);
        }
        assert_eq!(order, [3, 2, 4, 1]);
    }
}
