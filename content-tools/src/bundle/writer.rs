//! Writing a bundle, and going on with one that was interrupted.
//!
//! The order of records follows from the request alone. So going on is writing again from the start, where a record that is
//! there already, whole and in its place, is read and checked instead of written.

use super::descriptor::{Descriptor, PARTS_MAX, PartRow, SLOT_BYTES_MAX, SLOTS_MAX, Slot};
use super::error::BundleError;
use super::folder::{self, DESCRIPTOR};
use super::lacking::{self, Ids, LackingPage};
use super::record::{Kind, PART_HEADER_LEN, Place, RECORD_HEADER_LEN, Record};
use super::record::{part_header, read_record_header, record_header};
use super::summary::HaveSummary;
use crate::store::{HeldRelease, Store};
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::{ChunkId, NetworkId};
use karez_protocol::wire;
use karez_protocol::wire::control::SignedRelease;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Default length of a part: small enough that one bad sector costs one part's worth of writing again.
pub const PART_BYTES: u64 = 1 << 30;
/// Longest part: FAT32 holds no file of 4 GiB.
pub const PART_BYTES_MAX: u64 = (4 << 30) - (1 << 20);
/// Shortest part: the largest preamble (a release, a page) and a chunk must fit.
const PART_BYTES_MIN: u64 = 16 << 20;
/// Written bytes between two syncs: what pulling the stick out may cost.
const SYNC_BYTES: u64 = 64 << 20;

/// What to pack.
#[derive(Debug)]
pub struct ExportRequest<'a> {
    /// The network.
    pub network: NetworkId,
    /// For whom, as people read it.
    pub site: Option<String>,
    /// What the site holds; nothing when unknown.
    pub summary: Option<&'a HaveSummary>,
    /// The releases to carry, complete in the store.
    pub releases: &'a [HeldRelease],
    /// Signed documents and receipts that go with them.
    pub slots: Vec<Slot>,
    /// Longest part file; kept between 16 MiB and just below 4 GiB.
    pub part_bytes: u64,
    /// Whether everything is read back and checked at the end.
    pub check: bool,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportProgress {
    /// Bytes written or found there.
    pub bytes: u64,
    /// Bytes in all, about.
    pub total: u64,
    /// Whether they are being read back.
    pub checking: bool,
}

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// The bundle's folder.
    pub dir: PathBuf,
    /// Part files.
    pub parts: u64,
    /// Chunks in the bundle, pages included.
    pub chunks: u64,
    /// Bytes of the part files.
    pub bytes: u64,
    /// Of these, bytes that an interrupted run had written.
    pub resumed_bytes: u64,
    /// Chunks of the releases that were left out because the site holds them.
    pub held_chunks: u64,
    /// Whether everything was read back.
    pub checked: bool,
}

/// Writes a bundle below `to`, or goes on with one that the same request began.
pub fn export(
    request: ExportRequest<'_>,
    store: &Store,
    to: &Path,
    progress: &mut dyn FnMut(ExportProgress),
) -> Result<ExportReport, BundleError> {
    if request.slots.len() > SLOTS_MAX || request.slots.iter().any(|slot| slot.bytes.len() > SLOT_BYTES_MAX) {
        return Err(BundleError::TooMuch { what: "documents" });
    }
    let held = match request.summary {
        Some(summary) => lacking::held_by(summary, store)?,
        None => Ids::default(),
    };
    let id = request_id(&request);
    let dir = folder::folder_of(to, &id);
    fs::create_dir_all(&dir).map_err(|e| BundleError::io("create", &dir, e))?;
    let mut shown = ExportProgress::default();
    let (total, listed) = size(request.releases, store, &held)?;
    shown.total = total;
    check_room(&dir, total)?;
    // Until everything is written again and checked, the bundle counts as unfinished.
    let _ = fs::remove_file(dir.join(DESCRIPTOR));
    let mut writer = Writer::new(&dir, id, request.part_bytes.clamp(PART_BYTES_MIN, PART_BYTES_MAX))?;
    let mut seen = Ids::default();
    for release in request.releases {
        writer.release(release)?;
        lacking::pages(release, store, &held, &mut seen, &mut |page| {
            writer.page(&page, store)?;
            shown.bytes = writer.written();
            progress(shown);
            Ok(())
        })?;
    }
    let descriptor = writer.finish(&request)?;
    if request.check {
        read_back(&dir, &descriptor, &mut |bytes| {
            progress(ExportProgress { bytes, total, checking: true });
        })?;
    }
    folder::replace(&dir.join(DESCRIPTOR), &descriptor.to_file())?;
    folder::sync_folder(to)?;
    Ok(ExportReport {
        parts: descriptor.parts.len() as u64,
        chunks: descriptor.chunks,
        bytes: descriptor.parts.iter().map(|part| part.len).sum(),
        resumed_bytes: writer.resumed,
        held_chunks: listed.saturating_sub(descriptor.chunks),
        checked: request.check,
        dir,
    })
}

