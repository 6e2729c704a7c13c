//! Who imports a chunk into a domain: weighted rendezvous hashing over its members. No election, no coordinator.
//!
//! Each (chunk, member) pair has a score; the lowest wins. The score is an exponential race: `-log2(u) / 2^w`, where `u`
//! are the first 64 bits of BLAKE3(chunk id, peer id) read as a fraction and `w` is the roster's weight, so a member wins
//! in proportion to `2^w`, and a leaving member's chunks spread over the others while all else stays. Integer arithmetic
//! only: two machines must never disagree. `log2` is a quadratic between powers of two (error under 0.009, monotone),
//! which moves shares by less than one percent.
//!
//! The score does not know the domain: the winner of the network is the winner of its uplink group, too.
//!
//! Weight 0 (nobody can reach it) ranks behind every weighted member: it takes a chunk only when no weighted member does.
//! As the other members do not count on it at all, that is "it imports for itself alone".
//!
//! Rejected: (1) a score per chunk number: members on different versions would disagree; (2) recomputing all winners when
//! a member comes or goes: 40 ms for 20 000 chunks and 20 members, where keeping the winning score costs 2 ms.

use super::lane::Slot;
use crate::content::chunk::ChunkIndex;
use crate::content::hash::ChunkId;
use crate::trust::PeerId;
use std::collections::BTreeMap;

/// Largest weight that counts: a hub of 2^16 village links.
const WEIGHT_MAX: u8 = 16;
/// Fraction bits of `-log2`; 7 bits hold the whole part, up to 64.
const FRACTION_BITS: u32 = 57;

/// A place in the race for one chunk; lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    unweighted: bool,
    race: u64,
}

#[derive(Debug, Clone)]
struct Member {
    slot: Slot,
    peer: PeerId,
    weight: u8,
}

impl Member {
    fn score(&self, chunk: &ChunkId) -> Score {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(chunk.as_bytes());
        pair[32..].copy_from_slice(self.peer.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(&pair).as_bytes()[..8]);
        let race = minus_log2(u64::from_le_bytes(first)) >> self.weight.min(WEIGHT_MAX);
        Score { unweighted: self.weight == 0, race }
    }
}

/// `-log2(u / 2^64)` as a fixed-point number with [`FRACTION_BITS`].
fn minus_log2(u: u64) -> u64 {
    let u = u.max(1);
    let whole = u.leading_zeros();
    // The bits behind the leading one, as a 32-bit fraction f in [0, 1).
    let f = u.wrapping_shl(whole + 1) >> 32;
    // log2(1 + f) = f + 0.3463 f (1 - f)
    let bend = (((f * ((1 << 32) - f)) >> 32) * 1_487_351_000) >> 32;
    (u64::from(whole + 1) << FRACTION_BITS) - ((f + bend) << (FRACTION_BITS - 32))
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    slot: Slot,
    score: Score,
}

/// The members of one domain and, for each chunk asked about, its winner.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    members: Vec<Member>,
    seats: BTreeMap<ChunkIndex, Seat>,
}

impl Domain {
    /// A domain with one member: this node, which can always import for itself.
    pub(super) fn new(me: PeerId, weight: u8) -> Self {
        Self { members: vec![Member { slot: Slot::ME, peer: me, weight }], seats: BTreeMap::new() }
    }

    /// Whether anybody else is in it.
    pub(super) fn has_others(&self) -> bool {
        self.members.len() > 1
    }

