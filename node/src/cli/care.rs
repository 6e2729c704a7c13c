//! `pin`, `unpin`, `pins`, `quota`, `scrub`: looking after the store.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use super::progress::Progress;
use crate::api::client::Client;
use crate::api::event::care::{PinOrder, QuotaOrder, ScrubLine, ScrubOrder};
use crate::handle::view::care::{CareView, LostView, QuotaView, ScrubView};
use karez_content_tools::speech::Argument;

/// What to do with the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaChange {
    /// Nothing.
    Show,
    /// So many bytes from now on.
    Set(u64),
    /// No limit any more.
    Lift,
}

pub(super) async fn pin(context: &Context, client: &Client, pin: String, on: bool) -> Result<(), Complaint> {
    let done = client.pin(&PinOrder { pin }, on).await?;
    if context.json {
        context.print_json(&done);
        return Ok(());
    }
    let key = match (on, done.changed) {
        (true, true) => "pin-on",
        (true, false) => "pin-was-on",
        (false, true) => "pin-off",
        (false, false) => "pin-was-off",
    };
    let absent = if on && !done.here { context.text("pin-absent", &[]) } else { String::new() };
    context.print(&(context.text(key, &[("pin", done.pin.as_str().into())]) + &absent));
    Ok(())
}

pub(super) async fn pins(context: &Context, client: &Client) -> Result<(), Complaint> {
    let pins = client.pins().await?;
    if context.json {
        context.print_json(&pins);
    } else if pins.pins.is_empty() {
        context.tell(&context.text("pins-none", &[]));
    } else {
        context.print(&pins.pins.join("\n"));
    }
    Ok(())
}

pub(super) async fn quota(context: &Context, client: &Client, change: QuotaChange) -> Result<(), Complaint> {
    let quota = match change {
        QuotaChange::Show => client.quota().await?,
        QuotaChange::Set(bytes) => client.set_quota(&QuotaOrder { bytes: Some(bytes) }).await?,
        QuotaChange::Lift => client.set_quota(&QuotaOrder { bytes: None }).await?,
    };
    if context.json {
        context.print_json(&quota);
    } else {
        context.print(&quota_text(context, &quota));
    }
    Ok(())
}

fn quota_text(context: &Context, quota: &QuotaView) -> String {
    let figures = [("used", quota.used_bytes), ("free", quota.free_bytes)];
    let mut figures: Vec<Argument<'_>> = figures.map(|(name, bytes)| (name, figure::bytes(bytes).into())).to_vec();
    match quota.quota_bytes {
        None => context.text("quota-none", &figures),
        Some(bytes) => {
            figures.push(("quota", figure::bytes(bytes).into()));
            context.text(if quota.used_bytes > bytes { "quota-over" } else { "quota-set" }, &figures)
        }
    }
}

/// What the store takes, what of it is damaged, and the scrub that runs.
pub(super) fn status_line(context: &Context, care: &CareView) -> String {
    let used = figure::bytes(care.used_bytes);
    let mut line = match care.quota_bytes {
        None => context.text("status-store", &[("used", used.into())]),
        Some(quota) => {
            context.text("status-store-quota", &[("used", used.into()), ("quota", figure::bytes(quota).into())])
        }
    };
    if care.damaged_chunks > 0 {
        line.push_str(&context.text("status-damaged", &[("chunks", care.damaged_chunks.into())]));
    }
    if let Some(scrub) = care.scrub.as_ref().filter(|scrub| scrub.is_running()) {
        let percent = figure::percent(scrub.skipped + scrub.checked, scrub.chunks);
        line.push_str(&context.text("status-scrub", &[("percent", percent.into())]));
    }
    line
}

/// Release files that nobody can read: status names them, as nothing is cleared away meanwhile.
pub(super) fn unreadable(context: &Context, care: &CareView) -> Vec<String> {
    let text = |path: &String| {
        let clears = care.superseded.contains(path);
        let key = if clears { "status-unreadable-superseded" } else { "status-unreadable" };
        context.text(key, &[("path", path.as_str().into())])
    };
    care.unreadable.iter().map(text).collect()
}

