//! Several swarms of one node over releases that share chunks, told of each other as a shell does it.

use super::*;
use crate::swarm::io::{Elsewhere, Verdict};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Chunks of each release; index 0 is its page.
const CHUNKS: u32 = 40;
const RELEASES: u32 = 3;

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

/// Two of five chunks are in all releases, at other indexes.
fn chunk(release: u32, index: u32) -> KnownChunk {
    let is_shared = index > 0 && (index + release) % 5 < 2;
    let number = if is_shared { index + release } else { 1_000 * (release + 1) + index };
    KnownChunk { index: ChunkIndex(index), id: ChunkId::of(&number.to_le_bytes()), stored_len: 50_000 }
}

fn swarm(release: u32, fast: bool) -> Swarm {
    let profile = PeerProfile { is_origin: false, domain: String::new(), uplink_group: None, weight: 2 };
    let mode = if fast { EgressMode::Fast } else { EgressMode::Thrifty };
    let config = Config { me: peer(200), profile, mode, seed: u64::from(release), window_rows: 1_000 };
    Swarm::new(config)
}

/// The shell of several swarms: whose chunk was asked of whom, and what is in the store.
struct Shell {
    swarms: Vec<Swarm>,
    now: Timestamp,
    asked: BTreeSet<(usize, PeerId, ChunkIndex)>,
    stored: BTreeSet<ChunkId>,
    arrived: usize,
}

impl Shell {
    fn id(of: usize, index: ChunkIndex) -> ChunkId {
        chunk(of as u32, index.0).id
    }

    fn give(&mut self, of: usize, input: Input) {
        self.swarms[of].handle(self.now, input);
        let ended = self.carry_out(of);
        self.let_others_go_on(of, ended);
    }

    /// Carries out what a swarm has decided, tells the others what began, and returns what ended.
    fn carry_out(&mut self, of: usize) -> Vec<ChunkId> {
        while let Some(output) = self.swarms[of].poll_output() {
            match output {
                Output::Request { peer, chunks, .. } => self.ask(of, peer, &chunks),
                Output::Cancel { peer, chunks } => {
                    chunks.into_iter().for_each(|chunk| assert!(self.asked.remove(&(of, peer, chunk))));
                }
                _ => {}
            }
        }
        let Some(Flights { begun, ended }) = self.swarms[of].poll_flights() else { return Vec::new() };
        for (other, swarm) in self.swarms.iter_mut().enumerate().filter(|(other, _)| *other != of) {
            swarm.handle(self.now, Input::Elsewhere(Elsewhere::Begun(begun.clone())));
            assert_eq!((swarm.poll_output(), swarm.poll_flights()), (None, None), "{other} only takes note");
        }
        ended
    }

    fn let_others_go_on(&mut self, of: usize, ended: Vec<ChunkId>) {
        let mut ended = VecDeque::from([(of, ended)]);
        while let Some((of, chunks)) = ended.pop_front().filter(|(_, chunks)| !chunks.is_empty()) {
            for other in (0..self.swarms.len()).filter(|other| *other != of) {
                self.swarms[other].handle(self.now, Input::Elsewhere(Elsewhere::Ended(chunks.clone())));
                let more = self.carry_out(other);
                ended.push_back((other, more));
            }
        }
    }

    fn ask(&mut self, of: usize, peer: PeerId, chunks: &[ChunkIndex]) {
        for index in chunks {
            let id = Self::id(of, *index);
            assert!(!self.stored.contains(&id), "asked for what is in the store");
            let elsewhere = self.asked.iter().find(|(at, _, asked)| *at != of && Self::id(*at, *asked) == id);
            assert_eq!(elsewhere, None, "{of} asks for what another has under way");
            self.asked.insert((of, peer, *index));
        }
    }

    fn arrive(&mut self, (of, peer, index): (usize, PeerId, ChunkIndex)) {
        self.asked.remove(&(of, peer, index));
        let id = Self::id(of, index);
        self.arrived += usize::from(self.stored.insert(id));
        self.swarms[of].handle(self.now, Input::Received { peer, chunk: index, verdict: Verdict::Good });
        let ended = self.carry_out(of);
        for other in (0..self.swarms.len()).filter(|other| *other != of) {
            if let Some(here) = self.swarms[other].index_of(&id) {
                self.give(other, Input::Held([here].into_iter().collect()));
            }
        }
        self.let_others_go_on(of, ended);
    }

