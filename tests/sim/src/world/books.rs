//! Who moved how much, as counted where bytes pass.

use super::{Conduct, Outcome, Scenario, World};
use crate::port::Parcel;
use crate::scenario::Site;
use karez_protocol::plan::time::Timestamp;
use std::collections::BTreeMap;

/// Chunk bytes, by node where not said else.
#[derive(Debug)]
pub(super) struct Books {
    /// Province, county and group of each node; the flagship's are none of ours.
    places: Vec<(Vec<String>, Option<u8>)>,
    sent: Vec<u64>,
    /// Sent by the flagship to each node.
    from_flagship: Vec<u64>,
    /// Sent and received over the link to the outside.
    wan: Vec<u64>,
    duplicates: Vec<u64>,
    closed: u64,
    into_groups: BTreeMap<u8, u64>,
    into_domains: BTreeMap<String, u64>,
}

impl Books {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let place = |site: &Site| (paths(&site.domain), site.group);
        let places: Vec<_> = std::iter::once((Vec::new(), None)).chain(scenario.sites.iter().map(place)).collect();
        let none = vec![0; places.len()];
        Self {
            sent: none.clone(),
            from_flagship: none.clone(),
            wan: none.clone(),
            duplicates: none,
            closed: 0,
            into_groups: BTreeMap::new(),
            into_domains: BTreeMap::new(),
            places,
        }
    }

    pub(super) fn sent(&mut self, parcel: Parcel, bytes: u64, is_lan: bool, is_closed: bool) {
        let Parcel { from, to, .. } = parcel;
        self.sent[from] += bytes;
        self.from_flagship[to] += if from == 0 { bytes } else { 0 };
        if is_lan {
            return;
        }
        self.wan[from] += bytes;
        self.closed += if is_closed { bytes } else { 0 };
        let (here, there) = (&self.places[to], &self.places[from]);
        if let Some(group) = here.1 {
            *self.into_groups.entry(group).or_default() += bytes;
        }
        for domain in here.0.iter().filter(|domain| !there.0.contains(domain)) {
            *self.into_domains.entry(domain.clone()).or_default() += bytes;
        }
    }

    pub(super) fn received(&mut self, parcel: Parcel, bytes: u64, is_lan: bool, is_closed: bool) {
        if !is_lan {
            self.wan[parcel.to] += bytes;
            self.closed += if is_closed { bytes } else { 0 };
        }
    }

    /// What came was held.
    pub(super) fn duplicate(&mut self, node: usize, bytes: u64) {
        self.duplicates[node] += bytes;
    }
}

/// A path and those above it: `gansu`, `gansu/minqin`.
fn paths(domain: &str) -> Vec<String> {
    let ends = domain.match_indices('/').map(|(at, _)| at).chain([domain.len()]);
    ends.filter(|end| *end > 0).map(|end| domain[..end].to_owned()).collect()
}

impl World {
    /// Chunk bytes that the flagship has sent.
    pub(super) fn flagship_sent(&self) -> u64 {
        self.books.sent[0]
    }

    pub(super) fn outcome(self) -> Outcome {
        let (books, needed) = (&self.books, self.course.new_bytes());
        let copies = |bytes: u64| bytes as f64 / needed.max(1) as f64;
        let sites = &self.nodes[1..];
        let seconds = |at: Timestamp| at.0 as f64 / 1e6;
        let honest = self.nodes.iter().enumerate().skip(1).filter(|(_, node)| node.conduct == Conduct::Honest);
        let (count, duplicates) =
            honest.fold((0, 0), |(count, sum), (number, _)| (count + 1, sum + books.duplicates[number]));
        let budgets = self.scenario.sites.iter().zip(&books.wan[1..]);
        let over = |(site, wan): (&Site, &u64)| wan.saturating_sub(site.budget.unwrap_or(u64::MAX));
        Outcome {
            finished: sites.iter().map(|node| node.finished.map(seconds)).collect(),
            flagship_copies: copies(books.sent[0]),
            flagship_copies_to: books.from_flagship[1..].iter().map(|bytes| copies(*bytes)).collect(),
            group_copies: books.into_groups.iter().map(|(group, bytes)| (*group, copies(*bytes))).collect(),
            domain_copies: books.into_domains.iter().map(|(path, bytes)| (path.clone(), copies(*bytes))).collect(),
            total_copies: copies(books.sent.iter().sum()),
            duplicate_percent: copies(duplicates) * 100.0 / f64::from(count.max(1)),
            closed_bytes: books.closed,
            over_budget_bytes: budgets.map(over).sum(),
            held: sites.iter().map(|node| node.swarm.have().clone()).collect(),
            statuses: sites.iter().map(|node| node.swarm.status()).collect(),
            chunks: self.course.count(),
            events: self.count,
            event_hash: self.trace.hash(),
            ended: seconds(self.now),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_county_lies_in_its_province() {
        assert_eq!(super::paths("gansu/minqin"), ["gansu", "gansu/minqin"]);
        assert_eq!(super::paths("gansu"), ["gansu"]);
        assert!(super::paths("").is_empty());
    }
}
