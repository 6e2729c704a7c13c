//! The reserve: room on a full disk for what must be written all the same. A file of noise, given up when a small write
//! that matters finds the disk full, and taken back when there is room again.
//!
//! What must stay true: the reserve's bytes are really taken (a file of zeros or holes takes none on some file systems);
//! a write that found the disk full is tried once more, and only when something was given up for it.

use crate::disk::{Disk, is_full};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rosters of the largest networks are 16 MiB; those of a province are one. A few releases and the state fit beside one.
pub const RESERVE_BYTES: u64 = 4 << 20;
const PIECE_BYTES: usize = 64 << 10;

/// The reserve on one disk. It has no state but its file.
#[derive(Debug, Clone)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: u64,
}

/// An error that may say that the disk is full.
pub trait MayBeFull: fmt::Debug {
    /// Whether it does.
    fn is_full(&self) -> bool;
}

impl MayBeFull for io::Error {
    fn is_full(&self) -> bool {
        is_full(self)
    }
}

impl Reserve {
    /// The reserve with this file; nothing is touched.
    pub fn at(disk: Arc<dyn Disk>, path: &Path, bytes: u64) -> Self {
        Self { disk, path: path.into(), bytes }
    }

    /// Takes it, unless it is taken or the disk has not twice the room. True when it is there in the end.
    pub fn take(&self) -> io::Result<bool> {
        match self.disk.len(&self.path) {
            Ok(len) if len == self.bytes => return Ok(true),
            // A kill while it was being taken.
            Ok(_) => self.disk.remove(&self.path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        if self.disk.space(dir)?.free < self.bytes * 2 {
            return Ok(false);
        }
        match self.fill() {
            Ok(()) => self.disk.sync_dir(dir).map(|()| true),
            Err(error) => {
                let _ = self.disk.remove(&self.path);
                if is_full(&error) { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Noise, because some file systems store nothing else in full.
    fn fill(&self) -> io::Result<()> {
        let file = self.disk.create_new(&self.path)?;
        let mut noise = blake3::Hasher::new_derive_key("karez reserve").finalize_xof();
        let (mut piece, mut at) = (vec![0; PIECE_BYTES], 0);
        while at < self.bytes {
            let len = PIECE_BYTES.min((self.bytes - at) as usize);
            noise.fill(&mut piece[..len]);
            file.write_all_at(&piece[..len], at)?;
            at += len as u64;
        }
        file.sync_data()
    }

    /// Gives it up; false when it was given up before.
    pub fn give_up(&self) -> io::Result<bool> {
        match self.disk.remove(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes something that matters: when the disk is full, once more without the reserve.
    pub fn spend<T, E: MayBeFull>(&self, mut write: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        match write() {
            Err(error) if error.is_full() => match self.give_up() {
                Ok(true) => {
                    tracing::warn!(path = %self.path.display(), "the disk is full: the reserve was given up");
                    write()
                }
                _ => Err(error),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
