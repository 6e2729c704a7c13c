//! `status`: what this node does, and for what is incomplete, what is missing and who could bring it.

use super::care;
use super::catalogue::{cell, table};
use super::complaint::Complaint;
use super::context::Context;
use super::{figure, limit};
use crate::api::client::Client;
use crate::api::event::LimitsView;
use crate::handle::view::{CollectionState, NodeView, PeerView, RelayView, Status};
use crate::trouble::Problem;
use std::io::IsTerminal as _;
use std::time::Duration;

const WATCH_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn status(context: &Context, client: &Client, watch: bool) -> Result<(), Complaint> {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c(), if watch => return Ok(()),
            _ = ticks.tick() => {}
        }
        let status = client.status().await?;
        let text = if context.json { None } else { Some(shown(context, &status)) };
        match text {
            None => context.print_json(&status),
            Some(text) if watch && std::io::stdout().is_terminal() => context.print_over(&text),
            Some(text) => context.print(&text),
        }
        if !watch {
            return Ok(());
        }
    }
}

pub(super) fn shown(context: &Context, status: &Status) -> String {
    let mut parts = vec![node_lines(context, status)];
    let mut problems = problems(context, status);
    problems.extend(care::unreadable(context, &status.care));
    if !problems.is_empty() {
        let lines = problems.iter().map(|problem| format!("  ! {problem}"));
        parts.push([context.text("status-problems", &[])].into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
    }
    if status.collections.is_empty() {
        parts.push(context.text("list-empty", &[]));
    } else {
        parts.push(collections_table(context, &status.collections));
        let waiting: Vec<String> = status.collections.iter().filter_map(|state| waiting_line(context, state)).collect();
        parts.extend((!waiting.is_empty()).then(|| waiting.join("\n")));
    }
    if status.peers.is_empty() {
        parts.push(context.text("status-no-peers", &[]));
    } else {
        parts.push(peers_table(context, &status.peers));
    }
    parts.join("\n\n")
}

/// In the user's language, unless only a newer node knows what is meant.
fn problems(context: &Context, status: &Status) -> Vec<String> {
    let said = |(at, english): (usize, &String)| match status.problem_list.get(at) {
        None | Some(Problem::Unknown) => english.clone(),
        Some(problem) => problem.said(&context.texts),
    };
    status.problems.iter().enumerate().map(said).collect()
}

fn node_lines(context: &Context, status: &Status) -> String {
    let node = &status.node;
    let gateway = node.gateway.clone().unwrap_or_else(|| context.text("gateway-off", &[]));
    let counters = &status.counters;
    let figures = [
        ("received", counters.chunk_bytes_received),
        ("flagship", counters.bytes_from_flagship),
        ("peers", counters.bytes_from_peers),
        ("group", counters.bytes_from_group),
        ("sent", counters.chunk_bytes_sent),
    ];
    let mut bytes = context.text("status-bytes", &figures.map(|(name, bytes)| (name, figure::bytes(bytes).into())));
    if counters.bytes_relayed > 0 {
        bytes += &context.text("status-relayed", &[("bytes", figure::bytes(counters.bytes_relayed).into())]);
    }
    let mut lines = vec![
        context.text(
            "status-node",
            &[
                ("name", node.name.as_str().into()),
                ("network", node.network.as_str().into()),
                ("uptime", figure::duration(&context.texts, node.uptime_s).into()),
                ("version", node.version.as_str().into()),
            ],
        ),
        context.text("status-peer", &[("peer", node.peer.as_str().into())]),
        context.text(
            "status-listen",
            &[
                ("listen", node.listen.join(", ").into()),
                ("gateway", gateway.into()),
                ("limits", limit::text(context, &limits(node)).into()),
            ],
        ),
        tracker_line(context, status),
        bytes,
        care::status_line(context, &status.care),
    ];
    if let Some(proxy) = &node.proxy {
        lines.push(context.text("status-proxy", &[("proxy", proxy.as_str().into())]));
    }
    if !node.reachable_through.is_empty() {
        lines.push(context.text("status-through", &[("relays", node.reachable_through.join(", ").into())]));
    }
    lines.extend(node.relay.as_ref().map(|relay| relay_line(context, relay)));
    lines.join("\n")
}

fn relay_line(context: &Context, relay: &RelayView) -> String {
    let limit = match relay.rate_limit {
        0 => context.text("status-relay-unlimited", &[]),
        rate => figure::rate(rate),
    };
    let figures = [
        ("bytes", figure::bytes(relay.bytes).into()),
        ("circuits", relay.circuits.into()),
        ("most", relay.circuits_max.into()),
        ("reservations", relay.reservations.into()),
        ("limit", limit.into()),
        ("refused", relay.refused.into()),
    ];
    context.text("status-relay", &figures)
}

fn limits(node: &NodeView) -> LimitsView {
    LimitsView {
        up: node.up_limit,
        down: node.down_limit,
        peer_up: node.peer_up_limit,
        peer_down: node.peer_down_limit,
    }
}

fn tracker_line(context: &Context, status: &Status) -> String {
    let tracker = &status.tracker;
    let url = tracker.url.as_str();
    if tracker.reachable {
        return context.text("status-tracker", &[("url", url.into())]);
    }
    let last = match tracker.last_contact_s {
        Some(seconds) => figure::duration(&context.texts, seconds),
        None => context.text("tracker-never", &[]),
    };
    let problem = tracker.problem.clone().unwrap_or_default();
    context.text("status-tracker-away", &[("url", url.into()), ("last", last.into()), ("problem", problem.into())])
}

/// The collections on this node.
pub(super) fn collections_table(context: &Context, collections: &[CollectionState]) -> String {
    let headings =
        ["column-collection", "column-title", "column-version", "column-size", "column-here", "column-state"];
    let mut table = table(context, &headings);
    for state in collections {
        let here = if state.complete { 100 } else { figure::percent(state.have_bytes, state.stored_bytes).min(99) };
        table.add_row([
            state.collection.clone(),
            cell(&table, &state.title, 1),
            format!("v{}", state.version),
            figure::bytes(state.stored_bytes),
            format!("{here} %"),
            state_text(context, state),
        ]);
    }
    table.to_string()
}

fn state_text(context: &Context, state: &CollectionState) -> String {
    let word = match state.state.as_str() {
        "complete" => context.text("state-complete", &[]),
        "published" => context.text("state-published", &[]),
        "paused" => context.text("state-paused", &[]),
        "waiting" => context.text("state-waiting", &[]),
        "pulling" => {
            let eta = state.eta_s.map(|seconds| figure::duration(&context.texts, seconds));
            let rate = figure::rate(state.rate);
            match eta {
                Some(eta) => context.text("state-pulling-eta", &[("rate", rate.into()), ("eta", eta.into())]),
                None => context.text("state-pulling", &[("rate", rate.into())]),
            }
        }
        other => other.to_owned(),
    };
    if state.following { context.text("state-following", &[("state", word.into())]) } else { word }
}

/// For what cannot be completed now: what is missing, and who could bring it.
fn waiting_line(context: &Context, state: &CollectionState) -> Option<String> {
    if state.complete || state.missing_without_holder == 0 && state.state != "waiting" {
        return None;
    }
    let missing = match state.chunks {
        0 => context.text("missing-description", &[]),
        _ => context.text(
            "missing-chunks",
            &[
                ("count", state.missing_without_holder.into()),
                ("missing", state.chunks.saturating_sub(state.have_chunks).into()),
            ],
        ),
    };
    let from = waiting_for(context, &state.waiting_for);
    let collection = state.collection.as_str();
    Some(context.text(
        "status-missing",
        &[("collection", collection.into()), ("missing", missing.into()), ("from", from.into())],
    ))
}

/// Who is waited for, in words.
pub(super) fn waiting_for(context: &Context, names: &[String]) -> String {
    match names {
        [] => context.text("waiting-for-nobody", &[]),
        names => context.text("waiting-for", &[("names", names.join(", ").into())]),
    }
}

fn peers_table(context: &Context, peers: &[PeerView]) -> String {
    let headings =
        ["column-peer", "column-role", "column-lane", "column-received", "column-sent", "column-rate", "column-rtt"];
    let mut table = table(context, &headings);
    for peer in peers {
        let role = match (peer.role.as_str(), peer.same_group) {
            ("flagship", _) => context.text("role-flagship", &[]),
            (_, true) => context.text("role-group", &[]),
            _ => context.text("role-site", &[]),
        };
        table.add_row([
            peer.name.clone(),
            role,
            lane_text(context, peer),
            figure::bytes(peer.bytes_received),
            figure::bytes(peer.bytes_sent),
            figure::rate(peer.rate_down),
            format!("{:.0} ms", peer.rtt_ms),
        ]);
    }
    table.to_string()
}

/// How chunks travel to and from a peer, and why so.
fn lane_text(context: &Context, peer: &PeerView) -> String {
    match (peer.lane.as_str(), peer.lane_reason.as_deref()) {
        ("lan", _) => context.text("lane-lan", &[]),
        ("direct", _) => context.text("lane-quic", &[]),
        ("relayed", _) => context.text("lane-relayed", &[("relay", peer.relay.clone().unwrap_or_default().into())]),
        ("tcp", Some("udp-throttled")) => context.text("lane-udp-throttled", &[]),
        ("tcp", Some("proxy")) => context.text("lane-proxy", &[]),
        ("tcp", Some("udp-blocked")) => context.text("lane-udp-blocked", &[]),
        (other, _) => other.to_owned(),
    }
}
