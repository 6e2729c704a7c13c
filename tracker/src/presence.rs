//! Where nodes are and what they hold, as they last announced it. In memory; the tracker writes it to disk in batches
//! and reads it again at its start, so a crash costs at most the announces since the last batch.
//!
//! Rejected: (1) a row per announce, committed at once: 10 000 sites would make 333 syncs a second; (2) memory only:
//! after a restart the first to announce would be told of nobody.

use crate::ordering::{self, Candidate, Share};
use crate::refusal::RequestError;
use crate::tracker::UnixSeconds;
use crate::view::Current;
use karez_protocol::content::Document as _;
use karez_protocol::content::name::CollectionName;
use karez_protocol::trust::PeerId;
use karez_protocol::trust::roster::Member;
use karez_protocol::wire::control::PeerAddress;
use karez_protocol::wire::relay::Address;
use karez_protocol::wire::tracker::{Announce, CollectionPeers};
use rusqlite::{Connection, Transaction, params};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

/// Most peers named for one collection.
pub(crate) const PEERS_MAX: usize = 64;
/// Most peers named in one answer, however many collections are wanted; keeps it below 5 MiB.
const ANSWER_PEERS_MAX: usize = 4_096;
/// Fewest peers named for one collection when many are wanted.
const PEERS_MIN: usize = 8;
/// Relays named in one answer: a site reserves at two, and calls others through theirs.
const RELAYS_MAX: usize = 16;
/// How far a sequence may be ahead of the tracker's clock, in milliseconds. One accepted from a clock of another year would shut its
/// node out until that year.
const AHEAD_MAX: u64 = 24 * 3_600_000;
/// Releases and wishes of one node that are remembered.
const HELD_MAX: usize = 4_096;

/// What one node has of one collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Holding {
    /// Newest version held whole; 0 for none.
    whole: u64,
    /// Whether any version is held at all.
    some: bool,
}

#[derive(Debug)]
struct Node {
    seen: UnixSeconds,
    /// With addresses as others can use them.
    announce: Announce,
}

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    nodes: HashMap<PeerId, Node>,
    by_collection: HashMap<CollectionName, BTreeMap<PeerId, Holding>>,
    relays: BTreeSet<PeerId>,
    unsaved: BTreeSet<PeerId>,
}

