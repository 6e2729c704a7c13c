//! Hostile peers, one mode each: they speak the real protocol with real keys, and break it in exactly one way.
//!
//! [`MODES`] lists what each does and what must come of it; `badpeer --list` prints the same. A mode runs against one node,
//! from the test `badpeer` or from the program of that name.

mod bytes;
mod control;
mod crowds;
mod excess;
mod forged;
mod frames;
mod have_maps;
mod hoard;
mod importers;
mod lane;
mod modes;
mod slow;
mod strangers;

pub use crowds::Crowd;
pub use hoard::Hoard;
pub use lane::Lane;
pub use modes::{Attack, Ending, MODES, Mode, by_name, list};
pub use strangers::{stranger_on_bulk, stranger_on_control};

use crate::cluster::Node;
use karez_node::bulk::tls;
use karez_node::home::Home;
use karez_node::keys::Key;
use karez_node::tracker_client::TrackerClient;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::trust::roster::Roster;
use karez_protocol::trust::{PairKey, PeerId, PublicKey, Signed};
use karez_protocol::wire::control::HeldVersion;
use karez_protocol::wire::tracker::Announce;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// What a mode does when its turn comes; ends early when the node hangs up.
pub type Act = std::pin::Pin<Box<dyn Future<Output = Option<()>> + Send>>;

/// How long a bad peer rests before it dials the node again.
const REDIAL: Duration = Duration::from_millis(500);

/// The node that a mode is tried on.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    /// Its port on both planes.
    pub address: SocketAddr,
    /// Who it is.
    pub peer: PeerId,
}

impl Victim {
    /// A node of a cluster.
    pub fn of(node: &Node) -> Self {
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let address = text(&node.ready["listen"][0]).parse().expect("an address");
        Self { address, peer: text(&node.ready["peer"]).parse().expect("a peer id") }
    }
}

/// What a bad peer is made of.
#[derive(Debug)]
pub struct Setting {
    /// A home that has joined the network.
    pub home: Home,
    /// What it holds: a copy of an honest node's store that nobody else has open.
    pub hoard: Arc<Hoard>,
    /// The collection that it is about.
    pub collection: CollectionName,
    /// The node to harm.
    pub victim: Victim,
    /// A publisher's key that was stolen; without one it signs with its own.
    pub stolen: Option<Key>,
}

/// What the tasks of a bad peer share.
#[derive(Debug)]
pub struct Bad {
    key: Key,
    network: NetworkId,
    tracker: TrackerClient,
    tracker_key: PublicKey,
    hoard: Arc<Hoard>,
    collection: CollectionName,
    victim: Victim,
    signing: Key,
    deeds: AtomicU64,
    ends: Mutex<Vec<String>>,
}

impl Bad {
    /// Counts one thing done that no honest peer does.
    fn deed(&self) {
        self.deeds.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how something ended.
    fn note(&self, end: String) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push(end);
    }

    /// A client of the node's bulk lane, with this member's key, on a port of its own.
    fn client(&self, key: &Key) -> quinn::Endpoint {
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        endpoint.set_default_client_config(tls::client_config(key.seed(), &self.victim.peer));
        endpoint
    }
}

/// A bad peer at work; it stops when dropped.
#[derive(Debug)]
pub struct BadPeer {
    bad: Arc<Bad>,
    tasks: JoinSet<()>,
}

/// Reads a joined home's store copy once, for any number of bad peers.
pub fn hoard(home: &Home, store: &Path) -> Arc<Hoard> {
    let (network, roster) = membership(home);
    Arc::new(Hoard::open(store, &network, roster.value()))
}

fn membership(home: &Home) -> (NetworkId, Signed<Roster>) {
    let file = home.network().expect("joined");
    let (network, key) = (file.network().expect("a key"), file.key().expect("a key"));
    let roster = std::fs::read(home.roster()).expect("a roster");
    (network, Signed::<Roster>::verify(&roster, &network, &key).expect("signed by the tracker"))
}

impl BadPeer {
    /// Begins. A mode that waits to be dialled is announced at the tracker when this returns.
    pub async fn start(mode: &Mode, setting: Setting) -> Self {
        let Setting { home, hoard, collection, victim, stolen } = setting;
        let key = Key::load(&home.node_key()).expect("a key file");
        let (network, roster) = membership(&home);
        let bad = Arc::new(Bad {
            network,
            tracker_key: roster.signer(),
            tracker: TrackerClient::new(home.network().expect("joined").trackers, None),
            signing: stolen.unwrap_or_else(|| Key::load(&home.publisher_key()).expect("a key file")),
            key,
            hoard,
            collection,
            victim,
            deeds: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        match mode.attack {
            Attack::Serves(act) => drop(tasks.spawn(serve(bad.clone(), announced(&bad).await, act))),
            Attack::Dials(act) => drop(tasks.spawn(dial(bad.clone(), act))),
            Attack::Alone(act) => {
                let acting = act(bad.clone());
                tasks.spawn(async move {
                    let _ = acting.await;
                });
            }
            Attack::ShownBy(_) | Attack::NotYet(_) => panic!("{} is no mode that runs", mode.name),
        }
        Self { bad, tasks }
    }

    /// Things done that no honest peer does.
    pub fn deeds(&self) -> u64 {
        self.bad.deeds.load(Ordering::Relaxed)
    }

    /// How its connections and offers ended, in the words of the other side.
    pub fn ends(&self) -> Vec<String> {
        self.bad.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Works until it has nothing left to do, which may be never.
    pub async fn work(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Says at the tracker that it holds everything, and where.
async fn announced(bad: &Bad) -> quinn::Endpoint {
    let config = tls::server_config(bad.key.seed());
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().expect("an address")).expect("a socket");
    let held = bad.hoard.newest(&bad.collection);
    let announce = Announce {
        header: Announce::new_header(),
        peer: bad.key.peer(),
        sequence: 1,
        addresses: vec![endpoint.local_addr().expect("an address").to_string()],
        held: vec![HeldVersion { collection: bad.collection.clone(), version: held.version, complete: true }],
        wanted: vec![],
        roster: 0,
        catalogue: 0,
        relay: false,
    };
    let key = PairKey::agree(bad.key.signing(), &bad.tracker_key).expect("a good key");
    bad.tracker.announce(&announce, &bad.network, &key).await.expect("the tracker takes a member's announce");
    endpoint
}

/// Does its deed on every connection that somebody opens.
async fn serve(bad: Arc<Bad>, endpoint: quinn::Endpoint, act: fn(Lane) -> Act) {
    let mut lanes = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        let bad = bad.clone();
        lanes.spawn(async move {
            if let Ok(connection) = incoming.await {
                converse(&bad, connection, false, act).await;
            }
        });
    }
}

/// Dials the node over and over and does its deed.
async fn dial(bad: Arc<Bad>, act: fn(Lane) -> Act) {
    let endpoint = bad.client(&bad.key);
    let mut pace = tokio::time::interval(REDIAL);
    loop {
        pace.tick().await;
        match endpoint.connect(bad.victim.address, "karez").expect("a dial").await {
            Ok(connection) => converse(&bad, connection, true, act).await,
            Err(refused) => bad.note(refused.to_string()),
        }
    }
}

async fn converse(bad: &Arc<Bad>, connection: quinn::Connection, dialled: bool, act: fn(Lane) -> Act) {
    if let Some(lane) = Lane::greet(bad.clone(), connection.clone(), dialled).await {
        act(lane).await;
    }
    // It has said what it had to say: now it is the other side that must do something.
    bad.note(connection.closed().await.to_string());
}
