//! Files outside the store that chunks refer to: their descriptions, and handles of those that were read last.
//!
//! What must stay true: a description says what the file was when it was registered, and nothing is believed because of it:
//! the bytes are hashed on every read. No handle outlives the name it was opened under: bytes that only an open handle
//! keeps alive would be gone after a restart. No link is followed, and nothing but a regular file is read.

use super::read::Failed;
use super::{Store, StoreError};
use crate::verify;
use karez_protocol::content::hash::ChunkId;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const SOURCE_MAGIC: [u8; 8] = *b"KAREZSRC";
/// Magic, size, time of writing, time of change, inode, disk.
const FIXED_BYTES: usize = 8 + 8 + 12 + 12 + 8 + 1;
/// Longest path that Linux takes.
const PATH_BYTES_MAX: usize = 4096;
/// Longest description of a source file.
pub(super) const SOURCE_BYTES_MAX: u32 = (FIXED_BYTES + PATH_BYTES_MAX) as u32;
/// Source files kept open: chunks are read in the order of few files, and a library may have a million.
const OPEN_MAX: usize = 32;

/// A file outside the store that chunks refer to, as it was when it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    id: ChunkId,
    path: PathBuf,
    stamp: Stamp,
    /// Whether it was on another file system than the store: one that can be away while the store is there.
    elsewhere: bool,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    /// Seconds and nanoseconds, as all times here.
    written: (i64, u32),
    changed: (i64, u32),
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |number: i64| u32::try_from(number).unwrap_or_default();
        Self {
            size_bytes: metadata.len(),
            written: (metadata.mtime(), nanoseconds(metadata.mtime_nsec())),
            changed: (metadata.ctime(), nanoseconds(metadata.ctime_nsec())),
            inode: metadata.ino(),
        }
    }
}

impl SourceFile {
    /// The id of its description.
    pub(super) fn id(&self) -> &ChunkId {
        &self.id
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes when it was registered.
    pub fn size_bytes(&self) -> u64 {
        self.stamp.size_bytes
    }

    /// Whether size, times and inode are still those of the registration. Chunks are hashed in any case; this tells before
    /// reading that there is little point in it.
    pub fn is_unchanged(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|now| now.is_file() && Stamp::of(&now) == self.stamp)
    }

    fn new(path: PathBuf, stamp: Stamp, elsewhere: bool) -> Self {
        let mut source = Self { id: ChunkId::from_bytes([0; 32]), path, stamp, elsewhere };
        source.id = ChunkId::of(&source.to_bytes());
        source
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Stamp { size_bytes, written, changed, inode } = self.stamp;
        let mut bytes = SOURCE_MAGIC.to_vec();
        bytes.extend_from_slice(&size_bytes.to_le_bytes());
        for (seconds, nanoseconds) in [written, changed] {
            bytes.extend_from_slice(&seconds.to_le_bytes());
            bytes.extend_from_slice(&nanoseconds.to_le_bytes());
        }
        bytes.extend_from_slice(&inode.to_le_bytes());
        bytes.push(u8::from(self.elsewhere));
        bytes.extend_from_slice(self.path.as_os_str().as_bytes());
        bytes
    }

    fn from_bytes(id: ChunkId, bytes: &[u8]) -> Option<Self> {
        let (fixed, path) = bytes.split_at_checked(FIXED_BYTES)?;
        if !is_source(fixed) || path.is_empty() || path.len() > PATH_BYTES_MAX || fixed[48] > 1 {
            return None;
        }
        let path = PathBuf::from(OsStr::from_bytes(path));
        let number = |at: usize| Some(u64::from_le_bytes(fixed[at..at + 8].try_into().ok()?));
        let time = |at: usize| Some((number(at)? as i64, u32::from_le_bytes(fixed[at + 8..at + 12].try_into().ok()?)));
        let stamp = Stamp { size_bytes: number(8)?, written: time(16)?, changed: time(28)?, inode: number(40)? };
        path.is_absolute().then_some(Self { id, path, stamp, elsewhere: fixed[48] == 1 })
    }

    /// Whether the disk of the file is not there, as far as that can be told from a file that was deleted: it was on another
    /// file system than the store, and its folder is gone, or is on the store's.
    fn is_away(&self, store: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        let folder = self.path.parent().and_then(device);
        self.elsewhere && (folder.is_none() || folder == device(store))
    }
}

/// Whether a plaintext is the description of a source file.
pub(super) fn is_source(plain: &[u8]) -> bool {
    plain.starts_with(&SOURCE_MAGIC)
}

/// Opens a regular file without following a link at its end. NONBLOCK: a pipe in its place must not hang the reader.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// Whether what stood under a path is gone, or something else stands there.
fn is_gone(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidInput) || Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Source files that were read last, newest last.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<Vec<(SourceFile, Arc<File>)>>);

