//! What each peer has asked for, and whose turn it is: the most urgent class first, then releases by bytes, and of a release its
//! peers in turn. Pure.

use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::plan::turns::Turns;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::peer::Urgency;
use std::collections::{BTreeMap, VecDeque};

/// Chunks that one peer may have waiting; further requests are refused.
const WAITING_MAX: usize = super::lane::OUTSTANDING_MAX;
const CLASSES: [Urgency; 3] = [Urgency::Play, Urgency::Import, Urgency::Background];

/// One chunk to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) peer: PeerId,
    pub(super) release: ReleaseId,
    pub(super) chunk: ChunkIndex,
    pub(super) urgency: Urgency,
}

/// What waits of one release: chunks by peer.
#[derive(Debug, Default)]
struct Line {
    waiting: BTreeMap<PeerId, VecDeque<ChunkIndex>>,
    /// The peer served last.
    last: Option<PeerId>,
}

/// The queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    lines: [BTreeMap<ReleaseId, Line>; 3],
    turns: [Turns<ReleaseId>; 3],
    /// Chunks that wait for each peer.
    counts: BTreeMap<PeerId, usize>,
}

impl Line {
    /// The peer behind the last one that is ready, and its first chunk.
    fn next(&self, ready: impl Fn(&PeerId) -> bool) -> Option<PeerId> {
        let behind = |peer: &&PeerId| self.last.is_none_or(|last| **peer > last);
        let fits = |peer: &&PeerId| ready(peer);
        let turn = self.waiting.keys().filter(behind).find(fits);
        turn.or_else(|| self.waiting.keys().find(fits)).copied()
    }

    fn pop(&mut self, peer: PeerId) -> Option<ChunkIndex> {
        let queue = self.waiting.get_mut(&peer)?;
        let chunk = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&peer);
        }
        self.last = Some(peer);
        chunk
    }
}

impl Queues {
    /// Queues chunks; false when the peer has too many waiting.
    pub(super) fn push(&mut self, peer: PeerId, release: ReleaseId, urgency: Urgency, chunks: &[ChunkIndex]) -> bool {
        let count = self.counts.get(&peer).copied().unwrap_or(0) + chunks.len();
        if count > WAITING_MAX {
            return false;
        }
        if !chunks.is_empty() {
            self.counts.insert(peer, count);
            let line = self.lines[urgency as usize].entry(release).or_default();
            line.waiting.entry(peer).or_default().extend(chunks);
        }
        true
    }

    /// Drops chunks that were not begun.
    pub(super) fn cancel(&mut self, peer: &PeerId, release: ReleaseId, chunks: &[ChunkIndex]) {
        let chunks: ChunkSet = chunks.iter().copied().collect();
        self.retain(peer, |of, chunk| of != release || !chunks.contains(chunk));
    }

    /// Drops everything of a peer.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.retain(peer, |_, _| false);
    }

    fn retain(&mut self, peer: &PeerId, keep: impl Fn(ReleaseId, ChunkIndex) -> bool) {
        for lines in &mut self.lines {
            lines.retain(|release, line| {
                if let Some(queue) = line.waiting.get_mut(peer) {
                    let before = queue.len();
                    queue.retain(|chunk| keep(*release, *chunk));
                    uncount(&mut self.counts, peer, before - queue.len());
                    if queue.is_empty() {
                        line.waiting.remove(peer);
                    }
                }
                !line.waiting.is_empty()
            });
        }
    }

    /// The next chunk to send among peers that are `ready`.
    pub(super) fn next(&mut self, ready: impl Fn(&PeerId) -> bool) -> Option<Job> {
        CLASSES.into_iter().find_map(|urgency| self.next_of(urgency, &ready))
    }

    fn next_of(&mut self, urgency: Urgency, ready: impl Fn(&PeerId) -> bool) -> Option<Job> {
        let class = urgency as usize;
        let lines = &self.lines[class];
        let able: BTreeMap<_, _> = lines.iter().filter_map(|(of, line)| Some((*of, line.next(&ready)?))).collect();
        let release = self.turns[class].next(able.keys().copied())?;
        let peer = *able.get(&release)?;
        self.pop(peer, release, urgency)
    }

    /// The next chunk for the same peer of the same release and urgency.
    pub(super) fn next_like(&mut self, job: &Job) -> Option<Job> {
        self.pop(job.peer, job.release, job.urgency)
    }

    fn pop(&mut self, peer: PeerId, release: ReleaseId, urgency: Urgency) -> Option<Job> {
        let lines = &mut self.lines[urgency as usize];
        let line = lines.get_mut(&release)?;
        let chunk = line.pop(peer)?;
        if line.waiting.is_empty() {
            lines.remove(&release);
        }
        uncount(&mut self.counts, &peer, 1);
        Some(Job { peer, release, chunk, urgency })
    }

    /// A chunk that was given out has so many bytes.
    pub(super) fn charge(&mut self, job: &Job, bytes: u64) {
        self.turns[job.urgency as usize].charge(job.release, bytes);
    }
}

