//! What is done before packing with what files say about themselves: archives unpacked or refused, the gate, titles.
//!
//! What must stay true: `collection.toml` and options win over packages, packages over documents, documents over names;
//! nothing is packed when anything is refused; folders for unpacked archives go away with [`Temporary`], or at the next
//! packing when this process dies.

use super::PackOptions;
use super::description::Description;
use super::error::{PackError, check_names};
use super::items::SourceItem;
use super::media;
use super::natural;
use super::skipped::{SkipReason, Skips, leftover_path};
use super::walk::{Place, SourceFile, Tree};
use crate::package::{
    self, Archive, BadName, BadNames, Findings, Gate, Notices, Passed, Subject, UnpackError, Unpacked,
};
use crate::store::StoreError;
use karez_protocol::content::manifest::{Kind, Metadata};
use karez_protocol::content::path::ContentPath;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Beginning of the names of our folders in a store.
const FOLDER_PREFIX: &str = "unpacked-";
/// Digits of an item's place in its course.
const ORDER_DIGITS: usize = 6;

/// Folders that exist as long as they are packed from.
#[derive(Debug, Default)]
pub(super) struct Temporary(Vec<TempDir>);

/// Compressed tars become their members when that was asked for, and are refused otherwise.
pub(super) fn archives(tree: &mut Tree, unpack: bool, store: &Path) -> Result<Temporary, PackError> {
    let kinds: Vec<Archive> =
        tree.files.iter().map(|file| package::archive(file.path.as_str(), || file.on_disk())).collect();
    let is_tar = |kind: &Archive| !matches!(kind, Archive::None | Archive::Gzip);
    let mut temporary = Temporary::default();
    if !kinds.iter().any(is_tar) {
        return Ok(temporary);
    }
    remove_leftovers(store);
    let mut files = Vec::with_capacity(tree.files.len());
    let mut bad_names = BadNames::default();
    for (file, kind) in std::mem::take(&mut tree.files).into_iter().zip(kinds) {
        match kind {
            Archive::None | Archive::Gzip => files.push(file),
            Archive::TarOther => return Err(PackError::CompressedTar { path: file.on_disk(), can_unpack: false }),
            _ if !unpack => return Err(PackError::CompressedTar { path: file.on_disk(), can_unpack: true }),
            kind => {
                let (folder, unpacked) = unpack_one(&file, kind, store)?;
                temporary.0.push(folder);
                unpacked.bad_names.list.iter().for_each(|name| bad_names.add(name.clone()));
                bad_names.more += unpacked.bad_names.more;
                if unpacked.bad_names.list.is_empty() {
                    place(&file, unpacked, (&mut files, &mut bad_names), &mut tree.skipped)?;
                }
            }
        }
    }
    check_names(bad_names)?;
    files.sort_by(|a, b| natural::compare_paths(a.path.as_str(), b.path.as_str()));
    check_collisions(&files)?;
    tree.files = files;
    Ok(temporary)
}

