//! The SQLite file: how it is opened and what its tables are.
//!
//! WAL with synchronous=FULL: a transaction that has committed survives a power cut. Several processes may open it (the
//! server and the commands beside it); they wait for each other for [`BUSY_WAIT`].

use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Version of the tables below.
pub(crate) const SCHEMA: i64 = 1;

/// How long a writer waits for another process: longer than any transaction here takes on a slow disk.
const BUSY_WAIT: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE network (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    key BLOB NOT NULL,
    roster_version INTEGER NOT NULL,
    roster BLOB NOT NULL,
    revision INTEGER NOT NULL,
    public_url TEXT,
    listen_url TEXT
) STRICT;
CREATE TABLE members (
    peer BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role INTEGER NOT NULL,
    domain TEXT NOT NULL,
    uplink_group TEXT,
    weight INTEGER NOT NULL,
    joined INTEGER NOT NULL
) STRICT;
CREATE TABLE publishers (
    name TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    peer BLOB NOT NULL REFERENCES members (peer) ON DELETE CASCADE
) STRICT;
CREATE TABLE invites (
    token INTEGER PRIMARY KEY,
    secret BLOB NOT NULL,
    name TEXT NOT NULL,
    role INTEGER NOT NULL,
    publisher TEXT,
    domain TEXT NOT NULL,
    uplink_group TEXT,
    weight INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    wrong INTEGER NOT NULL DEFAULT 0,
    void INTEGER NOT NULL DEFAULT 0,
    used_by BLOB
) STRICT;
CREATE TABLE roster_log (
    version INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    change TEXT NOT NULL
) STRICT;
CREATE TABLE releases (
    collection TEXT NOT NULL,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL UNIQUE,
    publisher TEXT NOT NULL,
    signer BLOB NOT NULL,
    release BLOB NOT NULL,
    root BLOB NOT NULL,
    listing TEXT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (collection, version)
) STRICT;
CREATE TABLE presence (
    peer BLOB PRIMARY KEY,
    seen INTEGER NOT NULL,
    announce BLOB NOT NULL
) STRICT;
";

/// Opens the file with the settings that every process must use.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY_WAIT)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Makes the tables in a new file; part of the transaction that fills them.
pub(crate) fn create_tables(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(TABLES)?;
    conn.pragma_update(None, "user_version", SCHEMA)
}

/// Version of the tables in a file; 0 when there are none.
pub(crate) fn schema(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}
