//! `cargo x sim SCENARIO`: how long a collection takes to every site, and what it costs on the way. docs/sim.md.
//!
//! What must stay true: what is printed was simulated in this run, with the seed beside it.

mod base;
mod figures;
mod table;

use anyhow::{Context, Result, bail};
use clap::Parser;
use figures::{Figures, Report};
use karez_protocol::swarm::io::EgressMode;
use karez_sim::Plan;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What can be told.
#[derive(Parser)]
#[command(name = "cargo x sim", about = "Simulates how a collection spreads")]
struct Flags {
    /// A file of tests/sim/scenarios by its name, or any such file by its path
    scenario: String,
    /// Seed of the first run
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Runs; each has the next seed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Bytes to publish instead of the scenario's, e.g. 256M
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// How the sites use the flagship's upload, instead of the scenario's way
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Mode>,
    /// One JSON object on stdout; the table goes to stderr
    #[arg(long)]
    json: bool,
    /// What an earlier `--json` printed, to compare with
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Mode {
    Fast,
    Thrifty,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    let base = flags.base.as_deref().map(base::read).transpose()?;
    let plan = understand(flags)?;
    let runs: Vec<Figures> = (flags.seed..flags.seed + flags.seeds).map(|seed| simulate(&plan, seed)).collect();
    let unfinished = runs.iter().filter(|run| run.last_s.is_none()).count();
    let report = Report::new(&flags.scenario, &plan, runs);
    let text = table::text(&plan, &report, base.as_ref());
    if flags.json {
        eprintln!("{text}");
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{text}");
    }
    if unfinished > 0 {
        bail!("in {unfinished} of {} runs not every honest site was done in time", flags.seeds);
    }
    Ok(())
}

fn understand(flags: &Flags) -> Result<Plan> {
    let mut plan = Plan::load(&flags.scenario)?;
    if let Some(size) = &flags.size {
        plan.set_bytes(karez_sim::size::parse(size).context("--size: not a size such as 64M")?);
    }
    match flags.mode {
        Some(Mode::Fast) => plan.set_mode(EgressMode::Fast),
        Some(Mode::Thrifty) => plan.set_mode(EgressMode::Thrifty),
        None => {}
    }
    Ok(plan)
}

fn simulate(plan: &Plan, seed: u64) -> Figures {
    let scenario = plan.scenario(seed);
    let bounds = (scenario.bound_of_mode(), scenario.fluid_bound());
    let honest = scenario.sites.iter().map(|site| site.conduct == karez_sim::Conduct::Honest).collect::<Vec<_>>();
    let started = Instant::now();
    let outcome = scenario.run();
    Figures::new(plan, seed, (bounds, &honest), &outcome, started.elapsed())
}
