//! A link's two directions: the sending side picks by urgency and in turn, the receiving side takes what comes in order.

use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::plan::time::Timestamp;
use karez_protocol::wire::peer::Urgency;
use std::collections::{BTreeMap, VecDeque};

/// Headers, in parts of chunk bytes; loss comes on top. Both together are 4.1 % at half a percent of loss.
const HEADERS: f64 = 0.036;

/// A chunk on its way from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) chunk: ChunkIndex,
}

/// One link.
#[derive(Debug, Clone)]
pub(super) struct Port {
    up: f64,
    down: f64,
    /// Bytes on the wire for each byte of a chunk.
    overhead: f64,
    sending: Option<Parcel>,
    waiting: BTreeMap<(usize, usize), [VecDeque<ChunkIndex>; 3]>,
    last: [(usize, usize); 3],
    down_free: Timestamp,
}

impl Port {
    /// Rates in Mbit/s, loss in percent.
    pub(super) fn new((up, down): (f64, f64), loss: f64) -> Self {
        let (last, waiting) = ([(0, 0); 3], BTreeMap::new());
        let overhead = 1.0 + HEADERS + loss / 100.0;
        Self { up, down, overhead, sending: None, waiting, last, down_free: Timestamp(0) }
    }

    /// Other rates from now on; what is under way goes on as it was.
    pub(super) fn set_rates(&mut self, (up, down): (f64, f64)) {
        (self.up, self.down) = (up, down);
    }

    pub(super) fn push(&mut self, parcel: Parcel, urgency: Urgency) {
        self.waiting.entry((parcel.from, parcel.to)).or_default()[urgency as usize].push_back(parcel.chunk);
    }

    /// Drops a chunk that was not begun.
    pub(super) fn cancel(&mut self, parcel: Parcel) {
        for queue in self.waiting.get_mut(&(parcel.from, parcel.to)).into_iter().flatten() {
            queue.retain(|chunk| *chunk != parcel.chunk);
        }
    }

    /// Drops all between two nodes, both ways.
    pub(super) fn sever(&mut self, a: usize, b: usize) {
        self.waiting.remove(&(a, b));
        self.waiting.remove(&(b, a));
    }

    /// Begins to send the next chunk, unless busy.
    pub(super) fn begin(&mut self) -> Option<Parcel> {
        if self.sending.is_some() {
            return None;
        }
        self.sending = (0..3).find_map(|class| self.next_of(class));
        self.sending
    }

    fn next_of(&mut self, class: usize) -> Option<Parcel> {
        let fits = |(_, queues): &(&(usize, usize), &[VecDeque<ChunkIndex>; 3])| !queues[class].is_empty();
        let turn = self.waiting.iter().filter(|(pair, _)| **pair > self.last[class]).find(fits);
        let (from, to) = *turn.or_else(|| self.waiting.iter().find(fits))?.0;
        self.last[class] = (from, to);
        let chunk = self.waiting.get_mut(&(from, to))?[class].pop_front()?;
        Some(Parcel { from, to, chunk })
    }

    /// The chunk has left.
    pub(super) fn end(&mut self) -> Option<Parcel> {
        self.sending.take()
    }

    /// Microseconds to send bytes.
    pub(super) fn time_up(&self, bytes: u64) -> u64 {
        self.micros(bytes, self.up)
    }

    /// When bytes that arrive at `at` are in.
    pub(super) fn take_in(&mut self, at: Timestamp, bytes: u64) -> Timestamp {
        self.down_free = Timestamp(self.down_free.max(at).0 + self.micros(bytes, self.down));
        self.down_free
    }

    /// A megabit a second is a bit a microsecond.
    fn micros(&self, bytes: u64, megabits: f64) -> u64 {
        (bytes as f64 * self.overhead * 8.0 / megabits) as u64
    }
}
