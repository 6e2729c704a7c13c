//! Packing: from a folder to chunks in a store and a manifest that names them.
//!
//! What must stay true: the same folder packs to the same manifest, byte for byte (no time, no version, no machine in it);
//! everything the manifest names is durable in the store before [`pack`] returns; when packing fails, chunks may have
//! been stored, but no manifest exists. Memory does not grow with bytes: per file a path and a few numbers are held, per page
//! of the manifest 75 bytes.
//!
//! One thread reads and cuts, as many as there are cores seal (hash, compress), the caller's stores in order.

mod checks;
pub(crate) mod description;
mod error;
mod items;
mod lanes;
mod media;
mod memory;
pub(crate) mod natural;
mod open;
mod pages;
mod parts;
mod place;
mod plans;
mod proof;
mod reader;
mod renditions;
mod row;
mod run;
mod sealer;
mod skipped;
mod tally;
mod walk;

pub use error::PackError;
pub use plans::{PlainContainer, Plans};
pub use skipped::{SkipReason, Skipped, Skips};
pub use walk::check_place;

use crate::own_folders::OwnFolders;
use crate::package::Notices;
use crate::rendition::Height;
use crate::store::Store;
use description::Description;
use items::SourceItem;
use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::manifest::{Kind, ManifestRoot};
use memory::Memory;
use parts::Limits;
use place::InPlace;
use run::Run;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use walk::Tree;

/// What may be said about a collection beside its `collection.toml`; wins over the file.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// What the collection is; a course when nobody says.
    pub kind: Option<Kind>,
    /// Its title; the folder's name when nobody says.
    pub title: Option<String>,
    /// Pack the members of compressed tars instead of refusing these.
    pub unpack: bool,
    /// Pack archives of consultations and care that could not be looked into: somebody else has.
    pub unchecked: bool,
    /// Heights at which films are published as well, where they are larger.
    pub renditions: Vec<Height>,
    /// Read every file, also those that have not changed since they were packed into this store.
    pub read_all: bool,
    /// Leave what zstd does not shrink in the folder's own files, and note where it stands. What an earlier packing copied is
    /// given up; without this, what one left in place is copied.
    pub in_place: bool,
    /// Folders that nothing is packed out of, beside the store: a node's home, with its keys.
    pub keep_out: Vec<PathBuf>,
}

/// How far packing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files done.
    pub files_done: u64,
    /// Files found.
    pub files_total: u64,
    /// Bytes read, or known from an earlier packing.
    pub bytes_done: u64,
    /// Bytes found.
    pub bytes_total: u64,
    /// The rendition being made before packing begins; `bytes` are milliseconds of film then, `files` renditions.
    pub rendering: Option<Height>,
}

/// A packed folder.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The manifest's root page.
    pub root: ManifestRoot,
    /// The root page as encoded: what is hashed and signed for.
    pub root_bytes: Vec<u8>,
    /// Identity of the manifest.
    pub manifest: ManifestId,
    /// Stored bytes of chunks and pages that the store did not have before.
    pub new_stored_bytes: u64,
    /// Number of those.
    pub chunks_new: u64,
    /// Unique chunks of the manifest, pages included.
    pub chunks: u64,
    /// Links, special files and leftovers that were passed over.
    pub skipped: Skips,
    /// Files packed.
    pub files: u64,
    /// Folders that hold nothing.
    pub empty_folders: u64,
    /// What the publisher should know about the files; nothing stops at these.
    pub warnings: Notices,
    /// Renditions among the files.
    pub renditions: u64,
    /// How containers were cut.
    pub plans: Plans,
    /// Bytes of the files read this time that stay in place.
    pub in_place_bytes: u64,
    /// Stored bytes of chunks that an earlier packing left in a folder, and that are copies in the store now.
    pub copied_bytes: u64,
}

/// Packs a folder into a store. Blocks; `progress` is called about once per MiB.
pub fn pack(
    dir: &Path,
    options: &PackOptions,
    store: &Store,
    progress: &mut dyn FnMut(Progress),
) -> Result<Packed, PackError> {
    pack_in_parts(dir, options, store, Limits::PAGES, progress)
}

/// Packs with another size of parts than the format's documents say: for tests.
fn pack_in_parts(
    dir: &Path,
    options: &PackOptions,
    store: &Store,
    limits: Limits,
    progress: &mut dyn FnMut(Progress),
) -> Result<Packed, PackError> {
    let studio = renditions::studio(options, store.dir())?;
    let own = OwnFolders::of(options.keep_out.iter().map(PathBuf::as_path).chain([store.dir()]));
    let mut tree = walk::walk(dir, &own)?;
    let description = Description::read(dir)?;
    let mut metadata = description.metadata(dir, options);
    let _temporary = checks::archives(&mut tree, options.unpack, store.dir())?;
    let Tree { files, empty_folders, skipped } = tree;
    let mut items = items::group(files, &description, dir)?;
    let warnings = checks::examine(&mut items, &description, options, &mut metadata, store.dir())?;
    let renditions = match studio {
        Some(studio) => renditions::add(&mut items, options, &studio, progress)?,
        None => 0,
    };
    let memory = open_memory(dir, store, options.in_place);
    let mut run = Run::new(store, memory.as_ref(), total(&items), limits);
    run.stay(InPlace::of(options, store));
    run.pack_items(&items, options.read_all, progress)?;
    let folders = empty_folders.len() as u64;
    for folder in empty_folders {
        run.add_empty_folder(folder)?;
    }
    let packed = run.finish(metadata, items.len() as u64)?;
    store.sync()?;
    Ok(Packed { skipped, empty_folders: folders, warnings, renditions, ..packed })
}

fn total(items: &[SourceItem]) -> Progress {
    let files = || items.iter().flat_map(|item| &item.files);
    let bytes_total = files().map(|file| file.source.size).sum();
    Progress { files_total: files().count() as u64, bytes_total, ..Progress::default() }
}

/// Without it, everything is read.
fn open_memory(dir: &Path, store: &Store, in_place: bool) -> Option<Mutex<Memory>> {
    let dir = dir.canonicalize().ok()?;
    let opened = Memory::open(store.dir(), &dir, in_place);
    opened
        .inspect_err(|error| tracing::warn!(%error, "the memory of earlier packings cannot be opened"))
        .ok()
        .map(Mutex::new)
}

#[cfg(test)]
mod tests;
