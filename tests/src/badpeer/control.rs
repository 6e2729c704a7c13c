//! A member on the control plane that may say anything: requests and answers are plain bytes here.

use super::{Act, Bad};
use crate::cluster::tree::noise;
use karez_protocol::wire::control::{CONTROL_PROTOCOL, ControlRequest, ControlResponse, Greeting, HeldVersion};
use karez_protocol::wire::{self, PROTOCOL};
use libp2p::futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Event as Ask, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two greetings.
const PACE: Duration = Duration::from_millis(300);
/// A version that everybody is behind of.
const AHEAD: u64 = 1 << 20;
/// Collections of the publisher that it says it has beside the one it is about.
const INVENTED: usize = 15;

/// Bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Plain;

async fn read(stream: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.close().await
}

impl request_response::Codec for Plain {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        t: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(t).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        t: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(t).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        t: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        write(t, &bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        t: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        write(t, &bytes).await
    }
}

fn swarm(bad: &Bad) -> Swarm<request_response::Behaviour<Plain>> {
    let key = Keypair::ed25519_from_bytes(&mut bad.key.seed()).expect("a key");
    let builder = SwarmBuilder::with_existing_identity(key).with_tokio();
    let tcp = builder.with_tcp(Default::default(), libp2p::noise::Config::new, libp2p::yamux::Config::default);
    let protocol = (StreamProtocol::new(CONTROL_PROTOCOL), ProtocolSupport::Full);
    let asking = |_: &Keypair| request_response::Behaviour::with_codec(Plain, [protocol], Default::default());
    let builder = tcp.expect("noise").with_behaviour(asking).expect("a behaviour");
    builder.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60))).build()
}

fn greeting(bad: &Bad) -> Greeting {
    let invented = |number| format!("{}/none-{number}", bad.collection.publisher()).parse().expect("a name");
    let collections = [bad.collection.clone()].into_iter().chain((0..INVENTED).map(invented));
    let held = collections.map(|collection| HeldVersion { collection, version: AHEAD, complete: true }).collect();
    Greeting { versions: PROTOCOL, network: bad.network, roster: 0, addresses: vec![], held, relay: false }
}

/// Sends this request over and over, and answers each question for a release with `release`.
async fn talk(bad: Arc<Bad>, request: Vec<u8>, release: Option<Vec<u8>>) -> Option<()> {
    let mut swarm = swarm(&bad);
    let victim = libp2p::PeerId::from_bytes(&bad.victim.peer.to_multihash()).expect("a peer id");
    let address = Multiaddr::from(bad.victim.address.ip()).with(Protocol::Tcp(bad.victim.address.port()));
    swarm.add_peer_address(victim, address);
    let mut pace = tokio::time::interval(PACE);
    loop {
        tokio::select! {
            // It dials when there is no connection.
            _ = pace.tick() => drop(swarm.behaviour_mut().send_request(&victim, request.clone())),
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(Ask::Message { message: Message::Request { request, channel, .. }, .. }) => {
                    let answer = answer(&bad, &request, release.as_ref());
                    let _ = swarm.behaviour_mut().send_response(channel, answer);
                }
                SwarmEvent::Behaviour(Ask::ResponseSent { .. }) if release.is_some() => bad.deed(),
                SwarmEvent::Behaviour(Ask::InboundFailure { .. }) if release.is_some() => bad.deed(),
                SwarmEvent::Behaviour(Ask::OutboundFailure { error: OutboundFailure::DialFailure, .. }) => {}
                SwarmEvent::Behaviour(Ask::OutboundFailure { error, .. }) if release.is_none() => {
                    bad.deed();
                    bad.note(error.to_string());
                }
                // An answer without a byte: the node gave up on the stream.
                SwarmEvent::Behaviour(Ask::Message { message: Message::Response { .. }, .. }) if release.is_none() => {
                    bad.deed();
                }
                _ => {}
            },
        }
    }
}

fn answer(bad: &Bad, request: &[u8], release: Option<&Vec<u8>>) -> Vec<u8> {
    match wire::decode::<ControlRequest>(request) {
        Ok(ControlRequest::Release { .. }) if release.is_some() => release.cloned().unwrap_or_default(),
        Ok(ControlRequest::Greet(_)) => wire::encode(&ControlResponse::Greeting(greeting(bad))),
        _ => wire::encode(&ControlResponse::Nothing),
    }
}

/// Greets as somebody with a newer version, and gives these bytes to whoever asks for it.
pub(super) async fn offers(bad: Arc<Bad>, release: Vec<u8>) -> Option<()> {
    let request = wire::encode(&ControlRequest::Greet(greeting(&bad)));
    talk(bad, request, Some(release)).await
}

/// Asks with 1 MiB.
pub(super) fn long_request(bad: Arc<Bad>) -> Act {
    Box::pin(talk(bad, vec![0x80; 1 << 20], None))
}

/// Asks with noise.
pub(super) fn garbage_request(bad: Arc<Bad>) -> Act {
    Box::pin(talk(bad, noise(3, 500), None))
}