impl Presence {
    /// Reads what was saved; rows that cannot be read any more are passed over, their nodes will announce again.
    pub(crate) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut presence = Self::default();
        let mut statement = conn.prepare("SELECT seen, announce FROM presence")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        for row in rows {
            let (seen, bytes) = row?;
            if let Ok(announce) = Announce::from_bytes(&bytes) {
                presence.put(announce, UnixSeconds(seen));
            }
        }
        presence.unsaved.clear();
        Ok(presence)
    }

    /// Takes an announce whose MAC and membership have been checked.
    pub(crate) fn record(
        &mut self,
        mut announce: Announce,
        source: IpAddr,
        now: UnixSeconds,
    ) -> Result<(), RequestError> {
        let clock = u64::try_from(now.0).unwrap_or(0).saturating_mul(1_000);
        let ahead = |sequence: u64| sequence.saturating_sub(clock);
        if ahead(announce.sequence) > AHEAD_MAX {
            return Err(RequestError::Clock { hours: ahead(announce.sequence) / 3_600_000 });
        }
        // One that would be refused now was taken while our own clock was ahead.
        let last = self.nodes.get(&announce.peer).map(|node| node.announce.sequence);
        if let Some(last) = last.filter(|last| ahead(*last) <= AHEAD_MAX)
            && announce.sequence <= last
        {
            return Err(RequestError::Replay { last, found: announce.sequence });
        }
        announce.addresses = usable(&announce.addresses, source);
        announce.held.truncate(HELD_MAX);
        self.put(announce, now);
        Ok(())
    }

    fn put(&mut self, announce: Announce, seen: UnixSeconds) {
        let peer = announce.peer;
        let old = self.nodes.get(&peer).map(|node| &node.announce);
        // Mostly nothing has changed.
        if old.is_none_or(|old| (&old.held, &old.wanted) != (&announce.held, &announce.wanted)) {
            if let Some(old) = old {
                unlink(&mut self.by_collection, old);
            }
            for (name, holding) in holdings(&announce) {
                self.by_collection.entry(name.clone()).or_default().insert(peer, holding);
            }
        }
        match announce.relay {
            true => self.relays.insert(peer),
            false => self.relays.remove(&peer),
        };
        self.nodes.insert(peer, Node { seen, announce });
        self.unsaved.insert(peer);
    }

    /// Peers for each collection that a node wants, leaving out those not heard of since `fresh` while others are.
    pub(crate) fn peers(
        &self,
        asker: &Member,
        wanted: &[CollectionName],
        current: &Current,
        fresh: UnixSeconds,
    ) -> Vec<CollectionPeers> {
        let wanted: BTreeSet<_> = wanted.iter().collect();
        let cap = (ANSWER_PEERS_MAX / wanted.len().max(1)).clamp(PEERS_MIN, PEERS_MAX);
        let of = |name: &CollectionName| {
            let candidates = self.candidates(asker, name, current, fresh);
            let peers = ordering::order(asker, &candidates, cap);
            let peers = peers.into_iter().map(|peer| self.address(peer)).collect();
            CollectionPeers { collection: name.clone(), peers }
        };
        wanted.into_iter().map(of).collect()
    }

    fn address(&self, peer: PeerId) -> PeerAddress {
        let addresses = self.nodes.get(&peer).map(|node| node.announce.addresses.clone()).unwrap_or_default();
        PeerAddress { peer, addresses }
    }

    /// The relays nearest to a node, and those through which the peers named to it are reached.
    pub(crate) fn relays(
        &self,
        asker: &Member,
        named: &[CollectionPeers],
        current: &Current,
        fresh: UnixSeconds,
    ) -> Vec<PeerAddress> {
        let candidate = |peer: &PeerId| {
            let node = self.nodes.get(peer).filter(|node| node.seen >= fresh && !node.announce.addresses.is_empty())?;
            let member = current.member(peer).filter(|_| *peer != asker.peer)?;
            Some(Candidate { member, share: Share::Whole, stale: false, seen: node.seen.0, origin: false })
        };
        let candidates: Vec<_> = self.relays.iter().filter_map(candidate).collect();
        let mut relays = ordering::order(asker, &candidates, RELAYS_MAX);
        let addresses = named.iter().flat_map(|list| &list.peers).flat_map(|peer| &peer.addresses);
        for relay in addresses.filter_map(|text| relay_in(text)).filter(|relay| self.relays.contains(relay)) {
            if relays.len() < PEERS_MAX && !relays.contains(&relay) && relay != asker.peer {
                relays.push(relay);
            }
        }
        relays.into_iter().map(|peer| self.address(peer)).collect()
    }

    fn candidates<'a>(
        &self,
        asker: &Member,
        name: &CollectionName,
        current: &'a Current,
        fresh: UnixSeconds,
    ) -> Vec<Candidate<'a>> {
        let empty = BTreeMap::new();
        let holders = self.by_collection.get(name).unwrap_or(&empty);
        let newest = holders.values().map(|holding| holding.whole).max().unwrap_or(0);
        let origin = current.origin(name.publisher());
        let silent_origin = origin.filter(|peer| !holders.contains_key(peer)).map(|peer| (peer, Holding::default()));
        let candidate = |(peer, holding): (PeerId, Holding)| {
            let node = self.nodes.get(&peer).filter(|node| !node.announce.addresses.is_empty())?;
            let member = current.member(&peer).filter(|_| peer != asker.peer)?;
            let share = holding.share(newest);
            let stale = node.seen < fresh;
            Some(Candidate { member, share, stale, seen: node.seen.0, origin: origin == Some(peer) })
        };
        holders.iter().map(|(peer, holding)| (*peer, *holding)).chain(silent_origin).filter_map(candidate).collect()
    }

    /// Forgets nodes that are no members any more.
    pub(crate) fn retain_members(&mut self, current: &Current) {
        let gone: Vec<_> = self.nodes.keys().filter(|peer| current.member(peer).is_none()).copied().collect();
        for peer in gone {
            if let Some(node) = self.nodes.remove(&peer) {
                unlink(&mut self.by_collection, &node.announce);
            }
            self.unsaved.remove(&peer);
            self.relays.remove(&peer);
        }
    }

    /// What has changed since the last call, for [`save`].
    pub(crate) fn take_unsaved(&mut self) -> Vec<Row> {
        let peers = std::mem::take(&mut self.unsaved);
        let row = |peer: PeerId| {
            let node = self.nodes.get(&peer)?;
            Some(Row { peer, seen: node.seen, announce: node.announce.to_bytes() })
        };
        peers.into_iter().filter_map(row).collect()
    }

    /// Gives rows back that could not be written.
    pub(crate) fn put_back(&mut self, rows: &[Row]) {
        self.unsaved.extend(rows.iter().map(|row| row.peer));
    }

    /// When a node was heard of last.
    pub(crate) fn seen(&self, peer: &PeerId) -> Option<UnixSeconds> {
        self.nodes.get(peer).map(|node| node.seen)
    }
}

