//! The disk of the operating system.
//!
//! What must stay true: each method is the system call of its name; interrupted calls are repeated, nothing else is. A sync that
//! is begun is that system call in a thread of its own. Long writes go around the page cache ([`direct`]).

mod direct;

use super::{Access, Disk, DiskFile, DiskLock, Listed, NotAFile, PendingSync, Space};
use direct::Direct;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Linux takes so many pieces in a call (IOV_MAX).
const PIECES_MAX: usize = 1024;

/// The disk of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealFile::new(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = open(path, File::options().read(true).write(access == Access::Write))?;
        Ok(Arc::new(RealFile::new(file)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        match fs::create_dir(path) {
            Ok(()) => Ok(true),
            // A file in its place shows at the first use of the folder; a link to a folder is a folder.
            Err(_) if path.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok(Listed { name: entry.file_name(), is_dir: entry.file_type()?.is_dir() })
        };
        let mut listed = fs::read_dir(dir)?.map(entry).collect::<io::Result<Vec<_>>>()?;
        listed.sort_unstable();
        Ok(listed)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let found = fs::metadata(path)?;
        match NotAFile::of(found.file_type()) {
            Some(other) => Err(other.into()),
            None => Ok(found.len()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync_outside(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_file_system(&self, file: &File) -> io::Result<()> {
        Ok(rustix::fs::syncfs(file)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        let file = open(path, File::options().create(true).truncate(false).write(true))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(Locked(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let at = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(at.f_frsize);
        Ok(Space { free: bytes(at.f_bavail), total: bytes(at.f_blocks) })
    }
}

/// Opens a regular file. NONBLOCK: a pipe in its place must not hang whoever opens it; to a file it says nothing.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let opened = options.custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    // What cannot be opened at all, such as a socket, says so by its name.
    let found = match &opened {
        Ok(file) => file.metadata()?.file_type(),
        Err(_) => match fs::metadata(path) {
            Ok(found) => found.file_type(),
            Err(_) => return opened,
        },
    };
    match NotAFile::of(found) {
        Some(other) => Err(other.into()),
        None => opened,
    }
}

/// Given back by name: a program that another thread is just starting shares the descriptor until it runs, and would keep a lock
/// that is merely closed.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // A failure is left to the close that follows.
        let _ = self.0.unlock();
    }
}

/// A file, with a second handle for long writes.
#[derive(Debug)]
struct RealFile {
    file: File,
    direct: Direct,
}

impl RealFile {
    fn new(file: File) -> Self {
        Self { file, direct: Direct::default() }
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_pieces_at(&self, pieces: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        if self.direct.write(&self.file, pieces, offset)? {
            return Ok(());
        }
        write_cached(&self.file, pieces, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn begin_sync(self: Arc<Self>) -> Box<dyn PendingSync> {
        let file = Arc::clone(&self);
        match thread::Builder::new().name("sync".into()).spawn(move || file.sync_data()) {
            Ok(thread) => Box::new(Syncing::Behind(thread)),
            // No thread to be had: the caller waits here instead.
            Err(_) => Box::new(Syncing::Ended(self.sync_data())),
        }
    }
}

/// Writes all pieces through the page cache.
fn write_cached(file: &File, mut pieces: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        match rustix::io::pwritev(file, &pieces[..pieces.len().min(PIECES_MAX)], offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut pieces, written);
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A sync begun on a real file.
#[derive(Debug)]
enum Syncing {
    Behind(JoinHandle<io::Result<()>>),
    Ended(io::Result<()>),
}

impl PendingSync for Syncing {
    fn finish(self: Box<Self>) -> io::Result<()> {
        match *self {
            Self::Behind(thread) => thread.join().expect("a thread that makes one system call does not panic"),
            Self::Ended(result) => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is being started holds a copy of every descriptor.
    #[test]
    fn a_lock_is_free_as_soon_as_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Locked(File::create(&path).unwrap());
        held.0.lock().unwrap();
        let copy = held.0.try_clone().unwrap();
        assert!(RealDisk.lock(&path).unwrap().is_none());
        drop(held);
        assert!(RealDisk.lock(&path).unwrap().is_some());
        drop(copy);
    }
}
