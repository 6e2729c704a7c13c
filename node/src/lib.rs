//! The Karez node: one daemon per site, and the commands that talk to it.
//!
//! `driver` is the loop that decides, by way of `karez_protocol::swarm`; `control` (libp2p) and `bulk` (quinn) move
//! messages and chunks and never meet; `gateway`, `api` and `care` ask the driver through `handle`; `cli` is a stranger to
//! all of them and speaks to the daemon over its local socket. `daemon` introduces everybody to everybody.

pub mod api;
pub mod bulk;
pub mod care;
pub mod cli;
pub mod control;
pub mod daemon;
pub mod driver;
pub mod gateway;
pub mod handle;
pub mod home;
pub mod keys;
pub mod limits;
pub mod membership;
pub mod pipe;
pub mod proxy;
pub mod setup;
pub mod shelf;
pub mod state;
pub mod tracker_client;
pub mod trouble;
mod words;
