//! What earlier packings read: so that a file which has not changed is not read again.
//!
//! What must stay true: this is a cache (`pack-cache.sqlite` in the store's folder, `docs/formats/store.md`); without it, or when it
//! fails, everything is read. A listing is believed only when size, times and inode of the file are what they were, when the
//! file was already older than [`SETTLED`] as it was read (what is written in the same tick as it is read keeps its times:
//! git calls it "racily clean"), and when the store still has every chunk. Each part of a listing carries a check over path,
//! stamp and rows.

use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// FAT keeps times to 2 s, the coarsest of the file systems people bring.
const SETTLED: Duration = Duration::from_secs(2);
/// A kill costs at most what was read in this time, or this many files.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
const COMMIT_FILES: u32 = 4096;
/// Rows of a part: 240 KB in the database.
pub(super) const PART_ROWS: usize = 4096;
const ROW_BYTES: usize = 57;
const FORMAT: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE folders(id INTEGER PRIMARY KEY, dir BLOB NOT NULL UNIQUE);
    CREATE TABLE files(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL, stamp BLOB, parts INTEGER NOT NULL,
        UNIQUE(folder, path));
    CREATE TABLE listings(file INTEGER NOT NULL, part INTEGER NOT NULL, rows BLOB NOT NULL, PRIMARY KEY(file, part));
    PRAGMA user_version = 1;";

/// Bytes of a stamp: size, inode, mtime and ctime in seconds and nanoseconds, number of the cut profile.
const STAMP_BYTES: usize = 52;

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: [u8; STAMP_BYTES],
    settled: bool,
}

impl Stamp {
    /// Taken before the file is read.
    pub(super) fn of(metadata: &Metadata, cut_profile: u8) -> Self {
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        let words = [metadata.len(), metadata.ino()].into_iter().chain(times.map(|time| time as u64));
        let mut bytes = [0; STAMP_BYTES];
        let all = words.flat_map(u64::to_le_bytes).chain(u32::from(cut_profile).to_le_bytes());
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        Self { bytes, settled: age.is_some_and(|age| age > SETTLED) }
    }
}

/// The open cache of one folder.
#[derive(Debug)]
pub(super) struct Memory {
    connection: Connection,
    folder: i64,
    files: u32,
    begun: Option<Instant>,
}

/// A listing on its way into the cache.
#[derive(Debug)]
pub(super) struct Draft {
    file: i64,
    path: String,
    stamp: Stamp,
    parts: u32,
}

