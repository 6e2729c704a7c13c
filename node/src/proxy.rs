//! The way out through an HTTP proxy, for sites whose firewall lets nothing else out: CONNECT (RFC 9110, 9.3.6) to members, as any
//! HTTP client to the tracker.
//!
//! What must stay true: the proxy is a stranger. Its answers are bounded in bytes and time, a byte behind the answer's head is the
//! member's, and the password is never shown. What is above it shakes hands end to end, so it can neither read nor pretend.

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for one CONNECT: some round trips by satellite, and less than the control plane gives a whole dial (10 s).
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    state: Mutex<State>,
}

/// What goes with each request.
struct Credentials {
    user: String,
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[derive(Debug, Default)]
struct State {
    /// This machine's addresses.
    own: BTreeSet<IpAddr>,
    /// It led somewhere since it last failed of itself.
    works: bool,
    /// The member it led to last, until it fails of itself or does not lead there any more.
    reached: Option<SocketAddr>,
    /// The newest fault, and for whom the proxy was asked.
    fault: Option<(Target, ProxyFault)>,
}

/// For whom a proxy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The tracker.
    Tracker,
    /// A member.
    Member(SocketAddr),
}

impl Target {
    fn is_like(self, other: Self) -> bool {
        matches!((self, other), (Self::Tracker, Self::Tracker) | (Self::Member(_), Self::Member(_)))
    }
}

impl State {
    /// Whether it leads to another member.
    fn leads_beside(&self, member: SocketAddr) -> bool {
        self.reached.is_some_and(|reached| reached != member)
    }

    /// What one member is to blame for, whose address may be anything: it says nothing of a proxy that leads to others.
    fn forgives(&self, member: SocketAddr, fault: &ProxyFault) -> bool {
        match fault {
            ProxyFault::NoWay { .. } => self.works || self.leads_beside(member),
            ProxyFault::Forbidden { .. } => self.leads_beside(member),
            _ => false,
        }
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let parts = |proxy: &Self| {
            let inside = &proxy.0;
            let credentials = inside.credentials.as_ref().map(|known| (known.user.clone(), known.password.clone()));
            (inside.host.clone(), inside.port, credentials)
        };
        parts(self) == parts(other)
    }
}

/// Not the URL of a proxy.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("a proxy is http://[USER:PASSWORD@]HOST:PORT")]
pub struct ParseProxyError;

/// Why a proxy did not help, and what to do.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum ProxyFault {
    /// Nobody answers there.
    #[error("the HTTP proxy {proxy} cannot be reached ({detail}): check its address in --proxy, and the network")]
    Unreachable {
        /// Its host and port.
        proxy: String,
        /// What the system said.
        detail: String,
    },
    /// 407.
    #[error(
        "the HTTP proxy {proxy} wants a user name and a password, or refuses them: --proxy http://USER:PASSWORD@{proxy}"
    )]
    Credentials {
        /// Its host and port.
        proxy: String,
    },
    /// Another answer of 4xx.
    #[error(
        "the HTTP proxy {proxy} does not let this node out to {target} (answer {status}): ask its operator to allow CONNECT to that \
         port, or have the other side listen on port 443"
    )]
    Forbidden {
        /// Its host and port.
        proxy: String,
        /// Where to.
        target: String,
        /// What it answered.
        status: u16,
    },
    /// It could not get there.
    #[error(
        "the HTTP proxy {proxy} does not reach {target} (answer {status}): ask its operator, if others can reach it"
    )]
    NoWay {
        /// Its host and port.
        proxy: String,
        /// Where to.
        target: String,
        /// What it answered.
        status: u16,
    },
    /// What answers is no HTTP proxy.
    #[error("{proxy} does not answer like an HTTP proxy: check the address in --proxy")]
    NotAProxy {
        /// Its host and port.
        proxy: String,
    },
}

impl ProxyFault {
    /// Whether it may let the node out elsewhere.
    const fn is_of_target(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::NoWay { .. })
    }
}

impl FromStr for Proxy {
    type Err = ParseProxyError;

    fn from_str(text: &str) -> Result<Self, ParseProxyError> {
        let url = Url::parse(text).map_err(|_| ParseProxyError)?;
        let host = url.host_str().filter(|_| url.scheme() == "http" && matches!(url.path(), "" | "/"));
        let (Some(host), Some(port)) = (host, url.port_or_known_default()) else { return Err(ParseProxyError) };
        let plain = |text: &str| decoded(text).ok_or(ParseProxyError);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                Some(Credentials { user: plain(user)?, password: plain(password.unwrap_or_default())? })
            }
        };
        Ok(Self(Arc::new(Inside { host: host.to_owned(), port, credentials, state: Mutex::default() })))
    }
}

/// Host and port, without the password.
impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0.host, self.0.port)
    }
}

/// Undoes percent-encoding. A line break would begin a header of its own.
fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!decoded.contains(char::is_control)).then(|| decoded.into_owned())
}

impl Proxy {
    /// Whether an address is dialled through it. This machine and its neighbours are not: the first 24 bits of an IPv4 and 64 of an
    /// IPv6 address are those of one of ours.
    pub fn takes(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        !address.is_loopback() && !is_link_local && !self.state().own.iter().any(|own| are_neighbours(*own, address))
    }

