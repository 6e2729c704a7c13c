//! `cargo x lab SCENARIO`: real nodes behind emulated links, and what it took them to copy a collection.
//!
//! What must stay true: a run in which the emulator was late is said to be one and does not count; every run ends; whatever
//! happens, no process and no namespace is left behind.

mod idle;
mod libtorrent;
mod limits;
mod links;
mod manners;
mod outcome;
mod scenario;
mod swarm;
mod table;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;

use crate::bench::{self, material};
use crate::workspace::{self, Programs};
use crate::{size, stop};
use links::Links;
use outcome::{LATE_PERCENT_MAX, Outcome};
use scenario::{Measures, Mode, Scenario};
pub(crate) use usage::Meter;

/// Between two lines of progress.
const PROGRESS_EVERY_S: u64 = 10;
/// What `cargo x test` runs.
const SMOKE: &str = "smoke";

/// What `cargo x lab` can be told.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// A file of tests/lab by its name, or any such file by its path
    scenario: String,
    /// Runs; each has the next seed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Seed of the first run's losses and jitter
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Bytes to publish instead of the scenario's, e.g. 256M
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    size: Option<u64>,
    /// How long a run may take, or how long `idle` counts, instead of the scenario's time
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// How the sites use the flagship's upload, instead of the scenario's way
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// Another program in the same links, in turn with Karez
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PROGRAM")]
    beside: Vec<Peer>,
    /// Runs the programs as they are shipped; for figures that are quoted
    #[arg(long)]
    release: bool,
    /// Where homes go instead of the system's temporary folder
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// One JSON object on stdout; the table goes to stderr
    #[arg(long)]
    json: bool,
}

/// Programs that can be measured beside Karez.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Peer {
    Libtorrent,
}

/// Who runs.
#[derive(Clone, Copy)]
enum Contender {
    Karez,
    Beside(Peer),
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Karez => "karez",
            Self::Beside(Peer::Libtorrent) => "libtorrent",
        }
    }

    /// How to install what it needs, where that is not here.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Karez => None,
            Self::Beside(Peer::Libtorrent) => libtorrent::missing(),
        }
    }
}

/// One run's surroundings.
struct Bench<'a> {
    scenario: &'a Scenario,
    programs: &'a Programs,
    /// What is published.
    source: &'a Path,
    /// An empty folder for homes and logs.
    scratch: &'a Path,
    time_max: Duration,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    let mut scenario = Scenario::load(&flags.scenario)?;
    scenario.size = flags.size.unwrap_or(scenario.size);
    scenario.mode = flags.mode.unwrap_or(scenario.mode);
    scenario.seconds_max = flags.seconds.unwrap_or(scenario.seconds_max);
    if let Some(reason) = missing(&scenario) {
        println!("skipped: the lab needs {reason}");
        return Ok(());
    }
    stop::listen()?;
    eprintln!("building the programs");
    let programs = if flags.release { workspace::build_release() } else { workspace::build() }?;
    match scenario.measures {
        Measures::Swarm => {}
        Measures::Manners => return measure_other(flags, &scenario, &programs, manners::run),
        Measures::Limits => return measure_other(flags, &scenario, &programs, limits::run),
        Measures::Idle => return measure_other(flags, &scenario, &programs, idle::run),
    }
    let outcomes = measure(flags, &scenario, &programs)?;
    print(flags, &scenario, &outcomes)?;
    judge(&outcomes)
}

/// The short run of `cargo x test`, or one line that says why not.
pub(crate) fn smoke(programs: &Programs) -> Result<()> {
    let scenario = Scenario::load(SMOKE)?;
    if let Some(reason) = missing(&scenario) {
        println!("skipped: lab: it needs {reason}");
        return Ok(());
    }
    stop::listen()?;
    let outcome = one_run(Contender::Karez, &scenario, programs, 1, None)?;
    println!("{}", table::table(std::slice::from_ref(&outcome)));
    judge(&[outcome])
}

/// What this machine lacks.
fn missing(scenario: &Scenario) -> Option<&'static str> {
    let ip = Command::new("ip").args(["netns", "list"]).output();
    let id = Command::new("id").arg("-u").output();
    match () {
        () if scenario.loopback => None,
        () if !id.is_ok_and(|output| output.stdout.trim_ascii() == b"0") => Some("root"),
        () if !Path::new("/dev/net/tun").exists() => Some("/dev/net/tun"),
        () if !ip.is_ok_and(|output| output.status.success()) => Some("ip with network namespaces (iproute2)"),
        () => None,
    }
}

/// All runs, contender by contender in turn, so that a busy hour of the machine meets all of them.
fn measure(flags: &Flags, scenario: &Scenario, programs: &Programs) -> Result<Vec<Outcome>> {
    let beside = flags.beside.iter().map(|peer| Contender::Beside(*peer));
    let (present, absent): (Vec<_>, Vec<_>) =
        [Contender::Karez].into_iter().chain(beside).partition(|contender| contender.missing().is_none());
    for contender in absent {
        eprintln!("{} is not measured: {}", contender.name(), contender.missing().unwrap_or_default());
    }
    let mut outcomes = Vec::new();
    for seed in flags.seed..flags.seed + flags.runs {
        for contender in &present {
            let (bytes, mode) = (size::show(scenario.size), scenario.mode.name());
            eprintln!("{} seed {seed}: {}, {bytes}, {mode}", flags.scenario, contender.name());
            outcomes.extend(counted_run(*contender, scenario, programs, seed, flags.scratch.as_deref())?);
        }
    }
    outcomes.sort_by(|a, b| a.who.cmp(&b.who));
    Ok(outcomes)
}

