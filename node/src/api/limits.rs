//! Rate limits over the local socket.

use super::error::ApiError;
use super::event::{LimitsOrder, LimitsView};
use super::read;
use crate::bulk::Limits;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;

pub(super) async fn limits(State(limits): State<Limits>) -> Json<LimitsView> {
    Json(limits.rates().into())
}

pub(super) async fn set_limits(State(limits): State<Limits>, body: Bytes) -> Result<Json<LimitsView>, ApiError> {
    let order: LimitsOrder = read(&body)?;
    limits.set(order.applied_to(limits.rates()));
    Ok(Json(limits.rates().into()))
}
