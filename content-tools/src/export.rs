//! From chunks back to files: a manifest's layout, byte ranges of files, and plain folders.
//!
//! What must stay true: nothing is written outside the destination and no link in it is followed, whatever the manifest
//! or the destination say; a file appears under its name whole or not at all; a file that is there already with the right
//! content is not written again, so an interrupted export goes on; a file that somebody else made or changed is not
//! replaced unless that was asked for.

mod destination;
mod error;
mod names;

pub use error::{ExportError, LoadError, ReadError};
pub use names::{NameChange, Names, Placed};

use crate::store::{Store, StoreError};
use destination::{Destination, Existing, Obstacle};
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::layout::{File, Layout, Slice};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::path::ContentPath;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportProgress {
    /// Files done.
    pub files_done: u64,
    /// Files to do.
    pub files_total: u64,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes to do.
    pub bytes_total: u64,
}

/// What is wanted of an export.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExportOptions<'a> {
    /// One item instead of all.
    pub item: Option<&'a str>,
    /// Keep names as published, also those that some system cannot store.
    pub exact_names: bool,
    /// Replace files whose content is neither this version's nor that of one of `previous`.
    pub overwrite: bool,
    /// Earlier versions of the collection: their files are replaced without asking.
    pub previous: &'a [Layout],
}

/// A file that has another name in the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Its path as published.
    pub published: ContentPath,
    /// Its path in the destination.
    pub exported: ContentPath,
    /// Why.
    pub change: NameChange,
}

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// Files of the collection (or item).
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files written.
    pub written: u64,
    /// Files that were there with the same content.
    pub unchanged: u64,
    /// Files of the destination that are in the way of others and were left as they are, by their paths there.
    pub kept: Vec<ContentPath>,
    /// Files with another name than published.
    pub renamed: Vec<Renamed>,
}

/// Loads the pages that a root names from the store.
pub fn layout(root_bytes: &[u8], store: &Store) -> Result<Layout, LoadError> {
    let root = ManifestRoot::from_bytes(root_bytes)?;
    let ids: Vec<_> = root.pages.iter().map(|page| page.entry.id).collect();
    let pages = ids.len();
    let mut layout = Layout::new(root);
    for (number, id) in ids.iter().enumerate() {
        let plain = store.read_plain(id)?.ok_or(LoadError::MissingPage { page: number, pages })?;
        layout.add_page(number, &plain)?;
    }
    Ok(layout)
}

/// The bytes of a range of a file, clamped to the file. Holds the whole range in memory: ask for megabytes, not for films.
pub fn read_range(layout: &Layout, path: &str, range: Range<u64>, store: &Store) -> Result<Vec<u8>, ReadError> {
    let file = layout.file(path).ok_or_else(|| ReadError::UnknownFile { path: path.into() })?;
    let mut bytes = Vec::new();
    for slice in layout.slices(&file, range) {
        let plain = plain_of(&slice.entry, store)?;
        bytes.extend_from_slice(&plain[slice.start as usize..(slice.start + slice.len) as usize]);
    }
    Ok(bytes)
}

/// Writes a collection, or one item of it, as plain files below `to`.
pub fn export(
    layout: &Layout,
    options: &ExportOptions<'_>,
    store: &Store,
    to: &Path,
    progress: &mut dyn FnMut(ExportProgress),
) -> Result<ExportReport, ExportError> {
    let files = chosen_files(layout, options.item)?;
    check_present(layout, &files, store)?;
    let destination = Destination::open(to)?;
    let mut names = if options.exact_names { Names::exact() } else { Names::default() };
    let previous = Previous::new(options.previous);
    let mut shown = ExportProgress {
        files_total: files.len() as u64,
        bytes_total: files.iter().map(|file| file.head.size).sum(),
        ..ExportProgress::default()
    };
    let mut report = ExportReport { files: shown.files_total, bytes: shown.bytes_total, ..ExportReport::default() };
    for file in &files {
        let published = &file.head.path;
        let Placed { path, change } = names.file(published);
        let slices = layout.slices(file, 0..file.head.size);
        let mut on_bytes = |bytes: u64| {
            shown.bytes_done += bytes;
            progress(shown);
        };
        let task = Task { file, path: &path, slices: &slices, overwrite: options.overwrite, previous: &previous };
        match task.write(store, &destination, &mut on_bytes)? {
            Written::New => report.written += 1,
            Written::WasThere => report.unchanged += 1,
            Written::Kept => report.kept.push(path.clone()),
        }
        if let Some(change) = change {
            report.renamed.push(Renamed { published: published.clone(), exported: path, change });
        }
        shown.files_done += 1;
        progress(shown);
    }
    if options.item.is_none() {
        layout.empty_folders().try_for_each(|folder| destination.create_folder(&names.folder(folder).path))?;
    }
    destination.sync()?;
    Ok(report)
}

