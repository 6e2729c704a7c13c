//! A collection of a terabyte fits in a small box: the have-maps and the picker of 21 million chunks and 20 peers, measured
//! as resident memory of this process, which does nothing else.
#![cfg(target_os = "linux")]

use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::ChunkSpace;
use karez_protocol::plan::time::Timestamp;
use karez_protocol::swarm::io::{EgressMode, Input, KnownChunk, Output, PeerProfile, Verdict};
use karez_protocol::swarm::{Config, Swarm, WINDOW_ROWS};
use karez_protocol::trust::PeerId;

const PAGES: u32 = 6_400;
const PAGE_ROWS: u32 = 3_300;
const COUNT: u32 = PAGES + PAGES * PAGE_ROWS;
const PEERS: u8 = 20;
/// Chunks that arrive while memory is watched: the window moves on by a few hundred pages.
const ARRIVALS: u32 = 250_000;
/// What 1 TB may take, in KiB.
const KIBIBYTES_MAX: u64 = 128 << 10;

fn chunk(index: u32) -> KnownChunk {
    KnownChunk { index: ChunkIndex(index), id: ChunkId::of(&index.to_le_bytes()), stored_len: 48 << 10 }
}

/// About half of all chunks, without any order in it that a run could shorten; and the first peer has everything.
fn held_by(peer: u8) -> ChunkSet {
    if peer == 0 {
        return ChunkSet::full(COUNT);
    }
    let mut bits = u64::from(peer);
    let mut next = move || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bits >> 63 == 1
    };
    (PAGES..COUNT).filter(|_| next()).map(ChunkIndex).collect()
}

/// Resident memory now and at most so far, in KiB.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says what a process takes");
    let figure = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("every process has this line");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    };
    (figure("VmRSS:"), figure("VmHWM:"))
}

struct Site {
    swarm: Swarm,
    now: u64,
    asked: std::collections::VecDeque<(PeerId, ChunkIndex)>,
    arrived: u32,
}

impl Site {
    fn give(&mut self, input: Input) {
        self.now += 20;
        self.swarm.handle(Timestamp(self.now), input);
        while let Some(output) = self.swarm.poll_output() {
            match output {
                Output::Request { peer, chunks, .. } => {
                    self.asked.extend(chunks.into_iter().map(|chunk| (peer, chunk)))
                }
                Output::Read { pages } => self.read(pages),
                _ => {}
            }
        }
    }

    fn read(&mut self, pages: Vec<u32>) {
        let rows = |page: &u32| PAGES + page * PAGE_ROWS..PAGES + (page + 1) * PAGE_ROWS;
        let chunks = pages.iter().flat_map(rows).map(chunk).collect();
        self.give(Input::PagesRead { pages, chunks });
    }

    fn pull(&mut self) {
        while self.arrived < ARRIVALS {
            let (peer, chunk) = self.asked.pop_front().expect("there is always something to ask for");
            self.arrived += 1;
            self.give(Input::Received { peer, chunk, verdict: Verdict::Good });
        }
    }
}

#[test]
fn a_terabyte_is_looked_at_through_a_window() {
    let (before, _) = resident();
    let profile = |is_origin| PeerProfile { is_origin, domain: String::new(), uplink_group: None, weight: 3 };
    let (me, mode) = (PeerId::from_bytes([99; 32]), EgressMode::Thrifty);
    let swarm = Swarm::new(Config { me, profile: profile(false), mode, seed: 1, window_rows: WINDOW_ROWS });
    let mut site = Site { swarm, now: 0, asked: std::collections::VecDeque::new(), arrived: 0 };
    site.give(Input::ChunksKnown((0..PAGES).map(chunk).collect()));
    site.give(Input::Held(ChunkSet::full(PAGES)));
    for number in 0..PEERS {
        let peer = PeerId::from_bytes([number + 1; 32]);
        site.give(Input::PeerJoined { peer, profile: profile(number == 0) });
        site.give(Input::PeerWants { peer, wants: number > 0 });
        site.give(Input::PeerHas { peer, set: held_by(number) });
    }
    site.give(Input::ContentWanted(ChunkSpace::new(vec![PAGE_ROWS; PAGES as usize])));
    let (opened, _) = resident();
    site.pull();
    let (after, most) = resident();
    let status = site.swarm.status();
    println!(
        "{COUNT} chunks, {PEERS} peers: {} MiB with the window full, {} MiB after {ARRIVALS} chunks, at most {} MiB",
        (opened - before) >> 10,
        (after - before) >> 10,
        (most - before) >> 10
    );
    assert_eq!((status.known, status.held), (COUNT, PAGES + ARRIVALS));
    assert!(most - before <= KIBIBYTES_MAX, "{} KiB", most - before);
}
