//! The SQLite index: where each chunk stands. A cache of the segments, rebuilt from them whenever it is missing or damaged.
//!
//! What must stay true: a row refers to bytes that were fsynced before the row was committed. Commits themselves are not
//! fsynced (WAL, synchronous=NORMAL): a power cut may take the last ones back together with the `synced_len` they moved,
//! and opening the store then finds their records again by scanning.
//!
//! `chunks` is clustered by place, so that new rows are appended, and what concerns one segment is one range; the unique
//! id finds a chunk.

use super::record::Place;
use karez_protocol::content::hash::ChunkId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FORMAT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE chunks(
        segment INTEGER NOT NULL, offset INTEGER NOT NULL, stored_len INTEGER NOT NULL, id BLOB NOT NULL UNIQUE,
        PRIMARY KEY(segment, offset)) WITHOUT ROWID;
    CREATE TABLE segments(
        number INTEGER PRIMARY KEY, synced_len INTEGER NOT NULL, chunks INTEGER NOT NULL, stored_bytes INTEGER NOT NULL);
    PRAGMA user_version = 1;";

/// Where a chunk's record stands and how long its payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) place: Place,
    pub(super) stored_len: u32,
}

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
}

impl Index {
    /// Opens the index of a store; an unusable one is put away and begun anew, empty.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
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
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?;
        } else if version != FORMAT {
            return Err(schema_damage("another index format"));
        }
        let index = Self { connection };
        index.segments()?;
        index.get(&ChunkId::from_bytes([0; 32]))?;
        Ok(index)
    }

    /// Where a chunk stands.
    pub(super) fn get(&self, id: &ChunkId) -> rusqlite::Result<Option<Location>> {
        let mut query =
            self.connection.prepare_cached("SELECT segment, offset, stored_len FROM chunks WHERE id = ?1")?;
        query
            .query_row([id.as_bytes().as_slice()], |row| {
                let place = Place { segment: row.get(0)?, offset: row.get::<_, i64>(1)? as u64 };
                Ok(Location { place, stored_len: row.get(2)? })
            })
            .optional()
    }

    /// Records that `segment` is durable up to `synced_len` with these chunks in it, in one transaction. Records that
    /// they replace lose their rows in the same.
    pub(super) fn commit(
        &self,
        segment: u32,
        synced_len: u64,
        rows: &[(ChunkId, Location)],
        replaced: &[(ChunkId, Location)],
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for (id, at) in replaced {
            remove_row(&transaction, id, *at)?;
        }
        let (mut chunks, mut bytes) = (0i64, 0i64);
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO chunks(segment, offset, stored_len, id) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (id, at) in rows {
                let id = id.as_bytes().as_slice();
                let added = insert.execute(params![at.place.segment, at.place.offset as i64, at.stored_len, id])?;
                chunks += added as i64;
                bytes += added as i64 * i64::from(at.stored_len);
            }
        }
        transaction.execute(
            "INSERT INTO segments(number, synced_len, chunks, stored_bytes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT(number) DO UPDATE SET synced_len = ?2, chunks = chunks + ?3, stored_bytes = stored_bytes + ?4",
            params![segment, synced_len as i64, chunks, bytes],
        )?;
        transaction.commit()
    }

    /// Forgets one chunk, if it still stands there; true when it did.
    pub(super) fn remove(&self, id: &ChunkId, at: Location) -> rusqlite::Result<bool> {
        let transaction = self.connection.unchecked_transaction()?;
        let removed = remove_row(&transaction, id, at)?;
        transaction.commit()?;
        Ok(removed)
    }

    /// Forgets what stood in a segment behind `len`: its file has become shorter, or is gone (`len` 0).
    pub(super) fn forget_behind(&self, segment: u32, len: u64) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute(
            "DELETE FROM chunks WHERE segment = ?1 AND offset + stored_len + ?2 > ?3",
            params![segment, super::record::RECORD_HEADER_LEN as i64, len as i64],
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

    /// Up to `limit` chunks in the order of their places, from `from` on.
    pub(super) fn chunks_from(&self, from: Place, limit: u32) -> rusqlite::Result<Vec<(Place, ChunkId)>> {
        let mut query = self.connection.prepare_cached(
            "SELECT segment, offset, id FROM chunks WHERE (segment, offset) >= (?1, ?2)
             ORDER BY segment, offset LIMIT ?3",
        )?;
        let rows = query.query_map(params![from.segment, from.offset as i64, limit], |row| {
            let place = Place { segment: row.get(0)?, offset: row.get::<_, i64>(1)? as u64 };
            Ok((place, ChunkId::from_bytes(row.get(2)?)))
        })?;
        rows.collect()
    }
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
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ),
    }
}

/// Leaves word that the index must be rebuilt when the store is opened the next time.
pub(super) fn mark_damaged(path: &Path) {
    if let Err(error) = std::fs::write(marker(path), b"") {
        tracing::warn!(%error, "cannot mark the index for rebuilding: delete {} by hand", path.display());
    }
}

fn schema_damage(reason: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), Some(reason.into()))
}

fn marker(path: &Path) -> PathBuf {
    path.with_extension("rebuild")
}

/// Removes the index; a file that stays makes the next open fail, which says more than this could.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = std::fs::remove_file(PathBuf::from(file));
    }
    let _ = std::fs::remove_file(marker(path));
}
