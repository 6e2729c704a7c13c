//! MP4 and QuickTime (ISO/IEC 14496-12): where the samples of each track stand.
//!
//! What must stay true: only sizes and offsets are read, so codecs, edit lists and everything unknown do not matter; the
//! tables of `moov` and of one `moof` are held under a limit, media data is never read. A progressive file is described by
//! the tables of its tracks ([`tables`]), a fragmented one by its `moof` boxes ([`fragments`]); a file may have both.

mod fragments;
mod tables;

use super::fallback::Fallback;
use super::samples::Samples;
use super::window::Window;
use fragments::Defaults;

/// Bytes of `moov`: a film of a day has about 30 MB.
const MOOV_BYTES_MAX: usize = 48 << 20;
/// Bytes of one `moof`: seconds of film are described in kilobytes.
const MOOF_BYTES_MAX: usize = 4 << 20;
/// Boxes at the top of a file: two for each fragment.
const BOXES_MAX: usize = 1 << 20;

/// Finds the samples.
pub(super) fn samples(file: &mut Window<'_>) -> Result<Samples, Fallback> {
    let (mut at, mut samples, mut defaults) = (0, Samples::default(), None::<Defaults>);
    for _ in 0..BOXES_MAX {
        if at == file.size() {
            return Ok(samples);
        }
        let (name, body, end) = top_box(file, at)?;
        match &name {
            b"moov" => {
                let moov = file.table(body, end - body, MOOV_BYTES_MAX)?;
                tables::read(&moov, &mut samples)?;
                defaults = Some(Defaults::read(&moov)?);
            }
            b"moof" => {
                let moof = file.table(body, end - body, MOOF_BYTES_MAX)?;
                fragments::read(&moof, at, defaults.as_ref().ok_or(Fallback::Malformed)?, &mut samples)?;
            }
            _ => {}
        }
        at = end;
    }
    Err(Fallback::TablesTooLarge)
}

/// Name, begin of the body and end of the box at an offset.
fn top_box(file: &mut Window<'_>, at: u64) -> Result<([u8; 4], u64, u64), Fallback> {
    let header: [u8; 8] = file.array(at)?;
    let [a, b, c, d, name @ ..] = header;
    let (body, end) = match u32::from_be_bytes([a, b, c, d]) {
        // To the end of the file.
        0 => (at + 8, file.size()),
        1 => {
            let len = u64::from_be_bytes(file.array(at + 8)?);
            (at + 16, at.checked_add(len).ok_or(Fallback::Truncated)?)
        }
        len => (at + 8, at + u64::from(len)),
    };
    match end {
        end if end < body => Err(Fallback::Malformed),
        end if end > file.size() => Err(Fallback::Truncated),
        end => Ok((name, body, end)),
    }
}

/// Name and body of a box in memory.
type Named<'a> = ([u8; 4], &'a [u8]);

/// The boxes inside a box that is in memory.
struct Boxes<'a>(&'a [u8]);

impl<'a> Boxes<'a> {
    /// The next box: name and body.
    fn next_box(&mut self) -> Result<Option<Named<'a>>, Fallback> {
        // QuickTime ends some lists with a zero of four bytes.
        let Some((header, _)) = self.0.split_first_chunk::<8>() else { return Ok(None) };
        let [a, b, c, d, name @ ..] = *header;
        let (from, len) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, self.0.len()),
            1 => (16, usize::try_from(Fields(&self.0[8..]).u64()?).map_err(|_| Fallback::Malformed)?),
            len => (8, len as usize),
        };
        if len < from || len > self.0.len() {
            return Err(Fallback::Malformed);
        }
        let (whole, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(Some((name, &whole[from..])))
    }

    /// Calls back for every box of a name.
    fn each(mut self, name: &[u8; 4], mut visit: impl FnMut(&'a [u8]) -> Result<(), Fallback>) -> Result<(), Fallback> {
        while let Some((found, body)) = self.next_box()? {
            if found == *name {
                visit(body)?;
            }
        }
        Ok(())
    }

    /// The body of the first box of a name.
    fn first(mut self, name: &[u8; 4]) -> Result<Option<&'a [u8]>, Fallback> {
        while let Some((found, body)) = self.next_box()? {
            if found == *name {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }
}

/// Big-endian numbers, one behind the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fallback> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Fallback::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u32(&mut self) -> Result<u32, Fallback> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fallback> {
        self.array().map(u64::from_be_bytes)
    }
}
