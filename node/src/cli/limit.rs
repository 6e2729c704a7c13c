//! `limit`: how much the node may send and receive.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use crate::api::client::Client;
use crate::api::event::{LimitsOrder, LimitsView};

pub(super) async fn limit(context: &Context, client: &Client, order: &LimitsOrder) -> Result<(), Complaint> {
    let limits = match *order == LimitsOrder::default() {
        true => client.limits().await?,
        false => client.set_limits(order).await?,
    };
    match context.json {
        true => context.print_json(&limits),
        false => context.print(&text(context, &limits)),
    }
    Ok(())
}

/// All limits that there are, in one line.
pub(super) fn text(context: &Context, limits: &LimitsView) -> String {
    let rate = |rate: u64| match rate {
        0 => context.text("limit-none", &[]),
        bytes => figure::rate(bytes),
    };
    let mut text = context.text("limits", &[("up", rate(limits.up).into()), ("down", rate(limits.down).into())]);
    if (limits.peer_up, limits.peer_down) != (0, 0) {
        let peer = [("up", rate(limits.peer_up).into()), ("down", rate(limits.peer_down).into())];
        text.push_str(&context.text("limits-peer", &peer));
    }
    text
}
