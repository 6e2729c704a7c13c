//! Files outside the store, that chunks refer to: real ones, as the store opens them by itself, of which the simulated disk knows
//! whether they were synced.
//!
//! What must stay true: the workload sees its files as it wrote them; only who examines what a cut left sees less.

use super::{SimDisk, State};
use crate::seeded::Seeded;
use crate::sync_site::Synced;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(super) struct Outside {
    pub(super) inode: u64,
    len: usize,
    synced: bool,
    /// What a cut left of it, when that is less.
    left: Option<usize>,
}

impl Outside {
    pub(super) fn cut(&self, mood: u64, random: &mut Seeded) -> Self {
        let left = match mood {
            0 => 0,
            1 => self.len,
            _ => random.below(self.len as u64 + 1) as usize,
        };
        let left = if self.synced { self.left } else { Some(left) };
        Self { synced: true, left, ..self.clone() }
    }
}

impl SimDisk {
    /// Writes a file outside the store, which nobody has synced yet.
    pub(crate) fn write_outside(&self, path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        let inode = fs::metadata(path).unwrap().ino();
        let file = Outside { inode, len: bytes.len(), synced: false, left: None };
        self.0.state.lock().unwrap().outside.insert(path.into(), file);
    }

    pub(super) fn sync_files_outside(&self, which: impl Fn(&Outside) -> bool) -> io::Result<()> {
        self.sync(self.site(Synced::Outside), |state, done| {
            for file in state.outside.values_mut().filter(|file| which(file)) {
                file.synced |= done;
            }
        })
    }
}

impl State {
    /// Makes the files outside what a cut left of them.
    pub(crate) fn lay_out(&self) -> LaidOut {
        let shorter = self.outside.iter().filter_map(|(path, file)| Some((path, file.left?)));
        let lay_out = |(path, left): (&PathBuf, usize)| {
            let whole = fs::read(path).unwrap();
            fs::write(path, &whole[..left]).unwrap();
            (path.clone(), whole)
        };
        LaidOut(shorter.map(lay_out).collect())
    }
}

/// The files as they were come back when this goes.
pub(crate) struct LaidOut(Vec<(PathBuf, Vec<u8>)>);

impl Drop for LaidOut {
    fn drop(&mut self) {
        for (path, whole) in &self.0 {
            fs::write(path, whole).unwrap();
        }
    }
}
