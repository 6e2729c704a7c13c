//! A folder's content by hash, with no product code in the path: what `verified` means.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// Differences shown for one site.
const SHOWN_MAX: usize = 5;

/// Every regular file and every empty folder below a root. Links and special files are not content.
pub(crate) struct Tree {
    files: BTreeMap<PathBuf, Print>,
    /// Every folder; the flag tells whether it is empty.
    folders: BTreeMap<PathBuf, bool>,
}

#[derive(PartialEq)]
struct Print {
    len: u64,
    executable: bool,
    hash: blake3::Hash,
}

impl Tree {
    pub(crate) fn of_source(root: &Path) -> Result<Self> {
        Self::read(root).with_context(|| format!("the source {}", root.display()))
    }

    pub(crate) fn of_export(root: &Path) -> Result<Self> {
        Self::read(root).with_context(|| format!("the copy {}", root.display()))
    }

    fn read(root: &Path) -> Result<Self> {
        let mut tree = Self { files: BTreeMap::new(), folders: BTreeMap::new() };
        for entry in WalkDir::new(root).min_depth(1).follow_links(false) {
            let entry = entry?;
            let path = entry.path().strip_prefix(root).expect("walked from the root").to_path_buf();
            if entry.file_type().is_dir() {
                tree.folders.insert(path, fs::read_dir(entry.path())?.next().is_none());
            } else if entry.file_type().is_file() {
                tree.files.insert(path, Print::of(entry.path(), &entry.metadata()?)?);
            }
        }
        Ok(tree)
    }

    pub(crate) fn files(&self) -> u64 {
        self.files.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|print| print.len).sum()
    }

    /// The largest video, or the largest file where there is none.
    pub(crate) fn worth_playing(&self) -> Option<(&Path, u64)> {
        let is_video = |path: &Path| path.extension().is_some_and(|extension| extension == "mp4");
        let largest = self.files.iter().max_by_key(|(path, print)| (is_video(path), print.len));
        largest.map(|(path, print)| (path.as_path(), print.len))
    }

    /// Whether `copy` has the same content; names the first differences.
    pub(crate) fn check(&self, copy: &Self, who: &str) -> bool {
        let differences = self.differences(copy);
        for line in differences.iter().take(SHOWN_MAX) {
            eprintln!("{who}: {line}");
        }
        if differences.len() > SHOWN_MAX {
            eprintln!("{who}: and {} more differences", differences.len() - SHOWN_MAX);
        }
        differences.is_empty()
    }

    fn differences(&self, copy: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, print) in &self.files {
            match copy.files.get(path) {
                None => found.push(format!("{} is missing", path.display())),
                Some(other) if other != print => found.push(format!("{} differs", path.display())),
                Some(_) => {}
            }
        }
        // A source folder that holds only links is empty in a copy, or absent: both are right.
        let empty = self.folders.iter().filter(|(_, empty)| **empty).map(|(path, _)| path);
        let lost = empty.filter(|path| !copy.folders.contains_key(*path));
        found.extend(lost.map(|path| format!("the empty folder {} is missing", path.display())));
        let files = copy.files.keys().filter(|path| !self.files.contains_key(*path));
        let folders = copy.folders.keys().filter(|path| !self.folders.contains_key(*path));
        found.extend(files.chain(folders).map(|path| format!("{} is not in the source", path.display())));
        found
    }
}

impl Print {
    fn of(path: &Path, metadata: &Metadata) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let hash = blake3::Hasher::new().update_reader(file)?.finalize();
        Ok(Self { len: metadata.len(), executable: is_executable(metadata), hash })
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(files: &[(&str, &str)], folders: &[&str]) -> (tempfile::TempDir, Tree) {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, text) in files {
            fs::write(root.path().join(path), text).unwrap();
        }
        let tree = Tree::of_source(root.path()).unwrap();
        (root, tree)
    }

    #[test]
    fn differences_are_named() {
        let (_source, source) = make(&[("a", "1"), ("分数.txt", "2"), ("gone", "3")], &["empty", "分"]);
        let (_copy, copy) = make(&[("a", "1"), ("分数.txt", "other"), ("new", "")], &["分", "extra"]);
        let expected = [
            "gone is missing",
            "分数.txt differs",
            "the empty folder empty is missing",
            "new is not in the source",
            "extra is not in the source",
        ];
        assert_eq!(source.differences(&copy), expected);
        assert!(source.differences(&source).is_empty());
        assert_eq!((source.files(), source.bytes()), (3, 3));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_no_content_and_the_executable_bit_is() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (source_root, _) = make(&[("run", "x")], &["links"]);
        symlink("run", source_root.path().join("links/to")).unwrap();
        let source = Tree::of_source(source_root.path()).unwrap();
        let (_copy, copy) = make(&[("run", "x")], &[]);
        assert!(source.differences(&copy).is_empty());
        fs::set_permissions(source_root.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Tree::of_source(source_root.path()).unwrap().differences(&copy), ["run differs"]);
    }
}
