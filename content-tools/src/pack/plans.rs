//! How the files of a folder were cut: what the packer's report says about containers.

use crate::cut::{Container, Fallback, Plan, Planned};
use karez_protocol::content::path::ContentPath;

/// Files named one by one; a folder of a million odd archives must not fill the memory.
const LIST_MAX: usize = 1_000;

/// Files by the way they were cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plans {
    /// Files taken apart into streams, with a recipe.
    pub streams: u64,
    /// Files with forced cuts.
    pub linear: u64,
    /// Containers that were cut like any other file, the first of them.
    pub plain: Vec<PlainContainer>,
    /// How many more there are.
    pub plain_more: u64,
}

/// A container that was cut like any other file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainContainer {
    /// Its path inside the collection.
    pub path: ContentPath,
    /// What it is.
    pub container: Container,
    /// Why.
    pub reason: Fallback,
}

impl Plans {
    pub(super) fn add(&mut self, path: &ContentPath, planned: &Planned) {
        match &planned.plan {
            Plan::Streams { .. } => self.streams += 1,
            Plan::Linear { .. } => self.linear += u64::from(planned.container.is_some() && planned.fallback.is_none()),
        }
        let (Some(container), Some(reason)) = (planned.container, planned.fallback) else { return };
        if self.plain.len() < LIST_MAX {
            self.plain.push(PlainContainer { path: path.clone(), container, reason });
        } else {
            self.plain_more += 1;
        }
    }

    /// Containers that are large enough to be taken apart, and were not.
    pub fn given_up(&self) -> u64 {
        self.plain.iter().filter(|plain| plain.reason != Fallback::TooSmall).count() as u64
    }
}
