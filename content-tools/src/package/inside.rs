//! Whether medical pictures lie in an archive, in an archive inside it, and so on.
//!
//! What must stay true: the work is bounded by the size of the file on the disk, whatever it unfolds to; memory by
//! constants; depth by [`DEPTH_MAX`]. What was not looked into is named: nobody may take silence for a result. Nothing is
//! unpacked to a name. Pictures are found here, not checked: whoever publishes them takes them out of the archive.
//!
//! Rejected: (1) `tar::Archive`: it reads names of any length into memory; (2) local headers of a ZIP inside a stream: they
//! may differ from the directory that readers go by, so such a ZIP is laid down first.

use super::dicom;
use super::signature::{self, Kind};
use super::tar_members::Metered;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::rc::Rc;
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes looked at of each member: room for junk before a picture.
const HEAD_BYTES: u64 = 64 << 10;
/// Archives inside archives. More are made by mistake, or by somebody who hides something.
const DEPTH_MAX: usize = 4;
/// Bytes that any archive may unfold to while it is looked into.
const BYTES_FREE: u64 = 64 << 20;
/// Beyond these, bytes for each byte of the file: text shrinks to a tenth, bombs to a thousandth.
const BYTES_PER_BYTE: u64 = 16;
/// Most members of a ZIP: each costs memory before anything can be looked at.
const MEMBERS_MAX: usize = 200_000;
/// A ZIP inside an archive is kept in memory up to here, and in an unnamed file beyond.
const MEMORY_BYTES: usize = 4 << 20;
/// Windows of zstd up to 16 MiB: its highest usual level takes 8.
const ZSTD_WINDOW_LOG: u32 = 24;

/// Why something was not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    TooMuch,
    TooDeep,
    Encrypted,
    Damaged,
    UnknownFormat,
}

impl Missed {
    /// A word for programs; the locales have it in sentences.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TooMuch => "too much in it",
            Self::TooDeep => "too many archives in one another",
            Self::Encrypted => "encrypted",
            Self::Damaged => "damaged",
            Self::UnknownFormat => "a format that is not read here",
        }
    }
}

/// What an archive was found to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) holds_dicom: bool,
    /// The first thing that was not looked into.
    pub(super) missed: Option<Missed>,
}

/// Why looking ends.
enum End {
    Found,
    Missed(Missed),
}

/// Looks into an archive of a known kind; `scratch` is a folder for what does not fit into memory.
pub(super) fn look(name: &str, kind: Kind, mut file: File, size: u64, scratch: &Path) -> Inside {
    let left = Rc::new(Cell::new(BYTES_FREE.saturating_add(size.saturating_mul(BYTES_PER_BYTE))));
    let mut search = Search { left, scratch, missed: None };
    let ended = match file.rewind() {
        Err(_) => Err(End::Missed(Missed::Damaged)),
        Ok(()) => match kind {
            Kind::Tar => search.tar(&mut BufReader::new(file), 1),
            Kind::Zip => search.zip(BufReader::new(file), 1),
            kind => search.enter(name, kind, &mut file, 0),
        },
    };
    let missed = match ended {
        Err(End::Missed(last)) => search.missed.or(Some(last)),
        _ => search.missed,
    };
    Inside { holds_dicom: matches!(ended, Err(End::Found)), missed }
}

struct Search<'a> {
    /// Bytes that may still be read out of archives.
    left: Rc<Cell<u64>>,
    scratch: &'a Path,
    missed: Option<Missed>,
}

