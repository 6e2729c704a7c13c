//! What earlier packings read: so that a file which has not changed is not read again.
//!
//! What must stay true: this is a cache (`pack-cache.sqlite` in the store's folder, `docs/formats/store.md`); without it, or when it
//! fails, everything is read. A listing is believed only when size, times and inode of the file are what they were, when the
//! file was already older than [`SETTLED`] as it was read (what is written in the same tick as it is read keeps its times:
//! git calls it "racily clean"), and when the store still has every chunk. Each part of a listing carries a check over path,
//! stamp and rows.

use super::row::{self, Row};
use crate::cut::{Container, Fallback, Plan, Planned};
use karez_protocol::content::recipe::{Extent, decode_extents, encode_extents};
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
/// Rows of a part: 160 to 240 KB in the database. In the order in which they were stored, which within a stream is theirs.
pub(super) const PART_ROWS: usize = 4096;
/// Bytes of extents in one row of the database.
const EXTENTS_PIECE: usize = 256 << 10;
/// Counted up when a listing means something else, and when files are planned in another way: an old listing would go on
/// giving the old manifest.
const FORMAT: i64 = 3;
const SCHEMA: &str = "
    DROP TABLE IF EXISTS folders;
    DROP TABLE IF EXISTS files;
    DROP TABLE IF EXISTS listings;
    DROP TABLE IF EXISTS recipes;
    CREATE TABLE folders(id INTEGER PRIMARY KEY, dir BLOB NOT NULL UNIQUE);
    CREATE TABLE files(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL, stamp BLOB, parts INTEGER NOT NULL,
        container TEXT, fallback TEXT, recipe INTEGER NOT NULL, UNIQUE(folder, path));
    CREATE TABLE listings(file INTEGER NOT NULL, part INTEGER NOT NULL, rows BLOB NOT NULL, PRIMARY KEY(file, part));
    CREATE TABLE recipes(file INTEGER NOT NULL, part INTEGER NOT NULL, extents BLOB NOT NULL, PRIMARY KEY(file, part));
    PRAGMA user_version = 3;";

/// Behind the path of a folder that is packed in place; no path has a zero byte.
const IN_PLACE: &[u8] = b"\0in place";

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

/// A listing that is believed.
#[derive(Debug)]
pub(super) struct Found {
    /// Its key here.
    pub(super) key: i64,
    /// Number of its parts.
    pub(super) parts: u32,
    /// How the file was cut; without forced cuts.
    pub(super) planned: Planned,
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
    ///
    /// Listings of packings in place and of those that copy do not count for each other: then the other kind is wanted, for
    /// which everything is read.
    pub(super) fn open(store: &Path, dir: &Path, in_place: bool) -> rusqlite::Result<Self> {
        let path = store.join("pack-cache.sqlite");
        let dir = dir.as_os_str().as_bytes();
        let names = [dir.to_vec(), [dir, IN_PLACE].concat()];
        let [copied, placed] = &names;
        let (this, other) = if in_place { (placed, copied) } else { (copied, placed) };
        let opened = Self::open_or_begin(store, &path, this)?;
        opened.forget(other)?;
        Ok(opened)
    }