impl Memory {
    /// Opens the cache for a folder; one that cannot be used is begun anew.
    pub(super) fn open(store: &Path, dir: &Path) -> rusqlite::Result<Self> {
        let path = store.join("pack-cache.sqlite");
        Self::try_open(&path, dir).or_else(|error| {
            if !matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
                return Err(error);
            }
            tracing::warn!(%error, "the memory of earlier packings is damaged and begun anew");
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(store.join(format!("pack-cache.sqlite{suffix}")));
            }
            Self::try_open(&path, dir)
        })
    }

    fn try_open(path: &Path, dir: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(5 * COMMIT_INTERVAL)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != FORMAT {
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?;
        }
        let dir = dir.as_os_str().as_bytes();
        connection.execute("INSERT OR IGNORE INTO folders(dir) VALUES (?1)", [dir])?;
        let folder = connection.query_row("SELECT id FROM folders WHERE dir = ?1", [dir], |row| row.get(0))?;
        Ok(Self { connection, folder, files: 0, begun: None })
    }

    /// The finished listing of a file that has not changed: its key here and the number of its parts.
    pub(super) fn find(&self, path: &str, stamp: &Stamp) -> rusqlite::Result<Option<(i64, u32)>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT id, parts FROM files WHERE folder = ?1 AND path = ?2 AND stamp = ?3")?;
        query
            .query_row(params![self.folder, path, stamp.bytes.as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// A part of a listing; `None` when it is damaged.
    pub(super) fn part(
        &self,
        file: i64,
        path: &str,
        stamp: &Stamp,
        part: u32,
    ) -> rusqlite::Result<Option<Vec<ChunkEntry>>> {
        let mut query = self.connection.prepare_cached("SELECT rows FROM listings WHERE file = ?1 AND part = ?2")?;
        let found: Option<Vec<u8>> = query.query_row(params![file, part], |row| row.get(0)).optional()?;
        let Some((check, rows)) = found.as_deref().and_then(|found| found.split_at_checked(16)) else {
            return Ok(None);
        };
        if check != part_check(path, stamp, part, rows) {
            return Ok(None);
        }
        Ok(rows.chunks(ROW_BYTES).map(read_row).collect())
    }

    /// Begins the listing of a file that is about to be read; the one before is forgotten.
    pub(super) fn begin(&mut self, path: &str, stamp: Stamp) -> rusqlite::Result<Draft> {
        self.begin_transaction()?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO files(folder, path, stamp, parts) VALUES (?1, ?2, NULL, 0)
             ON CONFLICT(folder, path) DO UPDATE SET stamp = NULL, parts = 0 RETURNING id",
        )?;
        let file: i64 = insert.query_row(params![self.folder, path], |row| row.get(0))?;
        self.connection.prepare_cached("DELETE FROM listings WHERE file = ?1")?.execute([file])?;
        Ok(Draft { file, path: path.to_owned(), stamp, parts: 0 })
    }

    /// Adds the next rows, [`PART_ROWS`] at most.
    pub(super) fn add(&mut self, draft: &mut Draft, rows: &[ChunkEntry]) -> rusqlite::Result<()> {
        self.begin_transaction()?;
        let rows: Vec<u8> = rows.iter().flat_map(row_bytes).collect();
        let check = part_check(&draft.path, &draft.stamp, draft.parts, &rows);
        let mut insert =
            self.connection.prepare_cached("INSERT INTO listings(file, part, rows) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![draft.file, draft.parts, [check.as_slice(), &rows].concat()])?;
        drop(insert);
        draft.parts += 1;
        self.commit_if_due()
    }

    /// The file was read to its end and did not change meanwhile.
    pub(super) fn finish(&mut self, draft: &Draft) -> rusqlite::Result<()> {
        self.begin_transaction()?;
        if draft.stamp.settled {
            let mut update = self.connection.prepare_cached("UPDATE files SET stamp = ?2, parts = ?3 WHERE id = ?1")?;
            update.execute(params![draft.file, draft.stamp.bytes.as_slice(), draft.parts])?;
        }
        self.files += 1;
        self.commit_if_due()
    }

    fn begin_transaction(&mut self) -> rusqlite::Result<()> {
        if self.begun.is_none() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.begun = Some(Instant::now());
        }
        Ok(())
    }

    /// Another packing of this process may be waiting for its turn.
    fn commit_if_due(&mut self) -> rusqlite::Result<()> {
        let due = self.begun.is_some_and(|begun| begun.elapsed() >= COMMIT_INTERVAL);
        if due || self.files >= COMMIT_FILES { self.commit() } else { Ok(()) }
    }

    /// Makes what has been added so far outlive this process.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.files = 0;
        if self.begun.take().is_some() { self.connection.execute_batch("COMMIT") } else { Ok(()) }
    }
}

impl Drop for Memory {
    /// A packing that failed has finished files too.
    fn drop(&mut self) {
        if let Err(error) = self.commit() {
            tracing::debug!(%error, "the memory of this packing is lost");
        }
    }
}

fn part_check(path: &str, stamp: &Stamp, part: u32, rows: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&stamp.bytes).update(&part.to_le_bytes()).update(&(path.len() as u32).to_le_bytes());
    hasher.update(path.as_bytes()).update(rows);
    *hasher.finalize().as_bytes().first_chunk().expect("a hash is longer than its half")
}

fn row_bytes(entry: &ChunkEntry) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    bytes[..32].copy_from_slice(entry.id.as_bytes());
    bytes[32..48].copy_from_slice(&entry.check.0);
    bytes[48] = entry.codec.number();
    bytes[49..53].copy_from_slice(&entry.plain_len.to_le_bytes());
    bytes[53..].copy_from_slice(&entry.stored_len.to_le_bytes());
    bytes
}

fn read_row(bytes: &[u8]) -> Option<ChunkEntry> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let (codec, rest) = rest.split_first()?;
    let (plain_len, stored_len) = rest.split_first_chunk()?;
    let entry = ChunkEntry {
        id: ChunkId::from_bytes(*id),
        codec: Codec::from_number(*codec)?,
        plain_len: u32::from_le_bytes(*plain_len),
        stored_len: u32::from_le_bytes(stored_len.try_into().ok()?),
        check: StoredCheck(*check),
    };
    entry.is_consistent().then_some(entry)
}
