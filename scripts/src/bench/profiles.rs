//! `cargo x bench profiles`: what an edit costs under cut profiles that differ in size and shape.
//!
//! What must stay true: candidates are cut by the packer's own cutter, so the measurement is an example of its crate.

use super::machine;
use crate::workspace;
use anyhow::Result;

/// Flags of the measurement.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// MiB of film
    #[arg(long, default_value_t = 256)]
    film_mib: u32,
    /// Only this kind: film, text, documents, 16-bit images
    #[arg(long)]
    only: Option<String>,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    println!("new bytes for each changed byte; {}", machine());
    let film_mib = flags.film_mib.to_string();
    let words = ["run", "--release", "--quiet", "-p", "karez-content-tools", "--example", "profiles", "--", &film_mib];
    workspace::finish(workspace::cargo(&words).args(&flags.only))
}
