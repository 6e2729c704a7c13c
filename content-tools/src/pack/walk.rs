//! What lies in a folder: files to pack, empty folders to remember, and what is passed over.
//!
//! What must stay true: no link is followed below the folder itself, names are taken exactly as they are, and the result
//! does not depend on the order in which the file system lists things.

use super::description;
use super::error::{PackError, check_names};
use super::natural;
use super::skipped::{SkipReason, Skips, leftover};
use crate::own_folders::OwnFolders;
use crate::package::{BadName, BadNames};
use karez_protocol::content::path::ContentPath;
use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::{DirEntry, WalkDir};

/// A file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFile {
    pub(super) place: Arc<Place>,
    pub(super) path: ContentPath,
    pub(super) size: u64,
}

/// Where a file lies. A collection may have a million, so the path that it has inside is not kept twice, and all that lie in
/// the folder share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In this folder, under its path.
    Inside(PathBuf),
    /// Elsewhere: a member of an archive, a rendition.
    At(PathBuf),
}

impl SourceFile {
    /// Where it lies.
    pub(super) fn on_disk(&self) -> PathBuf {
        match &*self.place {
            Place::Inside(dir) => dir.join(self.path.as_str()),
            Place::At(path) => path.clone(),
        }
    }
}

/// All that a folder holds, in natural order.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<SourceFile>,
    pub(super) empty_folders: Vec<ContentPath>,
    pub(super) skipped: Skips,
}

/// Walks a folder, which is no own folder, lies in none and holds none.
pub(super) fn walk(dir: &Path, own: &OwnFolders) -> Result<Tree, PackError> {
    check_dir(dir)?;
    check_place(dir, own)?;
    let mut tree = Tree::default();
    let place = Arc::new(Place::Inside(dir.into()));
    let mut folders = BTreeSet::new();
    let mut parents = BTreeSet::new();
    let by_name = |a: &DirEntry, b: &DirEntry| {
        natural::compare(&a.file_name().to_string_lossy(), &b.file_name().to_string_lossy())
            .then_with(|| a.file_name().cmp(b.file_name()))
    };
    let mut bad_names = BadNames::default();
    let mut entries = WalkDir::new(dir).min_depth(1).sort_by(by_name).into_iter();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| walk_error(dir, error))?;
        let is_dir = entry.file_type().is_dir();
        if let Some(reason) = skip_reason(entry.file_type(), &entry.file_name().to_string_lossy()) {
            tree.skipped.add(inside(dir, entry.path()).to_string_lossy().into_owned(), reason);
            if is_dir {
                entries.skip_current_dir();
            }
            continue;
        }
        let path = match content_path(dir, entry.path()) {
            Ok(path) => path,
            Err(bad) => {
                bad_names.add(bad);
                // All names below hold this one.
                if is_dir {
                    entries.skip_current_dir();
                }
                continue;
            }
        };
        if let Some((parent, _)) = path.as_str().rsplit_once('/')
            && !parents.contains(parent)
        {
            parents.insert(parent.to_owned());
        }
        if is_dir {
            check_own(&entry, own)?;
            folders.insert(path);
        } else {
            tree.files.push(source_file(&entry, path, place.clone())?);
        }
    }
    check_names(bad_names)?;
    folders.retain(|folder| !parents.contains(folder.as_str()));
    tree.empty_folders = folders.into_iter().collect();
    // A version without files would delete everything at the sites: nobody publishes that on purpose.
    if !tree.files.iter().any(|file| file.path.as_str() != description::FILE_NAME) {
        return Err(PackError::Empty { dir: dir.into(), skipped: tree.skipped });
    }
    Ok(tree)
}

fn check_dir(dir: &Path) -> Result<(), PackError> {
    let unreadable = |source| PackError::Unreadable { path: dir.into(), source };
    match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PackError::Missing { dir: dir.into() }),
        Err(error) => Err(unreadable(error)),
        Ok(metadata) if !metadata.is_dir() => Err(PackError::NotAFolder { dir: dir.into() }),
        Ok(_) => Ok(()),
    }
}

/// Refuses a folder to be packed that an own folder, there already or yet to be created, lies in, or that lies in one.
pub fn check_place(dir: &Path, own: &OwnFolders) -> Result<(), PackError> {
    match own.around(dir).or_else(|| own.below(dir)) {
        Some(found) => Err(PackError::OwnFolder { path: found.into() }),
        None => Ok(()),
    }
}

/// An own folder may be mounted somewhere inside.
fn check_own(entry: &DirEntry, own: &OwnFolders) -> Result<(), PackError> {
    let metadata = entry.metadata().map_err(|error| walk_error(entry.path(), error))?;
    match own.holding((metadata.dev(), metadata.ino())) {
        Some(found) => Err(PackError::OwnFolder { path: found.into() }),
        None => Ok(()),
    }
}

fn source_file(entry: &DirEntry, path: ContentPath, place: Arc<Place>) -> Result<SourceFile, PackError> {
    let metadata = entry.metadata().map_err(|error| walk_error(entry.path(), error))?;
    Ok(SourceFile { place, path, size: metadata.len() })
}

fn inside<'p>(dir: &Path, path: &'p Path) -> &'p Path {
    path.strip_prefix(dir).expect("a walk stays below its root")
}

fn content_path(dir: &Path, path: &Path) -> Result<ContentPath, BadName> {
    let bad = |fault| BadName { path: path.into(), fault };
    inside(dir, path).to_str().ok_or_else(|| bad(None))?.parse().map_err(|rule| bad(Some(rule)))
}

/// Why an entry of a folder is no content, if it is not.
pub(super) fn skip_reason(kind: FileType, name: &str) -> Option<SkipReason> {
    match kind {
        kind if kind.is_file() || kind.is_dir() => leftover(name, kind.is_dir()),
        kind if kind.is_symlink() => Some(SkipReason::Link),
        kind if kind.is_fifo() => Some(SkipReason::Pipe),
        kind if kind.is_socket() => Some(SkipReason::Socket),
        _ => Some(SkipReason::Device),
    }
}

pub(super) fn walk_error(dir: &Path, error: walkdir::Error) -> PackError {
    let path = error.path().unwrap_or(dir).to_path_buf();
    PackError::Unreadable { path, source: error.into() }
}

#[cfg(test)]
mod tests;
