//! Walks all elements of a DICOM file, into sequences and past the pixels.
//!
//! Source: DICOM PS3.5 and PS3.10. What must stay true: number, depth and bytes are bounded; lengths are checked against the
//! file before anything is skipped; a value is read up to [`VALUE_MAX`] bytes only. Implicit, explicit, encapsulated and
//! deflated files are read; big endian (retired in 2006) is not.

use super::Start;
use flate2::read::DeflateDecoder;
use std::io::{self, Read};

/// Bytes of a value that are looked at: names and numbers are shorter.
const VALUE_MAX: u64 = 1024;
/// Most elements of a file. Enhanced multi-frame studies have some hundred thousand.
const ELEMENTS_MAX: usize = 2_000_000;
/// Deepest sequence.
const DEPTH_MAX: usize = 16;
/// Most bytes of a deflated file once inflated.
const INFLATED_MAX: u64 = 1 << 30;

const PIXELS: (u16, u16) = (0x7FE0, 0x0010);
const ITEM: (u16, u16) = (0xFFFE, 0xE000);
const ITEM_END: (u16, u16) = (0xFFFE, 0xE00D);
const SEQUENCE_END: (u16, u16) = (0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;

/// An element with the beginning of its value.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: (u16, u16),
    pub(super) depth: usize,
    value: &'a [u8],
}

impl Element<'_> {
    /// The value as text: UTF-8, or else GB18030, which old Chinese devices write.
    pub(super) fn text(&self) -> String {
        match std::str::from_utf8(self.value) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::GB18030.decode(self.value).0.into_owned(),
        }
    }
}

/// Why a file cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    NoPreamble,
    CutShort,
    Malformed,
    BigEndian,
    TooLarge,
}

impl Unreadable {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoPreamble => "no DICM mark",
            Self::CutShort => "cut short",
            Self::Malformed => "malformed",
            Self::BigEndian => "big endian",
            Self::TooLarge => "too large",
        }
    }
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Self {
        Self::CutShort
    }
}

struct Walk<'a, 'b> {
    source: Box<dyn Read + 'b>,
    at: u64,
    end: u64,
    elements: usize,
    see: &'a mut dyn FnMut(&Element<'_>),
}

/// Shows every element of a file that is read from its start on.
pub(super) fn read(
    file: impl Read,
    start: Start,
    size: u64,
    see: &mut dyn FnMut(&Element<'_>),
) -> Result<(), Unreadable> {
    let at = match start {
        Start::Meta { at } => at as u64,
        Start::BigEndian => return Err(Unreadable::BigEndian),
        Start::DataSet { explicit } => {
            let mut walk = Walk { source: Box::new(file), at: 0, end: size, elements: 0, see };
            return walk.data_set(None, explicit, 0, None, false);
        }
    };
    let mut syntax = String::new();
    let mut keep = |element: &Element<'_>| {
        if element.tag == (0x0002, 0x0010) {
            syntax = element.text().trim_matches(['\0', ' ']).to_owned();
        }
        see(element);
    };
    let mut walk = Walk { source: Box::new(file), at, end: size, elements: 0, see: &mut keep };
    let first = walk.meta()?;
    let Walk { source, at, elements, .. } = walk;
    let (explicit, deflated) = match syntax.as_str() {
        "1.2.840.10008.1.2" => (false, false),
        "1.2.840.10008.1.2.2" => return Err(Unreadable::BigEndian),
        "1.2.840.10008.1.2.1.99" => (true, true),
        _ => (true, false),
    };
    let Some(first) = first else { return Ok(()) };
    if deflated {
        let source = io::Read::chain(&first[..], source);
        let source = Box::new(DeflateDecoder::new(source));
        let mut walk = Walk { source, at: 0, end: INFLATED_MAX, elements, see };
        return walk.data_set(None, explicit, 0, None, true);
    }
    let mut walk = Walk { source, at, end: size, elements, see };
    walk.data_set(None, explicit, 0, Some(first), false)
}