    /// This machine has an address, or no longer.
    pub fn note_own(&self, address: IpAddr, here: bool) {
        let own = &mut self.state().own;
        match here {
            true => own.insert(address.to_canonical()),
            false => own.remove(&address.to_canonical()),
        };
    }

    /// Why it does not help, while it does not.
    pub fn fault(&self) -> Option<ProxyFault> {
        self.state().fault.as_ref().map(|(_, fault)| fault.clone())
    }

    /// What came of asking it.
    pub fn note(&self, target: Target, fault: Option<&ProxyFault>) {
        let mut state = self.state();
        match (fault, target) {
            (Some(fault), Target::Member(member)) if state.forgives(member, fault) => {}
            (Some(fault), _) => {
                state.reached.take_if(|reached| !fault.is_of_target() || target == Target::Member(*reached));
                (state.works, state.fault) = (false, Some((target, fault.clone())));
            }
            (None, _) => {
                state.works = true;
                if let Target::Member(member) = target {
                    state.reached = Some(member);
                }
                state.fault.take_if(|(asked, fault)| asked.is_like(target) || !fault.is_of_target());
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a URL is asked for through it: as [`Self::takes`] where its host is an address, and what has a name always, but for this
    /// machine's.
    pub fn takes_url(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            // A node that does not listen yet knows no addresses of its own, but the system does.
            Ok(address) => self.takes(address) && !own_towards(address).is_some_and(|own| are_neighbours(own, address)),
            Err(_) => host != "localhost",
        }
    }

    /// This proxy for the tracker's client.
    pub fn for_http(&self) -> Option<reqwest::Proxy> {
        let (proxy, own) = (Url::parse(&format!("http://{self}")).ok()?, self.clone());
        let proxy = reqwest::Proxy::custom(move |url| own.takes_url(url).then(|| proxy.clone()));
        Some(match &self.0.credentials {
            Some(Credentials { user, password }) => proxy.basic_auth(user, password),
            None => proxy,
        })
    }

    /// What an answer of the proxy itself means; `None` when it led through.
    pub fn fault_of(&self, target: &str, status: u16) -> Option<ProxyFault> {
        let (proxy, target) = (self.to_string(), target.to_owned());
        match status {
            200..300 => None,
            407 => Some(ProxyFault::Credentials { proxy }),
            400..500 => Some(ProxyFault::Forbidden { proxy, target, status }),
            500..600 => Some(ProxyFault::NoWay { proxy, target, status }),
            _ => Some(ProxyFault::NotAProxy { proxy }),
        }
    }

    /// A connection to a member.
    pub async fn connect(&self, target: SocketAddr) -> Result<TcpStream, ProxyFault> {
        self.connect_within(CONNECT_WITHIN, target).await
    }

    async fn connect_within(&self, limit: Duration, target: SocketAddr) -> Result<TcpStream, ProxyFault> {
        let silent = || ProxyFault::Unreachable { proxy: self.to_string(), detail: "no answer".into() };
        let connected = match timeout(limit, self.ask(target)).await {
            Ok(connected) => connected,
            // It may be waiting for a member that is away.
            Err(_) if self.state().leads_beside(target) => return Err(silent()),
            Err(_) => Err(silent()),
        };
        self.note(Target::Member(target), connected.as_ref().err());
        connected
    }

    async fn ask(&self, target: SocketAddr) -> Result<TcpStream, ProxyFault> {
        let proxy = self.to_string();
        let unreachable =
            |cause: std::io::Error| ProxyFault::Unreachable { proxy: proxy.clone(), detail: cause.to_string() };
        let mut stream = TcpStream::connect((self.0.host.as_str().trim_matches(['[', ']']), self.0.port))
            .await
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(Credentials { user, password }) = &self.0.credentials {
            let encoded = BASE64.encode(format!("{user}:{password}").as_bytes());
            request += &format!("Proxy-Authorization: Basic {encoded}\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).await.map_err(unreachable)?;
        let head = read_head(&mut stream).await.map_err(unreachable)?;
        let Some(status) = head.as_deref().and_then(status_in) else { return Err(ProxyFault::NotAProxy { proxy }) };
        match self.fault_of(&target.to_string(), status) {
            None => Ok(stream),
            Some(fault) => Err(fault),
        }
    }
}

/// The head of an answer and nothing behind it: what follows is the member's, and short heads are not worth a buffer.
/// `None` when it is too long.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Ok(None);
        }
        head.push(stream.read_u8().await?);
    }
    Ok(Some(head))
}

/// The status of `HTTP/1.1 200 Connection established`.
fn status_in(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|digits| digits.len() == 3)?.parse().ok()
}

/// This machine's address on the way to another. Connecting a UDP socket looks the way up and sends nothing.
fn own_towards(address: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip().to_canonical())
}

/// Whether an address can be anybody's: members may announce anything.
pub(crate) fn is_somewhere(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let nowhere = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !nowhere && address.port() != 0
}

fn are_neighbours(ours: IpAddr, theirs: IpAddr) -> bool {
    match (ours, theirs.to_canonical()) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => ours.octets()[..3] == theirs.octets()[..3],
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.octets()[..8] == theirs.octets()[..8],
        _ => false,
    }
}

#[cfg(test)]
mod tests;
