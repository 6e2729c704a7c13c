//! One packing run: sealed blocks come in, files go into pages, pages into the store.
//!
//! What must stay true: files and blocks are taken in item order, so the manifest does not depend on the threads; of a large
//! file at most [`PART_CHUNKS_MAX`] rows and a block wait; when a file begins again because it changed, the pages its first
//! reading filled are forgotten (their chunks stay behind as garbage).

use super::error::PackError;
use super::items::{ItemFile, SourceItem};
use super::memory::{Draft, Memory, PART_ROWS};
use super::pages::{Listing, PART_CHUNKS_MAX, PageBuilder};
use super::reader::{self, BLOCKS_IN_FLIGHT, Belt, Step};
use super::sealer::{self, Sealer};
use super::tally::{Tally, Total};
use super::{Packed, Progress};
use crate::cut::Block;
use crate::package::Notices;
use crate::store::{Store, StoreError};
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::manifest::{FilePart, ManifestRoot, Metadata, Page, PageRef};
use karez_protocol::content::path::ContentPath;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// The state of one run.
pub(super) struct Run<'a> {
    store: &'a Store,
    /// Where the listings of files that are read now go.
    memory: Option<&'a Mutex<Memory>>,
    sealer: Sealer<'a>,
    pages: PageBuilder,
    refs: Vec<PageRef>,
    plain_bytes: u64,
    shown: Progress,
}

/// A file that is being taken in.
struct Open<'i> {
    item: &'i SourceItem,
    begins_item: bool,
    head: FilePart,
    /// What the item says of itself and of this file.
    ext: Vec<(String, String)>,
    /// Rows that stand in no page yet.
    rows: Vec<ChunkEntry>,
    /// Bytes of the rows that do.
    listed: u64,
    /// Pages before its first one, once it has pages of its own.
    pages_before: Option<usize>,
    /// Its listing on the way into the memory, and the rows that are not there yet.
    draft: Option<Draft>,
    unsaved: Vec<ChunkEntry>,
}

impl Open<'_> {
    fn listing(&self) -> Listing<'_> {
        let SourceItem { key, title, .. } = self.item;
        let ext = self.ext.clone();
        Listing { key, title, begins_item: self.begins_item, file: self.head.clone(), chunks: &self.rows, ext }
    }
}

/// What the storing thread listens and answers to.
struct Ends {
    steps: Receiver<Step>,
    back: SyncSender<Block>,
}

impl<'a> Run<'a> {
    pub(super) fn new(store: &'a Store, memory: Option<&'a Mutex<Memory>>, shown: Progress) -> Self {
        let (sealer, pages) = (Sealer::new(store), PageBuilder::default());
        Self { store, memory, sealer, pages, refs: Vec::new(), plain_bytes: 0, shown }
    }

    pub(super) fn add_empty_folder(&mut self, folder: ContentPath) -> Result<(), PackError> {
        self.pages.add_empty_folder(folder).map_err(PackError::TooLarge)?;
        self.store_pages()
    }

