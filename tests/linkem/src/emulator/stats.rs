//! What was counted: by link, and of the emulator itself.

use serde::Serialize;

/// Packets and bytes of one direction of a link.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Counters {
    pub(crate) in_packets: u64,
    pub(crate) in_bytes: u64,
    pub(crate) out_packets: u64,
    pub(crate) out_bytes: u64,
    pub(crate) drop_queue_packets: u64,
    pub(crate) drop_queue_bytes: u64,
    pub(crate) drop_loss_packets: u64,
    pub(crate) drop_loss_bytes: u64,
    pub(crate) drop_outage_packets: u64,
    #[serde(skip)]
    waited_ns: u128,
    #[serde(skip)]
    waited_max_ns: u64,
}

impl Counters {
    pub(crate) fn came_in(&mut self, bytes: usize) {
        self.in_packets += 1;
        self.in_bytes += bytes as u64;
    }

    pub(crate) fn went_out(&mut self, bytes: usize) {
        self.out_packets += 1;
        self.out_bytes += bytes as u64;
    }

    pub(crate) fn waited(&mut self, nanoseconds: u64) {
        self.waited_ns += u128::from(nanoseconds);
        self.waited_max_ns = self.waited_max_ns.max(nanoseconds);
    }

    fn queue_wait_ms(&self) -> (f64, f64) {
        let queued = (self.in_packets - self.drop_queue_packets - self.drop_outage_packets).max(1);
        (self.waited_ns as f64 / queued as f64 / 1e6, self.waited_max_ns as f64 / 1e6)
    }
}

/// How punctual the emulator was: a run in which more than 1 % of the packets were late says more about the machine than
/// about the programs.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Punctuality {
    pub(crate) delivered_packets: u64,
    pub(crate) late_over_1ms: u64,
    #[serde(rename = "late_max_ms", serialize_with = "milliseconds")]
    pub(crate) late_max_ns: u64,
    /// Nobody has the address.
    pub(crate) unroutable_packets: u64,
    /// The receiving host's device was full.
    pub(crate) write_errors: u64,
    /// More packets under way than the emulator has room for.
    pub(crate) overflow_packets: u64,
}

impl Punctuality {
    pub(crate) fn delivered(&mut self, due: u64, now: u64) {
        let late = now.saturating_sub(due);
        self.delivered_packets += 1;
        self.late_max_ns = self.late_max_ns.max(late);
        self.late_over_1ms += u64::from(late > 1_000_000);
    }
}

/// The answer to `stats`.
#[derive(Debug, Serialize)]
pub(crate) struct Stats<'a> {
    pub(crate) elapsed_s: f64,
    #[serde(flatten)]
    pub(crate) punctuality: &'a Punctuality,
    pub(crate) links: Vec<LinkStats<'a>>,
}

/// One link's row of it.
#[derive(Debug, Serialize)]
pub(crate) struct LinkStats<'a> {
    link: &'a str,
    #[serde(flatten)]
    counters: &'a Counters,
    queue_wait_ms_mean: f64,
    queue_wait_ms_max: f64,
}

impl<'a> LinkStats<'a> {
    pub(crate) fn new(link: &'a str, counters: &'a Counters) -> Self {
        let (queue_wait_ms_mean, queue_wait_ms_max) = counters.queue_wait_ms();
        Self { link, counters, queue_wait_ms_mean, queue_wait_ms_max }
    }
}

fn milliseconds<S: serde::Serializer>(nanoseconds: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(*nanoseconds as f64 / 1e6)
}
