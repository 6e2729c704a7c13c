//! Which peers a site is told about, and in which order. Pure.
//!
//! Near before far, whole before part, and the origin last among equals: its upload is what must be saved. It is always
//! in the list, because some chunk may be nowhere else.

use karez_protocol::trust::PeerId;
use karez_protocol::trust::roster::{Member, MemberRole};
use std::cmp::Reverse;

/// How much of a collection a peer has. The order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    /// The newest version that anybody holds whole.
    Whole,
    /// Some of it, or an older version.
    Part,
    /// Nothing yet.
    Wanted,
}

/// A peer that could be named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) member: &'a Member,
    pub(crate) share: Share,
    /// Not heard of for some intervals.
    pub(crate) stale: bool,
    /// When it was heard of last; counts among the stale only.
    pub(crate) seen: i64,
    /// The node that publishes the collection.
    pub(crate) origin: bool,
}

/// Best first for the asking member, `cap` at most.
pub(crate) fn order(asker: &Member, candidates: &[Candidate<'_>], cap: usize) -> Vec<PeerId> {
    let origin = candidates.iter().find(|candidate| candidate.origin).map(|candidate| candidate.member.peer);
    // Each is ranked once: comparing paths is what costs.
    let ranked = candidates.iter().map(|candidate| (rank(asker, candidate), candidate.member.peer));
    let mut ranked: Vec<(Rank, PeerId)> = ranked.collect();
    if ranked.len() > cap {
        ranked.select_nth_unstable(cap);
        ranked.truncate(cap);
    }
    ranked.sort_unstable();
    let mut peers: Vec<_> = ranked.into_iter().map(|(_, peer)| peer).collect();
    if let (Some(origin), Some(last)) = (origin.filter(|origin| !peers.contains(origin)), peers.last_mut()) {
        *last = origin;
    }
    peers
}

type Rank = (bool, i64, bool, Reverse<usize>, Share, bool, u64);

fn rank(asker: &Member, candidate: &Candidate<'_>) -> Rank {
    let member = candidate.member;
    (
        candidate.stale,
        if candidate.stale { -candidate.seen } else { 0 },
        !(asker.uplink_group.is_some() && asker.uplink_group == member.uplink_group),
        Reverse(common_domain(&asker.domain, &member.domain)),
        candidate.share,
        candidate.origin || member.role == MemberRole::Flagship,
        distance(&asker.peer, &member.peer),
    )
}

/// Number of leading parts that two domain paths share.
fn common_domain(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b && !a.is_empty()).count()
}

/// A different order of the same peers for each asker, so that not all of them ask the same one first.
fn distance(a: &PeerId, b: &PeerId) -> u64 {
    a.as_bytes().iter().zip(b.as_bytes()).take(8).fold(0, |sum, (a, b)| sum << 8 | u64::from(a ^ b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8, domain: &str, group: Option<&str>, role: MemberRole) -> Member {
        let uplink_group = group.map(str::to_owned);
        let peer = PeerId::from_bytes([number; 32]);
        Member { peer, name: number.to_string(), role, domain: domain.to_owned(), uplink_group, weight: 2 }
    }

    fn site(number: u8, domain: &str, group: Option<&str>) -> Member {
        member(number, domain, group, MemberRole::Site)
    }

    fn candidate(member: &Member, share: Share) -> Candidate<'_> {
        let origin = member.role == MemberRole::Flagship;
        Candidate { member, share, stale: false, seen: 0, origin }
    }

    fn numbers(peers: &[PeerId]) -> Vec<u8> {
        peers.iter().map(|peer| peer.as_bytes()[0]).collect()
    }

    #[test]
    fn near_before_far_whole_before_part_origin_last_among_equals() {
        let asker = site(0, "gansu/minqin", Some("g1"));
        let far = site(1, "yunnan/lijiang", None);
        let province = site(2, "gansu/dunhuang", None);
        let county_part = site(3, "gansu/minqin", None);
        let county_whole = site(4, "gansu/minqin", None);
        let group = site(5, "", Some("g1"));
        let flagship = member(6, "", None, MemberRole::Flagship);
        let rows = vec![
            candidate(&flagship, Share::Whole),
            candidate(&far, Share::Whole),
            candidate(&province, Share::Part),
            candidate(&county_part, Share::Part),
            candidate(&county_whole, Share::Whole),
            candidate(&group, Share::Wanted),
        ];
        assert_eq!(numbers(&order(&asker, &rows, 64)), [5, 4, 3, 2, 1, 6]);
    }

    #[test]
    fn a_similar_name_is_not_the_same_domain() {
        assert_eq!(common_domain("gansu/min", "gansu/minqin"), 1);
        assert_eq!(common_domain("", ""), 0);
        assert_eq!(common_domain("a/b/c", "a/b"), 2);
    }

    #[test]
    fn stale_peers_come_last_the_latest_first() {
        let asker = site(0, "a", Some("g"));
        let (near, far, gone) = (site(1, "a", Some("g")), site(2, "b", None), site(3, "a", Some("g")));
        let stale = |member, seen| Candidate { stale: true, seen, ..candidate(member, Share::Whole) };
        let rows = vec![stale(&gone, 5), stale(&near, 9), candidate(&far, Share::Wanted)];
        assert_eq!(numbers(&order(&asker, &rows, 64)), [2, 1, 3]);
    }

    #[test]
    fn the_origin_is_named_even_when_the_list_is_full() {
        let asker = site(0, "a", None);
        let sites: Vec<_> = (1..=20).map(|number| site(number, "a", None)).collect();
        let flagship = member(99, "", None, MemberRole::Flagship);
        let mut rows: Vec<_> = sites.iter().map(|member| candidate(member, Share::Wanted)).collect();
        rows.push(candidate(&flagship, Share::Whole));
        let peers = numbers(&order(&asker, &rows, 8));
        assert_eq!((peers.len(), peers.last()), (8, Some(&99)));
    }
}
