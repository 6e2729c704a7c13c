//! The socket: binding, accepting, dialling, greeting.

use super::carrier::{self, Carrier};
use super::congestion::Way;
use super::door::Place;
use super::gate::Gated;
use super::lane::{self, Lane, Talk};
use super::limits::LaneLimits;
use super::messages::{MessageReader, MessageWriter};
use super::race::{self, NoConnection};
use super::{CloseReason, Event, Manners, Shared, piped, tls};
use crate::pipe::Pipe;
use karez_protocol::plan::congestion::{ACK_DELAY_MAX, ACK_PACKETS};
use karez_protocol::trust::PeerId;
use karez_protocol::wire::PROTOCOL;
use karez_protocol::wire::peer::{HELLO_BYTES_MAX, Hello, PeerMessage};
use karez_protocol::wire::stamp;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Kernel buffers, in bytes: quinn does not size them, and the default drops bursts.
const SOCKET_BUFFER: usize = 4 << 20;
/// First packets of connections that may wait for the accept loop.
const INCOMING_MAX: usize = 64;
/// Bytes that one of these, and all together, may bring along before they are accepted.
const INCOMING_BYTES: (u64, u64) = (16 << 10, 1 << 20);
/// Greetings take one round trip; a satellite's is 620 ms and may lose a packet or two.
const HELLO_TIMEOUT: Duration = Duration::from_secs(8);
/// Handshakes take two round trips and carry more packets that may be lost.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for one address to answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(8);
/// Credit of a stranger until its greeting has been checked, in bytes: as little as the tightest limit gives a member.
const STRANGER_WINDOW: u32 = 16 << 10;
/// Bytes of time stamps that may wait to be sent or read; the oldest go first.
const STAMPS_WAITING: usize = 64 * stamp::STAMP_BYTES;
/// Streams a peer may open one way: one for each urgency, and one spare.
const ONE_WAY_STREAMS: u32 = 4;

/// Why the bulk socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot use UDP port {address}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

fn transport(way: &Arc<Way>) -> Arc<quinn::TransportConfig> {
    let (mut transport, mut acks) = (quinn::TransportConfig::default(), quinn::AckFrequencyConfig::default());
    acks.max_ack_delay(Some(ACK_DELAY_MAX)).ack_eliciting_threshold((ACK_PACKETS - 1).into());
    transport
        .ack_frequency_config(Some(acks))
        .congestion_controller_factory(Arc::clone(way) as Arc<_>)
        .receive_window(STRANGER_WINDOW.into())
        .stream_receive_window((8u32 << 20).into())
        .send_window(8 << 20)
        .max_concurrent_bidi_streams(1u32.into())
        .max_concurrent_uni_streams(ONE_WAY_STREAMS.into())
        .datagram_receive_buffer_size(Some(STAMPS_WAITING))
        .datagram_send_buffer_size(STAMPS_WAITING)
        .keep_alive_interval(Some(Duration::from_secs(8)))
        .max_idle_timeout(Some(Duration::from_secs(25).try_into().expect("25 s fit a QUIC timeout")));
    Arc::new(transport)
}

/// A UDP port of ours, not served yet.
#[derive(Debug)]
pub struct BoundPort {
    pub(super) endpoint: quinn::Endpoint,
    pub(super) way: Arc<Way>,
}

