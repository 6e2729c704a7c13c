//! How long to wait for an importer: per importer, not per chunk, since an importer works through a queue.
//!
//! An importer that others wait for delivers as long as it keeps gaining chunks they wait for. When it has gained none
//! for several times its usual gap it is stalled, and the next in hash order steps up for everything it owed. Beside
//! that, a single chunk announced as coming is left to whoever announced it until a deadline, once: a second claim of the
//! same peer for the same chunk buys no more time, so a peer that only claims delays a chunk by one deadline in all.

use super::lane::Slot;
use crate::content::chunk::ChunkIndex;
use crate::plan::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Shortest patience with an importer. Stepping up too early costs little, as claims still protect what is under way.
const PATIENCE_MIN: Duration = Duration::from_secs(5);
/// Longest, however slow the importer was before.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// Patience in units of the importer's usual gap.
const PATIENCE_GAPS: u32 = 4;
/// How long a chunk announced as coming is waited for, at least: a window of 256 KiB at 128 kbit/s.
const CLAIM_MIN: Duration = Duration::from_secs(16);
/// Most claims of one peer that are respected at a time: a full pipeline of small chunks.
const CLAIMS_MAX: usize = 1_024;

#[derive(Debug, Clone, Default)]
struct Record {
    /// Chunks waited for.
    awaited: u32,
    /// Since when the clock runs: first awaited, or last delivery.
    since: Timestamp,
    gap: Option<Duration>,
    stalled: bool,
    claims: usize,
}

impl Record {
    fn patience(&self) -> Duration {
        (self.gap.unwrap_or_default() * PATIENCE_GAPS).clamp(PATIENCE_MIN, PATIENCE_MAX)
    }

    fn deadline(&self) -> Option<Timestamp> {
        (self.awaited > 0 && !self.stalled).then(|| self.since + self.patience())
    }
}

/// What importers owe and have promised.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    records: BTreeMap<Slot, Record>,
    /// Claims by chunk and claimant; `None` once spent.
    claims: BTreeMap<(ChunkIndex, Slot), Option<Timestamp>>,
    expiries: BTreeSet<(Timestamp, ChunkIndex, Slot)>,
}

impl Patience {
    /// A chunk is now waited for.
    pub(super) fn await_one(&mut self, now: Timestamp, importer: Slot) {
        let record = self.records.entry(importer).or_default();
        if record.awaited == 0 {
            record.since = now;
        }
        record.awaited += 1;
    }

    /// A chunk is no longer waited for.
    pub(super) fn await_one_less(&mut self, importer: Slot) {
        if let Some(record) = self.records.get_mut(&importer) {
            record.awaited = record.awaited.saturating_sub(1);
        }
    }

    /// It gained something waited for. True when it was stalled and counts again.
    pub(super) fn delivered(&mut self, now: Timestamp, importer: Slot) -> bool {
        let record = self.records.entry(importer).or_default();
        let gap = now.since(record.since);
        if record.awaited > 0 && !gap.is_zero() {
            record.gap = Some(record.gap.map_or(gap, |known| (known * 7 + gap) / 8));
        }
        record.since = now;
        std::mem::take(&mut record.stalled)
    }

    /// It could not serve what it said it had: it counts no more until it delivers.
    pub(super) fn distrust(&mut self, importer: Slot) {
        self.records.entry(importer).or_default().stalled = true;
    }

    /// Whether the next in order does its work.
    pub(super) fn is_stalled(&self, importer: Slot) -> bool {
        self.records.get(&importer).is_some_and(|record| record.stalled)
    }

    /// Marks and returns the importers whose time is up.
    pub(super) fn stall_due(&mut self, now: Timestamp) -> Vec<Slot> {
        let due = |record: &Record| record.deadline().is_some_and(|deadline| deadline <= now);
        let mut stalled = Vec::new();
        for (slot, record) in self.records.iter_mut().filter(|(_, record)| due(record)) {
            record.stalled = true;
            stalled.push(*slot);
        }
        stalled
    }