/// The same request finds its own bundle again.
fn request_id(request: &ExportRequest<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("karez 2026-11 bundle request v1");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    add(request.network.as_bytes());
    add(request.site.as_deref().unwrap_or_default().as_bytes());
    add(&request.summary.map(HaveSummary::to_bytes).unwrap_or_default());
    add(&request.part_bytes.to_le_bytes());
    request.releases.iter().for_each(|release| add(&release.signed));
    request.slots.iter().for_each(|slot| add(&slot.bytes));
    *hasher.finalize().as_bytes()
}

/// Bytes that the bundle takes (about: the store may hold a chunk in another encoding), and chunks before the site's own
/// are left out.
fn size(releases: &[HeldRelease], store: &Store, held: &Ids) -> Result<(u64, u64), BundleError> {
    let (mut seen, mut all) = (Ids::default(), Ids::default());
    let (mut bytes, mut listed) = (0, 0);
    let record = |entry: &ChunkEntry| RECORD_HEADER_LEN as u64 + u64::from(entry.stored_len);
    for release in releases {
        bytes += (release.root.len() + release.signed.len() + RECORD_HEADER_LEN + PART_HEADER_LEN) as u64;
        lacking::pages(release, store, held, &mut seen, &mut |page| {
            bytes += record(&page.entry) + page.rows.iter().map(record).sum::<u64>();
            Ok(())
        })?;
        lacking::pages(release, store, &Ids::default(), &mut all, &mut |page| {
            listed += 1 + page.rows.len() as u64;
            Ok(())
        })?;
    }
    Ok((bytes, listed))
}

/// What an interrupted run wrote counts as free: it is used again.
fn check_room(dir: &Path, total: u64) -> Result<(), BundleError> {
    let there: u64 = parts_in(dir).map(|(_, len)| len).sum();
    let needed = total.saturating_sub(there);
    let disk = rustix::fs::statvfs(dir).map_err(|e| BundleError::io("look at", dir, e))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed { Err(BundleError::NoSpace { needed, free, path: dir.into() }) } else { Ok(()) }
}

/// Part files that are there, from the first, with their lengths.
pub(super) fn parts_in(dir: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let dir = dir.to_owned();
    (1..=PARTS_MAX as u32).map_while(move |part| {
        let path = dir.join(folder::part_name(part));
        let len = path.symlink_metadata().ok()?.len();
        Some((path, len))
    })
}

