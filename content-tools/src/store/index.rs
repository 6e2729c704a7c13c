//! The SQLite index: where each chunk stands. A cache of the segments, rebuilt from them whenever it is missing or damaged.
//!
//! What must stay true: a row refers to bytes that were fsynced before the row was committed. Commits themselves are not
//! fsynced (WAL, synchronous=NORMAL): a power cut may take the last ones back together with the `synced_len` they moved,
//! and opening the store then finds their records again by scanning.
//!
//! `chunks` is clustered by place, so that new rows are appended, and what concerns one segment is one range. `places`
//! finds a chunk by the first 8 bytes of its id; it may name places that are gone, and a place proves nothing before the
//! whole id of its row was compared. Random inserts are what kills a B-tree on a slow disk, so `places` is filled by
//! sweeps in the order of ids, and what they have not reached yet is in memory (`docs/decisions/0009-index-by-locality.md`).

mod lookup;
mod quarantine;

use super::filter::{Filter, prefix};
use super::record::Place;
use crate::disk::NotAFile;
use karez_protocol::content::hash::ChunkId;
use lookup::{Memory, Sweep};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

const FORMAT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE chunks(
        segment INTEGER NOT NULL, offset INTEGER NOT NULL, stored_len INTEGER NOT NULL, id BLOB NOT NULL,
        PRIMARY KEY(segment, offset)) WITHOUT ROWID;
    CREATE TABLE places(
        prefix INTEGER NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY(prefix, segment, offset)) WITHOUT ROWID;
    CREATE TABLE swept(one INTEGER PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL);
    INSERT INTO swept VALUES (1, 0, 0);
    CREATE TABLE segments(
        number INTEGER PRIMARY KEY, synced_len INTEGER NOT NULL, chunks INTEGER NOT NULL, stored_bytes INTEGER NOT NULL);
    PRAGMA user_version = 2;";

/// Rows of `chunks` that are loaded at once when lookups follow the order of a segment: about 50 MB of content.
const NEIGHBOURS: u32 = 1024;
/// Rows a sweep moves for each new one: four, so that it is done long before the next must begin.
const SWEPT_PER_ROW: usize = 4;
/// Rows a sweep moves at least: some milliseconds, so that readers do not wait long for the index.
const SWEPT_MIN: usize = 1024;
/// SQLite's page cache: the inner nodes of both trees at 20 million chunks.
const PAGE_CACHE_KIB: i64 = 8 << 10;

/// Where a chunk's record stands and how long its payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) place: Place,
    pub(super) stored_len: u32,
}

/// A chunk at its place.
pub(super) type Placed = (Place, ChunkId);

/// What the index knows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SegmentRow {
    pub(super) synced_len: u64,
    pub(super) chunks: u64,
    pub(super) stored_bytes: u64,
}

/// The open index.
#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
    memory: RefCell<Memory>,
    damaged: RefCell<HashSet<ChunkId>>,
}

