//! What an edit costs under different cut profiles: `cargo x bench profiles` runs this; docs/decisions/0012-cut-profiles.md
//! has the table.
//!
//! What must stay true: bytes of changed manifest pages count; each candidate gets the same bytes; cutting and hashing are
//! timed apart and on one core.

mod listing;
mod material;

use karez_content_tools::cut::{Block, Cutter, Plan};
use karez_protocol::content::cut_profile::{CutProfile, CutProfileId};
use karez_protocol::content::hash::ChunkId;
use listing::Listing;
use material::Kind;
use std::time::{Duration, Instant};

/// Minimum as a part of `normal`, and how many bits the masks are stricter and looser than its logarithm. The maximum is
/// four times `normal`. The last two are kept to show what strong normalisation costs: boundaries return late after an edit.
const SHAPES: [(u32, u32, u32); 6] = [(4, 1, 1), (4, 2, 2), (8, 1, 1), (16, 0, 0), (4, 3, 3), (2, 3, 3)];
/// Logarithms of `normal`: 8 to 128 KiB.
const NORMAL_BITS: std::ops::RangeInclusive<u32> = 13..=17;

fn candidates() -> impl Iterator<Item = (String, CutProfile)> {
    let high_bits = |bits: u32| !0u64 << (64 - bits);
    SHAPES.into_iter().flat_map(move |(part, strict, loose)| {
        NORMAL_BITS.map(move |bits| {
            let normal = 1u32 << bits;
            let profile = CutProfile {
                id: CutProfileId(u8::MAX),
                name: "candidate",
                min: normal / part,
                normal,
                max: 4 * normal,
                mask_strict: high_bits(bits + strict),
                mask_loose: high_bits(bits - loose),
            };
            (format!("{} KiB, min 1/{part}, +{strict} -{loose}", normal >> 10), profile)
        })
    })
}

/// `profiles [MiB of film] [KIND]`
fn main() {
    let mut arguments = std::env::args().skip(1);
    let film_mib: usize = arguments.next().map_or(256, |text| text.parse().expect("a number of MiB"));
    let only = arguments.next();
    let kinds = material::all(film_mib << 20);
    for kind in kinds.iter().filter(|kind| only.as_ref().is_none_or(|only| *only == kind.name)) {
        println!("\n{}: {} files, {} bytes changed", kind.name, kind.new.len(), kind.changed);
        println!(
            "| normal, min, masks | mean KiB | new chunks | new pages | sum | B per row | pages % | stored % | cut, hash GB/s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for (name, profile) in candidates() {
            println!("| {name} | {} |", figures(kind, profile).join(" | "));
        }
    }
}

fn figures(kind: &Kind, profile: CutProfile) -> Vec<String> {
    let [old, new] = [&kind.old, &kind.new].map(|files| Listing::of(files, profile, kind.may_compress));
    let (chunks, pages) = new.new_bytes(&old);
    let (all_chunks, all_pages) = new.new_bytes(&Listing::default());
    let part = |bytes: u64| format!("{:.2}", bytes as f64 / kind.changed as f64);
    let percent = |bytes: u64| format!("{:.2}", 100.0 * bytes as f64 / new.plain_bytes as f64);
    let (cutting, hashing) = speed(&kind.new[0].bytes, profile);
    vec![
        format!("{:.1}", new.plain_bytes as f64 / new.rows as f64 / 1024.0),
        part(chunks),
        part(pages),
        part(chunks + pages),
        format!("{:.1}", all_pages as f64 / new.rows as f64),
        percent(all_pages),
        percent(all_chunks + all_pages),
        format!("{cutting:.1}, {hashing:.1}"),
    ]
}

/// Gigabytes a second of cutting and of hashing what was cut.
fn speed(bytes: &[u8], profile: CutProfile) -> (f64, f64) {
    let (mut cutter, mut block) = (Cutter::new(bytes, profile, Plan::plain()), Block::default());
    let (mut cutting, mut hashing) = (Duration::ZERO, Duration::ZERO);
    loop {
        let begun = Instant::now();
        let more = cutter.next_block(&mut block).expect("memory can be read");
        cutting += begun.elapsed();
        if !more {
            break;
        }
        let begun = Instant::now();
        block.chunks().for_each(|chunk| {
            std::hint::black_box(ChunkId::of(chunk.plain));
        });
        hashing += begun.elapsed();
    }
    let rate = |time: Duration| bytes.len() as f64 / 1e9 / time.as_secs_f64();
    (rate(cutting), rate(hashing))
}
