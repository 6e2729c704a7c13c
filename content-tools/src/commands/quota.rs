//! `karez-content quota` and `damaged`: how much a store may hold, and what of it is broken.

use super::lost;
use karez_content_tools::shortfall;
use karez_content_tools::speech::Voice;
use karez_content_tools::store::DamagedChunk;
use serde_json::json;
use std::io;
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
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let changes = flags.bytes.is_some() || flags.lift;
    let store = if changes { super::open_existing(&flags.store)? } else { super::open_to_look(&flags.store)? };
    if changes {
        store.set_quota(flags.bytes)?;
    }
    let (quota, used) = (store.quota(), store.disk_bytes());
    if json {
        super::print_json(&json!({"quota_bytes": quota, "used_bytes": used}))?;
    } else {
        let text = match quota {
            Some(quota) => voice.text("quota-set", &[("used", used.into()), ("quota", quota.into())]),
            None => voice.text("quota-none", &[("used", used.into())]),
        };
        super::line(&mut io::stdout().lock(), &text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists damaged chunks and what versions have lost; exit code 1 when there is any of either, but for chunks that no version
/// needs.
pub(crate) fn run_damaged(flags: &ListFlags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let store = super::open_to_look(&flags.store)?;
    let (damaged, survey) = (store.damaged()?, shortfall::survey(&store, |_| {})?);
    let unneeded = shortfall::unneeded(&store, damaged.iter().map(|chunk| chunk.id).collect())?;
    if json {
        let row = |chunk: &DamagedChunk| {
            json!({
                "id": chunk.id.to_string(),
                "segment": chunk.segment,
                "offset": chunk.offset,
                "found_unix": chunk.found_unix,
                "file": chunk.file,
                "needed": !unneeded.contains(&chunk.id),
            })
        };
        let mut document = json!({"damaged": damaged.iter().map(row).collect::<Vec<_>>()});
        document.as_object_mut().into_iter().for_each(|document| lost::add_json(&survey, &voice.english, document));
        super::print_json(&document)?;
    } else {
        let mut out = io::stdout().lock();
        damaged.iter().try_for_each(|chunk| {
            let name = ("chunk", chunk.id.to_string().into());
            let text = match &chunk.file {
                Some(file) => voice.text("damaged-in", &[name, ("path", file.display().to_string().into())]),
                None => voice.text("damaged", &[name]),
            };
            let more = if unneeded.contains(&chunk.id) { voice.text("damaged-unneeded", &[]) } else { String::new() };
            super::line(&mut out, &(text + &more))
        })?;
        lost::print(&survey, voice, &mut out)?;
    }
    Ok(if damaged.len() == unneeded.len() && survey.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
