//! `cargo x demo`: a tracker, a flagship and N sites as separate processes on this machine, each uplink limited. It
//! publishes a folder, lets the sites copy it, pulls and plays as a teacher, publishes version 2, and judges the outcome
//! from outside: trees are hashed here, and bytes sent must be bytes received.

mod gateway;
mod network;
mod replication;
mod report;
mod source;
mod teacher;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::tree::Tree;
use crate::{size, stop, workspace};
use network::Network;
use report::{Findings, Report, Version2};
use source::Source;

/// Publisher and collection of the demo.
const PUBLISHER: &str = "bj4";
const COLLECTION: &str = "bj4/demo";

/// What `cargo x demo` can be told.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// The folder to publish; the sample course when left out
    dir: Option<PathBuf>,
    /// One JSON object on stdout; progress goes to stderr
    #[arg(long)]
    json: bool,
    /// Receiving sites; the first two share an uplink group
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    sites: u16,
    /// Adds a generated incompressible file of this size, e.g. 64M
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    filler: Option<u64>,
    /// Every node's uplink in Mbit/s
    #[arg(long, default_value_t = 20, value_name = "MBIT", value_parser = clap::value_parser!(u32).range(1..))]
    uplink: u32,
    /// How the sites share the flagship's upload
    #[arg(long, value_name = "MODE", value_parser = ["thrifty", "fast"])]
    mode: Option<String>,
    /// Leaves everything running until Ctrl-C and prints where it is
    #[arg(long)]
    stay: bool,
}

pub(crate) fn run(flags: &Flags) -> Result<()> {
    stop::listen()?;
    eprintln!("building the programs");
    let programs = workspace::build()?;
    let folder = tempfile::Builder::new().prefix("karez-demo-").tempdir().context("no temporary folder")?;
    let source = Source::prepare(&folder.path().join("source"), flags.dir.as_deref(), flags.filler)?;
    let mut network = Network::start(programs, folder.path(), flags)?;
    let report = tell(&mut network, &source)?;
    report.print(flags.json)?;
    let verdict = report.judge();
    if flags.stay {
        network.describe();
        stop::wait();
    }
    verdict
}

/// The story, version by version.
fn tell(network: &mut Network, source: &Source) -> Result<Report> {
    let tree1 = Tree::of_source(source.version1())?;
    eprintln!("publishing {COLLECTION}: {} files, {}", tree1.files(), size::show(tree1.bytes()));
    let version1 = network.flagship.publish(source.version1(), COLLECTION)?;
    version1.announce();
    let first = replication::first(network, &version1)?;
    let teacher = teacher::visit(network, &tree1, source.version1())?;
    let verified1 = replication::verify(network, &tree1)?;

    let version2_folder = source.make_version2()?;
    let tree2 = Tree::of_source(&version2_folder)?;
    let before = network.counters()?;
    let version2 = network.flagship.publish(&version2_folder, COLLECTION)?;
    version2.announce();
    let wire_bytes = replication::update(network, &version2, &before)?;
    let verified2 = replication::verify(network, &tree2)?;

    let version2 = Version2 { size_bytes: version2.stored_bytes, wire_bytes };
    let verified = verified1.into_iter().zip(verified2).map(|(one, two)| one && two);
    let findings = verified.zip(network.counters()?);
    let findings =
        findings.map(|(verified, counters)| Findings { verified, refetched_chunks: counters.refetched_chunks });
    Ok(Report::new(&version1, first, findings.collect(), teacher, version2))
}