pub(super) async fn scrub(context: &Context, client: &Client, order: ScrubOrder) -> Result<(), Complaint> {
    let mut lines = client.scrub(&order).await?;
    let mut progress = Progress::new(context);
    while let Some(line) = lines.next().await? {
        match line {
            ScrubLine::Progress(view) => {
                let detail = if view.found == 0 { String::new() } else { context.text("scrub-found", &counts(&view)) };
                progress.show(view.skipped + view.checked, view.chunks, &figures(context, &view), &detail);
            }
            ScrubLine::Done(view) => {
                progress.end();
                return report(context, &view);
            }
            ScrubLine::Failed(body) => return Err(Complaint::Failed(body)),
        }
    }
    Err(Complaint::CutShort)
}

fn figures(context: &Context, view: &ScrubView) -> String {
    match view.phase.as_str() {
        "repairing" => context.text("scrub-repairing", &[]),
        _ => format!("{} / {}  {}", view.skipped + view.checked, view.chunks, figure::bytes(view.bytes)),
    }
}

fn counts(view: &ScrubView) -> [Argument<'static>; 4] {
    [
        ("found", view.found.into()),
        ("repaired", view.repaired.into()),
        ("unneeded", view.unneeded.into()),
        ("missing", view.missing.into()),
    ]
}

/// Damage that came back is no failure; a script learns from the exit code that some did not.
fn report(context: &Context, view: &ScrubView) -> Result<(), Complaint> {
    if context.json {
        context.print_json(view);
    } else {
        let key = match view.phase.as_str() {
            "stopped" => "scrub-stopped",
            "" => "scrub-never",
            _ => "scrub-done",
        };
        let figures = [("checked", view.checked.into()), ("bytes", figure::bytes(view.bytes).into())];
        context.print(&context.text(key, &figures));
        if view.found > 0 {
            context.print(&context.text("scrub-found", &counts(view)));
        }
        view.lost.iter().for_each(|lost| context.print(&lost_text(context, lost)));
        view.unreadable
            .iter()
            .for_each(|path| context.print(&context.text("scrub-unreadable", &[("path", path.into())])));
    }
    // What versions still miss is among the missing, unless no scrub has come so far.
    let lost = view.lost.iter().map(|lost| lost.chunks).max().unwrap_or(0);
    match (view.missing.max(lost), view.unreadable.len()) {
        (0, 0) => Ok(()),
        (0, files) => Err(Complaint::UnreadableReleases { files }),
        (chunks, _) => Err(Complaint::StillDamaged { chunks }),
    }
}

fn lost_text(context: &Context, lost: &LostView) -> String {
    let key = match (lost.superseded, lost.published_here) {
        (true, _) => "scrub-lost-superseded",
        (false, true) => "scrub-lost-published",
        (false, false) => "scrub-lost",
    };
    let more = lost.items_total.saturating_sub(lost.items.len() as u64);
    let more = if more > 0 { format!(" (+{more})") } else { String::new() };
    // Of a page that is gone nobody knows which items it listed.
    let of = match lost.items.as_slice() {
        [] => String::new(),
        items => context.text("scrub-lost-of", &[("items", format!("{}{more}", items.join(", ")).into())]),
    };
    let figures = [
        ("version", format!("{}@{}", lost.collection, lost.version).into()),
        ("chunks", (lost.chunks + lost.unknown_chunks).into()),
        ("bytes", figure::bytes(lost.bytes).into()),
        ("of", of.into()),
    ];
    context.text(key, &figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;
    use karez_content_tools::speech::{Lang, Voice};

    #[test]
    fn what_is_lost_is_said_with_items_and_without() {
        let lost = |items: &[&str]| LostView {
            collection: "bj4/shui".into(),
            version: 1,
            chunks: 1,
            items: items.iter().map(ToString::to_string).collect(),
            items_total: items.len() as u64 * 2,
            ..LostView::default()
        };
        for (lang, named, unnamed) in [
            (Lang::En, "1 chunks (0 B) of: a.mp4 (+1). They", "1 chunks (0 B). They"),
            (Lang::Zh, "1 块（0 B），涉及：a.mp4 (+1)。", "1 块（0 B）。"),
        ] {
            let voice = Voice { json: false, texts: words::texts(lang), english: words::texts(Lang::En) };
            let context = Context { home: "/".into(), voice };
            for (view, said) in [(lost(&["a.mp4"]), named), (lost(&[]), unnamed)] {
                assert!(lost_text(&context, &view).contains(said), "{}", lost_text(&context, &view));
            }
        }
    }
}
