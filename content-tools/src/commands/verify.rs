//! `karez-content verify`: reads every chunk of a store and reports damage.

use indicatif::ProgressBar;
use karez_content_tools::store::ScrubCursor;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Chunks per step, between two moves of the progress bar.
const STEP_CHUNKS: u32 = 256;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The store to check. Damaged chunks leave its index, so that a node fetches them again.
    #[arg(long)]
    store: PathBuf,
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let bar = ProgressBar::new(store.stats().chunks);
    let mut cursor = ScrubCursor::default();
    let (mut checked, mut bytes, mut damaged) = (0, 0, Vec::new());
    loop {
        let step = store.scrub(&mut cursor, STEP_CHUNKS)?;
        bar.inc(step.checked);
        checked += step.checked;
        bytes += step.bytes;
        damaged.extend(step.damaged.iter().map(ToString::to_string));
        if step.done {
            break;
        }
    }
    bar.finish_and_clear();
    if json {
        super::print_json(&json!({"checked": checked, "bytes": bytes, "damaged": damaged}))?;
    } else {
        let mut out = io::stdout().lock();
        for chunk in &damaged {
            writeln!(out, "damaged {chunk}")?;
        }
        writeln!(out, "{checked} chunks checked, {} damaged", damaged.len())?;
    }
    Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
