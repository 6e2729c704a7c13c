//! `karez-content diff` and `quote`: what an update changes and what it puts on the wire.

use karez_content_tools::pages::Pages;
use karez_content_tools::quote::{self, Bound, Difference, Held};
use serde_json::json;
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
    let store = super::open_to_look(&flags.store)?;
    let ((_, old), (_, new)) = (super::load(&flags.old, &store)?, super::load(&flags.new, &store)?);
    let wire_bytes = quote::wire_bytes(&new, Held::Version(&old))?;
    let Difference { added, removed, changed } = quote::difference(&old, &new)?;
    if json {
        let bound = Bound::Exact.name();
        let document = json!({
            "wire_bytes": wire_bytes, "bound": bound, "added": added, "removed": removed, "changed": changed
        });
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

/// Runs `quote`.
pub(crate) fn run_quote(flags: &QuoteFlags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_to_look(&flags.store)?;
    let (_, new) = super::load(&flags.manifest, &store)?;
    let old = flags.old.as_ref().map(|old| super::load(old, &store)).transpose()?;
    let stored_bytes = new.root().stored_bytes;
    let (wire_bytes, bound) = quote(&new, old.as_ref().map(|(_, old)| old))?;
    if json {
        let document = json!({"wire_bytes": wire_bytes, "bound": bound.name(), "stored_bytes": stored_bytes});
        super::print_json(&document)?;
    } else {
        let bound = if bound == Bound::Exact { "exactly" } else { "at most (the manifest's pages are not here)" };
        writeln!(io::stdout().lock(), "on the wire: {bound} {wire_bytes} of {stored_bytes} bytes")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the pages there is still the root's own figure, which nothing that is held can exceed.
fn quote(new: &Pages<'_>, old: Option<&Pages<'_>>) -> anyhow::Result<(u64, Bound)> {
    if !new.are_here()? || !old.map_or(Ok(true), Pages::are_here)? {
        return Ok((new.root().stored_bytes, Bound::Upper));
    }
    Ok((quote::wire_bytes(new, old.map_or(Held::Nothing, Held::Version))?, Bound::Exact))
}
