//! What a node remembers between runs besides content: follows, pulls, catalogue, addresses.
//!
//! All of it is read once at start and then lives in the driver; changes go to a writer thread through a bounded queue,
//! so the loop never waits for the disk. Losing the file loses convenience only: a damaged one is set aside and begun anew.
//! On a full disk the reserve is given up for a change, because a follow that is forgotten is a course that never comes.

use karez_content_tools::reserve::{MayBeFull, Reserve};
use karez_protocol::content::name::CollectionName;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::SignedRelease;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Changes that may wait for the disk.
const CHANGES_MAX: usize = 1_024;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS wanted (collection TEXT PRIMARY KEY, follow INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS catalogue (
        collection TEXT PRIMARY KEY, revision INTEGER NOT NULL, release BLOB NOT NULL, root BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS addresses (peer TEXT PRIMARY KEY, addresses TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS opened (collection TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS unlisted (collection TEXT PRIMARY KEY) STRICT;";

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct StateError {
    path: String,
    source: rusqlite::Error,
}

/// A change to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A collection is wanted here; `follow` also for its coming versions.
    Wanted {
        /// The collection.
        collection: CollectionName,
        /// New versions too.
        follow: bool,
    },
    /// A collection is not wanted here any more.
    Unwanted {
        /// The collection.
        collection: CollectionName,
    },
    /// A collection was opened.
    Opened {
        /// The collection.
        collection: CollectionName,
        /// Larger than that of all opened before.
        number: u64,
    },
    /// A release is the newest known.
    Catalogue {
        /// The collection.
        collection: CollectionName,
        /// Revision at the tracker; 0 when it came from a peer or was made here.
        revision: u64,
        /// Release and root.
        release: SignedRelease,
    },
    /// Where a peer was last known to be.
    Addresses {
        /// Who.
        peer: PeerId,
        /// `ip:port`, best first.
        addresses: Vec<String>,
    },
    /// A release made here has (not) reached the tracker.
    Unlisted {
        /// The collection.
        collection: CollectionName,
        /// Still to be listed.
        pending: bool,
    },
}

/// A catalogue row as remembered: collection, revision, release, root. Untrusted: checked again when loaded.
pub type RememberedRelease = (String, u64, SignedRelease);

/// Everything remembered.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Collection and whether it is followed.
    pub wanted: Vec<(CollectionName, bool)>,
    /// Collections in the order they were opened last: the larger the number, the later.
    pub opened: Vec<(CollectionName, u64)>,
    /// Newest releases known.
    pub catalogue: Vec<RememberedRelease>,
    /// Addresses of peers.
    pub addresses: Vec<(PeerId, Vec<String>)>,
    /// Releases made here that the tracker has not listed.
    pub unlisted: Vec<CollectionName>,
}

/// The writer.
#[derive(Debug)]
pub struct State {
    changes: Option<SyncSender<Change>>,
    writer: Option<JoinHandle<()>>,
}

impl State {
    /// Opens the file, or begins anew when it is damaged, and returns what it remembers.
    pub fn open(path: &Path, reserve: Reserve) -> Result<(Self, Remembered), StateError> {
        let error = |source| StateError { path: path.display().to_string(), source };
        let opened = reserve.spend(|| open_and_load(path).map_err(Failed)).map_err(|failed| failed.0);
        let opened = opened.or_else(|cause| {
            if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
                return Err(cause);
            }
            tracing::warn!(%cause, path = %path.display(), "state file is damaged: set aside");
            let _ = std::fs::rename(path, path.with_extension("damaged"));
            open_and_load(path)
        });
        let (connection, remembered) = opened.map_err(error)?;
        let (changes, inbox) = sync_channel::<Change>(CHANGES_MAX);
        let writer = std::thread::Builder::new()
            .name("karez-state".into())
            .spawn(move || {
                for change in inbox {
                    if let Err(Failed(cause)) = reserve.spend(|| apply(&connection, &change).map_err(Failed)) {
                        tracing::error!(%cause, "cannot remember a change");
                    }
                }
            })
            .expect("the system can start a thread");
        Ok((Self { changes: Some(changes), writer: Some(writer) }, remembered))
    }

    /// Remembers a change; when the disk is so slow that the queue is full, the change is lost and logged.
    pub fn remember(&self, change: Change) {
        let sent = self.changes.as_ref().is_some_and(|changes| changes.try_send(change).is_ok());
        if !sent {
            tracing::error!("the disk is too slow: a change was not remembered");
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A failure of SQLite.
#[derive(Debug)]
struct Failed(rusqlite::Error);

impl MayBeFull for Failed {
    fn is_full(&self) -> bool {
        self.0.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

fn open_and_load(path: &Path) -> rusqlite::Result<(Connection, Remembered)> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    let remembered = load(&connection)?;
    Ok((connection, remembered))
}

fn load(connection: &Connection) -> rusqlite::Result<Remembered> {
    let mut remembered = Remembered::default();
    let mut rows = connection.prepare("SELECT collection, follow FROM wanted ORDER BY collection")?;
    for row in rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))? {
        let (collection, follow) = row?;
        remembered.wanted.extend(collection.parse().ok().map(|name| (name, follow)));
    }
    let mut rows = connection.prepare("SELECT collection, number FROM opened")?;
    for row in rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64)))? {
        let (collection, number) = row?;
        remembered.opened.extend(collection.parse().ok().map(|name| (name, number)));
    }
    let mut rows = connection.prepare("SELECT collection, revision, release, root FROM catalogue")?;
    let release = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, SignedRelease { release: row.get(2)?, root: row.get(3)? }))
    };
    remembered.catalogue = rows.query_map([], release)?.collect::<rusqlite::Result<_>>()?;
    let mut rows = connection.prepare("SELECT peer, addresses FROM addresses")?;
    for row in rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        let (peer, addresses) = row?;
        let addresses = addresses.split(' ').map(str::to_owned).collect();
        remembered.addresses.extend(peer.parse().ok().map(|peer| (peer, addresses)));
    }
    let mut rows = connection.prepare("SELECT collection FROM unlisted")?;
    for row in rows.query_map([], |row| row.get::<_, String>(0))? {
        remembered.unlisted.extend(row?.parse().ok());
    }
    Ok(remembered)
}

fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Wanted { collection, follow } => connection.execute(
            "INSERT INTO wanted VALUES (?1, ?2) ON CONFLICT DO UPDATE SET follow = ?2",
            params![collection.to_string(), follow],
        )?,
        Change::Unwanted { collection } => {
            connection.execute("DELETE FROM wanted WHERE collection = ?1", [collection.to_string()])?
        }
        Change::Opened { collection, number } => connection.execute(
            "INSERT OR REPLACE INTO opened VALUES (?1, ?2)",
            params![collection.to_string(), *number as i64],
        )?,
        Change::Catalogue { collection, revision, release } => connection.execute(
            "INSERT OR REPLACE INTO catalogue VALUES (?1, ?2, ?3, ?4)",
            params![collection.to_string(), *revision as i64, release.release, release.root],
        )?,
        Change::Addresses { peer, addresses } => connection.execute(
            "INSERT OR REPLACE INTO addresses VALUES (?1, ?2)",
            params![peer.to_string(), addresses.join(" ")],
        )?,
        Change::Unlisted { collection, pending: true } => {
            connection.execute("INSERT OR REPLACE INTO unlisted VALUES (?1)", [collection.to_string()])?
        }
        Change::Unlisted { collection, pending: false } => {
            connection.execute("DELETE FROM unlisted WHERE collection = ?1", [collection.to_string()])?
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_and_survives_a_damaged_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.sqlite");
        let reserve = crate::home::Home::at(dir.path()).reserve();
        let collection: CollectionName = "bj4/algebra".parse().unwrap();
        let (state, before) = State::open(&path, reserve.clone()).unwrap();
        assert!(before.wanted.is_empty());
        state.remember(Change::Wanted { collection: collection.clone(), follow: true });
        state.remember(Change::Unlisted { collection: collection.clone(), pending: true });
        state.remember(Change::Wanted { collection: "bj4/gone".parse().unwrap(), follow: true });
        state.remember(Change::Unwanted { collection: "bj4/gone".parse().unwrap() });
        state.remember(Change::Opened { collection: collection.clone(), number: 7 });
        drop(state);
        let (state, after) = State::open(&path, reserve.clone()).unwrap();
        assert_eq!(after.opened, [(collection.clone(), 7)]);
        assert_eq!((after.wanted, after.unlisted), (vec![(collection.clone(), true)], vec![collection]));
        drop(state);
        std::fs::write(&path, b"this is no database").unwrap();
        for side in ["state.sqlite-wal", "state.sqlite-shm"] {
            let _ = std::fs::remove_file(dir.path().join(side));
        }
        let (_state, fresh) = State::open(&path, reserve.clone()).unwrap();
        assert!(fresh.wanted.is_empty());
    }
}
