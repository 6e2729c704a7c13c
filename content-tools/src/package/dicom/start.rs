//! Where the data of a DICOM file begin: behind a preamble, behind something else, or with the first byte.
//!
//! What must stay true: a file that begins like a data set is taken for one although it lacks preamble and mark, because old
//! devices and exports write such files; other files are not, or they could not be published: a first tag that files begin
//! with, and as far as three elements their tags ascend and their lengths fit. Source: DICOM PS3.5 chapter 7, PS3.10 chapter 7.

use memchr::memmem;

/// The mark behind the preamble.
const MARK: &[u8; 4] = b"DICM";
const PREAMBLE_BYTES: usize = 128;
/// Elements that must make sense.
const ELEMENTS: usize = 3;
/// What an element with explicit value representation may be (PS3.5 table 6.2-1).
const KINDS: [&[u8; 2]; 34] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
    b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
    b"UT", b"UV",
];
/// Those with two bytes of nothing and a length of four.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];

/// Where and in which form the data begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::package) enum Start {
    /// Meta information (group 2) begins here; it says how the rest is written.
    Meta {
        /// Bytes before it.
        at: usize,
    },
    /// The data set begins with the first byte.
    DataSet {
        /// Whether value representations are written.
        explicit: bool,
    },
    /// As before, but written big endian.
    BigEndian,
}

/// Looks at the first bytes of a file of this size; `None` when it is no DICOM file.
pub(in crate::package) fn find(head: &[u8], size: u64) -> Option<Start> {
    if has_preamble(head) {
        return Some(Start::Meta { at: PREAMBLE_BYTES + MARK.len() });
    }
    bare(head, size).or_else(|| marked(head))
}

/// Whether preamble and mark stand where they belong.
pub(in crate::package) fn has_preamble(head: &[u8]) -> bool {
    head.get(PREAMBLE_BYTES..PREAMBLE_BYTES + MARK.len()) == Some(MARK)
}

/// The mark anywhere, with the first element of group 2 behind it.
fn marked(head: &[u8]) -> Option<Start> {
    let is_meta = |at: &usize| match head.get(at + 8..at + 12) {
        Some([a, b, _, _]) if a.is_ascii_uppercase() && b.is_ascii_uppercase() => true,
        Some(length) => length == [4, 0, 0, 0],
        None => false,
    };
    memmem::find_iter(head, b"DICM\x02\0").find(is_meta).map(|at| Start::Meta { at: at + MARK.len() })
}

fn bare(head: &[u8], size: u64) -> Option<Start> {
    let little = |explicit| Form { explicit, big: false };
    let (explicit, implicit) = (little(true), little(false));
    if explicit.fits(head, size) || implicit.fits(head, size) {
        let is_meta = head.starts_with(&[2, 0]);
        let explicit = explicit.fits(head, size);
        return Some(if is_meta { Start::Meta { at: 0 } } else { Start::DataSet { explicit } });
    }
    let big = [true, false].into_iter().any(|explicit| Form { explicit, big: true }.fits(head, size));
    big.then_some(Start::BigEndian)
}

/// How elements are written.
#[derive(Debug, Clone, Copy)]
struct Form {
    explicit: bool,
    big: bool,
}

impl Form {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    /// Whether a file begins with elements in this form.
    fn fits(self, head: &[u8], size: u64) -> bool {
        let (mut at, mut before) = (0usize, None::<(u16, u16)>);
        for number in 0..ELEMENTS {
            if number > 0 && at as u64 == size {
                return true;
            }
            // Meta information is written in a form of its own.
            if before.is_some_and(|(group, _)| group == 2) && self.u16(head, at).is_some_and(|group| group > 2) {
                return true;
            }
            let Some((tag, body, length)) = self.element(head, at) else {
                // The window ends in the midst of an element that a long value has pushed there.
                return number > 0 && head.len() < at + 12 && (head.len() as u64) < size;
            };
            let rises = before.is_none_or(|before| tag > before);
            if !rises || (number == 0 && !begins_files(tag)) || (tag.1 == 0 && length != 4) {
                return false;
            }
            // A sequence of unknown length: what follows are items.
            if length == u32::MAX {
                return true;
            }
            let end = body as u64 + u64::from(length);
            if !length.is_multiple_of(2) || end > size {
                return false;
            }
            (at, before) = (end as usize, Some(tag));
        }
        true
    }

