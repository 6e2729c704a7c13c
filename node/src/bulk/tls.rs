//! One identity for both planes: TLS configurations and peer ids from libp2p-tls certificates.

use karez_protocol::trust::PeerId;
use libp2p::identity::Keypair;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use std::sync::Arc;

/// Own protocol name, so that a stray libp2p dial fails at once.
const ALPN: &[u8] = b"karez-bulk/1";

fn keypair(mut seed: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(&mut seed).expect("32 bytes are an Ed25519 secret")
}

/// Accepts any holder of a libp2p key; the caller checks membership before it reads a stream.
pub fn server_config(seed: [u8; 32]) -> quinn::ServerConfig {
    let mut tls = libp2p_tls::make_server_config(&keypair(seed)).expect("a fresh certificate is valid");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.key_log = Arc::new(rustls::NoKeyLog);
    let quic = QuicServerConfig::try_from(tls).expect("libp2p-tls configures TLS 1.3");
    quinn::ServerConfig::with_crypto(Arc::new(quic))
}

/// Connects to exactly this peer: anybody else fails the handshake.
pub fn client_config(seed: [u8; 32], peer: &PeerId) -> quinn::ClientConfig {
    let expected = libp2p::PeerId::from_bytes(&peer.to_multihash()).expect("a Karez peer id is a libp2p peer id");
    let mut tls = libp2p_tls::make_client_config(&keypair(seed), Some(expected)).expect("a fresh certificate is valid");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.key_log = Arc::new(rustls::NoKeyLog);
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("libp2p-tls configures TLS 1.3")))
}

/// Who is at the other end, by its certificate; `None` for keys that are not Ed25519.
pub fn peer_of(connection: &quinn::Connection) -> Option<PeerId> {
    let identity = connection.peer_identity()?;
    let certificates = identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
    let peer = libp2p_tls::certificate::parse(certificates.first()?).ok()?.peer_id();
    PeerId::from_multihash(&peer.to_bytes())
}
