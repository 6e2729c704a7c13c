//! Who imports a chunk into a domain: weighted rendezvous hashing over its members. No election, no coordinator.
//!
//! Domains lie in one another like a tree: uplink group, county, province, network. A lane leads into the domain of all who
//! are nearer than it, so a member's lane says which domains it is in, and each lane has its importer for each chunk.
//!
//! Each (chunk, member) pair has a score; the lowest wins. The score is an exponential race: `-log2(u) / 2^w`, where `u`
//! are the first 64 bits of BLAKE3(chunk id, peer id) read as a fraction and `w` is the roster's weight, so a member wins
//! in proportion to `2^w`, and a leaving member's chunks spread over the others while all else stays. Integer arithmetic
//! only: two machines must never disagree. `log2` is a quadratic between powers of two (error under 0.009, monotone),
//! which moves shares by less than one percent.
//!
//! The score does not know the domain: who wins a domain wins each smaller one it is in, so the importer of a county needs
//! nobody's leave to take a chunk over its own uplink.
//!
//! Weight 0 (nobody can dial it) ranks behind every weighted member: it takes a chunk only when no weighted member does. Where
//! there are none, members of weight 0 import for each other: whoever sees them reaches them.
//!
//! Rejected: (1) a score per chunk number: members on different versions would disagree; (2) recomputing all winners when
//! a member comes or goes: 40 ms for 20 000 chunks and 20 members, where keeping the winning score costs 2 ms; (3) a
//! table for each domain: four hashes of each pair in place of one.

use super::lane::{Lane, Slot};
use crate::content::chunk::ChunkIndex;
use crate::content::hash::ChunkId;
use crate::trust::PeerId;
use std::collections::BTreeMap;

/// Largest weight that counts: a hub of 2^16 village links.
const WEIGHT_MAX: u8 = 16;
/// Fraction bits of `-log2`; 7 bits hold the whole part, up to 64.
const FRACTION_BITS: u32 = 57;

/// Domains that a lane leads into: one for each lane with an importer.
const DOMAINS: usize = 4;
/// Marks scores of weight 0, which come behind all others.
const UNWEIGHTED: u64 = 1 << 63;

/// The domain that a lane leads into; `None` where no bottleneck is crossed or nobody is waited for.
fn domain(lane: Lane) -> Option<usize> {
    match lane {
        Lane::Group | Lane::Doubtful => None,
        Lane::County => Some(0),
        Lane::Province => Some(1),
        Lane::Site => Some(2),
        Lane::Origin => Some(3),
    }
}

/// A member of at least the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Who, here.
    pub(super) slot: Slot,
    /// Who, everywhere.
    pub(super) peer: PeerId,
    /// Power of two.
    pub(super) weight: u8,
    /// The lane it is reached over.
    pub(super) lane: Lane,
}

impl Member {
    /// Its place in the race for a chunk; lower is better.
    fn score(&self, chunk: &ChunkId) -> u64 {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(chunk.as_bytes());
        pair[32..].copy_from_slice(self.peer.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(&pair).as_bytes()[..8]);
        let race = minus_log2(u64::from_le_bytes(first));
        match self.weight {
            0 => UNWEIGHTED | race >> 1,
            weight => race >> weight.min(WEIGHT_MAX),
        }
    }

    /// The domains it is in: those of all lanes beyond its own.
    fn domains(&self) -> std::ops::Range<usize> {
        match self.lane {
            Lane::Group => 0..DOMAINS,
            Lane::County => 1..DOMAINS,
            Lane::Province => 2..DOMAINS,
            Lane::Site => 3..DOMAINS,
            Lane::Origin | Lane::Doubtful => DOMAINS..DOMAINS,
        }
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
    score: u64,
}

/// The members of this node's domains and, for each chunk asked about, the winner of each.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    members: Vec<Member>,
    /// Members of each domain beside this node.
    others: [usize; DOMAINS],
    seats: BTreeMap<ChunkIndex, [Seat; DOMAINS]>,
}

impl Tree {
    /// Domains with one member: this node, which can always import for itself.
    pub(super) fn new(me: PeerId, weight: u8) -> Self {
        let me = Member { slot: Slot::ME, peer: me, weight, lane: Lane::Group };
        Self { members: vec![me], others: [0; DOMAINS], seats: BTreeMap::new() }
    }

    /// Whether anybody else is in the domain that a lane leads into.
    pub(super) fn has_others(&self, lane: Lane) -> bool {
        domain(lane).is_some_and(|domain| self.others[domain] > 0)
    }

