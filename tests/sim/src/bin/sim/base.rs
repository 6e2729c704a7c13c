//! An earlier report, to compare with.

use super::figures::{Figures, Report};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// A figure that is compared: its name and how to get it.
type Compared = (&'static str, fn(&Figures) -> Option<f64>);

/// In the order of the table.
const COMPARED: [Compared; 9] = [
    ("p50 s", |run| run.p50_s),
    ("p90 s", |run| run.p90_s),
    ("last s", |run| run.last_s),
    ("x bound", Figures::times_bound),
    ("flagship copies", |run| Some(run.flagship_copies)),
    ("group WAN copies", Figures::group_max),
    ("county WAN copies", Figures::domain_max),
    ("dup. %", |run| Some(run.duplicate_percent)),
    ("worst/median", |run| run.worst_over_median),
];

pub(crate) fn read(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not what `cargo x sim --json` prints", path.display()))
}

/// One line for each figure, means over the runs; and whether anything changed at all.
pub(crate) fn compare(base: &Report, now: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if (&base.scenario, base.bytes, &base.mode) != (&now.scenario, now.bytes, &now.mode) {
        lines.push(format!("the base is of {}, {} bytes, {}", base.scenario, base.bytes, base.mode));
    }
    for (name, figure) in COMPARED {
        let (before, after) = (mean(base, figure), mean(now, figure));
        if let (Some(before), Some(after)) = (before, after) {
            lines.push(format!("{name:>18}: {before:10.3} -> {after:10.3}  {:+6.1} %", (after / before - 1.0) * 100.0));
        }
    }
    let hashes = |report: &Report| report.runs.iter().map(|run| run.event_hash.clone()).collect::<Vec<_>>();
    if hashes(base) == hashes(now) {
        lines.push("event by event the same".into());
    }
    lines
}

/// `None` when a run has no such figure.
fn mean(report: &Report, figure: fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values = report.runs.iter().map(figure).collect::<Option<Vec<f64>>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
