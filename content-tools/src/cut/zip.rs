//! ZIP and what is built on it (EPUB, DOCX, PPTX): chunks end where the data of a large member begins and ends.
//!
//! What must stay true: only members of at least a normal chunk are set apart, so forced cuts cost at most two rows for
//! that many bytes, and whether a member is set apart depends on the member alone, so an edit moves no other cut. Small
//! members between them are cut by content. Source: PKWARE APPNOTE 6.3.10, ZIP64 included.

use super::fallback::Fallback;
use super::window::Window;

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const MEMBER: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Fixed bytes of an end record, behind which a comment of at most 64 KiB stands.
const END_BYTES: u64 = 22;
/// Bytes of a central directory: about 500,000 members.
const DIRECTORY_BYTES_MAX: usize = 32 << 20;

/// Where chunks must end.
pub(super) fn cuts(file: &mut Window<'_>, normal: u64) -> Result<Vec<u64>, Fallback> {
    let (offset, len) = directory(file)?;
    let directory = file.table(offset, len, DIRECTORY_BYTES_MAX)?;
    let mut data = Vec::new();
    let mut rest = directory.as_slice();
    while rest.starts_with(&MEMBER) {
        let (member, behind) = member(rest)?;
        rest = behind;
        if member.stored >= normal {
            let start = data_start(file, member.local)?;
            let end = start.checked_add(member.stored).filter(|end| *end <= offset).ok_or(Fallback::Truncated)?;
            data.push((start, end));
        }
    }
    data.sort_unstable();
    if data.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(Fallback::Overlap);
    }
    let mut cuts: Vec<u64> = data.into_iter().flat_map(|(start, end)| [start, end]).collect();
    cuts.dedup();
    Ok(cuts)
}

/// Offset and length of the central directory.
fn directory(file: &Window<'_>) -> Result<(u64, u64), Fallback> {
    let tail_len = file.size().min(END_BYTES + 0xffff);
    let tail_at = file.size() - tail_len;
    let tail = file.table(tail_at, tail_len, 1 << 17)?;
    let places = (0..=tail.len().saturating_sub(END_BYTES as usize)).rev();
    let at = places.into_iter().find(|at| tail[*at..].starts_with(&END)).ok_or(Fallback::Malformed)?;
    let (len, offset) = (u32_at(&tail, at + 12)?, u32_at(&tail, at + 16)?);
    if len != u32::MAX && offset != u32::MAX {
        return Ok((offset.into(), len.into()));
    }
    let locator = at.checked_sub(20).filter(|at| tail[*at..].starts_with(&LOCATOR64)).ok_or(Fallback::Malformed)?;
    let record = file.table(u64_at(&tail, locator + 8)?, 56, 56)?;
    if !record.starts_with(&END64) {
        return Err(Fallback::Malformed);
    }
    Ok((u64_at(&record, 48)?, u64_at(&record, 40)?))
}

/// What the directory says of a member.
struct Member {
    stored: u64,
    local: u64,
}

/// The first member of a directory, and what follows it.
fn member(bytes: &[u8]) -> Result<(Member, &[u8]), Fallback> {
    let (stored, plain, local) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
    let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
    let (extra_at, extra) = (46 + name?, extra?);
    let end = extra_at + extra + comment?;
    let fields = bytes.get(extra_at..extra_at + extra).ok_or(Fallback::Truncated)?;
    let mut wide = Wide(zip64(fields));
    let is_wide = [plain, stored, local].map(|field| field == u32::MAX);
    // The fields stand in this order, each only when its short form is full.
    if is_wide[0] {
        wide.take()?;
    }
    let stored = if is_wide[1] { wide.take()? } else { stored.into() };
    let local = if is_wide[2] { wide.take()? } else { local.into() };
    Ok((Member { stored, local }, bytes.get(end..).ok_or(Fallback::Truncated)?))
}

/// The ZIP64 numbers of a member.
struct Wide<'a>(&'a [u8]);

impl Wide<'_> {
    fn take(&mut self) -> Result<u64, Fallback> {
        let number = u64_at(self.0, 0)?;
        self.0 = &self.0[8..];
        Ok(number)
    }
}

fn zip64(mut fields: &[u8]) -> &[u8] {
    while let (Ok(id), Ok(len)) = (u16_at(fields, 0), u16_at(fields, 2)) {
        let Some(body) = fields.get(4..4 + usize::from(len)) else { break };
        if id == 1 {
            return body;
        }
        fields = &fields[4 + usize::from(len)..];
    }
    &[]
}

fn data_start(file: &mut Window<'_>, local: u64) -> Result<u64, Fallback> {
    let header: [u8; 30] = file.array(local)?;
    if !header.starts_with(&LOCAL) {
        return Err(Fallback::Malformed);
    }
    let variable = u64::from(u16_at(&header, 26)?) + u64::from(u16_at(&header, 28)?);
    Ok(local + 30 + variable)
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Fallback> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Fallback::Truncated)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Fallback> {
    number_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Fallback> {
    number_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Fallback> {
    number_at(bytes, at).map(u64::from_le_bytes)
}
