//! `request`, `export` and `import`: content on a stick.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use super::progress::Progress;
use crate::api::client::{Client, Lines};
use crate::api::event::{BundleTaken, BundleWritten, CourierEvent, DamageView, ExportOrder, MediumPath};
use std::path::PathBuf;

/// Damages shown; programs get more.
const DAMAGES_SHOWN: usize = 10;

/// What is wrong with records, in the user's language; in English what only a newer node knows.
fn fault(context: &Context, damage: &DamageView) -> String {
    let key = match damage.fault.as_str() {
        "part" => "import-part",
        "part_unreadable" => "import-part-unreadable",
        "part_short" => "import-part-short",
        "bytes" => "import-bytes",
        "unreadable" => "import-record-unreadable",
        "release" => "import-release",
        "too_many_releases" => "import-too-many-releases",
        "release_refused" => "import-release-refused",
        "page_unnamed" => "import-page-unnamed",
        "page_rules" => "import-page-rules",
        "chunks_unnamed" => "import-chunks-unnamed",
        "chunk_length" => "import-chunk-length",
        "chunk" => "import-chunk",
        _ => return damage.reason.clone(),
    };
    let detail = damage.detail.clone().unwrap_or_default();
    context.text(key, &[("count", damage.records.into()), ("detail", detail.into())])
}

/// The daemon has another working directory.
fn absolute(path: PathBuf) -> Result<PathBuf, Complaint> {
    std::path::absolute(&path).map_err(|source| Complaint::Path { path, source })
}

pub(super) async fn request(context: &Context, client: &Client, to: PathBuf) -> Result<(), Complaint> {
    let written = client.request(&MediumPath { path: absolute(to)? }).await?;
    if context.json {
        context.print_json(&written);
    } else {
        let path = written.path.to_string_lossy().into_owned();
        context.print(&context.text("request-done", &[("path", path.into())]));
    }
    Ok(())
}

pub(super) async fn export(context: &Context, client: &Client, order: ExportOrder) -> Result<(), Complaint> {
    let have = order.have.map(absolute).transpose()?;
    let lines = client.export(&ExportOrder { to: absolute(order.to)?, have, ..order }).await?;
    follow(context, lines).await
}

pub(super) async fn import(context: &Context, client: &Client, from: PathBuf) -> Result<(), Complaint> {
    let lines = client.import(&MediumPath { path: absolute(from)? }).await?;
    follow(context, lines).await
}

async fn follow(context: &Context, mut lines: Lines<CourierEvent>) -> Result<(), Complaint> {
    let mut progress = Progress::new(context);
    while let Some(line) = lines.next().await? {
        match line {
            CourierEvent::Progress { bytes, total, checking } => {
                let figures = format!("{} / {}", figure::bytes(bytes), figure::bytes(total));
                let detail = if checking { context.text("export-checking", &[]) } else { String::new() };
                progress.show(bytes, total, &figures, &detail);
            }
            CourierEvent::Exported(written) => {
                progress.end();
                exported(context, &written);
                return Ok(());
            }
            CourierEvent::Imported(taken) => {
                progress.end();
                return imported(context, &taken);
            }
            CourierEvent::Failed(body) => return Err(Complaint::Failed(body)),
        }
    }
    Err(Complaint::CutShort)
}

fn exported(context: &Context, written: &BundleWritten) {
    if context.json {
        return context.print_json(written);
    }
    if !written.site_known {
        context.tell(&context.text("export-unknown-site", &[]));
    }
    let path = written.path.to_string_lossy().into_owned();
    context.print(&context.text(
        "export-done",
        &[
            ("path", path.into()),
            ("bytes", figure::bytes(written.bytes).into()),
            ("chunks", written.chunks.into()),
            ("held", written.held_chunks.into()),
        ],
    ));
}

/// What came in stays in; a script learns from the exit code that something was left out.
fn imported(context: &Context, taken: &BundleTaken) -> Result<(), Complaint> {
    if context.json {
        context.print_json(taken);
    } else {
        tell_imported(context, taken);
    }
    if taken.damaged == 0 { Ok(()) } else { Err(Complaint::Damaged { records: taken.damaged }) }
}

fn tell_imported(context: &Context, taken: &BundleTaken) {
    context.print(&context.text(
        "import-done",
        &[
            ("new", taken.chunks_new.into()),
            ("bytes", figure::bytes(taken.bytes_new).into()),
            ("held", taken.chunks_held.into()),
        ],
    ));
    for damage in taken.damages.iter().take(DAMAGES_SHOWN) {
        let arguments = [
            ("path", damage.path.to_string_lossy().into_owned().into()),
            ("offset", damage.offset.into()),
            ("fault", fault(context, damage).into()),
        ];
        context.tell(&context.text("import-damage", &arguments));
    }
    let shown: u64 = taken.damages.iter().take(DAMAGES_SHOWN).map(|damage| damage.records).sum();
    let more = taken.damaged.saturating_sub(shown);
    if more > 0 {
        context.tell(&context.text("import-damages-more", &[("count", more.into())]));
    }
    if taken.unnamed > 0 {
        context.tell(&context.text("import-unnamed", &[("count", taken.unnamed.into())]));
    }
}