    /// Whether a peer is in it.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.members.iter().any(|member| member.slot == slot)
    }

    /// Makes a chunk known: from now on its winner is kept.
    pub(super) fn elect(&mut self, chunk: ChunkIndex, id: &ChunkId) {
        let seats = self.members.iter().map(|member| Seat { slot: member.slot, score: member.score(id) });
        if let Some(best) = seats.min_by_key(|seat| seat.score) {
            self.seats.insert(chunk, best);
        }
    }

    /// Makes a chunk unknown again.
    pub(super) fn forget(&mut self, chunk: ChunkIndex) {
        self.seats.remove(&chunk);
    }

    /// The importer of a chunk.
    pub(super) fn winner(&self, chunk: ChunkIndex) -> Slot {
        self.seats.get(&chunk).map_or(Slot::ME, |seat| seat.slot)
    }

    /// Adds a member; `chunks` are the missing ones. Returns those it now imports.
    pub(super) fn join(
        &mut self,
        (slot, peer, weight): (Slot, PeerId, u8),
        chunks: impl Iterator<Item = (ChunkIndex, ChunkId)>,
    ) -> Vec<ChunkIndex> {
        let member = Member { slot, peer, weight };
        let mut won = Vec::new();
        for (chunk, id) in chunks {
            let seat = Seat { slot, score: member.score(&id) };
            if let Some(old) = self.seats.get_mut(&chunk)
                && seat.score < old.score
            {
                *old = seat;
                won.push(chunk);
            }
        }
        self.members.push(member);
        won
    }

    /// Removes a member; `chunks` are the missing ones. Returns those it imported: the next in order have stepped up.
    pub(super) fn leave(&mut self, slot: Slot, chunks: impl Iterator<Item = (ChunkIndex, ChunkId)>) -> Vec<ChunkIndex> {
        self.members.retain(|member| member.slot != slot);
        let mut lost = Vec::new();
        for (chunk, id) in chunks {
            if self.winner(chunk) == slot {
                self.elect(chunk, &id);
                lost.push(chunk);
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    fn chunks(count: u32) -> impl Iterator<Item = (ChunkIndex, ChunkId)> + Clone {
        (0..count).map(|i| (ChunkIndex(i), ChunkId::of(&i.to_le_bytes())))
    }

    /// Shares of `2^weight` members in 20 000 chunks, in percent, as the first member sees them.
    fn check_shares(weights: &[u8], percent: &[u32]) {
        let mut domain = Domain::new(peer(0), weights[0]);
        for (chunk, id) in chunks(20_000) {
            domain.elect(chunk, &id);
        }
        for (number, weight) in weights.iter().enumerate().skip(1) {
            domain.join((Slot(number as u16), peer(number as u8), *weight), chunks(20_000));
        }
        let mut counts = vec![0u32; weights.len()];
        for (chunk, _) in chunks(20_000) {
            counts[domain.winner(chunk).0 as usize] += 1;
        }
        for (count, expected) in counts.iter().zip(percent) {
            assert!((count / 200).abs_diff(*expected) <= 1, "{weights:?}: {counts:?}");
        }
    }

    #[test]
    fn shares_follow_weights() {
        check_shares(&[1], &[100]);
        check_shares(&[1, 1, 1, 1], &[25, 25, 25, 25]);
        check_shares(&[1, 2, 3], &[14, 28, 57]);
        check_shares(&[0, 1, 1], &[0, 50, 50]);
        check_shares(&[0], &[100]);
    }

    #[test]
    fn order_of_arrival_does_not_matter_and_leaving_moves_only_its_own() {
        let build = |order: &[u8]| {
            let mut domain = Domain::new(peer(0), 1);
            for (chunk, id) in chunks(1_000) {
                domain.elect(chunk, &id);
            }
            for number in order {
                domain.join((Slot(u16::from(*number)), peer(*number), 1), chunks(1_000));
            }
            domain
        };
        let (mut one, other, without) = (build(&[1, 2, 3]), build(&[3, 1, 2]), build(&[1, 3]));
        for (chunk, _) in chunks(1_000) {
            assert_eq!(one.winner(chunk), other.winner(chunk));
        }
        let moved = one.leave(Slot(2), chunks(1_000));
        for (chunk, _) in chunks(1_000) {
            assert_eq!(one.winner(chunk), without.winner(chunk));
            assert_eq!(moved.contains(&chunk), other.winner(chunk) == Slot(2));
        }
    }

    #[test]
    fn logarithm_is_close_and_monotone() {
        let mut last = u64::MAX;
        for step in 1..100_000u64 {
            let u = step * (u64::MAX / 100_000);
            let got = minus_log2(u);
            let exact = 64.0 - (u as f64).log2();
            let error = got as f64 / 2f64.powi(FRACTION_BITS as i32) - exact;
            assert!(error.abs() < 0.009 && got <= last, "{u}: {error}");
            last = got;
        }
        assert_eq!(minus_log2(0), 64 << FRACTION_BITS);
        assert!(minus_log2(u64::MAX) < 1 << (FRACTION_BITS - 20));
    }
}
