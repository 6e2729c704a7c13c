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

/// When a lane's next stamp is due.
#[derive(Debug)]
pub(super) struct Stamps {
    begun: Instant,
    due_micros: AtomicU64,
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), due_micros: AtomicU64::new(0) }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.begun.elapsed().as_micros() as u64)
    }

    /// Bytes of chunks arrived.
    pub(super) fn arrived(&self, connection: &quinn::Connection) {
        let now = self.now();
        if now.0 >= self.due_micros.load(Ordering::Relaxed) {
            self.due_micros.store((now + EVERY).0, Ordering::Relaxed);
            // A peer that takes none is one of an older version.
            let _ = connection.send_datagram(stamp::to_bytes(now.0).to_vec().into());
        }
    }
}

/// Reads the peer's stamps until the connection ends.
pub(super) async fn read(lane: &Lane, connection: &quinn::Connection) {
    let mut path = ReversePath::default();
    while let Ok(datagram) = connection.read_datagram().await {
        // Another shape is of a later version.
        if let Ok(stamp) = stamp::from_bytes(&datagram) {
            congestion::tell_reverse(connection, path.handle_stamp(lane.stamps.now(), Timestamp(stamp)));
        }
    }
}
