//! Packing: from a folder to chunks in a store and a manifest that names them.
//!
//! What must stay true: the same folder packs to the same manifest, byte for byte (no time, no version, no machine in it);
//! everything the manifest names is durable in the store before [`pack`] returns; when packing fails, chunks may have
//! been stored, but no manifest exists. Memory is bounded but for 88 bytes per chunk of the largest file and 32 per chunk
//! of the collection (the exact total of unique stored bytes needs to know them all).

mod checks;
mod description;
mod error;
mod items;
mod media;
pub(crate) mod natural;
mod pages;
mod reader;
mod renditions;
mod sealer;
mod walk;

pub use error::PackError;
pub use walk::{SkipReason, Skipped};

use crate::package::Notices;
use crate::rendition::Height;
use crate::store::Store;
use description::Description;
use items::SourceItem;
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::manifest::{FilePart, Kind, ManifestRoot, Metadata, PageRef};
use pages::{Listing, PageBuilder};
use reader::{BLOCKS_IN_FLIGHT, Step};
use sealer::Sealer;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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
    /// Heights at which films are published as well, where they are larger.
    pub renditions: Vec<Height>,
}

/// How far packing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files done.
    pub files_done: u64,
    /// Files found.
    pub files_total: u64,
    /// Bytes read.
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
    /// Links and special files that were passed over.
    pub skipped: Vec<Skipped>,
    /// Files packed.
    pub files: u64,
    /// Folders that hold nothing.
    pub empty_folders: u64,
    /// What the publisher should know about the files; nothing stops at these.
    pub warnings: Notices,
    /// Renditions among the files.
    pub renditions: u64,
}

