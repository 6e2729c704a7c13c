//! Taking a bundle into a store.
//!
//! One pass over the parts, in which a release opens the door for its pages and a page for its chunks. What is damaged, or
//! not named by what stands before it, is left out and named; the rest comes in. Nothing on the medium is written.

use super::descriptor::{Descriptor, Slot};
use super::error::BundleError;
use super::folder::{self, DESCRIPTOR};
use super::record::{Kind, Record};
use super::scan::{Found, Scan};
use super::writer::parts_in;
use crate::store::Store;
use crate::verify;
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, StoredCheck};
use karez_protocol::content::hash::{ChunkId, NetworkId};
use karez_protocol::content::manifest::{ManifestRoot, Page};
use karez_protocol::wire;
use karez_protocol::wire::control::SignedRelease;
use std::collections::HashMap;
use std::path::Path;

/// Damages told in full; more are only counted.
const DAMAGES_MAX: usize = 100;
/// Most releases looked at: what a county holds, and little enough to remember.
const RELEASES_MAX: usize = 4_096;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportProgress {
    /// Bytes of the parts gone through.
    pub bytes: u64,
    /// Bytes of all parts.
    pub total: u64,
}

/// A record that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of its part.
    pub part: u32,
    /// Where it stands.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// For whom the bundle was made.
    pub site: Option<String>,
    /// Releases accepted.
    pub releases: u64,
    /// Releases refused.
    pub refused: u64,
    /// Chunks stored.
    pub chunks_new: u64,
    /// Their stored bytes.
    pub bytes_new: u64,
    /// Chunks that were here.
    pub chunks_held: u64,
    /// Records left out.
    pub damaged: u64,
    /// The first of them.
    pub damages: Vec<Damage>,
    /// Documents and receipts, known or not.
    pub slots: Vec<Slot>,
}

/// What says whether a release may come in: its signature is the caller's business.
pub type Offered<'a> = &'a mut dyn FnMut(&SignedRelease) -> Result<(), String>;

/// Takes in a finished bundle. `offered` is asked once for every release; it must check the signature and that the root is
/// the one signed for.
pub fn import(
    dir: &Path,
    network: &NetworkId,
    store: &Store,
    offered: Offered<'_>,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportReport, BundleError> {
    let descriptor = descriptor(dir, network)?;
    let report = ImportReport { site: descriptor.site.clone(), slots: descriptor.slots.clone(), ..Default::default() };
    let total = descriptor.parts.iter().map(|part| part.len).sum();
    let mut import =
        Import { store, offered, report, judged: HashMap::new(), pages: HashMap::new(), rows: HashMap::new() };
    let mut before = 0;
    for (number, part) in (1..).zip(&descriptor.parts) {
        import.part(dir, &descriptor, number, &mut |at| progress(ImportProgress { bytes: before + at, total }))?;
        before += part.len;
    }
    store.sync()?;
    Ok(import.report)
}

fn descriptor(dir: &Path, network: &NetworkId) -> Result<Descriptor, BundleError> {
    let path = dir.join(DESCRIPTOR);
    if path.symlink_metadata().is_err() {
        let (parts, bytes) = parts_in(dir).fold((0, 0), |(parts, bytes), (_, len)| (parts + 1, bytes + len));
        return Err(match parts {
            0 => BundleError::NoBundle { path: dir.into() },
            _ => BundleError::Unfinished { path: dir.into(), parts, bytes },
        });
    }
    let bytes = folder::read_plain(&path, Descriptor::FILE_BYTES_MAX)?;
    let descriptor = Descriptor::from_file(&bytes, &path)?;
    if descriptor.network == *network { Ok(descriptor) } else { Err(BundleError::OtherNetwork { path }) }
}

struct Import<'a> {
    store: &'a Store,
    offered: Offered<'a>,
    report: ImportReport,
    /// Releases seen, by hash of the record: each part repeats the one it goes on with.
    judged: HashMap<ChunkId, bool>,
    /// Pages of the release that stands before.
    pages: HashMap<ChunkId, ChunkEntry>,
    /// Chunks of the page that stands before, and whether they are here.
    rows: HashMap<ChunkId, (ChunkEntry, bool)>,
}

