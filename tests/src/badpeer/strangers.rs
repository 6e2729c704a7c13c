//! Whoever is in no roster.

use karez_node::bulk::tls;
use karez_node::keys::Key;
use karez_protocol::trust::PeerId;
use std::net::SocketAddr;

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
