//! One site's view, row by row: at a millisecond something happens, these outputs follow.
//!
//! The site is `me`; `F` is the flagship, `A` and `B` are sites, `G` and `H` sites in the group of a grouped `me`.
//! Chunk 0 is the page. Unless a row says else, `me` imports chunks below 10, `A` those from 10, `B` those from 20,
//! `G` those from 30 on (ids are searched for that).

mod hearsay;
mod scope;
mod silence;

use super::*;
use crate::content::hash::ChunkId;
use crate::swarm::importer::Member;
use crate::swarm::io::{KnownChunk, Verdict};

const ME: u8 = 0;
const F: u8 = b'F';
const A: u8 = b'A';
const B: u8 = b'B';
const G: u8 = b'G';
const LEN: u32 = 64 << 10;

fn peer(name: u8) -> PeerId {
    PeerId::from_bytes([name; 32])
}

fn profile(name: u8, group: bool) -> PeerProfile {
    let in_group = group && (name == ME || name == G);
    PeerProfile { is_origin: name == F, domain: String::new(), uplink_group: in_group.then(|| "hop".into()), weight: 3 }
}

/// Who imports a chunk while `me`, A, B and G are there.
fn importer(index: u32) -> u8 {
    [ME, A, B, G][(index / 10).min(3) as usize]
}

/// A chunk that its importer wins against all others.
fn known(index: u32) -> KnownChunk {
    let numbered = [ME, A, B, G];
    let wins = |id: &ChunkId| {
        let mut tree = Tree::new(peer(ME), 3);
        tree.elect(ChunkIndex(0), id);
        for (slot, name) in numbered.iter().enumerate().skip(1) {
            let member = Member { slot: Slot(slot as u16), peer: peer(*name), weight: 3, lane: Lane::Site };
            tree.join(member, [(ChunkIndex(0), *id)].into_iter());
        }
        numbered[tree.winner(ChunkIndex(0), Lane::Origin).0 as usize] == importer(index)
    };
    let id =
        (0u64..).map(|salt| ChunkId::of(&[u64::from(index).to_le_bytes(), salt.to_le_bytes()].concat())).find(wins);
    KnownChunk { index: ChunkIndex(index), id: id.expect("some id is won by each"), stored_len: LEN }
}

fn indexes(numbers: &[u32]) -> Vec<ChunkIndex> {
    numbers.iter().copied().map(ChunkIndex).collect()
}

fn known_chunks(numbers: &[u32]) -> Input {
    Input::ChunksKnown(numbers.iter().copied().map(known).collect())
}

fn joined(name: u8) -> Input {
    Input::PeerJoined { peer: peer(name), profile: profile(name, false) }
}

fn joined_grouped(name: u8) -> Input {
    Input::PeerJoined { peer: peer(name), profile: profile(name, true) }
}

fn left(name: u8) -> Input {
    Input::PeerLeft { peer: peer(name) }
}

fn wants(name: u8) -> Input {
    Input::PeerWants { peer: peer(name), wants: true }
}

fn has(name: u8, chunks: &[u32]) -> Input {
    Input::PeerHas { peer: peer(name), set: indexes(chunks).into_iter().collect() }
}

fn gained(name: u8, chunks: &[u32]) -> Input {
    Input::PeerGained { peer: peer(name), gained: indexes(chunks), coming: vec![] }
}

fn coming(name: u8, chunks: &[u32]) -> Input {
    Input::PeerGained { peer: peer(name), gained: vec![], coming: indexes(chunks) }
}

fn refused(name: u8, chunks: &[u32]) -> Input {
    Input::PeerRefused { peer: peer(name), chunks: indexes(chunks) }
}

fn good(name: u8, chunk: u32) -> Input {
    Input::Received { peer: peer(name), chunk: ChunkIndex(chunk), verdict: Verdict::Good }
}

fn bad(name: u8, chunk: u32) -> Input {
    Input::Received { peer: peer(name), chunk: ChunkIndex(chunk), verdict: Verdict::Bad }
}

/// An output as one line: `ask F import 1 2`, `cancel F 1`, `tell +1 ~2`, `drop A`, `complete`.
fn line(output: Output) -> String {
    let name = |peer: PeerId| char::from(peer.as_bytes()[0]);
    let list = |chunks: &[ChunkIndex], mark: &str| -> String {
        let mut numbers: Vec<u32> = chunks.iter().map(|chunk| chunk.0).collect();
        numbers.sort_unstable();
        numbers.iter().map(|number| format!(" {mark}{number}")).collect()
    };
    match output {
        Output::Request { peer, urgency, chunks } => {
            format!("ask {} {}{}", name(peer), format!("{urgency:?}").to_lowercase(), list(&chunks, ""))
        }
        Output::Cancel { peer, chunks } => format!("cancel {}{}", name(peer), list(&chunks, "")),
        Output::Announce { gained, coming } => format!("tell{}{}", list(&gained, "+"), list(&coming, "~")),
        Output::Disconnect { peer, .. } => format!("drop {}", name(peer)),
        Output::Read { pages } => format!("read{}", pages.iter().map(|page| format!(" {page}")).collect::<String>()),
        Output::Complete => "complete".into(),
    }
}

