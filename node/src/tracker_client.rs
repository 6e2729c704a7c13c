//! Talking to the tracker: HTTP with CBOR bodies. Everything believed is signed or has a MAC, so the transport need not be trusted.

use crate::proxy::{Proxy, ProxyFault, Target};
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::{PeerId, PublicKey, Signed};
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::{AnnounceResponse, JoinRequest, JoinResponse, Refusal, RefusalReason};
use karez_protocol::wire::{self, control};
use std::time::Duration;

/// How long one exchange may take: a roster over a 64 kbit/s link fits.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long bytes may stay unacknowledged: a connection that a router on the way has forgotten ends then.
const UNHEARD: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
        self.post("/v1/join", sign(request).bytes().to_vec()).await
    }

    /// Says where the node is and what it holds.
    pub async fn announce(&self, sealed: Vec<u8>) -> Result<AnnounceResponse, TrackerError> {
        self.post("/v1/announce", sealed).await
    }

    /// Lists a release in the catalogue.
    pub async fn publish(&self, release: &SignedRelease) -> Result<(), TrackerError> {
        self.exchange("/v1/release", wire::encode(release)).await.map(|_| ())
    }

    async fn post<T: for<'b> minicbor::Decode<'b, ()>>(&self, path: &str, body: Vec<u8>) -> Result<T, TrackerError> {
        let (url, bytes) = self.exchange(path, body).await?;
        wire::decode(&bytes).map_err(|_| TrackerError::NotATracker { url })
    }

    async fn exchange(&self, path: &str, body: Vec<u8>) -> Result<(String, Vec<u8>), TrackerError> {
        let mut last = TrackerError::Unreachable { url: String::new(), detail: "no address known".into() };
        for url in &self.urls {
            let answer = self.exchange_with(url, path, body.clone()).await;
            if let Some(proxy) = &self.proxy {
                match &answer {
                    Ok(_) | Err(TrackerError::Refused { .. }) => proxy.note(Target::Tracker, None),
                    Err(TrackerError::Proxy(fault)) => proxy.note(Target::Tracker, Some(fault)),
                    Err(_) => {}
                }
            }
            match answer {
                Err(error @ (TrackerError::Unreachable { .. } | TrackerError::Proxy(_))) => last = error,
                other => return other.map(|bytes| (url.clone(), bytes)),
            }
        }
        Err(last)
    }

    async fn exchange_with(&self, url: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>, TrackerError> {
        let unreachable = |e: reqwest::Error| match &self.proxy {
            Some(proxy) if e.is_connect() => {
                ProxyFault::Unreachable { proxy: proxy.to_string(), detail: root_cause(&e) }.into()
            }
            _ => TrackerError::Unreachable { url: url.into(), detail: root_cause(&e) },
        };
        let target = format!("{}{path}", url.trim_end_matches('/'));
        let mut response = self.http.post(target).body(body).send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + piece.len() > control::RESPONSE_BYTES_MAX {
                return Err(TrackerError::NotATracker { url: url.into() });
            }
            bytes.extend_from_slice(&piece);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        match wire::decode::<Refusal>(&bytes) {
            Ok(refusal) => Err(TrackerError::Refused { reason: refusal.reason, detail: refusal.detail }),
            Err(_) => {
                let fault = self.proxy.as_ref().and_then(|proxy| proxy.fault_of(url, status.as_u16()));
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
