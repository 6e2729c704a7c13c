//! Reading places of a file that a container's headers point to.
//!
//! What must stay true: a parser holds one window of the file and what it copies out under a limit; offsets and lengths
//! from the file are checked against its size before anything is read.

use super::fallback::Fallback;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes per read: headers of containers stand close together, or too far apart for any window.
const WINDOW_BYTES: usize = 4 << 10;

/// A file that can be read at any place.
pub trait ReadAt {
    /// Reads some bytes from `offset` on; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// A file with the last bytes read from it.
pub(super) struct Window<'a> {
    file: &'a dyn ReadAt,
    size: u64,
    start: u64,
    held: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn ReadAt, size: u64) -> Self {
        Self { file, size, start: 0, held: Vec::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// `N` bytes at an offset.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], Fallback> {
        let bytes = self.short(offset, N)?;
        bytes.try_into().map_err(|_| Fallback::Truncated)
    }

    /// At most `most` bytes at an offset, fewer at the end of the file. `most` is far below the window.
    pub(super) fn short(&mut self, offset: u64, most: usize) -> Result<&[u8], Fallback> {
        let len = self.size.saturating_sub(offset).min(most as u64) as usize;
        let inside = offset >= self.start && offset - self.start + len as u64 <= self.held.len() as u64;
        if !inside {
            let mut held = std::mem::take(&mut self.held);
            let wanted = self.size.saturating_sub(offset).min(WINDOW_BYTES.max(most) as u64) as usize;
            held.resize(wanted, 0);
            self.fill(offset, &mut held)?;
            (self.start, self.held) = (offset, held);
        }
        let from = (offset - self.start) as usize;
        Ok(&self.held[from..from + len])
    }

    /// Bytes of a table, copied out; more than `most` is a reason to give up.
    pub(super) fn table(&self, offset: u64, len: u64, most: usize) -> Result<Vec<u8>, Fallback> {
        if offset.checked_add(len).is_none_or(|end| end > self.size) {
            return Err(Fallback::Truncated);
        }
        if len > most as u64 {
            return Err(Fallback::TablesTooLarge);
        }
        let mut bytes = vec![0; len as usize];
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&self, mut offset: u64, mut buffer: &mut [u8]) -> Result<(), Fallback> {
        while !buffer.is_empty() {
            match self.file.read_at(buffer, offset) {
                Ok(0) => return Err(Fallback::Truncated),
                Ok(read) => {
                    offset += read as u64;
                    buffer = &mut buffer[read..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Fallback::Unreadable),
            }
        }
        Ok(())
    }
}
