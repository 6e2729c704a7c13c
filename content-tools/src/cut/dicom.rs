//! DICOM (PS3.5, PS3.10): chunks end where the pixels begin and end, so that rewriting patient tags leaves them alone.
//!
//! What must stay true: the number of elements looked at and the depth are bounded; big-endian and deflated files are
//! cut by content. Lengths come from the file and are checked against its size.

use super::fallback::Fallback;
use super::window::Window;

const PIXEL_DATA: (u16, u16) = (0x7fe0, 0x0010);
const ITEM: (u16, u16) = (0xfffe, 0xe000);
const ITEM_END: (u16, u16) = (0xfffe, 0xe00d);
const SEQUENCE_END: (u16, u16) = (0xfffe, 0xe0dd);
const UNDEFINED: u32 = u32::MAX;
/// Preamble and magic.
const META_AT: u64 = 132;
/// Most elements before the pixels: hundreds are usual.
const ELEMENTS_MAX: usize = 1 << 16;
const DEPTH_MAX: usize = 64;

/// An element's header.
struct Element {
    tag: (u16, u16),
    len: u32,
    /// Where its value begins.
    value: u64,
    is_unknown: bool,
}

/// Where chunks must end.
pub(super) fn cuts(file: &mut Window<'_>) -> Result<Vec<u64>, Fallback> {
    let (mut at, explicit) = after_meta(file)?;
    // Depth of open sequences and items, and the depth at which an unknown value made everything below it implicit.
    let (mut depth, mut implicit_from) = (0usize, None);
    for _ in 0..ELEMENTS_MAX {
        if at >= file.size() {
            return Err(Fallback::Empty);
        }
        let element = element(file, at, explicit && implicit_from.is_none())?;
        if element.tag == PIXEL_DATA && depth == 0 {
            return pixels(file, &element);
        }
        at = element.value;
        match element.tag {
            ITEM_END | SEQUENCE_END => {
                depth = depth.checked_sub(1).ok_or(Fallback::Malformed)?;
                implicit_from = implicit_from.filter(|from| depth > *from);
            }
            _ if element.len == UNDEFINED => {
                if element.is_unknown {
                    implicit_from = implicit_from.or(Some(depth));
                }
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Fallback::TablesTooLarge);
                }
            }
            _ => at += u64::from(element.len),
        }
    }
    Err(Fallback::TablesTooLarge)
}

/// Where the data set begins, and whether its elements name their types.
fn after_meta(file: &mut Window<'_>) -> Result<(u64, bool), Fallback> {
    let (mut at, mut explicit) = (META_AT, None);
    for _ in 0..ELEMENTS_MAX {
        // What follows the meta group may have no types.
        if file.short(at, 2)? != [2, 0] {
            break;
        }
        let element = element(file, at, true)?;
        if element.tag == (2, 0x10) {
            let uid = file.short(element.value, element.len.min(64) as usize)?;
            explicit = Some(match uid.trim_ascii_end().trim_suffix_zero() {
                b"1.2.840.10008.1.2" => false,
                b"1.2.840.10008.1.2.2" | b"1.2.840.10008.1.2.1.99" => return Err(Fallback::Unsupported),
                _ => true,
            });
        }
        at = element.value + u64::from(element.len);
    }
    Ok((at, explicit.ok_or(Fallback::Malformed)?))
}

trait TrimZero {
    fn trim_suffix_zero(&self) -> &[u8];
}

impl TrimZero for [u8] {
    /// Identifiers of odd length end with a zero byte.
    fn trim_suffix_zero(&self) -> &[u8] {
        self.strip_suffix(b"\0").unwrap_or(self)
    }
}

fn element(file: &mut Window<'_>, at: u64, explicit: bool) -> Result<Element, Fallback> {
    let header: [u8; 8] = file.array(at)?;
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let tag = (u16_at(0), u16_at(2));
    let long = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let vr = [header[4], header[5]];
    // Items and their ends never have a type.
    if !explicit || tag.0 == ITEM.0 {
        return Ok(Element { tag, len: long, value: at + 8, is_unknown: false });
    }
    if !vr.iter().all(u8::is_ascii_uppercase) {
        return Err(Fallback::Malformed);
    }
    let wide = [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
    if !wide.contains(&&vr) {
        return Ok(Element { tag, len: u16_at(6).into(), value: at + 8, is_unknown: false });
    }
    let len = u32::from_le_bytes(file.array(at + 8)?);
    Ok(Element { tag, len, value: at + 12, is_unknown: vr == *b"UN" })
}

/// The value of the pixels: its begin and, when something follows, its end.
fn pixels(file: &mut Window<'_>, element: &Element) -> Result<Vec<u64>, Fallback> {
    let mut end = element.value;
    if element.len == UNDEFINED {
        // Encapsulated: fragments one behind the other.
        for _ in 0..ELEMENTS_MAX {
            let fragment = self::element(file, end, false)?;
            if fragment.tag == SEQUENCE_END {
                return checked(file, element.value, fragment.value);
            }
            if fragment.tag != ITEM || fragment.len == UNDEFINED {
                return Err(Fallback::Malformed);
            }
            end = fragment.value + u64::from(fragment.len);
        }
        return Err(Fallback::TablesTooLarge);
    }
    end += u64::from(element.len);
    checked(file, element.value, end)
}

fn checked(file: &Window<'_>, start: u64, end: u64) -> Result<Vec<u64>, Fallback> {
    if end > file.size() {
        return Err(Fallback::Truncated);
    }
    Ok(vec![start, end])
}
