//! What the tests of whole programs share: clusters of real processes on loopback, hostile peers, the simulator.

pub mod badpeer;
pub mod cluster;
pub mod sim;
