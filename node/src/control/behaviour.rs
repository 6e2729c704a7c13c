//! The libp2p behaviours in use and every limit set: the defaults are unlimited.

use super::circuits::{Call, Circuits};
use super::codec::ControlCodec;
use super::dialer::Dialer;
use super::lan;
use crate::proxy::Proxy;
use karez_protocol::wire::control::CONTROL_PROTOCOL;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, Transport as _, identify, mdns, noise, ping, yamux};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;

/// Members connected at once; a county hub serves some hundreds of sites.
const CONNECTIONS_MAX: u32 = 512;
/// Handshakes in progress at once, each way.
const PENDING_MAX: u32 = 64;
/// Connections with one peer: two when both dial at once, and as many through a relay, until direct ones take over.
const PER_PEER_MAX: u32 = 4;
/// Idle connections close after this; greetings come more often than that while something is going on.
const IDLE: Duration = Duration::from_secs(120);
/// A 16 MB roster over a 2 Mbit/s link.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// All behaviours.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    allowed: allow_block_list::Behaviour<AllowedPeers>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) ask: request_response::Behaviour<ControlCodec>,
    pub(super) streams: libp2p_stream::Behaviour,
    pub(super) lan: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    fn new(key: &Keypair, streams: libp2p_stream::Behaviour, lan: bool) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX))
            .with_max_established_incoming(Some(CONNECTIONS_MAX))
            .with_max_established_outgoing(Some(CONNECTIONS_MAX))
            .with_max_established(Some(CONNECTIONS_MAX))
            .with_max_established_per_peer(Some(PER_PEER_MAX));
        let agent = concat!("karez/", env!("CARGO_PKG_VERSION"));
        let identify = identify::Config::new("/karez/1".into(), key.public())
            .with_agent_version(agent.into())
            .with_interval(Duration::from_secs(3600));
        let protocol = StreamProtocol::new(CONTROL_PROTOCOL);
        let timing = request_response::Config::default().with_request_timeout(ANSWER_TIMEOUT);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            allowed: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            // Rare: an idle site may spend 2 MB a day on everything together.
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(60))),
            ask: request_response::Behaviour::with_codec(ControlCodec, [(protocol, ProtocolSupport::Full)], timing),
            streams,
            lan: Toggle::from(lan.then(|| lan::discovery(key.public().to_peer_id())).flatten()),
        }
    }

    /// Whether a connection with this peer is allowed.
    pub(super) fn is_member(&self, peer: &libp2p::PeerId) -> bool {
        self.allowed.allowed_peers().contains(peer)
    }

    /// Replaces the allow list; connections to anybody else close.
    pub(super) fn set_members(&mut self, members: impl Iterator<Item = libp2p::PeerId>) {
        let members: BTreeSet<_> = members.collect();
        let gone: Vec<_> =
            self.allowed.allowed_peers().iter().filter(|peer| !members.contains(peer)).copied().collect();
        for peer in gone {
            self.allowed.disallow_peer(peer);
        }
        for peer in members {
            self.allowed.allow_peer(peer);
        }
    }
}

/// A swarm on TCP, through a proxy if there is one, and on circuits through relays, with Noise and Yamux; and where incoming circuits are handed in.
pub(super) fn swarm(
    mut seed: [u8; 32],
    lan: bool,
    proxy: Option<Proxy>,
) -> Result<(Swarm<Behaviour>, mpsc::Sender<Call>), noise::Error> {
    let key = Keypair::ed25519_from_bytes(&mut seed).expect("32 bytes are an Ed25519 secret");
    let (streams, noise) = (libp2p_stream::Behaviour::new(), noise::Config::new(&key)?);
    let (circuits, calls) = Circuits::new(streams.new_control());
    let tcp = Dialer::new(proxy).upgrade(Version::V1Lazy).authenticate(noise.clone());
    let tcp = tcp.multiplex(yamux::Config::default()).boxed();
    let circuits = circuits.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux::Config::default()).boxed();
    let builder = SwarmBuilder::with_existing_identity(key).with_tokio();
    let builder = builder.with_other_transport(|_| tcp).expect("it was made already");
    let builder = builder.with_other_transport(|_| circuits).expect("it was made already");
    let behaviour = |key: &Keypair| Behaviour::new(key, streams, lan);
    let builder = builder.with_behaviour(behaviour).expect("making the behaviours cannot fail");
    Ok((builder.with_swarm_config(|config| config.with_idle_connection_timeout(IDLE)).build(), calls))
}