impl Walk<'_, '_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// The next four bytes, or nothing at the end.
    fn tag_or_end(&mut self) -> Result<Option<[u8; 4]>, Unreadable> {
        let mut bytes = [0; 4];
        let mut filled = 0;
        while filled < 4 {
            match self.source.read(&mut bytes[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(Unreadable::CutShort),
                read => filled += read,
            }
        }
        self.at += 4;
        Ok(Some(bytes))
    }

    fn value(&mut self, length: u64) -> Result<Vec<u8>, Unreadable> {
        if length > self.end.saturating_sub(self.at) {
            return Err(Unreadable::CutShort);
        }
        let mut value = vec![0; length.min(VALUE_MAX) as usize];
        self.source.read_exact(&mut value)?;
        let rest = length - value.len() as u64;
        if io::copy(&mut self.source.by_ref().take(rest), &mut io::sink())? != rest {
            return Err(Unreadable::CutShort);
        }
        self.at += length;
        Ok(value)
    }

    /// Group 2, always explicit; returns the first tag behind it.
    fn meta(&mut self) -> Result<Option<[u8; 4]>, Unreadable> {
        loop {
            let Some(raw) = self.tag_or_end()? else { return Ok(None) };
            if raw[..2] != [2, 0] {
                return Ok(Some(raw));
            }
            self.element(tag(raw), true, 0)?;
        }
    }

    /// Elements up to `end`, an item's end mark, or the file's end.
    fn data_set(
        &mut self,
        end: Option<u64>,
        explicit: bool,
        depth: usize,
        mut first: Option<[u8; 4]>,
        mut raw_end: bool,
    ) -> Result<(), Unreadable> {
        raw_end |= depth == 0;
        loop {
            if end.is_some_and(|end| self.at >= end) {
                return if end == Some(self.at) { Ok(()) } else { Err(Unreadable::Malformed) };
            }
            let raw = match first.take() {
                Some(raw) => raw,
                None => match self.tag_or_end()? {
                    Some(raw) => raw,
                    None if raw_end => return Ok(()),
                    None => return Err(Unreadable::CutShort),
                },
            };
            if tag(raw) == ITEM_END {
                self.bytes::<4>()?;
                return Ok(());
            }
            self.element(tag(raw), explicit, depth)?;
        }
    }

    fn element(&mut self, tag: (u16, u16), explicit: bool, depth: usize) -> Result<(), Unreadable> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX || depth > DEPTH_MAX {
            return Err(Unreadable::TooLarge);
        }
        let (kind, length) = self.kind_and_length(explicit)?;
        let inner_explicit = explicit && kind != *b"UN";
        let sequence = kind == *b"SQ" || (length == UNDEFINED && tag != PIXELS && !matches!(&kind, b"OB" | b"OW"));
        if sequence {
            (self.see)(&Element { tag, depth, value: &[] });
            return self.items(length, inner_explicit, depth);
        }
        if length == UNDEFINED {
            (self.see)(&Element { tag, depth, value: &[] });
            return self.fragments();
        }
        // Without a dictionary, a sequence of known length shows by its first item.
        if (!explicit || kind == *b"UN") && length >= 8 && tag != PIXELS {
            return self.perhaps_items(tag, length, depth);
        }
        let value = self.value(u64::from(length))?;
        (self.see)(&Element { tag, depth, value: &value });
        Ok(())
    }

    fn kind_and_length(&mut self, explicit: bool) -> Result<([u8; 2], u32), Unreadable> {
        if !explicit {
            return Ok(([0, 0], u32::from_le_bytes(self.bytes()?)));
        }
        let [a, b, c, d] = self.bytes()?;
        if !a.is_ascii_uppercase() || !b.is_ascii_uppercase() {
            return Err(Unreadable::Malformed);
        }
        let long =
            [*b"OB", *b"OW", *b"OF", *b"OD", *b"OL", *b"OV", *b"SQ", *b"UC", *b"UR", *b"UT", *b"UN", *b"SV", *b"UV"];
        let length = match long.contains(&[a, b]) {
            true => u32::from_le_bytes(self.bytes()?),
            false => u32::from(u16::from_le_bytes([c, d])),
        };
        Ok(([a, b], length))
    }

    fn perhaps_items(&mut self, tag: (u16, u16), length: u32, depth: usize) -> Result<(), Unreadable> {
        let head: [u8; 4] = self.bytes()?;
        if self::tag(head) == ITEM {
            (self.see)(&Element { tag, depth, value: &[] });
            let end = self.at - 4 + u64::from(length);
            self.item(false, depth)?;
            return self.items_until(Some(end), false, depth);
        }
        let mut value = head.to_vec();
        value.extend(self.value(u64::from(length) - 4)?);
        (self.see)(&Element { tag, depth, value: &value });
        Ok(())
    }

    fn items(&mut self, length: u32, explicit: bool, depth: usize) -> Result<(), Unreadable> {
        let end = (length != UNDEFINED).then(|| self.at + u64::from(length));
        self.items_until(end, explicit, depth)
    }

    fn items_until(&mut self, end: Option<u64>, explicit: bool, depth: usize) -> Result<(), Unreadable> {
        loop {
            if end.is_some_and(|end| self.at >= end) {
                return if end == Some(self.at) { Ok(()) } else { Err(Unreadable::Malformed) };
            }
            match tag(self.bytes()?) {
                ITEM => self.item(explicit, depth)?,
                SEQUENCE_END => {
                    self.bytes::<4>()?;
                    return Ok(());
                }
                _ => return Err(Unreadable::Malformed),
            }
        }
    }

    /// An item whose tag has been read.
    fn item(&mut self, explicit: bool, depth: usize) -> Result<(), Unreadable> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX || depth >= DEPTH_MAX {
            return Err(Unreadable::TooLarge);
        }
        let length = u32::from_le_bytes(self.bytes()?);
        let end = (length != UNDEFINED).then(|| self.at + u64::from(length));
        self.data_set(end, explicit, depth + 1, None, false)
    }

    /// Encapsulated pixels: items of bytes.
    fn fragments(&mut self) -> Result<(), Unreadable> {
        loop {
            self.elements += 1;
            if self.elements > ELEMENTS_MAX {
                return Err(Unreadable::TooLarge);
            }
            let kind = tag(self.bytes()?);
            let length = u32::from_le_bytes(self.bytes()?);
            match kind {
                ITEM => self.value(u64::from(length)).map(drop)?,
                SEQUENCE_END => return Ok(()),
                _ => return Err(Unreadable::Malformed),
            }
        }
    }
}

fn tag([a, b, c, d]: [u8; 4]) -> (u16, u16) {
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}
