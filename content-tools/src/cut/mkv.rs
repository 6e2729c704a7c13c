//! Matroska and WebM (RFC 8794, RFC 9559): the payload of each block belongs to its track.
//!
//! What must stay true: masters are entered without looking at their sizes, so nothing nests here and a cluster of unknown
//! size is like any other; the number of elements looked at is bounded. Lacing stays inside the payload.

use super::fallback::Fallback;
use super::samples::Samples;
use super::window::Window;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const SIMPLE_BLOCK: u32 = 0xa3;
/// Most elements of one file: several times the blocks that a plan can have.
const ELEMENTS_MAX: usize = 8 << 20;
/// Longest element header: an id of 4 bytes and a size of 8.
const HEADER_BYTES: usize = 12;

/// Finds the samples.
pub(super) fn samples(file: &mut Window<'_>) -> Result<Samples, Fallback> {
    let (mut at, mut samples) = (0, Samples::default());
    for _ in 0..ELEMENTS_MAX {
        if at == file.size() {
            return Ok(samples);
        }
        let (id, size, header) = element(file.short(at, HEADER_BYTES)?)?;
        at += header;
        if matches!(id, SEGMENT | CLUSTER | BLOCK_GROUP) {
            continue;
        }
        let end = at.checked_add(size.ok_or(Fallback::Malformed)?).filter(|end| *end <= file.size());
        let end = end.ok_or(Fallback::Truncated)?;
        if matches!(id, BLOCK | SIMPLE_BLOCK) {
            let (track, len) = number(file.short(at, 8)?, true)?;
            // The track is followed by a time of two bytes and a byte of flags.
            let payload = at + len + 3;
            let bytes = end.checked_sub(payload).ok_or(Fallback::Malformed)?;
            samples.add(track.ok_or(Fallback::Malformed)?, payload, bytes)?;
        }
        at = end;
    }
    Err(Fallback::TablesTooLarge)
}

/// Id, size (`None` when unknown) and length of an element's header.
fn element(bytes: &[u8]) -> Result<(u32, Option<u64>, u64), Fallback> {
    let (id, id_len) = number(bytes, false)?;
    if id_len > 4 {
        return Err(Fallback::Malformed);
    }
    let (size, size_len) = number(&bytes[id_len as usize..], true)?;
    Ok((id.ok_or(Fallback::Malformed)? as u32, size, id_len + size_len))
}

/// A number of variable length and that length; without its length marker on request, and then all ones are `None`.
fn number(bytes: &[u8], unmark: bool) -> Result<(Option<u64>, u64), Fallback> {
    let first = *bytes.first().ok_or(Fallback::Truncated)?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(Fallback::Malformed);
    }
    let raw =
        bytes.get(..len).ok_or(Fallback::Truncated)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mask = (1u64 << (7 * len)) - 1;
    let value = if unmark { raw & mask } else { raw };
    Ok(((!unmark || value != mask).then_some(value), len as u64))
}
