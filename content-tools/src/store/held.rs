//! Release files: the signed documents and manifest roots that a store keeps beside its chunks.
//!
//! What must stay true: a file appears under its final name whole and synced, or not at all; a damaged one is reported
//! and skipped, never half believed. What the signature means is the caller's business: the envelope is opaque here.

use super::error::StoreError;
use crate::disk::{self, Disk};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};
use std::io;
use std::path::{Path, PathBuf};

/// A release as a store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRelease {
    /// The collection.
    pub collection: CollectionName,
    /// Its version.
    pub version: u64,
    /// The signed envelope as received; empty for a draft that nobody signed.
    pub signed: Vec<u8>,
    /// The encoded manifest root.
    pub root: Vec<u8>,
    /// Every chunk of it was here, durably, once: what is missing of it now was lost. Of a draft that goes without saying.
    pub whole: bool,
}

/// The document inside a release file; 32 bytes of BLAKE3 over it follow.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
struct ReleaseFile {
    #[n(0)]
    header: Header,
    #[n(1)]
    collection: CollectionName,
    #[n(2)]
    version: u64,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    signed: Vec<u8>,
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    root: Vec<u8>,
    #[n(5)]
    whole: Option<bool>,
}

impl Document for ReleaseFile {
    const NAME: &'static str = "release file";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 5;
    const BYTES_MAX: usize = ManifestRoot::BYTES_MAX + (1 << 20);

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        Ok(())
    }
}

const CHECK_LEN: usize = 32;
const EXTENSION: &str = "release";

/// Writes a release file below `dir`: `PUBLISHER/NAME/VERSION.release`.
pub(super) fn save(disk: &dyn Disk, dir: &Path, release: &HeldRelease) -> Result<(), StoreError> {
    let bytes = encode(release)?;
    let publisher = dir.join(release.collection.publisher().as_str());
    let folder = publisher.join(release.collection.name());
    for made in [&publisher, &folder] {
        disk.create_dir(made).map_err(|e| StoreError::io("create", made, e))?;
    }
    // Folders made by a process that was killed before it synced them are there, and not durable.
    for parent in [&publisher, dir] {
        disk.sync_dir(parent).map_err(|e| StoreError::io("sync", parent, e))?;
    }
    let path = path_of(dir, &release.collection, release.version);
    disk::replace(disk, &path, &bytes).map_err(|e| StoreError::io("write", &path, e))
}

/// Writes a release file in the place of the one that is there.
pub(super) fn save_again(disk: &dyn Disk, dir: &Path, release: &HeldRelease) -> Result<(), StoreError> {
    let path = path_of(dir, &release.collection, release.version);
    disk::replace(disk, &path, &encode(release)?).map_err(|e| StoreError::io("write", &path, e))
}

/// A release file; `None` when there is none that can be read.
pub(super) fn find(disk: &dyn Disk, dir: &Path, collection: &CollectionName, version: u64) -> Option<HeldRelease> {
    load(disk, &path_of(dir, collection, version), dir).ok()
}

pub(super) fn path_of(dir: &Path, collection: &CollectionName, version: u64) -> PathBuf {
    dir.join(collection.to_string()).join(format!("{version}.{EXTENSION}"))
}

fn encode(release: &HeldRelease) -> Result<Vec<u8>, DocumentError> {
    let file = ReleaseFile {
        header: ReleaseFile::new_header(),
        collection: release.collection.clone(),
        version: release.version,
        signed: release.signed.clone(),
        root: release.root.clone(),
        whole: release.whole.then_some(true),
    };
    let mut bytes = file.to_bytes();
    if bytes.len() > ReleaseFile::BYTES_MAX {
        let (document, limit) = (ReleaseFile::NAME, ReleaseFile::BYTES_MAX);
        return Err(DocumentError::TooLarge { document, found: bytes.len(), limit });
    }
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    Ok(bytes)
}

/// Every release file below `dir` that can be read, by collection and version.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<HeldRelease>, StoreError> {
    let mut held = Vec::new();
    for path in paths(disk, dir).map_err(|e| StoreError::io("list", dir, e))? {
        match load(disk, &path, dir) {
            Ok(release) => held.push(release),
            Err(reason) => tracing::warn!(file = %path.display(), %reason, "skipping a damaged release file"),
        }
    }
    held.sort_by(|a, b| (&a.collection, a.version).cmp(&(&b.collection, b.version)));
    Ok(held)
}