impl Search<'_> {
    fn metered<R: Read>(&self, source: R) -> Metered<R> {
        Metered::new(source, self.left.clone())
    }

    /// Why reading failed.
    fn failed(&self) -> End {
        End::Missed(if self.left.get() == 0 { Missed::TooMuch } else { Missed::Damaged })
    }

    /// One member that cannot be looked into does not hide the others.
    fn note(&mut self, looked: Result<(), End>) -> Result<(), End> {
        match looked {
            Err(End::Missed(missed)) if missed != Missed::TooMuch => {
                self.missed.get_or_insert(missed);
                Ok(())
            }
            other => other,
        }
    }

    fn member(&mut self, name: &str, source: &mut dyn Read, depth: usize) -> Result<(), End> {
        if dicom::is_named(name) {
            return Err(End::Found);
        }
        let mut head = Vec::new();
        Read::take(&mut *source, HEAD_BYTES).read_to_end(&mut head).map_err(|_| self.failed())?;
        let size = if (head.len() as u64) < HEAD_BYTES { head.len() as u64 } else { u64::MAX };
        let kind = signature::of(&head, size);
        self.enter(name, kind, &mut Cursor::new(head).chain(source), depth)
    }

    fn enter(&mut self, name: &str, kind: Kind, source: &mut dyn Read, depth: usize) -> Result<(), End> {
        match kind {
            Kind::Plain => return Ok(()),
            Kind::Dicom(_) => return Err(End::Found),
            Kind::Closed => return Err(End::Missed(Missed::UnknownFormat)),
            _ if depth >= DEPTH_MAX => return Err(End::Missed(Missed::TooDeep)),
            _ => {}
        }
        let inner = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        match kind {
            Kind::Gzip => {
                let mut plain = self.metered(flate2::read::MultiGzDecoder::new(source));
                self.member(inner, &mut plain, depth + 1)
            }
            Kind::Zstd => {
                let mut decoder = zstd::Decoder::new(source).map_err(|_| self.failed())?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| self.failed())?;
                let mut plain = self.metered(decoder);
                self.member(inner, &mut plain, depth + 1)
            }
            Kind::Tar => self.tar(&mut Stream(source), depth + 1),
            _ => {
                let mut laid_down = tempfile::spooled_tempfile_in(MEMORY_BYTES, self.scratch);
                io::copy(source, &mut laid_down).map_err(|_| self.failed())?;
                self.zip(laid_down, depth + 1)
            }
        }
    }

    fn zip(&mut self, source: impl Read + Seek, depth: usize) -> Result<(), End> {
        let mut zip = ZipArchive::new(source).map_err(|_| End::Missed(Missed::Damaged))?;
        // Names cost nothing: they go first, also where the members are too many.
        if zip.file_names().any(|name| name.is_ok_and(|name| dicom::is_named(&name))) {
            return Err(End::Found);
        }
        if zip.len() > MEMBERS_MAX {
            return Err(End::Missed(Missed::TooMuch));
        }
        for number in 0..zip.len() {
            let looked = match zip.by_index(number) {
                Ok(member) => {
                    let name = member.name().map(|name| name.into_owned()).unwrap_or_default();
                    let mut plain = self.metered(member);
                    self.member(&name, &mut plain, depth)
                }
                Err(cause) => Err(End::Missed(unreadable(&cause))),
            };
            self.note(looked)?;
        }
        Ok(())
    }

    fn tar(&mut self, tape: &mut dyn Tape, depth: usize) -> Result<(), End> {
        let mut is_ending = false;
        loop {
            let mut block = [0; 512];
            match fill(tape, &mut block).map_err(|_| self.failed())? {
                0 => return Ok(()),
                512 if block == [0; 512] => is_ending = true,
                512 if signature::is_tar_header(&block) => self.tar_member(&block, tape, depth)?,
                // Behind its end an archive may hold whatever the tape held.
                _ if is_ending => return Ok(()),
                _ => return Err(End::Missed(Missed::Damaged)),
            }
        }
    }

    fn tar_member(&mut self, block: &[u8; 512], tape: &mut dyn Tape, depth: usize) -> Result<(), End> {
        let header = tar::Header::from_byte_slice(block);
        let damaged = || End::Missed(Missed::Damaged);
        let size = header.entry_size().map_err(|_| damaged())?;
        let mut rest = size.checked_next_multiple_of(512).ok_or_else(damaged)?;
        let kind = header.entry_type();
        if kind.is_hard_link() || kind.is_symlink() || kind.is_dir() || kind.is_fifo() {
            return Ok(());
        }
        if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
            let mut member = Read::take(&mut *tape, size);
            let looked = self.member(&name, &mut member, depth);
            rest -= size - member.limit();
            self.note(looked)?;
        }
        tape.pass(rest).map_err(|_| self.failed())
    }
}

fn unreadable(cause: &ZipError) -> Missed {
    match cause {
        ZipError::UnsupportedArchive(text) if *text == ZipError::PASSWORD_REQUIRED => Missed::Encrypted,
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => Missed::UnknownFormat,
        _ => Missed::Damaged,
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut dyn Tape, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Something that is read forwards, and passed over where that is cheaper.
trait Tape: Read {
    fn pass(&mut self, bytes: u64) -> io::Result<()>;
}

impl Tape for BufReader<File> {
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.seek_relative(bytes)?;
        let is_whole = self.stream_position()? <= self.get_ref().metadata()?.len();
        if is_whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

struct Stream<'a>(&'a mut dyn Read);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Tape for Stream<'_> {
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut Read::take(&mut *self.0, bytes), &mut io::sink())?;
        if passed == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}