/// Packs a folder into a store. Blocks; `progress` is called about once per MiB.
pub fn pack(
    dir: &Path,
    options: &PackOptions,
    store: &Store,
    progress: &mut dyn FnMut(Progress),
) -> Result<Packed, PackError> {
    let studio = renditions::studio(options, store.dir())?;
    let mut tree = walk::walk(dir, store.dir())?;
    let description = Description::read(dir)?;
    let mut metadata = description.metadata(dir, options);
    let _temporary = checks::archives(&mut tree, options.unpack, store.dir())?;
    let Tree { files, empty_folders, skipped } = tree;
    let mut items = items::group(files, &description, dir)?;
    let warnings = checks::examine(&mut items, &description, options, &mut metadata)?;
    let renditions = match studio {
        Some(studio) => renditions::add(&mut items, options, &studio, progress)?,
        None => 0,
    };
    let mut run = Run::new(store, total(&items));
    run.pack_items(&items, progress)?;
    let folders = empty_folders.len() as u64;
    for folder in empty_folders {
        run.pages.add_empty_folder(folder).map_err(PackError::TooLarge)?;
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

/// The state of one packing run.
struct Run<'a> {
    sealer: Sealer<'a>,
    pages: PageBuilder,
    refs: Vec<PageRef>,
    plain_bytes: u64,
    shown: Progress,
}

/// A file as it was read.
struct ReadFile {
    size: u64,
    executable: bool,
    media: media::Media,
    chunks: Vec<ChunkEntry>,
}

impl<'a> Run<'a> {
    fn new(store: &'a Store, shown: Progress) -> Self {
        Self { sealer: Sealer::new(store), pages: PageBuilder::default(), refs: Vec::new(), plain_bytes: 0, shown }
    }

    /// Stores the last page and makes the root.
    fn finish(mut self, metadata: Metadata, items: u64) -> Result<Packed, PackError> {
        self.pages.close().map_err(PackError::TooLarge)?;
        self.store_pages()?;
        let root = ManifestRoot {
            header: ManifestRoot::new_header(),
            metadata,
            pages: self.refs,
            plain_bytes: self.plain_bytes,
            stored_bytes: self.sealer.stored_bytes,
            files: self.shown.files_done,
            items,
        };
        let root_bytes = root.to_bytes();
        ManifestRoot::from_bytes(&root_bytes).map_err(PackError::TooLarge)?;
        Ok(Packed {
            manifest: ManifestId::of(&root_bytes),
            root,
            root_bytes,
            new_stored_bytes: self.sealer.new_stored_bytes,
            chunks_new: self.sealer.chunks_new,
            chunks: self.sealer.chunks(),
            skipped: Vec::new(),
            files: self.shown.files_done,
            empty_folders: 0,
            warnings: Notices::default(),
            renditions: 0,
        })
    }

    /// Reads in a second thread, hashes and stores in this one.
    fn pack_items(&mut self, items: &[SourceItem], progress: &mut dyn FnMut(Progress)) -> Result<(), PackError> {
        let (out, steps) = sync_channel(BLOCKS_IN_FLIGHT);
        let (back, spare) = sync_channel(BLOCKS_IN_FLIGHT);
        std::thread::scope(|scope| {
            let files = items.iter().flat_map(|item| &item.files).map(|file| &file.source);
            scope.spawn(move || reader::read_all(files, &out, &spare));
            // Moved in, so that an early return closes the channel and with it the reader.
            self.take_files(items, steps, &back, progress)
        })
    }

    fn take_files(
        &mut self,
        items: &[SourceItem],
        steps: Receiver<Step>,
        back: &SyncSender<crate::cut::Block>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PackError> {
        for item in items {
            for (number, file) in item.files.iter().enumerate() {
                let read = self.take_file(&steps, back, progress)?;
                let part = FilePart {
                    path: file.source.path.clone(),
                    role: file.role,
                    media_type: read.media.media_type.to_owned(),
                    size: read.size,
                    offset: 0,
                    executable: read.executable,
                    cut_profile: read.media.profile.id.0,
                    runs: Vec::new(),
                    language: file.language.clone(),
                    recipe: None,
                };
                let (key, title) = (&item.key, &item.title);
                let ext = item.ext.iter().cloned().chain(file.fact()).collect();
                let listing = Listing { key, title, begins_item: number == 0, file: part, chunks: &read.chunks, ext };
                self.pages.add(&listing).map_err(PackError::TooLarge)?;
                self.store_pages()?;
            }
        }
        Ok(())
    }

    fn take_file(
        &mut self,
        steps: &Receiver<Step>,
        back: &SyncSender<crate::cut::Block>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ReadFile, PackError> {
        let before = self.shown.bytes_done;
        let mut read: Option<ReadFile> = None;
        loop {
            match steps.recv().expect("the reader ends every file or says why not") {
                Step::Begin { size, executable, media } => {
                    self.shown.bytes_done = before;
                    self.sealer.begin_file(media.may_compress);
                    read = Some(ReadFile { size, executable, media, chunks: Vec::new() });
                }
                Step::Chunks(block) => {
                    let read = read.as_mut().expect("chunks follow a begin");
                    for (_, plain) in block.chunks() {
                        read.chunks.push(self.sealer.add(plain)?);
                    }
                    self.shown.bytes_done += block.len() as u64;
                    progress(self.shown);
                    // A full return channel only means that the reader has blocks enough.
                    let _ = back.try_send(block);
                }
                Step::End => break,
                Step::Failed(error) => return Err(error),
            }
        }
        let read = read.expect("an end follows a begin");
        self.sealer.count(&read.chunks);
        self.plain_bytes += read.size;
        self.shown.files_done += 1;
        progress(self.shown);
        Ok(read)
    }

    fn store_pages(&mut self) -> Result<(), PackError> {
        for page in self.pages.take_closed() {
            self.sealer.begin_file(true);
            let entry = self.sealer.add(&page.plain)?;
            self.sealer.count(&[entry]);
            self.refs.push(PageRef { entry, chunks: page.chunks, items: page.items, plain_bytes: page.plain_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
