//! A program run to its end, with what it cost.
//!
//! What must stay true: figures come from the kernel's accounting of that child and all it waited for, not from sampling.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Wall until everything was on the disk.
    pub(crate) synced: Duration,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_kib: u64,
}

/// Runs a command and then `sync`. GNU time reads the child's usage with wait4, which the standard library does not offer.
pub(crate) fn run(command: &Command, scratch: &Path) -> Result<Cost> {
    let report = scratch.join("usage");
    let mut timed = Command::new("time");
    timed.args(["--format", "%U %S %M", "--output"]).arg(&report).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        timed.env(name, value.unwrap_or_default());
    }
    if let Some(dir) = command.get_current_dir() {
        timed.current_dir(dir);
    }
    let begun = Instant::now();
    let output = timed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.context("cannot start GNU time: apt-get install time")?;
    let wall = begun.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}\n{said}", command.get_program().to_string_lossy(), output.status);
    }
    Command::new("sync").status().context("cannot run sync")?;
    let synced = begun.elapsed();
    let usage = fs::read_to_string(&report)?;
    let mut figures = usage.split_whitespace();
    let mut next = || figures.next().with_context(|| format!("GNU time said '{usage}'"));
    let (user, system): (f64, f64) = (next()?.parse()?, next()?.parse()?);
    Ok(Cost { wall, synced, cpu_seconds: user + system, peak_rss_kib: next()?.parse()? })
}

/// Whether a program is installed.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Bytes that a folder's files take up, as long as they are.
pub(crate) fn stored_bytes(dir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}
