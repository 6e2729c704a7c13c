//! What a link can do: the settings of one direction, in the units of the topology file.

use super::error::TopologyError;
use serde::{Deserialize, Serialize};

/// Settings of one direction of a link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shape {
    /// 0 is no limit.
    pub(crate) rate_mbit: f64,
    /// Bound of the queue, the packet on its way included.
    pub(crate) queue_kib: f64,
    /// What an idle link may emit at once; 0 sends strictly one bit after the other.
    pub(crate) burst_kib: f64,
    /// Counted on top of each packet: 38 is Ethernet's preamble, header, check sum and gap.
    pub(crate) overhead_bytes: f64,
    /// One way.
    pub(crate) delay_ms: f64,
    /// Uniform, plus or minus.
    pub(crate) jitter_ms: f64,
    /// Whether jitter may change the order of packets.
    pub(crate) reorder: bool,
    /// Mean loss.
    pub(crate) loss_percent: f64,
    /// Mean length of a run of losses in packets; 1 is independent losses.
    pub(crate) loss_burst: f64,
    /// `false` is an outage: everything is dropped.
    pub(crate) enabled: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            rate_mbit: 0.0,
            queue_kib: 128.0,
            burst_kib: 0.0,
            overhead_bytes: 0.0,
            delay_ms: 0.0,
            jitter_ms: 0.0,
            reorder: false,
            loss_percent: 0.0,
            loss_burst: 1.0,
            enabled: true,
        }
    }
}

impl Shape {
    /// Refuses what would not be a link: no file with such a setting is run.
    pub(crate) fn check(&self, link: &str) -> Result<(), TopologyError> {
        let settings = [
            ("rate_mbit", self.rate_mbit, f64::MAX),
            ("queue_kib", self.queue_kib, f64::MAX),
            ("burst_kib", self.burst_kib, f64::MAX),
            ("overhead_bytes", self.overhead_bytes, f64::MAX),
            ("delay_ms", self.delay_ms, 600_000.0),
            ("jitter_ms", self.jitter_ms, 600_000.0),
            ("loss_percent", self.loss_percent, 100.0),
            ("loss_burst", self.loss_burst - 1.0, f64::MAX),
        ];
        match settings.iter().find(|(_, value, max)| !(0.0..=*max).contains(value)) {
            Some((setting, ..)) => Err(TopologyError::Setting { link: link.to_owned(), setting }),
            None => Ok(()),
        }
    }

    /// Nanoseconds that so many bytes take; `None` without a limit.
    pub(crate) fn nanoseconds_of(&self, bytes: f64) -> Option<f64> {
        (self.rate_mbit > 0.0).then(|| bytes * 8.0 * 1e3 / self.rate_mbit)
    }

    pub(crate) fn queue_bytes(&self) -> f64 {
        self.queue_kib * 1024.0
    }

    pub(crate) fn burst_bytes(&self) -> f64 {
        self.burst_kib * 1024.0
    }

    pub(crate) fn delay_ns(&self) -> u64 {
        (self.delay_ms * 1e6) as u64
    }

    pub(crate) fn jitter_ns(&self) -> f64 {
        self.jitter_ms * 1e6
    }

    pub(crate) fn loss(&self) -> f64 {
        self.loss_percent / 100.0
    }
}
