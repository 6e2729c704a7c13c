//! Whether the datagrams of a lane are throttled while a stream of TCP is not, judged by their sender.
//!
//! - Loss is the sign: more than a twelfth of at least a hundred packets, twice in a row, or more than a quarter. A lane that yields to others is slow, so slowness
//!   alone would move polite lanes to TCP, which is not polite; nor is a lane judged by what it lost while it mostly saw a queue, which
//!   others overfill. Rural links lose 1-3 %, in bursts.
//! - A try decides: the stream must deliver twice what the datagrams did. On a link that loses whatever is sent it does not.
//! - What must stay true: at most one change each way in a hold; holds double from five minutes to an hour as long as datagrams go on
//!   losing, so nothing flaps, and datagrams are tried again for ever.
//!
//! Rejected: a test transfer beside the lane (bytes for nothing on metered links, and two flows share what is measured).

use super::Timestamp;
use std::time::Duration;

/// Packets whose loss says something about a share.
const PACKETS_MIN: u64 = 100;
/// Packets of who sends chunks have this many bytes on average; who asks for them sends small ones, and does not judge.
const PACKET_BYTES_MIN: u64 = 500;
/// One packet lost of so many is throttled.
const LOST_ONE_IN: u64 = 12;
/// Shortest time that datagrams are counted, and longest for [`PACKETS_MIN`].
const COUNTED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Lossy counts in a row; one is enough where more than one packet of so many was lost, which no burst does.
const LOSSY_MIN: u32 = 2;
const MOST_LOST_ONE_IN: u64 = 4;
/// Packets that show it: who loses most sends few.
const PACKETS_MOST_LOST_MIN: u64 = 24;
/// A fresh start may overfill a queue once.
const START: Duration = Duration::from_secs(30);
/// How long a stream is measured.
const TRIED: Duration = Duration::from_secs(10);
/// Time for a stream to be there; after it the lane stays as it was.
const OPENED_WITHIN: Duration = Duration::from_secs(20);
/// How many times more a stream must deliver.
const BETTER: u64 = 2;
/// Shortest and longest time between changes.
const HOLD: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// What carries a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// QUIC.
    Datagrams,
    /// A stream of TCP.
    Stream,
}

/// What a lane's carrier has done since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes sent.
    pub sent: u64,
    /// Of these, lost; 0 on a stream.
    pub lost_bytes: u64,
    /// Packets sent; 0 on a stream.
    pub packets: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Round trips looked at; 0 on a stream.
    pub rounds: u64,
    /// Of these, with a queue that the lane stepped back from.
    pub queued: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// Move to a stream.
    TakeStream,
    /// Move back to datagrams.
    TakeDatagrams,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Datagrams are as good as any, and not doubted before.
    Datagrams { doubted_from: Timestamp },
    /// A stream is tried; datagrams delivered so many bytes a second.
    Trying { rate: u64, since: Timestamp },
    /// The stream is better.
    Stream { until: Timestamp },
}

/// What one peer's lanes were like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    stage: Stage,
    hold: Duration,
    lossy: u32,
    counted: Option<(Timestamp, Carrier, Traffic)>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { stage: Stage::Datagrams { doubted_from: Timestamp::default() }, hold: HOLD.0, lossy: 0, counted: None }
    }
}

impl Throttle {
    /// Whether a stream is to be preferred now.
    pub fn prefers_stream(&self) -> bool {
        !matches!(self.stage, Stage::Datagrams { .. })
    }

    /// Looks at a lane; to be called once or twice a second while there is one.
    pub fn look(&mut self, now: Timestamp, carrier: Carrier, traffic: Traffic) -> Verdict {
        match (self.stage, carrier) {
            (Stage::Datagrams { doubted_from }, Carrier::Datagrams) => self.doubt(now, doubted_from, traffic),
            (Stage::Datagrams { .. }, Carrier::Stream) => self.rest(),
            (Stage::Trying { since, .. }, Carrier::Datagrams) if now.since(since) < OPENED_WITHIN => self.rest(),
            (Stage::Trying { .. }, Carrier::Datagrams) => self.give_up(now),
            (Stage::Trying { rate, .. }, Carrier::Stream) => self.compare(now, rate, traffic),
            (Stage::Stream { until }, _) if until <= now => {
                self.stage = Stage::Datagrams { doubted_from: now + START };
                self.counted = None;
                Verdict::TakeDatagrams
            }
            (Stage::Stream { .. }, Carrier::Stream) => self.rest(),
            // The lane was dialled anew: what was found of its datagrams holds.
            (Stage::Stream { .. }, Carrier::Datagrams) => self.ask_again(now),
        }
    }

