//! Talking to the tracker: HTTP with CBOR bodies. Everything believed is signed or has a MAC, but for refusals: who sits on the way can
//! refuse in the tracker's name, which cutting the connection does as well.

use crate::proxy::{Proxy, ProxyFault, Target};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::{Claimed, PairKey, PeerId, PublicKey, Signed};
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::{Announce, AnnounceResponse, JoinRequest, JoinResponse, Refusal, RefusalReason};
use karez_protocol::wire::{self, control};
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use std::time::Duration;

/// How long one exchange may take: a roster over a 64 kbit/s link fits.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long bytes may stay unacknowledged: a connection that a router on the way has forgotten ends then.
const UNHEARD: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters shown of the address that the node is sent on to.
const LOCATION_SHOWN: usize = 200;

/// Why the tracker did not help.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// Nobody answers there.
    #[error(
        "the tracker at {url} cannot be reached ({detail}): check the network, or ask the operator whether it runs"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// What failed.
        detail: String,
    },
    /// The HTTP proxy on the way does not help.
    #[error(transparent)]
    Proxy(#[from] ProxyFault),
    /// It says no.
    #[error("the tracker refuses: {detail}")]
    Refused {
        /// Why, for programs.
        reason: RefusalReason,
        /// Why, for people.
        detail: String,
    },
    /// What answers sends the node elsewhere, which a tracker never does.
    #[error(
        "{url} sends this node on to {to}: log in there if it is the login page of the network on the way; if the tracker has moved, ask \
         the operator for a new invite"
    )]
    Elsewhere {
        /// Its address.
        url: String,
        /// Where to.
        to: String,
    },
    /// What answers is not a Karez tracker of this network.
    #[error("{url} does not answer like a Karez tracker: check the address")]
    NotATracker {
        /// Its address.
        url: String,
    },
}

/// A client for one tracker.
#[derive(Debug, Clone)]
pub struct TrackerClient {
    urls: Vec<String>,
    http: reqwest::Client,
    proxy: Option<Proxy>,
}

impl TrackerClient {
    /// A client for these addresses, tried in order, through a proxy if there is one.
    pub fn new(urls: Vec<String>, proxy: Option<Proxy>) -> Self {
        // What the environment says is meant for browsers and downloads.
        let builder = reqwest::Client::builder().no_proxy();
        let way = proxy.as_ref().and_then(Proxy::for_http);
        let builder = way.into_iter().fold(builder, reqwest::ClientBuilder::proxy);
        let http = builder
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // The library's own, every 15 s, would be a quarter of an idle day's bytes.
            .tcp_keepalive(None)
            .tcp_user_timeout(UNHEARD)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without TLS always builds");
        Self { urls, http, proxy }
    }

    /// The first address.
    pub fn url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// Proves the invite and asks for membership.
    pub async fn join(
        &self,
        invite: &Invite,
        peer: PeerId,
        publisher_key: Option<PublicKey>,
        sign: impl FnOnce(JoinRequest) -> Signed<JoinRequest>,
    ) -> Result<JoinResponse, TrackerError> {
        use karez_protocol::content::Document as _;
        let proof = Invite::proof(&invite.secret, &peer.key(), publisher_key.as_ref());
        let header = JoinRequest::new_header();
        let request = JoinRequest { header, token: invite.token, peer, publisher_key, proof: proof.into() };
        self.exchange("/v1/join", sign(request).bytes().to_vec(), |answer| wire::decode(answer).ok()).await
    }

    /// Says where the node is and what it holds, under the key that it has in common with the tracker; so is the answer.
    pub async fn announce(
        &self,
        announce: &Announce,
        network: &NetworkId,
        key: &PairKey,
    ) -> Result<AnnounceResponse, TrackerError> {
        let read = |answer: &[u8]| {
            let payload = key.open_answer(network, announce.sequence, answer).ok()?;
            wire::decode(&payload).ok()
        };
        self.exchange("/v1/announce", Claimed::seal(announce, network, announce.peer, key), read).await
    }

    /// Lists a release in the catalogue.
    pub async fn publish(&self, release: &SignedRelease) -> Result<(), TrackerError> {
        self.exchange("/v1/release", wire::encode(release), |answer| answer.is_empty().then_some(())).await
    }

