//! Bundles made by an enemy who computes every checksum right: nothing gets in that the accepted release does not name, no
//! byte gets in wrong, and nothing but the store is written.

use super::choices::Choices;
use super::manifest::{decoded, root_of};
use super::shelf;
use karez_content_tools::bundle::{Descriptor, HaveSummary, PartRow, Slot, import};
use karez_content_tools::store::Store;
use karez_content_tools::verify::seal;
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::{ChunkId, NetworkId};
use karez_protocol::content::manifest::Page;
use karez_protocol::wire;
use karez_protocol::wire::control::SignedRelease;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);
const BUNDLE: [u8; 32] = [5; 32];
/// Imports into one store: opening one takes longer than ten imports.
const STORE_USES: u32 = 200;

thread_local! {
    static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
}

/// A store, and which world is next: each import has contents of its own, so that nothing is here before it comes.
struct Site {
    base: TempDir,
    store: Store,
    uses: u32,
}

impl Site {
    fn new() -> Self {
        let base = shelf::folder();
        let store = shelf::store(&base.path().join("store"));
        fs::write(base.path().join("secret"), "not of the bundle").unwrap();
        Self { base, store, uses: 0 }
    }
}

/// Documents alone, or a whole bundle.
pub(crate) fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, document)) => drop(decoded::<Descriptor>(document)),
        Some((1, document)) => drop(decoded::<HaveSummary>(document)),
        Some((_, script)) => SITE.with_borrow_mut(|slot| {
            let site = slot.get_or_insert_with(Site::new);
            site.uses += 1;
            check_import(site, script);
            if site.uses >= STORE_USES {
                *slot = None;
            }
        }),
        None => {}
    }
}

fn check_import(site: &Site, script: &[u8]) {
    let dir = site.base.path().join("bundle");
    fs::create_dir(&dir).unwrap();
    let mut forge = Forge::new(site.uses);
    forge.follow(script);
    forge.write(&dir);
    let (outside, before) = (listing(site.base.path()), site.store.stats());
    let held = site.store.contains_many(&forge.named).unwrap();
    let mut offered = |release: &SignedRelease| match forge.accepted.contains(&release.root) {
        true => Ok(()),
        false => Err("a stranger".to_owned()),
    };
    // Refusing all of it is fine as well.
    let report = import(&dir, &NETWORK, &site.store, &mut offered, &mut |_| {});
    let mut stored = 0;
    for (id, held) in forge.named.iter().zip(held) {
        if let Some(plain) = site.store.read_plain(id).unwrap() {
            assert_eq!(ChunkId::of(&plain), *id, "wrong bytes are in the store");
            stored += u64::from(!held);
        }
    }
    let new = site.store.stats().chunks - before.chunks;
    assert_eq!(new, stored, "something came in that no accepted release names");
    if let Ok(report) = report {
        assert_eq!(report.chunks_new, new);
    }
    assert_eq!(listing(site.base.path()), outside, "something was written outside the store");
    fs::remove_dir_all(&dir).unwrap();
}

/// Every path but those of the store, with lengths and link targets.
fn listing(base: &Path) -> BTreeMap<String, u64> {
    let entries = walkdir::WalkDir::new(base).into_iter().map(|entry| entry.unwrap());
    let outside = entries.filter(|entry| !entry.path().starts_with(base.join("store")));
    let row = |entry: walkdir::DirEntry| (entry.path().display().to_string(), entry.metadata().unwrap().len());
    outside.filter(|entry| !entry.file_type().is_dir()).map(row).collect()
}

/// A bundle in the making, and what of it may come in.
struct Forge {
    chunks: [(ChunkEntry, Vec<u8>); 2],
    page: Vec<u8>,
    accepted: Vec<Vec<u8>>,
    /// Pages and chunks of accepted releases.
    named: Vec<ChunkId>,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    promised: Option<u32>,
    stands_in: Option<Stranger>,
}

/// What lies there in place of a part.
enum Stranger {
    Link,
    Folder,
    Nothing,
}

impl Forge {
    fn new(world: u32) -> Self {
        let chunk = |text: String| {
            let sealed = seal(text.as_bytes(), true).unwrap();
            (sealed.entry(), sealed.stored().to_vec())
        };
        let chunks = [chunk(format!("karez {world}")), chunk(format!("water {world} ").repeat(60))];
        let page = Page::new(vec![], chunks.iter().map(|(entry, _)| *entry).collect(), vec![], vec![]).to_bytes();
        let mut forge = Self { chunks, page: page.clone(), accepted: vec![], named: vec![], parts: vec![] };
        forge.accept(&page);
        forge.begin_part();
        forge
    }

