//! How the index does with many chunks: fills an index with synthetic rows, then measures a store over it.
//!
//! `index20m fill DIR CHUNKS`, then `index20m measure DIR CHUNKS [NEW]` in a process of its own (and a memory cgroup, to
//! see what a small box does). The rows stand for 48 KiB chunks in sparse segment files, which nothing reads; the new
//! chunks are real, and small, so that the index is measured and not the disk.
//!
//! `index20m open DIR CHUNKS [WINDOW]` puts the pages of one collection of all these chunks into the store, and measures what
//! a node does when it opens it: which of them are here? With a WINDOW the chunks of so many rows came in random order.

use anyhow::Context;
use karez_content_tools::pages::Pages;
use karez_content_tools::store::{Store, StoreOptions};
use karez_content_tools::verify::{self, VerifiedChunk};
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page, PageRef};
use rusqlite::{Connection, params};
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const CHUNKS_PER_SEGMENT: u64 = 5400;
const RECORD_BYTES: u64 = 48 << 10;
const SEGMENT_BYTES: u64 = 256 << 20;
/// Ids asked for in one call: what a window of manifest pages holds.
const ASKED_AT_ONCE: usize = 4096;
/// Rows of a page: what a packed page of films has.
const PAGE_ROWS: u64 = 3400;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).map(|word| word.parse::<u64>()).transpose();
    let dir = Path::new(words.get(1).context("usage: index20m fill|measure|open DIR CHUNKS [NEW|WINDOW]")?);
    let chunks = number(2)?.context("how many chunks?")?;
    match words[0].as_str() {
        "fill" => fill(dir, chunks),
        "open" => open(dir, chunks, number(3)?.unwrap_or(1)),
        _ => measure(dir, chunks, number(3)?.unwrap_or(300_000)),
    }
}

fn id(n: u64) -> ChunkId {
    ChunkId::of(&n.to_le_bytes())
}

fn place(n: u64) -> (u64, u64) {
    (1 + n / CHUNKS_PER_SEGMENT, 32 + n % CHUNKS_PER_SEGMENT * RECORD_BYTES)
}

