//! A report as people read it: a line for each run, the worst of all, and what became of the base.

use super::base;
use super::figures::{Figures, Report};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use karez_sim::Plan;

const HEADER: [&str; 13] = [
    "seed",
    "p50 s",
    "p90 s",
    "last s",
    "x bound",
    "x fluid bound",
    "flagship copies",
    "group WAN",
    "county WAN",
    "dup. %",
    "closed, over budget B",
    "worst/median",
    "events, M/s, hash",
];

pub(crate) fn text(plan: &Plan, report: &Report, base: Option<&Report>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(HEADER);
    report.runs.iter().for_each(|run| _ = table.add_row(row(run)));
    if report.runs.len() > 1 {
        table.add_row(worst(&report.runs));
    }
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let mib = report.bytes as f64 / f64::from(1 << 20);
    let mut lines =
        vec![plan.about.clone(), format!("{mib:.0} MiB, {}{}", report.mode, bounds(report)), table.to_string()];
    lines.push(kinds(plan, &report.runs));
    lines.push(copies_by_kind(plan, &report.runs));
    lines.extend(base.map(|base| base::compare(base, report)).unwrap_or_default());
    lines.join("\n")
}

fn bounds(report: &Report) -> String {
    let bounds = |run: &Figures| format!(", bound {:.1} s, fluid bound {:.1} s", run.bound_s, run.fluid_bound_s);
    report.runs.first().map(bounds).unwrap_or_default()
}

fn row(run: &Figures) -> Vec<String> {
    vec![
        run.seed.to_string(),
        show(run.p50_s, 1),
        show(run.p90_s, 1),
        show(run.last_s, 1),
        show(run.times_bound(), 3),
        show(run.times_fluid_bound(), 3),
        show(Some(run.flagship_copies), 3),
        show(run.group_max(), 3),
        show(run.domain_max(), 3),
        show(Some(run.duplicate_percent), 2),
        format!("{}, {}", run.closed_bytes, run.over_budget_bytes),
        show(run.worst_over_median, 2),
        format!("{}, {:.2}, {}", run.events, run.events_per_second / 1e6, run.event_hash),
    ]
}

fn worst(runs: &[Figures]) -> Vec<String> {
    let most = |of: fn(&Figures) -> Option<f64>| {
        runs.iter().map(of).collect::<Option<Vec<f64>>>().and_then(|all| all.into_iter().reduce(f64::max))
    };
    let bytes = |of: fn(&Figures) -> u64| runs.iter().map(of).max().unwrap_or_default();
    vec![
        "worst".into(),
        show(most(|run| run.p50_s), 1),
        show(most(|run| run.p90_s), 1),
        show(most(|run| run.last_s), 1),
        show(most(Figures::times_bound), 3),
        show(most(Figures::times_fluid_bound), 3),
        show(most(|run| Some(run.flagship_copies)), 3),
        show(most(Figures::group_max), 3),
        show(most(Figures::domain_max), 3),
        show(most(|run| Some(run.duplicate_percent)), 2),
        format!("{}, {}", bytes(|run| run.closed_bytes), bytes(|run| run.over_budget_bytes)),
        show(most(|run| run.worst_over_median), 2),
        String::new(),
    ]
}

/// The last of each kind of sites, worst of all runs.
fn kinds(plan: &Plan, runs: &[Figures]) -> String {
    let last = |name: &String| {
        let times = runs.iter().map(|run| run.kinds_last_s.get(name).copied().flatten());
        times.collect::<Option<Vec<f64>>>().and_then(|all| all.into_iter().reduce(f64::max))
    };
    let parts: Vec<_> = plan.kinds.iter().map(|(name, _)| format!("{name} {} s", show(last(name), 1))).collect();
    format!("last by kind: {}", parts.join(", "))
}

/// Where the flagship's copies went: means over the runs.
fn copies_by_kind(plan: &Plan, runs: &[Figures]) -> String {
    let mean = |name: &String| {
        let sum: f64 = runs.iter().filter_map(|run| run.kinds_copies.get(name)).sum();
        sum / runs.len().max(1) as f64
    };
    let parts: Vec<_> = plan.kinds.iter().map(|(name, _)| format!("{name} {:.3}", mean(name))).collect();
    format!("flagship copies by kind: {}", parts.join(", "))
}

fn show(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.decimals$}"))
}
