//! What a process costs, from the kernel's books in `/proc`.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

/// Clock ticks in a second, as Linux shows them to programs on every machine.
const TICKS: f64 = 100.0;

/// What a process cost.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    /// Resident memory at its highest.
    pub(crate) peak_mib: f64,
}

/// A process whose cost is counted from some moment on.
pub(crate) struct Meter {
    pid: u32,
    cpu_before: f64,
}

impl Meter {
    pub(crate) fn start(pid: u32) -> Result<Self> {
        // 5: the highest resident size begins anew.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").with_context(|| format!("process {pid}"))?;
        Ok(Self { pid, cpu_before: cpu_seconds(pid)? })
    }

    pub(crate) fn read(&self) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kib: f64 = peak.context("no VmHWM")?.trim().parse()?;
        Ok(Usage { cpu_s: cpu_seconds(self.pid)? - self.cpu_before, peak_mib: kib / 1024.0 })
    }
}

/// User and system time of all threads.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may hold anything; user and system time are the 14th and 15th.
    let after_name = stat.rsplit_once(") ").context("no stat")?.1;
    let ticks = after_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? as f64 / TICKS)
}

impl Usage {
    /// The higher of both, figure by figure.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { cpu_s: self.cpu_s.max(other.cpu_s), peak_mib: self.peak_mib.max(other.peak_mib) }
    }
}

#[test]
fn this_process_costs_something() {
    let meter = Meter::start(std::process::id()).unwrap();
    assert!(meter.read().unwrap().peak_mib > 0.5);
}
