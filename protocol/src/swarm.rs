//! What a node asks of whom: one pure state machine per release.
//!
//! `swarm.handle(now, Input)`, `swarm.poll_output() -> Option<Output>`, `swarm.next_deadline() -> Option<Timestamp>`.
//! The rule: each chunk crosses each bottleneck once. A chunk is taken from the cheapest lane that has it (uplink group,
//! other site, publisher); over a bottleneck only its importer takes it, and the others wait as long as that delivers. Sites
//! that are only heard of are importers like all others: what they bring comes by somebody who reaches them.
//!
//! Inside: `importer` says whose turn it is, `picker` which chunk, `peers` who can give it, `patience` how long to wait,
//! `standing` whom to rely on, `window` which chunks are looked at one by one and `siblings` what this node's other swarms
//! fetch; these never meet. `scheduler` joins them.
//!
//! Releases may share chunks. A shell with several swarms calls `swarm.poll_flights()` after each input, tells the others at
//! once what began ([`io::Elsewhere::Begun`]), then, of what came, that it is held, and last what ended: so a shared chunk is
//! asked for once, whoever needs it.

mod announcer;
mod importer;
pub mod io;
mod lane;
mod pace;
mod patience;
mod peers;
mod picker;
mod scheduler;
mod siblings;
mod standing;
mod status;
mod window;

pub use scheduler::{Config, Swarm};
pub use status::{PeerStatus, Status};
pub use window::WINDOW_ROWS;
