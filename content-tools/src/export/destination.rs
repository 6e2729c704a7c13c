//! The folder that an export writes into.
//!
//! What must stay true: every path is walked component by component from the destination's own handle, and a link in it
//! is an obstacle, never a way; a file is written under a temporary name in its folder and renamed when it is complete.
//! A link under the final name itself is replaced by the rename, not followed.

use super::error::ExportError;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::path::ContentPath;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder to export to.
#[derive(Debug)]
pub(super) struct Destination {
    path: PathBuf,
    handle: OwnedFd,
}

/// The folder of one file, and the file's name in it.
#[derive(Debug)]
pub(super) struct Slot {
    folder: OwnedFd,
    name: String,
    path: PathBuf,
}

/// A file that is there already and has the right length.
#[derive(Debug)]
pub(super) struct Existing(File);

/// A file being written.
#[derive(Debug)]
pub(super) struct Target<'a> {
    slot: &'a Slot,
    temporary: String,
    file: File,
    finished: bool,
}

impl Destination {
    /// Opens the folder, creating it and its parents as needed. What the user names may be a link: it is the user's own.
    pub(super) fn open(to: &Path) -> Result<Self, ExportError> {
        fs::create_dir_all(to).map_err(|e| failed("create", to, e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(to, flags, Mode::empty()).map_err(|e| failed("open", to, e.into()))?;
        // Two exports of one file would rename each other's unfinished work.
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: to.into(), handle }),
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
        }
        Ok((folder, path))
    }

    /// Makes everything written durable, with one call for the whole file system instead of one per file.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        rustix::fs::syncfs(&self.handle).map_err(|e| failed("sync", &self.path, e.into()))
    }
}

impl Slot {
    /// The file, if it is there as a plain file of this length; its executable bit is set right.
    pub(super) fn existing(&self, size: u64, executable: bool) -> Result<Option<Existing>, ExportError> {
        // NONBLOCK: a pipe under that name must not hang the export.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.folder, self.name.as_str(), flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::ISDIR) => return Err(ExportError::InTheWay { path: self.path.clone() }),
            // Nothing there, or nothing that can be read: it is written anew.
            Err(_) => return Ok(None),
        };
        let metadata = file.metadata().map_err(|e| failed("read", &self.path, e))?;
        if metadata.is_dir() {
            return Err(ExportError::InTheWay { path: self.path.clone() });
        }
        if !metadata.is_file() || metadata.len() != size {
            return Ok(None);
        }
        let now = Mode::from_raw_mode(std::os::unix::fs::MetadataExt::mode(&metadata));
        if now.contains(Mode::XUSR) != executable {
            rustix::fs::fchmod(&file, with_executable(now, executable))
                .map_err(|e| failed("change", &self.path, e.into()))?;
        }
        Ok(Some(Existing(file)))
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
    /// Whether the next bytes of the file are this chunk.
    pub(super) fn next_is(&mut self, entry: &ChunkEntry) -> io::Result<bool> {
        let mut bytes = vec![0; entry.plain_len as usize];
        self.0.read_exact(&mut bytes)?;
        Ok(ChunkId::of(&bytes) == entry.id)
    }
}

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
