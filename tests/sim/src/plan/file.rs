//! What a scenario file may say.

use super::link::Named;
use super::size;
use crate::scenario::Conduct;
use karez_protocol::swarm::io::EgressMode;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a scenario cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a scenario of this crate nor a file.
    #[error("there is no scenario {name:?}; known are {}", known.join(", "))]
    UnknownScenario {
        /// As it was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A link profile that `links.toml` does not have.
    #[error("there is no link profile {name:?} in links.toml")]
    UnknownProfile {
        /// As it was written.
        name: String,
    },
    /// Not a scenario file.
    #[error("{}: {cause}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<toml::de::Error>,
    },
}

/// A scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) about: String,
    #[serde(deserialize_with = "byte_count")]
    pub(super) size: u64,
    pub(super) mode: Mode,
    pub(super) hours_max: f64,
    /// Hour of the day at which it begins.
    #[serde(default)]
    pub(super) starts: u32,
    pub(super) flagship: Named,
    /// Paths of the counties; each has all the sites.
    #[serde(default = "nowhere")]
    pub(super) counties: Vec<String>,
    pub(super) sites: Vec<Group>,
    /// Of the content, what every site has from an older version.
    #[serde(default)]
    pub(super) held_percent: u32,
    /// Sites that each site knows at the start, when there is no tracker to ask.
    #[serde(default)]
    pub(super) acquaintances: Option<usize>,
    /// The flagship is gone for good once every chunk is at some site.
    #[serde(default)]
    pub(super) flagship_leaves: bool,
    #[serde(default)]
    pub(super) power_cuts: Option<PowerCuts>,
    #[serde(default)]
    pub(super) churn: Option<Churn>,
    /// Pairs of sites that never meet.
    #[serde(default)]
    pub(super) strangers_percent: u64,
    /// Pairs of sites without inbound that meet all the same.
    #[serde(default = "punched")]
    pub(super) punched_percent: u64,
}

/// Sites that are alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) link: Named,
    /// They share the link, and have a LAN among them.
    #[serde(default)]
    pub(super) group: bool,
    /// As `karez-tracker invite` has it: 2 is a site, 5 a county hub.
    #[serde(default = "weight")]
    pub(super) weight: u8,
    #[serde(default = "yes")]
    pub(super) inbound: bool,
    #[serde(default)]
    pub(super) conduct: Manner,
}

/// Every site loses power, each at a time of its own.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerCuts {
    pub(super) every_minutes: u64,
    pub(super) off_seconds: u64,
}

/// At any time so many sites are away.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Churn {
    pub(super) percent: u64,
    pub(super) away_seconds: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Fast,
    Thrifty,
}

impl Mode {
    pub(super) fn egress(self) -> EgressMode {
        match self {
            Self::Fast => EgressMode::Fast,
            Self::Thrifty => EgressMode::Thrifty,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Manner {
    #[default]
    Honest,
    Liar,
    Claimer,
    Silent,
    Boaster,
    FreeRider,
}

impl Manner {
    pub(super) fn conduct(self) -> Conduct {
        match self {
            Self::Honest => Conduct::Honest,
            Self::Liar => Conduct::Liar,
            Self::Claimer => Conduct::Claimer,
            Self::Silent => Conduct::Silent,
            Self::Boaster => Conduct::Boaster,
            Self::FreeRider => Conduct::FreeRider,
        }
    }
}

fn nowhere() -> Vec<String> {
    vec![String::new()]
}

/// Hole punching succeeds for seven pairs in ten (4.4 million attempts, arXiv 2510.27500).
fn punched() -> u64 {
    70
}

fn weight() -> u8 {
    2
}

fn yes() -> bool {
    true
}

fn byte_count<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    size::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a size such as 64M")))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

pub(super) fn load(name: &str) -> Result<File, Error> {
    let own = folder().join(format!("{name}.toml"));
    let path = if own.is_file() { own } else { PathBuf::from(name) };
    let Ok(text) = fs::read_to_string(&path) else {
        return Err(Error::UnknownScenario { name: name.into(), known: known() });
    };
    toml::from_str(&text).map_err(|cause| Error::Syntax { path, cause: Box::new(cause) })
}

pub(super) fn known() -> Vec<String> {
    let entries = fs::read_dir(folder()).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = paths.filter(is_scenario).filter_map(stem).collect();
    names.sort();
    names
}
