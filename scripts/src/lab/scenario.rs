//! Scenarios: who stands behind which link. Files in `tests/lab`; one end's `rtt_ms` is its share of the round trip.
//!
//! What must stay true: a typing error is an error; the bound is below what any schedule can reach.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{size, workspace};

/// A scenario file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) about: String,
    /// Bytes to publish.
    #[serde(deserialize_with = "byte_count")]
    pub(crate) size: u64,
    pub(crate) mode: Mode,
    /// A run that takes longer is over; `idle` counts for so long.
    pub(crate) seconds_max: u64,
    #[serde(default)]
    pub(crate) measures: Measures,
    /// The foreground flow of `manners`.
    #[serde(default)]
    pub(crate) flow: Flow,
    /// No links at all: everybody on this machine's loopback.
    #[serde(default)]
    pub(crate) loopback: bool,
    pub(crate) flagship: End,
    pub(crate) sites: Vec<Sites>,
}

/// What is asked of a run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measures {
    /// How fast the last site has everything.
    #[default]
    Swarm,
    /// What a pull leaves to others.
    Manners,
    /// How exactly rate limits hold.
    Limits,
    /// What a site that has everything costs its link.
    Idle,
}

/// A greedy TCP flow between the first site and a host without limits.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Flow {
    pub(crate) tcp: Tcp,
    /// From the site instead of to it.
    pub(crate) upwards: bool,
}

/// Congestion controls of the system's TCP.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tcp {
    #[default]
    Cubic,
    Bbr,
}

impl Tcp {
    /// As the system calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

/// How the sites use the flagship's uplink.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Fast,
    Thrifty,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Thrifty => "thrifty",
        }
    }
}

/// One end's link to the core.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct End {
    /// Mbit/s; 0 is no limit.
    pub(crate) up: f64,
    pub(crate) down: f64,
    /// This end's share of a round trip, half of it each way.
    pub(crate) rtt_ms: f64,
    /// Plus or minus, over both ways.
    pub(crate) jitter_ms: f64,
    /// Of what comes down: every way between two ends so crosses one lossy link.
    pub(crate) loss_percent: f64,
    /// Mean length of a run of losses in packets.
    pub(crate) loss_burst: f64,
    pub(crate) queue_kib: f64,
}

impl Default for End {
    fn default() -> Self {
        let (rtt_ms, jitter_ms, loss_percent) = (0.0, 0.0, 0.0);
        Self { up: 0.0, down: 0.0, rtt_ms, jitter_ms, loss_percent, loss_burst: 1.0, queue_kib: 128.0 }
    }
}

/// Sites that are alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sites {
    pub(crate) name: String,
    pub(crate) count: usize,
    /// Whether they are an uplink group: the link is shared by all of them, and a LAN is among them.
    #[serde(default)]
    pub(crate) group: bool,
    pub(crate) link: End,
}

impl Sites {
    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.count).map(|number| format!("{}{number}", self.name))
    }

    /// Links to the core: one for a group.
    fn links(&self) -> usize {
        if self.group { 1 } else { self.count }
    }
}

impl Scenario {
    /// Reads a file of `tests/lab` by its name, or any file by its path.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let own = folder().join(format!("{name}.toml"));
        let path = if own.is_file() { own } else { PathBuf::from(name) };
        let Ok(text) = fs::read_to_string(&path) else {
            bail!("there is no scenario {name:?}; known are {}", known()?.join(", "));
        };
        let scenario: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        if scenario.sites.iter().map(|sites| sites.count).sum::<usize>() == 0 {
            bail!("{}: there are no sites", path.display());
        }
        Ok(scenario)
    }

    /// Seconds before which no schedule ends the last site: the fluid bound of Kumar and Ross over links to the core, without
    /// headers and loss. Thrifty leaves the flagship one copy to send. `None` without limits.
    pub(crate) fn bound(&self, bytes: u64) -> Option<f64> {
        let bits = bytes as f64 * 8.0 / 1e6;
        let rate = |mbit: f64| if mbit > 0.0 { mbit } else { f64::INFINITY };
        let links = self.sites.iter().map(Sites::links).sum::<usize>() as f64;
        let narrowest = self.sites.iter().map(|sites| rate(sites.link.down)).fold(f64::INFINITY, f64::min);
        let up = rate(self.flagship.up);
        let ups: f64 = self.sites.iter().map(|sites| rate(sites.link.up) * sites.links() as f64).sum();
        let among_sites = match self.mode {
            Mode::Fast => links * bits / (up + ups),
            Mode::Thrifty => (links - 1.0) * bits / ups,
        };
        let bound = [bits / up, bits / narrowest, among_sites].into_iter().fold(0.0, f64::max);
        (bound > 0.0).then_some(bound)
    }
}

fn folder() -> PathBuf {
    workspace::root().join("tests/lab")
}

fn known() -> Result<Vec<String>> {
    let paths = fs::read_dir(folder())?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let stem = |path: PathBuf| path.file_stem().map(Path::new).map(|stem| stem.display().to_string());
    let mut names: Vec<String> = paths.filter(is_scenario).filter_map(stem).collect();
    names.sort();
    Ok(names)
}

fn byte_count<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    size::parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scenario_with_its_bound() {
        let mib = 64 << 20;
        let check = |name: &str, mode: Option<Mode>, expected: Option<f64>| {
            let mut scenario = Scenario::load(name).unwrap();
            scenario.mode = mode.unwrap_or(scenario.mode);
            let bound = scenario.bound(mib);
            let equal = bound.zip(expected).map_or(bound == expected, |(a, b)| (a - b).abs() < 0.1);
            assert!(equal, "{name}: {bound:?}, not {expected:?}");
        };
        // From the published formula: 8 x 536.9 Mbit / 60 Mbit/s, and so on.
        check("equal", None, Some(71.6));
        check("equal", Some(Mode::Thrifty), Some(94.0));
        check("mixed", None, Some(134.2));
        check("group", None, Some(67.1));
        check("lossy-1", None, Some(26.8));
        check("lossy-3", None, Some(26.8));
        check("vsat", None, Some(134.2));
        check("one-to-one", None, None);
        for name in known().unwrap() {
            Scenario::load(&name).unwrap();
        }
    }

    #[test]
    fn unknown_names_get_the_list() {
        let error = Scenario::load("equl").err().unwrap().to_string();
        assert!(error.contains("equal") && error.contains("vsat"), "{error}");
    }
}
