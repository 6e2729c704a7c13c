//! Files of a bundle on a medium that may be hostile (links, pipes, lies about lengths) or simple (exFAT: no links, no
//! syncing of folders, files below 4 GiB).

use super::error::BundleError;
use karez_protocol::content::hash::ChunkId;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Name of the descriptor.
pub(super) const DESCRIPTOR: &str = "bundle.cbor";
/// How the folder of a bundle begins.
pub(super) const PREFIX: &str = "karez-bundle-";

/// Name of a part; the first is 1.
pub(super) fn part_name(part: u32) -> String {
    format!("part-{part:04}.kpart")
}

/// Folder of a bundle below `to`.
pub(super) fn folder_of(to: &Path, id: &[u8; 32]) -> PathBuf {
    let digits = ChunkId::from_bytes(*id).to_string();
    to.join(format!("{PREFIX}{}", &digits[..16]))
}

/// The bundles at a path: the folder itself, or those directly in it, by name. Links do not count.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let is_bundle = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    if path.join(DESCRIPTOR).symlink_metadata().is_ok() || is_bundle(path) {
        return Ok(vec![path.into()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| BundleError::io("list", path, e))? {
        let entry = entry.map_err(|e| BundleError::io("list", path, e))?;
        if is_bundle(&entry.path()) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort();
    if found.is_empty() { Err(BundleError::NoBundle { path: path.into() }) } else { Ok(found) }
}

/// Opens a plain file for reading; links, pipes, devices and folders are refused.
pub(super) fn open_plain(path: &Path) -> Result<File, BundleError> {
    // NONBLOCK: a pipe under that name must not hang the import.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(Errno::LOOP | Errno::NXIO) => return Err(BundleError::NotPlain { path: path.into() }),
        Err(error) => return Err(BundleError::io("open", path, error)),
    };
    let metadata = file.metadata().map_err(|e| BundleError::io("read", path, e))?;
    if metadata.is_file() { Ok(file) } else { Err(BundleError::NotPlain { path: path.into() }) }
}

/// Reads a small plain file whole; a larger one is refused before anything is allocated for it.
pub(super) fn read_plain(path: &Path, bytes_max: u64) -> Result<Vec<u8>, BundleError> {
    let file = open_plain(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| BundleError::io("read", path, e))?;
    if bytes.len() as u64 > bytes_max { Err(BundleError::NotPlain { path: path.into() }) } else { Ok(bytes) }
}

/// Writes a file under a temporary name, syncs it and renames it. Anybody may read it: it is made for another machine.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let io = |e| BundleError::io("write", path, e);
    let readable = Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(".karez-").permissions(readable).tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    sync_folder(folder)
}

/// Syncs a folder. FAT and exFAT cannot everywhere, and say so with EINVAL: the file itself was synced before.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BundleError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::open(folder, flags, Mode::empty()).map_err(|e| BundleError::io("open", folder, e))?;
    match rustix::fs::fsync(&handle) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(BundleError::io("sync", folder, error)),
    }
}
