//! What the tests of whole programs share: clusters of real processes on loopback, hostile peers.

pub mod badpeer;
pub mod cluster;
