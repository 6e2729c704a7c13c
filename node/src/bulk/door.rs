//! Who may come in: connections that have not greeted yet, counted together and by address.
//!
//! What must stay true: whoever connects costs memory only while it holds a place here or has become the one lane of a member.
//! The places of one address or of one peer never are all places, so one machine alone cannot shut the others out.

use karez_protocol::trust::PeerId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that may shake hands and greet at once: about 20 MB.
pub(super) const PLACES: usize = 256;
/// Of these, from one address: a county behind one NAT greets within a round trip.
const PLACES_OF_ADDRESS: usize = 32;
/// Of these, of one peer: two when both dial at once, and two of before that are about to end.
const PLACES_OF_PEER: usize = 4;
/// Busy from here on: an address must be proven before it costs a handshake, so that forged ones take no place.
const BUSY: usize = PLACES / 8;

/// The door.
#[derive(Debug, Clone, Default)]
pub(super) struct Door(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
    by_peer: BTreeMap<PeerId, usize>,
}

/// Counts one more, if that is within the limit.
fn add<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, limit: usize) -> bool {
    let count = counts.entry(key).or_default();
    let has_room = *count < limit;
    *count += usize::from(has_room);
    has_room
}

/// Counts one less.
fn take<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A place behind the door; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Door,
    address: IpAddr,
    /// Who it is, once that has been shown.
    peer: Option<PeerId>,
}

/// What counts as one address: of IPv6 the network of 64 bits, which one host may have all of.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Door {
    fn with<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether addresses must be proven first.
    pub(super) fn is_busy(&self) -> bool {
        self.with(|inside| inside.all >= BUSY)
    }

    /// A place, if there is one.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = counted(address);
        self.with(|inside| {
            let has_room = inside.all < PLACES && add(&mut inside.by_address, address, PLACES_OF_ADDRESS);
            inside.all += usize::from(has_room);
            has_room
        })
        .then(|| Place { door: self.clone(), address, peer: None })
    }
}

impl Place {
    /// It has shown who it is; false when that peer has too many places.
    pub(super) fn identify(&mut self, peer: PeerId) -> bool {
        let has_room = self.door.with(|inside| add(&mut inside.by_peer, peer, PLACES_OF_PEER));
        if has_room {
            self.peer = Some(peer);
        }
        has_room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.with(|inside| {
            inside.all -= 1;
            take(&mut inside.by_address, &self.address);
            if let Some(peer) = &self.peer {
                take(&mut inside.by_peer, peer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_gets_its_share_and_gives_it_back() {
        let door = Door::default();
        let mut places: Vec<_> = (0..PLACES_OF_ADDRESS).map(|_| door.enter(address("10.0.0.1")).unwrap()).collect();
        assert!(door.enter(address("10.0.0.1")).is_none());
        assert!(door.enter(address("::ffff:10.0.0.1")).is_none(), "the same host");
        assert!(door.enter(address("10.0.0.2")).is_some());
        places.pop();
        assert!(door.enter(address("10.0.0.1")).is_some());
        drop(places);
        assert_eq!(door.with(|inside| (inside.all, inside.by_address.len())), (0, 0));
    }

    #[test]
    fn one_peer_from_many_addresses_gets_a_few() {
        let (door, peer) = (Door::default(), PeerId::from_bytes([1; 32]));
        let mut places: Vec<_> = (0..100).filter_map(|one| door.enter(address(&format!("10.0.0.{one}")))).collect();
        let taken = places.iter_mut().map(|place| place.identify(peer)).filter(|has_room| *has_room).count();
        assert_eq!(taken, PLACES_OF_PEER);
        assert!(places[50].identify(PeerId::from_bytes([2; 32])));
        drop(places);
        assert_eq!(door.with(|inside| inside.by_peer.len()), 0);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let door = Door::default();
        let places: Vec<_> = (0..100).filter_map(|one| door.enter(address(&format!("2001:db8::{one}")))).collect();
        assert_eq!(places.len(), PLACES_OF_ADDRESS);
        assert!(door.enter(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn all_addresses_together_have_a_bound() {
        let door = Door::default();
        let enter = |one: usize| door.enter(address(&format!("10.0.{}.{}", one / 200, one % 200)));
        let places: Vec<_> = (0..1_000).filter_map(enter).collect();
        assert_eq!((places.len(), door.is_busy()), (PLACES, true));
        drop(places);
        assert!(!door.is_busy());
    }
}
