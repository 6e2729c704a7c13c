//! One packing run: sealed blocks come in, files go into pages, pages into the store.
//!
//! What must stay true: files and blocks are taken in item order, so the manifest does not depend on the threads; of a large
//! file at most [`PART_CHUNKS_MAX`] rows and a block wait; when a file begins again because it changed, the pages its first
//! reading filled are forgotten (their chunks stay behind as garbage). A file that is taken apart gets its pages once it
//! has been read, and only when they rebuild it ([`super::proof`]).

use super::error::PackError;
use super::items::SourceItem;
use super::memory::{Memory, PART_ROWS};
use super::open::{Apart, Open};
use super::pages::{PART_CHUNKS_MAX, PageBuilder};
use super::parts::{Limits, PartError, Parts, StreamPart};
use super::place::InPlace;
use super::proof::Mapping;
use super::reader::{self, BLOCKS_IN_FLIGHT, Belt, Step};
use super::row::Row;
use super::sealer::{self, SealedBlock, Sealer};
use super::skipped::Skips;
use super::tally::{Tally, Total};
use super::walk::SourceFile;
use super::{Packed, Plans, Progress};
use crate::cut::{Block, Fallback, Planned};
use crate::package::Notices;
use crate::store::{Store, StoreError};
use karez_protocol::content::Document;
use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::manifest::{ManifestRoot, Metadata, Page, PageRef};
use karez_protocol::content::path::ContentPath;
use std::io;
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
    plans: Plans,
    limits: Limits,
}

/// What the storing thread listens and answers to.
struct Ends {
    steps: Receiver<Step>,
    back: SyncSender<Block>,
}

impl<'a> Run<'a> {
    pub(super) fn new(store: &'a Store, memory: Option<&'a Mutex<Memory>>, shown: Progress, limits: Limits) -> Self {
        let (sealer, pages, plans) = (Sealer::new(store), PageBuilder::default(), Plans::default());
        Self { store, memory, sealer, pages, refs: Vec::new(), plain_bytes: 0, shown, plans, limits }
    }

    /// From now on chunks stay in their files, where that is wanted.
    pub(super) fn stay(&mut self, in_place: Option<InPlace<'a>>) {
        self.sealer.in_place = in_place;
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
        self.sealer.in_place.as_mut().map_or(Ok(()), InPlace::sync)?;
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
            skipped: Skips::default(),
            files: self.shown.files_done,
            empty_folders: 0,
            warnings: Notices::default(),
            renditions: 0,
            plans: self.plans,
            copied_bytes: self.sealer.copied_bytes,
            in_place_bytes: self.sealer.in_place.map_or(0, |in_place| in_place.bytes),
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
        let files = items.iter().flat_map(|item| &item.files).map(|file| &file.source);
        self.with_reader(files, memory, None, |run, ends| run.take_files(items, &ends, progress))
    }

