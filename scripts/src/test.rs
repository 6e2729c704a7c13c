//! `cargo x test`: the programs first, since some tests run them as processes; then every test of the workspace.

use anyhow::Result;

use crate::workspace;

/// What this command does not run, and why; one line each.
const SKIPPED: [&str; 1] = ["supply chain: run `cargo deny check` where cargo-deny is installed"];

pub(crate) fn run(rest: &[String]) -> Result<()> {
    workspace::build()?;
    workspace::finish(workspace::cargo(&["test", "--workspace"]).args(rest))?;
    for line in SKIPPED {
        println!("skipped: {line}");
    }
    Ok(())
}
