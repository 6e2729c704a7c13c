//! The control plane: libp2p over TCP, Noise and Yamux; small questions between members, no chunk ever.
//!
//! Rejected: libp2p's QUIC here, because the bulk lane's own endpoint uses the UDP half of the same port number, and one
//! configurable port is what a flagship's firewall is opened for. Connections from and to anybody outside the roster
//! are denied by the allow list before a protocol is negotiated. libp2p's types end at this module.

mod behaviour;
mod circuits;
mod codec;
mod dialer;
mod event;
mod lan;
mod lanes;
mod questions;
mod relay;
mod reservation;
mod ways;

use crate::pipe::Pipe;
use crate::proxy::Proxy;
use behaviour::{Behaviour, BehaviourEvent};
use futures::StreamExt as _;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::{ControlRequest, ControlResponse};
use lan::Lan;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, OutboundRequestId, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, Swarm};
use questions::Questions;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::sync::{mpsc, oneshot, watch};
use ways::{Way, Ways};

pub use event::Event;
pub use relay::{Relay, RelayFigures};

/// Commands that may wait.
const COMMANDS_MAX: usize = 256;

/// What the control plane needs to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The node key's secret.
    pub seed: [u8; 32],
    /// Whether members are looked for on the LAN.
    pub lan: bool,
    /// What this node relays between members, if it does.
    pub relay: Option<Relay>,
    /// Through what it dials, if not directly.
    pub proxy: Option<Proxy>,
}

/// Why the control plane cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot use TCP port {address}: {detail}")]
pub struct StartError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub detail: String,
}

enum Command {
    OpenLane(PeerId),
    Dial(PeerId, Vec<SocketAddr>),
    DialBeside(PeerId, Vec<SocketAddr>),
    Call(PeerId, Vec<PeerId>),
    Reserve(PeerId),
    Ask(PeerId, ControlRequest),
}

/// The control plane.
#[derive(Debug, Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    /// Not a command: the newest list counts and must never be dropped.
    members: watch::Sender<Vec<PeerId>>,
    port: u16,
}

impl Control {
    /// Listens and starts the loop.
    pub async fn start(config: Config, events: mpsc::Sender<Event>) -> Result<Self, StartError> {
        let failed = |detail: String| StartError { address: config.listen, detail };
        let (mut swarm, calls) =
            behaviour::swarm(config.seed, config.lan, config.proxy.clone()).map_err(|e| failed(e.to_string()))?;
        let is_both = config.listen.ip() == Ipv6Addr::UNSPECIFIED;
        // libp2p's sockets are of one family. IPv4 is first to get a port: loopback has it also where IPv6 is off.
        let first =
            if is_both { SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), config.listen.port()) } else { config.listen };
        swarm.listen_on(multiaddr(first)).map_err(|e| failed(e.to_string()))?;
        let port = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => break socket_address(&address).map_or(0, |a| a.port()),
                SwarmEvent::ListenerError { error, .. } => return Err(failed(error.to_string())),
                SwarmEvent::ListenerClosed { reason: Err(error), .. } => return Err(failed(error.to_string())),
                _ => {}
            }
        };
        if is_both && let Err(cause) = swarm.listen_on(multiaddr(SocketAddr::new(config.listen.ip(), port))) {
            tracing::info!(%cause, "no IPv6 for the control plane");
        }
        swarm.listen_on(circuits::listened()).map_err(|e| failed(e.to_string()))?;
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (members, listed) = watch::channel(Vec::new());
        let (questions, ways, lan) = (Questions::default(), Ways::default(), Lan::default());
        let begun = Loop { swarm, events, questions, ways, lan, relay: config.relay, proxy: config.proxy, calls };
        tokio::spawn(begun.run(inbox, listed));
        Ok(Self { commands, members, port })
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn command(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::warn!("the control plane is too busy: a command was dropped");
        }
    }

    /// Connects to a member.
    pub fn dial(&self, peer: PeerId, addresses: Vec<SocketAddr>) {
        self.command(Command::Dial(peer, addresses));
    }

    /// Tries for a direct connection with a member that is connected through a relay; it takes the relayed one's place.
    pub fn dial_beside(&self, peer: PeerId, addresses: Vec<SocketAddr>) {
        self.command(Command::DialBeside(peer, addresses));
    }

    /// Connects to a member through one of these relays, to which this node is connected.
    pub fn call(&self, peer: PeerId, relays: Vec<PeerId>) {
        self.command(Command::Call(peer, relays));
    }

    /// Asks a connected relay to let others reach this node through it; `Reserved` or `NotReserved` follows.
    pub fn reserve(&self, relay: PeerId) {
        self.command(Command::Reserve(relay));
    }

    /// Asks a connected member.
    pub fn ask(&self, peer: PeerId, request: ControlRequest) {
        self.command(Command::Ask(peer, request));
    }

    /// Asks a connected member for a stream that can carry a bulk lane; `Lane` or `NoLane` follows.
    pub fn open_lane(&self, peer: PeerId) {
        self.command(Command::OpenLane(peer));
    }

    /// Replaces the allow list.
    pub fn set_members(&self, members: Vec<PeerId>) {
        self.members.send_replace(members);
    }
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

