//! SQLite's files beside the simulated disk: what they were after each commit, and what a power cut makes of them.

use super::seeded::Seeded;
use std::fs;
use std::path::Path;

const NAMES: [&str; 2] = ["index.sqlite", "index.sqlite-wal"];

/// The index's files at one moment; an absent one is `None`. The `-shm` file is memory and never survives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IndexFiles([Option<Vec<u8>>; 2]);

impl IndexFiles {
    pub(crate) fn read(store: &Path) -> Self {
        Self(NAMES.map(|name| fs::read(store.join(name)).ok()))
    }

    pub(crate) fn write(&self, store: &Path) {
        for (name, bytes) in NAMES.iter().zip(&self.0) {
            if let Some(bytes) = bytes {
                fs::write(store.join(name), bytes).unwrap();
            }
        }
    }

    /// Truncated or overwritten in one of its files.
    fn torn(mut self, random: &mut Seeded) -> Self {
        let at = random.below(2) as usize;
        let Some(bytes) = self.0[at].as_mut().filter(|bytes| !bytes.is_empty()) else { return self };
        let place = random.below(bytes.len() as u64) as usize;
        if random.below(2) == 0 {
            bytes.truncate(place);
        } else {
            // The first page is where an unfinished write does most harm; whole sectors, as a disk would.
            let begin = if random.below(2) == 0 { 0 } else { place / 512 * 512 };
            let end = bytes.len().min(begin + 4096);
            bytes[begin..end].iter_mut().for_each(|byte| *byte = random.next() as u8);
        }
        self
    }
}

/// The four ways of a power cut with the index, in turn: as last written, gone or empty, torn, older.
pub(crate) fn after_cut(history: &[IndexFiles], seed: u64) -> (&'static str, IndexFiles) {
    let mut random = Seeded::new(!seed);
    let last = history.last().cloned().unwrap_or_default();
    match seed % 4 {
        0 => ("last", last),
        1 if random.below(2) == 0 => ("gone", IndexFiles::default()),
        1 => ("empty", IndexFiles([Some(Vec::new()), None])),
        2 => ("torn", last.torn(&mut random)),
        _ => ("older", history[random.below(history.len() as u64) as usize].clone()),
    }
}
