//! The limits of one lane, beside those of the node: both are told what the lane's wire carried.

use super::carrier::{Carrier, Wire};
use crate::limits::{Flow, Limits, Throttle, Which};
use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use std::sync::{Mutex, PoisonError};

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

impl LaneLimits {
    pub(super) fn new(whole: &Limits) -> Self {
        let (up, down) = (whole.throttle(Which::PeerUp), whole.throttle(Which::PeerDown));
        let told = Mutex::new(Told { rates: whole.rates(), wire: Wire::default() });
        Self { whole: whole.clone(), up, down, told }
    }

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
            self.whole.up().pass(bytes, flow).await;
            self.up.pass(bytes, flow).await;
        }
    }

    /// Waits until so many bytes of chunks may be taken from the peer, which is what lets it send as many again.
    pub(super) async fn pass_down(&self, carrier: &Carrier, bytes: u64) {
        if self.count(carrier) {
            self.whole.down().pass(bytes, Flow::default()).await;
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
            self.whole.up().carried(sent);
            self.up.carried(sent);
            self.whole.down().carried(received);
            self.down.carried(received);
        }
        *told = Told { wire, rates };
        true
    }
}
