//! Taking a bundle into a store.
//!
//! One pass over the parts, in which a release opens the door for its pages and a page for its chunks. What is damaged, or
//! not named by what stands before it, is left out and named; the rest comes in. Nothing on the medium is written.
//!
//! Behind a damaged page a later page of the release that is in the store already stands in for it, where it names the next
//! chunk. So one flipped bit costs one record once the description has come over the network: the same import again takes
//! the rest. Rejected: (1) every page twice in the bundle, because most updates are mostly pages; (2) to keep chunks that
//! no signed page names until one comes, because then a stick could fill a disk.

use super::descriptor::{Descriptor, Slot};
use super::error::BundleError;
use super::fault::Fault;
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

/// Pages looked at for one that stands in for a damaged one. The bundle leaves out those of which the site holds all.
const PAGES_AHEAD: usize = 64;
/// Times that one is looked for: a bundle with more damage has little else, and each look costs milliseconds.
const STAND_INS_MAX: u32 = 1_000;

/// Records that were left out, one behind the other for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of their part.
    pub part: u32,
    /// Where the first of them stands.
    pub offset: u64,
    /// How many they are.
    pub records: u64,
    /// What is wrong with them.
    pub fault: Fault,
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
    /// Of these, chunks that no page names.
    pub unnamed: u64,
    /// The first of them.
    pub damages: Vec<Damage>,
    /// Records left out that are in none of those.
    pub damages_more: u64,
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
    let (judged, rows, pages) = (HashMap::new(), HashMap::new(), PagesOf::default());
    let mut import = Import { store, offered, report, judged, pages, rows, is_lost: false, stand_ins: 0 };
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
    pages: PagesOf,
    /// Chunks of the page that stands before, and whether they are here.
    rows: HashMap<ChunkId, (ChunkEntry, bool)>,
    /// Whether damage may have swallowed the page that the next chunk belongs to.
    is_lost: bool,
    /// How often a page was looked for that stands in for a lost one.
    stand_ins: u32,
}

/// Pages of a release, in order, and which comes next.
#[derive(Debug, Default)]
struct PagesOf {
    order: Vec<ChunkEntry>,
    places: HashMap<ChunkId, usize>,
    next: usize,
}

impl PagesOf {
    fn of(root: &ManifestRoot) -> Self {
        let order: Vec<_> = root.pages.iter().map(|page| page.entry).collect();
        let places = order.iter().enumerate().map(|(at, entry)| (entry.id, at)).collect();
        Self { order, places, next: 0 }
    }

    fn entry(&self, id: &ChunkId) -> Option<&ChunkEntry> {
        self.order.get(*self.places.get(id)?)
    }

    fn seen(&mut self, id: &ChunkId) {
        self.next = self.places.get(id).map_or(self.next, |at| at + 1);
    }
}

