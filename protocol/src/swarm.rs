//! What a node asks of whom: one pure state machine per release.
//!
//! `swarm.handle(now, Input)`, `swarm.poll_output() -> Option<Output>`, `swarm.next_deadline() -> Option<Timestamp>`.

pub mod io;
