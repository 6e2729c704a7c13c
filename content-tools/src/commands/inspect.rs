//! `karez-content inspect`: what a packed collection holds.

use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::layout::{File, Layout};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// A manifest id, `PUBLISHER/NAME[@VERSION]`, or a file with a manifest root.
    manifest: String,
    /// The store that holds it.
    #[arg(long)]
    store: PathBuf,
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let (manifest, layout) = super::load(&flags.manifest, &store)?;
    if json { super::print_json(&as_json(manifest, &layout)) } else { print_text(manifest, &layout) }?;
    Ok(ExitCode::SUCCESS)
}

fn print_text(manifest: ManifestId, layout: &Layout) -> anyhow::Result<()> {
    let root = layout.root();
    let mut out = io::stdout().lock();
    writeln!(out, "{} ({})", root.metadata.title, root.metadata.kind.name())?;
    writeln!(out, "manifest {manifest}")?;
    writeln!(
        out,
        "{} items, {} files, {} bytes, {} stored",
        root.items, root.files, root.plain_bytes, root.stored_bytes
    )?;
    writeln!(out, "{} pages, {} chunk rows", root.pages.len(), layout.count())?;
    let mut item = None;
    for file in layout.files() {
        if item != Some(file.item) {
            writeln!(out, "{}", file.item)?;
            item = Some(file.item);
        }
        writeln!(out, "  {:>14}  {:<10}  {}", file.head.size, file.head.role.name(), file.head.path)?;
    }
    for folder in layout.empty_folders() {
        writeln!(out, "  {:>14}  {:<10}  {folder}/", "", "empty")?;
    }
    Ok(())
}

fn as_json(manifest: ManifestId, layout: &Layout) -> Value {
    let root = layout.root();
    let metadata = &root.metadata;
    json!({
        "manifest": manifest.to_string(),
        "kind": metadata.kind.name(),
        "title": metadata.title,
        "creators": metadata.creators,
        "languages": metadata.languages,
        "subject": metadata.subject,
        "grade": metadata.grade,
        "term": metadata.term,
        "edition": metadata.edition,
        "licence": metadata.licence,
        "rights": metadata.rights,
        "description": metadata.description,
        "plain_bytes": root.plain_bytes,
        "stored_bytes": root.stored_bytes,
        "pages": root.pages.len(),
        "chunk_rows": layout.count(),
        "items": root.items,
        "files": layout.files().iter().map(file_json).collect::<Vec<_>>(),
        "empty_folders": layout.empty_folders().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn file_json(file: &File<'_>) -> Value {
    json!({
        "item": file.item,
        "path": file.head.path.to_string(),
        "role": file.head.role.name(),
        "media_type": file.head.media_type,
        "language": file.head.language,
        "size": file.head.size,
        "executable": file.head.executable,
    })
}