    /// Asks one address after another. What `read` does not take is no tracker's answer: login pages say 200 as well.
    async fn exchange<T>(
        &self,
        path: &str,
        body: Vec<u8>,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, TrackerError> {
        let mut last = TrackerError::Unreachable { url: String::new(), detail: "no address known".into() };
        for url in &self.urls {
            let answer = self.exchange_with(url, path, body.clone()).await;
            let answer =
                answer.and_then(|bytes| read(&bytes).ok_or_else(|| TrackerError::NotATracker { url: url.clone() }));
            if let Some(proxy) = self.proxy_to(url) {
                match &answer {
                    Ok(_) | Err(TrackerError::Refused { .. }) => proxy.note(Target::Tracker, None),
                    Err(TrackerError::Proxy(fault)) => proxy.note(Target::Tracker, Some(fault)),
                    Err(_) => {}
                }
            }
            match answer {
                Ok(_) | Err(TrackerError::Refused { .. }) => return answer,
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The proxy through which this address is asked.
    fn proxy_to(&self, url: &str) -> Option<&Proxy> {
        let url = reqwest::Url::parse(url).ok()?;
        self.proxy.as_ref().filter(|proxy| proxy.takes_url(&url))
    }

    async fn exchange_with(&self, url: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>, TrackerError> {
        let unreachable = |e: reqwest::Error| match self.proxy_to(url) {
            Some(proxy) if e.is_connect() => {
                ProxyFault::Unreachable { proxy: proxy.to_string(), detail: root_cause(&e) }.into()
            }
            _ => TrackerError::Unreachable { url: url.into(), detail: root_cause(&e) },
        };
        let target = format!("{}{path}", url.trim_end_matches('/'));
        let mut response = self.http.post(target).body(body).send().await.map_err(unreachable)?;
        let status = response.status();
        if let Some(to) = response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
            let to = to.to_str().unwrap_or_default().chars().take(LOCATION_SHOWN).collect();
            return Err(TrackerError::Elsewhere { url: url.into(), to });
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + piece.len() > control::RESPONSE_BYTES_MAX {
                return Err(TrackerError::NotATracker { url: url.into() });
            }
            bytes.extend_from_slice(&piece);
        }
        if status == StatusCode::OK {
            return Ok(bytes);
        }
        match wire::decode::<Refusal>(&bytes) {
            Ok(refusal) => Err(TrackerError::Refused { reason: refusal.reason, detail: refusal.detail }),
            Err(_) => {
                let fault = self.proxy_to(url).and_then(|proxy| proxy.fault_of(url, status.as_u16()));
                Err(fault.map_or_else(|| TrackerError::NotATracker { url: url.into() }, TrackerError::Proxy))
            }
        }
    }
}

/// The innermost cause says what people need: "connection refused".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use karez_protocol::content::Document as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
    const NOTHING: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    /// A server that gives one answer after another, and what it listens on.
    async fn answering<const N: usize>(answers: [impl AsRef<[u8]> + Send + 'static; N]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(answer.as_ref()).await.unwrap();
                stream.shutdown().await.unwrap();
                // A client that has heard enough may be gone.
                let _ = stream.read_to_end(&mut request).await;
            }
        });
        url
    }

    fn release() -> SignedRelease {
        SignedRelease { release: vec![1], root: vec![2] }
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        let client = TrackerClient::new(vec![answering([FOUND, EMPTY]).await], None);
        let refused = client.publish(&release()).await.unwrap_err();
        assert!(matches!(&refused, TrackerError::Elsewhere { to, .. } if to == "/login"), "{refused}");
        client.publish(&release()).await.expect("the second answer is still to be had");
    }

    #[tokio::test]
    async fn the_next_address_is_asked_when_a_login_page_answers() {
        let urls = vec![answering([FOUND]).await, answering([PAGE]).await, answering([EMPTY]).await];
        TrackerClient::new(urls, None).publish(&release()).await.unwrap();
    }

    #[tokio::test]
    async fn a_publication_counts_as_listed_after_the_trackers_own_answer_only() {
        let client = TrackerClient::new(vec![answering([PAGE, NOTHING, EMPTY]).await], None);
        for _ in 0..2 {
            let refused = client.publish(&release()).await.unwrap_err();
            assert!(matches!(refused, TrackerError::NotATracker { .. }), "{refused}");
        }
        client.publish(&release()).await.unwrap();
    }

    fn response(body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn an_announce_takes_only_the_trackers_answer_to_itself() {
        let [node, tracker] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        let public = |key: &SigningKey| PublicKey::from_bytes(key.verifying_key().to_bytes());
        let (network, key) = (NetworkId::of(&public(&tracker)), PairKey::agree(&tracker, &public(&node)).unwrap());
        let announce = Announce {
            header: Announce::new_header(),
            peer: PeerId::from_bytes(*public(&node).as_bytes()),
            sequence: 7,
            addresses: Vec::new(),
            held: Vec::new(),
            wanted: Vec::new(),
            roster: 1,
            catalogue: 0,
            relay: false,
        };
        let (releases, peers, relays) = (Vec::new(), Vec::new(), Vec::new());
        let told = AnnounceResponse { roster: None, catalogue: 3, releases, peers, interval: 60, relays };
        let payload = wire::encode(&told);
        let sealed = |sequence| response(&key.seal_answer(&network, sequence, payload.clone()));
        let client = TrackerClient::new(vec![answering([response(&payload), sealed(6), sealed(7)]).await], None);
        for _ in 0..2 {
            let refused = client.announce(&announce, &network, &key).await.unwrap_err();
            assert!(matches!(refused, TrackerError::NotATracker { .. }), "{refused}");
        }
        assert_eq!(client.announce(&announce, &network, &key).await.unwrap(), told);
    }

    #[tokio::test]
    async fn a_proxy_works_once_a_tracker_answers_through_it() {
        let proxy: Proxy = answering([PAGE, EMPTY]).await.parse().unwrap();
        let away = ProxyFault::NotAProxy { proxy: proxy.to_string() };
        proxy.note(Target::Tracker, Some(&away));
        let client = TrackerClient::new(vec!["http://tracker.county:4040".into()], Some(proxy.clone()));
        client.publish(&release()).await.unwrap_err();
        assert_eq!(proxy.fault(), Some(away));
        client.publish(&release()).await.unwrap();
        assert_eq!(proxy.fault(), None);
    }

    #[tokio::test]
    async fn a_proxy_is_not_blamed_for_what_did_not_go_through_it() {
        let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
        // A port that nobody listens on any more.
        let tracker = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = TrackerClient::new(vec![format!("http://{tracker}")], Some(proxy.clone()));
        let refused = client.publish(&release()).await.unwrap_err();
        assert!(matches!(refused, TrackerError::Unreachable { .. }), "{refused}");
        assert_eq!(proxy.fault(), None);
    }
}
