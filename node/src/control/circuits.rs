//! A libp2p transport whose connections are circuits through a relay: streams of the connections with that relay.
//!
//! What must stay true: what is above it shakes hands (Noise) end to end, so a relay can neither read nor pretend to be
//! somebody. An address is `/p2p/RELAY/p2p-circuit/p2p/PEER`, and the relay must be connected already.
//!
//! Rejected: libp2p's relay v2. Its server counts no bytes and knows no rate, so a quota could not be kept where bytes move.

use super::codec::{read_short, write_short};
use super::{Loop, from_libp2p, to_libp2p};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Ready, ready};
use karez_protocol::trust;
use karez_protocol::wire::relay::{CALLED_PROTOCOL, Caller, RELAY_PROTOCOL, RelayAnswer, RelayRequest};
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::PeerCondition;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Transport};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(super) const RELAY: StreamProtocol = StreamProtocol::new(RELAY_PROTOCOL);
pub(super) const CALLED: StreamProtocol = StreamProtocol::new(CALLED_PROTOCOL);

/// Calls that may wait for the swarm; who is dropped calls again.
const CALLS_MAX: usize = 16;
/// Time for one side to say what it wants: a few round trips by satellite.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// A circuit that somebody else asked for.
pub(super) struct Call {
    relay: PeerId,
    caller: PeerId,
    stream: Stream,
}

/// The transport.
pub(super) struct Circuits {
    streams: libp2p_stream::Control,
    calls: mpsc::Receiver<Call>,
    listener: Option<ListenerId>,
    is_announced: bool,
    waker: Option<Waker>,
}

/// Why a circuit cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum CircuitError {
    #[error("the relay cannot be asked: {0}")]
    NoStream(libp2p_stream::OpenStreamError),
    #[error("the relay says {0:?}")]
    Refused(RelayAnswer),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What incoming circuits are listened for on.
pub(super) fn listened() -> Multiaddr {
    Protocol::P2pCircuit.into()
}

/// The relay of a circuit's address.
pub(super) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::P2p(relay), Protocol::P2pCircuit) => Some(relay),
        _ => None,
    }
}

fn ends_of(address: &Multiaddr) -> Option<(PeerId, PeerId)> {
    match (relay_of(address)?, address.iter().nth(2)?) {
        (relay, Protocol::P2p(peer)) => Some((relay, peer)),
        _ => None,
    }
}

fn circuit(relay: PeerId, peer: PeerId) -> Multiaddr {
    Multiaddr::from(Protocol::P2p(relay)).with(Protocol::P2pCircuit).with(Protocol::P2p(peer))
}

impl Circuits {
    /// The transport, and where incoming circuits are handed in.
    pub(super) fn new(streams: libp2p_stream::Control) -> (Self, mpsc::Sender<Call>) {
        let (hand_in, calls) = mpsc::channel(CALLS_MAX);
        (Self { streams, calls, listener: None, is_announced: false, waker: None }, hand_in)
    }
}

async fn dial(mut streams: libp2p_stream::Control, relay: PeerId, peer: trust::PeerId) -> Result<Stream, CircuitError> {
    let mut stream = streams.open_stream(relay, RELAY).await.map_err(CircuitError::NoStream)?;
    write_short(&mut stream, &RelayRequest::Call { peer }).await?;
    match read_short(&mut stream).await? {
        RelayAnswer::Ready => Ok(stream),
        refusal => Err(CircuitError::Refused(refusal)),
    }
}

impl Transport for Circuits {
    type Output = Stream;
    type Error = CircuitError;
    type ListenerUpgrade = Ready<Result<Stream, CircuitError>>;
    type Dial = BoxFuture<'static, Result<Stream, CircuitError>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<CircuitError>> {
        if address != listened() {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.listener = Some(id);
        self.waker.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|held| *held == id).is_some()
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<CircuitError>> {
        let ends = ends_of(&address).and_then(|(relay, peer)| Some((relay, from_libp2p(&peer)?)));
        let Some((relay, peer)) = ends else { return Err(TransportError::MultiaddrNotSupported(address)) };
        Ok(dial(self.streams.clone(), relay, peer).boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, CircuitError>> {
        let Some(listener_id) = self.listener else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if !std::mem::replace(&mut self.is_announced, true) {
            return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr: listened() });
        }
        match self.calls.poll_recv(cx) {
            Poll::Ready(Some(Call { relay, caller, stream })) => Poll::Ready(TransportEvent::Incoming {
                listener_id,
                upgrade: ready(Ok(stream)),
                local_addr: listened(),
                send_back_addr: circuit(relay, caller),
            }),
            // Without a sender nobody calls any more.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Loop {
    /// Calls a member through these relays, beside each other.
    pub(super) fn call(&mut self, peer: trust::PeerId, relays: &[trust::PeerId]) {
        let addresses = relays.iter().map(|relay| circuit(to_libp2p(relay), to_libp2p(&peer))).collect();
        self.dial(peer, addresses, PeerCondition::DisconnectedAndNotDialing);
    }

    /// A relay brings somebody who calls.
    pub(super) fn on_called(&self, relay: PeerId, mut stream: Stream) {
        let calls = self.calls.clone();
        tokio::spawn(async move {
            let Ok(Ok(Caller { peer })) = timeout(PATIENCE, read_short(&mut stream)).await else { return };
            // Full: who is dropped calls again.
            let _ = calls.try_send(Call { relay, caller: to_libp2p(&peer), stream });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_is_read_as_it_is_written() {
        let [relay, peer] = [1, 2].map(|number| to_libp2p(&trust::PeerId::from_bytes([number; 32])));
        let address = circuit(relay, peer);
        assert_eq!((relay_of(&address), ends_of(&address)), (Some(relay), Some((relay, peer))));
        for other in ["/ip4/10.0.0.1/tcp/1", "/p2p-circuit"] {
            assert_eq!(relay_of(&other.parse().unwrap()), None);
        }
    }
}
