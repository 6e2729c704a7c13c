//! One identity for both planes: TLS configurations and peer ids from libp2p-tls certificates.
//!
//! What must stay true: who is at the other end is checked as libp2p-tls checks it (its specification's rules: TLS 1.3, exactly one
//! certificate, self-signed, with the libp2p extension), by that crate's own functions. Only the order of the ciphers is ours.

use karez_protocol::trust::PeerId;
use libp2p::identity::Keypair;
use libp2p_tls::certificate;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;

/// Own protocol name, so that a stray libp2p dial fails at once.
const ALPN: &[u8] = b"karez-bulk/1";
/// What libp2p certificates may be signed with.
const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

fn keypair(mut seed: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(&mut seed).expect("32 bytes are an Ed25519 secret")
}

/// Whether this machine computes AES in hardware. Without, ChaCha20 is several times as fast, and with it a third.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// The ciphers of libp2p-tls; the dialler's order counts.
fn provider() -> Arc<CryptoProvider> {
    let mut suites = vec![
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
    ];
    if has_aes() {
        suites.reverse();
    }
    Arc::new(CryptoProvider { cipher_suites: suites, ..aws_lc_rs::default_provider() })
}

fn certified(seed: [u8; 32], provider: &CryptoProvider) -> Arc<SingleCertAndKey> {
    let (certificate, key) = certificate::generate(&keypair(seed)).expect("a key makes a certificate");
    let key = provider.key_provider.load_private_key(key).expect("a fresh key is valid");
    Arc::new(CertifiedKey::new(vec![certificate], key).into())
}

/// Accepts any holder of a libp2p key; the caller checks membership before it reads a stream.
pub fn server_config(seed: [u8; 32]) -> quinn::ServerConfig {
    let provider = provider();
    let certified = certified(seed, &provider);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_client_cert_verifier(Arc::new(Verifier { expected: None }))
        .with_cert_resolver(certified);
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let quic = QuicServerConfig::try_from(tls).expect("TLS 1.3 with a cipher for first packets");
    quinn::ServerConfig::with_crypto(Arc::new(quic))
}

/// Connects to exactly this peer: anybody else fails the handshake.
pub fn client_config(seed: [u8; 32], peer: &PeerId) -> quinn::ClientConfig {
    let expected = libp2p::PeerId::from_bytes(&peer.to_multihash()).expect("a Karez peer id is a libp2p peer id");
    let provider = provider();
    let certified = certified(seed, &provider);
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { expected: Some(expected) }))
        .with_client_cert_resolver(certified);
    tls.alpn_protocols = vec![ALPN.to_vec()];
    quinn::ClientConfig::new(Arc::new(
        QuicClientConfig::try_from(tls).expect("TLS 1.3 with a cipher for first packets"),
    ))
}

/// Who is at the other end, by its certificate; `None` for keys that are not Ed25519.
pub fn peer_of(connection: &quinn::Connection) -> Option<PeerId> {
    let identity = connection.peer_identity()?;
    let certificates = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let peer = certificate::parse(certificates.first()?).ok()?.peer_id();
    PeerId::from_multihash(&peer.to_bytes())
}

/// The rules of libp2p-tls.
#[derive(Debug)]
struct Verifier {
    /// Nobody else is at the other end.
    expected: Option<libp2p::PeerId>,
}

impl Verifier {
    fn check(&self, presented: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(Error::General("exactly one certificate must be presented".into()));
        }
        let peer = certificate::parse(presented)?.peer_id();
        match self.expected {
            Some(expected) if expected != peer => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }
}

fn check_signature(
    message: &[u8],
    of: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    certificate::parse(of)?.verify_signature(signed.scheme, message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("only TLS 1.3 is spoken".into()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(presented, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        of: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, of, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        presented: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(presented, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        of: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, of, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    fn peer(seed: u8) -> PeerId {
        PeerId::from_multihash(&keypair([seed; 32]).public().to_peer_id().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn both_know_each_other_and_nobody_else_is_taken_for_the_peer() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (server, client) =
            (quinn::Endpoint::server(server_config([1; 32]), any).unwrap(), quinn::Endpoint::client(any).unwrap());
        let address = server.local_addr().unwrap();
        let dial =
            |expected: u8| client.connect_with(client_config([2; 32], &peer(expected)), address, "karez").unwrap();
        let accept = || async { server.accept().await.unwrap().await };
        let (dialled, accepted) = tokio::join!(dial(1), accept());
        let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
        assert_eq!((peer_of(&dialled), peer_of(&accepted)), (Some(peer(1)), Some(peer(2))));
        let (dialled, accepted) = tokio::join!(dial(3), accept());
        assert!(dialled.is_err() && accepted.is_err());
    }

    #[test]
    fn all_ciphers_are_offered_and_the_fast_one_first() {
        let suites: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
        let (chacha, aes) =
            (rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!((suites.len(), suites[0]), (3, if has_aes() { aes } else { chacha }));
    }
}