    /// Calls back while other threads read files and seal their chunks.
    fn with_reader<'f>(
        &mut self,
        files: impl Iterator<Item = &'f SourceFile> + Send,
        memory: Option<&Mutex<Memory>>,
        distrust: Option<Planned>,
        take: impl FnOnce(&mut Self, Ends) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let (out, steps) = sync_channel(BLOCKS_IN_FLIGHT);
        let (jobs, work) = sync_channel(BLOCKS_IN_FLIGHT);
        let (back, spare) = sync_channel(BLOCKS_IN_FLIGHT);
        let (store, work) = (self.store, Mutex::new(work));
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        std::thread::scope(|scope| {
            scope.spawn(move || reader::read_all(files, &Belt { store, memory, distrust, out, jobs, spare }));
            for _ in 0..threads {
                scope.spawn(|| sealer::seal_all(store, &work));
            }
            // Moved in, so that an early return closes the channels and with them the reader and the sealers.
            take(self, Ends { steps, back })
        })
    }

    fn take_files(
        &mut self,
        items: &[SourceItem],
        ends: &Ends,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PackError> {
        for item in items {
            for (number, file) in item.files.iter().enumerate() {
                self.take_file(Open::new(item, file, number == 0), ends, progress)?;
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
        let crc = self.take_steps(&mut open, ends, progress)?;
        if !self.end_file(&mut open, crc)? {
            self.shown.bytes_done = before;
            return self.take_plainly(&open, progress);
        }
        self.save(&mut open, &[], 1);
        if let Some(draft) = open.draft.take() {
            self.remember(|memory| memory.finish(&draft));
        }
        self.plans.add(&open.head.path, &open.planned);
        self.plain_bytes += open.head.size;
        self.shown.files_done += 1;
        progress(self.shown);
        Ok(())
    }

    /// Takes all that comes of a file; returns the CRC-32 of what was read.
    fn take_steps(
        &mut self,
        open: &mut Open<'_>,
        ends: &Ends,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<u32>, PackError> {
        let before = self.shown.bytes_done;
        loop {
            match ends.steps.recv().expect("the reader ends every file or says why not") {
                Step::Begin { size, executable, media, stamp, planned } => {
                    let path = open.head.path.as_str();
                    open.draft = stamp.and_then(|stamp| self.remember(|memory| memory.begin(path, stamp, &planned)));
                    self.shown.bytes_done = before;
                    self.sealer.begin_file(&open.file.source.on_disk(), size);
                    self.refs.truncate(open.pages_before.unwrap_or(self.refs.len()));
                    open.begin(planned, stamp.is_some(), self.store.dir());
                    open.head.size = size;
                    open.head.executable = executable;
                    open.head.cut_profile = media.profile.id.0;
                    media.media_type.clone_into(&mut open.head.media_type);
                }
                Step::Block(promise) => {
                    let sealed = promise.recv().expect("a sealer answers every job");
                    self.take_block(open, &sealed)?;
                    self.shown.bytes_done += sealed.block.len() as u64;
                    progress(self.shown);
                    // A full return channel only means that the reader has blocks enough.
                    let _ = ends.back.try_send(sealed.block);
                }
                Step::Known(rows) => {
                    self.shown.bytes_done += rows.iter().map(|row| u64::from(row.entry.plain_len)).sum::<u64>();
                    open.extend(&rows).map_err(|source| self.spool_failed(source))?;
                    self.list(open, PART_CHUNKS_MAX)?;
                    progress(self.shown);
                }
                Step::End { crc } => return Ok(crc),
                Step::Failed(error) => return Err(error),
            }
        }
    }

    fn take_block(&mut self, open: &mut Open<'_>, sealed: &SealedBlock) -> Result<(), PackError> {
        let entries = self.sealer.add_block(sealed)?;
        let streams = sealed.block.chunks().map(|chunk| chunk.stream);
        let rows: Vec<Row> = streams.zip(entries).map(|(stream, entry)| Row { stream, entry }).collect();
        if let Some(apart) = &mut open.apart {
            apart.witness(sealed, &rows);
        }
        self.save(open, &rows, PART_ROWS);
        open.extend(&rows).map_err(|source| self.spool_failed(source))?;
        self.list(open, PART_CHUNKS_MAX)
    }

    /// Takes a file again, cut by its content alone: what its recipe rebuilds is not the file.
    fn take_plainly(&mut self, open: &Open<'_>, progress: &mut dyn FnMut(Progress)) -> Result<(), PackError> {
        let Open { item, file, begins_item, .. } = *open;
        tracing::warn!(path = %open.head.path, "a recipe does not rebuild its file, which is cut by its content alone");
        let distrust = Planned::given_up(open.planned.container, Fallback::NotRebuilt);
        self.with_reader(std::iter::once(&file.source), None, Some(distrust), |run, ends| {
            run.take_file(Open::new(item, file, begins_item), &ends, progress)
        })
    }

    /// A temporary file in the store's folder failed.
    fn spool_failed(&self, source: io::Error) -> PackError {
        PackError::Unreadable { path: self.store.dir().into(), source }
    }

    /// Adds rows to the listing in the memory, as long as at least `part` of them wait.
    fn save(&mut self, open: &mut Open<'_>, rows: &[Row], part: usize) {
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

    /// Lists what is left of a file; false when it was taken apart and does not come together again.
    fn end_file(&mut self, open: &mut Open<'_>, crc: Option<u32>) -> Result<bool, PackError> {
        if let Some(apart) = open.apart.take() {
            let is_read_right = apart.proof.is_none_or(|(_, found)| crc == Some(found));
            return Ok(is_read_right && self.list_apart(open, &apart)?);
        }
        if open.listed > 0 {
            return self.list(open, 0).map(|()| true);
        }
        self.pages.add(&open.listing()).map_err(PackError::TooLarge)?;
        self.store_pages().map(|()| true)
    }

    /// Lists a file that was taken apart; false, and nothing is listed, when it does not come together again.
    fn list_apart(&mut self, open: &Open<'_>, apart: &Apart) -> Result<bool, PackError> {
        let mut parts = Parts::new(&apart.extents, &apart.lanes, self.limits);
        let expected = apart.proof.map(|(mapping, _)| mapping);
        if parts.is_whole() {
            let Some(part) = self.next_part(&mut parts)? else { return Ok(false) };
            let listed = self.pages.add_streams(&open.listing(), &part, expected).map_err(PackError::TooLarge)?;
            return self.store_pages().map(|()| listed);
        }
        self.pages.close().map_err(PackError::TooLarge)?;
        self.store_pages()?;
        let (before, mut offset, mut found) = (self.refs.len(), 0, Mapping::default());
        while let Some(part) = self.next_part(&mut parts)? {
            let added = self.pages.add_stream_part(&open.listing(), offset, &part, &mut found);
            added.map_err(PackError::TooLarge)?;
            self.store_pages()?;
            offset += part.bytes;
        }
        let is_rebuilt = offset == open.head.size && expected.is_none_or(|expected| expected == found);
        if !is_rebuilt {
            self.refs.truncate(before);
        }
        Ok(is_rebuilt)
    }

    /// The next part; none also where a stream is too short, which the file's size tells from the end.
    fn next_part(&self, parts: &mut Parts<'_>) -> Result<Option<StreamPart>, PackError> {
        match parts.next() {
            Ok(part) => Ok(part),
            Err(PartError::Short) => Ok(None),
            Err(PartError::Io(source)) => Err(self.spool_failed(source)),
        }
    }

    fn store_pages(&mut self) -> Result<(), PackError> {
        for page in self.pages.take_closed() {
            let entry = self.sealer.add_page(&page.plain)?;
            self.refs.push(PageRef { entry, chunks: page.chunks, items: page.items, plain_bytes: page.plain_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