/// A row: at this millisecond this happens, and these are the outputs.
type Row<'a> = (u64, Input, &'a [&'a str]);

fn swarm(group: bool, mode: EgressMode) -> Swarm {
    swarm_with_seed(group, mode, 1)
}

fn swarm_with_seed(group: bool, mode: EgressMode, seed: u64) -> Swarm {
    Swarm::new(Config { me: peer(ME), profile: profile(ME, group), mode, seed, window_rows: 1_000 })
}

#[track_caller]
fn check_swarm(swarm: &mut Swarm, rows: &[Row]) {
    for (millis, input, expected) in rows {
        swarm.handle(Timestamp(millis * 1_000), input.clone());
        let got: Vec<_> = std::iter::from_fn(|| swarm.poll_output()).map(line).collect();
        assert_eq!(&got, expected, "at {millis}: {input:?}");
    }
}

#[track_caller]
fn check(rows: &[Row]) {
    check_swarm(&mut swarm(false, EgressMode::Thrifty), rows);
}

/// Rows for the rest are judged after these: page known and held, F has everything, A and B want it, all have-maps told.
fn in_company(chunks: &[u32]) -> Vec<Row<'static>> {
    vec![
        (0, joined(F), &[]),
        (0, joined(A), &[]),
        (0, joined(B), &[]),
        (0, wants(A), &[]),
        (0, wants(B), &[]),
        (0, has(A, &[]), &[]),
        (0, has(B, &[]), &[]),
        (0, has(F, &(0..40).collect::<Vec<_>>()), &[]),
        (0, known_chunks(&[0]), &["ask F import 0"]),
        (10, good(F, 0), &["tell +0", "complete"]),
        (10, known_chunks(chunks), &[]),
    ]
}

#[track_caller]
fn check_in_company(chunks: &[u32], first: &[&str], rows: &[Row]) {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    let mut setting = in_company(chunks);
    setting.last_mut().expect("it has rows").2 = &[];
    let known = setting.pop().expect("it has rows").1;
    check_swarm(&mut swarm, &setting);
    check_swarm(&mut swarm, &[(10, known, first)]);
    check_swarm(&mut swarm, rows);
}

#[test]
fn alone_it_imports_at_once_pages_first() {
    check(&[
        (0, known_chunks(&[0]), &[]),
        (0, joined(F), &[]),
        (0, has(F, &[0, 1, 11, 21]), &["ask F import 0"]),
        (50, good(F, 0), &["tell +0", "complete"]),
        (50, known_chunks(&[1, 11, 21]), &["ask F import 1 11 21"]),
        (60, good(F, 1), &[]),
        (70, good(F, 21), &[]),
        (80, good(F, 11), &["tell +1 +11 +21", "complete"]),
    ]);
}

#[test]
fn have_maps_under_way_are_waited_for() {
    check(&[
        (0, known_chunks(&[11]), &[]),
        (0, joined(A), &[]),
        (0, joined(F), &[]),
        (0, has(F, &[11]), &[]),
        (400, has(A, &[11]), &["ask A import 11"]),
    ]);
    check(&[
        (0, known_chunks(&[11]), &[]),
        (0, joined(A), &[]),
        (0, joined(F), &[]),
        (0, has(F, &[11]), &[]),
        (1_000, Input::Tick, &["ask F import 11"]),
    ]);
}

#[test]
fn only_its_own_imports_are_asked_of_the_flagship() {
    check_in_company(
        &[1, 11, 21],
        &["ask F import 1"],
        &[
            (110, Input::Tick, &["tell ~1"]),
            (200, gained(A, &[11]), &["ask A background 11"]),
            (300, gained(B, &[21, 11]), &["ask B background 21"]),
            (400, good(A, 11), &[]),
            (500, Input::Tick, &["tell +11"]),
        ],
    );
}

#[test]
fn a_stalled_importer_is_passed_over_but_not_one_that_delivers() {
    let later = "ask F import 11";
    check_in_company(
        &[11, 12],
        &[],
        &[
            (4_900, Input::Tick, &[]),
            (4_950, gained(A, &[12]), &["ask A background 12"]),
            (5_000, good(A, 12), &[]),
            (5_100, Input::Tick, &["tell +12"]),
        ],
    );
    // B is next in order for 11 in this setting or me: once both have been given up, it is me for certain.
    let mut swarm = swarm(false, EgressMode::Thrifty);
    check_swarm(&mut swarm, &in_company(&[11]));
    let mut asked = Vec::new();
    for second in 1..=12 {
        swarm.handle(Timestamp(second * 1_000_000), Input::Tick);
        asked.extend(std::iter::from_fn(|| swarm.poll_output()).map(line));
    }
    assert!(asked.contains(&later.to_string()), "{asked:?}");
}