fn chosen_files<'a>(layout: &'a Layout, item: Option<&str>) -> Result<Vec<File<'a>>, ExportError> {
    let mut files = layout.files();
    if !layout.is_whole() || files.len() as u64 != layout.root().files {
        return Err(ExportError::Incomplete { described: files.len() as u64, files: layout.root().files });
    }
    if let Some(key) = item {
        files.retain(|file| file.item == key);
        if files.is_empty() {
            return Err(ExportError::UnknownItem { item: key.into() });
        }
    }
    Ok(files)
}

/// Looks for every chunk before the first byte is written: half an export helps nobody.
fn check_present(layout: &Layout, files: &[File<'_>], store: &Store) -> Result<(), ExportError> {
    let mut needed: BTreeMap<_, ChunkEntry> = BTreeMap::new();
    for file in files {
        needed.extend(layout.slices(file, 0..file.head.size).iter().map(|slice| (slice.entry.id, slice.entry)));
    }
    let ids: Vec<_> = needed.keys().copied().collect();
    let held = store.contains_many(&ids)?;
    let missing = || needed.values().zip(&held).filter(|(_, held)| !**held).map(|(entry, _)| entry);
    match missing().count() as u64 {
        0 => Ok(()),
        chunks => Err(ExportError::Missing { chunks, bytes: missing().map(|entry| u64::from(entry.stored_len)).sum() }),
    }
}

/// The files of earlier versions, looked up by path once one is in the way.
struct Previous<'a> {
    versions: &'a [Layout],
    files: OnceCell<Vec<BTreeMap<&'a str, File<'a>>>>,
}

impl<'a> Previous<'a> {
    fn new(versions: &'a [Layout]) -> Self {
        Self { versions, files: OnceCell::new() }
    }

    /// Whether an existing file is what an earlier version had under this path.
    fn had(&self, published: &str, existing: &mut Existing) -> bool {
        let by_path = |version: &'a Layout| version.files().into_iter().map(|file| (file.head.path.as_str(), file));
        let files = self.files.get_or_init(|| self.versions.iter().map(|version| by_path(version).collect()).collect());
        self.versions.iter().zip(files).any(|(version, files)| {
            let same = |file: &File<'_>| existing.has_content(file.head.size, &version.slices(file, 0..file.head.size));
            files.get(published).is_some_and(same)
        })
    }
}

/// What became of one file.
enum Written {
    New,
    WasThere,
    Kept,
}

/// One file to write.
struct Task<'a, 'p> {
    file: &'a File<'a>,
    /// Its path in the destination.
    path: &'a ContentPath,
    slices: &'a [Slice],
    overwrite: bool,
    previous: &'a Previous<'p>,
}

impl Task<'_, '_> {
    fn write(
        &self,
        store: &Store,
        destination: &Destination,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Written, ExportError> {
        let head = self.file.head;
        let folder = destination.folder_of(self.path)?;
        match folder.existing()? {
            None => {}
            Some(Obstacle::File(mut existing)) => {
                if existing.has_content(head.size, self.slices) {
                    folder.set_executable(&existing, head.executable)?;
                    on_bytes(head.size);
                    return Ok(Written::WasThere);
                }
                if !self.overwrite && !self.previous.had(head.path.as_str(), &mut existing) {
                    return Ok(Written::Kept);
                }
            }
            Some(Obstacle::Other) if !self.overwrite => return Ok(Written::Kept),
            Some(Obstacle::Other) => {}
        }
        let mut target = folder.begin(head.executable)?;
        for slice in self.slices {
            let plain = plain_of(&slice.entry, store)?;
            target.write(&plain[slice.start as usize..(slice.start + slice.len) as usize])?;
            on_bytes(u64::from(slice.len));
        }
        target.finish()?;
        Ok(Written::New)
    }
}

fn plain_of(entry: &ChunkEntry, store: &Store) -> Result<Vec<u8>, ReadError> {
    let chunk = entry.id;
    let plain = store.read_plain(&chunk)?.ok_or(ReadError::Missing { chunk })?;
    // The id fixes the content, but a lying manifest may give it another length.
    if plain.len() == entry.plain_len as usize { Ok(plain) } else { Err(ReadError::Length { chunk }) }
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Read(ReadError::Store(error))
    }
}

#[cfg(test)]
mod tests;