impl Sources {
    fn get(&self, id: &ChunkId) -> Option<(SourceFile, Arc<File>)> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(source, _)| source.id == *id)?;
        let found = open.remove(at);
        open.push(found.clone());
        Some(found)
    }

    fn insert(&self, source: SourceFile, file: Arc<File>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((source, file));
    }

    /// Forgets a handle: the file under its path may be another one by now.
    pub(super) fn forget(&self, id: &ChunkId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(source, _)| source.id != *id);
    }
}

impl Store {
    /// Makes a file known that chunks may refer to. Its bytes are durable when this returns; it must stay where it is.
    pub fn register_file(&self, path: &Path) -> Result<SourceFile, StoreError> {
        let (source, file) = self.register_unsynced(path)?;
        self.disk.sync_outside(&file).map_err(|e| StoreError::io("sync", path, e))?;
        Ok(source)
    }

    /// [`Store::register_file`] for many files: the caller syncs their file system before anything is claimed.
    pub(crate) fn register_unsynced(&self, path: &Path) -> Result<(SourceFile, File), StoreError> {
        let io = |action| move |e| StoreError::io(action, path, e);
        let absolute = path.canonicalize().map_err(io("find"))?;
        let (file, metadata) = match open(&absolute) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Err(StoreError::NotAFile { path: path.into() });
            }
            opened => opened.map_err(io("open"))?,
        };
        if absolute.as_os_str().len() > PATH_BYTES_MAX || self.is_inside(&absolute) {
            return Err(StoreError::NotAFile { path: path.into() });
        }
        let source = SourceFile::new(absolute, Stamp::of(&metadata), metadata.dev() != self.device()?);
        let sealed = verify::seal(&source.to_bytes(), false).expect("a path is shorter than the longest chunk");
        self.put(&sealed)?;
        self.sources.forget(&source.id);
        self.with_index(|index| index.forget_damaged_file(&source.path))?;
        Ok((source, file))
    }

    /// Whether a file is one of the store's own, which come and go: nothing may refer to it.
    pub(crate) fn is_inside(&self, path: &Path) -> bool {
        self.dir.canonicalize().is_ok_and(|dir| path.starts_with(dir))
    }

    /// The file system of the store.
    pub fn device(&self) -> Result<u64, StoreError> {
        fs::metadata(&self.dir).map(|found| found.dev()).map_err(|e| StoreError::io("read", &self.dir, e))
    }

    /// A source file and a handle of what stands under its path now.
    pub(super) fn source(&self, id: &ChunkId) -> Result<(SourceFile, Arc<File>), Failed> {
        if let Some(known) = self.sources.get(id) {
            if is_under_its_name(&known.0, &known.1) {
                return Ok(known);
            }
            self.sources.forget(id);
        }
        let source = self.described_source(id)?;
        match open(&source.path) {
            Ok((file, _)) => {
                let opened = (source, Arc::new(file));
                self.sources.insert(opened.0.clone(), Arc::clone(&opened.1));
                Ok(opened)
            }
            Err(error) if is_gone(&error) && source.is_away(&self.dir) => {
                Err(StoreError::SourceAway { path: source.path }.into())
            }
            Err(error) if is_gone(&error) => Err(Failed::Changed(source.path)),
            Err(error) => Err(Failed::in_source("open", &source.path, error)),
        }
    }

    /// The description of a source file.
    pub(super) fn described_source(&self, id: &ChunkId) -> Result<SourceFile, Failed> {
        let description = match self.read_plain(id) {
            Err(StoreError::Damaged { .. }) => return Err(Failed::Lost),
            other => other?.ok_or(Failed::Lost)?,
        };
        SourceFile::from_bytes(*id, &description).ok_or(Failed::Lost)
    }
}

fn is_under_its_name(source: &SourceFile, file: &File) -> bool {
    let (Ok(named), Ok(open)) = (fs::symlink_metadata(&source.path), file.metadata()) else { return false };
    (named.dev(), named.ino()) == (open.dev(), open.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/formats/store.md.
    #[test]
    fn golden() {
        let stamp = Stamp { size_bytes: 5000, written: (1_700_000_000, 5), changed: (1_700_000_001, 6), inode: 77 };
        let source = SourceFile::new("/srv/a.mp4".into(), stamp, true);
        let bytes = source.to_bytes();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, GOLDEN);
        assert_eq!(SourceFile::from_bytes(source.id, &bytes), Some(source.clone()));
        for len in 0..=FIXED_BYTES {
            assert_eq!(SourceFile::from_bytes(source.id, &bytes[..len]), None);
        }
    }

    const GOLDEN: &str = concat!(
        "4b4152455a535243881300000000000000f15365000000000500000001f15365000000000600000",
        "04d00000000000000012f7372762f612e6d7034",
    );
}