#[test]
fn what_is_coming_is_left_alone_until_its_deadline_once() {
    check_in_company(
        &[11],
        &[],
        &[
            (100, coming(A, &[11]), &[]),
            (110, left(B), &[]),
            (5_100, Input::Tick, &[]),
            (10_000, coming(A, &[11]), &[]),
            (16_050, Input::Tick, &[]),
            (16_150, Input::Tick, &["ask F import 11"]),
        ],
    );
}

#[test]
fn a_running_import_is_not_displaced_and_a_leaver_is_followed_at_once() {
    check_in_company(
        &[11],
        &[],
        &[
            (100, left(B), &[]),
            (200, left(A), &["ask F import 11"]),
            (300, joined(A), &["tell ~11"]),
            (300, has(A, &[]), &[]),
            (300, wants(A), &[]),
            (400, coming(A, &[11]), &[]),
            (500, good(F, 11), &["tell +11", "complete"]),
        ],
    );
}

#[test]
fn a_refusal_is_asked_elsewhere() {
    check_in_company(
        &[11],
        &[],
        &[
            (100, gained(A, &[11]), &["ask A background 11"]),
            (150, gained(B, &[11]), &[]),
            (200, refused(A, &[11]), &["ask B background 11"]),
            (300, good(B, 11), &["tell +11", "complete"]),
        ],
    );
}

#[test]
fn bad_bytes_are_the_end_of_a_peer() {
    check_in_company(
        &[11, 12],
        &[],
        &[
            (100, gained(A, &[11, 12]), &["ask A background 11 12"]),
            (150, gained(B, &[11, 12]), &[]),
            (200, bad(A, 11), &["drop A", "ask B background 11 12"]),
            (300, joined(A), &[]),
            (300, has(A, &[11, 12]), &[]),
            (400, good(B, 11), &[]),
            (450, good(B, 12), &["tell +11 +12", "complete"]),
        ],
    );
}

#[test]
fn silence_sets_a_peer_aside_and_progress_does_not() {
    let progress = |name| Input::Progress { peer: peer(name), bytes: 600 };
    check_in_company(
        &[11, 50],
        &[],
        &[
            (100, gained(A, &[11]), &["ask A background 11"]),
            (9_000, progress(A), &[]),
            (18_000, progress(A), &[]),
            (18_100, gained(B, &[11]), &[]),
            (31_000, Input::Tick, &["cancel A 11", "ask B background 11"]),
            (31_050, good(A, 11), &["cancel B 11"]),
        ],
    );
}

#[test]
fn the_only_holder_is_asked_again_however_silent() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    check_swarm(
        &mut swarm,
        &[(0, known_chunks(&[1, 2]), &[]), (0, joined(F), &[]), (0, has(F, &[1, 2]), &["ask F import 1 2"])],
    );
    let mut asks = 0;
    while let Some(due) = swarm.next_deadline().filter(|due| due.0 < 600_000_000) {
        swarm.handle(due, Input::Tick);
        asks += std::iter::from_fn(|| swarm.poll_output()).filter(|it| matches!(it, Output::Request { .. })).count();
    }
    assert!((5..=20).contains(&asks), "{asks} probes in ten minutes");
    check_swarm(&mut swarm, &[(600_000, good(F, 1), &["ask F import 2", "tell +1"])]);
}

#[test]
fn the_watcher_comes_first() {
    check_in_company(
        &[1, 11, 21],
        &["ask F import 1"],
        &[
            (20, gained(B, &[]), &[]),
            (30, Input::Urgent(indexes(&[21, 11])), &["ask F play 11 21"]),
            (110, Input::Tick, &["tell ~1 ~11 ~21"]),
        ],
    );
}

#[test]
fn paused_asks_nothing() {
    check_in_company(
        &[1, 2],
        &["ask F import 1 2"],
        &[
            (20, Input::Paused(true), &["cancel F 1 2"]),
            (110, Input::Tick, &["tell ~1 ~2"]),
            (120, gained(A, &[1, 2]), &[]),
            (60_000, Input::Paused(false), &["ask A background 1 2"]),
        ],
    );
}