    fn rest(&mut self) -> Verdict {
        self.counted = None;
        Verdict::Stay
    }

    /// What was done since counting began with this carrier, and for how long; counting begins if it has not.
    fn since(&mut self, now: Timestamp, carrier: Carrier, traffic: Traffic) -> (Duration, Traffic) {
        let (start, _, before) = match self.counted {
            // Fewer than before: another lane.
            Some(counted) if counted.1 == carrier && counted.2.sent <= traffic.sent => counted,
            _ => *self.counted.insert((now, carrier, traffic)),
        };
        let done = Traffic {
            sent: traffic.sent - before.sent,
            lost_bytes: traffic.lost_bytes.saturating_sub(before.lost_bytes),
            packets: traffic.packets.saturating_sub(before.packets),
            lost: traffic.lost.saturating_sub(before.lost),
            rounds: traffic.rounds.saturating_sub(before.rounds),
            queued: traffic.queued.saturating_sub(before.queued),
        };
        (now.since(start), done)
    }

    fn doubt(&mut self, now: Timestamp, doubted_from: Timestamp, traffic: Traffic) -> Verdict {
        let (time, done) = self.since(now, Carrier::Datagrams, traffic);
        let is_most_lost = done.packets >= PACKETS_MOST_LOST_MIN && done.lost * MOST_LOST_ONE_IN > done.packets;
        let is_enough = done.packets >= PACKETS_MIN || is_most_lost;
        if time < COUNTED.0 || (!is_enough && time < COUNTED.1) {
            return Verdict::Stay;
        }
        self.counted = None;
        let is_bulk = is_enough && done.sent >= done.packets * PACKET_BYTES_MIN;
        let yields = done.queued * 2 > done.rounds;
        let is_lossy = is_bulk && !yields && done.lost * LOST_ONE_IN > done.packets;
        self.lossy = if is_lossy && doubted_from <= now { self.lossy + 1 } else { 0 };
        if self.lossy >= LOSSY_MIN || (self.lossy > 0 && is_most_lost) {
            self.lossy = 0;
            self.stage = Stage::Trying { rate: done.delivered(time), since: now };
            return Verdict::TakeStream;
        }
        if !is_lossy && doubted_from + self.hold <= now {
            self.hold = HOLD.0;
        }
        Verdict::Stay
    }

    fn compare(&mut self, now: Timestamp, rate: u64, traffic: Traffic) -> Verdict {
        let (time, done) = self.since(now, Carrier::Stream, traffic);
        if time < TRIED {
            return Verdict::Stay;
        }
        if done.delivered(time) < rate.saturating_mul(BETTER) {
            return self.give_up(now);
        }
        self.stage = Stage::Stream { until: now + self.next_hold() };
        self.rest()
    }

    fn give_up(&mut self, now: Timestamp) -> Verdict {
        self.stage = Stage::Datagrams { doubted_from: now + self.next_hold() };
        self.counted = None;
        Verdict::TakeDatagrams
    }

    fn ask_again(&mut self, now: Timestamp) -> Verdict {
        let (start, ..) = *self.counted.get_or_insert((now, Carrier::Datagrams, Traffic::default()));
        if start != now && now.since(start) < OPENED_WITHIN {
            return Verdict::Stay;
        }
        self.counted = Some((now, Carrier::Datagrams, Traffic::default()));
        Verdict::TakeStream
    }

    fn next_hold(&mut self) -> Duration {
        let hold = self.hold;
        self.hold = (hold * 2).min(HOLD.1);
        hold
    }
}

