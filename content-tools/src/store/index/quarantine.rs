//! The chunks that were found damaged and have not come back: what a node fetches again, and what a person asks about.
//!
//! What must stay true: a chunk is in the list from the moment its row goes until a row for it comes again. The list goes
//! with the index when that is lost: a rebuild reads everything again and takes in only what is whole.

use super::{Index, Location, place};
use crate::store::record::Place;
use karez_protocol::content::hash::ChunkId;
use rusqlite::{Connection, Transaction, params};
use std::collections::HashSet;

/// Chunks noted: 5 GB of content. A disk that lost more needs replacing, and not a longer list.
const NOTED_MAX: usize = 100_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS damaged(
        id BLOB PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, found INTEGER NOT NULL) WITHOUT ROWID;";

/// A chunk in the list: its id, where it stood, and when it was found, in seconds since 1970.
pub(in crate::store) type Noted = (ChunkId, Place, u64);

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
        }
    }
    Ok(())
}

impl Index {
    /// Notes a damaged chunk.
    pub(in crate::store) fn note_damaged(&self, id: &ChunkId, at: Place, found: u64) -> rusqlite::Result<()> {
        let mut noted = self.damaged.borrow_mut();
        if noted.len() >= NOTED_MAX {
            return Ok(());
        }
        self.connection.execute(
            "INSERT OR REPLACE INTO damaged VALUES (?1, ?2, ?3, ?4)",
            params![id.as_bytes().as_slice(), at.segment, at.offset as i64, found as i64],
        )?;
        noted.insert(*id);
        Ok(())
    }

    /// The list, by place.
    pub(in crate::store) fn damaged(&self) -> rusqlite::Result<Vec<Noted>> {
        let mut query =
            self.connection.prepare("SELECT segment, offset, id, found FROM damaged ORDER BY segment, offset")?;
        let rows = query
            .query_map([], |row| Ok((ChunkId::from_bytes(row.get(2)?), place(row)?, row.get::<_, i64>(3)? as u64)))?;
        rows.collect()
    }
}