impl Index {
    /// Opens the index of a store; an unusable one is put away and begun anew, empty.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        put_others_aside(path)?;
        if marker(path).exists() {
            remove(path);
        }
        match Self::try_open(path) {
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "the index of the store is damaged: rebuilding it from the segments");
                remove(path);
                Self::try_open(path)
            }
            other => other,
        }
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // The store's lock lets one process in, and this is its only connection. Without sharing, SQLite keeps the WAL's index in
        // memory (sqlite.org/wal.html, section 8) instead of a file beside it, for which a full disk has no room.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?;
        } else if version != FORMAT {
            return Err(schema_damage("another index format"));
        }
        let memory = RefCell::new(remember(&connection)?);
        let damaged = RefCell::new(quarantine::load(&connection)?);
        let index = Self { connection, memory, damaged };
        index.segments()?;
        Ok(index)
    }

    /// Where a chunk stands.
    pub(super) fn get(&self, id: &ChunkId) -> rusqlite::Result<Option<Location>> {
        if let Some(known) = self.memory.borrow_mut().get(id) {
            return Ok(known);
        }
        let mut query = self.connection.prepare_cached(
            "SELECT c.segment, c.offset, c.stored_len FROM places p
             JOIN chunks c ON c.segment = p.segment AND c.offset = p.offset WHERE p.prefix = ?1 AND c.id = ?2",
        )?;
        let found = query.query_row(params![key(id), id.as_bytes().as_slice()], location).optional()?;
        let Some(at) = found else { return Ok(None) };
        let follows = self.memory.borrow_mut().follows(at.place);
        if follows {
            self.load_neighbours(at.place)?;
        }
        Ok(found)
    }

    /// The next lookups will likely ask for what stands behind this place (Zhu, Li, Patterson: Avoiding the Disk
    /// Bottleneck in the Data Domain Deduplication File System, FAST 2008).
    fn load_neighbours(&self, from: Place) -> rusqlite::Result<()> {
        let mut query = self.connection.prepare_cached(
            "SELECT segment, offset, stored_len, id FROM chunks WHERE segment = ?1 AND offset > ?2
             ORDER BY offset LIMIT ?3",
        )?;
        let rows = query.query_map(params![from.segment, from.offset as i64, NEIGHBOURS], |row| {
            Ok((ChunkId::from_bytes(row.get(3)?), location(row)?))
        })?;
        self.memory.borrow_mut().keep_neighbours(rows.collect::<rusqlite::Result<_>>()?);
        Ok(())
    }

    /// Records that `segment` is durable up to `synced_len` with these chunks in it, in one transaction. Records that
    /// they replace lose their rows in the same. A chunk that has a row already gets no second one. How many rows came.
    pub(super) fn commit(
        &self,
        segment: u32,
        synced_len: u64,
        rows: &[(ChunkId, Location)],
        replaced: &[(ChunkId, Location)],
    ) -> rusqlite::Result<u64> {
        let transaction = self.connection.unchecked_transaction()?;
        for (id, at) in replaced {
            self.memory.borrow_mut().forget(id, *at);
            remove_row(&transaction, id, *at)?;
        }
        let fresh = self.fresh(&transaction, rows)?;
        self.insert(&transaction, &fresh)?;
        quarantine::clear(&transaction, &mut self.damaged.borrow_mut(), &fresh)?;
        let bytes: i64 = fresh.iter().map(|(_, at)| i64::from(at.stored_len)).sum();
        transaction.execute(
            "INSERT INTO segments(number, synced_len, chunks, stored_bytes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT(number) DO UPDATE SET synced_len = ?2, chunks = chunks + ?3, stored_bytes = stored_bytes + ?4",
            params![segment, synced_len as i64, fresh.len() as i64, bytes],
        )?;
        transaction.commit()?;
        self.memory.borrow_mut().insert(&fresh);
        self.sweep((fresh.len() * SWEPT_PER_ROW).max(SWEPT_MIN))?;
        Ok(fresh.len() as u64)
    }

    /// The rows whose chunks are not known yet, by place, each chunk once. A chunk is written again only because its record
    /// was found damaged, so of two records the later is the right one when an index from before that comes back.
    fn fresh(
        &self,
        transaction: &Transaction<'_>,
        rows: &[(ChunkId, Location)],
    ) -> rusqlite::Result<Vec<(ChunkId, Location)>> {
        let mut latest: HashMap<&ChunkId, Location> = HashMap::with_capacity(rows.len());
        for (id, at) in rows {
            let known = latest.entry(id).or_insert(*at);
            if known.place < at.place {
                *known = *at;
            }
        }
        let mut fresh = Vec::with_capacity(latest.len());
        for (id, at) in latest {
            match self.get(id)? {
                Some(older) if older.place < at.place => {
                    self.memory.borrow_mut().forget(id, older);
                    remove_row(transaction, id, older)?;
                }
                Some(_) => continue,
                None => {}
            }
            fresh.push((*id, at));
        }
        fresh.sort_unstable_by_key(|(_, at)| at.place);
        Ok(fresh)
    }

    fn insert(&self, transaction: &Transaction<'_>, rows: &[(ChunkId, Location)]) -> rusqlite::Result<()> {
        let mut insert = transaction
            .prepare_cached("INSERT OR REPLACE INTO chunks(segment, offset, stored_len, id) VALUES (?1, ?2, ?3, ?4)")?;
        let frontier = self.memory.borrow().frontier();
        for (id, at) in rows {
            let bytes = id.as_bytes().as_slice();
            insert.execute(params![at.place.segment, at.place.offset as i64, at.stored_len, bytes])?;
            if at.place < frontier {
                // No sweep comes by there again: a segment that was lost and came back.
                insert_place(transaction, id, at.place)?;
            }
        }
        Ok(())
    }

    /// Moves up to `rows` recent rows on into `places`. Killed at any point, it begins again from the rows of `chunks`.
    fn sweep(&self, rows: usize) -> rusqlite::Result<()> {
        let Some(sweep) = self.memory.borrow_mut().take_sweep() else { return Ok(()) };
        let swept = self.sweep_some(sweep, rows);
        let mut memory = self.memory.borrow_mut();
        let (sweep, result) = swept;
        memory.put_sweep(sweep);
        result
    }

    fn sweep_some(&self, mut sweep: Sweep, rows: usize) -> (Sweep, rusqlite::Result<()>) {
        let end = sweep.rows.len().min(sweep.done + rows);
        let moved = (|| {
            let transaction = self.connection.unchecked_transaction()?;
            for (id, at) in &sweep.rows[sweep.done..end] {
                insert_place(&transaction, id, at.place)?;
            }
            if end == sweep.rows.len() {
                transaction.execute(
                    "UPDATE swept SET segment = ?1, offset = ?2",
                    params![sweep.until.segment, sweep.until.offset as i64],
                )?;
            }
            transaction.commit()
        })();
        if moved.is_ok() {
            sweep.done = end;
        }
        (sweep, moved)
    }

    /// Forgets one chunk, if it still stands there; true when it did.
    pub(super) fn remove(&self, id: &ChunkId, at: Location) -> rusqlite::Result<bool> {
        self.memory.borrow_mut().forget(id, at);
        let transaction = self.connection.unchecked_transaction()?;
        let removed = remove_row(&transaction, id, at)?;
        transaction.commit()?;
        Ok(removed)
    }

    /// Forgets what stood in a segment behind `len`: its file has become shorter, or is gone (`len` 0).
    pub(super) fn forget_behind(&self, segment: u32, len: u64) -> rusqlite::Result<()> {
        let header = super::record::RECORD_HEADER_LEN as u64;
        let gone =
            |at: &Location| at.place.segment == segment && at.place.offset + u64::from(at.stored_len) + header > len;
        self.memory.borrow_mut().forget_where(gone);
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute(
            "DELETE FROM chunks WHERE segment = ?1 AND offset + stored_len + ?2 > ?3",
            params![segment, header as i64, len as i64],
        )?;
        transaction.execute(
            "UPDATE segments SET synced_len = ?2,
                chunks = (SELECT COUNT(*) FROM chunks WHERE segment = ?1),
                stored_bytes = (SELECT COALESCE(SUM(stored_len), 0) FROM chunks WHERE segment = ?1)
             WHERE number = ?1",
            params![segment, len as i64],
        )?;
        transaction.execute("DELETE FROM segments WHERE number = ?1 AND ?2 = 0", params![segment, len as i64])?;
        transaction.commit()
    }

    /// The segments the index knows.
    pub(super) fn segments(&self) -> rusqlite::Result<BTreeMap<u32, SegmentRow>> {
        let mut query = self.connection.prepare("SELECT number, synced_len, chunks, stored_bytes FROM segments")?;
        let rows = query.query_map([], |row| {
            let count = |at: usize| row.get::<_, i64>(at).map(|n| n as u64);
            Ok((row.get(0)?, SegmentRow { synced_len: count(1)?, chunks: count(2)?, stored_bytes: count(3)? }))
        })?;
        rows.collect()
    }

    /// The chunks of one segment, by place.
    pub(super) fn rows_of(&self, segment: u32) -> rusqlite::Result<Vec<(ChunkId, Location)>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT segment, offset, stored_len, id FROM chunks WHERE segment = ?1 ORDER BY offset")?;
        let rows = query.query_map([segment], |row| Ok((ChunkId::from_bytes(row.get(3)?), location(row)?)))?;
        rows.collect()
    }

    /// The first and the last chunk of a segment.
    pub(super) fn ends_of(&self, segment: u32) -> rusqlite::Result<Option<(Placed, Placed)>> {
        let end = |order: &str| {
            let select =
                format!("SELECT segment, offset, id FROM chunks WHERE segment = ?1 ORDER BY offset {order} LIMIT 1");
            let row = |row: &Row<'_>| Ok((place(row)?, ChunkId::from_bytes(row.get(2)?)));
            self.connection.prepare_cached(&select)?.query_row([segment], row).optional()
        };
        Ok(end("ASC")?.zip(end("DESC")?))
    }

    /// Up to `limit` chunks in the order of their places, from `from` on.
    pub(super) fn chunks_from(&self, from: Place, limit: u32) -> rusqlite::Result<Vec<(Place, ChunkId)>> {
        let mut query = self.connection.prepare_cached(
            "SELECT segment, offset, id FROM chunks WHERE (segment, offset) >= (?1, ?2)
             ORDER BY segment, offset LIMIT ?3",
        )?;
        let rows = query.query_map(params![from.segment, from.offset as i64, limit], |row| {
            Ok((place(row)?, ChunkId::from_bytes(row.get(2)?)))
        })?;
        rows.collect()
    }
}