/// One process owns a store, so folders of others are left over.
fn remove_leftovers(store: &Path) {
    let own = format!("{FOLDER_PREFIX}{}-", std::process::id());
    for entry in std::fs::read_dir(store).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(FOLDER_PREFIX) && !name.starts_with(&own) {
            // What cannot be removed now is tried again next time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn unpack_one(file: &SourceFile, kind: Archive, store: &Path) -> Result<(TempDir, Unpacked), PackError> {
    let prefix = format!("{FOLDER_PREFIX}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(store);
    let folder = folder.map_err(|source| PackError::Unreadable { path: store.into(), source })?;
    let unpacked = package::unpack(&file.on_disk(), kind, folder.path());
    let unpacked = unpacked.map_err(|source| match source {
        UnpackError::Io(cause) if crate::disk::is_full(&cause) => StoreError::DiskFull { path: store.into() }.into(),
        source => PackError::Unpack { path: file.on_disk(), source },
    })?;
    Ok((folder, unpacked))
}

/// Members lie in a folder named like the archive without its endings.
fn place(
    archive: &SourceFile,
    unpacked: Unpacked,
    (files, bad_names): (&mut Vec<SourceFile>, &mut BadNames),
    skipped: &mut Skips,
) -> Result<(), PackError> {
    let path = archive.path.as_str();
    let lower = path.to_ascii_lowercase();
    let endings = [".tar.gz", ".tgz", ".tar.zst", ".tzst", ".gz"];
    let ending = endings.iter().find(|ending| lower.ends_with(**ending)).map_or(0, |ending| ending.len());
    let folder = &path[..path.len() - ending];
    let before = files.len();
    for (inside, member) in unpacked.members {
        if let Some(reason) = leftover_path(inside.as_str()) {
            skipped.add(format!("{folder}/{inside}"), reason);
            continue;
        }
        match format!("{folder}/{inside}").parse::<ContentPath>() {
            Ok(path) => files.push(SourceFile { place: Arc::new(Place::At(member.on_disk)), path, size: member.size }),
            Err(fault) => {
                bad_names.add(BadName { path: archive.on_disk().join(inside.as_str()), fault: Some(fault) });
            }
        }
    }
    for (name, passed) in unpacked.passed {
        let reason = match passed {
            Passed::Link => SkipReason::Link,
            Passed::Pipe => SkipReason::Pipe,
            Passed::Device => SkipReason::Device,
        };
        skipped.add(format!("{folder}/{name}"), reason);
    }
    if files.len() == before && bad_names.list.is_empty() {
        // As with a folder: a version without files would delete everything at the sites.
        return Err(PackError::Unpack { path: archive.on_disk(), source: UnpackError::Nothing });
    }
    Ok(())
}

/// A path may be there once, and not both as a file and as a folder.
fn check_collisions(files: &[SourceFile]) -> Result<(), PackError> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let twice = files.windows(2).find(|pair| pair[0].path == pair[1].path).map(|pair| pair[1].path.to_string());
    let below = |path: &&str| path.match_indices('/').any(|(at, _)| paths.contains(&path[..at]));
    match twice.or_else(|| paths.iter().copied().find(below).map(str::to_owned)) {
        Some(path) => Err(PackError::Collision { path }),
        None => Ok(()),
    }
}

/// Looks at all files, stops at what must not be published, and fills in titles, order and facts.
pub(super) fn examine(
    items: &mut [SourceItem],
    description: &Description,
    options: &PackOptions,
    metadata: &mut Metadata,
    store: &Path,
) -> Result<Notices, PackError> {
    if let Some(sensitivity) = description.sensitivity.as_deref().filter(|class| *class != "open") {
        return Err(PackError::Sensitivity { found: sensitivity.into() });
    }
    let subjects = items.iter().flat_map(|item| {
        item.files.iter().map(|file| Subject {
            key: &item.key,
            path: file.source.path.as_str(),
            on_disk: file.source.on_disk(),
            size: file.source.size,
            media_type: media::of(file.source.path.as_str()).media_type,
        })
    });
    // Where collections are about patients, what nobody has looked into stays at home.
    let is_medical = matches!(metadata.kind, Kind::Consultation | Kind::Care);
    let gate = Gate { scratch: store, strict: is_medical && !options.unchecked };
    let findings = package::examine(subjects, gate);
    if !findings.refusals.is_empty() {
        return Err(PackError::Refused(Box::new(findings.refusals)));
    }
    fill_in(items, description, &findings);
    if let Some(title) = findings.title.filter(|_| options.title.is_none() && description.title.is_none()) {
        metadata.title = title;
    }
    Ok(findings.warnings)
}

fn fill_in(items: &mut [SourceItem], description: &Description, findings: &Findings) {
    for item in items {
        if let Some(title) = findings.titles.get(&item.key).filter(|_| !description.gives_title(&item.key)) {
            item.title.clone_from(title);
        }
        if let Some(order) = findings.orders.get(&item.key) {
            item.ext.push(("order".into(), format!("{order:0ORDER_DIGITS$}")));
        }
        if let Some(book) = findings.books.get(&item.key) {
            if !book.creators.is_empty() {
                item.ext.push(("creators".into(), book.creators.join("; ")));
            }
            item.ext.extend(book.language.clone().map(|tag| ("language".into(), tag)));
        }
        for file in &mut item.files {
            let path = file.source.path.as_str();
            file.film = findings.films.get(path).cloned().map(Box::new);
        }
    }
}

#[cfg(test)]
mod tests;