    /// Nobody has been waiting meanwhile: all clocks start again.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.records.values_mut().for_each(|record| record.since = now);
    }

    /// A peer says a chunk is coming. False when it said so before or says too much.
    pub(super) fn claim(&mut self, now: Timestamp, claimant: Slot, chunk: ChunkIndex) -> bool {
        let record = self.records.entry(claimant).or_default();
        if record.claims >= CLAIMS_MAX || self.claims.contains_key(&(chunk, claimant)) {
            return false;
        }
        let until = now + record.patience().max(CLAIM_MIN);
        record.claims += 1;
        self.claims.insert((chunk, claimant), Some(until));
        self.expiries.insert((until, chunk, claimant));
        true
    }

    /// Whose claim on a chunk is respected, in order of slots.
    pub(super) fn claimants(&self, chunk: ChunkIndex) -> impl Iterator<Item = Slot> + '_ {
        self.claims
            .range((chunk, Slot(0))..=(chunk, Slot(u16::MAX)))
            .filter(|(_, until)| until.is_some())
            .map(|((_, slot), _)| *slot)
    }

    /// Ends the claims whose deadline has come; returns their chunks.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<ChunkIndex> {
        let mut chunks = Vec::new();
        while let Some((until, chunk, claimant)) = self.expiries.first().copied()
            && until <= now
        {
            self.expiries.pop_first();
            self.claims.insert((chunk, claimant), None);
            self.release(claimant);
            chunks.push(chunk);
        }
        chunks
    }

    /// Forgets spent claims on a chunk that is not known one by one: what a peer has claimed must not add up.
    pub(super) fn drop_spent(&mut self, chunk: ChunkIndex) {
        let span = (chunk, Slot(0))..=(chunk, Slot(u16::MAX));
        let spent = self.claims.range(span).filter(|(_, until)| until.is_none()).map(|(key, _)| *key);
        spent.collect::<Vec<_>>().iter().for_each(|key| _ = self.claims.remove(key));
    }

    /// A chunk has arrived in the domain: its claims are settled.
    pub(super) fn settle(&mut self, chunk: ChunkIndex) {
        let span = (chunk, Slot(0))..=(chunk, Slot(u16::MAX));
        let claims: Vec<_> = self.claims.range(span).map(|(key, until)| (*key, *until)).collect();
        for (key, until) in claims {
            self.drop_claim(key, until);
        }
    }

    /// A peer is gone; returns the chunks it had claimed.
    pub(super) fn forget(&mut self, slot: Slot) -> Vec<ChunkIndex> {
        let claims: Vec<_> =
            self.claims.iter().filter(|((_, who), _)| *who == slot).map(|(key, until)| (*key, *until)).collect();
        for (key, until) in &claims {
            self.drop_claim(*key, *until);
        }
        self.records.remove(&slot);
        claims.into_iter().map(|((chunk, _), _)| chunk).collect()
    }

    fn drop_claim(&mut self, key: (ChunkIndex, Slot), until: Option<Timestamp>) {
        self.claims.remove(&key);
        if let Some(until) = until {
            self.expiries.remove(&(until, key.0, key.1));
            self.release(key.1);
        }
    }

    fn release(&mut self, claimant: Slot) {
        if let Some(record) = self.records.get_mut(&claimant) {
            record.claims = record.claims.saturating_sub(1);
        }
    }

    /// When something here is due.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let stall = self.records.values().filter_map(Record::deadline).min();
        let claim = self.expiries.first().map(|(until, ..)| *until);
        stall.into_iter().chain(claim).min()
    }

    /// Chunks waited for, by importer.
    pub(super) fn awaited(&self) -> impl Iterator<Item = (Slot, u32)> + '_ {
        self.records.iter().filter(|(_, record)| record.awaited > 0).map(|(slot, record)| (*slot, record.awaited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Slot = Slot(1);
    const C: ChunkIndex = ChunkIndex(7);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    /// An importer that delivers at these seconds; returns the second at which it is stalled.
    fn stalls_at(deliveries: &[u64]) -> u64 {
        let mut patience = Patience::default();
        patience.await_one(at(0), A);
        for second in deliveries {
            assert!(patience.stall_due(at(*second)).is_empty(), "stalled before {second} of {deliveries:?}");
            patience.delivered(at(*second), A);
        }
        let deadline = patience.deadline().expect("it is waited for");
        assert_eq!(patience.stall_due(deadline), [A]);
        assert!(patience.is_stalled(A) && patience.deadline().is_none());
        assert!(patience.delivered(deadline, A) && !patience.is_stalled(A));
        deadline.0 / 1_000_000
    }

    #[test]
    fn patience_follows_the_usual_gap() {
        for (deliveries, stalled) in [(&[][..], 5), (&[1, 2, 3], 8), (&[3, 6, 9], 21), (&[4, 19, 34], 60)] {
            assert_eq!(stalls_at(deliveries), stalled, "{deliveries:?}");
        }
    }

    #[test]
    fn nobody_waited_for_stalls() {
        let mut patience = Patience::default();
        patience.await_one(at(0), A);
        patience.await_one_less(A);
        assert_eq!((patience.deadline(), patience.stall_due(at(99)).len()), (None, 0));
    }

    #[test]
    fn a_claim_holds_once() {
        let mut patience = Patience::default();
        assert!(patience.claim(at(0), A, C));
        assert_eq!(patience.claimants(C).collect::<Vec<_>>(), [A]);
        assert!(patience.expire(at(15)).is_empty());
        assert_eq!(patience.expire(at(16)), [C]);
        assert_eq!(patience.claimants(C).count(), 0);
        assert!(!patience.claim(at(17), A, C), "a spent claim buys no more time");
        patience.settle(C);
        assert!(patience.claim(at(18), A, C));
        assert_eq!((patience.forget(A), patience.deadline()), (vec![C], None));
    }
}
