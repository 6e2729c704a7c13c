//! Collections over HTTP for players and browsers on this machine, also while they are still arriving.
//!
//! What must stay true: only GET and HEAD, nothing here changes the node; a request is answered only when its `Host` is
//! this machine, so that a web page elsewhere cannot point a name of its own at us (DNS rebinding); paths are looked up
//! in the manifest and never touch a file system; content comes from strangers, so it runs in a sandbox without scripts.

mod etag;
mod file;
mod host;
mod language;
mod page;
mod range;
mod refusal;
mod stream;
#[cfg(test)]
mod tests;

use crate::handle::{Handle, HandleError, Pull};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use file::Described;
use host::HostRule;
use karez_protocol::content::name::CollectionName;
use refusal::Refusal;
use std::future::Future;
use std::io;
use tokio::net::TcpListener;

/// Serves until `shutdown` ends; running responses are finished first.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let rule = HostRule::new(listener.local_addr()?);
    axum::serve(listener, router(handle, rule)).with_graceful_shutdown(shutdown).await
}

fn router(handle: Handle, rule: HostRule) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/c/{publisher}/{name}", get(to_folder))
        .route("/c/{publisher}/{name}/", get(listing))
        .route("/c/{publisher}/{name}/{*path}", get(content))
        .with_state(handle)
        .layer(middleware::from_fn_with_state(rule, only_this_machine))
        .layer(middleware::from_fn(in_words))
}

/// Gives refusals their text, in the language asked for.
async fn in_words(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let lang = language::asked(asked.unwrap_or_default());
    refusal::in_words(next.run(request).await, lang)
}

async fn only_this_machine(State(rule): State<HostRule>, request: Request, next: Next) -> Response {
    match rule.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn front(State(handle): State<Handle>) -> Result<Response, Refusal> {
    let status = handle.status().await?;
    Ok(page::front(&status))
}

async fn to_folder(Path((publisher, name)): Path<(String, String)>) -> Result<Redirect, Refusal> {
    let collection = collection(&publisher, &name)?;
    Ok(Redirect::permanent(&format!("/c/{collection}/")))
}

async fn listing(
    State(handle): State<Handle>,
    Path((publisher, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let pull = handle.open(collection(&publisher, &name)?).await?;
    read(handle, pull, |_, pull| page::listing(&pull)).await
}

async fn content(
    State(handle): State<Handle>,
    Path((publisher, name, path)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let pull = handle.open(collection(&publisher, &name)?).await?;
    let described = read(handle.clone(), pull.clone(), move |_, pull| file::describe(&pull, path, &headers)).await?;
    match described {
        Described::Known(response) => Ok(response),
        Described::Content { mut response, file, range } => {
            *response.body_mut() = stream::body(handle, pull, *file, range).await?;
            Ok(response)
        }
    }
}

/// Runs what reads the disk on a thread of its own. A page that turns out to be damaged is fetched again.
async fn read<T: Send + 'static>(
    handle: Handle,
    pull: Pull,
    work: impl FnOnce(Handle, Pull) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (reader, opened) = (handle.clone(), pull.clone());
    let done = tokio::task::spawn_blocking(move || work(reader, opened)).await;
    match done.map_err(|cause| HandleError::Store { detail: cause.to_string() })? {
        Err(Refusal::Handle(HandleError::Store { detail })) => Err(handle.unreadable(&pull, detail).await.into()),
        answer => answer,
    }
}

fn collection(publisher: &str, name: &str) -> Result<CollectionName, Refusal> {
    let found = format!("{publisher}/{name}");
    found.parse().map_err(|_| Refusal::Name { found })
}