/// A socket of the address's family. The unspecified address of IPv6 serves both families, and IPv4 alone where the system
/// has no IPv6.
fn open_socket(address: SocketAddr) -> std::io::Result<socket2::Socket> {
    let is_both = address.ip() == Ipv6Addr::UNSPECIFIED;
    let opened = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None);
    let opened = opened.and_then(|socket| {
        if is_both {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    });
    match opened {
        Err(cause) if is_both && cause.kind() != std::io::ErrorKind::AddrInUse => {
            open_socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        opened => opened,
    }
}

/// Binds the UDP socket with room for bursts; `seed` is the node key's secret.
pub fn bind(address: SocketAddr, seed: [u8; 32], manners: Manners) -> Result<BoundPort, BindError> {
    let way = Arc::new(Way::new(manners));
    let open = || -> std::io::Result<quinn::Endpoint> {
        let socket = open_socket(address)?;
        // The kernel caps these silently; less is slower, not wrong.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.set_nonblocking(true)?;
        let mut server = tls::server_config(seed);
        server
            .transport_config(transport(&way))
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES.0)
            .incoming_buffer_size_total(INCOMING_BYTES.1);
        let runtime = Arc::new(quinn::TokioRuntime);
        quinn::Endpoint::new(quinn::EndpointConfig::default(), Some(server), socket.into(), runtime)
    };
    let bound = open().map_err(|source| BindError { address, source })?;
    Ok(BoundPort { endpoint: bound, way })
}

/// Accepts until the endpoint closes.
pub(super) async fn accept_loop(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        // Under load, make the other side prove its address before it costs a handshake.
        if shared.door.is_busy() && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        match shared.door.enter(incoming.remote_address().ip()) {
            Some(place) => drop(tokio::spawn(receive(shared.clone(), incoming, place))),
            // Without an answer: whoever is honest tries again.
            None => incoming.ignore(),
        }
    }
}

/// Shakes hands, greets and serves.
async fn receive(shared: Arc<Shared>, incoming: quinn::Incoming, mut place: Place) {
    let Ok(Ok(connection)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, async { incoming.await }).await else { return };
    let Some(peer) = admit(&shared, &connection).await else { return };
    if place.identify(peer) {
        greet_and_run(shared, connection, peer, peer, Some(place)).await;
    } else {
        close(&connection, CloseReason::Busy);
    }
}

/// Membership, by the certificate, before any stream is read.
async fn admit(shared: &Shared, connection: &quinn::Connection) -> Option<PeerId> {
    let peer = tls::peer_of(connection).filter(|peer| shared.config.members.contains(peer));
    if peer.is_none() {
        close(connection, CloseReason::NotAMember);
        let _ = shared.events.send(Event::StrangerRefused).await;
    }
    peer
}

pub(super) fn close(connection: &quinn::Connection, reason: CloseReason) {
    connection.close(reason.code().into(), reason.text().as_bytes());
}

/// Dials a member; the first address that answers carries the lane.
pub(super) async fn dial(shared: Arc<Shared>, peer: PeerId, addresses: Vec<SocketAddr>) {
    let connecting = shared.clone();
    let connect = move |address| {
        let shared = connecting.clone();
        async move { connect(&shared, &peer, address).await }
    };
    match race::first(addresses, connect).await {
        Ok(connection) => {
            let me = shared.config.me;
            greet_and_run(shared, connection, peer, me, None).await;
        }
        Err(NoConnection { detail, is_silence }) => {
            let _ = shared.events.send(Event::DialFailed { peer, detail, unanswered: is_silence }).await;
        }
    }
}

async fn connect(shared: &Shared, peer: &PeerId, address: SocketAddr) -> Result<quinn::Connection, NoConnection> {
    let mut config = tls::client_config(shared.config.seed, peer);
    config.transport_config(transport(&shared.way));
    let refused = |detail: String| NoConnection { detail: format!("{address}: {detail}"), is_silence: false };
    let connecting = shared.endpoint.connect_with(config, address, "karez").map_err(|e| refused(e.to_string()))?;
    match tokio::time::timeout(DIAL_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|e| refused(e.to_string())),
        Err(_) => Err(NoConnection { detail: format!("{address}: no answer"), is_silence: true }),
    }
}

