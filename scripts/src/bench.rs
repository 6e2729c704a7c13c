//! `cargo x bench`: measurements beside the tools that people would use instead, on the same bytes in one run.
//!
//! What must stay true: every candidate runs once before it counts; a tool that is missing is named, not skipped in silence;
//! results are printed with the machine and the commit, and as JSON, so that ratios can be checked.

mod announces;
mod child;
mod files;
mod ingest;
pub(crate) mod material;
mod profiles;
mod updates;

use crate::workspace;
use anyhow::Result;
use clap::Subcommand;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Packing, beside restic, borg, casync, cp and b3sum: time, CPU, memory, stored bytes, and a second version
    Ingest(ingest::Flags),
    /// What an edit costs under different cut profiles, by kind of material
    Profiles(profiles::Flags),
    /// How much of an edited file is held already, by kind of edit and cut profile (needs ffmpeg)
    Updates(updates::Flags),
    /// Many small files in one collection: packing, packing again, comparing versions, listing
    Files(files::Flags),
    /// Signed announces at a tracker on one core
    Announces(announces::Flags),
}

/// Runs one measurement.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Ingest(flags) => ingest::run(flags),
        Bench::Profiles(flags) => profiles::run(flags),
        Bench::Updates(flags) => updates::run(flags),
        Bench::Files(flags) => files::run(flags),
        Bench::Announces(flags) => announces::run(flags),
    }
}

/// A folder for material and stores, in `dir` or where the system keeps such; gone with its guard.
fn scratch(dir: Option<&Path>) -> Result<TempDir> {
    Ok(match dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }?)
}

/// The machine and the commit, for whoever reads the figures later.
pub(crate) fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib = meminfo.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(workspace::root()).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    let gib = memory_kib as f64 / f64::from(1 << 20);
    format!("{cores} cores {}, {gib:.0} GiB, load {load}, commit {commit}", model.unwrap_or("of unknown make"))
}
