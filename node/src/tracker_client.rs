//! Talking to the tracker: HTTP with CBOR bodies. Everything believed is signed or has a MAC, so the transport need not be trusted.

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
}

impl TrackerClient {
    /// A client for these addresses, tried in order.
    pub fn new(urls: Vec<String>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // The library's own, every 15 s, would be a quarter of an idle day's bytes.
            .tcp_keepalive(None)
            .tcp_user_timeout(UNHEARD)
            .no_proxy()
            .build()
            .expect("a client without TLS always builds");
        Self { urls, http }
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
            match self.exchange_with(url, path, body.clone()).await {
                Err(error @ TrackerError::Unreachable { .. }) => last = error,
                other => return other.map(|bytes| (url.clone(), bytes)),
            }
        }
        Err(last)
    }

    async fn exchange_with(&self, url: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>, TrackerError> {
        let unreachable = |e: reqwest::Error| TrackerError::Unreachable { url: url.into(), detail: root_cause(&e) };
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
            Err(_) => Err(TrackerError::NotATracker { url: url.into() }),
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