impl Traffic {
    /// Bytes a second that were not lost.
    fn delivered(&self, time: Duration) -> u64 {
        let bytes = self.sent.saturating_sub(self.lost_bytes);
        (u128::from(bytes) * 1_000_000 / time.as_micros().max(1)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane that is looked at once a second.
    struct Lane {
        throttle: Throttle,
        now: u64,
        carrier: Carrier,
        traffic: Traffic,
        changes: Vec<(u64, Carrier)>,
    }

    impl Lane {
        fn new() -> Self {
            let (throttle, traffic) = (Throttle::default(), Traffic::default());
            Self { throttle, now: 1, carrier: Carrier::Datagrams, traffic, changes: Vec::new() }
        }

        /// So many seconds with so many bytes a second on either, and packets of datagrams a second of which some are lost.
        fn run(&mut self, seconds: u64, (datagrams, stream): (u64, u64), (packets, lost): (u64, u64)) {
            for _ in 0..seconds {
                self.now += 1;
                match self.carrier {
                    Carrier::Datagrams => {
                        self.traffic.sent += datagrams + lost * 1_250;
                        self.traffic.lost_bytes += lost * 1_250;
                        self.traffic.packets += packets;
                        self.traffic.lost += lost;
                    }
                    Carrier::Stream => self.traffic.sent += stream,
                }
                let verdict = self.throttle.look(Timestamp(self.now * 1_000_000), self.carrier, self.traffic);
                let carrier = match verdict {
                    Verdict::Stay => continue,
                    Verdict::TakeStream => Carrier::Stream,
                    Verdict::TakeDatagrams => Carrier::Datagrams,
                };
                (self.carrier, self.traffic) = (carrier, Traffic::default());
                self.changes.push((self.now, carrier));
            }
        }
    }

    #[test]
    fn who_loses_a_little_or_is_slow_and_polite_is_never_doubted() {
        for (datagrams, packets) in [(1_000_000, (800, 40)), (1_000, (2, 0))] {
            let mut lane = Lane::new();
            lane.run(20_000, (datagrams, 9_000_000), packets);
            assert_eq!(lane.changes, []);
        }
    }

    #[test]
    fn one_burst_or_a_queue_of_others_is_no_throttle() {
        let mut lane = Lane::new();
        for _ in 0..100 {
            lane.run(6, (25_000, 1_000_000), (60, 8));
            lane.run(6, (25_000, 1_000_000), (60, 0));
        }
        for _ in 0..1_000 {
            (lane.traffic.rounds, lane.traffic.queued) = (lane.traffic.rounds + 10, lane.traffic.queued + 6);
            lane.run(1, (25_000, 1_000_000), (60, 20));
        }
        assert_eq!(lane.changes, []);
    }

    #[test]
    fn who_only_asks_does_not_judge() {
        let mut throttle = Throttle::default();
        for second in 1..1_000 {
            let traffic = Traffic {
                sent: second * 60 * 80,
                lost_bytes: second * 40 * 80,
                packets: second * 60,
                lost: second * 40,
                ..Traffic::default()
            };
            let verdict = throttle.look(Timestamp(second * 1_000_000), Carrier::Datagrams, traffic);
            assert_eq!(verdict, Verdict::Stay);
        }
    }

    #[test]
    fn throttled_datagrams_are_left_and_tried_again_ever_more_rarely() {
        let mut lane = Lane::new();
        lane.run(24 * 3600, (25_000, 1_000_000), (60, 40));
        assert!(lane.throttle.prefers_stream());
        assert!(lane.changes.len() < 60, "{}", lane.changes.len());
        let (first, last) = (lane.changes[0], lane.changes[lane.changes.len() - 1]);
        assert!(first.0 < 15 && first.1 == Carrier::Stream && last.1 == Carrier::Stream, "{first:?} {last:?}");
        let waits: Vec<_> = lane.changes.windows(2).filter(|pair| pair[0].1 == Carrier::Stream).collect();
        assert!(waits.iter().all(|pair| pair[1].0 - pair[0].0 >= 300), "{waits:?}");
        assert!(waits.last().is_some_and(|pair| pair[1].0 - pair[0].0 >= 3600), "{waits:?}");
    }

    #[test]
    fn where_everything_is_lost_alike_datagrams_stay() {
        let mut lane = Lane::new();
        lane.run(24 * 3600, (100_000, 20_000), (100, 30));
        assert!(!lane.throttle.prefers_stream());
        let streams = lane.changes.iter().filter(|(_, carrier)| *carrier == Carrier::Stream).count();
        assert!((2..30).contains(&streams), "{streams}");
    }

    #[test]
    fn when_the_throttle_goes_datagrams_are_used_again() {
        let mut lane = Lane::new();
        lane.run(60, (25_000, 1_000_000), (60, 40));
        assert_eq!(lane.carrier, Carrier::Stream);
        lane.run(700, (1_000_000, 1_000_000), (800, 0));
        assert_eq!(lane.carrier, Carrier::Datagrams);
        let changes = lane.changes.len();
        lane.run(10_000, (1_000_000, 1_000_000), (800, 0));
        assert_eq!((lane.changes.len(), lane.throttle.hold), (changes, HOLD.0));
    }

    #[test]
    fn a_stream_that_does_not_come_is_given_up() {
        let mut throttle = Throttle::default();
        let look = |throttle: &mut Throttle, second: u64| {
            let (packets, lost) = (second * 60, second * 40);
            let traffic =
                Traffic { sent: packets * 1_250, lost_bytes: lost * 1_250, packets, lost, ..Traffic::default() };
            throttle.look(Timestamp(second * 1_000_000), Carrier::Datagrams, traffic)
        };
        let verdicts: Vec<_> = (1..200).map(|second| look(&mut throttle, second)).collect();
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!((count(Verdict::TakeStream), count(Verdict::TakeDatagrams)), (1, 1));
    }
}
