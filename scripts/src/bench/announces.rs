//! `cargo x bench announces`: announces over kept HTTP connections at a real tracker on one core, sent from another.
//!
//! What must stay true: the tracker has one core and nothing else runs on it of ours; every announce is answered with a yes; its
//! CPU time is the kernel's, for all announces, those that warm up included.

use super::{machine, scratch};
use crate::lab::Meter;
use crate::process::{self, Daemon};
use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use std::process::Command;

const TRACKER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// Flags of the measurement.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Members of the network; one in ten lacks a collection and is told of peers
    #[arg(long, default_value_t = 1_000)]
    members: u32,
    /// Announces; the first tenth warms up
    #[arg(long, default_value_t = 200_000)]
    count: u32,
    /// Connections, each with one announce at a time
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Prepared {
    /// The tracker's public key.
    key: String,
}

/// What the load saw.
#[derive(Deserialize)]
struct Driven {
    announces: u64,
    seconds: f64,
    median_ms: f64,
    p99_ms: f64,
    request_bytes: u64,
    answer_bytes: u64,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    let build = ["build", "--release", "--quiet", "-p", "karez-tracker", "--bins", "--example", "announces"];
    workspace::finish(&mut workspace::cargo(&build))?;
    let (tracker, load) = (workspace::release("karez-tracker")?, workspace::release("examples/announces")?);
    let scratch = scratch(None)?;
    let (home, logs) = (scratch.path().join("tracker"), scratch.path().join("logs"));
    let members = flags.members.to_string();
    let prepared: Prepared = process::json(Command::new(&load).arg("prepare").arg(&home).arg(&members))?;
    let mut command = on_core(TRACKER_CORE, &tracker);
    command.arg("--home").arg(&home).args(["run", "--listen", "127.0.0.1:0", "--json"]).env("RUST_LOG", "warn");
    let (daemon, ready) = Daemon::start("tracker", &mut command, &logs)?;
    let address = ready["url"].as_str().and_then(|url| url.strip_prefix("http://")).context("no url")?;
    // `taskset` has become the tracker by now.
    let meter = Meter::start(daemon.pid())?;
    let (count, connections) = (flags.count.to_string(), flags.connections.to_string());
    let mut command = on_core(LOAD_CORE, &load);
    let driven: Driven =
        process::json(command.args(["drive", address, &prepared.key, &members, &count, &connections]))?;
    let usage = meter.read()?;
    let (rate, cpu_us) = (driven.announces as f64 / driven.seconds, usage.cpu_s * 1e6 / f64::from(flags.count));
    if flags.json {
        let report = json!({
            "members": flags.members, "connections": flags.connections, "announces": driven.announces,
            "announces_per_s": rate, "cpu_s_per_1000": cpu_us / 1e3, "peak_mib": usage.peak_mib,
            "median_ms": driven.median_ms, "p99_ms": driven.p99_ms, "request_bytes": driven.request_bytes,
            "answer_bytes": driven.answer_bytes, "machine": machine(),
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{} members, {} connections; {}", flags.members, flags.connections, machine());
    println!(
        "{rate:.0} announces a second; {:.4} CPU s for 1,000 (at most {:.0} a second on a core); {:.1} MiB at most",
        cpu_us / 1e3,
        1e6 / cpu_us,
        usage.peak_mib
    );
    let Driven { median_ms, p99_ms, request_bytes, answer_bytes, .. } = driven;
    println!(
        "answered within {median_ms:.2} ms, p99 {p99_ms:.2}; {request_bytes} bytes asked, {answer_bytes} answered"
    );
    Ok(())
}

/// A program that stays on one core.
fn on_core(core: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}
