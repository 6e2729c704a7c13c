//! What all parties of a Karez network agree on, and what a node decides.
//!
//! This crate is pure: no clock, file, socket, thread, lock or async runtime. Time, randomness and bytes are arguments.
//! Everything a peer, a stick or a tracker sends is parsed here, once, into values that are valid by construction.
//!
//! Inside: `wire` may import `content` and `trust`; `trust` may import `content`; `swarm` may import `content`, `trust`
//! identities and `plan`; `plan` stands alone. Nothing imports upwards.

pub mod content;
pub mod plan;
pub mod swarm;
pub mod trust;
pub mod wire;
