//! What each peer has asked for, and whose turn it is: the most urgent class first, then peers in turn. Pure.

use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ReleaseId;
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

/// The queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    waiting: BTreeMap<PeerId, [VecDeque<(ReleaseId, ChunkIndex)>; 3]>,
    /// The peer served last in each class.
    last: [Option<PeerId>; 3],
}

impl Queues {
    /// Queues chunks; false when the peer has too many waiting.
    pub(super) fn push(&mut self, peer: PeerId, release: ReleaseId, urgency: Urgency, chunks: &[ChunkIndex]) -> bool {
        let queues = self.waiting.entry(peer).or_default();
        if queues.iter().map(VecDeque::len).sum::<usize>() + chunks.len() > WAITING_MAX {
            return false;
        }
        queues[urgency as usize].extend(chunks.iter().map(|chunk| (release, *chunk)));
        true
    }

    /// Drops chunks that were not begun.
    pub(super) fn cancel(&mut self, peer: &PeerId, release: ReleaseId, chunks: &[ChunkIndex]) {
        let chunks: ChunkSet = chunks.iter().copied().collect();
        for queue in self.waiting.get_mut(peer).into_iter().flatten() {
            queue.retain(|(of, chunk)| *of != release || !chunks.contains(*chunk));
        }
    }

    /// Drops everything of a peer.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.waiting.remove(peer);
    }

    /// The next chunk to send among peers that are `ready`.
    pub(super) fn next(&mut self, ready: impl Fn(&PeerId) -> bool) -> Option<Job> {
        CLASSES.into_iter().find_map(|urgency| self.next_of(urgency, &ready))
    }

    fn next_of(&mut self, urgency: Urgency, ready: impl Fn(&PeerId) -> bool) -> Option<Job> {
        let class = urgency as usize;
        let fits = |(peer, queues): &(&PeerId, &[VecDeque<_>; 3])| !queues[class].is_empty() && ready(peer);
        let behind = |peer: &PeerId| self.last[class].is_none_or(|last| *peer > last);
        let turn = self.waiting.iter().filter(|(peer, _)| behind(peer)).find(&fits);
        let peer = *turn.or_else(|| self.waiting.iter().find(&fits))?.0;
        let (release, chunk) = self.waiting.get_mut(&peer)?[class].pop_front()?;
        self.last[class] = Some(peer);
        Some(Job { peer, release, chunk, urgency })
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
    fn requests_are_bounded() {
        let (mut queues, m) = (Queues::default(), ReleaseId::from_bytes([8; 32]));
        let many: Vec<_> = (0..WAITING_MAX as u32).map(ChunkIndex).collect();
        assert!(queues.push(peer(1), m, Urgency::Background, &many));
        assert!(!queues.push(peer(1), m, Urgency::Play, &[ChunkIndex(0)]));
    }
}
