//! Local control: JSON over HTTP on a Unix socket that only the node's owner can open.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`Status`] |
//! | `GET /v1/search?q=` | list of [`SearchRow`] |
//! | `GET /v1/show?collection=` | [`CollectionView`] |
//! | `GET /v1/play?collection=&item=` | [`PlayView`] |
//! | `POST /v1/follow`, `/v1/unfollow` with [`Named`] | the same, done |
//! | `POST /v1/pull` with [`PullRequest`](event::PullRequest) | lines of [`PullEvent`](event::PullEvent) |
//! | `POST /v1/publish` with [`PublishRequest`](crate::handle::PublishRequest) | lines of [`PublishLine`](event::PublishLine) |
//! | `POST /v1/request` with [`MediumPath`](event::MediumPath) | [`RequestWritten`](event::RequestWritten) |
//! | `POST /v1/export` with [`ExportOrder`](event::ExportOrder) | lines of [`CourierEvent`](event::CourierEvent) |
//! | `POST /v1/import` with [`MediumPath`](event::MediumPath) | lines of [`CourierEvent`](event::CourierEvent) |
//! | `GET /v1/pins` | [`PinsView`](crate::handle::view::care::PinsView) |
//! | `POST /v1/pin`, `/v1/unpin` with [`PinOrder`](event::care::PinOrder) | [`PinChanged`](crate::handle::view::care::PinChanged) |
//! | `GET /v1/quota`; `POST` with [`QuotaOrder`](event::care::QuotaOrder) | [`QuotaView`](crate::handle::view::care::QuotaView) |
//! | `GET /v1/limits`; `POST` with [`LimitsOrder`](event::LimitsOrder) | [`LimitsView`](event::LimitsView) |
//! | `POST /v1/scrub` with [`ScrubOrder`](event::care::ScrubOrder) | lines of [`ScrubLine`](event::care::ScrubLine) |
//! | `POST /v1/gc` with [`RoomOrder`](event::care::RoomOrder) | lines of [`RoomLine`](event::care::RoomLine) |
//!
//! Refusals are `4xx` or `5xx` with a [`ErrorBody`](error::ErrorBody). A client that goes away stops nothing but the
//! report to it: the download goes on.

pub mod client;
pub mod error;
pub mod event;

mod care;
mod copy;
mod courier;
mod item;
mod limits;
mod lines;
mod play;
mod publish;
mod pull;
mod room;
mod socket;
#[cfg(test)]
mod tests;

pub use socket::{Listener, bind};

use crate::bulk::Limits;
use crate::care::Care;
use crate::handle::Handle;
use crate::handle::view::{CollectionView, SearchRow, Status};
use axum::body::Bytes;
use axum::extract::{FromRef, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use error::{ApiError, RequestError};
use event::{Named, PlayView};
use karez_content_tools::own_folders::OwnFolders;
use karez_content_tools::store::Store;
use karez_protocol::content::name::CollectionName;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Whom the requests ask.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The driver.
    pub handle: Handle,
    /// Looks after the store.
    pub care: Care,
    /// The rate limits.
    pub limits: Limits,
}

/// The doors, and the folder that they are in.
#[derive(Debug, Clone)]
struct House {
    doors: Doors,
    home: OwnHome,
}

/// The node's folder: the one that the socket is in.
#[derive(Debug, Clone)]
struct OwnHome(Arc<Path>);

impl OwnHome {
    /// The node's own folders. Blocks.
    fn folders(&self, store: &Store) -> OwnFolders {
        OwnFolders::of([&self.0, store.dir()])
    }

    /// Refuses a folder to write to that is the node's own, or its store's, or lies in them. Blocks.
    fn keep_out(&self, store: &Store, to: &Path) -> Result<(), RequestError> {
        match self.folders(store).around(to) {
            Some(found) => Err(RequestError::OwnFolder { path: to.to_owned(), own: found.to_owned() }),
            None => Ok(()),
        }
    }
}

impl FromRef<House> for OwnHome {
    fn from_ref(house: &House) -> Self {
        house.home.clone()
    }
}

impl FromRef<House> for Handle {
    fn from_ref(house: &House) -> Self {
        house.doors.handle.clone()
    }
}

impl FromRef<House> for Care {
    fn from_ref(house: &House) -> Self {
        house.doors.care.clone()
    }
}

impl FromRef<House> for Limits {
    fn from_ref(house: &House) -> Self {
        house.doors.limits.clone()
    }
}