fn fill(dir: &Path, chunks: u64) -> anyhow::Result<()> {
    drop(Store::open(dir, StoreOptions::default())?);
    let index = Connection::open(dir.join("index.sqlite"))?;
    index.execute_batch("PRAGMA synchronous = OFF; DELETE FROM segments; BEGIN")?;
    let segments = chunks.div_ceil(CHUNKS_PER_SEGMENT);
    for segment in 1..=segments {
        let file = File::create(dir.join(format!("segments/{segment:08}.kseg")))?;
        file.set_len(SEGMENT_BYTES)?;
        let held = CHUNKS_PER_SEGMENT.min(chunks - (segment - 1) * CHUNKS_PER_SEGMENT);
        let row = params![segment as i64, SEGMENT_BYTES as i64, held as i64, (held * RECORD_BYTES) as i64];
        index.execute("INSERT INTO segments VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    let mut by_prefix = Vec::with_capacity(chunks as usize);
    {
        let mut insert = index.prepare("INSERT INTO chunks VALUES (?1, ?2, ?3, ?4)")?;
        for n in 0..chunks {
            let ((segment, offset), id) = (place(n), id(n));
            insert.execute(params![segment as i64, offset as i64, 49_000, id.as_bytes().as_slice()])?;
            let prefix = u64::from_be_bytes(*id.as_bytes().first_chunk().context("an id has 32 bytes")?);
            by_prefix.push((prefix, n as u32));
        }
        by_prefix.sort_unstable();
        let mut insert = index.prepare("INSERT INTO places VALUES (?1, ?2, ?3)")?;
        for (prefix, n) in by_prefix {
            let (segment, offset) = place(n.into());
            insert.execute(params![(prefix ^ 1 << 63) as i64, segment as i64, offset as i64])?;
        }
    }
    index.execute("UPDATE swept SET segment = ?1, offset = 0", [segments as i64 + 1])?;
    index.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

fn measure(dir: &Path, chunks: u64, new: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let store = Store::open(dir, StoreOptions::default())?;
    println!("open: {:.2} s, RSS {} MB", begun.elapsed().as_secs_f64(), rss_mb()?);
    let sealed = (0..new).map(fresh).collect::<anyhow::Result<Vec<_>>>()?;
    per_second("put new (1 KiB each)", new, || {
        for chunk in &sealed {
            store.put(chunk)?;
        }
        Ok(store.sync()?)
    })?;
    let ordered = 2_000_000.min(chunks);
    per_second("held, in order", ordered, || ask(&store, 0..ordered, true))?;
    per_second("new", 2_000_000, || ask(&store, chunks + new..chunks + new + 2_000_000, false))?;
    let random: Vec<u64> = (0..20_000).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % chunks.max(1)).collect();
    per_second("held, in random order", random.len() as u64, || ask(&store, random, true))?;
    per_second("read 1 KiB, in order", new, || {
        for chunk in &sealed {
            black_box(store.read_stored(&chunk.id())?.context("it was put")?);
        }
        Ok(())
    })?;
    println!("end: RSS {} MB", rss_mb()?);
    Ok(())
}

/// The chunk that is named in row `n`: within a window the order is random.
fn named(n: u64, window: u64, chunks: u64) -> u64 {
    let begin = n / window * window;
    let len = window.min(chunks - begin);
    // Odd, and prime to any length that has not this very factor.
    begin + (n - begin).wrapping_mul(2_654_435_761) % len
}

fn open(dir: &Path, chunks: u64, window: u64) -> anyhow::Result<()> {
    let store = Store::open(dir, StoreOptions::default())?;
    let mut pages = Vec::new();
    for first in (0..chunks).step_by(PAGE_ROWS as usize) {
        let row = |n| ChunkEntry {
            id: id(named(n, window, chunks)),
            codec: Codec::Raw,
            plain_len: 49_000,
            stored_len: 49_000,
            check: StoredCheck::of(&[]),
        };
        let rows: Vec<ChunkEntry> = (first..chunks.min(first + PAGE_ROWS)).map(row).collect();
        let count = rows.len() as u32;
        let page = verify::seal(&Page::new(vec![], rows, vec![], vec![]).to_bytes(), false)?;
        store.put(&page)?;
        pages.push(PageRef { entry: page.entry(), chunks: count, items: 0, plain_bytes: 0 });
    }
    store.sync()?;
    let metadata = minicbor::decode(&[0xa2, 0, 0, 1, 0x61, b'a'])?;
    let stored_bytes = chunks * 49_000;
    let root = ManifestRoot {
        header: ManifestRoot::new_header(),
        metadata,
        pages,
        plain_bytes: 0,
        stored_bytes,
        files: 0,
        items: 0,
    };
    drop(store);
    let begun = Instant::now();
    let store = Store::open(dir, StoreOptions::default())?;
    println!("open: {:.2} s, RSS {} MB", begun.elapsed().as_secs_f64(), rss_mb()?);
    let pages = Pages::new(Arc::new(root), &store);
    per_second("held of a collection", chunks, || {
        let held = pages.held()?;
        anyhow::ensure!(held.chunks.len() == u64::from(pages.space().count()), "the index is wrong");
        Ok(())
    })?;
    println!("end: RSS {} MB", rss_mb()?);
    Ok(())
}

fn fresh(n: u64) -> anyhow::Result<VerifiedChunk> {
    let mut plain = vec![0; 1024];
    plain[..8].copy_from_slice(&n.to_le_bytes());
    plain[8..16].copy_from_slice(&std::process::id().to_le_bytes().repeat(2));
    Ok(verify::seal(&plain, false)?)
}

fn ask(store: &Store, numbers: impl IntoIterator<Item = u64>, held: bool) -> anyhow::Result<()> {
    let ids: Vec<ChunkId> = numbers.into_iter().map(id).collect();
    for some in ids.chunks(ASKED_AT_ONCE) {
        let found = store.contains_many(some)?;
        anyhow::ensure!(found.iter().all(|found| *found == held), "the index is wrong");
    }
    Ok(())
}

fn per_second(what: &str, count: u64, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let begun = Instant::now();
    run()?;
    println!("{what}: {:.0} per second", count as f64 / begun.elapsed().as_secs_f64().max(1e-9));
    Ok(())
}

fn rss_mb() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
