//! The commands of `karez-content`: each takes its flags, does one thing, prints text or JSON.

pub(crate) mod chunk;
mod complaint;
pub(crate) mod diff;
pub(crate) mod gc;
pub(crate) mod inspect;
mod lost;
pub(crate) mod pack;
pub(crate) mod pin;
pub(crate) mod quota;
pub(crate) mod scrub;
mod store_complaint;
pub(crate) mod verify;

pub(crate) use complaint::{Complaint, Wrong};

use karez_content_tools::pages::Pages;
use karez_content_tools::speech::one_line;
use karez_content_tools::store::{HeldRelease, Store, StoreError, StoreOptions};
use karez_protocol::content::hash::ManifestId;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Prints a JSON document.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Prints a line, of which a terminal acts on nothing, and in which no other line begins.
fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", one_line(text))
}

/// Whether the reader of the output has had enough (`| head`).
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(pipe)
        || error
            .downcast_ref::<serde_json::Error>()
            .is_some_and(|error| error.io_error_kind() == Some(ErrorKind::BrokenPipe))
}

/// A number of bytes, with K, M, G or T (of 1000) behind it or without.
fn size(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        Some((at, 'G')) => (&text[..at], 1_000_000_000),
        Some((at, 'T')) => (&text[..at], 1_000_000_000_000),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| format!("'{text}' is not a number of bytes above 0: write 500K, 20M or 2G"))
}

/// Opens a store that must exist: a typing error must not create one.
fn open_existing(dir: &Path) -> anyhow::Result<Store> {
    anyhow::ensure!(dir.join("segments").is_dir(), Wrong::NoStore { dir: dir.into() });
    open(dir)
}

/// Opens a store, or makes one. Of one that cannot be written to its folder is named, and not the file that showed it.
fn open(dir: &Path) -> anyhow::Result<Store> {
    Store::open(dir, StoreOptions::default()).map_err(|error| match error.is_read_only() {
        true => anyhow::Error::new(error).context(StoreError::ReadOnly { dir: dir.into() }),
        false => error.into(),
    })
}

/// [`open_existing`] for a command that can do without writing: what cannot be written to is looked at as it is.
fn open_to_look(dir: &Path) -> anyhow::Result<Store> {
    match open_existing(dir) {
        Err(error) if error.downcast_ref::<StoreError>().is_some_and(StoreError::is_read_only) => {
            Ok(Store::open_to_look(dir)?)
        }
        opened => opened,
    }
}

/// [`open_to_look`] for a command that looks for damage.
fn open_to_check(dir: &Path) -> anyhow::Result<Store> {
    let store = open_to_look(dir)?;
    if store.is_read_only() {
        tracing::warn!("{} is read-only: nothing that is found is noted there", dir.display());
    }
    Ok(store)
}

/// Finds a manifest: a file with a root page, a manifest id, or `PUBLISHER/NAME` with an optional `@VERSION`.
fn find_manifest(text: &str, store: &Store) -> anyhow::Result<Vec<u8>> {
    if Path::new(text).is_file() {
        return std::fs::read(text).map_err(|source| Wrong::Unreadable { path: text.into(), source }.into());
    }
    let held = store.releases()?.into_iter().chain(store.drafts()?);
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => {
            (name, Some(version.parse::<u64>().map_err(|_| Wrong::NoManifest { text: text.into() })?))
        }
        None => (text, None),
    };
    let id: Option<ManifestId> = text.parse().ok();
    let wanted = |release: &HeldRelease| match id {
        Some(id) => ManifestId::of(&release.root) == id,
        None => release.collection.to_string() == name && version.is_none_or(|version| version == release.version),
    };
    let newest = held.filter(wanted).max_by_key(|release| release.version);
    Ok(newest.ok_or_else(|| Wrong::NoManifest { text: text.into() })?.root)
}

/// Opens a manifest.
fn load<'a>(text: &str, store: &'a Store) -> anyhow::Result<(ManifestId, Pages<'a>)> {
    let root = find_manifest(text, store)?;
    Ok((ManifestId::of(&root), Pages::open(&root, store)?))
}
