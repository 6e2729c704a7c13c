//! The tracker as a value: what the server and the commands call. Bytes, source address and time come in, answers go
//! out; nothing here awaits. All methods may block on the disk and are called from blocking threads.
//!
//! Locks, always taken one at a time: `writer` (transactions that are durable before the answer), `view` (reads),
//! `presence` (soft state), `keys` (held for a look). An announce never waits for a writer's sync. One that brings nothing new and asks for nothing that
//! is on the disk is answered without waiting for anything: [`Tracker::answer_at_once`].

use crate::admission::{self, InviteOrder, OrderError};
use crate::catalogue::{self, Listing, News};
use crate::home::{self, HomeError, Identity};
use crate::keys::{self, Keys};
use crate::presence::{self, Presence};
use crate::refusal::RequestError;
use crate::registry;
use crate::view::{Current, View};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::roster::{Member, Publisher};
use karez_protocol::trust::{Claimed, PairKey, PeerId, SignatureError, Signed};
use karez_protocol::wire;
use karez_protocol::wire::control::PeerAddress;
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::{Announce, AnnounceResponse, CollectionPeers, JoinRequest, JoinResponse};
use rusqlite::{Connection, TransactionBehavior};
use serde::Serialize;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often nodes that lack something announce unless told otherwise: 10 000 of them make 333 requests a second.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(30);
/// Who lacks nothing announces so many times more rarely: new releases reach it within a minute, and the day costs its link
/// 0.9 MB and 36 kB for each collection that it holds.
const IDLE_FACTOR: u32 = 2;
/// Intervals of silence after which a node counts as away: one lost announce and one late one are forgiven.
const SILENT_INTERVALS: u32 = 3;

/// Seconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// A reading of the clock; before 1970 is 1970.
    pub fn of(clock: SystemTime) -> Self {
        Self(clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() as i64)
    }
}

/// One network's tracker.
pub struct Tracker {
    identity: Identity,
    writer: Mutex<Connection>,
    view: Mutex<View>,
    presence: Mutex<Presence>,
    keys: Mutex<Keys>,
    interval: Duration,
    started: Instant,
}

/// Answer of `GET /v1/health`.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The network's id.
    pub network: String,
    /// The network's name.
    pub name: String,
    /// Number of members.
    pub members: usize,
    /// Number of collections in the catalogue.
    pub releases: u64,
    /// Version of the roster.
    pub roster: u64,
    /// Revision of the catalogue.
    pub catalogue: u64,
    /// Seconds since the server was started.
    pub uptime: u64,
}

