//! `cargo x ci`: what has to hold on every commit, step by step with its time; the first failure ends it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{test, workspace};

pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    step("format", || workspace::finish(&mut workspace::cargo(&["fmt", "--all", "--check"])))?;
    step("lints", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        workspace::finish(&mut workspace::cargo(&arguments))
    })?;
    step("documentation", || workspace::finish(&mut documentation()))?;
    step("tests", || test::run(&[]))?;
    println!("ci: all steps passed in {}", clock(started.elapsed()));
    Ok(())
}

fn documentation() -> Command {
    let mut command = workspace::cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    command
}

fn step(name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("ci: {name} ...");
    let started = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "ok" } else { "failed" };
    println!("ci: {name} {verdict} in {}", clock(started.elapsed()));
    result.context(name)
}

fn clock(time: Duration) -> String {
    format!("{} min {:04.1} s", time.as_secs() / 60, time.as_secs_f64() % 60.0)
}
