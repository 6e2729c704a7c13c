//! Whatever happens in whatever order, the rules of the scheduler hold, and a single honest holder is enough in the end.

use super::*;
use crate::content::hash::ChunkId;
use crate::swarm::io::{Elsewhere, KnownChunk, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

const CHUNKS: u32 = 30;
const PAGES: u32 = 6;
/// Rows of each page, where the content is known page by page.
const PAGE_ROWS: u32 = 4;
const PEERS: u8 = 5;

/// Peer 0 publishes, 1 and 2 share this node's uplink, 3 can be reached by nobody, 4 is in the county.
fn profile(number: u8) -> PeerProfile {
    let uplink_group = matches!(number, 1 | 2).then(|| "hop".to_string());
    let domain = if number == 3 { "gansu" } else { "gansu/minqin" }.to_string();
    PeerProfile { is_origin: number == 0, domain, uplink_group, weight: if number == 3 { 0 } else { 2 } }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number + 1; 32])
}

fn chunk(index: u32) -> KnownChunk {
    KnownChunk { index: ChunkIndex(index), id: ChunkId::of(&index.to_le_bytes()), stored_len: 50_000 + index * 9_000 }
}

fn any_chunks() -> impl Strategy<Value = Vec<ChunkIndex>> {
    proptest::collection::vec((0..CHUNKS + 2).prop_map(ChunkIndex), 0..8)
}

fn any_ids() -> impl Strategy<Value = Vec<ChunkId>> {
    any_chunks().prop_map(|chunks| chunks.into_iter().map(|index| chunk(index.0).id).collect())
}

fn any_input() -> impl Strategy<Value = Input> {
    let who = || (0..PEERS).prop_map(peer);
    prop_oneof![
        2 => (0..PEERS).prop_map(|number| Input::PeerJoined { peer: peer(number), profile: profile(number) }),
        1 => who().prop_map(|peer| Input::PeerLeft { peer }),
        2 => (0..PEERS, any::<bool>())
            .prop_map(|(number, wants)| Input::PeerHeard { peer: peer(number), profile: profile(number), wants }),
        2 => (who(), any::<bool>()).prop_map(|(peer, wants)| Input::PeerWants { peer, wants }),
        3 => (who(), any_chunks()).prop_map(|(peer, set)| Input::PeerHas { peer, set: set.into_iter().collect() }),
        6 => (who(), any_chunks(), any_chunks())
            .prop_map(|(peer, gained, coming)| Input::PeerGained { peer, gained, coming }),
        1 => (who(), any_chunks()).prop_map(|(peer, chunks)| Input::PeerRefused { peer, chunks }),
        3 => (who(), 0..100_000u64).prop_map(|(peer, bytes)| Input::Progress { peer, bytes }),
        8 => (who(), 0..CHUNKS + 2, 0..30).prop_map(|(peer, chunk, luck)| Input::Received {
            peer,
            chunk: ChunkIndex(chunk),
            verdict: if luck == 0 { Verdict::Bad } else { Verdict::Good },
        }),
        1 => (0..CHUNKS).prop_map(|chunk| Input::NotStored { chunk: ChunkIndex(chunk) }),
        1 => any_chunks().prop_map(Input::Urgent),
        1 => any::<bool>().prop_map(Input::Paused),
        1 => any::<bool>().prop_map(|fast| Input::Mode(if fast { EgressMode::Fast } else { EgressMode::Thrifty })),
        1 => any_ids().prop_map(|chunks| Input::Elsewhere(Elsewhere::All(chunks))),
        2 => any_ids().prop_map(|chunks| Input::Elsewhere(Elsewhere::Begun(chunks))),
        2 => any_ids().prop_map(|chunks| Input::Elsewhere(Elsewhere::Ended(chunks))),
        6 => Just(Input::Tick),
    ]
}

/// A shell that remembers what it was told, to judge what comes out.
struct Shell {
    swarm: Swarm,
    now: Timestamp,
    in_flight: BTreeSet<(PeerId, ChunkIndex)>,
    banned: BTreeSet<PeerId>,
    is_paused: bool,
    /// Pages that the swarm wants to look into, and what was held when it said so.
    to_read: VecDeque<(u32, ChunkSet)>,
}

impl Shell {
    /// Reads a page, if one is wanted. One row of each page stands on the page before, too.
    fn read_page(&mut self) -> bool {
        let Some((page, held)) = self.to_read.pop_front() else { return false };
        let rows = PAGES + page * PAGE_ROWS..PAGES + (page + 1) * PAGE_ROWS;
        let twin = |index: u32| {
            if index % PAGE_ROWS == PAGES % PAGE_ROWS && index > PAGES { index - PAGE_ROWS + 1 } else { index }
        };
        let row = |index: u32| KnownChunk { index: ChunkIndex(index), ..chunk(twin(index)) };
        let rows = rows.filter(|index| !held.contains(ChunkIndex(*index)));
        self.give(Input::PagesRead { pages: vec![page], chunks: rows.map(row).collect() });
        true
    }