impl Import<'_> {
    fn part(
        &mut self,
        dir: &Path,
        descriptor: &Descriptor,
        number: u32,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BundleError> {
        (self.pages, self.rows) = (HashMap::new(), HashMap::new());
        let promised = descriptor.parts[number as usize - 1].len;
        let mut scan = match Scan::open(dir, descriptor.id, number, promised) {
            Ok(Some(scan)) => scan,
            Ok(None) => {
                self.damage(number, 0, "this part belongs to another bundle or place, or its beginning is damaged");
                return Ok(());
            }
            Err(BundleError::Io { source, .. }) => {
                self.damage(number, 0, format!("this part cannot be read: {source}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        loop {
            match scan.next() {
                Found::End => break,
                Found::Damaged(at) => self.damage(number, at, "damaged bytes"),
                Found::Record(at, record) => {
                    if let Err(reason) = self.record(&mut scan, at, &record)? {
                        self.damage(number, at, reason);
                    }
                }
            }
            on_bytes(scan.at());
        }
        if scan.at() < promised {
            self.damage(number, scan.at(), "the part ends early");
        }
        Ok(())
    }

    fn damage(&mut self, part: u32, offset: u64, reason: impl Into<String>) {
        self.report.damaged += 1;
        if self.report.damages.len() < DAMAGES_MAX {
            self.report.damages.push(Damage { part, offset, reason: reason.into() });
        }
    }

    /// `Err` inside is what is wrong with the record; outside is what ends the import.
    fn record(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), String>, BundleError> {
        match record.kind {
            Kind::Release => Ok(self.release(scan, at, record)),
            Kind::Page => self.page(scan, at, record),
            Kind::Chunk => self.chunk(scan, at, record),
        }
    }

    fn release(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<(), String> {
        (self.pages, self.rows) = (HashMap::new(), HashMap::new());
        let id = record.entry.id;
        let bytes = scan.payload(at, record).filter(|bytes| ChunkId::of(bytes) == id).ok_or("damaged release")?;
        let release: SignedRelease = wire::decode(&bytes).map_err(|_| "not a release")?;
        if !self.judged.contains_key(&id) {
            if self.judged.len() >= RELEASES_MAX {
                return Err("too many releases in one bundle".into());
            }
            let verdict = (self.offered)(&release);
            self.judged.insert(id, verdict.is_ok());
            match &verdict {
                Ok(()) => self.report.releases += 1,
                Err(_) => self.report.refused += 1,
            }
            verdict.map_err(|reason| format!("release refused: {reason}"))?;
        }
        if self.judged.get(&id) == Some(&true) {
            let root = ManifestRoot::from_bytes(&release.root).map_err(|e| e.to_string())?;
            self.pages = root.pages.iter().map(|page| (page.entry.id, page.entry)).collect();
        }
        Ok(())
    }

    fn page(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), String>, BundleError> {
        self.rows = HashMap::new();
        let id = record.entry.id;
        if !self.pages.contains_key(&id) {
            return Ok(Err(format!("page {id} is not named by an accepted release before it")));
        }
        let plain = match self.store.read_plain(&id) {
            Ok(Some(plain)) => {
                self.report.chunks_held += 1;
                plain
            }
            _ => match self.take(scan, at, record)? {
                Ok(plain) => plain,
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let Ok(page) = Page::from_bytes(&plain) else { return Ok(Err(format!("page {id} breaks the rules of pages"))) };
        let ids: Vec<_> = page.chunks.iter().map(|row| row.id).collect();
        let here = self.store.contains_many(&ids)?;
        self.rows = page.chunks.iter().zip(here).map(|(row, here)| (row.id, (*row, here))).collect();
        Ok(Ok(()))
    }

    fn chunk(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), String>, BundleError> {
        let id = record.entry.id;
        match self.rows.get(&id).map(|(_, here)| *here) {
            None => Ok(Err(format!("chunk {id} is not named by the page before it"))),
            Some(true) => {
                self.report.chunks_held += 1;
                Ok(Ok(()))
            }
            Some(false) => {
                let taken = self.take(scan, at, record)?.map(|_| ());
                if let Some((_, here)) = self.rows.get_mut(&id) {
                    *here = taken.is_ok();
                }
                Ok(taken)
            }
        }
    }

    /// Verifies a chunk and stores it; its plaintext.
    fn take(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<Vec<u8>, String>, BundleError> {
        let Some(bytes) = scan.payload(at, record) else { return Ok(Err("the medium does not give the bytes".into())) };
        // The record's own row: the encoding may be the sender's, the id is the signed one. The plain length must agree.
        let signed = match record.kind {
            Kind::Page => self.pages.get(&record.entry.id),
            _ => self.rows.get(&record.entry.id).map(|(row, _)| row),
        };
        if signed.is_none_or(|row| row.plain_len != record.entry.plain_len) {
            return Ok(Err(format!("chunk {} comes with another length than its manifest says", record.entry.id)));
        }
        if StoredCheck::of(&bytes) != record.entry.check {
            return Ok(Err(format!("chunk {} is damaged", record.entry.id)));
        }
        let plain = verify::verify(&record.entry, record.entry.codec, bytes).and_then(|chunk| {
            let plain = chunk.plain()?.into_owned();
            Ok((chunk, plain))
        });
        match plain {
            Err(error) => Ok(Err(error.to_string())),
            Ok((chunk, plain)) => {
                if self.store.put(&chunk)? {
                    self.report.chunks_new += 1;
                    self.report.bytes_new += chunk.stored().len() as u64;
                } else {
                    self.report.chunks_held += 1;
                }
                Ok(Ok(plain))
            }
        }
    }
}
