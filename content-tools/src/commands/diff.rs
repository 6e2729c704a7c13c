//! `karez-content diff` and `quote`: what an update changes and what it puts on the wire.

use karez_content_tools::pack::wire_bytes_between;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::Layout;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The older manifest: an id, `PUBLISHER/NAME[@VERSION]`, or a file.
    old: String,
    /// The newer manifest.
    new: String,
    /// The store that holds both.
    #[arg(long)]
    store: PathBuf,
}

/// Flags of `quote`.
#[derive(Debug, clap::Args)]
pub(crate) struct QuoteFlags {
    /// The manifest to quote for: an id, `PUBLISHER/NAME[@VERSION]`, or a file.
    manifest: String,
    /// What the site has already.
    #[arg(long)]
    old: Option<String>,
    /// The store that holds them.
    #[arg(long)]
    store: PathBuf,
}

/// Runs `diff`.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let ((_, old), (_, new)) = (super::load(&flags.old, &store)?, super::load(&flags.new, &store)?);
    let wire_bytes = wire_bytes_between(Some(&old), &new);
    let (before, after) = (contents(&old), contents(&new));
    let named = |keep: &dyn Fn(&str) -> bool, of: &BTreeMap<String, Vec<ChunkId>>| -> Vec<String> {
        of.keys().filter(|path| keep(path)).cloned().collect()
    };
    let added = named(&|path| !before.contains_key(path), &after);
    let removed = named(&|path| !after.contains_key(path), &before);
    let changed = named(&|path| before.get(path).is_some_and(|chunks| Some(chunks) != after.get(path)), &after);
    if json {
        let document = json!({"wire_bytes": wire_bytes, "added": added, "removed": removed, "changed": changed});
        super::print_json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    for (sign, paths) in [("+", added), ("-", removed), ("~", changed)] {
        for path in paths {
            writeln!(out, "{sign} {path}")?;
        }
    }
    writeln!(out, "new on the wire: {wire_bytes} bytes")?;
    Ok(ExitCode::SUCCESS)
}

fn contents(layout: &Layout) -> BTreeMap<String, Vec<ChunkId>> {
    let chunks = |file| layout.slices(file, 0..u64::MAX).iter().map(|slice| slice.entry.id).collect();
    layout.files().iter().map(|file| (file.head.path.to_string(), chunks(file))).collect()
}

/// Runs `quote`.
pub(crate) fn run_quote(flags: &QuoteFlags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let (_, new) = super::load(&flags.manifest, &store)?;
    let old = flags.old.as_ref().map(|old| super::load(old, &store)).transpose()?;
    let wire_bytes = wire_bytes_between(old.as_ref().map(|(_, layout)| layout), &new);
    let stored_bytes = new.root().stored_bytes;
    if json {
        super::print_json(&json!({"wire_bytes": wire_bytes, "stored_bytes": stored_bytes}))?;
    } else {
        writeln!(io::stdout().lock(), "on the wire: {wire_bytes} of {stored_bytes} bytes")?;
    }
    Ok(ExitCode::SUCCESS)
}
