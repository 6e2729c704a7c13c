//! Rate limits at work: the limiters of `protocol::plan` on the real clock, of the node and of each lane.
//!
//! What must stay true: a limit is on the wire's bytes, IP and UDP headers, acknowledgements and repetitions included. The
//! control plane's small questions are not counted. A change holds at once, also for whoever waits.

use super::carrier::{Carrier, Wire};
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::limiter::{BytesPerSecond, Limiter, Rates};
use karez_protocol::wire::peer::Urgency;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy)]
enum Which {
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

/// The limits of one lane, beside those of the node.
#[derive(Debug)]
pub(super) struct LaneLimits {
    whole: Limits,
    up: Throttle,
    down: Throttle,
    told: Mutex<Told>,
}

/// Up to where a lane's wire was counted, and since which limits.
#[derive(Debug, Default)]
struct Told {
    wire: Wire,
    rates: Rates,
}

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

    pub(super) fn lane(&self) -> LaneLimits {
        let throttle = |which| Throttle::new(&self.0.rates, which);
        let (up, down) = (throttle(Which::PeerUp), throttle(Which::PeerDown));
        let told = Mutex::new(Told { rates: self.rates(), wire: Wire::default() });
        LaneLimits { whole: self.clone(), up, down, told }
    }
}

impl LaneLimits {
    /// The most to send at once.
    pub(super) fn piece_up(&self) -> usize {
        let rates = self.whole.rates();
        rates.up.piece().min(rates.peer_up.piece()) as usize
    }

    /// The most to read at once.
    pub(super) fn piece_down(&self) -> usize {
        let rates = self.whole.rates();
        rates.down.piece().min(rates.peer_down.piece()) as usize
    }

    /// The rate at which this lane may receive, when there is a limit.
    pub(super) fn rate_down(&self) -> Option<BytesPerSecond> {
        let rates = self.whole.rates();
        [rates.down, rates.peer_down].into_iter().filter(|rate| rate.0 > 0).min()
    }

    /// Waits until so many bytes of chunks may be sent.
    pub(super) async fn pass_up(&self, carrier: &Carrier, bytes: u64, urgency: Urgency) {
        if self.count(carrier) {
            self.whole.0.up.pass(bytes, urgency).await;
            self.up.pass(bytes, urgency).await;
        }
    }

    /// Waits until so many bytes of chunks may be taken from the peer, which is what lets it send as many again.
    pub(super) async fn pass_down(&self, carrier: &Carrier, bytes: u64) {
        if self.count(carrier) {
            self.whole.0.down.pass(bytes, Urgency::Background).await;
            self.down.pass(bytes, Urgency::Background).await;
        }
    }

    /// Tells all limiters what the wire carried since the last time; false without limits.
    fn count(&self, carrier: &Carrier) -> bool {
        let rates = self.whole.rates();
        if rates == Rates::default() {
            return false;
        }
        // Looked at under the lock: several tasks of a lane count, and an older look must not follow a newer one.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = carrier.wire();
        if told.rates == rates {
            let sent = wire.sent.saturating_sub(told.wire.sent);
            let received = wire.received.saturating_sub(told.wire.received);
            self.whole.0.up.carried(sent);
            self.up.carried(sent);
            self.whole.0.down.carried(received);
            self.down.carried(received);
        }
        *told = Told { wire, rates };
        true
    }
}

/// One limiter, and who waits for it: the more urgent first, and in the order of coming.
#[derive(Debug)]
struct Throttle {
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

    fn carried(&self, bytes: u64) {
        self.with(|limiter, now| limiter.carried(bytes, now));
    }

    async fn pass(&self, bytes: u64, urgency: Urgency) {
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