    /// A release that names one page; the page names what it names.
    fn accept(&mut self, page: &[u8]) {
        let rows = Page::from_bytes(page).map(|page| page.chunks).unwrap_or_default();
        self.accepted.push(root_of(page, rows.len() as u32).to_bytes());
        self.named.push(ChunkId::of(page));
        self.named.extend(rows.iter().map(|row| row.id));
        self.named.sort_unstable();
        self.named.dedup();
    }

    fn begin_part(&mut self) {
        let number = self.parts.len() as u32 + 1;
        let mut bytes = b"KAREZBDL\x01\x00\x01\x00".to_vec();
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&BUNDLE);
        bytes.extend_from_within_hash(48, 16);
        self.parts.push(Part { bytes, ..Part::default() });
    }

    fn last(&mut self) -> &mut Part {
        self.parts.last_mut().expect("the first part was begun")
    }

    /// One step after the other: honest ones, and lies.
    fn follow(&mut self, script: &[u8]) {
        let mut choices = Choices::new(script);
        while !choices.is_empty() && self.parts.len() < 6 {
            match choices.u8() % 16 {
                0 | 1 => self.release(self.accepted[0].clone()),
                2 | 3 => self.honest_page(),
                4 | 5 => self.honest_chunk(choices.below(2)),
                6 => self.chunk_as_plain(choices.below(2)),
                7 => self.lying_record(&mut choices),
                8 => {
                    let len = choices.below(200);
                    self.last().bytes.extend_from_slice(choices.take(len));
                }
                9 => self.flip(&mut choices),
                10 => {
                    let len = usize::from(choices.u16());
                    self.last().bytes.truncate(len);
                }
                11 => self.begin_part(),
                12 => self.last().promised = Some(choices.u32()),
                13 => {
                    self.last().stands_in =
                        [Stranger::Link, Stranger::Folder, Stranger::Nothing].into_iter().nth(choices.below(3))
                }
                14 => {
                    let len = choices.below(250);
                    self.release(choices.take(len).to_vec());
                }
                _ => self.strange_page(&mut choices),
            }
        }
    }

    fn release(&mut self, root: Vec<u8>) {
        let bytes = wire::encode(&SignedRelease { release: b"signed".to_vec(), root });
        self.record(1, raw(&bytes), &bytes);
    }

    fn honest_page(&mut self) {
        let page = self.page.clone();
        self.record(2, raw(&page), &page);
    }

    fn honest_chunk(&mut self, which: usize) {
        let (entry, stored) = self.chunks[which].clone();
        self.record(3, entry, &stored);
    }

    /// In another encoding than the manifest's, which a bundle may.
    fn chunk_as_plain(&mut self, which: usize) {
        let (entry, stored) = self.chunks[which].clone();
        let plain = zstd::bulk::decompress(&stored, entry.plain_len as usize).unwrap_or(stored);
        self.record(3, raw(&plain), &plain);
    }

    /// A record with the id of something that is wanted, and other lengths, encoding, check or bytes.
    fn lying_record(&mut self, choices: &mut Choices<'_>) {
        let (kind, which, lies) = (choices.u8() % 5, choices.below(3), choices.u8());
        let (mut entry, mut payload) = match which {
            2 => (raw(&self.page), self.page.clone()),
            which => self.chunks[which].clone(),
        };
        let lie = |bit: u8| lies & 1 << bit != 0;
        if lie(0) {
            let len = choices.below(256);
            payload = choices.take(len).to_vec();
        }
        if lie(1) {
            payload = zstd::bulk::compress(&vec![choices.u8(); choices.u32() as usize % (4 << 20)], 1).unwrap();
        }
        if !lie(2) {
            entry.stored_len = payload.len() as u32;
            entry.check = StoredCheck::of(&payload);
        }
        if lie(3) {
            entry.plain_len = choices.u32();
        }
        if lie(4) {
            entry.codec = if entry.codec == Codec::Raw { Codec::Zstd } else { Codec::Raw };
        }
        if lie(5) {
            entry.stored_len = choices.u32();
        }
        if lie(6) {
            entry.id = ChunkId::of(&payload);
        }
        self.record(kind, entry, &payload);
    }

    /// An accepted release whose page is anything.
    fn strange_page(&mut self, choices: &mut Choices<'_>) {
        let len = 1 + usize::from(choices.u16()) % 1_000;
        let page = choices.take(len).to_vec();
        if page.is_empty() {
            return;
        }
        self.accept(&page);
        self.release(self.accepted.last().cloned().unwrap_or_default());
        self.record(2, raw(&page), &page);
    }

    fn flip(&mut self, choices: &mut Choices<'_>) {
        let (back, bit) = (usize::from(choices.u16()), choices.u8() % 8);
        let bytes = &mut self.last().bytes;
        if let Some(at) = (bytes.len().checked_sub(1)).map(|last| last - back % (last + 1)) {
            bytes[at] ^= 1 << bit;
        }
    }

    /// Appends a record with a right check of its header (`docs/formats/bundle.md`).
    fn record(&mut self, kind: u8, entry: ChunkEntry, payload: &[u8]) {
        let part = self.parts.len() as u32;
        let bytes = &mut self.last().bytes;
        let mut header = b"KBRC".to_vec();
        header.extend([kind, entry.codec.number(), 0, 0]);
        header.extend(entry.plain_len.to_le_bytes());
        header.extend(entry.stored_len.to_le_bytes());
        header.extend(entry.id.as_bytes());
        header.extend(entry.check.0);
        let place = [BUNDLE.as_slice(), &part.to_le_bytes(), &(bytes.len() as u64).to_le_bytes()].concat();
        let check = blake3::hash(&[place.as_slice(), &header].concat());
        header.extend(&check.as_bytes()[..8]);
        bytes.extend([header.as_slice(), payload].concat());
    }

    fn write(&self, dir: &Path) {
        for (number, part) in (1..).zip(&self.parts) {
            let path = dir.join(format!("part-{number:04}.kpart"));
            match part.stands_in {
                None => fs::write(path, &part.bytes).unwrap(),
                Some(Stranger::Link) => symlink("../secret", path).unwrap(),
                Some(Stranger::Folder) => fs::create_dir(path).unwrap(),
                Some(Stranger::Nothing) => {}
            }
        }
        let len = |part: &Part| part.promised.unwrap_or(part.bytes.len() as u32).into();
        let descriptor = Descriptor {
            header: Descriptor::new_header(),
            network: NETWORK,
            id: BUNDLE,
            site: None,
            summary: None,
            parts: self.parts.iter().map(|part| PartRow { len: len(part), hash: [0; 32] }).collect(),
            chunks: 3,
            chunk_bytes: 99,
            slots: vec![Slot { kind: 9, bytes: vec![1] }],
        };
        fs::write(dir.join("bundle.cbor"), descriptor.to_file()).unwrap();
    }
}

