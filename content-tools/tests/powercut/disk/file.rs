//! An open file of the simulated disk: what is written through it is unsynced until a sync of the same file ends.

use super::{Change, Content, SimDisk};
use crate::sync_site::{SyncSite, Synced};
use karez_content_tools::disk::{Access, DiskFile, PendingSync};
use std::io::{self, ErrorKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) id: usize,
    pub(super) path: PathBuf,
    pub(super) access: Access,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        if self.access == Access::Read {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.disk.change(|state| {
            let file = &mut state.files[self.id];
            Content::apply(&mut file.now, &change);
            file.unsynced.push(change);
            Ok(())
        })
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.state.lock().unwrap().files[self.id].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.state.lock().unwrap();
        state.reads += 1;
        if state.failing_read == Some(state.reads) {
            return Err(rustix::io::Errno::IO.into());
        }
        let now = &state.files[self.id].now;
        let begin = now.len().min(offset as usize);
        let len = buffer.len().min(now.len() - begin);
        buffer[..len].copy_from_slice(&now[begin..begin + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write { offset, bytes: bytes.to_vec() })
    }

    fn write_pieces_at(&self, pieces: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.change(Change::Write { offset, bytes })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.settle(usize::MAX, self.site())
    }

    /// Here nothing happens between beginning and end: all that a sync may do early, a cut may keep as well.
    fn begin_sync(self: Arc<Self>) -> Box<dyn PendingSync> {
        let file = &self.disk.state().files[self.id];
        let until = file.settled + file.unsynced.len();
        Box::new(Syncing { site: self.site(), file: self, until })
    }
}

impl SimFile {
    fn site(&self) -> Option<SyncSite> {
        self.disk.site(Synced::bytes_of(&self.path))
    }

    /// Makes the changes before number `until` durable. After an error the pages count as clean: the bytes can still be read,
    /// and no later sync writes them (fsyncgate).
    fn settle(&self, until: usize, site: Option<SyncSite>) -> io::Result<()> {
        self.disk.sync(site, |state, done| {
            let file = &mut state.files[self.id];
            let settled = until.saturating_sub(file.settled).min(file.unsynced.len());
            for change in file.unsynced.drain(..settled).filter(|_| done) {
                Content::apply(&mut file.synced, &change);
            }
            file.settled += settled;
        })
    }
}

/// A sync under way: of what was written before it began, and of nothing else.
#[derive(Debug)]
struct Syncing {
    file: Arc<SimFile>,
    until: usize,
    /// Where it was begun: where it ends says nothing about who needs it.
    site: Option<SyncSite>,
}

impl PendingSync for Syncing {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.settle(self.until, self.site)
    }
}
