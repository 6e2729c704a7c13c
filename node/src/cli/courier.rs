//! `request`, `export` and `import`: content on a stick.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use super::progress::Progress;
use crate::api::client::{Client, Lines};
use crate::api::event::{BundleTaken, BundleWritten, CourierEvent, ExportOrder, MediumPath};
use std::path::PathBuf;

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
    for damage in &taken.damages {
        context.tell(&format!("  {} @ {}: {}", damage.path.display(), damage.offset, damage.reason));
    }
}