    fn give(&mut self, input: Input) {
        match &input {
            Input::PeerLeft { peer } | Input::PeerJoined { peer, .. } => self.in_flight.retain(|(of, _)| of != peer),
            Input::Received { peer, chunk, .. } => _ = self.in_flight.remove(&(*peer, *chunk)),
            Input::PeerRefused { peer, chunks } => {
                self.in_flight.retain(|(of, chunk)| of != peer || !chunks.contains(chunk));
            }
            Input::NotStored { chunk } => self.in_flight.retain(|(_, of)| of != chunk),
            Input::Paused(paused) => self.is_paused = *paused,
            _ => {}
        }
        let is_only_noted = matches!(input, Input::Elsewhere(_));
        self.swarm.handle(self.now, input);
        while let Some(output) = self.swarm.poll_output() {
            self.judge(output);
        }
        if is_only_noted && self.swarm.next_deadline().is_some_and(|due| due <= self.now) {
            return self.give(Input::Tick);
        }
        assert!(self.swarm.next_deadline().is_none_or(|due| due > self.now), "no deadline lies in the past");
        let status = self.swarm.status();
        let outstanding: u32 = status.peers.iter().map(|peer| peer.outstanding).sum();
        assert_eq!(outstanding as usize, self.in_flight.len());
        let distinct: BTreeSet<_> = self.in_flight.iter().map(|(_, chunk)| *chunk).collect();
        assert_eq!(status.in_flight as usize, distinct.len());
        let waiting: u32 = status.waiting_for.iter().map(|(_, count)| count).sum();
        assert!(status.in_flight + waiting + status.missing_without_holder <= status.missing);
    }

    fn judge(&mut self, output: Output) {
        match output {
            Output::Request { peer, chunks, .. } => {
                assert!(!self.is_paused && !self.banned.contains(&peer) && !chunks.is_empty());
                for chunk in chunks {
                    assert!(!self.swarm.have().contains(chunk), "asked for what is held");
                    let others = self.in_flight.iter().filter(|(_, of)| *of == chunk).count();
                    let may_double = self.swarm.picker.missing_count() <= 8;
                    assert!(others == 0 || (others == 1 && may_double), "asked twice");
                    assert!(self.in_flight.insert((peer, chunk)), "asked of the same peer twice");
                }
            }
            Output::Cancel { peer, chunks } => {
                chunks.into_iter().for_each(|chunk| assert!(self.in_flight.remove(&(peer, chunk))));
            }
            Output::Disconnect { peer, .. } => {
                self.banned.insert(peer);
                self.in_flight.retain(|(of, _)| *of != peer);
            }
            Output::Read { pages } => {
                let held = self.swarm.have().clone();
                self.to_read.extend(pages.into_iter().map(|page| (page, held.clone())));
            }
            Output::Announce { .. } | Output::Complete => {}
        }
    }

    /// From now on one honest peer is there, and nobody else does anything. True when all is held within ten minutes.
    fn ends_well(&mut self) -> bool {
        let honest = PeerId::from_bytes([77; 32]);
        let profile = PeerProfile { is_origin: false, domain: String::new(), uplink_group: None, weight: 1 };
        self.give(Input::Paused(false));
        self.give(Input::Elsewhere(Elsewhere::All(vec![])));
        self.give(Input::PeerJoined { peer: honest, profile });
        self.give(Input::PeerHas { peer: honest, set: ChunkSet::full(CHUNKS) });
        let end = self.now + Duration::from_secs(600);
        while self.swarm.missing_count() > 0 && self.now < end {
            while self.read_page() {}
            let answer = self.in_flight.iter().find(|(peer, _)| *peer == honest).copied();
            self.now = match (answer, self.swarm.next_deadline()) {
                (Some(_), _) => self.now + Duration::from_millis(20),
                (None, Some(due)) => due,
                (None, None) => return false,
            };
            self.give(match answer {
                Some((peer, chunk)) => Input::Received { peer, chunk, verdict: Verdict::Good },
                None => Input::Tick,
            });
        }
        self.swarm.missing_count() == 0
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_hold_and_one_honest_holder_is_enough(
        grouped in any::<bool>(),
        fast in any::<bool>(),
        windowed in any::<bool>(),
        steps in proptest::collection::vec((any_input(), 0..4_000u64), 1..150),
    ) {
        let profile = PeerProfile { is_origin: false, domain: "gansu/minqin".into(), uplink_group: grouped.then(|| "hop".into()), weight: 2 };
        let mode = if fast { EgressMode::Fast } else { EgressMode::Thrifty };
        let swarm = Swarm::new(Config { me: PeerId::from_bytes([200; 32]), profile, mode, seed: 5, window_rows: 8 });
        let (in_flight, banned) = (BTreeSet::new(), BTreeSet::new());
        let mut shell = Shell { swarm, now: Timestamp(0), in_flight, banned, is_paused: false, to_read: VecDeque::new() };
        shell.give(Input::ChunksKnown((0..PAGES).map(chunk).collect()));
        shell.give(match windowed {
            true => Input::ContentWanted(ChunkSpace::new([PAGE_ROWS; 6])),
            false => Input::ChunksKnown((PAGES..CHUNKS).map(chunk).collect()),
        });
        for (input, millis) in steps {
            shell.now = shell.now + Duration::from_millis(millis);
            shell.give(input);
            if millis % 3 > 0 {
                shell.read_page();
            }
        }
        prop_assert!(shell.ends_well(), "{:#?}", shell.swarm.status());
    }
}