/// What the lookups keep in memory, from the tables: about 12 bits for each chunk, and the rows no sweep has reached.
fn remember(connection: &Connection) -> rusqlite::Result<Memory> {
    let frontier = connection.query_row("SELECT segment, offset FROM swept", [], place)?;
    let chunks: i64 = connection.query_row("SELECT COALESCE(SUM(chunks), 0) FROM segments", [], |row| row.get(0))?;
    // A tenth of room, so that a full store does not begin a second layer at once.
    let mut filter = Filter::with_room(chunks as usize / 10 * 11);
    let mut prefixes = connection.prepare("SELECT prefix FROM places")?;
    let mut rows = prefixes.query([])?;
    while let Some(row) = rows.next()? {
        filter.insert(prefix_of_key(row.get(0)?));
    }
    let mut memory = Memory::new(filter, frontier);
    let mut recent = connection.prepare(
        "SELECT segment, offset, stored_len, id FROM chunks WHERE (segment, offset) >= (?1, ?2)
         ORDER BY segment, offset",
    )?;
    let mut rows = recent.query(params![frontier.segment, frontier.offset as i64])?;
    while let Some(row) = rows.next()? {
        memory.insert(&[(ChunkId::from_bytes(row.get(3)?), location(row)?)]);
    }
    Ok(memory)
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { segment: row.get(0)?, offset: row.get::<_, i64>(1)? as u64 })
}

