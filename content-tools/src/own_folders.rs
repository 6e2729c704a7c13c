//! The folders of a node or a store: nothing is packed out of them, and no copy is written into them.
//!
//! What must stay true: a folder is known by its device and inode, so that neither links nor bind mounts hide it, also not
//! a mount of a folder inside.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Entries looked at for folders inside. A store of 20 TB has 40 000 files.
const ENTRIES_MAX: usize = 200_000;

/// Device and inode.
pub type Identity = (u64, u64);

/// Own folders as they are on the disk now, with all in them, and those that they lie in.
#[derive(Debug, Default)]
pub struct OwnFolders {
    roots: Vec<PathBuf>,
    /// Number of the root that a folder is or lies in.
    within: BTreeMap<Identity, usize>,
    /// Number of the root that lies in a folder, or would when it is made.
    above: BTreeMap<Identity, usize>,
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// The folders on the way to a path, from the nearest one that is there to the root of the file system.
fn way_to(path: &Path) -> Vec<Identity> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let there = whole.ancestors().find_map(|place| place.canonicalize().ok()).unwrap_or_default();
    there.ancestors().filter_map(|place| fs::metadata(place).ok()).map(|found| identity(&found)).collect()
}

impl OwnFolders {
    /// Looks at folders, which need not be there yet.
    pub fn of<'a>(roots: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut own = Self::default();
        for (number, root) in roots.into_iter().enumerate() {
            own.roots.push(root.into());
            for place in way_to(root) {
                own.above.entry(place).or_insert(number);
            }
            let entries = WalkDir::new(root).into_iter().take(ENTRIES_MAX).filter_map(Result::ok);
            for folder in entries.filter(|entry| entry.file_type().is_dir() || entry.depth() == 0) {
                if let Ok(found) = fs::metadata(folder.path()) {
                    own.within.entry(identity(&found)).or_insert(number);
                }
            }
        }
        own
    }

    /// The own folder that a path is or lies in, also a path that is not there yet.
    pub fn around(&self, path: &Path) -> Option<&Path> {
        way_to(path).iter().find_map(|place| self.root(self.within.get(place)))
    }

    /// The own folder that lies in a folder, or is it.
    pub fn below(&self, folder: &Path) -> Option<&Path> {
        fs::metadata(folder).ok().and_then(|found| self.root(self.above.get(&identity(&found))))
    }

    /// The own folder that a folder found on a walk is or lies in.
    pub fn holding(&self, folder: Identity) -> Option<&Path> {
        self.root(self.within.get(&folder))
    }

    fn root(&self, number: Option<&usize>) -> Option<&Path> {
        number.and_then(|number| self.roots.get(*number)).map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_hide_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("srv/home/store/segments")).unwrap();
        fs::create_dir_all(at("srv/courses")).unwrap();
        for (link, target) in [("home", "srv/home"), ("deep", "srv/home/store/segments"), ("all", "srv")] {
            symlink(at(target), at(link)).unwrap();
        }
        let own = OwnFolders::of([at("srv/home").as_path()]);
        for (path, is_inside) in [
            ("srv/home", true),
            ("srv/home/store/new/er", true),
            ("home/x", true),
            ("deep", true),
            ("all/home/store", true),
            ("srv/courses/../home/x", true),
            ("srv/courses", false),
            ("srv/home-2", false),
            ("srv", false),
        ] {
            assert_eq!(own.around(&at(path)).is_some(), is_inside, "{path}");
        }
        for (path, holds) in [("srv", true), ("all", true), ("srv/home", true), ("srv/courses", false), ("none", false)]
        {
            assert_eq!(own.below(&at(path)).is_some(), holds, "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let own = OwnFolders::of([dir.path().join("a/store").as_path()]);
        assert!(own.below(dir.path()).is_some());
        assert!(own.around(dir.path()).is_none());
    }
}
