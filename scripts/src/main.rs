//! `cargo x`: what people run in this repository besides the product itself. Flags are parsed here and nowhere else.

mod bench;
mod ci;
mod demo;
mod fuzz;
mod karez;
#[cfg(target_os = "linux")]
mod lab;
mod place;
mod process;
mod sample;
mod sim;
mod size;
mod stop;
mod test;
mod tree;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo x", about = "Demo, tests and CI of Karez", disable_help_subcommand = true)]
struct Flags {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A whole network on this machine: publish, replicate, verify, update
    Demo(demo::Flags),
    /// Build the programs and run every test; what follows `--` goes to `cargo test`
    Test {
        /// For `cargo test`, e.g. `cargo x test -- --test tidy`
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Measurements beside other tools, on the same bytes in one run
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Let coverage choose bytes for the parsers of foreign data (needs a C++ compiler)
    Fuzz(fuzz::Flags),
    /// Real nodes behind emulated links: times beside the bound, copies, memory; needs root
    #[cfg(target_os = "linux")]
    Lab(lab::Flags),
    /// The real core on simulated links: `cargo x sim A --seeds 3`; `cargo x sim --help` says more
    #[command(disable_help_flag = true)]
    Sim {
        /// For the simulator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Exactly what CI runs: format, lints, documentation, tests
    Ci,
    /// Make the sample course again (needs ffmpeg, espeak-ng and fonts-noto-cjk)
    Sample {
        /// Where the course goes instead of sample/course
        #[arg(long)]
        to: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Flags::parse().task {
        Task::Demo(flags) => demo::run(&flags),
        Task::Test { rest } => test::run(&rest),
        Task::Bench(bench) => bench::run(&bench),
        Task::Fuzz(flags) => fuzz::run(&flags),
        #[cfg(target_os = "linux")]
        Task::Lab(flags) => lab::run(&flags),
        Task::Sim { rest } => sim::run(&rest),
        Task::Ci => ci::run(),
        Task::Sample { to } => sample::make(to.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
