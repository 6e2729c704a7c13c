//! `cargo x bench ingest`: how fast a course gets into the store, and what its second version costs.
//!
//! What must stay true: all candidates get the same bytes from a warm page cache, each into an empty place of its own on the same
//! file system, in turn; the first turn does not count (memory of a virtual machine is slow when it is touched first),
//! of the others the fastest does. Encryption and checks are left as each tool's users have them, compression is off where
//! a tool would try it on bytes that have none in them.

use super::child::{self, Cost};
use super::{machine, material, scratch};
use crate::workspace;
use anyhow::{Context, Result};
use comfy_table::Table;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of the measurement.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Bytes of the corpus: 500M, 2G, 16G
    #[arg(long, default_value = "2G", value_parser = size)]
    size: u64,
    /// Turns that count
    #[arg(long, default_value_t = 2)]
    turns: u32,
    /// Where corpus and stores go; three times the size is needed
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Only these candidates
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().map(|number| number << shift).map_err(|error| error.to_string())
}

/// A tool under measurement; commands get the source folder and an empty folder for the store.
struct Candidate {
    name: &'static str,
    program: String,
    /// Makes an empty store; `None` when the tool needs none.
    prepare: Option<fn(&str, &Path) -> Command>,
    ingest: fn(&str, &Path, &Path) -> Command,
    /// Whether it keeps versions in one store.
    versions: bool,
}

/// What one candidate showed.
struct Row {
    name: &'static str,
    cost: Cost,
    stored: u64,
    second: Option<u64>,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    workspace::finish(&mut workspace::cargo(&["build", "--release", "--quiet", "-p", "karez-content-tools"]))?;
    let scratch = scratch(flags.scratch.as_deref())?;
    let (first, second) = (scratch.path().join("v1"), scratch.path().join("v2"));
    material::noise(&first, flags.size)?;
    let changed = material::second_version(&first, &second)?;
    let wanted = |name: &str| flags.only.is_empty() || flags.only.iter().any(|only| only == name);
    let (present, missing): (Vec<_>, Vec<_>) = candidates()?
        .into_iter()
        .filter(|candidate| wanted(candidate.name))
        .partition(|candidate| Path::new(&candidate.program).is_file() || child::is_installed(&candidate.program));
    for candidate in missing {
        eprintln!("{} is not installed and not measured", candidate.name);
    }
    let mut best: Vec<Option<Row>> = present.iter().map(|_| None).collect();
    for turn in 0..=flags.turns {
        for (candidate, best) in present.iter().zip(&mut best) {
            material::warm(&first)?;
            let row = measure(candidate, &first, &second, scratch.path(), turn == flags.turns)?;
            eprintln!(
                "turn {turn}: {} {:.2} s, with sync {:.2} s",
                row.name,
                row.cost.wall.as_secs_f64(),
                row.cost.synced.as_secs_f64()
            );
            if turn > 0 {
                *best = Some(match best.take() {
                    Some(known) => faster(known, &row),
                    None => row,
                });
            }
        }
    }
    let rows: Vec<Row> = best.into_iter().flatten().collect();
    if flags.json { print_json(&rows, flags.size, changed) } else { print(&rows, flags.size, changed) }
}

/// The better of two turns, figure by figure; the second version is measured in the last one only.
fn faster(known: Row, row: &Row) -> Row {
    let (a, b) = (known.cost, row.cost);
    let cost = Cost {
        wall: a.wall.min(b.wall),
        synced: a.synced.min(b.synced),
        cpu_seconds: a.cpu_seconds.min(b.cpu_seconds),
        peak_rss_kib: a.peak_rss_kib.max(b.peak_rss_kib),
    };
    Row { cost, stored: row.stored, second: row.second.or(known.second), ..known }
}

