//! Outcomes as one table: a line for each run, and the median of those that count.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};

use super::outcome::{Outcome, median};

/// The order of the table's figures.
const HEADER: [&str; 13] = [
    "",
    "p50 s",
    "p90 s",
    "last s",
    "x bound",
    "flagship copies",
    "(wire)",
    "group WAN copies (wire)",
    "dup. %",
    "worst/median",
    "flagship CPU s, MiB",
    "site CPU s, MiB",
    "late %",
];

pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(HEADER);
    let mut names: Vec<&str> = outcomes.iter().map(|outcome| outcome.who.as_str()).collect();
    names.dedup();
    for name in names {
        let of_this: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.who == name).collect();
        for outcome in &of_this {
            table.add_row(run(outcome));
        }
        let counted: Vec<&Outcome> = of_this.into_iter().filter(|outcome| !outcome.rejected).collect();
        if counted.len() > 1 {
            table.add_row(medians(name, &counted));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn run(outcome: &Outcome) -> Vec<String> {
    let remark = match outcome {
        Outcome { rejected: true, .. } => " REJECTED",
        Outcome { verified: false, .. } => " WRONG COPY",
        Outcome { last_s: None, .. } => " UNFINISHED",
        _ => "",
    };
    figures(format!("{} seed {}{remark}", outcome.who, outcome.seed), &[outcome])
}

fn medians(name: &str, counted: &[&Outcome]) -> Vec<String> {
    figures(format!("{name} median of {}", counted.len()), counted)
}

fn figures(title: String, outcomes: &[&Outcome]) -> Vec<String> {
    let middle = |of: fn(&Outcome) -> Option<f64>| median(outcomes.iter().map(|outcome| of(outcome)));
    let groups = outcomes.first().map_or(0, |outcome| outcome.groups.len());
    let group = |index: usize| {
        let chunk = median(outcomes.iter().map(|outcome| outcome.groups[index].wan_copies));
        let wire = median(outcomes.iter().map(|outcome| outcome.groups[index].wan_wire_copies));
        format!("{} ({})", show(chunk, 3), show(wire, 3))
    };
    let cost = |cpu: Option<f64>, memory: Option<f64>| format!("{}, {}", show(cpu, 1), show(memory, 0));
    vec![
        title,
        show(middle(|o| o.p50_s), 1),
        show(middle(|o| o.p90_s), 1),
        show(middle(|o| o.last_s), 1),
        show(middle(|o| o.times_bound), 2),
        show(middle(|o| o.flagship_copies), 2),
        show(middle(|o| o.flagship_wire_copies), 2),
        (0..groups).map(group).collect::<Vec<_>>().join(", "),
        show(middle(|o| o.duplicate_percent), 1),
        show(middle(|o| o.worst_over_median), 2),
        cost(middle(|o| Some(o.flagship.cpu_s)), middle(|o| Some(o.flagship.peak_mib))),
        cost(middle(|o| Some(o.site.cpu_s)), middle(|o| Some(o.site.peak_mib))),
        show(middle(|o| o.late_percent), 2),
    ]
}

fn show(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.decimals$}"))
}
