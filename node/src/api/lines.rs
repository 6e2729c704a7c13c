//! Answers that come line by line: one JSON object on each (NDJSON).

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde::Serialize;
use std::convert::Infallible;
use tokio::sync::mpsc;

/// Lines that may wait for a slow reader.
pub(super) const LINES_MAX: usize = 16;

/// A response that sends every event as a line until the senders are gone.
pub(super) fn response<T: Serialize + Send + 'static>(events: mpsc::Receiver<T>) -> Response {
    let lines = stream::unfold(events, |mut events| async move {
        let event = events.recv().await?;
        Some((Ok::<_, Infallible>(line(&event)), events))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn line<T: Serialize>(event: &T) -> Bytes {
    let mut line = serde_json::to_vec(event).expect("events have string keys only");
    line.push(b'\n');
    line.into()
}