fn uncount(counts: &mut BTreeMap<PeerId, usize>, peer: &PeerId, chunks: usize) {
    if let Some(count) = counts.get_mut(peer) {
        *count -= chunks;
        if *count == 0 {
            counts.remove(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes([n; 32])
    }

    fn order(queues: &mut Queues, ready: impl Fn(&PeerId) -> bool + Copy) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queues.next(ready)).map(|job| (job.peer.as_bytes()[0], job.chunk.0)).collect()
    }

    #[test]
    fn peers_take_turns_and_urgency_goes_first() {
        let (mut queues, m) = (Queues::default(), ReleaseId::from_bytes([8; 32]));
        queues.push(peer(1), m, Urgency::Background, &[1, 2, 3].map(ChunkIndex));
        queues.push(peer(2), m, Urgency::Background, &[4, 5].map(ChunkIndex));
        queues.push(peer(2), m, Urgency::Play, &[9].map(ChunkIndex));
        queues.push(peer(3), m, Urgency::Import, &[7].map(ChunkIndex));
        assert_eq!(order(&mut queues, |_| true), [(2, 9), (3, 7), (1, 1), (2, 4), (1, 2), (2, 5), (1, 3)]);
    }

    #[test]
    fn a_busy_peer_is_passed_over_and_cancelled_chunks_are_gone() {
        let (mut queues, m) = (Queues::default(), ReleaseId::from_bytes([8; 32]));
        queues.push(peer(1), m, Urgency::Import, &[1].map(ChunkIndex));
        queues.push(peer(2), m, Urgency::Background, &[4, 5, 6].map(ChunkIndex));
        queues.cancel(&peer(2), m, &[ChunkIndex(5)]);
        assert_eq!(order(&mut queues, |p| *p != peer(1)), [(2, 4), (2, 6)]);
        assert_eq!(order(&mut queues, |_| true), [(1, 1)]);
    }

    #[test]
    fn releases_share_by_bytes_however_many_peers_ask() {
        let (mut queues, [m, n]) = (Queues::default(), [8, 9].map(|byte| ReleaseId::from_bytes([byte; 32])));
        let many: Vec<_> = (0..400).map(ChunkIndex).collect();
        queues.push(peer(1), m, Urgency::Import, &many);
        [1, 2, 3, 4].into_iter().for_each(|it| assert!(queues.push(peer(it), n, Urgency::Import, &many)));
        let mut bytes = BTreeMap::new();
        for _ in 0..300 {
            let job = queues.next(|_| true).unwrap();
            let len = if job.release == m { 1_000 } else { 2_000 };
            queues.charge(&job, len);
            *bytes.entry((job.release, job.peer)).or_insert(0) += len;
        }
        let of =
            |release| bytes.iter().filter(|((of, _), _)| *of == release).map(|(_, bytes)| *bytes).collect::<Vec<_>>();
        assert_eq!((of(m), of(n)), (vec![200_000], vec![50_000; 4]));
    }

    #[test]
    fn more_of_a_kind_is_of_one_peer_release_and_urgency() {
        let (mut queues, [m, n]) = (Queues::default(), [8, 9].map(|byte| ReleaseId::from_bytes([byte; 32])));
        queues.push(peer(1), m, Urgency::Import, &[1, 2].map(ChunkIndex));
        queues.push(peer(1), m, Urgency::Background, &[3].map(ChunkIndex));
        queues.push(peer(1), n, Urgency::Import, &[4].map(ChunkIndex));
        queues.push(peer(2), m, Urgency::Import, &[5].map(ChunkIndex));
        let first = queues.next(|_| true).unwrap();
        let more = std::iter::from_fn(|| queues.next_like(&first)).map(|job| job.chunk.0);
        assert_eq!((first.chunk.0, more.collect::<Vec<_>>()), (1, vec![2]));
        assert_eq!(queues.counts.values().sum::<usize>(), 3);
    }

    #[test]
    fn requests_are_bounded() {
        let (mut queues, m) = (Queues::default(), ReleaseId::from_bytes([8; 32]));
        let many: Vec<_> = (0..WAITING_MAX as u32).map(ChunkIndex).collect();
        assert!(queues.push(peer(1), m, Urgency::Background, &many));
        assert!(!queues.push(peer(1), m, Urgency::Play, &[ChunkIndex(0)]));
        assert!(queues.next(|_| true).is_some());
        assert!(queues.push(peer(1), m, Urgency::Play, &[ChunkIndex(0)]));
        queues.cancel(&peer(1), m, &many[5..]);
        assert_eq!(queues.counts.get(&peer(1)), Some(&5));
        queues.forget(&peer(1));
        assert!(queues.counts.is_empty() && queues.next(|_| true).is_none());
    }
}
