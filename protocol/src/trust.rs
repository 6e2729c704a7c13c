//! Who may say what: keys as values, signed documents, the roster of a network, invites. Verification happens here;
//! private keys live with their owners and enter only as an argument of a signing function.
//!
//! Membership is a list of PeerIds and publisher keys signed by the tracker key that the invite pins. Signatures are
//! checked over the bytes as received and are domain-separated by document type and network.

pub mod invite;
pub mod key;
pub mod pair;
pub mod roster;
pub mod signed;

pub use key::{PeerId, PublicKey};
pub use pair::{Claimed, PairKey};
pub use signed::{SignatureError, Signed};
