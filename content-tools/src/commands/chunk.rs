//! `karez-content chunk`: where a file is cut.

use anyhow::Context;
use karez_content_tools::cut::{Block, Cutter, Plan};
use karez_protocol::content::cut_profile::{CutProfile, PROFILES};
use karez_protocol::content::hash::ChunkId;
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `chunk`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The file to cut.
    file: PathBuf,
    /// The cut profile: media-64k or text-16k.
    #[arg(long, default_value = "media-64k", value_parser = profile)]
    profile: CutProfile,
}

fn profile(name: &str) -> Result<CutProfile, String> {
    let known = PROFILES.map(|profile| profile.name).join(" or ");
    PROFILES.into_iter().find(|profile| profile.name == name).ok_or_else(|| format!("expected {known}"))
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let named = || format!("cannot read {}", flags.file.display());
    let mut cutter = Cutter::new(File::open(&flags.file).with_context(named)?, flags.profile, Plan::plain());
    let mut block = Block::default();
    let (mut offset, mut chunks) = (0, Vec::new());
    let mut out = io::stdout().lock();
    while cutter.next_block(&mut block).with_context(named)? {
        for (_, plain) in block.chunks() {
            let id = ChunkId::of(plain);
            if json {
                chunks.push(json!({"offset": offset, "len": plain.len(), "id": id.to_string()}));
            } else {
                writeln!(out, "{offset:>14} {:>7} {id}", plain.len())?;
            }
            offset += plain.len();
        }
    }
    drop(out);
    if json {
        super::print_json(&json!({"profile": flags.profile.name, "bytes": offset, "chunks": chunks}))?;
    }
    Ok(ExitCode::SUCCESS)
}