type Parameters = Query<BTreeMap<String, String>>;

/// Serves until `shutdown` ends, then takes the socket away.
pub async fn serve(
    listener: Listener,
    doors: Doors,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let home = OwnHome(listener.folder().into());
    let (socket, _cleanup) = listener.into_parts();
    axum::serve(socket, router(House { doors, home })).with_graceful_shutdown(shutdown).await
}

fn router(house: House) -> Router {
    Router::<House>::new()
        .route("/v1/status", get(status))
        .route("/v1/search", get(search))
        .route("/v1/show", get(show))
        .route("/v1/play", get(play_urls))
        .route("/v1/follow", post(follow))
        .route("/v1/unfollow", post(unfollow))
        .route("/v1/pull", post(start_pull))
        .route("/v1/publish", post(start_publish))
        .route("/v1/request", post(write_request))
        .route("/v1/export", post(start_export))
        .route("/v1/import", post(start_import))
        .route("/v1/pins", get(care::pins))
        .route("/v1/pin", post(care::pin))
        .route("/v1/unpin", post(care::unpin))
        .route("/v1/quota", get(care::quota).post(care::set_quota))
        .route("/v1/limits", get(limits::limits).post(limits::set_limits))
        .route("/v1/scrub", post(care::scrub))
        .route("/v1/gc", post(room::gc))
        .fallback(async || ApiError::from(RequestError::UnknownEndpoint))
        .with_state(house)
}

async fn status(State(handle): State<Handle>, State(care): State<Care>) -> Result<Json<Status>, ApiError> {
    let status = handle.status().await?;
    Ok(Json(Status { care: care.view().await?, ..status }))
}

async fn search(State(handle): State<Handle>, query: Parameters) -> Result<Json<Vec<SearchRow>>, ApiError> {
    let query = query.get("q").cloned().unwrap_or_default();
    Ok(Json(handle.search(query).await?))
}

async fn show(State(handle): State<Handle>, query: Parameters) -> Result<Json<CollectionView>, ApiError> {
    Ok(Json(handle.show(asked_collection(&query)?).await?.view))
}

async fn play_urls(State(handle): State<Handle>, query: Parameters) -> Result<Json<PlayView>, ApiError> {
    let view = handle.show(asked_collection(&query)?).await?.view;
    Ok(Json(play::urls(&view, query.get("item").map(String::as_str))?))
}

async fn follow(State(handle): State<Handle>, body: Bytes) -> Result<Json<Named>, ApiError> {
    set_following(&handle, &body, true).await
}

async fn unfollow(State(handle): State<Handle>, body: Bytes) -> Result<Json<Named>, ApiError> {
    set_following(&handle, &body, false).await
}

async fn set_following(handle: &Handle, body: &[u8], on: bool) -> Result<Json<Named>, ApiError> {
    let named: Named = read(body)?;
    handle.follow(collection(&named.collection)?, on).await?;
    Ok(Json(named))
}

async fn start_pull(
    State(handle): State<Handle>,
    State(home): State<OwnHome>,
    State(care): State<Care>,
    body: Bytes,
) -> Result<Response, ApiError> {
    pull::start(handle, home, care.store(), read(&body)?).await
}

async fn start_publish(State(handle): State<Handle>, body: Bytes) -> Result<Response, ApiError> {
    publish::start(&handle, read(&body)?).await
}

async fn write_request(
    State(handle): State<Handle>,
    State(home): State<OwnHome>,
    body: Bytes,
) -> Result<Json<event::RequestWritten>, ApiError> {
    courier::request(&handle, home, read(&body)?).await.map(Json)
}

async fn start_export(
    State(handle): State<Handle>,
    State(home): State<OwnHome>,
    body: Bytes,
) -> Result<Response, ApiError> {
    courier::export(&handle, home, read(&body)?).await
}

async fn start_import(
    State(handle): State<Handle>,
    State(care): State<Care>,
    body: Bytes,
) -> Result<Response, ApiError> {
    courier::import(handle, &care.imports, read(&body)?).await
}

fn asked_collection(query: &Parameters) -> Result<CollectionName, ApiError> {
    collection(query.get("collection").map_or("", String::as_str))
}

fn collection(text: &str) -> Result<CollectionName, ApiError> {
    text.parse().map_err(|_| RequestError::CollectionName { found: text.into() }.into())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|cause| RequestError::Body { detail: cause.to_string() }.into())
}
