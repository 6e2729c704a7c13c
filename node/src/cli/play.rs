//! `play`: where a player finds a lesson on this node.

use super::complaint::Complaint;
use super::context::Context;
use crate::api::client::Client;
use crate::api::event::PlayItem;
use karez_protocol::content::name::CollectionName;
use std::io::IsTerminal as _;
use std::process::Stdio;
use tokio::process::Command;

pub(super) async fn play(
    context: &Context,
    client: &Client,
    collection: &CollectionName,
    item: Option<&str>,
    open: bool,
) -> Result<(), Complaint> {
    let view = client.play(&collection.to_string(), item).await?;
    if context.json {
        context.print_json(&view);
    } else {
        context.print(&view.items.iter().map(|item| lines(context, item)).collect::<Vec<_>>().join("\n"));
    }
    // Unasked only when it is clear which lesson is meant and somebody sits there.
    let unasked = item.is_some() && !context.json && on_a_desktop();
    match view.items.first().and_then(|item| item.main.url.as_deref()) {
        Some(url) if open || unasked => open_url(url).await,
        _ => Ok(()),
    }
}

fn lines(context: &Context, item: &PlayItem) -> String {
    let mut lines = vec![format!("{:>3}  {}", item.number, item.title)];
    lines.extend(item.main.url.as_ref().map(|url| format!("     {url}")));
    for subtitle in &item.subtitles {
        let url = subtitle.url.clone().unwrap_or_default();
        lines.push(format!("     {}", context.text("play-subtitle", &[("url", url.into())])));
    }
    lines.join("\n")
}

fn on_a_desktop() -> bool {
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    display && std::io::stdout().is_terminal()
}

async fn open_url(url: &str) -> Result<(), Complaint> {
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status().await {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Complaint::NoPlayer { url: url.into() }),
    }
}