/// A run; one that does not count, because the emulator was late, is followed by a second.
fn counted_run(
    who: Contender,
    scenario: &Scenario,
    programs: &Programs,
    seed: u64,
    scratch: Option<&Path>,
) -> Result<Vec<Outcome>> {
    let first = one_run(who, scenario, programs, seed, scratch)?;
    if !first.rejected {
        return Ok(vec![first]);
    }
    eprintln!("{}", rejection(&first));
    Ok(vec![first, one_run(who, scenario, programs, seed, scratch)?])
}

/// What was measured, and what may help: whether the machine, its timers or the emulator is to blame is not known.
fn rejection(outcome: &Outcome) -> String {
    let (late, worst) = (outcome.late_percent.unwrap_or_default(), outcome.late_max_ms.unwrap_or_default());
    format!(
        "rejected: {late:.2} % of the packets were delivered over 1 ms late (at most {LATE_PERCENT_MAX} % may be), the worst \
         by {worst:.1} ms; load {}. Fewer sites, slower links, a release build or a machine with nothing else to do may \
         help. Once more",
        outcome.load
    )
}

/// Runs of a scenario with figures of its own; slow or rude is no error, the figures say it.
fn measure_other<T: Serialize + std::fmt::Display>(
    flags: &Flags,
    scenario: &Scenario,
    programs: &Programs,
    measure: fn(&Bench<'_>, &mut Links) -> Result<T>,
) -> Result<()> {
    let mut runs = Vec::new();
    for seed in flags.seed..flags.seed + flags.runs {
        let scratch = flags.scratch.as_deref();
        let run = in_links(scenario, programs, seed, scratch, measure)?;
        eprintln!("{} seed {seed}, {}; {}\n{run}", flags.scenario, scenario.mode.name(), bench::machine());
        runs.push(run);
    }
    if flags.json {
        let report = json!({
            "scenario": flags.scenario, "mode": scenario.mode, "release": flags.release, "machine": bench::machine(),
            "runs": runs,
        });
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

fn one_run(
    who: Contender,
    scenario: &Scenario,
    programs: &Programs,
    seed: u64,
    scratch: Option<&Path>,
) -> Result<Outcome> {
    let measured = in_links(scenario, programs, seed, scratch, |bench, links| match who {
        Contender::Karez => swarm::run(bench, links),
        Contender::Beside(Peer::Libtorrent) => libtorrent::run(bench, links),
    })?;
    Ok(Outcome::new(who.name(), seed, scenario, &measured))
}

/// Something to publish, fresh folders and the links; all are gone afterwards.
fn in_links<T>(
    scenario: &Scenario,
    programs: &Programs,
    seed: u64,
    scratch: Option<&Path>,
    measure: impl FnOnce(&Bench<'_>, &mut Links) -> Result<T>,
) -> Result<T> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("kzlab-");
    let scratch = scratch.map_or_else(|| folder.tempdir(), |dir| folder.tempdir_in(dir)).context("no folder")?;
    let (source, homes) = (scratch.path().join("source"), scratch.path().join("h"));
    material::noise(&source, scenario.size)?;
    std::fs::create_dir(&homes)?;
    let time_max = Duration::from_secs(scenario.seconds_max);
    let bench = Bench { scenario, programs, source: &source, scratch: &homes, time_max };
    let mut links = Links::bring_up(scenario, &programs.linkem, scratch.path(), seed)?;
    measure(&bench, &mut links)
}

fn print(flags: &Flags, scenario: &Scenario, outcomes: &[Outcome]) -> Result<()> {
    let bound = outcomes.iter().find_map(|outcome| outcome.bound_s);
    let bound = bound.map_or_else(|| "no bound".into(), |bound| format!("bound {bound:.1} s"));
    let (about, bytes, mode) = (&scenario.about, size::show(scenario.size), scenario.mode.name());
    let build = if flags.release { "release build" } else { "development build" };
    let text = format!("{about}\n{bytes}, {mode}, {bound}; {build}; {}\n{}", bench::machine(), table::table(outcomes));
    if flags.json {
        eprintln!("{text}");
        let report = json!({
            "scenario": flags.scenario, "bytes": scenario.size, "mode": scenario.mode, "release": flags.release,
            "machine": bench::machine(), "runs": outcomes,
        });
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{text}");
    }
    Ok(())
}

/// An error when something did not arrive, or not as it was sent. Slow is no error: the table says it.
fn judge(outcomes: &[Outcome]) -> Result<()> {
    if outcomes.iter().any(|outcome| !outcome.verified) {
        bail!("a copy is not the source");
    }
    if outcomes.iter().any(|outcome| outcome.last_s.is_none()) {
        bail!("not every site was done in time");
    }
    Ok(())
}
