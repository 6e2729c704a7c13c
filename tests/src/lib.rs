//! What the tests of whole programs share: clusters of real processes on loopback or in network
//! namespaces, hostile peers.

pub mod badpeer;
pub mod cluster;
pub mod network;