    /// Whether a peer is in it.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.members.iter().any(|member| member.slot == slot)
    }

    /// Makes a chunk known: from now on its winners are kept.
    pub(super) fn elect(&mut self, chunk: ChunkIndex, id: &ChunkId) {
        let mut seats = [Seat { slot: Slot::ME, score: u64::MAX }; DOMAINS];
        for member in &self.members {
            let seat = Seat { slot: member.slot, score: member.score(id) };
            let won = seats[member.domains()].iter_mut().filter(|old| seat.score < old.score);
            won.for_each(|old| *old = seat);
        }
        self.seats.insert(chunk, seats);
    }

    /// Makes a chunk unknown again.
    pub(super) fn forget(&mut self, chunk: ChunkIndex) {
        self.seats.remove(&chunk);
    }

    /// The importer of a chunk over a lane.
    pub(super) fn winner(&self, chunk: ChunkIndex, lane: Lane) -> Slot {
        let seat = domain(lane).and_then(|domain| Some(self.seats.get(&chunk)?[domain]));
        seat.map_or(Slot::ME, |seat| seat.slot)
    }

    /// Adds a member; `chunks` are the missing ones. Returns those it now imports into some domain.
    pub(super) fn join(
        &mut self,
        member: Member,
        chunks: impl Iterator<Item = (ChunkIndex, ChunkId)>,
    ) -> Vec<ChunkIndex> {
        let mut won = Vec::new();
        for (chunk, id) in chunks {
            let Some(seats) = self.seats.get_mut(&chunk) else { continue };
            let seat = Seat { slot: member.slot, score: member.score(&id) };
            let lost = seats[member.domains()].iter_mut().filter(|old| seat.score < old.score);
            if lost.map(|old| *old = seat).count() > 0 {
                won.push(chunk);
            }
        }
        self.others[member.domains()].iter_mut().for_each(|count| *count += 1);
        self.members.push(member);
        won
    }

    /// Removes a member; `chunks` are the missing ones. Returns those it imported: the next in order have stepped up.
    pub(super) fn leave(&mut self, slot: Slot, chunks: impl Iterator<Item = (ChunkIndex, ChunkId)>) -> Vec<ChunkIndex> {
        for member in self.members.extract_if(.., |member| member.slot == slot) {
            self.others[member.domains()].iter_mut().for_each(|count| *count -= 1);
        }
        let mut lost = Vec::new();
        for (chunk, id) in chunks {
            if self.seats.get(&chunk).is_some_and(|seats| seats.iter().any(|seat| seat.slot == slot)) {
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

    fn site(number: u8, lane: Lane) -> Member {
        Member { slot: Slot(u16::from(number)), peer: peer(number), weight: 1, lane }
    }

    /// Shares of `2^weight` members in 20 000 chunks, in percent, as the first member sees them.
    fn check_shares(weights: &[u8], percent: &[u32]) {
        let mut tree = Tree::new(peer(0), weights[0]);
        for (chunk, id) in chunks(20_000) {
            tree.elect(chunk, &id);
        }
        for (number, weight) in weights.iter().enumerate().skip(1) {
            tree.join(Member { weight: *weight, ..site(number as u8, Lane::Site) }, chunks(20_000));
        }
        let mut counts = vec![0u32; weights.len()];
        for (chunk, _) in chunks(20_000) {
            counts[tree.winner(chunk, Lane::Origin).0 as usize] += 1;
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
            let mut tree = Tree::new(peer(0), 1);
            for (chunk, id) in chunks(1_000) {
                tree.elect(chunk, &id);
            }
            for number in order {
                tree.join(site(*number, Lane::Site), chunks(1_000));
            }
            tree
        };
        let (mut one, other, without) = (build(&[1, 2, 3]), build(&[3, 1, 2]), build(&[1, 3]));
        for (chunk, _) in chunks(1_000) {
            assert_eq!(one.winner(chunk, Lane::Origin), other.winner(chunk, Lane::Origin));
        }
        let moved = one.leave(Slot(2), chunks(1_000));
        for (chunk, _) in chunks(1_000) {
            assert_eq!(one.winner(chunk, Lane::Origin), without.winner(chunk, Lane::Origin));
            assert_eq!(moved.contains(&chunk), other.winner(chunk, Lane::Origin) == Slot(2));
        }
    }

    /// Numbers of the members in the domain that each lane leads into, from the chunks that each wins.
    fn check_domains(lanes: &[Lane], expected: [(Lane, &[u16]); 4]) {
        let mut tree = Tree::new(peer(0), 1);
        for (chunk, id) in chunks(400) {
            tree.elect(chunk, &id);
        }
        for (number, lane) in (1..).zip(lanes) {
            tree.join(site(number, *lane), chunks(400));
        }
        for (lane, members) in expected {
            let winners: std::collections::BTreeSet<_> = chunks(400).map(|(it, _)| tree.winner(it, lane).0).collect();
            assert_eq!(winners.into_iter().collect::<Vec<_>>(), members, "{lanes:?} over {lane:?}");
            assert_eq!(tree.has_others(lane), members.len() > 1, "{lane:?}");
        }
        // Whoever imports into a domain imports into the smaller ones that it is in.
        for (chunk, _) in chunks(400) {
            let winner = tree.winner(chunk, Lane::Origin);
            let inner = Lane::SITES.into_iter().filter(|lane| {
                let member = tree.members.iter().find(|member| member.slot == winner);
                member.is_some_and(|member| member.lane < *lane)
            });
            inner.for_each(|lane| assert_eq!(tree.winner(chunk, lane), winner));
        }
    }

    #[test]
    fn a_lane_leads_into_the_domain_of_all_who_are_nearer() {
        use Lane::{County, Group, Origin, Province, Site};
        check_domains(&[], [(County, &[0]), (Province, &[0]), (Site, &[0]), (Origin, &[0])]);
        check_domains(
            &[Group, County, Province, Site],
            [(County, &[0, 1]), (Province, &[0, 1, 2]), (Site, &[0, 1, 2, 3]), (Origin, &[0, 1, 2, 3, 4])],
        );
        check_domains(&[Site, Group], [(County, &[0, 2]), (Province, &[0, 2]), (Site, &[0, 2]), (Origin, &[0, 1, 2])]);
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
