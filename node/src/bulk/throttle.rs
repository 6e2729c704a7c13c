//! The rate limiter of `protocol::plan` put to work: waits on the real clock.

use karez_protocol::plan::Timestamp;
use karez_protocol::plan::limiter::{BytesPerSecond, Limiter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What a chunk byte costs on the wire: QUIC, UDP and IP headers and acknowledgements, about 4 % (design: network.md).
const WIRE_OVERHEAD: f64 = 1.04;

/// A shared limiter of one direction. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Throttle {
    start: Instant,
    limiter: Arc<Mutex<Limiter>>,
}

impl Throttle {
    /// A limiter at this rate on the wire; zero is none.
    pub fn new(rate: BytesPerSecond) -> Self {
        let start = Instant::now();
        Self { start, limiter: Arc::new(Mutex::new(Limiter::new(rate, Timestamp(0)))) }
    }

    /// The rate in force.
    pub fn rate(&self) -> BytesPerSecond {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner).rate()
    }

    /// Waits until this many payload bytes may pass.
    pub async fn pass(&self, bytes: u64) {
        let now = Timestamp(self.start.elapsed().as_micros() as u64);
        let wire = (bytes as f64 * WIRE_OVERHEAD) as u64;
        let wait = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).take(wire, now);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}
