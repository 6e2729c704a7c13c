//! From chunks back to files: a manifest's layout, byte ranges of files, and plain folders.
//!
//! What must stay true: nothing is written outside the destination and no link in it is followed, whatever the manifest
//! or the destination say; a file appears under its name whole or not at all; a file that is there already with the right
//! content is not written again, so an interrupted export goes on.

mod destination;
mod error;

pub use error::{ExportError, LoadError, ReadError};

use crate::store::{Store, StoreError};
use destination::{Destination, Existing};
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::layout::{File, Layout, Slice};
use karez_protocol::content::manifest::ManifestRoot;
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

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// Files of the collection (or item).
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files written.
    pub written: u64,
    /// Files that were there with the same content.
    pub unchanged: u64,
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
    item: Option<&str>,
    store: &Store,
    to: &Path,
    progress: &mut dyn FnMut(ExportProgress),
) -> Result<ExportReport, ExportError> {
    let files = chosen_files(layout, item)?;
    check_present(layout, &files, store)?;
    let destination = Destination::open(to)?;
    let mut shown = ExportProgress {
        files_total: files.len() as u64,
        bytes_total: files.iter().map(|file| file.head.size).sum(),
        ..ExportProgress::default()
    };
    let mut report = ExportReport { files: shown.files_total, bytes: shown.bytes_total, ..ExportReport::default() };
    for file in &files {
        let slices = layout.slices(file, 0..file.head.size);
        let mut on_bytes = |bytes: u64| {
            shown.bytes_done += bytes;
            progress(shown);
        };
        if write_file(file, &slices, store, &destination, &mut on_bytes)? {
            report.written += 1;
        } else {
            report.unchanged += 1;
        }
        shown.files_done += 1;
        progress(shown);
    }
    if item.is_none() {
        layout.empty_folders().try_for_each(|folder| destination.create_folder(folder))?;
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

/// Writes one file; false when it was there already.
fn write_file(
    file: &File<'_>,
    slices: &[Slice],
    store: &Store,
    destination: &Destination,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<bool, ExportError> {
    let (path, head) = (&file.head.path, file.head);
    let folder = destination.folder_of(path)?;
    if let Some(existing) = folder.existing(head.size, head.executable)?
        && has_content(existing, slices)
    {
        on_bytes(head.size);
        return Ok(false);
    }
    let mut target = folder.begin(head.executable)?;
    for slice in slices {
        let plain = plain_of(&slice.entry, store)?;
        target.write(&plain)?;
        on_bytes(plain.len() as u64);
    }
    target.finish()?;
    Ok(true)
}

/// Whether a file of the right length has the content: by chunk identities, so the store is not read for it.
fn has_content(mut existing: Existing, slices: &[Slice]) -> bool {
    slices.iter().all(|slice| existing.next_is(&slice.entry).unwrap_or(false))
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
