//! `karez-content chunk`: where a file is cut, and by what plan.

use super::Wrong;
use karez_content_tools::cut::{self, Block, Chunk, Container, Cutter, Fallback, Plan, Planned};
use karez_content_tools::speech::Voice;
use karez_protocol::content::cut_profile::{CutProfile, PROFILES};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::recipe::encode_extents;
use rustix::fs::OFlags;
use serde_json::json;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `chunk`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The file to cut.
    file: PathBuf,
    /// The cut profile; packing uses media-16k and, for text, text-8k.
    #[arg(long, default_value = "media-16k", value_parser = profile)]
    profile: CutProfile,
    /// Cut by content alone, whatever the file is.
    #[arg(long)]
    plain: bool,
}

fn profile(name: &str) -> Result<CutProfile, String> {
    let known = PROFILES.map(|profile| profile.name).join(" or ");
    PROFILES.into_iter().find(|profile| profile.name == name).ok_or_else(|| format!("expected {known}"))
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let unreadable = |source| Wrong::Unreadable { path: flags.file.clone(), source };
    // NONBLOCK: a pipe must be refused, and not waited for; to a file it says nothing.
    let nonblock = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(nonblock).open(&flags.file).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    anyhow::ensure!(metadata.is_file(), Wrong::NotAFile { path: flags.file.clone() });
    let size = metadata.len();
    let planned = match flags.plain {
        true => Planned { plan: Plan::plain(), container: None, fallback: None },
        false => cut::plan(&file, size, &flags.profile),
    };
    let (how, container, reason) = (planned.name(), planned.container.map(Container::name), planned.fallback);
    let recipe_bytes = match &planned.plan {
        Plan::Streams { extents } => encode_extents(extents.iter().copied()).len(),
        Plan::Linear { .. } => 0,
    };
    let mut cutter = Cutter::new(file, flags.profile, planned.plan);
    let mut block = Block::default();
    let (mut bytes, mut chunks) = (0, Vec::new());
    let mut out = io::stdout().lock();
    while cutter.next_block(&mut block).map_err(unreadable)? {
        for Chunk { stream, plain, ranges } in block.chunks() {
            let (id, offset) = (ChunkId::of(plain), ranges.first().map_or(0, |range| range.offset));
            if json {
                chunks.push(json!({"offset": offset, "stream": stream, "len": plain.len(), "id": id.to_string()}));
            } else {
                writeln!(out, "{offset:>14} {stream:>2} {:>7} {id}", plain.len())?;
            }
            bytes += plain.len();
        }
    }
    drop(out);
    if json {
        super::print_json(&json!({
            "profile": flags.profile.name,
            "bytes": bytes,
            "plan": how,
            "container": container,
            "reason": reason.map(Fallback::name),
            "recipe_bytes": recipe_bytes,
            "chunks": chunks,
        }))?;
    }
    Ok(ExitCode::SUCCESS)
}
