//! Rate limits at work: the limiters of `protocol::plan` on the real clock.
//!
//! What must stay true: a limit is on the wire's bytes, IP and UDP headers, acknowledgements and repetitions included. The
//! control plane's small questions are not counted. A change holds at once, also for whoever waits.

mod throttle;

use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use std::sync::Arc;
pub(crate) use throttle::{Flow, Throttle};
use tokio::sync::watch;

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
            throttle.pass(bytes, Flow::default()).await;
            throttle.carried(bytes * TCP_WIRE_PERCENT / 100);
        }
    }
}