/// Reads every part again, from the medium and not from memory where the system lets go of it.
fn read_back(dir: &Path, descriptor: &Descriptor, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BundleError> {
    let mut done = 0;
    for (number, row) in (1..).zip(&descriptor.parts) {
        let path = dir.join(folder::part_name(number));
        let mut file = folder::open_plain(&path)?;
        // Advice only: where it is not taken, the check is weaker, not wrong.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let (mut hasher, mut len, mut buffer) = (blake3::Hasher::new(), 0, vec![0; 1 << 20]);
        loop {
            let read = file.read(&mut buffer).map_err(|e| BundleError::io("read", &path, e))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            len += read as u64;
            done += read as u64;
            on_bytes(done);
        }
        if len != row.len || *hasher.finalize().as_bytes() != row.hash {
            return Err(BundleError::ReadBack { path });
        }
    }
    Ok(())
}

/// A record in memory.
#[derive(Debug, Clone)]
struct Payload {
    record: Record,
    bytes: Vec<u8>,
}

/// The part being written.
#[derive(Debug)]
struct Part {
    number: u32,
    path: PathBuf,
    file: File,
    len: u64,
    unsynced: u64,
    hasher: blake3::Hasher,
    /// Whether what comes next may be there already.
    resuming: bool,
}

#[derive(Debug)]
struct Writer {
    dir: PathBuf,
    id: [u8; 32],
    part_bytes: u64,
    part: Part,
    finished: Vec<PartRow>,
    release: Option<Payload>,
    page: Option<Payload>,
    chunks: u64,
    chunk_bytes: u64,
    resumed: u64,
}

impl Writer {
    fn new(dir: &Path, id: [u8; 32], part_bytes: u64) -> Result<Self, BundleError> {
        let part = Part::begin(dir, &id, 1)?;
        let (finished, dir) = (Vec::new(), dir.to_owned());
        let mut writer = Self {
            dir,
            id,
            part_bytes,
            part,
            finished,
            release: None,
            page: None,
            chunks: 0,
            chunk_bytes: 0,
            resumed: 0,
        };
        writer.resumed += if writer.part.resuming { writer.part.len } else { 0 };
        Ok(writer)
    }

    fn written(&self) -> u64 {
        self.finished.iter().map(|part| part.len).sum::<u64>() + self.part.len
    }

    fn release(&mut self, release: &HeldRelease) -> Result<(), BundleError> {
        let signed = SignedRelease { release: release.signed.clone(), root: release.root.clone() };
        let bytes = wire::encode(&signed);
        let len = bytes.len() as u32;
        let (id, check) = (ChunkId::of(&bytes), StoredCheck::of(&bytes));
        let entry = ChunkEntry { id, codec: Codec::Raw, plain_len: len, stored_len: len, check };
        let payload = Payload { record: Record { kind: Kind::Release, entry }, bytes };
        self.page = None;
        self.release = None;
        self.place(Kind::Release, &id, &mut || Ok(payload.clone()))?;
        self.release = Some(payload);
        Ok(())
    }

    fn page(&mut self, page: &LackingPage, store: &Store) -> Result<(), BundleError> {
        let payload = load(Kind::Page, &page.entry.id, store, &self.dir)?;
        self.page = None;
        self.place(Kind::Page, &page.entry.id, &mut || Ok(payload.clone()))?;
        self.count(&payload.record);
        self.page = Some(payload);
        let dir = self.dir.clone();
        for row in &page.rows {
            let record = self.place(Kind::Chunk, &row.id, &mut || load(Kind::Chunk, &row.id, store, &dir))?;
            self.count(&record);
        }
        Ok(())
    }

    fn count(&mut self, record: &Record) {
        self.chunks += 1;
        self.chunk_bytes += u64::from(record.entry.stored_len);
    }

    /// Writes a record, unless it is there already, in this part or at the start of the next.
    fn place(
        &mut self,
        kind: Kind,
        id: &ChunkId,
        load: &mut dyn FnMut() -> Result<Payload, BundleError>,
    ) -> Result<Record, BundleError> {
        if let Some(record) = self.existing(kind, id)? {
            return Ok(record);
        }
        let payload = load()?;
        if self.part.len + payload.record.len() > self.part_bytes {
            self.roll()?;
            if let Some(record) = self.existing(kind, id)? {
                return Ok(record);
            }
        }
        self.part.append(&self.id, &payload)?;
        Ok(payload.record)
    }

    fn existing(&mut self, kind: Kind, id: &ChunkId) -> Result<Option<Record>, BundleError> {
        let found = self.part.existing(&self.id, kind, id)?;
        self.resumed += found.map_or(0, |record| record.len());
        Ok(found)
    }

    /// Begins the next part, with the release and page again: each part can be read on its own.
    fn roll(&mut self) -> Result<(), BundleError> {
        let number = self.part.number + 1;
        if number as usize > PARTS_MAX {
            return Err(BundleError::TooMuch { what: "part files" });
        }
        let next = Part::begin(&self.dir, &self.id, number)?;
        self.resumed += if next.resuming { next.len } else { 0 };
        let done = std::mem::replace(&mut self.part, next);
        self.finished.push(done.finish()?);
        for payload in [self.release.clone(), self.page.clone()].into_iter().flatten() {
            if self.existing(payload.record.kind, &payload.record.entry.id)?.is_none() {
                self.part.append(&self.id, &payload)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, request: &ExportRequest<'_>) -> Result<Descriptor, BundleError> {
        self.finished.push(self.part.finish()?);
        // Parts of an older, longer try.
        for number in self.part.number + 1.. {
            if fs::remove_file(self.dir.join(folder::part_name(number))).is_err() {
                break;
            }
        }
        let summary = request.summary.map(|summary| blake3::hash(&summary.to_bytes()).as_bytes().to_vec().into());
        Ok(Descriptor {
            header: Descriptor::new_header(),
            network: request.network,
            id: self.id,
            site: request.site.clone(),
            summary,
            parts: self.finished.clone(),
            chunks: self.chunks,
            chunk_bytes: self.chunk_bytes,
            slots: request.slots.clone(),
        })
    }
}

fn load(kind: Kind, id: &ChunkId, store: &Store, dir: &Path) -> Result<Payload, BundleError> {
    let missing = || BundleError::Incomplete { collection: dir.display().to_string(), version: 0 };
    let stored = store.read_stored(id)?.ok_or_else(missing)?;
    let stored_len = stored.bytes.len() as u32;
    let entry =
        ChunkEntry { id: *id, codec: stored.codec, plain_len: stored.plain_len, stored_len, check: stored.check };
    Ok(Payload { record: Record { kind, entry }, bytes: stored.bytes })
}

impl Part {
    /// Opens or creates a part; what is there stays as long as its header is right.
    fn begin(dir: &Path, bundle: &[u8; 32], number: u32) -> Result<Self, BundleError> {
        let path = dir.join(folder::part_name(number));
        let io = |e| BundleError::io("open", &path, e);
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(BundleError::NotPlain { path });
        }
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let header = part_header(bundle, number);
        let mut found = [0; PART_HEADER_LEN];
        let resuming = file.read_exact(&mut found).is_ok() && found == header;
        if !resuming {
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&header)).map_err(io)?;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header);
        Ok(Self { number, path, file, len: PART_HEADER_LEN as u64, unsynced: 0, hasher, resuming })
    }

    /// The next record, if it is there whole and is the one wanted. If not, the part ends here and is written from now on.
    fn existing(&mut self, bundle: &[u8; 32], kind: Kind, id: &ChunkId) -> Result<Option<Record>, BundleError> {
        if !self.resuming {
            return Ok(None);
        }
        let mut header = [0; RECORD_HEADER_LEN];
        let place = Place { bundle: *bundle, part: self.number, offset: self.len };
        let wanted = |record: &Record| record.kind == kind && record.entry.id == *id;
        let record = match self.file.read_exact(&mut header) {
            Ok(()) => read_record_header(&header, place).filter(wanted),
            Err(_) => None,
        };
        if let Some(record) = record {
            let mut bytes = vec![0; record.entry.stored_len as usize];
            if self.file.read_exact(&mut bytes).is_ok() && StoredCheck::of(&bytes) == record.entry.check {
                self.hasher.update(&header).update(&bytes);
                self.len += record.len();
                return Ok(Some(record));
            }
        }
        self.resuming = false;
        let cut = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
        cut.map_err(|e| BundleError::io("cut", &self.path, e))?;
        Ok(None)
    }

    fn append(&mut self, bundle: &[u8; 32], payload: &Payload) -> Result<(), BundleError> {
        let place = Place { bundle: *bundle, part: self.number, offset: self.len };
        let header = record_header(&payload.record, place);
        let whole = [&header[..], &payload.bytes].concat();
        self.file.write_all(&whole).map_err(|e| BundleError::io("write", &self.path, e))?;
        self.hasher.update(&whole);
        self.len += whole.len() as u64;
        self.unsynced += whole.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(|e| BundleError::io("sync", &self.path, e))?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<PartRow, BundleError> {
        let done = self.file.set_len(self.len).and_then(|()| self.file.sync_all());
        done.map_err(|e| BundleError::io("sync", &self.path, e))?;
        Ok(PartRow { len: self.len, hash: *self.hasher.finalize().as_bytes() })
    }
}
