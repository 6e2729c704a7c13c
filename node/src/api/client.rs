//! The other end of the socket, for the commands.

use super::error::{ApiError, ErrorBody};
use super::event::care::{PinOrder, QuotaOrder, RoomLine, RoomOrder, ScrubLine, ScrubOrder};
use super::event::{CourierEvent, ExportOrder, MediumPath, RequestWritten};
use super::event::{LimitsOrder, LimitsView};
use super::event::{Named, PlayView, PublishLine, PullEvent, PullRequest};
use crate::handle::PublishRequest;
use crate::handle::view::care::{PinChanged, PinsView, QuotaView};
use crate::handle::view::{CollectionView, SearchRow, Status};
use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest silence of a running node. A description may take 20 s to arrive, lines come far more often.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest line taken.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Why a question to the node has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("the node is not running: start it with `karez run` (no answer at {})", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket belongs to somebody else.
    #[error("no permission to use {}: run this as the user that runs the node", socket.display())]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// The node's refusal.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The node went away, or speaks another language.
    #[error("the connection to the node broke ({detail}): run the same command again, it goes on where it stopped")]
    Broken {
        /// What the transport said.
        detail: String,
    },
}

/// A connection to the local node. Nothing is sent before the first question.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens on this socket.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().unix_socket(socket).read_timeout(SILENCE_MAX).no_proxy().build();
        Ok(Self { http: http.map_err(|cause| broken(&cause))?, socket: socket.to_owned() })
    }

    /// The node's state.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("status", &[]).await
    }

    /// Catalogue rows that match; all for an empty query.
    pub async fn search(&self, query: &str) -> Result<Vec<SearchRow>, ClientError> {
        self.get("search", &[("q", query)]).await
    }

    /// One collection with its items.
    pub async fn show(&self, collection: &str) -> Result<CollectionView, ClientError> {
        self.get("show", &[("collection", collection)]).await
    }

    /// What to hand to a player.
    pub async fn play(&self, collection: &str, item: Option<&str>) -> Result<PlayView, ClientError> {
        let item = item.map(|item| ("item", item));
        let parameters: Vec<_> = [("collection", collection)].into_iter().chain(item).collect();
        self.get("play", &parameters).await
    }

    /// Starts or stops following a collection.
    pub async fn follow(&self, collection: &str, on: bool) -> Result<Named, ClientError> {
        let named = Named { collection: collection.into() };
        let response = self.post(if on { "follow" } else { "unfollow" }, &named).await?;
        response.json().await.map_err(|cause| broken(&cause))
    }

    /// Fetches a collection or an item of it.
    pub async fn pull(&self, request: &PullRequest) -> Result<Lines<PullEvent>, ClientError> {
        Ok(Lines::new(self.post("pull", request).await?))
    }

    /// Publishes a folder.
    pub async fn publish(&self, request: &PublishRequest) -> Result<Lines<PublishLine>, ClientError> {
        Ok(Lines::new(self.post("publish", request).await?))
    }

    /// Writes what this node holds into a file on a medium.
    pub async fn request(&self, to: &MediumPath) -> Result<RequestWritten, ClientError> {
        self.post("request", to).await?.json().await.map_err(|cause| broken(&cause))
    }

    /// Writes a bundle.
    pub async fn export(&self, order: &ExportOrder) -> Result<Lines<CourierEvent>, ClientError> {
        Ok(Lines::new(self.post("export", order).await?))
    }

    /// Takes bundles in.
    pub async fn import(&self, from: &MediumPath) -> Result<Lines<CourierEvent>, ClientError> {
        Ok(Lines::new(self.post("import", from).await?))
    }

    /// What is pinned.
    pub async fn pins(&self) -> Result<PinsView, ClientError> {
        self.get("pins", &[]).await
    }

    /// Pins something, or takes a pin away.
    pub async fn pin(&self, order: &PinOrder, on: bool) -> Result<PinChanged, ClientError> {
        let response = self.post(if on { "pin" } else { "unpin" }, order).await?;
        response.json().await.map_err(|cause| broken(&cause))
    }

    /// The quota.
    pub async fn quota(&self) -> Result<QuotaView, ClientError> {
        self.get("quota", &[]).await
    }

    /// Sets the quota, or lifts it.
    pub async fn set_quota(&self, order: &QuotaOrder) -> Result<QuotaView, ClientError> {
        self.post("quota", order).await?.json().await.map_err(|cause| broken(&cause))
    }

    /// The rate limits.
    pub async fn limits(&self) -> Result<LimitsView, ClientError> {
        self.get("limits", &[]).await
    }

    /// Changes those that are named.
    pub async fn set_limits(&self, order: &LimitsOrder) -> Result<LimitsView, ClientError> {
        self.post("limits", order).await?.json().await.map_err(|cause| broken(&cause))
    }

    /// Reads the store again.
    pub async fn scrub(&self, order: &ScrubOrder) -> Result<Lines<ScrubLine>, ClientError> {
        Ok(Lines::new(self.post("scrub", order).await?))
    }

    /// Makes room, or tells what would go.
    pub async fn gc(&self, order: &RoomOrder) -> Result<Lines<RoomLine>, ClientError> {
        Ok(Lines::new(self.post("gc", order).await?))
    }

    async fn get<T: DeserializeOwned>(&self, name: &str, parameters: &[(&str, &str)]) -> Result<T, ClientError> {
        let mut url = url(name);
        url.query_pairs_mut().extend_pairs(parameters);
        let response = self.send(self.http.request(Method::GET, url)).await?;
        response.json().await.map_err(|cause| broken(&cause))
    }

    async fn post(&self, name: &str, body: &impl Serialize) -> Result<Response, ClientError> {
        self.send(self.http.request(Method::POST, url(name)).json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|cause| self.unsent(&cause))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let refusal: ErrorBody = response.json().await.map_err(|cause| broken(&cause))?;
        Err(refusal.error.into())
    }

    fn unsent(&self, cause: &reqwest::Error) -> ClientError {
        if !cause.is_connect() {
            return broken(cause);
        }
        let socket = self.socket.clone();
        match std::os::unix::net::UnixStream::connect(&socket) {
            Err(found) if found.kind() == std::io::ErrorKind::PermissionDenied => ClientError::NotAllowed { socket },
            _ => ClientError::NotRunning { socket },
        }
    }
}

