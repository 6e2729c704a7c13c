//! The folder that an export writes into.
//!
//! What must stay true: every path is walked component by component from the destination's own handle, and a link in it
//! is an obstacle, never a way; a file is written under a temporary name in its folder and renamed when it is complete.
//! A link under the final name itself is replaced by the rename, not followed.

use super::error::ExportError;
use crate::own_folders::OwnFolders;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::Slice;
use karez_protocol::content::path::ContentPath;
use rustix::fs::{Access, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder to export to.
#[derive(Debug)]
pub(super) struct Destination<'a> {
    path: PathBuf,
    handle: OwnedFd,
    keep_out: Option<&'a OwnFolders>,
}

/// Whether a folder can be written to, or be made, as far as that can be told before anything is fetched for it.
///
/// # Errors
///
/// [`ExportError::InTheWay`] where a file stands in the path, [`ExportError::Io`] for a read-only disk, a folder that this
/// user may not write to, or a name that the disk does not take.
pub fn check_writable(to: &Path) -> Result<(), ExportError> {
    for place in to.ancestors() {
        match fs::metadata(place) {
            Ok(found) if found.is_dir() => {
                let access = Access::WRITE_OK | Access::EXEC_OK;
                return rustix::fs::access(place, access).map_err(|e| failed("write to", place, e.into()));
            }
            Ok(_) => return Err(ExportError::InTheWay { path: place.into() }),
            // A link to nothing.
            Err(_) if place.is_symlink() => return Err(ExportError::InTheWay { path: place.into() }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(failed("open", place, error)),
        }
    }
    Ok(())
}

/// The folder of one file, and the file's name in it.
#[derive(Debug)]
pub(super) struct Slot {
    folder: OwnedFd,
    name: String,
    path: PathBuf,
}

/// A file that is there already.
#[derive(Debug)]
pub(super) struct Existing {
    file: File,
    size: u64,
}

/// What has the name that a file is to get.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A plain file that can be read.
    File(Existing),
    /// A link, a pipe, or a file that cannot be read.
    Other,
}

/// A file being written.
#[derive(Debug)]
pub(super) struct Target<'a> {
    slot: &'a Slot,
    temporary: String,
    file: File,
    finished: bool,
}

impl<'o> Destination<'o> {
    /// Opens the folder, creating it and its parents as needed. What the user names may be a link: it is the user's own.
    pub(super) fn open(to: &Path, keep_out: Option<&'o OwnFolders>) -> Result<Self, ExportError> {
        fs::create_dir_all(to).map_err(|e| failed("create", to, e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(to, flags, Mode::empty()).map_err(|e| failed("open", to, e.into()))?;
        // Two exports of one file would rename each other's unfinished work.
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: to.into(), handle, keep_out }),
            Err(Errno::WOULDBLOCK) => Err(ExportError::Busy { path: to.into() }),
            Err(error) => Err(failed("lock", to, error.into())),
        }
    }

    /// Makes a folder and its parents.
    pub(super) fn create_folder(&self, folder: &ContentPath) -> Result<(), ExportError> {
        self.enter(folder.components()).map(|_| ())
    }

    /// Makes the folder that a file goes into.
    pub(super) fn folder_of(&self, file: &ContentPath) -> Result<Slot, ExportError> {
        let parents = file.components().count() - 1;
        let (folder, _) = self.enter(file.components().take(parents))?;
        Ok(Slot { folder, name: file.file_name().to_owned(), path: self.path.join(file.as_str()) })
    }

    fn enter<'a>(&self, components: impl Iterator<Item = &'a str>) -> Result<(OwnedFd, PathBuf), ExportError> {
        let mut path = self.path.clone();
        let mut folder = self.handle.try_clone().map_err(|e| failed("open", &path, e))?;
        for component in components {
            path.push(component);
            match rustix::fs::mkdirat(&folder, component, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed("create", &path, error.into())),
            }
            folder = rustix::fs::openat(&folder, component, FOLDER, Mode::empty()).map_err(|error| match error {
                Errno::LOOP | Errno::NOTDIR => ExportError::InTheWay { path: path.clone() },
                error => failed("open", &path, error.into()),
            })?;
            self.check_own(&folder, &path)?;
        }
        Ok((folder, path))
    }

    /// The destination may hold an own folder, and the collection a path into it.
    fn check_own(&self, folder: &OwnedFd, path: &Path) -> Result<(), ExportError> {
        let Some(own) = self.keep_out else { return Ok(()) };
        let found = rustix::fs::fstat(folder).map_err(|e| failed("read", path, e.into()))?;
        match own.holding((found.st_dev, found.st_ino)) {
            Some(_) => Err(ExportError::OwnFolder { path: path.into() }),
            None => Ok(()),
        }
    }

    /// Makes everything written durable, with one call for the whole file system instead of one per file.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        rustix::fs::syncfs(&self.handle).map_err(|e| failed("sync", &self.path, e.into()))
    }
}