    /// Stores the last page and makes the root.
    pub(super) fn finish(mut self, metadata: Metadata, items: u64) -> Result<Packed, PackError> {
        self.pages.close().map_err(PackError::TooLarge)?;
        self.store_pages()?;
        let total = self.total()?;
        let root = ManifestRoot {
            header: ManifestRoot::new_header(),
            metadata,
            pages: self.refs,
            plain_bytes: self.plain_bytes,
            stored_bytes: total.stored_bytes,
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
            chunks: total.chunks,
            skipped: Vec::new(),
            files: self.shown.files_done,
            empty_folders: 0,
            warnings: Notices::default(),
            renditions: 0,
        })
    }

    /// Counts over the pages as stored: a page of 300 KB stands for 256 MB of video, so this reads little.
    fn total(&self) -> Result<Total, PackError> {
        let unreadable = |source| PackError::Unreadable { path: self.store.dir().into(), source };
        let mut tally = Tally::new(self.store.dir());
        for page in &self.refs {
            tally.add(&page.entry).map_err(unreadable)?;
            let lost = StoreError::Missing { chunk: page.entry.id };
            let plain = self.store.read_plain(&page.entry.id)?.ok_or(lost)?;
            let rows = Page::from_bytes(&plain).map_err(PackError::TooLarge)?.chunks;
            rows.iter().try_for_each(|row| tally.add(row)).map_err(unreadable)?;
        }
        tally.finish().map_err(unreadable)
    }

    /// Reads and seals in other threads, stores in this one.
    pub(super) fn pack_items(
        &mut self,
        items: &[SourceItem],
        read_all: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PackError> {
        let memory = self.memory.filter(|_| !read_all);
        let (out, steps) = sync_channel(BLOCKS_IN_FLIGHT);
        let (jobs, work) = sync_channel(BLOCKS_IN_FLIGHT);
        let (back, spare) = sync_channel(BLOCKS_IN_FLIGHT);
        let (store, work) = (self.store, Mutex::new(work));
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        std::thread::scope(|scope| {
            let files = items.iter().flat_map(|item| &item.files).map(|file| &file.source);
            scope.spawn(move || reader::read_all(files, &Belt { store, memory, out, jobs, spare }));
            for _ in 0..threads {
                scope.spawn(|| sealer::seal_all(store, &work));
            }
            // Moved in, so that an early return closes the channels and with them the reader and the sealers.
            self.take_files(items, Ends { steps, back }, progress)
        })
    }

    fn take_files(
        &mut self,
        items: &[SourceItem],
        ends: Ends,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PackError> {
        for item in items {
            for (number, file) in item.files.iter().enumerate() {
                self.take_file(opened(item, file, number == 0), &ends, progress)?;
            }
        }
        Ok(())
    }

    fn take_file(
        &mut self,
        mut open: Open<'_>,
        ends: &Ends,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PackError> {
        let before = self.shown.bytes_done;
        loop {
            match ends.steps.recv().expect("the reader ends every file or says why not") {
                Step::Begin { size, executable, media, stamp } => {
                    open.unsaved.clear();
                    open.draft =
                        stamp.and_then(|stamp| self.remember(|memory| memory.begin(open.head.path.as_str(), stamp)));
                    self.shown.bytes_done = before;
                    self.refs.truncate(open.pages_before.unwrap_or(self.refs.len()));
                    open.rows.clear();
                    open.listed = 0;
                    open.head.size = size;
                    open.head.executable = executable;
                    open.head.cut_profile = media.profile.id.0;
                    media.media_type.clone_into(&mut open.head.media_type);
                }
                Step::Block(promise) => {
                    let sealed = promise.recv().expect("a sealer answers every job");
                    let rows = self.sealer.add_block(&sealed)?;
                    self.save(&mut open, &rows, PART_ROWS);
                    open.rows.extend(rows);
                    self.list(&mut open, PART_CHUNKS_MAX)?;
                    self.shown.bytes_done += sealed.block.len() as u64;
                    progress(self.shown);
                    // A full return channel only means that the reader has blocks enough.
                    let _ = ends.back.try_send(sealed.block);
                }
                Step::Known(rows) => {
                    self.shown.bytes_done += rows.iter().map(|row| u64::from(row.plain_len)).sum::<u64>();
                    open.rows.extend(rows);
                    self.list(&mut open, PART_CHUNKS_MAX)?;
                    progress(self.shown);
                }
                Step::End => break,
                Step::Failed(error) => return Err(error),
            }
        }
        self.save(&mut open, &[], 1);
        if let Some(draft) = open.draft.take() {
            self.remember(|memory| memory.finish(&draft));
        }
        self.end_file(open)?;
        self.shown.files_done += 1;
        progress(self.shown);
        Ok(())
    }

    /// Adds rows to the listing in the memory, as long as at least `part` of them wait.
    fn save(&mut self, open: &mut Open<'_>, rows: &[ChunkEntry], part: usize) {
        let Some(draft) = &mut open.draft else { return };
        open.unsaved.extend_from_slice(rows);
        while open.unsaved.len() >= part {
            let part: Vec<_> = open.unsaved.drain(..PART_ROWS.min(open.unsaved.len())).collect();
            self.remember(|memory| memory.add(draft, &part));
        }
    }

    /// A memory that fails is given up for the rest of the run: it only saves time.
    fn remember<T>(&mut self, call: impl FnOnce(&mut Memory) -> rusqlite::Result<T>) -> Option<T> {
        let done = call(&mut self.memory?.lock().unwrap_or_else(PoisonError::into_inner));
        done.inspect_err(|error| {
            tracing::warn!(%error, "the memory of what was packed failed: the next packing reads these files again");
            self.memory = None;
        })
        .ok()
    }

    /// Lists parts of a large file until at most `rest` rows wait.
    fn list(&mut self, open: &mut Open<'_>, rest: usize) -> Result<(), PackError> {
        while open.rows.len() > rest {
            if open.pages_before.is_none() {
                self.pages.close().map_err(PackError::TooLarge)?;
                self.store_pages()?;
                open.pages_before = Some(self.refs.len());
            }
            let listed = self.pages.add_part(&open.listing(), open.listed).map_err(PackError::TooLarge)?;
            self.store_pages()?;
            open.listed += open.rows.drain(..listed).map(|row| u64::from(row.plain_len)).sum::<u64>();
        }
        Ok(())
    }

    fn end_file(&mut self, mut open: Open<'_>) -> Result<(), PackError> {
        self.plain_bytes += open.head.size;
        if open.listed > 0 {
            return self.list(&mut open, 0);
        }
        self.pages.add(&open.listing()).map_err(PackError::TooLarge)?;
        self.store_pages()
    }

    fn store_pages(&mut self) -> Result<(), PackError> {
        for page in self.pages.take_closed() {
            let entry = self.sealer.add_page(&page.plain)?;
            self.refs.push(PageRef { entry, chunks: page.chunks, items: page.items, plain_bytes: page.plain_bytes });
        }
        Ok(())
    }
}

/// A file of which nothing is known yet but its place.
fn opened<'i>(item: &'i SourceItem, file: &ItemFile, begins_item: bool) -> Open<'i> {
    let head = FilePart {
        path: file.source.path.clone(),
        role: file.role,
        media_type: String::new(),
        size: 0,
        offset: 0,
        executable: false,
        cut_profile: 0,
        runs: Vec::new(),
        language: file.language.clone(),
        recipe: None,
    };
    let ext = item.ext.iter().cloned().chain(file.fact()).collect();
    Open {
        item,
        begins_item,
        head,
        ext,
        rows: Vec::new(),
        listed: 0,
        pages_before: None,
        draft: None,
        unsaved: Vec::new(),
    }
}
