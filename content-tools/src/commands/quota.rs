//! `karez-content quota` and `damaged`: how much a store may hold, and what of it is broken.

use super::lost;
use karez_content_tools::shortfall;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `quota`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The new quota in bytes, for example 500G.
    #[arg(value_parser = super::size, conflicts_with = "lift")]
    bytes: Option<u64>,
    /// Take the quota away.
    #[arg(long)]
    lift: bool,
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Flags of `damaged`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Shows the quota, after setting it when told to.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let changes = flags.bytes.is_some() || flags.lift;
    let store = if changes { super::open_existing(&flags.store)? } else { super::open_to_look(&flags.store)? };
    if changes {
        store.set_quota(flags.bytes)?;
    }
    let (quota, used) = (store.quota(), store.disk_bytes());
    if json {
        super::print_json(&json!({"quota_bytes": quota, "used_bytes": used}))?;
    } else {
        let quota = quota.map_or("no quota".to_owned(), |bytes| format!("{bytes} bytes allowed"));
        writeln!(io::stdout().lock(), "{used} bytes used, {quota}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists damaged chunks and what versions have lost; exit code 1 when there is any of either.
pub(crate) fn run_damaged(flags: &ListFlags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_to_look(&flags.store)?;
    let (damaged, survey) = (store.damaged()?, shortfall::survey(&store, |_| {})?);
    if json {
        let row = |chunk: &karez_content_tools::store::DamagedChunk| json!({"id": chunk.id.to_string(), "segment": chunk.segment, "offset": chunk.offset, "found_unix": chunk.found_unix, "file": chunk.file});
        let mut document = json!({"damaged": damaged.iter().map(row).collect::<Vec<_>>()});
        document.as_object_mut().into_iter().for_each(|document| lost::add_json(&survey, document));
        super::print_json(&document)?;
    } else {
        let mut out = io::stdout().lock();
        damaged.iter().try_for_each(|chunk| match &chunk.file {
            Some(file) => writeln!(out, "damaged {} in {}", chunk.id, file.display()),
            None => writeln!(out, "damaged {}", chunk.id),
        })?;
        lost::print(&survey, &mut out)?;
    }
    Ok(if damaged.is_empty() && survey.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