impl Slot {
    /// What is there under the file's name; an error when it is a folder.
    pub(super) fn existing(&self) -> Result<Option<Obstacle>, ExportError> {
        // NONBLOCK: a pipe under that name must not hang the export.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.folder, self.name.as_str(), flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::ISDIR) => return Err(ExportError::InTheWay { path: self.path.clone() }),
            Err(_) => return Ok(Some(Obstacle::Other)),
        };
        let metadata = file.metadata().map_err(|e| failed("read", &self.path, e))?;
        if metadata.is_dir() {
            return Err(ExportError::InTheWay { path: self.path.clone() });
        }
        let size = metadata.len();
        Ok(Some(if metadata.is_file() { Obstacle::File(Existing { file, size }) } else { Obstacle::Other }))
    }

    /// Sets the executable bits of a file right.
    pub(super) fn set_executable(&self, existing: &Existing, executable: bool) -> Result<(), ExportError> {
        let metadata = existing.file.metadata().map_err(|e| failed("read", &self.path, e))?;
        let now = Mode::from_raw_mode(std::os::unix::fs::MetadataExt::mode(&metadata));
        if now.contains(Mode::XUSR) == executable {
            return Ok(());
        }
        rustix::fs::fchmod(&existing.file, with_executable(now, executable))
            .map_err(|e| failed("change", &self.path, e.into()))
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the right to write away from everybody; false when the file is not ours.
    pub(super) fn make_read_only(&self, existing: &Existing) -> Result<bool, ExportError> {
        let metadata = existing.file.metadata().map_err(|e| failed("read", &self.path, e))?;
        let now = Mode::from_raw_mode(std::os::unix::fs::MetadataExt::mode(&metadata));
        let every = Mode::WUSR | Mode::WGRP | Mode::WOTH;
        if !now.intersects(every) {
            return Ok(true);
        }
        match rustix::fs::fchmod(&existing.file, now & (Mode::RWXU | Mode::RWXG | Mode::RWXO) & !every) {
            Ok(()) => Ok(true),
            Err(Errno::PERM) => Ok(false),
            Err(error) => Err(failed("change", &self.path, error.into())),
        }
    }

    /// Begins to write the file under a temporary name.
    pub(super) fn begin(&self, executable: bool) -> Result<Target<'_>, ExportError> {
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let temporary = temporary_name(&self.name);
        // What an export that was killed left behind.
        let _ = rustix::fs::unlinkat(&self.folder, temporary.as_str(), AtFlags::empty());
        let handle = rustix::fs::openat(&self.folder, temporary.as_str(), flags, mode);
        let file = File::from(handle.map_err(|e| failed("create", &self.path, e.into()))?);
        Ok(Target { slot: self, temporary, file, finished: false })
    }
}

impl Existing {
    /// Whether the file has this content: by chunk identities, so the store is not read for it. A chunk that is not used
    /// whole (a film taken apart) is compared as a whole all the same, from the pieces.
    pub(super) fn has_content(&mut self, size: u64, slices: impl Iterator<Item = Option<Slice>>) -> bool {
        self.size == size && self.compare(slices).unwrap_or(false)
    }

    fn compare(&mut self, slices: impl Iterator<Item = Option<Slice>>) -> io::Result<bool> {
        self.file.rewind()?;
        let mut chunks: BTreeMap<ChunkId, Vec<Partial>> = BTreeMap::new();
        for slice in slices {
            // A page that cannot be read says nothing about the file.
            let Some(slice) = slice else { return Ok(false) };
            let mut bytes = vec![0; slice.len as usize];
            self.file.read_exact(&mut bytes)?;
            if slice.len == slice.entry.plain_len {
                if ChunkId::of(&bytes) != slice.entry.id {
                    return Ok(false);
                }
                continue;
            }
            let begun = chunks.entry(slice.entry.id).or_default();
            // Two tracks may be the same, and then one chunk is put together twice at a time.
            let at = begun.iter().position(|partial| partial.bytes.len() == slice.start as usize);
            let at = at.unwrap_or_else(|| {
                begun.push(Partial { bytes: Vec::new() });
                begun.len() - 1
            });
            if begun[at].bytes.len() != slice.start as usize || begun.len() > PARTIAL_MAX {
                return Ok(false);
            }
            begun[at].bytes.extend_from_slice(&bytes);
            if begun[at].bytes.len() == slice.entry.plain_len as usize {
                if ChunkId::of(&begun.swap_remove(at).bytes) != slice.entry.id {
                    return Ok(false);
                }
                if begun.is_empty() {
                    chunks.remove(&slice.entry.id);
                }
            }
        }
        // Chunks of which the file uses a part only cannot be told from their ids.
        Ok(chunks.is_empty())
    }
}

/// A chunk that comes in pieces, as far as it has come.
#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
}

/// Most times that one chunk is put together at a time: as many as a recipe has streams.
const PARTIAL_MAX: usize = 16;

impl Target<'_> {
    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(|e| failed("write", &self.slot.path, e))
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), ExportError> {
        let slot = self.slot;
        match rustix::fs::renameat(&slot.folder, self.temporary.as_str(), &slot.folder, slot.name.as_str()) {
            Ok(()) => {
                self.finished = true;
                Ok(())
            }
            Err(Errno::ISDIR) => Err(ExportError::InTheWay { path: slot.path.clone() }),
            Err(error) => Err(failed("rename", &slot.path, error.into())),
        }
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: a leftover is removed by the next export of the same file.
            let _ = rustix::fs::unlinkat(&self.slot.folder, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

/// A name of its own for each file, the same in every run, that fits the longest names.
fn temporary_name(name: &str) -> String {
    format!(".{}.karez-part", &blake3::hash(name.as_bytes()).to_hex()[..32])
}

/// The executable bits follow the readable ones, as with a file created so under the same umask.
fn with_executable(mode: Mode, executable: bool) -> Mode {
    let every = Mode::XUSR | Mode::XGRP | Mode::XOTH;
    let readable = Mode::from_raw_mode((mode.as_raw_mode() & 0o444) >> 2);
    let plain = mode & (Mode::RWXU | Mode::RWXG | Mode::RWXO) & !every;
    if executable { plain | readable } else { plain }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> ExportError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ExportError::DiskFull { path: path.into() },
        _ => ExportError::Io { action, path: path.into(), source },
    }
}
