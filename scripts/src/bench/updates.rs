//! `cargo x bench updates`: how much of an edited file the reader of the old one has already, by cut profile, with and
//! without regard to the container.
//!
//! What must stay true: edits are made by the programs that people use (ffmpeg, zip, tar), not by us; what counts is bytes
//! of chunks whose ids the old files have, found by `karez-content chunk`, which cuts and plans like the packer.

mod film;
mod paper;

use super::{child, machine, scratch};
use crate::workspace;
use anyhow::{Context, Result, bail};
use comfy_table::Table;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of the measurement.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Seconds of film
    #[arg(long, default_value_t = 240)]
    seconds: u32,
    /// Cut profiles, as `karez-content chunk` names them
    #[arg(long, value_delimiter = ',', default_value = "media-16k,text-8k,media-64k,text-16k")]
    profiles: Vec<String>,
    /// Where the material goes; about 2 GB for 240 seconds
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// An edit: the files before it and after it.
struct Edit {
    name: String,
    old: Vec<PathBuf>,
    new: Vec<PathBuf>,
}

impl Edit {
    fn file(name: impl Into<String>, old: &Path, new: PathBuf) -> Self {
        Self { name: name.into(), old: vec![old.to_owned()], new: vec![new] }
    }
}

/// What a profile made of an edit.
struct Held {
    percent: f64,
    /// How the new files were cut, and why not along their structure.
    plan: String,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    for program in ["ffmpeg", "zip", "tar"] {
        if !child::is_installed(program) {
            bail!("{program} is not installed; the edits are made with it (apt-get install ffmpeg zip tar)");
        }
    }
    // Not the release: what is measured does not depend on speed, and this one is built already.
    workspace::finish(&mut workspace::cargo(&["build", "--quiet", "-p", "karez-content-tools"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from);
    let karez = target.join("debug/karez-content");
    let scratch = scratch(flags.scratch.as_deref())?;
    // Programs run in folders of their own and get these paths.
    let dir = scratch.path().canonicalize()?;
    let mut edits = film::edits(&dir, flags.seconds)?;
    edits.extend(paper::edits(&dir)?);
    let mut rows = Vec::new();
    for edit in &edits {
        let mut cells = Vec::new();
        for profile in &flags.profiles {
            let aware = held(&karez, edit, profile, false)?;
            cells.push((profile.as_str(), aware, held(&karez, edit, profile, true)?));
        }
        rows.push((edit.name.as_str(), cells));
    }
    if flags.json { print_json(&rows, flags.seconds) } else { print(&rows, flags) }
}

/// A row of the table: the edit, and by profile what is held along the structure and by content alone.
type Row<'a> = (&'a str, Vec<(&'a str, Held, Held)>);

fn held(karez: &Path, edit: &Edit, profile: &str, plain: bool) -> Result<Held> {
    let mut known = HashSet::new();
    for file in &edit.old {
        known.extend(Cut::of(karez, file, profile, plain)?.chunks.into_iter().map(|(id, _)| id));
    }
    let (mut bytes, mut held, mut plan) = (0, 0, String::new());
    for file in &edit.new {
        let cut = Cut::of(karez, file, profile, plain)?;
        bytes += cut.chunks.iter().map(|(_, len)| len).sum::<u64>();
        held += cut.chunks.iter().filter(|(id, _)| known.contains(id)).map(|(_, len)| len).sum::<u64>();
        plan = cut.plan;
    }
    Ok(Held { percent: 100.0 * held as f64 / bytes as f64, plan })
}

/// What `karez-content chunk` said of a file.
struct Cut {
    chunks: Vec<(String, u64)>,
    plan: String,
}

impl Cut {
    fn of(karez: &Path, file: &Path, profile: &str, plain: bool) -> Result<Self> {
        let mut command = Command::new(karez);
        command.args(["--json", "chunk", "--profile", profile]).arg(file);
        if plain {
            command.arg("--plain");
        }
        let output = command.output().with_context(|| workspace::show(&command))?;
        if !output.status.success() {
            bail!("{}: {}", workspace::show(&command), String::from_utf8_lossy(&output.stderr));
        }
        let said: Value = serde_json::from_slice(&output.stdout)?;
        let chunk = |chunk: &Value| Some((chunk["id"].as_str()?.to_owned(), chunk["len"].as_u64()?));
        let chunks = said["chunks"].as_array().into_iter().flatten().map(chunk).collect::<Option<_>>();
        let words = ["plan", "reason"].into_iter().filter_map(|name| said[name].as_str());
        Ok(Self { chunks: chunks.context("chunks have ids and lengths")?, plan: words.collect::<Vec<_>>().join(": ") })
    }
}

fn print(rows: &[Row<'_>], flags: &Flags) -> Result<()> {
    println!("percent of the new bytes that are held: along the structure / by content alone; {}", machine());
    let mut table = Table::new();
    table.set_header([""].into_iter().chain(flags.profiles.iter().map(String::as_str)).chain(["plan"]));
    for (name, cells) in rows {
        let mut row = vec![(*name).to_owned()];
        row.extend(cells.iter().map(|(_, aware, plain)| format!("{:.1} / {:.1}", aware.percent, plain.percent)));
        row.extend(cells.first().map(|(_, aware, _)| aware.plan.clone()));
        table.add_row(row);
    }
    println!("{table}");
    Ok(())
}

fn print_json(rows: &[Row<'_>], seconds: u32) -> Result<()> {
    let mut found = Vec::new();
    for (name, cells) in rows {
        found.extend(cells.iter().map(|(profile, aware, plain)| {
            json!({"edit": name, "profile": profile, "held_percent": aware.percent, "plan": aware.plan,
                "held_percent_plain": plain.percent})
        }));
    }
    let report = json!({"film_seconds": seconds, "machine": machine(), "rows": found});
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
