//! The tracker's home folder: its key, its database, and the lock that keeps a second server out.
//!
//! The key file exists only complete: it is written beside, synced and renamed. `init` writes the database first and
//! the key last, so a home with a key is a whole home; a database without a key is reported, never repaired by guessing.

use crate::database;
use crate::registry;
use crate::tracker::UnixSeconds;
use ed25519_dalek::SigningKey;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::PublicKey;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const KEY_FILE: &str = "tracker.key";
const DATABASE_FILE: &str = "tracker.db";
const LOCK_FILE: &str = "run.lock";

/// Why a home cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// `init` on a home that is one already.
    #[error("{} already holds a tracker: nothing was changed. Choose another --home, or go on with `run`", home.display())]
    Exists {
        /// The folder.
        home: PathBuf,
    },
    /// Not a home.
    #[error("{} holds no tracker: make one with `karez-tracker --home {} init`", home.display(), home.display())]
    Missing {
        /// The folder.
        home: PathBuf,
    },
    /// A database without its key or a key without its database.
    #[error(
        "{} holds only half of a tracker ({missing} is missing): restore that file from a backup, or move the folder \
         away and run `init` again", home.display()
    )]
    Half {
        /// The folder.
        home: PathBuf,
        /// The file that is not there.
        missing: &'static str,
    },
    /// The key file is damaged or belongs to another database.
    #[error("{} is not the key of this tracker: restore it from a backup", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
    },
    /// A server runs on this home.
    #[error("another karez-tracker is running on {}: stop it first", home.display())]
    Running {
        /// The folder.
        home: PathBuf,
    },
    /// Made by another version of this program.
    #[error("{} has table version {found}, this program knows {}: use the matching karez-tracker", path.display(), database::SCHEMA)]
    Schema {
        /// The database.
        path: PathBuf,
        /// Version found.
        found: i64,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The database refused.
    #[error("the tracker's database: {0}")]
    Database(#[from] rusqlite::Error),
}

/// The tracker's key and the network it founds.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    network: NetworkId,
}

impl Identity {
    fn of(key: SigningKey) -> Self {
        let network = NetworkId::of(&PublicKey::from_bytes(key.verifying_key().to_bytes()));
        Self { key, network }
    }

    /// The key that signs the roster.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The public half of it, which invites pin.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.network
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("network", &self.network).finish_non_exhaustive()
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HomeError + '_ {
    |source| HomeError::Io { path: path.to_owned(), source }
}

/// Makes a home with a new key and an empty registry.
pub fn init(home: &Path, name: &str, now: UnixSeconds) -> Result<Identity, HomeError> {
    if home.join(KEY_FILE).exists() || home.join(DATABASE_FILE).exists() {
        return Err(HomeError::Exists { home: home.to_owned() });
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(at(home))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| at(home)(io::Error::other(error.to_string())))?;
    let identity = Identity::of(SigningKey::from_bytes(&seed));
    let mut conn = open_private(&home.join(DATABASE_FILE))?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    database::create_tables(&tx)?;
    registry::found(&tx, &identity, name, now)?;
    tx.commit()?;
    write_key(home, &seed)?;
    Ok(identity)
}

/// Opens the database, readable by its owner alone: it holds the secrets of invites.
fn open_private(path: &Path) -> Result<Connection, HomeError> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(at(path))?;
    Ok(database::open(path)?)
}

fn write_key(home: &Path, seed: &[u8; 32]) -> Result<(), HomeError> {
    let (path, beside) = (home.join(KEY_FILE), home.join("tracker.key.new"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(seed)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(home)?.sync_all()
    };
    write().map_err(at(&path))
}

/// Opens a home: its key and a connection to its database.
pub(crate) fn open(home: &Path) -> Result<(Identity, Connection), HomeError> {
    let (key_path, database_path) = (home.join(KEY_FILE), home.join(DATABASE_FILE));
    match (key_path.exists(), database_path.exists()) {
        (true, true) => {}
        (false, false) => return Err(HomeError::Missing { home: home.to_owned() }),
        (false, true) => return Err(HomeError::Half { home: home.to_owned(), missing: KEY_FILE }),
        (true, false) => return Err(HomeError::Half { home: home.to_owned(), missing: DATABASE_FILE }),
    }
    let seed = fs::read(&key_path).map_err(at(&key_path))?;
    let seed: [u8; 32] = seed.try_into().map_err(|_| HomeError::Key { path: key_path.clone() })?;
    let identity = Identity::of(SigningKey::from_bytes(&seed));
    let conn = open_private(&database_path)?;
    let found = database::schema(&conn)?;
    if found != database::SCHEMA {
        return Err(HomeError::Schema { path: database_path, found });
    }
    if registry::key(&conn)? != identity.public() {
        return Err(HomeError::Key { path: key_path });
    }
    Ok((identity, conn))
}

/// A further connection to the database of a home that has been opened.
pub(crate) fn connect(home: &Path) -> Result<Connection, HomeError> {
    open_private(&home.join(DATABASE_FILE))
}

/// Held by the one server of a home; the operating system drops it with the process.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // By name: a program that another thread is just starting shares the descriptor until it runs. A failure is left to the
        // close that follows.
        let _ = self.file.unlock();
    }
}

/// Takes the server's lock.
pub fn lock(home: &Path) -> Result<RunLock, HomeError> {
    let path = home.join(LOCK_FILE);
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(RunLock { file }),
        Err(fs::TryLockError::WouldBlock) => Err(HomeError::Running { home: home.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(at(&path)(source)),
    }
}
