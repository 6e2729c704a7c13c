//! Folders and stores in memory, where there is such a file system: a fuzzer opens many.

use karez_content_tools::store::{Store, StoreOptions};
use std::path::Path;
use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub(crate) fn store(dir: &Path) -> Store {
    Store::open(dir, StoreOptions::default()).unwrap()
}
