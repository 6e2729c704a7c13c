//! Long writes that go around the page cache (`O_DIRECT`): copying into fresh pages of the cache costs more than all else
//! that packing does, and what is packed is read again late or never.
//!
//! What must stay true: whole blocks go around the cache; the parts of a block before and behind them go through it, so
//! readers of the other handle find every byte when the call returns; nothing is durable before a sync, as with any write.
//! Where a file system or device cannot do it, nothing is written here and the caller goes through the cache.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};

/// Offsets, lengths and memory are multiples of this; no common device wants more.
const BLOCK: usize = 4096;
/// What arrives chunk by chunk is shorter (a record of the longest chunk has 256 KiB and a header), and asked for by others at
/// once: the cache is the place for it.
const BYTES_MIN: usize = 384 << 10;
/// Bytes of one system call.
const STAGE_BYTES: usize = 1 << 20;

/// The second handle of a file, opened with the first long write.
#[derive(Debug, Default)]
pub(super) struct Direct(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Untried,
    Open(Handle),
    Impossible,
}

/// A handle that goes around the cache.
#[derive(Debug)]
struct Handle(File);

thread_local! {
    /// Memory to write from: one for all files of a thread that writes. Longer by a block than what is used of it, which begins at
    /// a multiple of [`BLOCK`].
    static STAGE: RefCell<Vec<u8>> = RefCell::new(vec![0; STAGE_BYTES + BLOCK]);
}

impl Direct {
    /// Writes all pieces, one behind the other; false when they are to go through the cache instead. After an error any part of
    /// them may be in the file.
    pub(super) fn write(&self, cached: &File, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<bool> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        if len < BYTES_MIN {
            return Ok(false);
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Untried) {
            *state = Handle::open(cached).map_or(State::Impossible, State::Open);
        }
        let State::Open(handle) = &*state else { return Ok(false) };
        match STAGE.with_borrow_mut(|stage| handle.write(stage, cached, Pieces { pieces, at: 0 }, len, offset)) {
            // Larger blocks are wanted, or none: all of it is written again by the caller.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                *state = State::Impossible;
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }
}

impl Handle {
    /// Opens the same file once more, whatever its name is by now.
    fn open(cached: &File) -> Option<Self> {
        let path = format!("/proc/self/fd/{}", cached.as_raw_fd());
        let file = File::options().write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path).ok()?;
        Some(Self(file))
    }

    fn write(
        &self,
        stage: &mut [u8],
        cached: &File,
        mut pieces: Pieces<'_>,
        len: usize,
        mut offset: u64,
    ) -> io::Result<()> {
        let begin = stage.as_ptr().align_offset(BLOCK);
        let stage = &mut stage[begin..begin + STAGE_BYTES];
        let end = offset + len as u64;
        while offset < end {
            // To the next block first, then as much as fits; only the last piece is no whole number of blocks.
            let to_block = offset.next_multiple_of(BLOCK as u64) - offset;
            let next = if to_block > 0 { to_block } else { STAGE_BYTES as u64 };
            let bytes = &mut stage[..next.min(end - offset) as usize];
            pieces.fill(bytes);
            let whole = if to_block > 0 { 0 } else { bytes.len() / BLOCK * BLOCK };
            self.0.write_all_at(&bytes[..whole], offset)?;
            cached.write_all_at(&bytes[whole..], offset + whole as u64)?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }
}

/// What is left to be written.
struct Pieces<'p> {
    pieces: &'p [IoSlice<'p>],
    /// Bytes of the first piece that are written.
    at: usize,
}

impl Pieces<'_> {
    /// Takes the next bytes; there are as many.
    fn fill(&mut self, mut buffer: &mut [u8]) {
        while !buffer.is_empty() {
            let rest = &self.pieces[0][self.at..];
            let taken = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(taken);
            now.copy_from_slice(&rest[..taken]);
            buffer = later;
            self.at += taken;
            if self.at == self.pieces[0].len() {
                (self.pieces, self.at) = (&self.pieces[1..], 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(&len.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn whatever_the_pieces_readers_find_them_at_once() {
        let file = tempfile::tempfile().unwrap();
        let direct = Direct::default();
        let (mut expected, mut gone_around) = (Vec::new(), 0);
        // From the beginning of a block, from within, several stages long, and short ones between them.
        for len in [BYTES_MIN, 1, BYTES_MIN + 4095, 3 * STAGE_BYTES + 17, 4078, 2 * BLOCK, STAGE_BYTES, BYTES_MIN - 1] {
            let bytes = noise(len);
            let mut pieces: Vec<_> = [&[][..]].into_iter().chain(bytes.chunks(19_501)).map(IoSlice::new).collect();
            let offset = expected.len() as u64;
            match direct.write(&file, &pieces, offset).unwrap() {
                true => gone_around += 1,
                false => super::super::write_cached(&file, &mut pieces, offset).unwrap(),
            }
            expected.extend(bytes);
            let mut found = vec![0; expected.len()];
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(found == expected, "behind {len} bytes");
        }
        let is_possible = matches!(*direct.0.lock().unwrap(), State::Open(_));
        assert_eq!(gone_around, if is_possible { 4 } else { 0 });
        assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
    }

    /// The null device has no blocks.
    #[test]
    fn what_cannot_be_done_is_left_to_the_caller() {
        let null = File::options().write(true).open("/dev/null").unwrap();
        let direct = Direct::default();
        assert!(!direct.write(&null, &[IoSlice::new(&noise(BYTES_MIN))], 0).unwrap());
        assert!(matches!(*direct.0.lock().unwrap(), State::Impossible));
    }
}
