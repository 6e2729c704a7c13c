//! `cargo x sim`: builds the simulator as fast as it can be, and hands over.

use anyhow::Result;

use crate::workspace;

pub(crate) fn run(rest: &[String]) -> Result<()> {
    let program = ["run", "--quiet", "--release", "--package", "karez-sim", "--bin", "sim", "--"];
    workspace::finish(workspace::cargo(&program).args(rest))
}
