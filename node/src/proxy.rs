//! The way out through an HTTP proxy, for sites whose firewall lets nothing else out: CONNECT (RFC 9110, 9.3.6) to members, as any
//! HTTP client to the tracker.
//!
//! What must stay true: the proxy is a stranger. Its answers are bounded in bytes and time, a byte behind the answer's head is the
//! member's, and the password is never shown. What is above it shakes hands end to end, so it can neither read nor pretend.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
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
    /// The newest fault, and for whom the proxy was asked.
    fault: Option<(Target, ProxyFault)>,
}

/// For whom a proxy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The tracker.
    Tracker,
    /// A member.
    Member,
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
        let url = reqwest::Url::parse(text).map_err(|_| ParseProxyError)?;
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

/// Undoes percent-encoding (RFC 3986, 2.1).
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    // A line break would begin a header of its own.
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
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

    /// What came of asking it. That one member is not reached says nothing of a proxy that leads to others.
    pub fn note(&self, target: Target, fault: Option<&ProxyFault>) {
        let mut state = self.state();
        match fault {
            Some(ProxyFault::NoWay { .. }) if state.works && target == Target::Member => {}
            Some(fault) => (state.works, state.fault) = (false, Some((target, fault.clone()))),
            None => {
                state.works = true;
                state.fault.take_if(|(asked, fault)| *asked == target || !fault.is_of_target());
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tracker's client, with this proxy for every host but this machine.
    pub fn for_http(&self) -> Option<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(format!("http://{self}")).ok()?;
        let proxy = proxy.no_proxy(reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1"));
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
        let connected = timeout(limit, self.ask(target)).await.unwrap_or_else(|_| Err(silent()));
        self.note(Target::Member, connected.as_ref().err());
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

fn are_neighbours(ours: IpAddr, theirs: IpAddr) -> bool {
    match (ours, theirs) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => ours.octets()[..3] == theirs.octets()[..3],
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.octets()[..8] == theirs.octets()[..8],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What a proxy that answers with these bytes makes of a CONNECT, and what it was asked.
    async fn answered(credentials: &str, answer: &[u8]) -> (Result<Vec<u8>, ProxyFault>, String, Proxy) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy: Proxy = format!("http://{credentials}{address}").parse().unwrap();
        let (answer, asked) = (answer.to_vec(), proxy.clone());
        let target = "192.0.2.7:4041".parse().unwrap();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_head(&mut stream).await.unwrap().unwrap();
            // A client that has heard enough may be gone.
            let _ = stream.write_all(&answer).await;
            String::from_utf8(request).unwrap()
        };
        let (connected, request) = tokio::join!(asked.connect(target), serving);
        let connected = match connected {
            Ok(mut stream) => {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                Ok(rest)
            }
            Err(fault) => Err(fault),
        };
        (connected, request, proxy)
    }

    #[tokio::test]
    async fn what_follows_the_head_is_the_members() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello";
        let (connected, request, proxy) = answered("", answer).await;
        assert_eq!((connected, proxy.fault()), (Ok(b"hello".to_vec()), None));
        assert_eq!(request, "CONNECT 192.0.2.7:4041 HTTP/1.1\r\nHost: 192.0.2.7:4041\r\n\r\n");
    }

    #[tokio::test]
    async fn credentials_travel_decoded_and_are_not_shown() {
        let (_, request, proxy) = answered("li%20na:p%40ss@", b"HTTP/1.0 200 ok\r\n\r\n").await;
        assert!(request.contains("Proxy-Authorization: Basic bGkgbmE6cEBzcw==\r\n"), "{request}");
        assert!(!format!("{proxy} {proxy:?}").contains("ss"), "{proxy:?}");
    }

    #[tokio::test]
    async fn refusals_say_what_to_do() {
        for (status, words) in [(407, "USER:PASSWORD@"), (403, "allow CONNECT"), (405, "443"), (502, "does not reach")]
        {
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nno!");
            let (connected, _, proxy) = answered("", answer.as_bytes()).await;
            let fault = connected.unwrap_err();
            assert!(fault.to_string().contains(words), "{fault}");
            assert_eq!(proxy.fault(), Some(fault));
        }
    }

    #[tokio::test]
    async fn hostile_answers_are_bounded() {
        let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; HEAD_BYTES_MAX]].concat();
        for answer in
            [&endless[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 999 what\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"\r\n\r\n"]
        {
            let fault = answered("", answer).await.0.unwrap_err();
            assert!(matches!(fault, ProxyFault::NotAProxy { .. }), "{fault}");
        }
        assert!(matches!(answered("", b"HTTP/1.1 200").await.0.unwrap_err(), ProxyFault::Unreachable { .. }));
    }

    #[tokio::test]
    async fn a_silent_proxy_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy: Proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let fault =
            proxy.connect_within(Duration::from_millis(50), "192.0.2.7:4041".parse().unwrap()).await.unwrap_err();
        assert!(fault.to_string().contains("no answer"), "{fault}");
    }

    #[test]
    fn one_member_that_is_away_is_no_fault_of_a_proxy_that_works() {
        let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
        let away = proxy.fault_of("192.0.2.7:4041", 502);
        proxy.note(Target::Member, away.as_ref());
        assert_eq!(proxy.fault(), away);
        proxy.note(Target::Member, None);
        proxy.note(Target::Member, away.as_ref());
        assert_eq!(proxy.fault(), None);
    }

    #[test]
    fn the_tracker_may_be_reached_where_members_are_not() {
        let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
        let [shut, forbidden] = [407, 403].map(|status| proxy.fault_of("192.0.2.7:4041", status));
        proxy.note(Target::Member, shut.as_ref());
        proxy.note(Target::Tracker, None);
        assert_eq!(proxy.fault(), None, "whoever is let out has the password");
        proxy.note(Target::Member, forbidden.as_ref());
        proxy.note(Target::Tracker, None);
        assert_eq!(proxy.fault(), forbidden);
        proxy.note(Target::Member, None);
        assert_eq!(proxy.fault(), None);
    }

    #[test]
    fn this_machine_and_its_neighbours_need_no_proxy() {
        let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
        proxy.note_own("10.1.2.3".parse().unwrap(), true);
        proxy.note_own("fd00:0:0:1::5".parse().unwrap(), true);
        for (address, takes) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.3.4", false),
            ("fe80::1", false),
            ("10.1.2.77", false),
            ("::ffff:10.1.2.77", false),
            ("10.1.3.3", true),
            ("fd00:0:0:1::9", false),
            ("fd00:0:0:2::9", true),
            ("203.0.113.9", true),
        ] {
            assert_eq!(proxy.takes(address.parse().unwrap()), takes, "{address}");
        }
        proxy.note_own("10.1.2.3".parse().unwrap(), false);
        assert!(proxy.takes("10.1.2.77".parse().unwrap()));
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for text in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "http://p:1/path",
            "http://a%0d%0ab@p:1",
        ] {
            assert!(text.parse::<Proxy>().is_err(), "{text}");
        }
        assert_eq!("http://[fd00::1]:3128/".parse::<Proxy>().unwrap().to_string(), "[fd00::1]:3128");
        assert_eq!("http://proxy.school".parse::<Proxy>().unwrap().to_string(), "proxy.school:80");
    }
}
