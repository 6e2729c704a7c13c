//! Where a node keeps its things, and how small files are written so that a power cut leaves the old or the new one.

use karez_content_tools::disk::RealDisk;
use karez_content_tools::reserve::{RESERVE_BYTES, Reserve};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::PublicKey;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A node's folder.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// There is none yet.
    #[error("{0} is not a node's home yet: run `karez init` first")]
    Missing(PathBuf),
    /// There is one already.
    #[error("{0} holds a node already: it is kept as it is")]
    Exists(PathBuf),
    /// The node has not joined a network.
    #[error("this node has not joined a network: run `karez join INVITE` with the line that the county operator sent")]
    NotJoined,
    /// A file of ours is not readable as what it should be.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The file system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The network a node belongs to (`network.toml`), written by `join`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// The tracker's addresses, best first.
    pub trackers: Vec<String>,
    /// The pinned key that signs rosters, in hex.
    pub tracker_key: String,
    /// The namespace this node may publish in.
    pub publisher: Option<String>,
}

impl NetworkFile {
    /// The pinned key.
    pub fn key(&self) -> Option<PublicKey> {
        self.tracker_key.parse().ok()
    }

    /// The network's id.
    pub fn network(&self) -> Option<NetworkId> {
        self.key().map(|key| NetworkId::of(&key))
    }

    /// The namespace this node may publish in.
    pub fn publisher(&self) -> Option<PublisherName> {
        self.publisher.as_ref().and_then(|name| name.parse().ok())
    }
}

impl Home {
    /// A home at a path; nothing is touched.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The node's private key.
    pub fn node_key(&self) -> PathBuf {
        self.0.join("node.key")
    }

    /// The publisher's private key.
    pub fn publisher_key(&self) -> PathBuf {
        self.0.join("publisher.key")
    }

    /// The newest signed roster.
    pub fn roster(&self) -> PathBuf {
        self.0.join("roster.bin")
    }

    /// The content store.
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// What the node remembers: follows, catalogue, addresses.
    pub fn state(&self) -> PathBuf {
        self.0.join("state.sqlite")
    }

    /// The local control socket.
    pub fn socket(&self) -> PathBuf {
        self.0.join("api.sock")
    }

    /// Room for rosters, releases and state on a full disk.
    pub fn reserve(&self) -> Reserve {
        Reserve::at(Arc::new(RealDisk), &self.reserve_file(), RESERVE_BYTES)
    }

    /// Its file.
    pub fn reserve_file(&self) -> PathBuf {
        self.0.join("reserve")
    }

    fn network_file(&self) -> PathBuf {
        self.0.join("network.toml")
    }

    /// Makes the folder, readable by its owner only.
    pub fn create(&self) -> Result<(), HomeError> {
        if self.node_key().exists() {
            return Err(HomeError::Exists(self.0.clone()));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(|source| self.io(&self.0, source))
    }

    /// The network joined.
    pub fn network(&self) -> Result<NetworkFile, HomeError> {
        let path = self.network_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(HomeError::NotJoined),
            Err(source) => return Err(self.io(&path, source)),
        };
        let damaged = |detail: String| HomeError::Damaged { path: path.clone(), detail };
        let file: NetworkFile = toml::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if file.key().is_none() || file.trackers.is_empty() {
            return Err(damaged("it names no tracker or no key".into()));
        }
        Ok(file)
    }

    /// Records the network joined.
    pub fn save_network(&self, file: &NetworkFile) -> Result<(), HomeError> {
        let text = toml::to_string(file).expect("plain strings always have a TOML form");
        self.write(&self.network_file(), text.as_bytes())
    }

    /// Replaces a small file as a whole: temp in the same folder, sync, rename, sync the folder. Owner-only. On a full disk
    /// the reserve is given up for it.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
        let write = || -> io::Result<()> {
            let temp = path.with_extension("new");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temp, path)?;
            File::open(&self.0)?.sync_all()
        };
        self.reserve().spend(write).map_err(|source| self.io(path, source))
    }

    fn io(&self, path: &Path, source: io::Error) -> HomeError {
        HomeError::Io { path: path.to_owned(), source }
    }
}
