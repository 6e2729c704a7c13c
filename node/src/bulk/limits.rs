//! Rate limits at work: the limiters of `protocol::plan` on the real clock, of the node and of each lane.
//!
//! What must stay true: a limit is on the wire's bytes, IP and UDP headers, acknowledgements and repetitions included. The
//! control plane's small questions are not counted. A change holds at once, also for whoever waits.

use super::carrier::{Carrier, Wire};
use super::throttle::{Flow, Throttle};
use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Up,
    Down,
    PeerUp,
    PeerDown,
}

impl Which {
    pub(super) fn of(self, rates: &Rates) -> BytesPerSecond {
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
    pub(super) async fn pass_up(&self, carrier: &Carrier, bytes: u64, flow: Flow) {
        if self.count(carrier) {
            self.whole.0.up.pass(bytes, flow).await;
            self.up.pass(bytes, flow).await;
        }
    }

    /// Waits until so many bytes of chunks may be taken from the peer, which is what lets it send as many again.
    pub(super) async fn pass_down(&self, carrier: &Carrier, bytes: u64) {
        if self.count(carrier) {
            self.whole.0.down.pass(bytes, Flow::default()).await;
            self.down.pass(bytes, Flow::default()).await;
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