fn measure(candidate: &Candidate, first: &Path, second: &Path, scratch: &Path, both: bool) -> Result<Row> {
    let store = scratch.join("store");
    fs::create_dir(&store)?;
    if let Some(prepare) = candidate.prepare {
        child::run(&prepare(&candidate.program, &store), scratch)?;
    }
    Command::new("sync").status().context("cannot run sync")?;
    let cost = child::run(&(candidate.ingest)(&candidate.program, first, &store), scratch)?;
    let stored = child::stored_bytes(&store);
    let mut more = None;
    if both && candidate.versions {
        child::run(&(candidate.ingest)(&candidate.program, second, &store), scratch)?;
        more = Some(child::stored_bytes(&store) - stored);
    }
    fs::remove_dir_all(&store)?;
    Ok(Row { name: candidate.name, cost, stored, second: more })
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn candidates() -> Result<Vec<Candidate>> {
    let karez = workspace::release("karez-content")?;
    Ok(vec![
        Candidate {
            name: "karez-content",
            program: karez,
            prepare: None,
            ingest: |program, from, store| {
                let mut pack = command(program, &["pack", "--collection", "bench/course", "--store"]);
                pack.arg(store).arg(from);
                pack
            },
            versions: true,
        },
        Candidate {
            name: "restic",
            program: "restic".into(),
            prepare: Some(restic_init),
            ingest: restic,
            versions: true,
        },
        Candidate { name: "borg", program: "borg".into(), prepare: Some(borg_init), ingest: borg, versions: true },
        Candidate { name: "casync", program: "casync".into(), prepare: None, ingest: casync, versions: true },
        Candidate {
            name: "cp -r",
            program: "cp".into(),
            prepare: None,
            ingest: |program, from, store| {
                let mut copy = command(program, &["-r"]);
                copy.arg(from).arg(store);
                copy
            },
            versions: false,
        },
        Candidate {
            name: "b3sum",
            program: "b3sum".into(),
            prepare: None,
            ingest: |program, from, _| {
                let mut sum = command("sh", &["-c", "exec \"$0\" \"$1\"/*", program]);
                sum.arg(from);
                sum
            },
            versions: false,
        },
    ])
}

fn restic_init(program: &str, store: &Path) -> Command {
    let mut init = command(program, &["--quiet", "init", "--no-cache", "--repo"]);
    init.arg(store).env("RESTIC_PASSWORD", "bench");
    init
}

fn restic(program: &str, from: &Path, store: &Path) -> Command {
    let mut backup = command(program, &["--quiet", "--no-cache", "--compression", "off", "backup", "--repo"]);
    backup.arg(store).arg(".").current_dir(from).env("RESTIC_PASSWORD", "bench");
    backup
}

fn borg_init(program: &str, store: &Path) -> Command {
    let mut init = command(program, &["init", "--encryption", "none"]);
    init.arg(store.join("repo")).env("BORG_BASE_DIR", store);
    init
}

fn borg(program: &str, from: &Path, store: &Path) -> Command {
    let mut archive = store.join("repo").into_os_string();
    archive.push("::");
    archive.push(from.file_name().unwrap_or_default());
    let mut create = command(program, &["create", "--compression", "none"]);
    create.arg(archive).arg(".").current_dir(from).env("BORG_BASE_DIR", store);
    create.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
    create
}

fn casync(program: &str, from: &Path, store: &Path) -> Command {
    let mut index = store.join(from.file_name().unwrap_or_default());
    index.set_extension("caidx");
    let mut chunks = std::ffi::OsString::from("--store=");
    chunks.push(store.join("chunks.castr"));
    let mut make = command(program, &["make"]);
    make.arg(chunks).arg(index).arg(from);
    make
}

fn print(rows: &[Row], size: u64, changed: u64) -> Result<()> {
    println!("{size} bytes; version 2 has {changed} new bytes; {}", machine());
    let mut table = Table::new();
    table.set_header(["", "GB/s", "GB/s with sync", "CPU s/GiB", "peak MiB", "stored/size", "version 2/new bytes"]);
    for row in rows {
        let rate = |seconds: f64| format!("{:.2}", size as f64 / 1e9 / seconds);
        table.add_row([
            row.name.to_owned(),
            rate(row.cost.wall.as_secs_f64()),
            rate(row.cost.synced.as_secs_f64()),
            format!("{:.2}", row.cost.cpu_seconds / (size as f64 / f64::from(1 << 30))),
            format!("{}", row.cost.peak_rss_kib >> 10),
            format!("{:.3}", row.stored as f64 / size as f64),
            row.second.map_or_else(String::new, |second| format!("{:.2}", second as f64 / changed as f64)),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn print_json(rows: &[Row], size: u64, changed: u64) -> Result<()> {
    let row = |row: &Row| {
        json!({
            "name": row.name, "wall_s": row.cost.wall.as_secs_f64(), "synced_s": row.cost.synced.as_secs_f64(),
            "cpu_s": row.cost.cpu_seconds, "peak_rss_kib": row.cost.peak_rss_kib, "stored_bytes": row.stored,
            "version_2_bytes": row.second,
        })
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let report = json!({"bytes": size, "version_2_new_bytes": changed, "machine": machine(), "rows": rows});
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