    /// Tag, beginning and length of the value.
    fn element(self, head: &[u8], at: usize) -> Option<((u16, u16), usize, u32)> {
        let tag = (self.u16(head, at)?, self.u16(head, at + 2)?);
        if !self.explicit {
            return Some((tag, at + 8, self.u32(head, at + 4)?));
        }
        let kind: &[u8; 2] = head.get(at + 4..at + 6)?.try_into().ok()?;
        if !KINDS.contains(&kind) {
            return None;
        }
        match LONG.contains(&kind) {
            true => Some((tag, at + 12, self.u32(head, at + 8)?)),
            false => Some((tag, at + 8, u32::from(self.u16(head, at + 6)?))),
        }
    }
}

/// Whether a file may begin with this tag: meta information, a directory, identification of the study, the patient.
const fn begins_files((group, element): (u16, u16)) -> bool {
    match group {
        0x0002 => element <= 0x0026,
        0x0004 => element == 0 || element == 0x1130,
        0x0008 => element <= 0x00FF,
        0x0010 => element <= 0x0040,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implicit(parts: &[(u16, u16, &[u8])]) -> Vec<u8> {
        let element = |(group, element, value): &(u16, u16, &[u8])| {
            let head = [group.to_le_bytes(), element.to_le_bytes()].concat();
            [&head[..], &(value.len() as u32).to_le_bytes(), *value].concat()
        };
        parts.iter().flat_map(element).collect()
    }

    fn explicit(parts: &[(u16, u16, &[u8; 2], &[u8])]) -> Vec<u8> {
        let element = |(group, element, kind, value): &(u16, u16, &[u8; 2], &[u8])| {
            let head = [group.to_le_bytes(), element.to_le_bytes()].concat();
            [&head[..], *kind, &(value.len() as u16).to_le_bytes(), *value].concat()
        };
        parts.iter().flat_map(element).collect()
    }

    #[test]
    fn data_begin_where_they_begin() {
        let plain = implicit(&[(8, 5, b"ISO_IR 192"), (8, 0x16, b"1.2 "), (0x10, 0x10, b"A^B ")]);
        let written = explicit(&[(8, 5, b"CS", b"ISO_IR 192"), (8, 0x16, b"UI", b"1.2 ")]);
        let meta = explicit(&[(2, 0, b"UL", &[26, 0, 0, 0]), (2, 0x10, b"UI", b"1.2.840.10008.1.2\0")]);
        let behind = |bytes: usize, what: &[u8]| [vec![7; bytes], b"DICM".to_vec(), what.to_vec()].concat();
        let big: Vec<u8> = [0, 8, 0, 5, b'C', b'S', 0, 2, b'A', b'B'].into();
        let text = b"a text that speaks of DICM and of nothing else".to_vec();
        let numbers: Vec<u8> = (0u16..400).flat_map(|n| (n * 2 + 8).to_le_bytes()).collect();
        for (name, bytes, start) in [
            ("implicit", plain.clone(), Some(Start::DataSet { explicit: false })),
            ("one element", implicit(&[(0x10, 0x10, b"A^")]), Some(Start::DataSet { explicit: false })),
            ("explicit", written.clone(), Some(Start::DataSet { explicit: true })),
            ("meta", meta.clone(), Some(Start::Meta { at: 0 })),
            ("preamble", behind(128, &written), Some(Start::Meta { at: 132 })),
            ("mark first", behind(0, &meta), Some(Start::Meta { at: 4 })),
            ("junk", behind(1000, &meta), Some(Start::Meta { at: 1004 })),
            ("big", big, Some(Start::BigEndian)),
            ("odd length", implicit(&[(8, 5, b"ISO"), (8, 0x16, b"1")]), None),
            ("not rising", implicit(&[(8, 5, b"AB"), (8, 5, b"AB")]), None),
            ("longer than the file", implicit(&[(8, 5, b"AB")])[..9].to_vec(), None),
            ("text", text, None),
            ("numbers", numbers, None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(find(&bytes, bytes.len() as u64), start, "{name}");
        }
    }
}
