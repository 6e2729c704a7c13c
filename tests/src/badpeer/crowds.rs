//! A thousand connections at once, from many addresses of the loopback network.

use super::{Act, Bad};
use crate::cluster::tree::noise;
use karez_node::keys::Key;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Connections in a crowd.
const CROWD: usize = 1_000;
/// Addresses that they come from.
const SOURCES: usize = 40;
/// Pause before a connection that was closed is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// Rounds of garbage datagrams.
const VOLLEY: Duration = Duration::from_millis(100);

/// What a crowd does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// Connects on both planes and says nothing; it has a member's key.
    Idle,
    /// Shakes hands with a key that no roster lists.
    Strangers,
    /// Begins handshakes and answers nothing.
    HalfOpen,
    /// Sends noise.
    Garbage,
}

fn source(number: usize) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(127, 0, 1, (number % SOURCES) as u8 + 1).into(), 0)
}

impl Crowd {
    /// Gathers so many at the node; they leave with the future.
    pub async fn gather(self, bad: Arc<Bad>, number: usize) {
        let mut crowd = JoinSet::new();
        match self {
            Self::Idle => {
                connections(&mut crowd, &bad, &bad.key, number / 2);
                (0..number.div_ceil(2)).for_each(|one| drop(crowd.spawn(silent_tcp(bad.clone(), one, vec![]))));
            }
            Self::Strangers => connections(&mut crowd, &bad, &Key::generate(), number),
            Self::HalfOpen => drop(crowd.spawn(half_open(bad, number))),
            Self::Garbage => {
                crowd.spawn(volleys(bad.clone(), number / 2));
                for one in 0..number.div_ceil(2) {
                    crowd.spawn(silent_tcp(bad.clone(), one, noise(one as u64, 4096)));
                }
            }
        }
        while crowd.join_next().await.is_some() {}
    }
}

/// QUIC connections that never open a stream, opened again whenever they end.
fn connections(crowd: &mut JoinSet<()>, bad: &Arc<Bad>, key: &Key, number: usize) {
    let client = |one| {
        let mut endpoint = quinn::Endpoint::client(source(one)).expect("a socket");
        endpoint.set_default_client_config(karez_node::bulk::tls::client_config(key.seed(), &bad.victim.peer));
        endpoint
    };
    let endpoints: Vec<_> = (0..SOURCES).map(client).collect();
    for one in 0..number {
        let (bad, endpoint) = (bad.clone(), endpoints[one % SOURCES].clone());
        crowd.spawn(async move {
            let mut pace = tokio::time::interval(AGAIN);
            loop {
                pace.tick().await;
                bad.deed();
                if let Ok(connection) = endpoint.connect(bad.victim.address, "karez").expect("a dial").await {
                    connection.closed().await;
                }
            }
        });
    }
}

async fn connect_tcp(bad: &Bad, one: usize) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(source(one)).ok()?;
    socket.connect(bad.victim.address).await.ok()
}

/// A TCP connection that says this and no more, opened again whenever it ends.
async fn silent_tcp(bad: Arc<Bad>, one: usize, says: Vec<u8>) {
    let mut pace = tokio::time::interval(AGAIN);
    loop {
        pace.tick().await;
        let Some(mut stream) = connect_tcp(&bad, one).await else { continue };
        bad.deed();
        if stream.write_all(&says).await.is_ok() {
            let mut heard = [0; 1024];
            while stream.read(&mut heard).await.is_ok_and(|bytes| bytes > 0) {}
        }
    }
}

async fn sockets() -> Vec<UdpSocket> {
    let mut sockets = Vec::new();
    for one in 0..SOURCES {
        sockets.push(UdpSocket::bind(source(one)).await.expect("a socket"));
    }
    sockets
}

/// First packets of real handshakes: a client's, caught on the way and sent on from elsewhere. What is answered is not read.
async fn half_open(bad: Arc<Bad>, number: usize) {
    let trap = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let (client, sockets) = (bad.client(&Key::generate()), sockets().await);
    let target = trap.local_addr().expect("an address");
    let mut packet = [0; 2048];
    loop {
        let tries: Vec<_> = (0..number).filter_map(|_| client.connect(target, "karez").ok()).collect();
        let forwarding = async {
            while let Ok((len, _)) = trap.recv_from(&mut packet).await {
                // All packets of one handshake begin with the same connection id, and come from one place.
                let one = usize::from(packet[6]);
                if sockets[one % SOURCES].send_to(&packet[..len], bad.victim.address).await.is_ok() {
                    bad.deed();
                }
            }
        };
        // Those that are given up make room for others.
        let _ = tokio::time::timeout(Duration::from_secs(10), forwarding).await;
        drop(tries);
    }
}

/// Datagrams of noise, half of which look like the first packet of a handshake.
async fn volleys(bad: Arc<Bad>, number: usize) {
    let sockets = sockets().await;
    let mut pace = tokio::time::interval(VOLLEY);
    for volley in 0u64.. {
        pace.tick().await;
        for one in 0..number {
            let mut packet = noise(volley << 20 | one as u64, 1_200);
            if one % 2 == 0 {
                // Long header, Initial, version 1, connection ids of 8 bytes.
                packet[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
                packet[14] = 8;
            }
            // Where the system has no buffer left, the next one is as good.
            let _ = sockets[one % SOURCES].send_to(&packet, bad.victim.address).await;
        }
        bad.deed();
    }
}

pub(super) fn idle(bad: Arc<Bad>) -> Act {
    gathered(Crowd::Idle, bad)
}

pub(super) fn strangers(bad: Arc<Bad>) -> Act {
    gathered(Crowd::Strangers, bad)
}

pub(super) fn half_opened(bad: Arc<Bad>) -> Act {
    gathered(Crowd::HalfOpen, bad)
}

pub(super) fn garbage(bad: Arc<Bad>) -> Act {
    gathered(Crowd::Garbage, bad)
}

fn gathered(crowd: Crowd, bad: Arc<Bad>) -> Act {
    Box::pin(async move {
        crowd.gather(bad, CROWD).await;
        Some(())
    })
}