    fn begin(&mut self, release: u32, fast: bool) {
        let mut swarm = swarm(release, fast);
        let under_way = self.swarms.iter().flat_map(Swarm::in_flight).collect();
        swarm.handle(self.now, Input::Elsewhere(Elsewhere::All(under_way)));
        self.swarms.push(swarm);
        let (of, here) = (self.swarms.len() - 1, |index: &u32| self.stored.contains(&chunk(release, *index).id));
        let held = (0..CHUNKS).filter(here).map(ChunkIndex).collect();
        self.give(of, Input::ChunksKnown((0..1).map(|index| chunk(release, index)).collect()));
        self.give(of, Input::Held(held));
        self.give(of, Input::ChunksKnown((1..CHUNKS).map(|index| chunk(release, index)).collect()));
        for (number, is_origin) in [(release as u8 + 1, true), (50, false)] {
            let profile = PeerProfile { is_origin, domain: String::new(), uplink_group: None, weight: 2 };
            self.give(of, Input::PeerJoined { peer: peer(number), profile });
            self.give(of, Input::PeerHas { peer: peer(number), set: ChunkSet::full(CHUNKS) });
        }
    }

    /// One of the requests is answered, refused, or its peer goes and comes again.
    fn step(&mut self, dice: u32) {
        let count = self.asked.len().max(1);
        let Some((of, peer, index)) = self.asked.iter().nth(dice as usize % count).copied() else { return };
        let profile =
            PeerProfile { is_origin: peer.as_bytes()[0] < 50, domain: String::new(), uplink_group: None, weight: 2 };
        match dice >> 16 & 31 {
            0 => {
                self.asked.retain(|(at, who, _)| (*at, *who) != (of, peer));
                self.give(of, Input::PeerLeft { peer });
                self.give(of, Input::PeerJoined { peer, profile });
                self.give(of, Input::PeerHas { peer, set: ChunkSet::full(CHUNKS) });
            }
            1 => {
                self.asked.remove(&(of, peer, index));
                self.give(of, Input::PeerRefused { peer, chunks: vec![index] });
            }
            2 => {
                self.give(of, Input::Paused(true));
                self.give(of, Input::Paused(false));
            }
            _ => self.arrive((of, peer, index)),
        }
    }

    fn tick(&mut self) {
        for of in 0..self.swarms.len() {
            self.give(of, Input::Tick);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chunk_of_several_releases_is_asked_for_once(
        fast in any::<bool>(),
        starts in proptest::collection::vec(0..60usize, RELEASES as usize),
        dice in proptest::collection::vec(any::<u32>(), 600),
    ) {
        let now = Timestamp(0);
        let mut shell = Shell { swarms: vec![], now, asked: BTreeSet::new(), stored: BTreeSet::new(), arrived: 0 };
        for (turn, dice) in dice.into_iter().enumerate() {
            while starts.get(shell.swarms.len()).is_some_and(|start| *start <= turn || shell.swarms.len() < turn / 60) {
                shell.begin(shell.swarms.len() as u32, fast);
            }
            shell.now = shell.now + Duration::from_millis(u64::from(dice >> 24));
            shell.step(dice);
            shell.tick();
        }
        // From here on everything is answered, also what was refused before.
        for release in 0..RELEASES as u8 {
            for peer in [release + 1, 50].map(peer) {
                shell.give(release.into(), Input::PeerHas { peer, set: ChunkSet::full(CHUNKS) });
            }
        }
        for _ in 0..2_000 {
            shell.now = shell.now + Duration::from_millis(200);
            shell.tick();
            if let Some(first) = shell.asked.first().copied() {
                shell.arrive(first);
            }
        }
        let missing: Vec<_> = shell.swarms.iter().map(Swarm::missing_count).collect();
        prop_assert_eq!(missing, vec![0; RELEASES as usize], "{} asked", shell.asked.len());
        let ids: BTreeSet<_> = (0..RELEASES).flat_map(|of| (0..CHUNKS).map(move |index| chunk(of, index).id)).collect();
        prop_assert_eq!(shell.arrived, ids.len());
    }
}
