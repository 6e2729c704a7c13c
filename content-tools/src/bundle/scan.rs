//! The records of a part file one after the other, over damaged stretches.

use super::error::BundleError;
use super::folder;
use super::record::{PART_HEADER_LEN, Place, RECORD_HEADER_LEN, RECORD_MAGIC, Record, part_header, read_record_header};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes looked at in one go for the next record behind damage.
const WINDOW: usize = 1 << 20;
/// The first piece of it.
const WINDOW_MIN: usize = 4 << 10;

/// What stands next in a part.
#[derive(Debug)]
pub(super) enum Found {
    /// A record, at this offset; its bytes may be read next.
    Record(u64, Record),
    /// Damage that begins here; the scan goes on behind it.
    Damaged(u64),
    /// The part ends.
    End,
}

/// A part being read.
#[derive(Debug)]
pub(super) struct Scan {
    file: File,
    bundle: [u8; 32],
    part: u32,
    at: u64,
    end: u64,
}

impl Scan {
    /// Opens a part; `len` is what the descriptor promises, of which a shorter file has less. `None` when the part is
    /// not this bundle's.
    pub(super) fn open(dir: &Path, bundle: [u8; 32], part: u32, len: u64) -> Result<Option<Self>, BundleError> {
        let path = dir.join(folder::part_name(part));
        let mut file = folder::open_plain(&path)?;
        let end = len.min(file.metadata().map_err(|e| BundleError::io("read", &path, e))?.len());
        let mut header = [0; PART_HEADER_LEN];
        if file.read_exact(&mut header).is_err() || header != part_header(&bundle, part) {
            return Ok(None);
        }
        Ok(Some(Self { file, bundle, part, at: PART_HEADER_LEN as u64, end }))
    }

    /// How far it is read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next record; the position moves behind it.
    pub(super) fn next(&mut self) -> Found {
        if self.at >= self.end {
            return Found::End;
        }
        let start = self.at;
        match self.header_at(start) {
            Some(record) if record.len() <= self.end - start => {
                self.at = start + record.len();
                Found::Record(start, record)
            }
            _ => {
                self.at = self.next_header(start + 1);
                Found::Damaged(start)
            }
        }
    }

    /// The bytes of a record; `None` when the medium does not give them.
    pub(super) fn payload(&mut self, start: u64, record: &Record) -> Option<Vec<u8>> {
        self.file.seek(SeekFrom::Start(start + RECORD_HEADER_LEN as u64)).ok()?;
        let mut bytes = vec![0; record.entry.stored_len as usize];
        self.file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn header_at(&mut self, at: u64) -> Option<Record> {
        let mut header = [0; RECORD_HEADER_LEN];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut header).ok()?;
        read_record_header(&header, Place { bundle: self.bundle, part: self.part, offset: at })
    }

    /// Where the next sound header stands, from `from` on; the end when there is none. What a window holds is looked at in
    /// memory: a file of nothing but marks costs no more reads than another.
    fn next_header(&mut self, mut from: u64) -> u64 {
        // The next record is mostly near: damage at every record must not cost a long read each.
        let mut len = WINDOW_MIN;
        while from + RECORD_HEADER_LEN as u64 <= self.end {
            let mut window = vec![0; len.min((self.end - from) as usize)];
            len = (len * 4).min(WINDOW);
            let read = self.file.seek(SeekFrom::Start(from)).and_then(|_| self.file.read_exact(&mut window));
            let (bundle, part) = (self.bundle, self.part);
            let sound = |(at, header): (usize, &[u8])| {
                let place = Place { bundle, part, offset: from + at as u64 };
                header[..RECORD_MAGIC.len()] == RECORD_MAGIC
                    && header.try_into().is_ok_and(|header| read_record_header(header, place).is_some())
            };
            if read.is_ok()
                && let Some(at) = window.windows(RECORD_HEADER_LEN).enumerate().position(sound)
            {
                return from + at as u64;
            }
            // A header may stand across the edge.
            from += (window.len() - RECORD_HEADER_LEN + 1) as u64;
        }
        self.end
    }
}
