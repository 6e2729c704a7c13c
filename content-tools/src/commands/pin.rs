//! `karez-content pin`, `unpin`, `pins`: what compaction leaves alone.

use karez_content_tools::store::Pin;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `pin` and `unpin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The collection, with all its versions (PUBLISHER/NAME) or one of them (PUBLISHER/NAME@VERSION).
    pin: Pin,
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Flags of `pins`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Pins.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let changed = super::open_existing(&flags.store)?.pin(flags.pin.clone())?;
    report(flags, changed, if changed { "is pinned now" } else { "was pinned already" }, json)
}

/// Takes a pin away.
pub(crate) fn run_unpin(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let changed = super::open_existing(&flags.store)?.unpin(&flags.pin)?;
    report(flags, changed, if changed { "is no longer pinned" } else { "was not pinned" }, json)
}

fn report(flags: &Flags, changed: bool, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        super::print_json(&json!({"pin": flags.pin.to_string(), "changed": changed}))?;
    } else {
        writeln!(io::stdout().lock(), "{} {what}", flags.pin)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the pins.
pub(crate) fn run_list(flags: &ListFlags, json: bool) -> anyhow::Result<ExitCode> {
    let pins = super::open_to_look(&flags.store)?.pins()?;
    let pins: Vec<String> = pins.iter().map(ToString::to_string).collect();
    if json {
        super::print_json(&json!({"pins": pins}))?;
    } else {
        let mut out = io::stdout().lock();
        pins.iter().try_for_each(|pin| writeln!(out, "{pin}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
