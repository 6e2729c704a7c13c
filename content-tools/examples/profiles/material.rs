//! Material of four kinds in two versions, with the edits that each kind meets.
//!
//! What must stay true: everything comes from a seed, so that the same flags make the same bytes on every machine.

use std::io::Read;

/// A kind of material in two versions.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Whether packing would try zstd.
    pub(crate) may_compress: bool,
    pub(crate) old: Vec<File>,
    pub(crate) new: Vec<File>,
    /// Bytes that the editor has written.
    pub(crate) changed: u64,
}

/// Name and bytes.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Numbers from a seed.
struct Dice(blake3::OutputReader);

impl Dice {
    fn new(seed: &str) -> Self {
        Self(blake3::Hasher::new().update(seed.as_bytes()).finalize_xof())
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }

    fn unit(&mut self) -> f64 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }

    /// Small lengths as often as large ones.
    fn len(&mut self, least: f64, most: f64) -> usize {
        (least * (most / least).powf(self.unit())) as usize
    }

    fn noise(&mut self, least: f64, most: f64) -> Vec<u8> {
        let len = self.len(least, most);
        self.bytes(len)
    }
}

pub(crate) fn all(film_bytes: usize) -> Vec<Kind> {
    vec![film(film_bytes), text(), documents(), pictures()]
}

/// Incompressible; one run of 64 KiB in a hundred is replaced or, every second time, one is inserted.
fn film(size: usize) -> Kind {
    const RUN: usize = 64 << 10;
    let mut dice = Dice::new("film");
    let old = dice.bytes(size);
    let (mut new, mut changed) = (Vec::with_capacity(size + size / 100), 0);
    for (number, run) in old.chunks(RUN).enumerate().map(|(at, run)| (at + 1, run)) {
        if number % 100 == 0 {
            let mut fresh = vec![0; RUN];
            dice.0.read_exact(&mut fresh).expect("an output of BLAKE3 has no end");
            new.extend(fresh);
            changed += RUN as u64;
        }
        if number % 100 != 0 || number % 200 == 0 {
            new.extend_from_slice(run);
        }
    }
    let name = "lesson.mp4".to_owned();
    let kind = |bytes| vec![File { name: name.clone(), bytes }];
    Kind { name: "film", may_compress: false, old: kind(old), new: kind(new), changed }
}

/// Sentences over a vocabulary in which few words are frequent.
struct Author {
    dice: Dice,
    words: Vec<String>,
}

impl Author {
    fn new() -> Self {
        let mut dice = Dice::new("text");
        let word = |dice: &mut Dice| {
            let len = 2 + dice.below(9);
            (0..len).map(|_| char::from(b'a' + dice.below(26) as u8)).collect()
        };
        let words = (0..8000).map(|_| word(&mut dice)).collect();
        Self { dice, words }
    }

    fn sentence(&mut self) -> String {
        let mut sentence = String::from("<p>");
        for _ in 0..6 + self.dice.below(16) {
            let rank = (self.words.len() as f64).powf(self.dice.unit()) as usize - 1;
            sentence.push_str(&self.words[rank]);
            sentence.push(' ');
        }
        sentence + "</p>\n"
    }

    fn sentences(&mut self, bytes: usize) -> Vec<String> {
        let (mut all, mut len) = (Vec::new(), 0);
        while len < bytes {
            all.push(self.sentence());
            len += all.last().map_or(0, String::len);
        }
        all
    }
}

/// Books with a sentence in 1 500 rewritten, and small pages and subtitles of which one in ten has one.
fn text() -> Kind {
    let mut author = Author::new();
    let (mut old, mut new, mut changed) = (Vec::new(), Vec::new(), 0);
    let books = (0..4).map(|_| (8 << 20, true));
    for (number, (bytes, book)) in books.chain((0..300).map(|_| (0, false))).enumerate() {
        let bytes = if book { bytes } else { author.dice.len(2e3, 80e3) };
        let mut sentences = author.sentences(bytes);
        let name = format!("page {number:03}.html");
        old.push(File { name: name.clone(), bytes: sentences.concat().into_bytes() });
        let edits = if book { sentences.len() / 1500 } else { usize::from(number % 10 == 0) };
        for _ in 0..edits {
            let at = author.dice.below(sentences.len());
            sentences[at] = author.sentence();
            changed += sentences[at].len() as u64;
        }
        new.push(File { name, bytes: sentences.concat().into_bytes() });
    }
    Kind { name: "text", may_compress: true, old, new, changed }
}

