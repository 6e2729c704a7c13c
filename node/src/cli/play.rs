//! `play`: where a player finds a lesson on this node.

use super::complaint::Complaint;
use super::context::Context;
use crate::api::client::Client;
use crate::api::event::PlayItem;
use crate::handle::view::FileView;
use karez_protocol::content::name::CollectionName;
use std::io::IsTerminal as _;
use std::process::Stdio;
use tokio::process::Command;

pub(super) async fn play(
    context: &Context,
    client: &Client,
    collection: &CollectionName,
    item: Option<&str>,
    height: Option<u32>,
    open: bool,
) -> Result<(), Complaint> {
    let mut view = client.play(&collection.to_string(), item).await?;
    if let Some(height) = height {
        view.items.iter_mut().for_each(|item| choose(item, height));
    }
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
    for rendition in &item.renditions {
        let url = rendition.url.clone().unwrap_or_default();
        let named = [("height", rendition.height.unwrap_or(0).into()), ("url", url.into())];
        lines.push(format!("     {}", context.text("play-rendition", &named)));
    }
    for subtitle in &item.subtitles {
        let url = subtitle.url.clone().unwrap_or_default();
        lines.push(format!("     {}", context.text("play-subtitle", &[("url", url.into())])));
    }
    lines.join("\n")
}

/// Takes the highest picture that is not higher than asked, or else the lowest there is.
fn choose(item: &mut PlayItem, height: u32) {
    let lines = |file: &FileView| file.height.unwrap_or(u32::MAX);
    if lines(&item.main) <= height {
        return;
    }
    let fits = item.renditions.iter().filter(|file| lines(file) <= height).max_by_key(|file| lines(file));
    let chosen = fits.or_else(|| item.renditions.iter().min_by_key(|file| lines(file))).cloned();
    if let Some(chosen) = chosen.filter(|chosen| lines(chosen) < lines(&item.main)) {
        item.renditions.retain(|file| file.path != chosen.path);
        item.main = chosen;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_that_fits_or_the_lowest() {
        let file = |height: u32| FileView { path: height.to_string(), height: Some(height), ..FileView::default() };
        for (asked, chosen) in [(2000, 1080), (1080, 1080), (720, 480), (480, 480), (400, 360), (100, 360)] {
            let mut item = PlayItem { main: file(1080), renditions: vec![file(480), file(360)], ..PlayItem::default() };
            choose(&mut item, asked);
            assert_eq!(item.main.height, Some(chosen), "{asked}");
        }
        let mut item = PlayItem { main: FileView::default(), ..PlayItem::default() };
        choose(&mut item, 360);
        assert_eq!(item.main, FileView::default());
    }
}
