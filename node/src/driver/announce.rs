//! The tracker: announcing, and taking in what it knows. While it is away everything else goes on.

use super::{Driver, Outcome, Topic};
use crate::handle::view::TrackerView;
use crate::tracker_client::TrackerError;
use crate::trouble::Problem;
use karez_protocol::content::Document as _;
use karez_protocol::trust::PairKey;
use karez_protocol::wire::tracker::{Announce, AnnounceResponse, RefusalReason};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shortest time between announces, also when hurried.
const HURRY: Duration = Duration::from_millis(400);
/// How often a refused stranger may make us look for a newer roster: it costs bytes on a metered link.
const STRANGER_HURRY: Duration = Duration::from_secs(30);
/// Longest interval a tracker may ask for.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// First wait after a failure; doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_secs(2);
/// Longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Without a tracker, how often members are asked for news.
const GOSSIP: Duration = Duration::from_secs(15);

/// What came of an announce.
pub(super) type Answer = Result<AnnounceResponse, TrackerError>;

/// Relations with the tracker.
#[derive(Debug)]
pub(super) struct TrackerContact {
    next: Instant,
    last_sent: Option<Instant>,
    under_way: bool,
    /// Something changed since the announce that is under way was made.
    hurried: bool,
    last_success: Option<Instant>,
    failures: u32,
    problem: Option<String>,
    next_gossip: Instant,
    stranger_hurried: Option<Instant>,
    sequence: u64,
}

impl TrackerContact {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now,
            last_sent: None,
            under_way: false,
            hurried: false,
            last_success: None,
            failures: 0,
            problem: None,
            next_gossip: now,
            stranger_hurried: None,
            sequence: 0,
        }
    }

    /// Announces soon: something changed that others should know.
    pub(super) fn hurry(&mut self) {
        if self.failures == 0 {
            self.hurried = true;
            self.next = self.last_sent.map_or_else(Instant::now, |sent| sent + HURRY);
        }
    }

    /// A stranger was refused: it may be a member that is newer than our roster.
    pub(super) fn hurry_for_stranger(&mut self, now: Instant) {
        if self.stranger_hurried.is_none_or(|at| now.duration_since(at) > STRANGER_HURRY) {
            self.stranger_hurried = Some(now);
            self.hurry();
        }
    }

    /// Whether asking the tracker soon makes sense.
    pub(super) fn may_ask(&self) -> bool {
        self.failures == 0
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.failures == 0 && self.last_success.is_some()
    }

    pub(super) fn gossip_due(&mut self, now: Instant) -> bool {
        let due = self.next_gossip <= now;
        if due {
            self.next_gossip = now + GOSSIP;
        }
        due
    }

    pub(super) fn view(&self, url: &str) -> TrackerView {
        TrackerView {
            url: url.into(),
            reachable: self.is_reachable(),
            last_contact_s: self.last_success.map(|at| at.elapsed().as_secs()),
            problem: self.problem.clone(),
        }
    }

    /// A number that grows over restarts as well: the tracker refuses older ones as replays.
    fn next_sequence(&mut self) -> u64 {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        self.sequence_at(clock)
    }

    fn sequence_at(&mut self, clock: u64) -> u64 {
        self.sequence = clock.max(self.sequence + 1);
        self.sequence
    }

    /// The tracker takes no numbers of another day, so the next one is our own clock's, which may have been set. What number it would
    /// take it may say, but anybody on the way may too.
    fn forget_sequence(&mut self) {
        self.sequence = 0;
    }
}

impl Driver {
    pub(super) fn announce_if_due(&mut self, now: Instant) {
        if self.contact.under_way || self.contact.next > now {
            return;
        }
        (self.contact.under_way, self.contact.hurried) = (true, false);
        self.contact.last_sent = Some(now);
        let announce = Announce {
            header: Announce::new_header(),
            peer: self.me(),
            sequence: self.contact.next_sequence(),
            addresses: self.told_addresses(),
            held: self.held_versions(),
            wanted: self.transfers.values().filter(|t| t.is_hungry()).map(|t| t.collection.clone()).collect(),
            roster: self.parts.roster.value().version,
            catalogue: self.catalogue.revision,
            relay: self.parts.relay.is_some(),
        };
        // A weak key cannot have signed the roster that names it.
        let Some(key) = PairKey::agree(self.parts.key.signing(), &self.parts.tracker_key) else { return };
        let (tracker, network) = (self.parts.tracker.clone(), self.parts.network);
        self.spawn(async move { Outcome::Announced(tracker.announce(&announce, &network, &key).await) });
    }

    pub(super) fn on_announced(&mut self, answer: Answer) {
        let now = Instant::now();
        self.contact.under_way = false;
        match answer {
            Ok(response) => {
                let interval = Duration::from_secs(response.interval.max(1).into()).min(INTERVAL_MAX);
                if !self.contact.hurried {
                    self.contact.next = now + interval;
                }
                (self.contact.failures, self.contact.problem, self.contact.last_success) = (0, None, Some(now));
                self.problems.solved(&Topic::Clock);
                self.take_in(response);
                self.list_pending();
            }
            Err(cause) => {
                let wait = RETRY.saturating_mul(1 << self.contact.failures.min(6)).min(RETRY_MAX);
                self.contact.failures += 1;
                self.contact.next = now + wait;
                self.contact.problem = Some(cause.to_string());
                if let TrackerError::Refused { reason: RefusalReason::Clock, .. } = cause {
                    self.contact.forget_sequence();
                    self.problems.report(Topic::Clock, Problem::Clock);
                }
                tracing::debug!(%cause, "announce failed");
            }
        }
        if let Some(asked) = self.contact.last_sent {
            // While the tracker is away nobody waits for it.
            self.on_deferred(if self.contact.may_ask() { asked } else { now });
        }
    }

    fn take_in(&mut self, response: AnnounceResponse) {
        if let Some(roster) = response.roster {
            self.learn_roster(&roster);
        }
        for entry in &response.releases {
            if let Err(cause) = self.learn(&entry.release, entry.revision) {
                tracing::debug!(%cause, "a release from the tracker was not taken");
            }
        }
        self.learn_relays(&response.relays);
        // As far as this answer reaches; lower than before when the tracker was restored from a backup.
        self.catalogue.revision = response.catalogue;
        for told in &response.peers {
            for peer in &told.peers {
                self.learn_addresses(peer);
                if peer.peer != self.me() {
                    self.peers.entry(peer.peer).collections.entry(told.collection.clone()).or_insert(false);
                }
            }
        }
        if !response.peers.is_empty() && self.transfers.values().any(|transfer| transfer.is_hungry()) {
            // Whoever was told is dialled now, not in half a second.
            self.next_round = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_wrong_once_does_not_last() {
        let mut contact = TrackerContact::new(Instant::now());
        assert_eq!((contact.sequence_at(4_000), contact.sequence_at(1_000)), (4_000, 4_001));
        contact.forget_sequence();
        assert_eq!((contact.sequence_at(1_000), contact.sequence_at(1_000)), (1_000, 1_001));
    }
}
