//! The bulk lane: chunks between members over our own quinn endpoint.
//!
//! One connection per pair of nodes, mutually authenticated by libp2p-tls certificates, so a peer has the same identity
//! here as on the control plane. A stranger is closed before any of its streams is read. The lane moves and verifies
//! bytes; what to ask for and whom to serve is the driver's decision. Nothing unverified reaches the store.

mod carrier;
mod congestion;
mod door;
mod endpoint;
mod frames;
mod gate;
mod judge;
mod lane;
mod limits;
mod messages;
mod piped;
mod queues;
mod race;
mod receiver;
mod stamps;
pub mod tls;
mod uploader;

use crate::membership::Membership;
use crate::pipe::Pipe;
use crate::shelf::Shelf;
use crate::trouble::StoreFault;
use door::Door;
use karez_content_tools::store::Store;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::{NetworkId, ReleaseId};
use karez_protocol::plan::throttle::Traffic;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::peer::{PeerMessage, Urgency};
use lane::Lanes;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uploader::Uploader;

pub use crate::limits::Limits;
pub use congestion::Manners;
use congestion::Way;
pub use endpoint::{BindError, BoundPort, bind};

/// What the lane needs to run.
#[derive(Debug)]
pub struct Config {
    /// The node key's secret.
    pub seed: [u8; 32],
    /// This node.
    pub me: PeerId,
    /// The network.
    pub network: NetworkId,
    /// Who may connect.
    pub members: Membership,
    /// Which chunks have names here.
    pub shelf: Shelf,
    /// Where chunks live.
    pub store: Arc<Store>,
    /// Limits on what goes out and comes in.
    pub limits: Limits,
}

/// What became of a chunk that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Verified and stored.
    Stored {
        /// False when it was here already.
        fresh: bool,
    },
    /// Its bytes are not the chunk's.
    Bad,
    /// The manifest page that describes it is not here any more.
    NoPage,
    /// Verified, but the store could not take it.
    NotStored {
        /// Why.
        fault: StoreFault,
    },
}

/// A chunk that came whole.
#[derive(Debug)]
pub struct Arrived {
    /// Of which release.
    pub release: ReleaseId,
    /// Which.
    pub chunk: ChunkIndex,
    /// Stored bytes that travelled.
    pub bytes: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What carries a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// A QUIC connection of its own.
    Quic,
    /// A stream of the control connection.
    Stream {
        /// Whether this side asked for it.
        opened: bool,
        /// Through whom that connection goes, when it is not direct.
        relay: Option<PeerId>,
    },
}

/// What the lane reports.
#[derive(Debug)]
pub enum Event {
    /// A member is connected and has greeted.
    Connected {
        /// Who.
        peer: PeerId,
        /// Number of this connection; events of replaced ones are stale.
        generation: u64,
        /// Where it is.
        address: SocketAddr,
        /// Version of its roster.
        roster: u64,
        /// What carries it.
        carried: Carried,
        /// Where it sees this node, on QUIC.
        seen_at: Option<SocketAddr>,
        /// A stream, because either side found UDP throttled.
        throttled: bool,
    },
    /// A connection has ended.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Which connection.
        generation: u64,
        /// Why, for logs.
        reason: String,
        /// QUIC that fell silent: nobody closed it.
        lost: bool,
    },
    /// A dial led nowhere.
    DialFailed {
        /// Who.
        peer: PeerId,
        /// Why, for logs.
        detail: String,
        /// No address answered at all, though nobody refused either: UDP may be blocked.
        unanswered: bool,
    },
    /// A message came.
    Message {
        /// From whom.
        peer: PeerId,
        /// On which connection.
        generation: u64,
        /// What.
        message: PeerMessage,
        /// Its place among the peer's messages that wait; given back when it is dropped.
        place: OwnedSemaphorePermit,
    },
    /// Part of a chunk came.
    Progress {
        /// From whom.
        peer: PeerId,
        /// Bytes.
        bytes: u64,
    },
    /// Whole chunks came.
    Chunks {
        /// From whom.
        peer: PeerId,
        /// Which.
        chunks: Vec<Arrived>,
    },
    /// A requested chunk cannot be served: it is damaged or gone.
    Unservable {
        /// Who asked.
        peer: PeerId,
        /// Of which release.
        release: ReleaseId,
        /// Which.
        chunk: ChunkIndex,
        /// The file outside the store that it is in, when the disk of that file is not there now: then it is not lost.
        away: Option<PathBuf>,
    },
    /// Somebody who is not a member tried to connect.
    StrangerRefused,
}

/// Why we close a connection; the number travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing left to do.
    Done,
    /// The other side is not a member.
    NotAMember,
    /// It belongs to another network.
    OtherNetwork,
    /// No common protocol version.
    Version,
    /// It sent false bytes.
    BadChunk,
    /// It broke the protocol's rules.
    Violation,
    /// Another connection between the two is kept.
    Duplicate,
    /// There are as many connections as there may be.
    Busy,
}

