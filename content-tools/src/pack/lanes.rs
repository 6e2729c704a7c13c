//! The rows of a file that is taken apart, stream by stream, until the file has been read.
//!
//! What must stay true: memory is bounded, whatever the file: of each stream [`ROWS_MAX`] rows wait in memory, the others in a
//! nameless temporary file (57 bytes a row, 0.1 % of the film).
//!
//! Pages of such a file are made when it has been read, because only then are all rows there that its first part needs: in
//! a film whose index stands behind its pictures, the first 48 bytes belong to a chunk that ends with the file. Rejected:
//! (1) cutting all streams where a part ends, which moves boundaries with every edit; (2) reading ahead in the streams
//! that are late, which for the small ones means the whole file.

use super::row;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::recipe::STREAMS_MAX;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Rows of a stream in memory: 0.5 MB, for half a gigabyte of film.
const ROWS_MAX: usize = 8192;

/// Rows by stream.
#[derive(Debug)]
pub(super) struct Lanes {
    dir: PathBuf,
    lanes: Vec<Lane>,
    rows: u64,
}

/// The rows of one stream.
#[derive(Debug, Default)]
struct Lane {
    /// The last ones; those before them are in the file.
    rows: Vec<ChunkEntry>,
    spilled: Option<File>,
    spilled_rows: u64,
}

impl Lanes {
    /// No rows; `dir` takes the temporary files, if any are needed.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), lanes: (0..STREAMS_MAX).map(|_| Lane::default()).collect(), rows: 0 }
    }

    /// Rows of all streams.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the next row of a stream.
    pub(super) fn push(&mut self, row: super::row::Row) -> io::Result<()> {
        let lane = &mut self.lanes[usize::from(row.stream)];
        if lane.rows.len() == ROWS_MAX {
            lane.spill(&self.dir)?;
        }
        lane.rows.push(row.entry);
        self.rows += 1;
        Ok(())
    }

    /// Readers of all streams.
    pub(super) fn readers(&self) -> Vec<LaneReader<'_>> {
        self.lanes.iter().map(|lane| LaneReader { lane, next: 0, piece: Vec::new() }).collect()
    }
}

impl Lane {
    fn spill(&mut self, dir: &Path) -> io::Result<()> {
        let bytes: Vec<u8> = self.rows.iter().flat_map(row::to_bytes).collect();
        if self.spilled.is_none() {
            self.spilled = Some(tempfile::tempfile_in(dir)?);
        }
        let file = self.spilled.as_ref().expect("made above");
        file.write_all_at(&bytes, self.spilled_rows * row::ROW_BYTES as u64)?;
        self.spilled_rows += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }
}

/// Yields the rows of a stream in order.
#[derive(Debug)]
pub(super) struct LaneReader<'l> {
    lane: &'l Lane,
    /// Number of the row behind the piece.
    next: u64,
    /// Rows read back and not yielded yet, in descending order.
    piece: Vec<ChunkEntry>,
}

impl LaneReader<'_> {
    pub(super) fn next(&mut self) -> io::Result<Option<ChunkEntry>> {
        if let Some(entry) = self.piece.pop() {
            return Ok(Some(entry));
        }
        let spilled = self.lane.spilled.as_ref().filter(|_| self.next < self.lane.spilled_rows);
        let Some(file) = spilled else {
            let entry = self.lane.rows.get((self.next - self.lane.spilled_rows) as usize).copied();
            self.next += u64::from(entry.is_some());
            return Ok(entry);
        };
        // A lane spills whole pieces.
        let mut bytes = vec![0; ROWS_MAX * row::ROW_BYTES];
        file.read_exact_at(&mut bytes, self.next * row::ROW_BYTES as u64)?;
        self.next += ROWS_MAX as u64;
        let rows: Option<Vec<_>> = bytes.chunks(row::ROW_BYTES).rev().map(row::from_bytes).collect();
        self.piece = rows.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a temporary file has changed"))?;
        Ok(self.piece.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Row;
    use super::*;
    use karez_protocol::content::chunk::{Codec, StoredCheck};
    use karez_protocol::content::hash::ChunkId;

    #[test]
    fn rows_come_back_in_order_from_memory_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut lanes = Lanes::new(dir.path());
        let entry = |number: u64| {
            let id = ChunkId::of(&number.to_le_bytes());
            ChunkEntry { id, codec: Codec::Raw, plain_len: 7, stored_len: 7, check: StoredCheck([1; 16]) }
        };
        let total = 3 * ROWS_MAX as u64 + 5;
        for number in 0..total {
            lanes.push(Row { stream: (number % 5 == 0).into(), entry: entry(number) }).unwrap();
        }
        assert_eq!(lanes.rows(), total);
        let mut readers = lanes.readers();
        for number in 0..total {
            let found = readers[usize::from(number % 5 == 0)].next().unwrap();
            assert_eq!(found, Some(entry(number)));
        }
        for reader in &mut readers {
            assert_eq!(reader.next().unwrap(), None);
        }
    }
}
