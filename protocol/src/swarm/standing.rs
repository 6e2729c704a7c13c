//! What a peer's word is worth: whoever lets requests lie is asked for one chunk at a time, and each time it must deliver more
//! before it is relied on again.
//!
//! What must stay true: a link that was down for everybody costs nobody its standing; a fault is made up for by work.
//!
//! Rejected: one chunk redeems whatever came before. A peer that delivered every second chunk was relied on again and again,
//! and held up everything that it claimed for ten seconds each time (1 liar, 1 publisher, 2 MiB: 60 s).

use crate::plan::time::Timestamp;
use std::time::Duration;

/// Pause before a peer that stayed silent again is tried once more; doubles each time.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// Doublings of it: at most 80 s, so that a link that returns is used within a minute or so.
const PROBE_DOUBLINGS_MAX: u32 = 4;
/// Chunks owed after a fault: one the first time, since links do fail, and so many times more for each further one.
const OWED: u32 = 4;
/// Faults that still count: at most 64 chunks are owed.
const FAULTS_MAX: u32 = 4;
/// Chunks delivered in good standing that make up for a fault.
const AMENDS: u32 = 64;
/// Time away that makes up for a fault as well: its link was down, and whoever is away holds nothing up.
const AWAY: Duration = Duration::from_secs(30);
/// Chunks that a peer may refuse in a row although it claimed them: a damaged disk, or a lie.
const REFUSALS_MAX: u32 = 64;

/// A peer that let its requests lie: one chunk at a time until it has delivered what it owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snub {
    /// How often in a row.
    times: u32,
    /// When to try it again.
    pub(super) probe_at: Timestamp,
    /// Chunks to deliver before it is relied on again.
    owes: u32,
}

/// A peer's standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Times that others had to do its work.
    faults: u32,
    /// Chunks delivered in good standing since the last fault was made up for.
    delivered: u32,
    /// Claimed chunks that it refused since it delivered one.
    refused: u32,
    snub: Option<Snub>,
}

impl Standing {
    /// Its bad standing, if any.
    pub(super) fn snub(&self) -> Option<Snub> {
        self.snub
    }

    /// Whether nothing needs to be remembered of it.
    pub(super) fn is_clean(&self) -> bool {
        self.faults == 0
    }

    /// It let requests lie. That is a fault when somebody else delivered meanwhile.
    pub(super) fn fail(&mut self, now: Timestamp, is_fault: bool) {
        let times = self.snub.map_or(0, |snub| snub.times + 1);
        if is_fault && times == 0 {
            self.faults = (self.faults + 1).min(FAULTS_MAX);
        }
        let pause = if times == 0 { Duration::ZERO } else { PROBE_PAUSE * (1 << times.min(PROBE_DOUBLINGS_MAX)) };
        (self.delivered, self.refused) = (0, 0);
        self.snub = Some(Snub { times, probe_at: now + pause, owes: self.owed() });
    }

    fn owed(&self) -> u32 {
        OWED.pow(self.faults.saturating_sub(1))
    }

    /// It refused chunks that it had claimed. True when it is not to be relied on any more.
    pub(super) fn refuse(&mut self, chunks: usize) -> bool {
        self.refused = self.refused.saturating_add(chunks as u32);
        self.refused > REFUSALS_MAX || (self.snub.is_some() && chunks > 0)
    }

    /// It delivered a chunk. True when that restored its standing.
    pub(super) fn deliver(&mut self) -> bool {
        self.refused = 0;
        match &mut self.snub {
            Some(snub) => {
                snub.owes = snub.owes.saturating_sub(1);
                let is_restored = snub.owes == 0;
                if is_restored {
                    self.snub = None;
                }
                is_restored
            }
            None => {
                self.delivered += 1;
                if self.delivered >= AMENDS {
                    (self.delivered, self.faults) = (0, self.faults.saturating_sub(1));
                }
                false
            }
        }
    }

    /// It is back after a while: what it owed it still owes, but for what its absence explains.
    pub(super) fn returned(mut self, left: Timestamp, now: Timestamp) -> Self {
        self.refused = 0;
        self.faults = self.faults.saturating_sub(u32::from(now.since(left) >= AWAY));
        // One fault and a break of the connection are a link that failed.
        self.snub = (self.faults > 1).then(|| Snub { times: 0, probe_at: now, owes: self.owed() });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    /// Chunks that it must deliver until it is relied on again.
    fn owed(standing: &mut Standing) -> u32 {
        (1..).find(|_| standing.deliver()).expect("it is redeemed in the end")
    }

    #[test]
    fn each_fault_costs_more_and_work_makes_up_for_it() {
        let mut standing = Standing::default();
        let owes: Vec<_> = (0..6)
            .map(|_| {
                standing.fail(at(1), true);
                owed(&mut standing)
            })
            .collect();
        assert_eq!(owes, [1, 4, 16, 64, 64, 64]);
        (0..AMENDS * FAULTS_MAX).for_each(|_| assert!(!standing.deliver()));
        assert!(standing.is_clean());
        standing.fail(at(2), false);
        assert_eq!(owed(&mut standing), 1);
    }

    #[test]
    fn a_link_that_is_down_for_all_costs_one_chunk() {
        let mut standing = Standing::default();
        (0..5).for_each(|_| standing.fail(at(1), false));
        assert!(standing.is_clean());
        assert_eq!(owed(&mut standing), 1);
    }

    #[test]
    fn the_pause_before_another_try_grows() {
        let mut standing = Standing::default();
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                standing.fail(at(0), true);
                standing.snub().map(|snub| snub.probe_at.0 / 1_000_000)
            })
            .collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 80, 80].map(Some));
        assert_eq!(owed(&mut standing), 1, "one fault, however long");
    }

    #[test]
    fn leaving_redeems_nothing() {
        let mut standing = Standing::default();
        standing.fail(at(1), true);
        assert_eq!(standing.returned(at(2), at(3)).snub(), None);
        owed(&mut standing);
        standing.fail(at(2), true);
        let mut returned = standing.returned(at(90), at(100));
        assert_eq!(returned.snub(), Some(Snub { times: 0, probe_at: at(100), owes: 4 }));
        owed(&mut returned);
        assert_eq!(standing.returned(at(90), at(120)).snub(), None, "the link was down");
        assert_eq!(Standing::default().returned(at(90), at(100)).snub(), None);
    }

    #[test]
    fn a_few_refusals_are_a_bad_disk_and_many_a_lie() {
        let mut standing = Standing::default();
        assert!(!standing.refuse(60));
        standing.deliver();
        assert!(!standing.refuse(60));
        assert!(standing.refuse(5));
        standing.fail(at(1), true);
        assert!(standing.refuse(1));
    }
}
