//! The disk as the store sees it: every call that reads, writes, names or syncs a file of the store goes through here.
//!
//! Two disks exist: [`RealDisk`], and the simulated one of the power-cut tests (`content-tools/tests/powercut/`), which
//! forgets what was not synced. So a durability rule is a test, not a hope (`docs/decisions/0008-simulated-power-cuts.md`).
//!
//! What must stay true: nothing here knows what a store is; a call does what one or two system calls do and no more; the
//! helpers built from several calls ([`replace`], [`create_dirs`]) use the trait only, so that they are tested with it.

mod real;

pub use real::RealDisk;
pub(crate) use real::open as open_file;

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{File, FileType};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

/// A file system. Paths are absolute or relative to the process, as everywhere.
pub trait Disk: Send + Sync + Debug {
    /// Creates an empty file for reading and writing; an existing one is an error (`AlreadyExists`).
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file, for reading only or also for writing. What is no regular file is an error ([`NotAFile`]).
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates one folder in an existing one; false when it is there already.
    fn create_dir(&self, path: &Path) -> io::Result<bool>;

    /// What a folder holds, by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>>;

    /// Length of a file; `NotFound` when there is none, [`NotAFile`] when it is something else.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Renames a file; one under the new name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: files created, renamed and removed in it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes a lock that dies with the process, creating its file as needed; `None` when another holder has it.
    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>>;

    /// Makes the bytes of a file outside the store durable. Such files are opened and read as their owner left them, with
    /// his links and times; what the store writes depends on their syncs alone.
    fn sync_outside(&self, file: &File) -> io::Result<()>;

    /// The same for everything on the file system that holds a file outside the store, names included.
    fn sync_file_system(&self, file: &File) -> io::Result<()>;

    /// Space of the file system that holds a folder.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// An open file. Calls name their offset, so that readers and one writer share a handle.
pub trait DiskFile: Send + Sync + Debug {
    /// Its length.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `buffer.len()` bytes at an offset; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills a buffer; `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buffer, offset)? {
            read if read == buffer.len() => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes all bytes at an offset. After an error any part of them may be in the file.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes of some pieces, one behind the other. After an error any part of them may be in the file.
    fn write_pieces_at(&self, pieces: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Cuts the file off, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable, not its name. After an error nothing is known about what was written
    /// since the last sync, and another sync proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Begins [`DiskFile::sync_data`] for what is written now; what is written before it has ended may or may not be durable
    /// then. Cannot fail: its end tells.
    fn begin_sync(self: Arc<Self>) -> Box<dyn PendingSync>;
}

/// A sync that was begun. One that is dropped ends some time, and nobody learns how.
pub trait PendingSync: Send + Debug {
    /// Waits for its end.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A held lock; dropping it gives it up.
pub type DiskLock = Box<dyn Debug + Send + Sync>;

/// What an opened file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: OsString,
    /// Whether it is a folder; links are not followed.
    pub is_dir: bool,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this process may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Something else than a regular file stands where a file is expected: opening a pipe would wait for ever.
#[derive(Debug, thiserror::Error)]
#[error("it is not a file but {found}: remove it")]
pub struct NotAFile {
    /// What it is.
    pub found: &'static str,
}

impl NotAFile {
    /// What a file type is, unless it is a regular file's.
    pub fn of(kind: FileType) -> Option<Self> {
        let found = match () {
            () if kind.is_file() => return None,
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        Some(Self { found })
    }
}

impl From<NotAFile> for io::Error {
    fn from(error: NotAFile) -> Self {
        Self::new(ErrorKind::InvalidInput, error)
    }
}

/// Whether an error says that something else stands in the place of a file.
pub fn is_not_a_file(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotAFile>())
}

/// Whether an error says that there is no space left, on the disk or for this user.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Creates a folder and those above it, each durable when this returns, the innermost included.
pub fn create_dirs(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let created = match disk.create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(error)?;
            create_dirs(disk, parent)?;
            disk.create_dir(dir)?
        }
        other => other?,
    };
    let Some(parent) = dir.parent() else { return Ok(()) };
    match disk.sync_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }) {
        // One that was there may be of a process that was killed before it came to this; but where nothing may be read,
        // nothing was created by us either.
        Err(error) if !created && error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Whole bytes of a file of at most `limit` bytes; a longer one is an error (`FileTooLarge`).
pub fn read(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts a file under its name whole and durable, or leaves what was there. The caller makes sure that only one call at a
/// time writes a path: the bytes wait in `NAME.new` meanwhile.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let waiting = Path::new(&name);
    match disk.remove(waiting) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let placed = write_synced(disk, waiting, bytes).and_then(|()| disk.rename(waiting, path));
    if let Err(error) = placed {
        // Space for the next attempt; a file that stays is removed by it.
        let _ = disk.remove(waiting);
        return Err(error);
    }
    match path.parent() {
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}

fn write_synced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create_new(path)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()
}
