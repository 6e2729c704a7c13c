//! Exact totals over the unique chunks of a manifest, in bounded memory.
//!
//! What must stay true: each chunk counts once however often it occurs; memory stays below a few MiB at any number of chunks
//! (sorted runs of [`RUN_ROWS`] rows rest in a nameless temporary file and are merged at the end).

use karez_protocol::content::chunk::ChunkEntry;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Rows sorted at a time: 2.3 MB. A run is read back in pieces of [`PIECE_ROWS`]: 1 TB of video is 300 runs, 6 MB.
const RUN_ROWS: usize = 1 << 16;
const PIECE_ROWS: usize = 512;
/// Bytes of a row: id, then stored length in big-endian order.
const ROW_BYTES: usize = 36;

type Row = [u8; ROW_BYTES];

/// The totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Total {
    pub(super) chunks: u64,
    pub(super) stored_bytes: u64,
}

/// Collects rows.
#[derive(Debug)]
pub(super) struct Tally {
    dir: PathBuf,
    rows: Vec<Row>,
    file: Option<File>,
    /// Where each run ends in the file.
    ends: Vec<u64>,
}

impl Tally {
    /// Begins; `dir` takes the temporary file, if one is needed.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), rows: Vec::new(), file: None, ends: Vec::new() }
    }

    pub(super) fn add(&mut self, entry: &ChunkEntry) -> io::Result<()> {
        let mut row = [0; ROW_BYTES];
        row[..32].copy_from_slice(entry.id.as_bytes());
        row[32..].copy_from_slice(&entry.stored_len.to_be_bytes());
        self.rows.push(row);
        if self.rows.len() == RUN_ROWS { self.spill() } else { Ok(()) }
    }

    fn sort(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup_by(|a, b| a[..32] == b[..32]);
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.dir)?);
        }
        let mut out = BufWriter::new(self.file.as_ref().expect("made above"));
        self.rows.iter().try_for_each(|row| out.write_all(row))?;
        out.flush()?;
        let end = self.ends.last().copied().unwrap_or(0) + (self.rows.len() * ROW_BYTES) as u64;
        self.ends.push(end);
        self.rows.clear();
        Ok(())
    }

    /// Merges the runs.
    pub(super) fn finish(mut self) -> io::Result<Total> {
        self.sort();
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut runs: Vec<Run> =
            starts.zip(&self.ends).map(|(at, end)| Run { at, end: *end, piece: Vec::new() }).collect();
        runs.push(Run { at: 0, end: 0, piece: self.rows.into_iter().rev().collect() });
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next(self.file.as_ref())?.map(|row| Reverse((row, number))));
        }
        let (mut total, mut last) = (Total::default(), None);
        while let Some(Reverse((row, number))) = heads.pop() {
            let id = *row.first_chunk::<32>().expect("a row begins with an id");
            if last != Some(id) {
                let stored = u32::from_be_bytes([row[32], row[33], row[34], row[35]]);
                total = Total { chunks: total.chunks + 1, stored_bytes: total.stored_bytes + u64::from(stored) };
                last = Some(id);
            }
            heads.extend(runs[number].next(self.file.as_ref())?.map(|row| Reverse((row, number))));
        }
        Ok(total)
    }
}

/// A sorted run: what is left in the file, and the rows read of it in descending order.
struct Run {
    at: u64,
    end: u64,
    piece: Vec<Row>,
}

impl Run {
    fn next(&mut self, file: Option<&File>) -> io::Result<Option<Row>> {
        if let (true, true, Some(file)) = (self.piece.is_empty(), self.at < self.end, file) {
            let rows = PIECE_ROWS.min((self.end - self.at) as usize / ROW_BYTES);
            let mut bytes = vec![0; rows * ROW_BYTES];
            file.read_exact_at(&mut bytes, self.at)?;
            self.at += bytes.len() as u64;
            self.piece = bytes.as_chunks::<ROW_BYTES>().0.iter().rev().copied().collect();
        }
        Ok(self.piece.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::content::chunk::{Codec, StoredCheck};
    use karez_protocol::content::hash::ChunkId;

    #[test]
    fn each_chunk_counts_once() {
        for (rows, unique) in [(0, 0), (10, 3), (1000, 1000), (200_000, 70_001), (200_000, 200_000)] {
            let dir = tempfile::tempdir().unwrap();
            let mut tally = Tally::new(dir.path());
            for number in 0..rows {
                let number: u64 = number % unique;
                let stored_len = number as u32 % 7 + 1;
                let id = ChunkId::of(&number.to_le_bytes());
                let check = StoredCheck([0; 16]);
                tally.add(&ChunkEntry { id, codec: Codec::Raw, plain_len: stored_len, stored_len, check }).unwrap();
            }
            let stored_bytes = (0..unique).map(|number| number % 7 + 1).sum();
            assert_eq!(tally.finish().unwrap(), Total { chunks: unique, stored_bytes });
        }
    }
}