/// Archives of compressed members (office, EPUB), one member in each of every second one is made again; and JPEG
/// pictures of which one in four has new EXIF data.
fn documents() -> Kind {
    let mut dice = Dice::new("documents");
    let (mut old, mut new, mut changed) = (Vec::new(), Vec::new(), 0);
    for number in 0..60 {
        let mut members: Vec<Vec<u8>> = (0..40).map(|_| dice.noise(2e3, 600e3)).collect();
        let name = format!("document {number:02}.pptx");
        old.push(File { name: name.clone(), bytes: zip(&members) });
        if number % 2 == 0 {
            let at = dice.below(members.len());
            members[at] = dice.noise(2e3, 600e3);
            changed += members[at].len() as u64;
        }
        new.push(File { name, bytes: zip(&members) });
    }
    for number in 0..120 {
        let mut bytes = dice.noise(100e3, 4e6);
        let name = format!("picture {number:03}.jpg");
        old.push(File { name: name.clone(), bytes: bytes.clone() });
        if number % 4 == 0 {
            bytes.splice(20..2000, dice.bytes(2400));
            changed += 2400;
        }
        new.push(File { name, bytes });
    }
    Kind { name: "documents", may_compress: false, old, new, changed }
}

/// A ZIP archive of stored members; only what a reader of the structure looks at.
fn zip(members: &[Vec<u8>]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (number, member) in members.iter().enumerate() {
        let name = format!("word/media/{number:04}");
        let (at, len) = (file.len() as u32, (member.len() as u32).to_le_bytes());
        let check = blake3::hash(member);
        let rest = [&check.as_bytes()[..4], &len, &len, &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
        let version = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([b"PK\x03\x04".as_slice(), &version, &rest, name.as_bytes(), member].concat());
        let places = [&[0; 10][..], &at.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0".as_slice(), &version, &rest, &places, name.as_bytes()].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (len, at) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    [file, directory, [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &len, &at, &[0; 2]].concat()].concat()
}

/// DICOM images of 12 bits in words of 16; every one gets another patient.
fn pictures() -> Kind {
    let mut dice = Dice::new("pictures");
    let (mut old, mut new, mut changed) = (Vec::new(), Vec::new(), 0);
    for number in 0..100 {
        let words = if number % 10 == 0 { 2048 * 1536 } else { 512 * 512 };
        let noise = dice.bytes(words);
        let pixels = noise.iter().enumerate().flat_map(|(at, noise)| {
            let slope = 600.0 + 500.0 * (at as f64 / 3000.0).sin();
            (slope as u16 + u16::from(noise & 31)).to_le_bytes()
        });
        let pixels: Vec<u8> = pixels.collect();
        let name = format!("image {number:03}.dcm");
        old.push(File { name: name.clone(), bytes: dicom("ZHANG^SAN", &pixels) });
        let bytes = dicom(&format!("ANONYMOUS^{number:03}"), &pixels);
        changed += (bytes.len() - pixels.len()) as u64;
        new.push(File { name, bytes });
    }
    Kind { name: "16-bit images", may_compress: true, old, new, changed }
}

fn dicom(patient: &str, pixels: &[u8]) -> Vec<u8> {
    let element = |tag: [u8; 4], vr: &[u8], value: &str| {
        let value = if value.len() % 2 == 1 { format!("{value} ") } else { value.to_owned() };
        [&tag[..], vr, &(value.len() as u16).to_le_bytes(), value.as_bytes()].concat()
    };
    let mut file = [[0; 128].as_slice(), b"DICM"].concat();
    file.extend(element([2, 0, 0x10, 0], b"UI", "1.2.840.10008.1.2.1"));
    file.extend(element([0x10, 0, 0x10, 0], b"PN", patient));
    for number in 0..40 {
        file.extend(element([0x18, 0, number, 0x10], b"LO", &format!("setting {number} of the machine")));
    }
    file.extend([&[0xe0, 0x7f, 0x10, 0][..], b"OW\0\0", &(pixels.len() as u32).to_le_bytes()].concat());
    file.extend_from_slice(pixels);
    file
}