impl Import<'_> {
    fn part(
        &mut self,
        dir: &Path,
        descriptor: &Descriptor,
        number: u32,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BundleError> {
        (self.pages, self.rows) = (PagesOf::default(), HashMap::new());
        let promised = descriptor.parts[number as usize - 1].len;
        let mut scan = match Scan::open(dir, descriptor.id, number, promised) {
            Ok(Some(scan)) => scan,
            Ok(None) => {
                self.damage(number, 0, Fault::Part);
                return Ok(());
            }
            Err(BundleError::Io { source, .. }) => {
                self.damage(number, 0, Fault::PartUnreadable(source.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        loop {
            match scan.next() {
                Found::End => break,
                Found::Damaged(at) => {
                    self.is_lost = true;
                    self.damage(number, at, Fault::Bytes);
                }
                Found::Record(at, record) => {
                    if let Err(fault) = self.record(&mut scan, at, &record)? {
                        self.is_lost |= fault != Fault::ChunksUnnamed;
                        self.damage(number, at, fault);
                    }
                }
            }
            on_bytes(scan.at());
        }
        if scan.at() < promised {
            self.damage(number, scan.at(), Fault::PartShort);
        }
        Ok(())
    }

    /// Chunks behind a damaged page are one damage, however many they are.
    fn damage(&mut self, part: u32, offset: u64, fault: Fault) {
        self.report.damaged += 1;
        if fault == Fault::ChunksUnnamed {
            self.report.unnamed += 1;
            // The last one listed is the last one found only as long as all are listed.
            let last = self.report.damages.last_mut().filter(|_| self.report.damages_more == 0);
            if let Some(last) = last.filter(|last| last.part == part && last.fault == fault) {
                last.records += 1;
                return;
            }
        }
        match self.report.damages.len() < DAMAGES_MAX {
            true => self.report.damages.push(Damage { part, offset, records: 1, fault }),
            false => self.report.damages_more += 1,
        }
    }

    /// `Err` inside is what is wrong with the record; outside is what ends the import.
    fn record(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), Fault>, BundleError> {
        match record.kind {
            Kind::Release => Ok(self.release(scan, at, record)),
            Kind::Page => self.page(scan, at, record),
            Kind::Chunk => self.chunk(scan, at, record),
        }
    }

    fn release(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<(), Fault> {
        (self.pages, self.rows) = (PagesOf::default(), HashMap::new());
        let id = record.entry.id;
        let bytes = scan.payload(at, record).filter(|bytes| ChunkId::of(bytes) == id).ok_or(Fault::Release)?;
        let release: SignedRelease = wire::decode(&bytes).map_err(|_| Fault::Release)?;
        if !self.judged.contains_key(&id) {
            if self.judged.len() >= RELEASES_MAX {
                return Err(Fault::TooManyReleases);
            }
            let verdict = (self.offered)(&release);
            self.judged.insert(id, verdict.is_ok());
            match &verdict {
                Ok(()) => self.report.releases += 1,
                Err(_) => self.report.refused += 1,
            }
            verdict.map_err(Fault::ReleaseRefused)?;
        }
        if self.judged.get(&id) == Some(&true) {
            let root = ManifestRoot::from_bytes(&release.root).map_err(|e| Fault::ReleaseRefused(e.to_string()))?;
            self.pages = PagesOf::of(&root);
        }
        Ok(())
    }

    fn page(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), Fault>, BundleError> {
        self.rows = HashMap::new();
        let id = record.entry.id;
        if self.pages.entry(&id).is_none() {
            return Ok(Err(Fault::PageUnnamed));
        }
        let plain = match self.store.read_plain(&id) {
            Ok(Some(plain)) => {
                self.report.chunks_held += 1;
                plain
            }
            _ => match self.take(scan, at, record)? {
                Ok(plain) => plain,
                Err(fault) => return Ok(Err(fault)),
            },
        };
        let Ok(page) = Page::from_bytes(&plain) else { return Ok(Err(Fault::PageRules)) };
        self.opened(&id, &page)?;
        Ok(Ok(()))
    }

    fn opened(&mut self, id: &ChunkId, page: &Page) -> Result<(), BundleError> {
        let ids: Vec<_> = page.chunks.iter().map(|row| row.id).collect();
        let here = self.store.contains_many(&ids)?;
        self.rows = page.chunks.iter().zip(here).map(|(row, here)| (row.id, (*row, here))).collect();
        self.pages.seen(id);
        self.is_lost = false;
        Ok(())
    }

    /// Opens the next page of the release that is here and names a chunk. Looks once for each damage.
    fn stand_in(&mut self, chunk: &ChunkId) -> Result<(), BundleError> {
        self.is_lost = false;
        let ahead: Vec<_> =
            self.pages.order.iter().skip(self.pages.next).take(PAGES_AHEAD).map(|entry| entry.id).collect();
        for id in ahead {
            let Ok(Some(plain)) = self.store.read_plain(&id) else { continue };
            let Ok(page) = Page::from_bytes(&plain) else { continue };
            if page.chunks.iter().any(|row| row.id == *chunk) {
                return self.opened(&id, &page);
            }
        }
        Ok(())
    }

    fn chunk(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<(), Fault>, BundleError> {
        let id = record.entry.id;
        if self.is_lost && self.stand_ins < STAND_INS_MAX && !self.rows.contains_key(&id) {
            self.stand_ins += 1;
            self.stand_in(&id)?;
        }
        match self.rows.get(&id).map(|(_, here)| *here) {
            None => Ok(Err(Fault::ChunksUnnamed)),
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
    fn take(&mut self, scan: &mut Scan, at: u64, record: &Record) -> Result<Result<Vec<u8>, Fault>, BundleError> {
        let Some(bytes) = scan.payload(at, record) else { return Ok(Err(Fault::Unreadable)) };
        // The record's own row: the encoding may be the sender's, the id is the signed one. The plain length must agree.
        let signed = match record.kind {
            Kind::Page => self.pages.entry(&record.entry.id),
            _ => self.rows.get(&record.entry.id).map(|(row, _)| row),
        };
        if signed.is_none_or(|row| row.plain_len != record.entry.plain_len) {
            return Ok(Err(Fault::ChunkLength));
        }
        if StoredCheck::of(&bytes) != record.entry.check {
            return Ok(Err(Fault::Chunk));
        }
        let plain = verify::verify(&record.entry, record.entry.codec, bytes).and_then(|chunk| {
            let plain = chunk.plain()?.into_owned();
            Ok((chunk, plain))
        });
        match plain {
            Err(_) => Ok(Err(Fault::Chunk)),
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
