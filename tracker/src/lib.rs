//! The Karez tracker: the registry of one network, its catalogue of signed releases, and peer lists.
//!
//! What is registered (members, publishers, invites, releases) is in SQLite and on disk before it is answered; what
//! nodes announce (addresses, holdings) is soft state in memory, written in batches. Nodes keep working with the peers
//! they know while the tracker is away, so nothing here is on the way of a chunk.
//!
//! Inside: `server` and `cli` call `tracker`; `tracker` joins `admission`, `catalogue`, `presence`, `keys` and
//! `view`; these stand on `registry` and `database`; `ordering` is pure. Time is an argument below `server` and `cli`.

pub mod admission;
mod catalogue;
pub mod cli;
mod database;
pub mod home;
mod keys;
mod messages;
mod ordering;
mod presence;
pub mod refusal;
mod registry;
pub mod server;
pub mod tracker;
mod view;

pub use admission::{InviteOrder, OrderError};
pub use catalogue::Listing;
pub use home::HomeError;
pub use refusal::RequestError;
pub use server::serve;
pub use tracker::{Health, RevokeError, Tracker, UnixSeconds};
