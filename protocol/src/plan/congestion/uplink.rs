//! The lanes of one node share its way out, so they share what they know of it: the queue, and what a fair part is.
//!
//! What must stay true: the parts of those that are short of nothing else move towards each other and their sum stays. A lane that is
//! held up elsewhere (its peer's link, nothing to send) takes no part: it neither pulls the others down nor is pulled up. After RFC 3124.

use crate::plan::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// A lane that has reported nothing for so long is not sending.
const REPORT_FOR: Duration = Duration::from_secs(1);

/// A number for each controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(u64);

/// What a lane saw in its last round trip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    /// Queue on the way to the peer, if it was measured.
    pub(super) queue: Option<Duration>,
    /// Bytes a second that its window allows.
    pub(super) rate: f64,
    /// Bytes a second that arrived.
    pub(super) delivered: f64,
    /// There was nothing more to send.
    pub(super) app_limited: bool,
}

/// What all lanes together know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// Queue of the shared way out: what every lane has at least.
    pub(super) queue: Option<Duration>,
    /// A fair part in bytes a second, when others take part.
    pub(super) fair: Option<f64>,
    /// Bytes a second that arrived by all lanes.
    pub(super) delivered: f64,
}

/// The way out of a node.
#[derive(Debug, Clone, Default)]
pub struct Uplink {
    joined: u64,
    lanes: BTreeMap<LaneId, (Timestamp, Report)>,
}

impl Uplink {
    pub(super) fn join(&mut self) -> LaneId {
        self.joined += 1;
        LaneId(self.joined)
    }

    /// Takes a lane's report; `slack` is how much longer a lane's queue may be than the shared one.
    pub(super) fn report(&mut self, now: Timestamp, lane: LaneId, report: Report, slack: Duration) -> View {
        self.lanes.retain(|_, (at, _)| now.since(*at) < REPORT_FOR);
        self.lanes.insert(lane, (now, report));
        let mut queues: Vec<Duration> = self.lanes.values().filter_map(|(_, report)| report.queue).collect();
        queues.sort_unstable();
        let queue = queues.get(queues.len().saturating_sub(1) / 2).copied();
        let takes_part = |report: &&Report| {
            let is_elsewhere = report.queue.zip(queue).is_some_and(|(own, shared)| own > shared + slack);
            !report.app_limited && !is_elsewhere
        };
        let (count, sum) = (self.lanes.values().map(|(_, report)| report).filter(takes_part))
            .fold((0u32, 0.0), |(count, sum), report| (count + 1, sum + report.rate));
        let fair = (count > 1 && takes_part(&&report)).then(|| sum / f64::from(count));
        let delivered = self.lanes.values().map(|(_, report)| report.delivered).sum();
        View { queue, fair, delivered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(queue_ms: Option<u64>, rate: f64, app_limited: bool) -> Report {
        Report { queue: queue_ms.map(Duration::from_millis), rate, delivered: rate, app_limited }
    }

    #[test]
    fn the_shared_queue_is_the_shortest_and_a_fair_part_the_mean_of_those_that_want_more() {
        let mut uplink = Uplink::default();
        let lanes: Vec<LaneId> = (0..5).map(|_| uplink.join()).collect();
        let reports = [
            report(Some(12), 10.0, false),
            report(None, 2.0, false),
            report(Some(15), 6.0, false),
            report(Some(90), 100.0, false),
            report(Some(10), 100.0, true),
        ];
        let mut tell = |at: u64, which: usize| {
            uplink.report(Timestamp(at), lanes[which], reports[which], Duration::from_millis(8))
        };
        (0..5).for_each(|which| _ = tell(0, which));
        let shared = Some(Duration::from_millis(12));
        for (which, fair) in [(0, Some(6.0)), (1, Some(6.0)), (2, Some(6.0)), (3, None), (4, None)] {
            let view = tell(1, which);
            assert_eq!((view.queue, view.fair), (shared, fair), "lane {which}");
        }
        // The others have ended; one alone has nobody to share with.
        let alone = View { queue: Some(Duration::from_millis(12)), fair: None, delivered: 10.0 };
        assert_eq!(tell(2_000_000, 0), alone);
    }
}
