//! Pins, quota and scrub over the local socket.

use super::error::{ApiError, RequestError};
use super::event::care::{PinOrder, QuotaOrder, ScrubLine, ScrubOrder};
use super::{lines, read};
use crate::care::Care;
use crate::handle::HandleError;
use crate::handle::view::care::{PinChanged, PinsView, QuotaView, ScrubView};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use karez_content_tools::store::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(300);

pub(super) async fn pins(State(care): State<Care>) -> Result<Json<PinsView>, ApiError> {
    Ok(Json(care.pins().await?))
}

pub(super) async fn pin(State(care): State<Care>, body: Bytes) -> Result<Json<PinChanged>, ApiError> {
    set_pin(&care, &body, true).await
}

pub(super) async fn unpin(State(care): State<Care>, body: Bytes) -> Result<Json<PinChanged>, ApiError> {
    set_pin(&care, &body, false).await
}

async fn set_pin(care: &Care, body: &[u8], on: bool) -> Result<Json<PinChanged>, ApiError> {
    let order: PinOrder = read(body)?;
    let pin: Pin = order.pin.parse().map_err(|_| RequestError::Pin { found: order.pin.clone() })?;
    Ok(Json(care.pin(pin, on).await?))
}

pub(super) async fn quota(State(care): State<Care>) -> Result<Json<QuotaView>, ApiError> {
    Ok(Json(care.quota(None).await?))
}

pub(super) async fn set_quota(State(care): State<Care>, body: Bytes) -> Result<Json<QuotaView>, ApiError> {
    let order: QuotaOrder = read(&body)?;
    Ok(Json(care.quota(Some(order.bytes)).await?))
}

pub(super) async fn scrub(State(care): State<Care>, body: Bytes) -> Result<Response, ApiError> {
    let order: ScrubOrder = read(&body)?;
    let views = if order.stop { care.stop_scrub() } else { care.scrub(order.rate, order.resume) };
    let (reports, receiver) = mpsc::channel(lines::LINES_MAX);
    tokio::spawn(follow(views, reports));
    Ok(lines::response(receiver))
}

async fn follow(mut views: watch::Receiver<ScrubView>, reports: mpsc::Sender<ScrubLine>) {
    let mut pace = tokio::time::interval(REPORT_EVERY);
    let last = loop {
        pace.tick().await;
        let view = views.borrow_and_update().clone();
        match (view.is_running(), &view.problem) {
            (true, _) => {}
            (false, Some(detail)) => {
                let failed = ApiError::from(HandleError::Store { detail: detail.clone() });
                break ScrubLine::Failed(failed.into());
            }
            (false, None) => break ScrubLine::Done(view),
        }
        // Whoever has left hears nothing; the scrub goes on.
        if reports.send(ScrubLine::Progress(view)).await.is_err() {
            return;
        }
    };
    let _ = reports.send(last).await;
}