/// The row of bytes as they are.
fn raw(bytes: &[u8]) -> ChunkEntry {
    let (len, id, check) = (bytes.len() as u32, ChunkId::of(bytes), StoredCheck::of(bytes));
    ChunkEntry { id, codec: Codec::Raw, plain_len: len, stored_len: len, check }
}

trait WithHash {
    /// Appends the first bytes of BLAKE3 over the bytes so far, of which there must be so many.
    fn extend_from_within_hash(&mut self, of: usize, first: usize);
}

impl WithHash for Vec<u8> {
    fn extend_from_within_hash(&mut self, of: usize, first: usize) {
        assert_eq!(self.len(), of);
        let check = blake3::hash(self);
        self.extend(&check.as_bytes()[..first]);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let page = Page::new(vec![], vec![raw(b"karez")], vec![], vec![]).to_bytes();
    let strange = [&[2, 15], (page.len() as u16 - 1).to_le_bytes().as_slice(), &page, &[4, 0]].concat();
    let summary = HaveSummary::new(NETWORK, "minqin".into(), vec![]);
    let scripts: [&[u8]; 6] = [
        &[2, 0, 2, 4, 0, 4, 1, 11, 0, 2, 6, 1, 6, 0],
        &[2, 0, 2, 7, 3, 1, 0b10, 5, 0, 0, 9, 0, 4, 0],
        &[2, 0, 2, 7, 3, 0, 0b100_1000, 8, 7, 6, 5, 4, 1],
        &[2, 0, 2, 9, 8, 0, 3, 4, 0, 8, 40, 1, 2, 3, 10, 80, 1, 11, 13, 0, 11, 13, 1],
        &[2, 14, 20, 1, 2, 3, 2, 4, 0, 12, 0, 0, 1, 0],
        &strange,
    ];
    let mut seeds: Vec<_> = scripts.iter().map(|script| script.to_vec()).collect();
    seeds.push([&[1], summary.to_bytes().as_slice()].concat());
    seeds
}
