//! What came of a simulation. Copies are chunk bytes sent over the bytes that the sites did not hold before.

use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::Status;
use std::collections::BTreeMap;

/// What came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Seconds at which each site held everything.
    pub finished: Vec<Option<f64>>,
    /// Copies the flagship sent.
    pub flagship_copies: f64,
    /// Of these, to each site.
    pub flagship_copies_to: Vec<f64>,
    /// Copies that came into each uplink group from outside.
    pub group_copies: BTreeMap<u8, f64>,
    /// Copies that came into each county and province from outside, by its path.
    pub domain_copies: BTreeMap<String, f64>,
    /// Copies that all nodes sent together.
    pub total_copies: f64,
    /// Bytes of whole chunks that came to somebody who held them, in percent of what honest sites needed.
    pub duplicate_percent: f64,
    /// Chunk bytes that came or went in closed hours.
    pub closed_bytes: u64,
    /// Chunk bytes beyond a site's budget.
    pub over_budget_bytes: u64,
    /// What each site held in the end.
    pub held: Vec<ChunkSet>,
    /// What each site said of itself in the end.
    pub statuses: Vec<Status>,
    /// Chunks of the release, pages included.
    pub chunks: u32,
    /// Number of events.
    pub events: u64,
    /// Hash over all events: equal for equal seeds.
    pub event_hash: [u8; 32],
    /// Seconds at which the simulation ended.
    pub ended: f64,
}

impl Outcome {
    /// Seconds at which the last of these sites (numbered from 0) was done; `None` when one was not.
    pub fn last_of(&self, sites: impl IntoIterator<Item = usize>) -> Option<f64> {
        sites.into_iter().map(|site| self.finished[site]).try_fold(0.0, |last: f64, done| Some(last.max(done?)))
    }

    /// Seconds at which the last site was done.
    pub fn last(&self) -> Option<f64> {
        self.last_of(0..self.finished.len())
    }

    /// Chunks that arrived although they were held.
    pub fn duplicates(&self) -> u64 {
        self.statuses.iter().map(|status| status.duplicates).sum()
    }
}