/// Every release file below `dir`; an error when one of them cannot be read, unless it may be `lost`.
pub(super) fn list_all(
    disk: &dyn Disk,
    dir: &Path,
    lost: impl Fn(&CollectionName, u64) -> bool,
) -> Result<Vec<HeldRelease>, StoreError> {
    let mut held = Vec::new();
    for path in paths(disk, dir).map_err(|e| StoreError::io("list", dir, e))? {
        match load(disk, &path, dir) {
            Ok(release) => held.push(release),
            Err(_) if release_of(&path, dir).is_some_and(|(collection, version)| lost(&collection, version)) => {}
            Err(_) => return Err(StoreError::DamagedRelease { path }),
        }
    }
    Ok(held)
}

/// The release that a file is named for.
pub(super) fn release_of(path: &Path, dir: &Path) -> Option<(CollectionName, u64)> {
    let collection = path.parent()?.strip_prefix(dir).ok()?.to_str()?.parse().ok()?;
    let version = path.file_stem()?.to_str()?.parse().ok()?;
    (path == path_of(dir, &collection, version)).then_some((collection, version))
}

/// Whether a release file is there and cannot be read.
pub(super) fn is_damaged(disk: &dyn Disk, path: &Path, dir: &Path) -> bool {
    match load(disk, path, dir) {
        Err(Damage::Io(error)) => error.kind() != io::ErrorKind::NotFound,
        other => other.is_err(),
    }
}

/// The highest version that a release file of a collection is named for, whether it can be read or not; 0 without any.
pub(super) fn highest(disk: &dyn Disk, dir: &Path, collection: &CollectionName) -> Result<u64, StoreError> {
    let folder = dir.join(collection.to_string());
    let entries = match disk.list(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(|e| StoreError::io("list", &folder, e))?,
    };
    let named = entries.iter().filter_map(|entry| release_of(&folder.join(&entry.name), dir));
    Ok(named.map(|(_, version)| version).max().unwrap_or(0))
}

/// The release files below `dir` that cannot be read.
pub(super) fn damaged(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = paths(disk, dir).map_err(|e| StoreError::io("list", dir, e))?;
    paths.retain(|path| load(disk, path, dir).is_err());
    Ok(paths)
}

/// Removes a release file. The removal is durable when this returns.
pub(super) fn remove(disk: &dyn Disk, dir: &Path, collection: &CollectionName, version: u64) -> Result<(), StoreError> {
    let folder = dir.join(collection.to_string());
    let path = path_of(dir, collection, version);
    disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
    disk.sync_dir(&folder).map_err(|e| StoreError::io("sync", &folder, e))
}

/// `PUBLISHER/NAME/VERSION.release` below `dir`, whatever they hold.
fn paths(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![dir.to_path_buf()];
    for _ in ["publishers", "names"] {
        let mut below = Vec::new();
        for folder in folders {
            let inner = disk.list(&folder)?.into_iter().filter(|entry| entry.is_dir);
            below.extend(inner.map(|entry| folder.join(entry.name)));
        }
        folders = below;
    }
    let mut files = Vec::new();
    for folder in folders {
        // Whatever stands under such a name was a release file once, or hides one.
        files.extend(disk.list(&folder)?.into_iter().map(|entry| folder.join(entry.name)));
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    Ok(files)
}

fn load(disk: &dyn Disk, path: &Path, dir: &Path) -> Result<HeldRelease, Damage> {
    let bytes = disk::read(disk, path, (ReleaseFile::BYTES_MAX + CHECK_LEN) as u64)?;
    let (document, check) = bytes.split_at(bytes.len().saturating_sub(CHECK_LEN));
    if blake3::hash(document).as_bytes() != check {
        return Err(Damage::Check);
    }
    let ReleaseFile { collection, version, signed, root, whole, .. } = ReleaseFile::from_bytes(document)?;
    if path != path_of(dir, &collection, version) {
        return Err(Damage::Name);
    }
    Ok(HeldRelease { collection, version, signed, root, whole: whole == Some(true) })
}

/// Why a release file is skipped.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("its bytes differ from its checksum")]
    Check,
    #[error("it is named for another release")]
    Name,
    #[error(transparent)]
    Document(#[from] DocumentError),
}