fn location(row: &Row<'_>) -> rusqlite::Result<Location> {
    Ok(Location { place: place(row)?, stored_len: row.get(2)? })
}

/// The prefix as SQLite's signed integer, in the order of ids.
fn key(id: &ChunkId) -> i64 {
    (prefix(id) ^ 1 << 63) as i64
}

fn prefix_of_key(key: i64) -> u64 {
    key as u64 ^ 1 << 63
}

fn insert_place(transaction: &Transaction<'_>, id: &ChunkId, at: Place) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO places VALUES (?1, ?2, ?3)")?;
    insert.execute(params![key(id), at.segment, at.offset as i64]).map(|_| ())
}

fn remove_row(transaction: &Transaction<'_>, id: &ChunkId, at: Location) -> rusqlite::Result<bool> {
    let removed = transaction.execute(
        "DELETE FROM chunks WHERE segment = ?1 AND offset = ?2 AND id = ?3",
        params![at.place.segment, at.place.offset as i64, id.as_bytes().as_slice()],
    )?;
    transaction.execute(
        "UPDATE segments SET chunks = chunks - ?2, stored_bytes = stored_bytes - ?3 WHERE number = ?1",
        params![at.place.segment, removed as i64, removed as i64 * i64::from(at.stored_len)],
    )?;
    Ok(removed > 0)
}

/// Whether an error says that the index file itself is unusable.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        // Our statements are right: one that does not fit meets another schema, and a row that is missing was there.
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ),
    }
}

/// Leaves word that the index must be rebuilt when the store is opened the next time.
pub(super) fn mark_damaged(path: &Path) {
    if let Err(error) = fs::write(marker(path), b"") {
        tracing::warn!(%error, "cannot mark the index for rebuilding: delete {} by hand", path.display());
    }
}

fn schema_damage(reason: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), Some(reason.into()))
}

fn marker(path: &Path) -> PathBuf {
    path.with_extension("rebuild")
}

/// What stands in the place of the index and is no file: SQLite would fail at it, or wait.
fn put_others_aside(path: &Path) -> rusqlite::Result<()> {
    for file in files(path) {
        let Some(other) = fs::metadata(&file).ok().and_then(|found| NotAFile::of(found.file_type())) else { continue };
        let mut aside = file.as_os_str().to_owned();
        aside.push(".aside");
        tracing::warn!(file = %file.display(), error = %other, "renamed to .aside: the index is rebuilt from the segments");
        fs::rename(&file, PathBuf::from(aside)).map_err(|_| cannot_open(&other))?;
    }
    Ok(())
}

fn cannot_open(other: &NotAFile) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), Some(other.to_string()))
}

fn files(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm"].into_iter().map(move |suffix| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        PathBuf::from(file)
    })
}

/// Removes the index; a file that stays makes the next open fail, which says more than this could.
pub(super) fn remove(path: &Path) {
    for file in files(path).chain([marker(path)]) {
        let _ = fs::remove_file(file);
    }
}

#[cfg(test)]
mod tests;
