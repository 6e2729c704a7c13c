//! What files say about themselves before they are packed: titles and order from course packages, titles of documents,
//! facts of films, and what must not be published.
//!
//! What must stay true: nothing a file says is trusted. Every reader here has limits on bytes, depth and count; a file that
//! cannot be read gets a warning and no title, never an error; only the gate (see `dicom`) refuses, and a DICOM
//! file that cannot be read is refused, because what cannot be checked must not become public. No patient's value
//! is ever put into a message. XML entities are never expanded.
//!
//! Rejected: (1) `rbook` and `lopdf`: they load a whole document for one title; (2) `dicom-object`: a dictionary of 5,000
//! tags to look at forty; (3) `mp4-atom`: it decodes sample tables that nobody here needs.

mod archive;
mod bad_names;
mod dicom;
mod document;
mod identifier;
mod ims;
mod inside;
mod mp4;
mod notice;
mod signature;
mod tar_members;
mod xml;

pub(crate) use archive::{Archive, archive};
pub use bad_names::{BadName, BadNames};
pub use mp4::Film;
pub use notice::{Code, NOTICES_MAX, Notice, Notices, said};
pub use tar_members::UnpackError;
pub(crate) use tar_members::{Passed, Unpacked, unpack};

use signature::Kind;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Longest title taken from a file, in characters. Longer ones are texts, not titles.
const TITLE_CHARS_MAX: usize = 300;

/// Bytes looked at of each file: junk before a medical picture may be so long.
const HEAD_BYTES: u64 = 1 << 20;

/// How the gate for medical pictures stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    /// A folder on a disk, for what is too large for memory; what lies there has no name.
    pub(crate) scratch: &'a Path,
    /// Whether what cannot be looked into is refused, and not only named.
    pub(crate) strict: bool,
}

/// A file to look at.
#[derive(Debug, Clone)]
pub(crate) struct Subject<'a> {
    /// Key of its item.
    pub(crate) key: &'a str,
    /// Path inside the collection.
    pub(crate) path: &'a str,
    /// Where it lies.
    pub(crate) on_disk: PathBuf,
    /// Its size.
    pub(crate) size: u64,
    /// Its media type, by name.
    pub(crate) media_type: &'a str,
}

/// What all files together say.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Title of the collection, from the package it is.
    pub(crate) title: Option<String>,
    /// Item key -> title.
    pub(crate) titles: BTreeMap<String, String>,
    /// Item key -> place in the course, from 1.
    pub(crate) orders: BTreeMap<String, usize>,
    /// Path -> facts of a film.
    pub(crate) films: BTreeMap<String, Film>,
    /// Path -> creators and language of a book that is an item of its own.
    pub(crate) books: BTreeMap<String, Book>,
    /// What people should know.
    pub(crate) warnings: Notices,
    /// What must not be published.
    pub(crate) refusals: Notices,
}

/// What a document says about itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) title: Option<String>,
    pub(crate) creators: Vec<String>,
    pub(crate) language: Option<String>,
}

/// Facts of one MP4 file.
pub(crate) fn film(on_disk: &Path, size: u64) -> Option<Film> {
    mp4::read(File::open(on_disk).ok()?, size)
}

/// Looks at files one after the other.
pub(crate) fn examine<'a>(subjects: impl Iterator<Item = Subject<'a>> + Clone, gate: Gate<'_>) -> Findings {
    let mut findings = Findings::default();
    for subject in subjects.clone() {
        if ims::is_manifest(subject.path) {
            findings.manifest(&subject, subjects.clone());
        }
        findings.look(&subject, gate);
    }
    findings
}

