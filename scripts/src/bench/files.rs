//! `cargo x bench files`: many small files in one collection, from the first packing to reading the list.
//!
//! What must stay true: every command is a process of its own, so that its peak memory is its own; the files are old enough to
//! count as settled when they are packed, as files of a real collection are.

use super::child::{self, Cost};
use super::{machine, material, scratch};
use crate::workspace;
use anyhow::{Context, Result};
use comfy_table::Table;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Files in a folder, which is an item.
const FOLDER_FILES: u64 = 1000;
/// Files that version 2 changes, in as many folders where there are so many.
const CHANGED: u64 = 10;
const COLLECTION: &str = "bench/library";

/// Flags of the measurement.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Number of files, 200 to 2000 bytes each, a thousand in a folder
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Where files and stores go; 12 KiB a file are needed
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    workspace::finish(&mut workspace::cargo(&["build", "--release", "--quiet", "-p", "karez-content-tools"]))?;
    let scratch = scratch(flags.scratch.as_deref())?;
    let (dir, store) = (scratch.path().join("files"), scratch.path().join("store"));
    let bytes = (0..flags.count).try_fold(0, |bytes, number| anyhow::Ok(bytes + write(&dir, number, number)?))?;
    Command::new("sync").status().context("cannot run sync")?;
    let mut rows = Vec::new();
    let mut measure = |name: &'static str, command: &Command| -> Result<()> {
        let cost = child::run(command, scratch.path())?;
        eprintln!("{name}: {:.2} s, {} MiB", cost.wall.as_secs_f64(), cost.peak_rss_kib >> 10);
        rows.push((name, cost));
        Ok(())
    };
    let pack = karez(&["pack", "--collection", COLLECTION], &store, &[&dir])?;
    measure("cp -r", Command::new("cp").arg("-r").arg(&dir).arg(scratch.path().join("copy")))?;
    measure("pack", &pack)?;
    measure("pack, nothing changed", &pack)?;
    for number in (0..flags.count).step_by((flags.count / CHANGED).max(1) as usize).take(CHANGED as usize) {
        write(&dir, number, flags.count + number)?;
    }
    measure("pack, 10 files changed", &pack)?;
    let versions = [format!("{COLLECTION}@1"), format!("{COLLECTION}@2")];
    let [old, new] = versions.each_ref().map(Path::new);
    measure("diff", &karez(&["diff"], &store, &[old, new])?)?;
    measure("quote", &karez(&["quote", "--old", &versions[0]], &store, &[new])?)?;
    measure("list all", &karez(&["inspect"], &store, &[new])?)?;
    measure("list one item", &karez(&["inspect", "--item", &folder(flags.count / 2)], &store, &[new])?)?;
    if flags.json { print_json(&rows, flags.count, bytes) } else { print(&rows, flags.count, bytes) }
}

/// Writes file `number` with text `text`, as if that had been an hour ago; returns its bytes.
fn write(dir: &Path, number: u64, text: u64) -> Result<u64> {
    let (path, text) = (path(dir, number), material::small_text(text));
    if number.is_multiple_of(FOLDER_FILES) {
        fs::create_dir_all(path.parent().context("every file is in a folder")?)?;
    }
    let mut file = fs::File::create(&path)?;
    file.write_all(text.as_bytes())?;
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))?;
    Ok(text.len() as u64)
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(folder(number)).join(format!("page {:03}.txt", number % FOLDER_FILES))
}

fn folder(number: u64) -> String {
    format!("book {:04}", number / FOLDER_FILES)
}

fn karez(arguments: &[&str], store: &Path, more: &[&Path]) -> Result<Command> {
    let mut command = Command::new(workspace::release("karez-content")?);
    command.args(arguments).arg("--store").arg(store).args(more);
    Ok(command)
}

fn print(rows: &[(&str, Cost)], count: u64, bytes: u64) -> Result<()> {
    println!("{count} files, {bytes} bytes; {}", machine());
    let mut table = Table::new();
    table.set_header(["", "wall s", "with sync", "CPU s", "peak MiB"]);
    for (name, cost) in rows {
        table.add_row([
            (*name).to_owned(),
            format!("{:.2}", cost.wall.as_secs_f64()),
            format!("{:.2}", cost.synced.as_secs_f64()),
            format!("{:.2}", cost.cpu_seconds),
            format!("{}", cost.peak_rss_kib >> 10),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn print_json(rows: &[(&str, Cost)], count: u64, bytes: u64) -> Result<()> {
    let row = |(name, cost): &(&str, Cost)| {
        json!({
            "name": name, "wall_s": cost.wall.as_secs_f64(), "synced_s": cost.synced.as_secs_f64(),
            "cpu_s": cost.cpu_seconds, "peak_rss_kib": cost.peak_rss_kib,
        })
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let report = json!({"files": count, "bytes": bytes, "machine": machine(), "rows": rows});
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
