//! Segment files: names, the one that is being appended to, and handles for reading.
//!
//! What must stay true: a failed append leaves the file at the last record boundary.

use super::error::StoreError;
use super::record::{self, Place, RECORD_HEADER_LEN, Record, RecordKind, SEGMENT_HEADER_LEN};
use crate::disk::{self, Access, Disk, DiskFile, PendingSync};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Segment files open for reading at a time: far below the usual limit of 1024 files per process.
const READERS_MAX: usize = 128;

/// File of a segment.
pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.kseg"))
}

/// Numbers of the segment files in a folder, ascending.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<u32>, StoreError> {
    let mut numbers = Vec::new();
    for entry in disk.list(dir).map_err(|e| StoreError::io("list", dir, e))? {
        let name = entry.name;
        let number = name.to_str().and_then(|name| name.strip_suffix(".kseg")).and_then(|stem| stem.parse().ok());
        numbers.extend(number.filter(|number| path(dir, *number).file_name() == Some(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Bytes of all segment files in a folder.
pub(super) fn bytes(disk: &dyn Disk, dir: &Path) -> Result<u64, StoreError> {
    list(disk, dir)?.into_iter().map(|number| len(disk, dir, number)).sum()
}

/// Bytes of a segment file; 0 when something else stands in its place.
pub(super) fn len(disk: &dyn Disk, dir: &Path, number: u32) -> Result<u64, StoreError> {
    let path = path(dir, number);
    match disk.len(&path) {
        Err(error) if disk::is_not_a_file(&error) => Ok(0),
        // A link whose disk is away.
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => Ok(0),
        len => len.map_err(|e| StoreError::io("read", &path, e)),
    }
}

/// The segment that new records go to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    len: u64,
    /// What its header says: which kinds of records it may hold.
    format: u16,
    headers: Vec<[u8; RECORD_HEADER_LEN]>,
}

impl Segment {
    /// Begins a new segment file. Its name is durable when this returns, its header with the next sync.
    pub(super) fn create(disk: &Arc<dyn Disk>, dir: &Path, number: u32, format: u16) -> Result<Self, StoreError> {
        let path = path(dir, number);
        let file = begin(&**disk, &path).map_err(|e| StoreError::io("create", &path, e))?;
        let segment = Self { number, file, path: path.clone(), len: 0, format, headers: Vec::new() };
        let begun = segment.with_header().and_then(|segment| {
            disk.sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))?;
            Ok(segment)
        });
        if begun.is_err() {
            // Otherwise the next attempt, when there is space again, would find the name taken.
            let _ = disk.remove(&path);
        }
        begun
    }

    /// Goes on with a segment file, of which the first `len` bytes are whole records; what follows is cut off.
    pub(super) fn resume(disk: &dyn Disk, dir: &Path, number: u32, len: u64, format: u16) -> Result<Self, StoreError> {
        let path = path(dir, number);
        let file = disk.open(&path, Access::Write).map_err(|e| StoreError::io("open", &path, e))?;
        file.set_len(len).map_err(|e| StoreError::io("truncate", &path, e))?;
        let segment = Self { number, file, path, len, format, headers: Vec::new() };
        if len < SEGMENT_HEADER_LEN as u64 { segment.with_header() } else { Ok(segment) }
    }

    /// In the place of one where nothing is written.
    pub(super) fn none() -> Self {
        let format = record::SEGMENT_FORMAT;
        Self { number: 0, file: Arc::new(NoFile), path: PathBuf::new(), len: 0, format, headers: Vec::new() }
    }

    fn with_header(mut self) -> Result<Self, StoreError> {
        let header = record::segment_header(self.number, self.format);
        self.file.write_all_at(&header, 0).map_err(|e| StoreError::io("write", &self.path, e))?;
        self.len = SEGMENT_HEADER_LEN as u64;
        Ok(self)
    }

    /// Bytes of header and whole records.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no record.
    pub(super) fn is_empty(&self) -> bool {
        self.len <= SEGMENT_HEADER_LEN as u64
    }

    /// Whether records of this kind may be appended.
    pub(super) fn takes(&self, kind: RecordKind) -> bool {
        kind == RecordKind::Chunk || self.format == record::SEGMENT_FORMAT_REFERENCES
    }

    /// The handle, for reading what is still only in the page cache.
    pub(super) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Appends records with one write; returns where the first one stands. After an error the file ends where it ended
    /// before, unless [`AppendError::whole`] says otherwise.
    pub(super) fn append(&mut self, records: &[(Record, &[u8])]) -> Result<Place, AppendError> {
        let first = Place { segment: self.number, offset: self.len };
        let mut place = first;
        self.headers.clear();
        for (record, stored) in records {
            self.headers.push(record::record_header(record, place));
            place.offset += (RECORD_HEADER_LEN + stored.len()) as u64;
        }
        let pieces = self.headers.iter().zip(records);
        let mut pieces: Vec<IoSlice<'_>> =
            pieces.flat_map(|(header, (_, stored))| [IoSlice::new(header), IoSlice::new(stored)]).collect();
        if let Err(error) = self.file.write_pieces_at(&mut pieces, self.len) {
            let whole = self.file.set_len(self.len).is_ok();
            return Err(AppendError { error: StoreError::io("append to", &self.path, error), whole });
        }
        self.len = place.offset;
        Ok(first)
    }

    /// Begins to make everything appended so far durable.
    pub(super) fn begin_sync(&self) -> Box<dyn PendingSync> {
        Arc::clone(&self.file).begin_sync()
    }
}

/// The file of [`Segment::none`].
#[derive(Debug)]
struct NoFile;

impl DiskFile for NoFile {
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write_pieces_at(&self, _: &mut [IoSlice<'_>], _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn begin_sync(self: Arc<Self>) -> Box<dyn PendingSync> {
        Box::new(Self)
    }
}

impl PendingSync for NoFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Creates the file of a segment. One without records may be there, from an attempt that failed and could not be undone.
fn begin(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    match disk.create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && disk.len(path)? <= SEGMENT_HEADER_LEN as u64 => {
            disk.remove(path)?;
            disk.create_new(path)
        }
        other => other,
    }
}

/// An append that failed.
#[derive(Debug)]
pub(super) struct AppendError {
    pub(super) error: StoreError,
    /// Whether the file ends at a record boundary again.
    pub(super) whole: bool,
}

/// Handles of segments for reading, at most [`READERS_MAX`].
#[derive(Debug)]
pub(super) struct Readers {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    open: Mutex<BTreeMap<u32, Arc<dyn DiskFile>>>,
}

impl Readers {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self { disk, dir: dir.into(), open: Mutex::default() }
    }

    /// Keeps the handle of the segment that is being written.
    pub(super) fn insert(&self, number: u32, file: Arc<dyn DiskFile>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= READERS_MAX {
            // The lowest number is the oldest segment, which is as good a guess as any.
            open.pop_first();
        }
        open.insert(number, file);
    }

    /// Lets go of a segment whose file is to be removed.
    pub(super) fn remove(&self, number: u32) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn get(&self, number: u32) -> std::io::Result<Arc<dyn DiskFile>> {
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if let Some(file) = known {
            return Ok(file);
        }
        let file = self.disk.open(&path(&self.dir, number), Access::Read)?;
        self.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Reads `len` bytes of a segment.
    pub(super) fn read(&self, place: Place, len: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.get(place.segment)?.read_exact_at(&mut bytes, place.offset)?;
        Ok(bytes)
    }
}
