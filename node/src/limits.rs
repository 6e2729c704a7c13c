//! Rate limits at work: the limiters of `protocol::plan` on the real clock.
//!
//! What must stay true: a limit is on the wire's bytes, IP and UDP headers, acknowledgements and repetitions included. The
//! control plane's small questions are not counted. A change holds at once, also for whoever waits.

use karez_protocol::plan::Timestamp;
use karez_protocol::plan::limiter::{BytesPerSecond, Limiter, Rates};
use karez_protocol::wire::peer::Urgency;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Up,
    Down,
    PeerUp,
    PeerDown,
}

impl Which {
    fn of(self, rates: &Rates) -> BytesPerSecond {
        match self {
            Self::Up => rates.up,
            Self::Down => rates.down,
            Self::PeerUp => rates.peer_up,
            Self::PeerDown => rates.peer_down,
        }
    }
}

/// The limits of a node, changeable while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Whole>);

#[derive(Debug)]
struct Whole {
    rates: watch::Sender<Rates>,
    up: Throttle,
    down: Throttle,
}

/// What a byte of a TCP stream costs on the wire in hundredths: headers of TCP and IP, records of Noise and Yamux, acknowledgements.
pub(crate) const TCP_WIRE_PERCENT: u64 = 104;

impl Limits {
    /// Limits at these rates.
    pub fn new(rates: Rates) -> Self {
        let (rates, _) = watch::channel(rates);
        let throttle = |which| Throttle::new(&rates, which);
        let (up, down) = (throttle(Which::Up), throttle(Which::Down));
        Self(Arc::new(Whole { up, down, rates }))
    }

    /// The rates in force.
    pub fn rates(&self) -> Rates {
        *self.0.rates.borrow()
    }

    /// Changes them from now on.
    pub fn set(&self, rates: Rates) {
        self.0.rates.send_replace(rates);
    }

    pub(crate) fn up(&self) -> &Throttle {
        &self.0.up
    }

    pub(crate) fn down(&self) -> &Throttle {
        &self.0.down
    }

    /// A throttle of this kind of its own, at the rates in force.
    pub(crate) fn throttle(&self, which: Which) -> Throttle {
        Throttle::new(&self.0.rates, which)
    }

    /// Waits until so many bytes that are neither from here nor for here may come in and go out again.
    pub(crate) async fn pass_through(&self, bytes: u64) {
        for throttle in [self.down(), self.up()] {
            throttle.pass(bytes, Urgency::Background).await;
            throttle.carried(bytes * TCP_WIRE_PERCENT / 100);
        }
    }
}

/// One limiter, and who waits for it: the more urgent first, and in the order of coming.
#[derive(Debug)]
pub(crate) struct Throttle {
    start: Instant,
    which: Which,
    rates: watch::Receiver<Rates>,
    limiter: Mutex<Limiter>,
    turns: [tokio::sync::Mutex<()>; 3],
    waiting: [AtomicUsize; 3],
    passed: Notify,
}

/// Counts as waiting while it lives.
struct Waiting<'a>(&'a Throttle, usize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting[self.1].fetch_sub(1, Ordering::Relaxed);
        self.0.passed.notify_waiters();
    }
}

impl Throttle {
    fn new(rates: &watch::Sender<Rates>, which: Which) -> Self {
        let rates = rates.subscribe();
        let limiter = Mutex::new(Limiter::new(which.of(&rates.borrow()), Timestamp(0)));
        let (turns, waiting, passed) = Default::default();
        Self { start: Instant::now(), which, rates, limiter, turns, waiting, passed }
    }

    /// Acts on the limiter at the rate in force.
    fn with<T>(&self, act: impl FnOnce(&mut Limiter, Timestamp) -> T) -> T {
        let now = Timestamp(self.start.elapsed().as_micros() as u64);
        let rate = self.which.of(&self.rates.borrow());
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.set_rate(rate, now);
        act(&mut limiter, now)
    }

    pub(crate) fn carried(&self, bytes: u64) {
        self.with(|limiter, now| limiter.carried(bytes, now));
    }

    pub(crate) async fn pass(&self, bytes: u64, urgency: Urgency) {
        if self.which.of(&self.rates.borrow()).0 == 0 {
            return;
        }
        let class = urgency as usize;
        self.waiting[class].fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(self, class);
        let _turn = self.turns[class].lock().await;
        self.yield_to_more_urgent(class).await;
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

    async fn yield_to_more_urgent(&self, class: usize) {
        loop {
            let passed = self.passed.notified();
            tokio::pin!(passed);
            // Before the look: whoever passes between the two wakes us.
            passed.as_mut().enable();
            if self.waiting[..class].iter().all(|waiting| waiting.load(Ordering::Relaxed) == 0) {
                return;
            }
            passed.await;
        }
    }
}
