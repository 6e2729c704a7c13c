//! The simulator: the real swarm core of every node, links in place of the network, a virtual clock.
//!
//! One flagship (node 0) and sites on links with a rate each way and a round trip. A chunk is stored and forwarded whole:
//! uplink, half a round trip, downlink. Uplinks serve the most urgent class first and peers in turn, as the node's
//! uploader does. Sites of an uplink group share one link to the outside and have a LAN among them. Everything follows
//! from the scenario and its seed: the same seed gives the same events, and `Outcome::event_hash` says so.
//!
//! Inside: `scenario` what is simulated, `plan` the files that say it, `hours` rates through a day, `world` the event loop,
//! `outcome` what came of it. docs/sim.md says what is modelled and what is not.

mod bound;
mod course;
mod dice;
mod hours;
mod outcome;
mod plan;
mod port;
mod scenario;
mod trace;
mod world;

pub use dice::Dice;
pub use hours::Span;
pub use outcome::Outcome;
pub use plan::{Error, Plan, size};
pub use scenario::{Conduct, Fate, Incident, Moment, Scenario, Site, Window};
