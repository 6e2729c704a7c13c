//! `karez-content verify`: reads every chunk of a store and reports damage.

use super::scrub;
use karez_content_tools::speech::Voice;
use karez_content_tools::store::ScrubCursor;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The store to check. Damaged chunks leave its index, so that a node fetches them again.
    #[arg(long)]
    store: PathBuf,
}

/// Runs the command: a scrub from the beginning that leaves the place of another one alone.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let store = super::open_to_check(&flags.store)?;
    scrub::read_again(&store, ScrubCursor::default(), None, |_| Ok(()))?.report(voice)
}