#[test]
fn lost_chunks_are_missing_again() {
    check(&[
        (0, known_chunks(&[1]), &[]),
        (0, Input::Held(indexes(&[1]).into_iter().collect()), &["complete"]),
        (0, joined(F), &[]),
        (0, has(F, &[1]), &[]),
        (10, Input::NotStored { chunk: ChunkIndex(1) }, &["ask F import 1"]),
        (20, good(F, 1), &["tell +1", "complete"]),
        (30, good(F, 1), &[]),
    ]);
    // The disk was full: what came is missing without having been held.
    check(&[
        (0, known_chunks(&[1]), &[]),
        (0, joined(F), &[]),
        (0, has(F, &[1]), &["ask F import 1"]),
        (10, Input::NotStored { chunk: ChunkIndex(1) }, &["ask F import 1"]),
        (10, Input::Paused(true), &["cancel F 1"]),
        (60_000, Input::Paused(false), &["ask F import 1"]),
    ]);
}

#[test]
fn a_group_takes_each_chunk_in_once() {
    let mut swarm = swarm(true, EgressMode::Thrifty);
    check_swarm(
        &mut swarm,
        &[
            (0, joined_grouped(A), &[]),
            (0, has(A, &[]), &[]),
            (0, joined_grouped(G), &[]),
            (0, has(G, &[]), &[]),
            (0, wants(A), &[]),
            (0, wants(G), &[]),
            (0, known_chunks(&[]), &["complete"]),
            (0, known_chunks(&[1, 31]), &[]),
            (0, gained(A, &[1, 31]), &["ask A import 1"]),
            (100, Input::Tick, &["tell ~1"]),
            (200, gained(G, &[31]), &["ask G background 31"]),
            (300, good(G, 31), &[]),
            (310, good(A, 1), &["tell +1 +31", "complete"]),
        ],
    );
}

fn windowed(rows: u32) -> Swarm {
    let config =
        Config { me: peer(ME), profile: profile(ME, false), mode: EgressMode::Thrifty, seed: 1, window_rows: rows };
    Swarm::new(config)
}

fn read(page: u32, chunks: Vec<KnownChunk>) -> Input {
    Input::PagesRead { pages: vec![page], chunks }
}

#[test]
fn a_large_collection_is_looked_at_page_by_page() {
    let twin = KnownChunk { index: ChunkIndex(4), ..known(3) };
    check_swarm(
        &mut windowed(2),
        &[
            (0, known_chunks(&[0, 1]), &[]),
            (0, joined(F), &[]),
            (0, has(F, &[0, 1, 2, 3, 4, 5]), &["ask F import 0 1"]),
            (10, good(F, 0), &["tell +0"]),
            (10, good(F, 1), &["tell +1", "complete"]),
            (10, Input::ContentWanted(ChunkSpace::new([2, 2])), &["read 0"]),
            (20, read(0, vec![known(2), known(3)]), &["ask F import 2 3"]),
            (30, good(F, 2), &["read 1"]),
            (40, read(1, vec![twin, known(5)]), &["ask F import 5"]),
            (50, good(F, 3), &[]),
            (60, good(F, 5), &["tell +2 +3 +4 +5", "complete"]),
            (70, Input::NotStored { chunk: ChunkIndex(2) }, &["read 0"]),
            (80, read(0, vec![known(2)]), &["ask F import 2"]),
            (90, good(F, 2), &["tell +2", "complete"]),
        ],
    );
}

#[test]
fn what_is_coming_outside_the_window_is_left_alone_when_its_page_is_read() {
    let mut swarm = windowed(2);
    let mut rows = in_company(&[]);
    rows.pop();
    check_swarm(&mut swarm, &rows);
    check_swarm(
        &mut swarm,
        &[
            (10, Input::ContentWanted(ChunkSpace::new([3])), &["read 0"]),
            (20, coming(A, &[1, 2]), &[]),
            (30, read(0, vec![known(1), known(2), known(3)]), &["ask F import 3"]),
            (40, gained(A, &[1]), &["ask A background 1"]),
        ],
    );
}

#[test]
fn fast_mode_takes_extra_from_the_flagship_behind_imports() {
    let mut swarm = swarm(false, EgressMode::Fast);
    let mut rows = in_company(&[1, 11]);
    rows.pop();
    check_swarm(&mut swarm, &rows);
    check_swarm(&mut swarm, &[(10, known_chunks(&[1, 11]), &["ask F import 1", "ask F background 11"])]);
}

#[test]
fn status_tells_why_it_does_not_go_on() {
    let mut swarm = swarm(false, EgressMode::Thrifty);
    check_swarm(&mut swarm, &in_company(&[11, 12, 50]));
    let status = swarm.status();
    assert_eq!((status.known, status.held, status.missing, status.missing_without_holder), (4, 1, 3, 1));
    assert_eq!(status.missing_bytes, 3 * u64::from(LEN));
    assert_eq!(status.waiting_for, [(peer(A), 2)]);
    assert_eq!(status.peers.len(), 3);
}
