//! Publishing a folder, reported line by line.

use super::error::{ApiError, RequestError};
use super::event::PublishLine;
use super::{collection, lines};
use crate::handle::{Handle, PublishEvent, PublishRequest};
use axum::response::Response;
use karez_protocol::content::manifest::Kind;
use tokio::sync::mpsc;

/// Starts a publication.
pub(super) async fn start(handle: &Handle, request: PublishRequest) -> Result<Response, ApiError> {
    collection(&request.collection)?;
    if !request.dir.is_absolute() {
        return Err(RequestError::RelativePath { path: request.dir }.into());
    }
    let kind = request.kind.as_deref().map(kind).transpose()?;
    let events = handle.publish(request, kind).await?;
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    tokio::spawn(relay(events, reports));
    Ok(lines::response(receiver))
}

fn kind(name: &str) -> Result<Kind, RequestError> {
    let known = || Kind::ALL.map(|(_, name)| name).join(", ");
    Kind::from_name(name).ok_or_else(|| RequestError::Kind { found: name.into(), known: known() })
}

/// A client that goes away must not stop the publication: its events are drained to the end.
async fn relay(mut events: mpsc::Receiver<PublishEvent>, reports: mpsc::Sender<PublishLine>) {
    while let Some(event) = events.recv().await {
        let line = match event {
            PublishEvent::Packing { files, bytes, total } => PublishLine::Packing { files, bytes, total },
            PublishEvent::Rendering { height, done, renditions, ms, total_ms } => {
                PublishLine::Rendering { height, done, renditions, ms, total_ms }
            }
            PublishEvent::Done(published) => PublishLine::Done(published),
            PublishEvent::Failed(error) => PublishLine::Failed(ApiError::from(error).into()),
        };
        // Nobody may be listening any more.
        let _ = reports.send(line).await;
    }
}
