//! `gc`: making room, with the reason for every version that goes or stays.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use super::progress::Progress;
use crate::api::client::Client;
use crate::api::event::care::{RoomLine, RoomOrder};
use crate::handle::view::care::{RoomRow, RoomView};

pub(super) async fn gc(context: &Context, client: &Client, order: RoomOrder) -> Result<(), Complaint> {
    let mut lines = client.gc(&order).await?;
    let mut progress = Progress::new(context);
    while let Some(line) = lines.next().await? {
        match line {
            RoomLine::Progress { bytes, total } => {
                let figures = format!("{} / {}", figure::bytes(bytes), figure::bytes(total));
                progress.show(bytes, total, &figures, "");
            }
            RoomLine::Done(view) => {
                progress.end();
                return report(context, &view);
            }
            RoomLine::Failed(body) => return Err(Complaint::Failed(body)),
        }
    }
    Err(Complaint::CutShort)
}

/// A script learns from the exit code that less came free than was asked for.
fn report(context: &Context, view: &RoomView) -> Result<(), Complaint> {
    if context.json {
        context.print_json(view);
    } else {
        view.rows.iter().for_each(|row| context.print(&line(context, view, row)));
        let bytes = figure::bytes(if view.dry_run { view.will_free_bytes } else { view.freed_bytes });
        let key = if view.dry_run { "gc-would-free" } else { "gc-freed" };
        context.print(&context.text(key, &[("bytes", bytes.into())]));
        if view.left_bytes > 0 {
            context.print(&context.text("gc-left", &[("bytes", figure::bytes(view.left_bytes).into())]));
        }
    }
    match view.short_bytes() {
        0 => Ok(()),
        bytes => Err(Complaint::Short { bytes }),
    }
}

fn line(context: &Context, view: &RoomView, row: &RoomRow) -> String {
    let key = if row.draft { "gc-name-draft" } else { "gc-name" };
    let (collection, version) = (row.collection.as_str(), row.version);
    let name = context.text(key, &[("collection", collection.into()), ("version", version.into())]);
    let reason = reason(context, row);
    if !row.goes {
        return context.text("gc-stays", &[("name", name.into()), ("reason", reason.into())]);
    }
    let key = if view.dry_run { "gc-would-go" } else { "gc-goes" };
    let bytes = figure::bytes(row.bytes);
    context.text(key, &[("name", name.into()), ("bytes", bytes.into()), ("reason", reason.into())])
}

fn reason(context: &Context, row: &RoomRow) -> String {
    let key = match row.reason.as_str() {
        "pinned" => "gc-pinned",
        "published" => "gc-published",
        "following" => "gc-following",
        "pulling" => "gc-pulling",
        "in_use" => "gc-in-use",
        "newest" => "gc-newest",
        "until_newer" => "gc-until-newer",
        "last_copy" => "gc-last-copy",
        "not_needed" => "gc-not-needed",
        "superseded" => "gc-superseded",
        "for_room" => "gc-for-room",
        other => return other.to_owned(),
    };
    context.text(key, &[("holders", holders(context, row).into())])
}

fn holders(context: &Context, row: &RoomRow) -> String {
    let figures = [
        ("county", row.holders_county.into()),
        ("unknown", row.holders_unknown.into()),
        ("elsewhere", row.holders_elsewhere.into()),
    ];
    context.text(if row.holders_unknown > 0 { "gc-holders-unknown" } else { "gc-holders" }, &figures)
}
