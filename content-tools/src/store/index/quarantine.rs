//! The chunks that were found damaged and have not come back: what a node fetches again, and what a person asks about.
//!
//! What must stay true: a chunk is in the list from the moment its row goes until a row for it comes again, or until
//! somebody has found out that nothing names it. The list goes with the index when that is lost: a rebuild reads everything
//! again and takes in only what is whole.

use super::{Index, Location, place};
use crate::store::record::Place;
use karez_protocol::content::hash::ChunkId;
use rusqlite::{Connection, Transaction, params};
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Chunks noted: 5 GB of content. A disk that lost more needs replacing, and not a longer list.
const NOTED_MAX: usize = 100_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS damaged(
        id BLOB PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, found INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS damaged_files(id BLOB PRIMARY KEY, path BLOB NOT NULL) WITHOUT ROWID;";

/// A chunk in the list: its id, where it stood, when it was found, in seconds since 1970, and the file outside the store that
/// its bytes were in.
pub(in crate::store) type Noted = (ChunkId, Place, u64, Option<PathBuf>);

/// The ids in the list, so that a commit need not ask for each of its rows.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<HashSet<ChunkId>> {
    connection.execute_batch(SCHEMA)?;
    let mut query = connection.prepare("SELECT id FROM damaged")?;
    let ids = query.query_map([], |row| Ok(ChunkId::from_bytes(row.get(0)?)))?;
    ids.collect()
}

/// Takes chunks that have rows again out of the list, in the transaction that brings the rows.
pub(super) fn clear(
    transaction: &Transaction<'_>,
    noted: &mut HashSet<ChunkId>,
    rows: &[(ChunkId, Location)],
) -> rusqlite::Result<()> {
    if noted.is_empty() {
        return Ok(());
    }
    for (id, _) in rows {
        if noted.remove(id) {
            transaction.execute("DELETE FROM damaged WHERE id = ?1", [id.as_bytes().as_slice()])?;
            transaction.execute("DELETE FROM damaged_files WHERE id = ?1", [id.as_bytes().as_slice()])?;
        }
    }
    Ok(())
}

impl Index {
    /// Notes a damaged chunk, with the file outside the store that its bytes were in.
    pub(in crate::store) fn note_damaged(
        &self,
        id: &ChunkId,
        at: Place,
        found: u64,
        file: Option<&Path>,
    ) -> rusqlite::Result<()> {
        let mut noted = self.damaged.borrow_mut();
        if noted.len() >= NOTED_MAX {
            return Ok(());
        }
        let id_bytes = id.as_bytes().as_slice();
        self.connection.execute(
            "INSERT OR REPLACE INTO damaged VALUES (?1, ?2, ?3, ?4)",
            params![id_bytes, at.segment, at.offset as i64, found as i64],
        )?;
        if let Some(file) = file {
            let path = file.as_os_str().as_bytes();
            self.connection.execute("INSERT OR REPLACE INTO damaged_files VALUES (?1, ?2)", params![id_bytes, path])?;
        }
        noted.insert(*id);
        Ok(())
    }

    /// Takes chunks out of the list that nothing needs any more.
    pub(in crate::store) fn strike_damaged(&self, ids: &[ChunkId]) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut noted = self.damaged.borrow_mut();
        for id in ids {
            transaction.execute("DELETE FROM damaged WHERE id = ?1", [id.as_bytes().as_slice()])?;
            transaction.execute("DELETE FROM damaged_files WHERE id = ?1", [id.as_bytes().as_slice()])?;
            noted.remove(id);
        }
        transaction.commit()
    }

    /// Whether a chunk is in the list.
    pub(in crate::store) fn is_noted_damaged(&self, id: &ChunkId) -> bool {
        self.damaged.borrow().contains(id)
    }

    /// The list, by place.
    pub(in crate::store) fn damaged(&self) -> rusqlite::Result<Vec<Noted>> {
        let mut query = self.connection.prepare(
            "SELECT segment, offset, d.id, found, path FROM damaged d LEFT JOIN damaged_files f ON f.id = d.id
             ORDER BY segment, offset",
        )?;
        let rows = query.query_map([], |row| {
            let path: Option<Vec<u8>> = row.get(4)?;
            let found = row.get::<_, i64>(3)? as u64;
            Ok((ChunkId::from_bytes(row.get(2)?), place(row)?, found, path.map(path_of)))
        })?;
        rows.collect()
    }

    /// Files outside the store in the list, each with the number of its chunks; those with most chunks first.
    pub(in crate::store) fn damaged_files(&self, limit: u32) -> rusqlite::Result<Vec<(PathBuf, u64)>> {
        let mut query = self.connection.prepare(
            "SELECT path, COUNT(*) AS chunks FROM damaged_files f JOIN damaged d ON d.id = f.id
             GROUP BY path ORDER BY chunks DESC, path LIMIT ?1",
        )?;
        let rows = query.query_map([limit], |row| Ok((path_of(row.get(0)?), row.get::<_, i64>(1)? as u64)))?;
        rows.collect()
    }

    /// A file was looked at anew: what it no longer holds is its owner's doing, and no longer a damage of the file.
    pub(in crate::store) fn forget_damaged_file(&self, path: &Path) -> rusqlite::Result<()> {
        if self.damaged.borrow().is_empty() {
            return Ok(());
        }
        let path = path.as_os_str().as_bytes();
        self.connection.execute("DELETE FROM damaged_files WHERE path = ?1", [path]).map(drop)
    }
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}
