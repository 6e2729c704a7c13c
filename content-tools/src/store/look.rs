//! Looking into a store that cannot be written to, or must not be: a disk that was mounted read-only to save what is on it,
//! a backup, somebody else's folder.
//!
//! What must stay true: nothing in the store's folder is created, changed or removed. The index is copied to the folder for
//! temporary files (1.5 GB for a terabyte of content), brought up to date there as at any opening, and goes with the store.
//! The lock is shared and taken only where its file is there, so that several may look and a node is not disturbed.

use super::{Store, StoreError, StoreOptions};
use crate::disk::{self, Disk, DiskLock, RealDisk};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Files of the index that a copy needs: what was committed last may be in the second.
const INDEX_FILES: [&str; 2] = ["index.sqlite", "index.sqlite-wal"];

impl Store {
    /// Opens a store for reading only. Whatever would write fails with [`StoreError::ReadOnly`].
    pub fn open_to_look(dir: &Path) -> Result<Self, StoreError> {
        let lock = lock(&dir.join("lock"), dir)?;
        let scratch = copy_index(dir)?;
        let index = scratch.path().join(INDEX_FILES[0]);
        Self::assemble(Arc::new(RealDisk), dir, StoreOptions::default(), (lock, index), Some(scratch))
    }

    /// Whether nothing can be written to it.
    pub fn is_read_only(&self) -> bool {
        self.scratch.is_some()
    }

    pub(super) fn must_be_writable(&self) -> Result<(), StoreError> {
        if self.is_read_only() { Err(StoreError::ReadOnly { dir: self.dir.clone() }) } else { Ok(()) }
    }

    /// Held while a small file of the store is replaced.
    pub(super) fn documents(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        self.must_be_writable()?;
        Ok(self.documents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lock(path: &Path, dir: &Path) -> Result<DiskLock, StoreError> {
    let file = match disk::open_file(path, File::options().read(true)) {
        // Whoever has written to it has left a lock file, or cannot be writing to it from here.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(Box::new(()));
        }
        opened => opened.map_err(|e| StoreError::io("lock", path, e))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Box::new(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.into() }),
        // A file system without locks.
        Err(TryLockError::Error(_)) => Ok(Box::new(())),
    }
}

/// Copies the index; what cannot be read of it is left out, and rebuilt there.
fn copy_index(dir: &Path) -> Result<TempDir, StoreError> {
    let scratch = tempfile::Builder::new().prefix("karez-index-").tempdir();
    let scratch = scratch.map_err(|e| StoreError::io("create", &std::env::temp_dir(), e))?;
    if dir.join("index.rebuild").exists() {
        return Ok(scratch);
    }
    for name in INDEX_FILES {
        let (from, to) = (dir.join(name), scratch.path().join(name));
        // A pipe would be waited for.
        if RealDisk.len(&from).is_err() {
            continue;
        }
        if let Err(error) = fs::copy(&from, &to) {
            if disk::is_full(&error) {
                return Err(StoreError::DiskFull { path: to });
            }
            tracing::warn!(file = %from.display(), %error, "cannot be read: looking without it");
            remove_all(scratch.path());
            break;
        }
    }
    Ok(scratch)
}

fn remove_all(scratch: &Path) {
    INDEX_FILES.map(|name| scratch.join(name)).iter().for_each(|path: &PathBuf| drop(fs::remove_file(path)));
}

#[cfg(test)]
mod tests;