impl CloseReason {
    const fn code(self) -> u32 {
        self as u32
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotAMember => "not a member of this network's roster",
            Self::OtherNetwork => "another network",
            Self::Version => "no common protocol version",
            Self::BadChunk => "false chunk bytes",
            Self::Violation => "protocol violation",
            Self::Duplicate => "duplicate connection",
            Self::Busy => "too many connections",
        }
    }
}

/// Figures of one connection.
#[derive(Debug, Clone, Copy)]
pub struct LaneFigures {
    /// Where the peer is.
    pub address: SocketAddr,
    /// Chunk bytes sent.
    pub sent: u64,
    /// Chunk bytes received.
    pub received: u64,
    /// Smoothed round trip, where QUIC measures it.
    pub rtt: Option<Duration>,
}

/// The lane.
#[derive(Debug, Clone)]
pub struct Bulk(Arc<Shared>);

/// What the lane's tasks share.
#[derive(Debug)]
struct Shared {
    config: Config,
    endpoint: quinn::Endpoint,
    way: Arc<Way>,
    lanes: Lanes,
    uploader: Uploader,
    events: mpsc::Sender<Event>,
    roster: AtomicU64,
    /// Random number of this run, see `Hello::session`.
    session: u64,
    sent: AtomicU64,
    /// Places for whoever has not greeted yet.
    door: Door,
    /// Members to whom UDP is throttled: a stream is preferred.
    throttled: Mutex<BTreeSet<PeerId>>,
}

impl Shared {
    fn is_throttled(&self, peer: &PeerId) -> bool {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }
}

impl Bulk {
    /// Starts accepting on a port from [`bind`].
    pub fn start(config: Config, BoundPort { endpoint, way }: BoundPort, events: mpsc::Sender<Event>) -> Self {
        let shared = Arc::new(Shared {
            endpoint,
            way,
            lanes: Lanes::default(),
            uploader: Uploader::default(),
            events,
            roster: AtomicU64::new(0),
            session: getrandom::u64().unwrap_or_default(),
            sent: AtomicU64::new(0),
            door: Door::default(),
            throttled: Mutex::default(),
            config,
        });
        tokio::spawn(endpoint::accept_loop(shared.clone()));
        tokio::spawn(uploader::run(shared.clone()));
        Self(shared)
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.0.endpoint.local_addr().map_or(0, |address| address.port())
    }

    /// Tells new connections which roster this node holds.
    pub fn set_roster(&self, version: u64) {
        self.0.roster.store(version, Ordering::Relaxed);
    }

    /// Chunk bytes sent since the start.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Dials a member in the background, all addresses beside each other; `Connected` or `DialFailed` follows.
    pub fn dial(&self, peer: PeerId, addresses: Vec<SocketAddr>) {
        tokio::spawn(endpoint::dial(self.0.clone(), peer, addresses));
    }

    /// Takes a stream of the control connection as a lane, in the background; `Connected` or `DialFailed` follows.
    pub fn adopt(&self, peer: PeerId, pipe: Pipe, opened: bool) {
        let dialer = if opened { self.0.config.me } else { peer };
        tokio::spawn(endpoint::adopt(self.0.clone(), peer, pipe, dialer));
    }

    /// Queues a message; a peer that does not read its messages is dropped. False when it is not connected.
    pub fn send(&self, peer: &PeerId, message: PeerMessage) -> bool {
        let Some(lane) = self.0.lanes.get(peer) else { return false };
        if lane.send(message) {
            return true;
        }
        lane.close(CloseReason::Violation);
        false
    }

    /// Queues chunks for a peer; false when it asks for more than it may.
    pub fn serve(&self, peer: PeerId, release: ReleaseId, urgency: Urgency, chunks: &[ChunkIndex]) -> bool {
        self.0.uploader.enqueue(peer, release, urgency, chunks)
    }

    /// Drops queued chunks that were not begun.
    pub fn unserve(&self, peer: &PeerId, release: ReleaseId, chunks: &[ChunkIndex]) {
        self.0.uploader.cancel(peer, release, chunks);
    }

    /// Closes the connection to a peer.
    pub fn disconnect(&self, peer: &PeerId, reason: CloseReason) {
        if let Some(lane) = self.0.lanes.get(peer) {
            lane.close(reason);
        }
    }

    /// Whether a stream is better than QUIC with a peer, from now on.
    pub fn set_throttled(&self, peer: PeerId, throttled: bool) {
        let mut peers = self.0.throttled.lock().unwrap_or_else(PoisonError::into_inner);
        match throttled {
            true => peers.insert(peer),
            false => peers.remove(&peer),
        };
    }

    /// What the connection to a peer has delivered and lost.
    pub fn traffic(&self, peer: &PeerId) -> Option<Traffic> {
        self.0.lanes.get(peer).map(|lane| lane.carrier.traffic())
    }

    /// Figures of a connection.
    pub fn figures(&self, peer: &PeerId) -> Option<LaneFigures> {
        self.0.lanes.get(peer).map(|lane| lane.figures())
    }

    /// Closes everything and waits until the goodbyes are out.
    pub async fn stop(&self) {
        self.0.endpoint.close(CloseReason::Done.code().into(), b"stopping");
        let _ = tokio::time::timeout(Duration::from_secs(2), self.0.endpoint.wait_idle()).await;
    }
}
