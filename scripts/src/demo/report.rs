//! The outcome: one table for people, one JSON object for machines, and the verdict.

use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use super::replication::{Arrival, SiteArrival};
use super::teacher::Teacher;
use crate::karez::Published;
use crate::size;

/// Figures of version 1 unless they say otherwise; bytes are chunk bytes on the wire, without framing.
#[derive(Serialize)]
pub(crate) struct Report {
    plain_bytes: u64,
    /// Unique stored bytes of the release.
    content_bytes: u64,
    flagship_egress_bytes: u64,
    flagship_egress_copies: f64,
    /// From the first `follow` until the last site held everything.
    wall_s: f64,
    sites: Vec<Site>,
    version2: Version2,
    teacher: Teacher,
}

#[derive(Serialize)]
struct Site {
    name: String,
    /// Both versions.
    verified: bool,
    bytes_from_flagship: u64,
    /// Includes the group's.
    bytes_from_peers: u64,
    bytes_from_group: u64,
    /// Both versions.
    refetched_chunks: u64,
    wall_s: f64,
}

/// What the second version cost.
#[derive(Serialize)]
pub(crate) struct Version2 {
    pub(crate) size_bytes: u64,
    /// Of the site that received most.
    pub(crate) wire_bytes: u64,
}

/// What was found out about one site over both versions.
pub(crate) struct Findings {
    pub(crate) verified: bool,
    pub(crate) refetched_chunks: u64,
}

impl Report {
    pub(crate) fn new(
        published: &Published,
        first: Arrival,
        findings: Vec<Findings>,
        teacher: Teacher,
        version2: Version2,
    ) -> Self {
        let sites = first.sites.into_iter().zip(findings).map(|(site, findings)| Site::new(site, &findings)).collect();
        Self {
            plain_bytes: published.plain_bytes,
            content_bytes: published.stored_bytes,
            flagship_egress_bytes: first.flagship_sent,
            flagship_egress_copies: rounded(first.flagship_sent as f64 / published.stored_bytes.max(1) as f64),
            wall_s: seconds(first.wall),
            sites,
            version2,
            teacher,
        }
    }

    /// The table for people, and with `json` the object on stdout.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            eprintln!("{}", self.table());
            println!("{}", serde_json::to_string(self)?);
        } else {
            println!("{}", self.table());
        }
        Ok(())
    }

    /// An error that names what was not as it has to be.
    pub(crate) fn judge(&self) -> Result<()> {
        let mut wrong: Vec<String> = Vec::new();
        let unequal = self.sites.iter().filter(|site| !site.verified);
        wrong.extend(unequal.map(|site| format!("{}'s copy is not the source", site.name)));
        if !self.teacher.verified {
            wrong.push("the teacher's folder is not the source".into());
        }
        if !self.teacher.range_ok {
            wrong.push("the played range is not the source's".into());
        }
        if !wrong.is_empty() {
            bail!("{}", wrong.join("; "));
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header(["", "verified", "from flagship", "from peers", "of these group", "refetched", "seconds"]);
        for site in &self.sites {
            table.add_row(site.cells());
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for (name, value) in self.totals() {
            table.add_row(vec![Cell::new(name), Cell::new(""), Cell::new(value)]);
        }
        table
    }

    fn totals(&self) -> [(&'static str, String); 4] {
        let percent = self.version2.wire_bytes as f64 * 100.0 / self.version2.size_bytes.max(1) as f64;
        let tick = |good: bool| if good { "ok" } else { "WRONG" };
        let (pulled, played) = (tick(self.teacher.verified), tick(self.teacher.range_ok));
        [
            ("content", size::show(self.content_bytes)),
            ("flagship sent", format!("{:.3} copies", self.flagship_egress_copies)),
            ("version 2", format!("{} ({percent:.1} %)", size::show(self.version2.wire_bytes))),
            ("teacher", format!("pull {pulled}, play {played}")),
        ]
    }
}

impl Site {
    fn new(arrival: SiteArrival, findings: &Findings) -> Self {
        Self {
            name: arrival.name,
            verified: findings.verified,
            bytes_from_flagship: arrival.counters.bytes_from_flagship,
            bytes_from_peers: arrival.counters.bytes_from_peers,
            bytes_from_group: arrival.counters.bytes_from_group,
            refetched_chunks: findings.refetched_chunks,
            wall_s: seconds(arrival.wall),
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            if self.verified { "yes" } else { "NO" }.to_string(),
            size::show(self.bytes_from_flagship),
            size::show(self.bytes_from_peers),
            size::show(self.bytes_from_group),
            self.refetched_chunks.to_string(),
            format!("{:.1}", self.wall_s),
        ]
    }
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// Three decimals: more would suggest a precision that polling does not have.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
