//! `karez-content gc`: gives back the space of old versions, and tells why each version stays or goes.

use karez_content_tools::shortfall;
use karez_content_tools::speech::Voice;
use karez_content_tools::store::{Compacted, GcPlan, HeldVersion};
use serde_json::{Value, json};
use std::io;
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
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let store = super::open_existing(&flags.store)?;
    let plan = store.gc_plan()?;
    let (mut done, mut forgotten) = (Compacted::default(), 0);
    if !flags.dry_run {
        store.gc_drop(&plan)?;
        for segment in &plan.segments {
            done.add(store.gc_segment(&plan, segment.number)?);
        }
        // What only dropped versions lacked is missed no more.
        forgotten = shortfall::forget_unneeded(&store)?;
    }
    if json {
        super::print_json(&document(&plan, &done, forgotten, flags.dry_run))?
    } else {
        print(&plan, &done, flags.dry_run, voice)?;
        if forgotten > 0 {
            super::line(&mut io::stdout().lock(), &voice.text("gc-forgotten", &[("chunks", forgotten.into())]))?;
        }
    }
    Ok(if done.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn document(plan: &GcPlan, done: &Compacted, forgotten: u64, dry_run: bool) -> Value {
    let versions = |list: &[HeldVersion]| -> Vec<Value> {
        let row = |held: &HeldVersion| json!({"collection": held.collection.to_string(), "version": held.version, "draft": held.draft});
        list.iter().map(row).collect()
    };
    json!({
        "dry_run": dry_run,
        "kept": versions(&plan.kept),
        "dropped": versions(&plan.dropped),
        "damaged_releases": versions(&plan.lost),
        "segments": plan.segments.len(),
        "garbage_bytes": plan.garbage_bytes(),
        "left_bytes": plan.left_bytes,
        "freed_bytes": done.freed_bytes,
        "moved": done.moved,
        "damaged": done.damaged,
        "damaged_forgotten": forgotten,
    })
}

fn print(plan: &GcPlan, done: &Compacted, dry_run: bool, voice: &Voice) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let name = |held: &HeldVersion| {
        let kind = voice.text(if held.draft { "gc-draft" } else { "gc-release" }, &[]);
        [("name", format!("{}@{} ({kind})", held.collection, held.version).into())]
    };
    for held in &plan.kept {
        super::line(&mut out, &voice.text("gc-keep", &name(held)))?;
    }
    for held in &plan.dropped {
        super::line(&mut out, &voice.text("gc-drop", &name(held)))?;
    }
    for held in &plan.lost {
        super::line(&mut out, &voice.text("gc-drop-damaged", &name(held)))?;
    }
    let text = if dry_run {
        // The plan weighs what no kept version names; the dropped ones are among it already.
        let arguments = [("bytes", plan.garbage_bytes().into()), ("segments", plan.segments.len().into())];
        voice.text("gc-would-free", &arguments)
    } else {
        voice.text("gc-freed", &[("bytes", done.freed_bytes.into()), ("chunks", done.moved.into())])
    };
    super::line(&mut out, &text)?;
    if plan.left_bytes > 0 {
        super::line(&mut out, &voice.text("gc-left", &[("bytes", plan.left_bytes.into())]))?;
    }
    if done.damaged > 0 {
        super::line(&mut out, &voice.text("gc-damaged", &[("chunks", done.damaged.into())]))?;
    }
    Ok(())
}