/// A node's state on its way to the disk.
pub(crate) struct Row {
    peer: PeerId,
    seen: UnixSeconds,
    announce: Vec<u8>,
}

/// Writes a batch.
pub(crate) fn save(tx: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO presence (peer, seen, announce) VALUES (?1, ?2, ?3)";
    let mut statement = tx.prepare_cached(sql)?;
    for row in rows {
        statement.execute(params![row.peer.as_bytes(), row.seen.0, row.announce])?;
    }
    Ok(())
}

impl Holding {
    fn share(self, newest: u64) -> Share {
        match self {
            Self { whole, .. } if whole > 0 && whole == newest => Share::Whole,
            Self { some: true, .. } => Share::Part,
            Self { .. } => Share::Wanted,
        }
    }
}

fn holdings(announce: &Announce) -> BTreeMap<&CollectionName, Holding> {
    let mut holdings: BTreeMap<_, Holding> = announce.wanted.iter().map(|name| (name, Holding::default())).collect();
    for held in &announce.held {
        let holding = holdings.entry(&held.collection).or_default();
        holding.some = true;
        if held.complete {
            holding.whole = holding.whole.max(held.version);
        }
    }
    holdings
}

fn unlink(by_collection: &mut HashMap<CollectionName, BTreeMap<PeerId, Holding>>, announce: &Announce) {
    for name in holdings(announce).into_keys() {
        if let Some(holders) = by_collection.get_mut(name) {
            holders.remove(&announce.peer);
            if holders.is_empty() {
                by_collection.remove(name);
            }
        }
    }
}

fn relay_in(text: &str) -> Option<PeerId> {
    match text.parse() {
        Ok(Address::Via(relay)) => Some(relay),
        _ => None,
    }
}

/// Addresses that others can use, relays among them: an unspecified host becomes the address that the request came from; a loopback
/// address helps only those on the same machine.
fn usable(addresses: &[String], source: IpAddr) -> Vec<String> {
    let source = source.to_canonical();
    let mut usable: Vec<String> = Vec::new();
    for text in addresses {
        let mut address = match text.parse() {
            Ok(Address::Direct(address)) => SocketAddr::new(address.ip().to_canonical(), address.port()),
            Ok(Address::Via(_)) if !usable.contains(text) => {
                usable.push(text.clone());
                continue;
            }
            _ => continue,
        };
        if address.ip().is_unspecified() {
            address = SocketAddr::new(source, address.port());
        }
        let remote_loopback = address.ip().is_loopback() && !source.is_loopback();
        let text = address.to_string();
        if address.port() != 0 && !remote_loopback && !address.ip().is_multicast() && !usable.contains(&text) {
            usable.push(text);
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_what_others_can_use() {
        let far: IpAddr = "203.0.113.9".parse().unwrap();
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:203.0.113.9".parse().unwrap();
        for (announced, source, expected) in [
            (&["0.0.0.0:7000"][..], far, &["203.0.113.9:7000"][..]),
            (&["[::]:7000", "0.0.0.0:7000"], mapped, &["203.0.113.9:7000"]),
            (&["127.0.0.1:7000", "10.0.0.2:7000"], far, &["10.0.0.2:7000"]),
            (&["127.0.0.1:7000", "0.0.0.0:7000"], here, &["127.0.0.1:7000"]),
            (&["[::ffff:127.0.0.1]:7000", "[::ffff:224.0.0.1]:5", "[::ffff:0.0.0.0]:7000"], far, &["203.0.113.9:7000"]),
            (&["[::ffff:10.0.0.2]:7000", "10.0.0.2:7000"], far, &["10.0.0.2:7000"]),
            (&["nonsense", "10.0.0.2:0", "224.0.0.1:5", "[2001:db8::1]:7"], far, &["[2001:db8::1]:7"]),
        ] {
            let announced: Vec<_> = announced.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(usable(&announced, source), expected, "{announced:?}");
        }
    }
}