fn url(name: &str) -> Url {
    Url::parse(&format!("http://localhost/v1/{name}")).expect("endpoint names are plain words")
}

/// The innermost cause says what happened; the outer ones repeat the URL.
fn broken(cause: &reqwest::Error) -> ClientError {
    let mut innermost: &dyn std::error::Error = cause;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    ClientError::Broken { detail: innermost.to_string() }
}

/// The lines of an answer.
#[derive(Debug)]
pub struct Lines<T> {
    response: Response,
    buffer: BytesMut,
    shape: PhantomData<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    fn new(response: Response) -> Self {
        Self { response, buffer: BytesMut::new(), shape: PhantomData }
    }

    /// The next line; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(line) = take_line(&mut self.buffer) {
                let event = serde_json::from_slice(&line);
                return event.map(Some).map_err(|cause| ClientError::Broken { detail: cause.to_string() });
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(ClientError::Broken { detail: "a line without end".into() });
            }
            match self.response.chunk().await.map_err(|cause| broken(&cause))? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

fn take_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let line = buffer.split_to(end).freeze();
    buffer.advance(1);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_newlines() {
        let mut buffer = BytesMut::from("{\"a\":1}\n{\"b\"");
        assert_eq!(take_line(&mut buffer).as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(take_line(&mut buffer), None);
        buffer.extend_from_slice(b":2}\n");
        assert_eq!(take_line(&mut buffer).as_deref(), Some(&b"{\"b\":2}"[..]));
        assert!(buffer.is_empty());
    }

    #[tokio::test]
    async fn without_a_daemon_it_says_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::new(&dir.path().join("api.sock")).unwrap();
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
        assert!(error.to_string().contains("karez run"), "{error}");
    }
}
