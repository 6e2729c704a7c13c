//! `karez-content diff` and `quote`: what an update changes and what it puts on the wire.

use karez_content_tools::pages::Pages;
use karez_content_tools::quote::{self, Bound, Difference, Held};
use karez_content_tools::speech::Voice;
use serde_json::json;
use std::io;
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
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let store = super::open_to_look(&flags.store)?;
    let ((_, old), (_, new)) = (super::load(&flags.old, &store)?, super::load(&flags.new, &store)?);
    let wire = quote::wire(&new, Held::Version(&old))?;
    let Difference { added, removed, changed } = quote::difference(&old, &new)?;
    if json {
        let bound = Bound::Exact.name();
        let document = json!({
            "wire_bytes": wire.bytes, "with_headers_bytes": wire.with_headers(), "bound": bound, "added": added, "removed": removed, "changed": changed
        });
        super::print_json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    for (sign, paths) in [("+", added), ("-", removed), ("~", changed)] {
        for path in paths {
            super::line(&mut out, &format!("{sign} {path}"))?;
        }
    }
    super::line(
        &mut out,
        &voice.text("diff-wire", &[("bytes", wire.bytes.into()), ("framed", wire.with_headers().into())]),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `quote`.
pub(crate) fn run_quote(flags: &QuoteFlags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let store = super::open_to_look(&flags.store)?;
    let (_, new) = super::load(&flags.manifest, &store)?;
    let old = flags.old.as_ref().map(|old| super::load(old, &store)).transpose()?;
    let stored_bytes = new.root().stored_bytes;
    let (wire, bound) = quote(&new, old.as_ref().map(|(_, old)| old))?;
    if json {
        let document = json!({
            "wire_bytes": wire.bytes, "with_headers_bytes": wire.with_headers(), "bound": bound.name(),
            "stored_bytes": stored_bytes
        });
        super::print_json(&document)?;
    } else {
        let arguments =
            [("wire", wire.bytes.into()), ("stored", stored_bytes.into()), ("framed", wire.with_headers().into())];
        let text = match bound {
            Bound::Exact => voice.text("quote-exact", &arguments),
            Bound::Upper => voice.text("quote-upper", &arguments),
        };
        super::line(&mut io::stdout().lock(), &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the pages there is still the root's own figure, which nothing that is held can exceed.
fn quote(new: &Pages<'_>, old: Option<&Pages<'_>>) -> anyhow::Result<(quote::Wire, Bound)> {
    if !new.are_here()? || !old.map_or(Ok(true), Pages::are_here)? {
        return Ok((quote::everything(new), Bound::Upper));
    }
    Ok((quote::wire(new, old.map_or(Held::Nothing, Held::Version))?, Bound::Exact))
}
