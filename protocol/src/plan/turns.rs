//! Whose turn it is on a shared link: flows get equal shares of its bytes, however many wait in each and whatever the size of
//! what they send. A flow is a collection.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996): what a flow sends next bears the number of bytes that the flow has
//! sent in its virtual time, and the lowest number goes first. Who comes back after a pause starts where the others are:
//! nobody saves up turns.
//!
//! Rejected: turns by peer (a collection that three times as many sites pull gets three times as much of the uplink).

use std::collections::BTreeMap;

/// Flows by what they were let send.
#[derive(Debug, Clone)]
pub struct Turns<F> {
    /// Where each flow that is ahead of the others may go on.
    ends: BTreeMap<F, u64>,
    /// Number of what was let through last.
    now: u64,
}

impl<F> Default for Turns<F> {
    fn default() -> Self {
        Self { ends: BTreeMap::new(), now: 0 }
    }
}

impl<F: Ord + Copy> Turns<F> {
    fn start(&self, flow: &F) -> u64 {
        self.ends.get(flow).copied().unwrap_or(0).max(self.now)
    }

    /// Which of the flows goes next; among equals the first.
    pub fn next(&self, waiting: impl IntoIterator<Item = F>) -> Option<F> {
        waiting.into_iter().min_by_key(|flow| self.start(flow))
    }

    /// A flow sends so many bytes now.
    pub fn charge(&mut self, flow: F, bytes: u64) {
        let start = self.start(&flow);
        self.now = start;
        self.ends.insert(flow, start + bytes);
        self.ends.retain(|_, end| *end > start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that each flow sent after so many turns; a flow waits in the turns that it is said to.
    fn sent(sizes: &[u64], turns: usize, waits: impl Fn(usize, usize) -> bool) -> Vec<u64> {
        let (mut queue, mut sent) = (Turns::default(), vec![0; sizes.len()]);
        for turn in 0..turns {
            if let Some(flow) = queue.next((0..sizes.len()).filter(|flow| waits(*flow, turn))) {
                queue.charge(flow, sizes[flow]);
                sent[flow] += sizes[flow];
            }
        }
        sent
    }

    #[test]
    fn shares_are_equal_in_bytes_whatever_the_sizes() {
        for sizes in [&[10, 10][..], &[10, 30], &[7, 1_000, 64]] {
            let got = sent(sizes, 5_000, |_, _| true);
            let most = sizes.iter().max().copied().unwrap_or(0);
            let (low, high) = (got.iter().min().unwrap(), got.iter().max().unwrap());
            assert!(high - low <= 2 * most, "{sizes:?}: {got:?}");
        }
    }

    #[test]
    fn who_was_away_gets_its_share_and_no_more() {
        let got = sent(&[10, 10], 200, |flow, turn| flow == 0 || turn >= 100);
        assert_eq!(got, [1_500, 500]);
        let got = sent(&[10, 10], 200, |flow, turn| flow == 0 || turn % 2 == 0);
        assert_eq!(got, [1_010, 990], "it is there each second time: as often as its share, but for the first tie");
    }

    #[test]
    fn flows_that_are_not_ahead_are_not_kept() {
        let mut queue = Turns::default();
        for flow in 0..1_000u32 {
            let next = queue.next([flow]).unwrap();
            queue.charge(next, 10);
            queue.charge(next, 10);
        }
        assert!(queue.ends.len() <= 1, "{}", queue.ends.len());
        assert_eq!(queue.next([]), None);
    }
}