impl Findings {
    /// Reads the manifest of an unpacked package: of the collection itself, or of one item.
    fn manifest<'a>(&mut self, subject: &Subject<'_>, all: impl Iterator<Item = Subject<'a>>) {
        let course = File::open(&subject.on_disk).ok().and_then(ims::read);
        let Some(course) = course else {
            return self.warnings.add(subject.path, Code::ManifestUnreadable, "");
        };
        if subject.path.contains('/') {
            if let Some(title) = course.title {
                self.titles.insert(subject.key.into(), title);
            }
            return;
        }
        // Many resources lie in one folder, and side files in none: only keys that exist count.
        let places = course.places(all.map(|file| (file.path, file.key)));
        for (order, (key, title)) in places.into_iter().enumerate() {
            self.orders.insert(key.clone(), order + 1);
            self.titles.extend(title.map(|title| (key, title)));
        }
        self.title = course.title;
    }

    fn look(&mut self, subject: &Subject<'_>, gate: Gate<'_>) {
        identifier::check_name(subject.path, &mut self.warnings);
        self.document(subject);
        self.film(subject);
        self.pictures(subject, gate);
        if archive(subject.path, || subject.on_disk.clone()) == Archive::Gzip {
            self.warnings.add(subject.path, Code::PlainGzip, "");
        }
    }

    /// Medical pictures, whatever they are called and however deep they lie.
    fn pictures(&mut self, subject: &Subject<'_>, gate: Gate<'_>) {
        let mut head = Vec::new();
        let opened = File::open(&subject.on_disk);
        let read = opened.and_then(|mut file| {
            file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
            Ok(file)
        });
        // What cannot be read at all, packing will report.
        let Ok(file) = read else { return };
        let kind = match signature::of(&head, subject.size) {
            Kind::Plain if subject.media_type == "application/zip" => Kind::Zip,
            kind => kind,
        };
        match kind {
            Kind::Dicom(start) => {
                return dicom::check(subject, start, (&head, file), &mut self.warnings, &mut self.refusals);
            }
            Kind::Plain => {}
            kind => {
                let inside = inside::look(subject.path, kind, file, subject.size, gate.scratch);
                if inside.holds_dicom {
                    return self.refusals.add(subject.path, Code::DicomInArchive, "");
                }
                if let Some(missed) = inside.missed {
                    let notices = if gate.strict { &mut self.refusals } else { &mut self.warnings };
                    notices.add(subject.path, Code::NotLookedInto, missed.name());
                }
            }
        }
        dicom::refuse_unmarked(subject.path, &mut self.refusals);
    }

    fn film(&mut self, subject: &Subject<'_>) {
        match subject.media_type {
            "video/mp4" | "audio/mp4" | "video/quicktime" => {}
            other => {
                if other.starts_with("video/") && other != "video/webm" {
                    self.warnings.add(subject.path, Code::NotMp4, other);
                }
                return;
            }
        }
        let Some(film) = film(&subject.on_disk, subject.size) else {
            return self.warnings.add(subject.path, Code::Mp4Unreadable, "");
        };
        if film.cut_short {
            self.warnings.add(subject.path, Code::FilmCutShort, "");
        }
        if !film.faststart {
            self.warnings.add(subject.path, Code::NotFaststart, "");
        }
        for (codec, wanted, code) in [(&film.video, "h264", Code::NotH264), (&film.audio, "aac", Code::NotAac)] {
            if let Some(codec) = codec.as_ref().filter(|codec| *codec != wanted) {
                self.warnings.add(subject.path, code, codec);
            }
        }
        self.films.insert(subject.path.into(), film);
    }

    /// Titles of documents count for items that are one file; a folder was named by a person.
    fn document(&mut self, subject: &Subject<'_>) {
        let documents = ["application/epub+zip", "application/pdf", "application/zip"];
        if !documents.contains(&subject.media_type) {
            return;
        }
        let Ok(file) = File::open(&subject.on_disk) else { return };
        let found = match subject.media_type {
            "application/epub+zip" => document::epub(file),
            "application/pdf" => document::pdf(file).map(|title| Book { title: Some(title), ..Book::default() }),
            "application/zip" => document::package(file).map(|title| Book { title: Some(title), ..Book::default() }),
            _ => return,
        };
        let Some(book) = found.filter(|_| subject.path == subject.key) else { return };
        if let Some(title) = &book.title {
            self.titles.entry(subject.key.into()).or_insert_with(|| title.clone());
        }
        self.books.insert(subject.path.into(), book);
    }
}

/// A title on one line, or nothing.
fn tidy_title(text: &str) -> Option<String> {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let title = words.join(" ");
    (!title.is_empty() && title.chars().count() <= TITLE_CHARS_MAX).then_some(title)
}

#[cfg(test)]
mod tests;
