//! `cargo x test`: the programs first, since some tests run them as processes; then every test of the workspace,
//! then a short run of the lab.

use anyhow::Result;

use crate::workspace;

/// What this command does not run, and why; one line each.
const SKIPPED: [&str; 1] = ["supply chain: run `cargo deny check` where cargo-deny is installed"];

pub(crate) fn run(rest: &[String]) -> Result<()> {
    let programs = workspace::build()?;
    workspace::finish(workspace::cargo(&["test", "--workspace"]).args(rest))?;
    if rest.is_empty() {
        lab(&programs)?;
    }
    for line in SKIPPED {
        println!("skipped: {line}");
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn lab(programs: &workspace::Programs) -> Result<()> {
    crate::lab::smoke(programs)
}

#[cfg(not(target_os = "linux"))]
fn lab(_: &workspace::Programs) -> Result<()> {
    println!("skipped: lab: network namespaces need Linux");
    Ok(())
}
