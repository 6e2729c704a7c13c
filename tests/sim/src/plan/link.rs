//! Link profiles: `links.toml`, or written out in a scenario file.

use super::file::Error;
use crate::hours::Span;
use crate::scenario::Site;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

const PROFILES: &str = include_str!("../../links.toml");
const GIGABYTE: u64 = 1_000_000_000;

/// A link, seen from its end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Mbit/s.
    down: f64,
    up: f64,
    /// This end's share of a round trip in ms.
    rtt: f64,
    /// Percent.
    #[serde(default)]
    loss: f64,
    #[serde(default)]
    hours: Vec<Hours>,
    /// GB a month.
    budget: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: u32,
    to: u32,
    down: Option<f64>,
    up: Option<f64>,
}

/// A profile's name, or a link.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Profile(String),
    Inline(Link),
}

impl Named {
    pub(super) fn resolve<'a>(&'a self, profiles: &'a BTreeMap<String, Link>) -> Result<&'a Link, Error> {
        match self {
            Self::Inline(link) => Ok(link),
            Self::Profile(name) => profiles.get(name).ok_or_else(|| Error::UnknownProfile { name: name.clone() }),
        }
    }
}

impl Link {
    /// An honest site behind it.
    pub(super) fn site(&self) -> Site {
        let span = |hours: &Hours| Span {
            from: hours.from,
            to: hours.to,
            up: hours.up.unwrap_or(self.up),
            down: hours.down.unwrap_or(self.down),
        };
        Site {
            rtt: Duration::from_secs_f64(self.rtt / 1e3),
            loss: self.loss,
            hours: self.hours.iter().map(span).collect(),
            budget: self.budget.map(|gigabytes| gigabytes * GIGABYTE),
            ..Site::new(self.up, self.down)
        }
    }
}

pub(super) fn profiles() -> Result<BTreeMap<String, Link>, Error> {
    toml::from_str(PROFILES).map_err(|cause| Error::Syntax { path: "links.toml".into(), cause: Box::new(cause) })
}