fn to_libp2p(peer: &PeerId) -> libp2p::PeerId {
    libp2p::PeerId::from_bytes(&peer.to_multihash()).expect("a Karez peer id is a libp2p peer id")
}

fn from_libp2p(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::from_multihash(&peer.to_bytes())
}

/// The next of a stream that may not be there.
async fn next_of<S: futures::Stream + Unpin>(streams: &mut Option<S>) -> Option<S::Item> {
    match streams {
        Some(streams) => streams.next().await,
        None => std::future::pending().await,
    }
}

struct Loop {
    swarm: Swarm<Behaviour>,
    events: mpsc::Sender<Event>,
    questions: Questions<OutboundRequestId>,
    ways: Ways,
    lan: Lan,
    relay: Option<Relay>,
    proxy: Option<Proxy>,
    calls: mpsc::Sender<circuits::Call>,
}

impl Loop {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut listed: watch::Receiver<Vec<PeerId>>) {
        // Answers come back through small tasks, so that one slow answer does not hold up the loop.
        let mut streams = self.swarm.behaviour().streams.new_control();
        let mut incoming = streams.accept(lanes::PROTOCOL).expect("nobody else takes this protocol");
        let mut called = streams.accept(circuits::CALLED).expect("nobody else takes this protocol");
        let relaying = self.relay.is_some().then(|| streams.accept(circuits::RELAY));
        let mut relayed = relaying.map(|accepted| accepted.expect("nobody else takes this protocol"));
        let (answers, mut answered) = mpsc::channel::<(ResponseChannel<ControlResponse>, ControlResponse)>(64);
        loop {
            let again = self.lan.deaf_until.unwrap_or_else(tokio::time::Instant::now);
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event, &answers).await,
                Some((channel, response)) = answered.recv() => {
                    // The asker may be gone by now.
                    let _ = self.swarm.behaviour_mut().ask.send_response(channel, response);
                }
                () = tokio::time::sleep_until(again), if self.lan.deaf_until.is_some() => self.listen_to_lan_again(),
                Some((peer, stream)) = incoming.next() => self.on_stream(&peer, stream).await,
                Some((relay, stream)) = called.next() => self.on_called(relay, stream),
                Some((peer, stream)) = next_of(&mut relayed) => self.on_relay_stream(&peer, stream),
                Ok(()) = listed.changed() => {
                    let members = listed.borrow_and_update().clone();
                    self.swarm.behaviour_mut().set_members(members.iter().map(to_libp2p));
                    self.tell_of_members_on_lan().await;
                }
                command = inbox.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
            }
        }
    }

    /// A member wants to use this connection for a bulk lane.
    async fn on_stream(&mut self, peer: &libp2p::PeerId, stream: libp2p::Stream) {
        let Some(peer) = from_libp2p(peer) else { return };
        let Some(way) = self.ways.best(&peer) else { return };
        let pipe = Pipe::new(stream, way.address, way.relay);
        let _ = self.events.send(Event::Lane { peer, pipe, opened: false }).await;
    }

    fn open_lane(&self, peer: PeerId) {
        let Some(way) = self.ways.best(&peer) else { return };
        let streams = self.swarm.behaviour().streams.new_control();
        tokio::spawn(lanes::open(streams, peer, way, self.events.clone()));
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::OpenLane(peer) => self.open_lane(peer),
            Command::Dial(peer, addresses) => {
                let addresses = addresses.into_iter().map(multiaddr).collect();
                self.dial(peer, addresses, PeerCondition::DisconnectedAndNotDialing);
            }
            Command::DialBeside(peer, addresses) => {
                let addresses = addresses.into_iter().map(multiaddr).collect();
                self.dial(peer, addresses, PeerCondition::NotDialing);
            }
            Command::Call(peer, relays) => self.call(peer, &relays),
            Command::Reserve(relay) => self.reserve(relay),
            Command::Ask(peer, request) => {
                if let Some(request) = self.questions.admit(peer, request) {
                    self.ask(peer, request);
                }
            }
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, condition: PeerCondition) {
        let options = DialOpts::peer_id(to_libp2p(&peer)).condition(condition).addresses(addresses).build();
        if let Err(cause) = self.swarm.dial(options) {
            tracing::debug!(?peer, %cause, "control dial not begun");
        }
    }

    fn ask(&mut self, peer: PeerId, request: ControlRequest) {
        let id = self.swarm.behaviour_mut().ask.send_request(&to_libp2p(&peer), request.clone());
        self.questions.begin(id, peer, request);
    }

    /// What was asked, now that an answer came or none will; the next question that waited for it goes out.
    fn asked(&mut self, id: &OutboundRequestId) -> Option<ControlRequest> {
        let (peer, request) = self.questions.end(id)?;
        if let Some(next) = self.questions.next(&peer) {
            self.ask(peer, next);
        }
        Some(request)
    }

    async fn on_own(&mut self, address: &Multiaddr, here: bool) {
        if let Some(address) = socket_address(address) {
            let _ = self.events.send(Event::Own { address, here }).await;
        }
    }

    async fn on_event(
        &mut self,
        event: SwarmEvent<BehaviourEvent>,
        answers: &mpsc::Sender<(ResponseChannel<ControlResponse>, ControlResponse)>,
    ) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connection(&peer_id, connection_id, &endpoint).await;
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.on_connection_closed(&peer_id, connection_id).await;
            }
            SwarmEvent::IncomingConnectionError { error: ListenError::Denied { .. }, .. }
            | SwarmEvent::OutgoingConnectionError { error: DialError::Denied { .. }, .. } => {
                let _ = self.events.send(Event::StrangerRefused).await;
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_dial_failed(&peer, &error).await;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Lan(event)) => self.on_lan(event).await,
            SwarmEvent::NewListenAddr { address, .. } => self.on_own(&address, true).await,
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_own(&address, false).await,
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) => {
                if let (Some(peer), Ok(rtt)) = (from_libp2p(&ping.peer), ping.result) {
                    let _ = self.events.send(Event::RoundTrip { peer, rtt }).await;
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ask(event)) => self.on_ask(event, answers).await,
            other => tracing::trace!(?other, "control"),
        }
    }

    async fn on_ask(
        &mut self,
        event: request_response::Event<ControlRequest, ControlResponse>,
        answers: &mpsc::Sender<(ResponseChannel<ControlResponse>, ControlResponse)>,
    ) {
        use request_response::{Event as Ask, Message};
        match event {
            Ask::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let Some(peer) = from_libp2p(&peer) else { return };
                let (reply, answer) = oneshot::channel();
                let host = self.ways.best(&peer).filter(|way| way.relay.is_none()).map(|way| way.address.ip());
                let _ = self.events.send(Event::Request { peer, host, request, reply }).await;
                let answers = answers.clone();
                tokio::spawn(async move {
                    if let Ok(response) = answer.await {
                        let _ = answers.send((channel, response)).await;
                    }
                });
            }
            Ask::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let (Some(peer), Some(request)) = (from_libp2p(&peer), self.asked(&request_id)) else { return };
                let _ = self.events.send(Event::Response { peer, request, response }).await;
            }
            Ask::OutboundFailure { request_id, error, .. } => {
                let _ = self.asked(&request_id);
                tracing::debug!(%error, "control question failed");
            }
            Ask::InboundFailure { .. } | Ask::ResponseSent { .. } => {}
        }
    }
}
