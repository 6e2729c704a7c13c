//! `karez-content gc`: gives back the space of old versions, and tells why each version stays or goes.

use karez_content_tools::store::{Compacted, GcPlan, HeldVersion};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `gc`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The store. Nothing else may use it meanwhile.
    #[arg(long)]
    store: PathBuf,
    /// Only tell what would go.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, json: bool) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let plan = store.gc_plan()?;
    let mut done = Compacted::default();
    if !flags.dry_run {
        store.gc_drop(&plan)?;
        for segment in &plan.segments {
            done.add(store.gc_segment(&plan, segment.number)?);
        }
    }
    if json {
        super::print_json(&document(&plan, &done, flags.dry_run))?
    } else {
        print(&plan, &done, flags.dry_run)?
    }
    Ok(if done.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn document(plan: &GcPlan, done: &Compacted, dry_run: bool) -> Value {
    let versions = |list: &[HeldVersion]| -> Vec<Value> {
        let row = |held: &HeldVersion| json!({"collection": held.collection.to_string(), "version": held.version, "draft": held.draft});
        list.iter().map(row).collect()
    };
    json!({
        "dry_run": dry_run,
        "kept": versions(&plan.kept),
        "dropped": versions(&plan.dropped),
        "segments": plan.segments.len(),
        "garbage_bytes": plan.garbage_bytes(),
        "left_bytes": plan.left_bytes,
        "freed_bytes": done.freed_bytes,
        "moved": done.moved,
        "damaged": done.damaged,
    })
}

fn print(plan: &GcPlan, done: &Compacted, dry_run: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let kind = |held: &HeldVersion| if held.draft { "draft" } else { "release" };
    for held in &plan.kept {
        writeln!(out, "keep {}@{} ({}): the newest, or pinned", held.collection, held.version, kind(held))?;
    }
    for held in &plan.dropped {
        writeln!(out, "drop {}@{} ({}): there is a newer one", held.collection, held.version, kind(held))?;
    }
    let (segments, garbage) = (plan.segments.len(), plan.garbage_bytes());
    if dry_run {
        // The plan weighs what no kept version names; the dropped ones are among it already.
        writeln!(out, "{garbage} bytes would come free by rewriting {segments} segments")?;
    } else {
        writeln!(out, "{} bytes are free again, {} chunks were moved", done.freed_bytes, done.moved)?;
    }
    if plan.left_bytes > 0 {
        writeln!(out, "{} bytes of garbage stay in segments that hold little of it", plan.left_bytes)?;
    }
    if done.damaged > 0 {
        writeln!(out, "{} damaged chunks were found: they will be fetched again", done.damaged)?;
    }
    Ok(())
}
