//! Time stamps on a lane: sent while chunks arrive, and read for the controller that sends chunks there.
//!
//! What must stay true: they are sent only beside chunks, so an idle lane costs nothing; one that is lost is not missed.

use super::congestion;
use super::lane::Lane;
use karez_protocol::plan::Timestamp;
use karez_protocol::plan::congestion::ReversePath;
use karez_protocol::wire::stamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Several in the time whose least counts; each is a small packet on a way that may be full.
const EVERY: Duration = Duration::from_millis(90);

/// Something that is done every so often, by whoever comes by.
#[derive(Debug)]
pub(super) struct Due {
    begun: Instant,
    every: Duration,
    at_micros: AtomicU64,
}

impl Due {
    pub(super) fn new(every: Duration) -> Self {
        Self { begun: Instant::now(), every, at_micros: AtomicU64::new(0) }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.begun.elapsed().as_micros() as u64)
    }

    /// Whether it is due; if so, whoever asks does it.
    pub(super) fn is_due(&self) -> bool {
        let now = self.now();
        let is_due = now.0 >= self.at_micros.load(Ordering::Relaxed);
        if is_due {
            self.at_micros.store((now + self.every).0, Ordering::Relaxed);
        }
        is_due
    }
}

/// When a lane's next stamp is due.
#[derive(Debug)]
pub(super) struct Stamps(Due);

impl Default for Stamps {
    fn default() -> Self {
        Self(Due::new(EVERY))
    }
}

impl Stamps {
    /// Bytes of chunks arrived.
    pub(super) fn arrived(&self, connection: &quinn::Connection) {
        if self.0.is_due() {
            // A peer that takes none is one of an older version.
            let _ = connection.send_datagram(stamp::to_bytes(self.0.now().0).to_vec().into());
        }
    }
}

/// Reads the peer's stamps until the connection ends.
pub(super) async fn read(lane: &Lane, connection: &quinn::Connection) {
    let mut path = ReversePath::default();
    while let Ok(datagram) = connection.read_datagram().await {
        // Another shape is of a later version.
        if let Ok(stamp) = stamp::from_bytes(&datagram) {
            congestion::tell_reverse(connection, path.handle_stamp(lane.stamps.0.now(), Timestamp(stamp)));
        }
    }
}
