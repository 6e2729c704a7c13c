//! The quota: how many bytes the segments of this store may take, as a line in a file of its own; and the floor: how much
//! of the disk content leaves free.
//!
//! What must stay true: only new chunks are refused; reading, moving and removing go on at both, so that compaction
//! gets away from them again.

use super::{Store, StoreError};
use crate::disk;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;

/// A name and a number.
const NOTE_BYTES_MAX: u64 = 100;
const HEAD: &str = "karez-quota 1 ";
/// What content leaves free: the index, a compaction and the node's own files go on there.
const FLOOR_BYTES: u64 = 64 << 20;
/// On a small disk a part of it instead.
const FLOOR_PARTS: u64 = 16;
/// This part of the floor is left by compaction as well.
const MOVING_PARTS: u64 = 8;
/// Bytes after which the free space is looked at again: others write to the disk as well.
const ALLOWANCE_BYTES: u64 = 16 << 20;
/// No quota.
const NONE: u64 = u64::MAX;

/// The quota noted in a store's folder. One that cannot be read is reported and counts as none: opening must not fail for it.
pub(super) fn load(disk: &dyn disk::Disk, dir: &Path) -> u64 {
    let path = dir.join("quota");
    let bytes = match disk::read(disk, &path, NOTE_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return NONE,
        other => other.unwrap_or_default(),
    };
    let number = std::str::from_utf8(&bytes).ok().and_then(|line| line.trim_end().strip_prefix(HEAD)?.parse().ok());
    number.unwrap_or_else(|| {
        tracing::warn!("the quota of the store cannot be read: set it again");
        NONE
    })
}

impl Store {
    /// Bytes of all segment files, garbage included.
    pub fn disk_bytes(&self) -> u64 {
        self.counts.disk_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes the segments may take; without a limit when nobody set one.
    pub fn quota(&self) -> Option<u64> {
        Some(self.quota.load(Ordering::Relaxed)).filter(|quota| *quota != NONE)
    }

    /// Sets or lifts the quota; it holds after a restart too.
    pub fn set_quota(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        let _alone = self.documents()?;
        let path = self.dir.join("quota");
        match bytes {
            Some(bytes) => disk::replace(&*self.disk, &path, format!("{HEAD}{bytes}\n").as_bytes()),
            None => match self.disk.remove(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other.and_then(|()| self.disk.sync_dir(&self.dir)),
            },
        }
        .map_err(|e| StoreError::io("write", &path, e))?;
        self.quota.store(bytes.unwrap_or(NONE), Ordering::Relaxed);
        Ok(())
    }

    /// Bytes that new chunks may take now, by the quota and the disk.
    pub fn room(&self) -> Result<u64, StoreError> {
        let quota = self.quota.load(Ordering::Relaxed).saturating_sub(self.disk_bytes());
        Ok(quota.min(self.above_floor()?))
    }

    fn above_floor(&self) -> Result<u64, StoreError> {
        self.above(1)
    }

    /// Free bytes above a part of the floor.
    fn above(&self, parts: u64) -> Result<u64, StoreError> {
        let space = self.disk.space(&self.dir).map_err(|e| StoreError::io("look at", &self.dir, e))?;
        Ok(space.free.saturating_sub(FLOOR_BYTES.min(space.total / FLOOR_PARTS) / parts))
    }

    /// Refuses to move what stays of a segment where it does not fit beside what is there: before anything is written, or a
    /// compaction for want of space would take the last of it. It may use most of the floor, which is there for it.
    pub(super) fn may_move(&self, record_bytes: u64) -> Result<(), StoreError> {
        match record_bytes > 0 && record_bytes > self.above(MOVING_PARTS)? {
            true => Err(StoreError::DiskFull { path: self.dir.clone() }),
            false => Ok(()),
        }
    }

    /// Refuses a record that would take the store over its quota, or the disk under its floor. Under the writer's lock.
    pub(super) fn may_grow(&self, record_bytes: u64) -> Result<(), StoreError> {
        let left = match self.allowance.load(Ordering::Relaxed) {
            left if left >= record_bytes => left,
            _ => self.above_floor()?.min(ALLOWANCE_BYTES.max(record_bytes)),
        };
        let Some(left) = left.checked_sub(record_bytes) else {
            return Err(StoreError::DiskFull { path: self.dir.clone() });
        };
        self.within_quota(record_bytes)?;
        self.allowance.store(left, Ordering::Relaxed);
        Ok(())
    }

    fn within_quota(&self, record_bytes: u64) -> Result<(), StoreError> {
        let quota_bytes = self.quota.load(Ordering::Relaxed);
        if self.disk_bytes().saturating_add(record_bytes) > quota_bytes {
            return Err(StoreError::QuotaReached { dir: self.dir.clone(), quota_bytes });
        }
        Ok(())
    }
}