/// Why nobody was removed.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No member has this name or identity.
    #[error("no member is called '{0}': see `karez-tracker members`")]
    Unknown(String),
    /// The database refused.
    #[error("the tracker's database: {0}")]
    Database(#[from] rusqlite::Error),
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolls it back, and the other states are replaced whole: nothing half-done remains.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracker {
    /// Opens a home that `init` has made.
    pub fn open(home: &Path) -> Result<Self, HomeError> {
        let (identity, writer) = home::open(home)?;
        let view = View::new(home::connect(home)?, identity.network(), identity.public())?;
        let presence = Presence::load(&writer)?;
        Ok(Self {
            identity,
            writer: Mutex::new(writer),
            view: Mutex::new(view),
            presence: Mutex::new(presence),
            keys: Mutex::default(),
            interval: ANNOUNCE_INTERVAL,
            started: Instant::now(),
        })
    }

    /// The same with another announce interval; at least a second.
    #[must_use]
    pub fn with_announce_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_secs(1));
        self
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.identity.network()
    }

    /// The tracker's key and network.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How often nodes are to announce.
    pub fn announce_interval(&self) -> Duration {
        self.interval
    }

    fn current(&self) -> rusqlite::Result<Arc<Current>> {
        held(&self.view).current()
    }

    /// Runs a transaction that is on disk when this returns. A refusal inside rolls it back.
    fn write<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = held(&self.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// `POST /v1/join`.
    pub fn join(&self, body: &[u8], now: UnixSeconds) -> Result<JoinResponse, RequestError> {
        let signed = Signed::<JoinRequest>::verify_by(body, &self.network(), |request| Some(request.peer.key()))?;
        // A refusal is an inner result: counting a wrong proof must be committed.
        self.write(|tx| admission::join(tx, &self.identity, signed.value(), now).map_err(RequestError::from))?
    }

    /// Checks who announces: `POST /v1/announce`, first half.
    pub fn hear(&self, body: &[u8]) -> Result<Announce, RequestError> {
        let claimed = Claimed::<Announce>::decode(body)?;
        let peer = claimed.sender();
        let known = held(&self.keys).known(&peer);
        if let Some(key) = known {
            return self.check(&claimed, &key);
        }
        // A stranger costs a look at the roster and no computing, one that names a member the computing once.
        self.current()?.member(&peer).ok_or(RequestError::NotMember)?;
        let key = keys::agree(self.identity.key(), &peer).ok_or(SignatureError::False)?;
        held(&self.keys).keep(peer, key.clone());
        self.check(&claimed, &key)
    }

    /// As [`Self::hear`], only computing; `None` when the member's key is not known yet.
    pub fn hear_at_once(&self, body: &[u8]) -> Option<Result<Announce, RequestError>> {
        let claimed = match Claimed::<Announce>::decode(body) {
            Ok(claimed) => claimed,
            Err(error) => return Some(Err(error.into())),
        };
        let key = held(&self.keys).known(&claimed.sender())?;
        Some(self.check(&claimed, &key))
    }

    fn check(&self, claimed: &Claimed<Announce>, key: &PairKey) -> Result<Announce, RequestError> {
        let announce = claimed.verify(&self.network(), key)?;
        if announce.peer != claimed.sender() {
            return Err(RequestError::OtherPeer);
        }
        Ok(announce)
    }

    /// An answer as it travels, for the announce with this sender and sequence.
    pub fn seal(&self, (peer, sequence): (PeerId, u64), response: &AnnounceResponse) -> Result<Vec<u8>, RequestError> {
        let known = held(&self.keys).known(&peer);
        let key = known.or_else(|| keys::agree(self.identity.key(), &peer)).ok_or(SignatureError::False)?;
        Ok(key.seal_answer(&self.network(), sequence, wire::encode(response)))
    }

    /// The answer to an announce, when nothing has to be waited for and nothing read from the disk; the announce back otherwise,
    /// for [`Self::announce`].
    pub fn answer_at_once(
        &self,
        announce: Announce,
        source: IpAddr,
        now: UnixSeconds,
    ) -> Result<Result<AnnounceResponse, RequestError>, Box<Announce>> {
        let current = self.view.try_lock().ok().and_then(|view| view.unchanged());
        let Some(current) = current else { return Err(announce.into()) };
        let knows_all = announce.roster >= current.version && announce.catalogue == current.revision;
        let Some(mut presence) = self.presence.try_lock().ok().filter(|_| knows_all) else {
            return Err(announce.into());
        };
        let interval = self.interval_for(&announce);
        let found = self.record(&mut presence, announce, &current, (source, now));
        Ok(found.map(|(peers, relays)| {
            let releases = Vec::new();
            AnnounceResponse { roster: None, catalogue: current.revision, releases, peers, relays, interval }
        }))
    }

    /// Seconds until a node is to announce again.
    fn interval_for(&self, announce: &Announce) -> u32 {
        let factor = if announce.wanted.is_empty() { IDLE_FACTOR } else { 1 };
        (self.interval * factor).as_secs() as u32
    }

    /// Notes what a member announced; where others are that have what it wants, and the relays to reach them by.
    fn record(
        &self,
        presence: &mut Presence,
        announce: Announce,
        current: &Current,
        (source, now): (IpAddr, UnixSeconds),
    ) -> Result<(Vec<CollectionPeers>, Vec<PeerAddress>), RequestError> {
        let member = current.member(&announce.peer).ok_or(RequestError::NotMember)?;
        let fresh = UnixSeconds(now.0 - (self.interval * IDLE_FACTOR * SILENT_INTERVALS).as_secs() as i64);
        let wanted = announce.wanted.clone();
        presence.record(announce, source, now)?;
        let peers = presence.peers(member, &wanted, current, fresh);
        let relays = presence.relays(member, &peers, current, fresh);
        Ok((peers, relays))
    }

    /// `POST /v1/announce`, second half: from a node whose request came from `source`.
    pub fn announce(
        &self,
        announce: Announce,
        source: IpAddr,
        now: UnixSeconds,
    ) -> Result<AnnounceResponse, RequestError> {
        let current = self.current()?;
        let (known_roster, known_catalogue) = (announce.roster, announce.catalogue);
        let interval = self.interval_for(&announce);
        let (peers, relays) = self.record(&mut held(&self.presence), announce, &current, (source, now))?;
        let roster = (known_roster < current.version).then(|| current.roster.clone());
        let news = match &roster {
            Some(bytes) if bytes.len() > catalogue::ANSWER_BYTES_MAX => News::postponed(known_catalogue),
            _ => held(&self.view).news(current.revision, known_catalogue)?,
        };
        // With more to come there is no reason to wait.
        let interval = if news.more { 1 } else { interval };
        Ok(AnnounceResponse {
            roster: roster.map(Into::into),
            catalogue: news.revision,
            releases: news.entries,
            peers,
            interval,
            relays,
        })
    }

    /// `POST /v1/release`.
    pub fn publish(&self, body: &[u8]) -> Result<(), RequestError> {
        let upload: SignedRelease = wire::decode(body)?;
        self.write(|tx| catalogue::publish(tx, &self.network(), &upload))
    }

    /// `GET /v1/roster`: the signed roster.
    pub fn roster(&self) -> Result<Vec<u8>, RequestError> {
        Ok(self.current()?.roster.clone())
    }

    /// `GET /v1/catalogue.json`.
    pub fn search(&self, query: &str) -> Result<Vec<Listing>, RequestError> {
        Ok(held(&self.view).search(query)?)
    }

    /// `GET /v1/health`.
    pub fn health(&self) -> Result<Health, RequestError> {
        let current = self.current()?;
        Ok(Health {
            network: self.network().to_string(),
            name: current.network_name.clone(),
            members: current.members(),
            releases: held(&self.view).collections()?,
            roster: current.version,
            catalogue: current.revision,
            uptime: self.started.elapsed().as_secs(),
        })
    }

    /// Makes an invite.
    pub fn invite(&self, order: &InviteOrder, now: UnixSeconds) -> Result<Invite, OrderError> {
        self.write(|tx| admission::create(tx, &self.identity, order, now))
    }

    /// Removes a member, by name or peer id, with what it publishes.
    pub fn revoke(&self, who: &str, now: UnixSeconds) -> Result<Member, RevokeError> {
        self.write(|tx| {
            let by_id = who.parse::<PeerId>().ok();
            let member = match by_id {
                Some(peer) => registry::member(tx, &peer)?,
                None => registry::member_named(tx, who)?,
            };
            let member = member.ok_or_else(|| RevokeError::Unknown(who.to_owned()))?;
            registry::remove_member(tx, &member.peer)?;
            registry::reissue(tx, &self.identity, now, &format!("revoked: {} {}", member.name, member.peer))?;
            Ok(member)
        })
    }

    /// All members, and when each was heard of last as far as the disk knows.
    pub fn members(&self) -> rusqlite::Result<Vec<(Member, Option<UnixSeconds>)>> {
        let members = registry::members(&held(&self.writer))?;
        let presence = held(&self.presence);
        Ok(members.into_iter().map(|member| (presence.seen(&member.peer), member)).map(|(seen, m)| (m, seen)).collect())
    }

    /// All publishers.
    pub fn publishers(&self) -> rusqlite::Result<Vec<Publisher>> {
        registry::publishers(&held(&self.writer))
    }

    /// Remembers where the tracker listens, and where others reach it if that was said; invites carry it.
    pub fn remember_urls(&self, listen: Option<&str>, public: Option<&str>) -> rusqlite::Result<()> {
        self.write(|tx| {
            let sql = "UPDATE network SET listen_url = ?1, public_url = coalesce(?2, public_url)";
            tx.execute(sql, [listen, public]).map(drop)
        })
    }

    /// The address that invites carry unless told otherwise.
    pub fn remembered_url(&self) -> rusqlite::Result<Option<String>> {
        held(&self.writer).query_row("SELECT coalesce(public_url, listen_url) FROM network", [], |row| row.get(0))
    }

    /// Writes what nodes announced since the last call.
    pub fn save_presence(&self) -> rusqlite::Result<()> {
        let current = self.current()?;
        held(&self.keys).retain_members(&current);
        let rows = {
            let mut presence = held(&self.presence);
            presence.retain_members(&current);
            presence.take_unsaved()
        };
        if rows.is_empty() {
            return Ok(());
        }
        let saved = self.write(|tx| presence::save(tx, &rows));
        if saved.is_err() {
            held(&self.presence).put_back(&rows);
        }
        saved
    }
}
