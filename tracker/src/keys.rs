//! The keys that members authenticate their announces with, each computed when an announce names its member first, whoever sent it.
//! Nothing is written: after a restart they are computed again, some 50 µs each.
//!
//! What must stay true: only members have an entry, so that strangers cannot fill the table.

use crate::view::Current;
use ed25519_dalek::SigningKey;
use karez_protocol::trust::{PairKey, PeerId};
use std::collections::HashMap;

/// Keys that are kept, some 100 bytes each; further members' are computed for each announce.
const KEYS_MAX: usize = 65_536;

/// The table.
#[derive(Debug)]
pub(crate) struct Keys {
    known: HashMap<PeerId, PairKey>,
    room: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { known: HashMap::new(), room: KEYS_MAX }
    }
}

impl Keys {
    /// The key of a member that an announce named before.
    pub(crate) fn known(&self, peer: &PeerId) -> Option<PairKey> {
        self.known.get(peer).cloned()
    }

    /// Keeps a member's key if there is room.
    pub(crate) fn keep(&mut self, peer: PeerId, key: PairKey) {
        if self.known.len() < self.room {
            self.known.insert(peer, key);
        }
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain_members(&mut self, current: &Current) {
        self.known.retain(|peer, _| current.member(peer).is_some());
    }
}

/// The key between the tracker and a member.
pub(crate) fn agree(own: &SigningKey, peer: &PeerId) -> Option<PairKey> {
    PairKey::agree(own, &peer.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_stays_as_it_is() {
        let tracker = SigningKey::from_bytes(&[9; 32]);
        let peers: Vec<_> = (1..=3_u8)
            .map(|seed| PeerId::from_bytes(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()))
            .collect();
        let mut keys = Keys { room: 2, ..Keys::default() };
        for peer in &peers {
            keys.keep(*peer, agree(&tracker, peer).unwrap());
        }
        let known: Vec<_> = peers.iter().map(|peer| keys.known(peer).is_some()).collect();
        assert_eq!(known, [true, true, false]);
    }
}