    fn open_or_begin(store: &Path, path: &Path, dir: &[u8]) -> rusqlite::Result<Self> {
        Self::try_open(path, dir).or_else(|error| {
            if !matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
                return Err(error);
            }
            tracing::warn!(%error, "the memory of earlier packings is damaged and begun anew");
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(store.join(format!("pack-cache.sqlite{suffix}")));
            }
            Self::try_open(path, dir)
        })
    }

    fn forget(&self, dir: &[u8]) -> rusqlite::Result<()> {
        let find = "SELECT id FROM folders WHERE dir = ?1";
        let found = self.connection.query_row(find, [dir], |row| row.get::<_, i64>(0)).optional()?;
        let Some(folder) = found else { return Ok(()) };
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute("DELETE FROM listings WHERE file IN (SELECT id FROM files WHERE folder = ?1)", [folder])?;
        transaction.execute("DELETE FROM recipes WHERE file IN (SELECT id FROM files WHERE folder = ?1)", [folder])?;
        transaction.execute("DELETE FROM files WHERE folder = ?1", [folder])?;
        transaction.execute("DELETE FROM folders WHERE id = ?1", [folder])?;
        transaction.commit()
    }

    fn try_open(path: &Path, dir: &[u8]) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(5 * COMMIT_INTERVAL)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != FORMAT {
            begin_anew(&connection)?;
        }
        connection.execute("INSERT OR IGNORE INTO folders(dir) VALUES (?1)", [dir])?;
        let folder = connection.query_row("SELECT id FROM folders WHERE dir = ?1", [dir], |row| row.get(0))?;
        Ok(Self { connection, folder, files: 0, begun: None })
    }

    /// The finished listing of a file that has not changed; `None` also when it is damaged.
    pub(super) fn find(&self, path: &str, stamp: &Stamp) -> rusqlite::Result<Option<Found>> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, parts, container, fallback, recipe FROM files WHERE folder = ?1 AND path = ?2 AND stamp = ?3",
        )?;
        let found = query.query_row(params![self.folder, path, stamp.bytes.as_slice()], |row| {
            let (container, fallback): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, row.get(1)?, container, fallback, row.get(4)?))
        });
        let Some((key, parts, container, fallback, recipe)) = found.optional()? else { return Ok(None) };
        let Some(plan) = self.plan(key, path, stamp, recipe)? else { return Ok(None) };
        let container = container.and_then(|name| Container::from_name(&name));
        let fallback = fallback.and_then(|name| Fallback::from_name(&name));
        Ok(Some(Found { key, parts, planned: Planned { plan, container, fallback } }))
    }

    /// How the file was cut. Forced cuts are not kept: the rows have them.
    fn plan(&self, file: i64, path: &str, stamp: &Stamp, pieces: u32) -> rusqlite::Result<Option<Plan>> {
        if pieces == 0 {
            return Ok(Some(Plan::plain()));
        }
        let mut query = self.connection.prepare_cached("SELECT extents FROM recipes WHERE file = ?1 AND part = ?2")?;
        let mut bytes = Vec::new();
        for piece in 0..pieces {
            let found: Option<Vec<u8>> = query.query_row(params![file, piece], |row| row.get(0)).optional()?;
            let Some(piece) = found.as_deref().and_then(|found| checked(found, path, stamp, piece)) else {
                return Ok(None);
            };
            bytes.extend_from_slice(piece);
        }
        let extents: Option<Vec<Extent>> = decode_extents(&bytes).collect();
        Ok(extents.map(|extents| Plan::Streams { extents: extents.into() }))
    }

    /// A part of a listing; `None` when it is damaged.
    pub(super) fn part(&self, file: i64, path: &str, stamp: &Stamp, part: u32) -> rusqlite::Result<Option<Vec<Row>>> {
        let mut query = self.connection.prepare_cached("SELECT rows FROM listings WHERE file = ?1 AND part = ?2")?;
        let found: Option<Vec<u8>> = query.query_row(params![file, part], |row| row.get(0)).optional()?;
        let rows = found.as_deref().and_then(|found| checked(found, path, stamp, part));
        Ok(rows.and_then(row::unpack))
    }

    /// Begins the listing of a file that is about to be read; the one before is forgotten.
    pub(super) fn begin(&mut self, path: &str, stamp: Stamp, planned: &Planned) -> rusqlite::Result<Draft> {
        self.begin_transaction()?;
        let recipe = match &planned.plan {
            Plan::Streams { extents } => encode_extents(extents.iter().copied()),
            Plan::Linear { .. } => Vec::new(),
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO files(folder, path, stamp, parts, container, fallback, recipe) VALUES (?1, ?2, NULL, 0, ?3, ?4, ?5)
             ON CONFLICT(folder, path) DO UPDATE SET stamp = NULL, parts = 0, container = ?3, fallback = ?4, recipe = ?5
             RETURNING id",
        )?;
        let (container, fallback) = (planned.container.map(Container::name), planned.fallback.map(Fallback::name));
        let pieces = recipe.len().div_ceil(EXTENTS_PIECE) as u32;
        let file: i64 = insert.query_row(params![self.folder, path, container, fallback, pieces], |row| row.get(0))?;
        self.connection.prepare_cached("DELETE FROM listings WHERE file = ?1")?.execute([file])?;
        self.connection.prepare_cached("DELETE FROM recipes WHERE file = ?1")?.execute([file])?;
        let mut insert =
            self.connection.prepare_cached("INSERT INTO recipes(file, part, extents) VALUES (?1, ?2, ?3)")?;
        for (number, piece) in (0u32..).zip(recipe.chunks(EXTENTS_PIECE)) {
            let check = part_check(path, &stamp, number, piece);
            insert.execute(params![file, number, [check.as_slice(), piece].concat()])?;
        }
        Ok(Draft { file, path: path.to_owned(), stamp, parts: 0 })
    }

    /// Adds the next rows, [`PART_ROWS`] at most.
    pub(super) fn add(&mut self, draft: &mut Draft, rows: &[Row]) -> rusqlite::Result<()> {
        self.begin_transaction()?;
        let mut packed = Vec::with_capacity(rows.len() * row::ROW_BYTES);
        rows.iter().for_each(|row| row::pack(row, &mut packed));
        let check = part_check(&draft.path, &draft.stamp, draft.parts, &packed);
        let mut insert =
            self.connection.prepare_cached("INSERT INTO listings(file, part, rows) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![draft.file, draft.parts, [check.as_slice(), &packed].concat()])?;
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

/// What stands behind a check, when the check is right.
fn checked<'b>(found: &'b [u8], path: &str, stamp: &Stamp, part: u32) -> Option<&'b [u8]> {
    let (check, bytes) = found.split_at_checked(16)?;
    (check == part_check(path, stamp, part, bytes)).then_some(bytes)
}

/// Makes the tables, unless another packing of this process has done so meanwhile.
fn begin_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != FORMAT {
        connection.execute_batch(SCHEMA)?;
    }
    connection.execute_batch("COMMIT")
}