/// Exchanges greetings and hands the connection to its lane until it ends.
async fn greet_and_run(
    shared: Arc<Shared>,
    connection: quinn::Connection,
    peer: PeerId,
    dialer: PeerId,
    place: Option<Place>,
) {
    let dialled = dialer == shared.config.me;
    let greeted = tokio::time::timeout(HELLO_TIMEOUT, greet(&shared, &connection, dialled)).await;
    let (hello, reader, writer) = match greeted {
        Ok(Ok(greeted)) => greeted,
        failed => {
            let reason = match failed {
                Ok(Err(reason)) => reason,
                _ => CloseReason::Violation,
            };
            close(&connection, reason);
            if dialled {
                let detail = connection.close_reason().map_or(reason.text().into(), |cause| cause.to_string());
                let _ = shared.events.send(Event::DialFailed { peer, detail, unanswered: false }).await;
            }
            return;
        }
    };
    // From here on it is the one lane of a member.
    drop(place);
    let lane =
        Lane::new(Carrier::Quic(connection), LaneLimits::new(&shared.config.limits), (peer, dialer), hello.session);
    lane::run(shared, lane, hello, Talk::Quic(reader, writer)).await;
}

/// Takes a stream of the control connection as a lane.
pub(super) async fn adopt(shared: Arc<Shared>, peer: PeerId, pipe: Pipe, dialer: PeerId) {
    // As with QUIC: so many greet at once, and a member's stream is as welcome as its connection.
    let Some(mut place) = shared.door.enter(pipe.address.ip()) else { return };
    if !shared.config.members.contains(&peer) || !place.identify(peer) {
        return;
    }
    let ending = piped::Ending::new(&pipe);
    let mut ends = Box::new(piped::Ends::new(pipe.split()));
    let greeted =
        tokio::time::timeout(HELLO_TIMEOUT, ends.greet(my_hello(&shared, None, shared.is_throttled(&peer)))).await;
    let checked = match greeted {
        Ok(Ok(theirs)) => check_hello(&shared, &theirs).map(|()| theirs),
        _ => Err(CloseReason::Violation),
    };
    drop(place);
    match checked {
        Ok(hello) => {
            let lane = Lane::new(
                Carrier::Stream(ending),
                LaneLimits::new(&shared.config.limits),
                (peer, dialer),
                hello.session,
            );
            lane::run(shared, lane, hello, Talk::Stream(ends)).await;
        }
        Err(reason) => {
            ends.goodbye(reason).await;
            if dialer == shared.config.me {
                let detail = format!("over the control connection: {}", reason.text());
                let _ = shared.events.send(Event::DialFailed { peer, detail, unanswered: false }).await;
            }
        }
    }
}

fn my_hello(shared: &Shared, they: Option<SocketAddr>, throttled: bool) -> Hello {
    Hello {
        versions: PROTOCOL,
        network: shared.config.network,
        roster: shared.roster.load(Ordering::Relaxed),
        agent: concat!("karez/", env!("CARGO_PKG_VERSION")).into(),
        session: shared.session,
        seen_at: they.map(|address| address.to_string()),
        throttled: throttled.then_some(true),
    }
}

fn check_hello(shared: &Shared, theirs: &Hello) -> Result<(), CloseReason> {
    if theirs.network != shared.config.network {
        return Err(CloseReason::OtherNetwork);
    }
    PROTOCOL.agree(theirs.versions).ok_or(CloseReason::Version).map(|_| ())
}

async fn greet(
    shared: &Shared,
    connection: &quinn::Connection,
    dialled: bool,
) -> Result<(Hello, MessageReader, MessageWriter), CloseReason> {
    let streams = if dialled { connection.open_bi().await } else { connection.accept_bi().await };
    let (send, receive) = streams.map_err(|_| CloseReason::Violation)?;
    let (mut reader, mut writer) = (MessageReader::new(receive), MessageWriter::new(send));
    let hello = my_hello(shared, Some(carrier::plain(connection.remote_address())), false);
    writer.write(&PeerMessage::Hello(hello), &mut Gated::new(connection)).await.map_err(|_| CloseReason::Violation)?;
    let Ok(PeerMessage::Hello(theirs)) = reader.read(HELLO_BYTES_MAX).await else { return Err(CloseReason::Violation) };
    check_hello(shared, &theirs)?;
    Ok((theirs, reader, writer))
}
