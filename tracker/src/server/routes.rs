//! Endpoints: bodies in, calls of the tracker, bodies out. `docs/formats/tracker-http.md` describes them.

use super::{Shared, Source};
use crate::refusal::RequestError;
use crate::tracker::{Tracker, UnixSeconds};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use karez_protocol::content::Document as _;
use karez_protocol::wire;
use karez_protocol::wire::tracker::{Announce, JoinRequest, REQUEST_BYTES_MAX, Refusal, RefusalReason};
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// Releases received at the same time: each may hold [`REQUEST_BYTES_MAX`] in memory.
pub(super) const UPLOADS_MAX: usize = 16;
/// Time for a request and its answer: a join over a thin satellite link.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// Time for a release: the largest root at 128 kbit/s.
const UPLOAD_WITHIN: Duration = Duration::from_secs(600);
/// Announces up to this size are checked where they were received: a node with some hundred collections.
const AT_ONCE_BYTES_MAX: usize = 16 << 10;
/// What a signature's envelope adds to a document.
const ENVELOPE_BYTES_MAX: usize = 256;

/// A refusal as an HTTP answer.
struct Refused(StatusCode, Refusal);

type Answer = Result<Response, Refused>;

pub(super) fn router(shared: Shared) -> Router {
    let quick = Router::new()
        .route("/v1/join", bounded(post(join), JoinRequest::BYTES_MAX + ENVELOPE_BYTES_MAX))
        .route("/v1/announce", bounded(post(announce), Announce::BYTES_MAX + ENVELOPE_BYTES_MAX))
        .route("/v1/roster", get(roster))
        .route("/v1/catalogue.json", get(catalogue))
        .route("/v1/health", get(health))
        .layer(middleware::from_fn(|request, next| within(REQUEST_WITHIN, request, next)));
    let uploads = Router::new()
        .route("/v1/release", bounded(post(release), REQUEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), one_of_few))
        .layer(middleware::from_fn(|request, next| within(UPLOAD_WITHIN, request, next)));
    quick
        .merge(uploads)
        .fallback(|| async { Refused::malformed(StatusCode::NOT_FOUND, "no such address on a Karez tracker") })
        .method_not_allowed_fallback(|| async {
            Refused::malformed(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method")
        })
        .with_state(shared)
}

/// Refuses long bodies: by the announced length before anything is read, by counting otherwise.
fn bounded(route: MethodRouter<Shared>, bytes: usize) -> MethodRouter<Shared> {
    let check = move |request: Request, next: Next| async move {
        let announced = request.body().size_hint().lower();
        if announced > bytes as u64 {
            let detail = format!("the body has {announced} bytes, more than the {bytes} allowed here");
            return Refused::malformed(StatusCode::PAYLOAD_TOO_LARGE, &detail).into_response();
        }
        next.run(request).await
    };
    route.layer(DefaultBodyLimit::max(bytes)).layer(middleware::from_fn(check))
}

async fn within(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::malformed(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response(),
    }
}

async fn one_of_few(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let _permit = shared.uploads.acquire().await;
    next.run(request).await
}

async fn join(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body?;
    let response = shared.work(move |tracker| tracker.join(&body, now())).await?;
    Ok(cbor(wire::encode(&response)))
}

async fn announce(
    State(shared): State<Shared>,
    ConnectInfo(Source(source)): ConnectInfo<Source>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body?;
    // What only computes for microseconds is done here: a thread of its own costs as much again.
    let heard = if body.len() > AT_ONCE_BYTES_MAX { None } else { shared.tracker.hear_at_once(&body) };
    let Some(heard) = heard else {
        let answer = move |tracker: &Tracker| {
            let announce = tracker.hear(&body)?;
            let asked = (announce.peer, announce.sequence);
            tracker.seal(asked, &tracker.announce(announce, source.ip(), now())?)
        };
        return Ok(cbor(shared.work(answer).await?));
    };
    let announce = heard?;
    let asked = (announce.peer, announce.sequence);
    let answer = match shared.tracker.answer_at_once(announce, source.ip(), now()) {
        Ok(answer) => answer?,
        Err(announce) => shared.work(move |tracker| tracker.announce(*announce, source.ip(), now())).await?,
    };
    Ok(cbor(shared.tracker.seal(asked, &answer)?))
}

async fn release(State(shared): State<Shared>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body?;
    shared.work(move |tracker| tracker.publish(&body)).await?;
    Ok(StatusCode::OK.into_response())
}

async fn roster(State(shared): State<Shared>) -> Answer {
    Ok(cbor(shared.work(Tracker::roster).await?))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn catalogue(State(shared): State<Shared>, search: Result<Query<Search>, QueryRejection>) -> Answer {
    let Query(Search { q }) =
        search.map_err(|rejection| Refused::malformed(rejection.status(), &rejection.body_text()))?;
    Ok(Json(shared.work(move |tracker| tracker.search(&q)).await?).into_response())
}

async fn health(State(shared): State<Shared>) -> Answer {
    Ok(Json(shared.work(Tracker::health).await?).into_response())
}

fn cbor(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/cbor")], Body::from(bytes)).into_response()
}

/// The clock is read here, at the edge.
fn now() -> UnixSeconds {
    UnixSeconds::of(SystemTime::now())
}

impl Shared {
    /// Runs a call of the tracker on a blocking thread.
    async fn work<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Tracker) -> Result<T, RequestError> + Send + 'static,
    ) -> Result<T, Refused> {
        let permit = std::sync::Arc::clone(&self.work).acquire_owned().await.map_err(|_| Refused::internal())?;
        let tracker = std::sync::Arc::clone(&self.tracker);
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: one that timed out still counts while it runs.
            let _permit = permit;
            call(&tracker)
        });
        done.await.map_err(|_| Refused::internal())?.map_err(Refused::from)
    }
}

impl Refused {
    fn malformed(status: StatusCode, detail: &str) -> Self {
        Self(status, Refusal { reason: RefusalReason::Malformed, detail: detail.to_owned() })
    }

    fn internal() -> Self {
        let detail = "the tracker has a problem of its own: try again later".to_owned();
        Self(StatusCode::INTERNAL_SERVER_ERROR, Refusal { reason: RefusalReason::Internal, detail })
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        if let RequestError::Database(error) = &error {
            tracing::error!(%error, "the database refused");
        } else {
            tracing::info!(%error, "request refused");
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(status, error.refusal())
    }
}

impl From<BytesRejection> for Refused {
    fn from(rejection: BytesRejection) -> Self {
        Self::malformed(rejection.status(), &rejection.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = cbor(wire::encode(&self.1));
        *response.status_mut() = self.0;
        response
    }
}
