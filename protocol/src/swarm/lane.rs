//! Small numbers for the parties of one swarm, and how far a chunk is away.

/// A party of one swarm: a small number in place of 32 bytes, so that per-chunk tables stay small. Reused after a peer
/// has left; whoever keeps one forgets it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u16);

impl Slot {
    /// This node itself.
    pub(super) const ME: Self = Self(0);
}

/// Where a chunk can come from, cheapest first. Members nearer than a lane are the domain that the lane leads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// A site behind the same uplink.
    Group,
    /// A site in the same county.
    County,
    /// A site in the same province.
    Province,
    /// A site elsewhere.
    Site,
    /// Only the publisher: its upload is what must be saved.
    Origin,
    /// Only peers that have let requests lie. No importer rule here: patience has ended.
    Doubtful,
}

/// Number of lanes.
pub(super) const LANES: usize = 6;

impl Lane {
    /// All lanes, cheapest first.
    pub(super) const ALL: [Self; LANES] =
        [Self::Group, Self::County, Self::Province, Self::Site, Self::Origin, Self::Doubtful];

    /// Those that lead to sites, the farthest first.
    pub(super) const SITES: [Self; 4] = [Self::Site, Self::Province, Self::County, Self::Group];
}

/// Mixes 64 bits (finaliser of splitmix64): breaks ties differently at each site, and never decides anything else.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
