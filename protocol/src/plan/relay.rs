//! What a relay gives: set by its operator, kept where bytes move.

use super::limiter::BytesPerSecond;
use std::time::Duration;

/// Quotas of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Circuits at once.
    pub circuits: usize,
    /// Of these, with any one member at either end.
    pub peer_circuits: usize,
    /// Bytes that one circuit may carry, both ways together; then it ends.
    pub circuit_bytes: u64,
    /// How long one circuit may last.
    pub circuit_time: Duration,
    /// What all circuits together may carry, both ways together, in bytes of the wire.
    pub rate: BytesPerSecond,
}
