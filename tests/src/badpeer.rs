//! Hostile peers, one behaviour each. They speak the real protocol with real keys, and lie in exactly one way.

use karez_content_tools::export;
use karez_content_tools::store::{Store, StoreOptions};
use karez_node::bulk::tls;
use karez_node::home::Home;
use karez_node::keys::Key;
use karez_node::tracker_client::TrackerClient;
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::{NetworkId, ReleaseId};
use karez_protocol::content::layout::Layout;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::roster::Roster;
use karez_protocol::trust::{PeerId, Signed};
use karez_protocol::wire::control::HeldVersion;
use karez_protocol::wire::frame::FrameHeader;
use karez_protocol::wire::peer::{Hello, PeerMessage, from_runs};
use karez_protocol::wire::tracker::Announce;
use karez_protocol::wire::{self, PROTOCOL};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A member that holds everything and flips one bit of every chunk it sends.
#[derive(Debug)]
pub struct Liar {
    endpoint: quinn::Endpoint,
    /// Chunks sent with a bit flipped.
    pub lies: Arc<AtomicU64>,
}

struct Hoard {
    network: NetworkId,
    collection: CollectionName,
    release: ReleaseId,
    layout: Layout,
    store: Store,
    lies: Arc<AtomicU64>,
}

impl Liar {
    /// `home` has joined; `store` is a copy of an honest node's store. Announces itself at the tracker.
    pub async fn start(home: &Home, store: &Path) -> Self {
        let network_file = home.network().expect("joined");
        let network = network_file.network().expect("a key");
        let key = Key::load(&home.node_key()).expect("a key file");
        let store = Store::open(store, StoreOptions::default()).expect("a copied store");
        let held = store.releases().expect("releases").pop().expect("a release");
        let layout = export::layout(&held.root, &store).expect("a whole layout");
        let lies = Arc::new(AtomicU64::new(0));
        let tracker_key = network_file.key().expect("a key");
        let roster = std::fs::read(home.roster()).expect("a roster");
        let roster = Signed::<Roster>::verify(&roster, &network, &tracker_key).expect("signed by the tracker");
        let owner = roster.value().publisher(held.collection.publisher()).expect("a publisher").key;
        let release = Signed::<Release>::verify(&held.signed, &network, &owner).expect("signed").value().id();
        let config = tls::server_config(key.seed());
        let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let collection = held.collection.clone();
        let hoard = Hoard { network, collection, release, layout, store, lies: lies.clone() };
        tokio::spawn(serve(endpoint.clone(), Arc::new(hoard)));
        let announce = Announce {
            header: Announce::new_header(),
            peer: key.peer(),
            sequence: 1,
            addresses: vec![endpoint.local_addr().expect("an address").to_string()],
            held: vec![HeldVersion { collection: held.collection.clone(), version: held.version, complete: true }],
            wanted: vec![],
            roster: 0,
            catalogue: 0,
        };
        let signed = Signed::sign(announce, &network, key.signing());
        TrackerClient::new(network_file.trackers)
            .announce(&signed)
            .await
            .expect("the tracker takes a member's announce");
        Self { endpoint, lies }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.endpoint.close(0u32.into(), b"");
    }
}

async fn serve(endpoint: quinn::Endpoint, hoard: Arc<Hoard>) {
    while let Some(incoming) = endpoint.accept().await {
        let hoard = hoard.clone();
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                // It ends when the victim hangs up.
                let _ = lie(connection, &hoard).await;
            }
        });
    }
}

async fn send(stream: &mut quinn::SendStream, message: &PeerMessage) -> Option<()> {
    let body = wire::encode(message);
    stream.write_all(&(body.len() as u32).to_le_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()
}

async fn receive(stream: &mut quinn::RecvStream) -> Option<PeerMessage> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; u32::from_le_bytes(prefix) as usize];
    stream.read_exact(&mut body).await.ok()?;
    wire::decode(&body).ok()
}

async fn lie(connection: quinn::Connection, hoard: &Hoard) -> Option<()> {
    let (mut out, mut incoming) = connection.accept_bi().await.ok()?;
    let hello = Hello { versions: PROTOCOL, network: hoard.network, roster: 0, agent: "liar".into(), session: 1 };
    send(&mut out, &PeerMessage::Hello(hello)).await?;
    let (collection, release) = (hoard.collection.clone(), hoard.release);
    let mut chunks = connection.open_uni().await.ok()?;
    loop {
        match receive(&mut incoming).await? {
            PeerMessage::Interest { release: wanted, .. } if wanted == release => {
                let interest = PeerMessage::Interest { collection: collection.clone(), release, wants: false };
                send(&mut out, &interest).await?;
                let set = ChunkSet::full(hoard.layout.count());
                send(&mut out, &PeerMessage::Have { release, set }).await?;
            }
            PeerMessage::Request { chunks: asked, .. } => {
                for chunk in from_runs(&asked, 1 << 16)? {
                    let stored = hoard.store.read_stored(&hoard.layout.entry(chunk)?.id).ok()??;
                    let mut bytes = stored.bytes;
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    let header = FrameHeader { release, chunk, stored_len: bytes.len() as u32, codec: stored.codec };
                    chunks.write_all(&header.to_bytes()).await.ok()?;
                    chunks.write_all(&bytes).await.ok()?;
                    hoard.lies.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// Dials a node's bulk lane with a key that no roster lists; returns the reason the node gave for hanging up.
pub async fn stranger_on_bulk(victim: SocketAddr, peer: &PeerId) -> String {
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
    endpoint.set_default_client_config(tls::client_config(Key::generate().seed(), peer));
    let connection = match endpoint.connect(victim, "karez").expect("a dial").await {
        Ok(connection) => connection,
        Err(refused) => return refused.to_string(),
    };
    connection.closed().await.to_string()
}

/// Dials a node's control plane with a key that no roster lists; returns once the node has hung up.
pub async fn stranger_on_control(victim: SocketAddr) {
    use libp2p::futures::StreamExt as _;
    use libp2p::multiaddr::Protocol;
    use libp2p::swarm::SwarmEvent;
    let builder = libp2p::SwarmBuilder::with_new_identity().with_tokio();
    let tcp = builder.with_tcp(Default::default(), libp2p::noise::Config::new, libp2p::yamux::Config::default);
    let mut swarm = tcp.expect("noise").with_behaviour(|_| libp2p::ping::Behaviour::default()).expect("ping").build();
    let address = libp2p::Multiaddr::from(victim.ip()).with(Protocol::Tcp(victim.port()));
    swarm.dial(address).expect("a dial");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => return,
            _ => {}
        }
    }
}
