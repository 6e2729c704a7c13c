//! Making room, over the local socket. It goes on when the client leaves.

use super::error::ApiError;
use super::event::care::{RoomLine, RoomOrder};
use super::{lines, read};
use crate::care::{Care, Wish};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::mpsc;

pub(super) async fn gc(State(care): State<Care>, body: Bytes) -> Result<Response, ApiError> {
    let order: RoomOrder = read(&body)?;
    let wish = Wish { free_bytes: order.free_bytes, last_copies: order.last_copies };
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    tokio::spawn(async move {
        let progress = reports.clone();
        let done = match order.dry_run {
            true => care.room(wish).await,
            // A reader that is behind misses some.
            false => {
                care.make_room(wish, |bytes, total| drop(progress.try_send(RoomLine::Progress { bytes, total }))).await
            }
        };
        let last = done.map_or_else(|cause| RoomLine::Failed(ApiError::from(cause).into()), RoomLine::Done);
        let _ = reports.send(last).await;
    });
    Ok(lines::response(receiver))
}
