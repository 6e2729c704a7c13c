//! Facts of an MP4 film: duration, picture size, codecs, and whether it can be played while it arrives.
//!
//! Source: ISO/IEC 14496-12. Boxes are walked by seeking; only small, fixed parts are read; their number and depth are
//! bounded, so a hostile film costs a few thousand seeks at most.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Most boxes looked at. A long film has about a hundred; a fragmented one more, but those lie behind its index.
const BOXES_MAX: usize = 4_096;
/// Most tracks that count.
const TRACKS_MAX: usize = 64;

/// Facts of a film.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Film {
    /// Duration in milliseconds; 0 when the film does not say.
    pub duration_ms: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels; 0 without pictures.
    pub height: u32,
    /// Video codec: `h264`, `hevc`, `av1`, `vp9`, or the four characters of the sample entry.
    pub video: Option<String>,
    /// Audio codec: `aac`, `mp3`, or the four characters of the sample entry.
    pub audio: Option<String>,
    /// Whether the index comes before the pictures and sound.
    pub faststart: bool,
    /// Size of the file in bits over its duration, in bit/s; 0 when it has no duration.
    pub bitrate: u64,
    /// Whether its pictures and sound go on behind the end of the file.
    pub cut_short: bool,
}

impl Film {
    /// The facts as words `name=value`, for the manifest.
    pub fn to_words(&self) -> String {
        let mut words = vec![format!("duration_s={}.{:03}", self.duration_ms / 1000, self.duration_ms % 1000)];
        if self.height > 0 {
            words.push(format!("width={} height={}", self.width, self.height));
        }
        words.extend(self.video.as_ref().map(|codec| format!("video={codec}")));
        words.extend(self.audio.as_ref().map(|codec| format!("audio={codec}")));
        words.push(format!("bitrate={}", self.bitrate));
        words.join(" ")
    }
}

struct Walk {
    file: File,
    boxes: usize,
    tracks: usize,
    /// Units a second.
    scale: u32,
    film: Film,
}

struct BoxHead {
    kind: [u8; 4],
    body: u64,
    end: u64,
}

/// Reads a film's facts; `None` when it has no readable index.
pub(super) fn read(file: File, size: u64) -> Option<Film> {
    let mut walk = Walk { file, boxes: 0, tracks: 0, scale: 0, film: Film::default() };
    let (mut at, mut index, mut data) = (0, None, None);
    while at < size {
        let Some(head) = walk.head(at, size) else {
            walk.film.cut_short = walk.is_cut_short(at, size);
            break;
        };
        match &head.kind {
            b"moov" => {
                index.get_or_insert(at);
                walk.children(&head, 0)?;
            }
            b"mdat" => {
                data.get_or_insert(at);
            }
            // A film in fragments: thousands of boxes all over the file, which plays as far as it goes.
            b"moof" if index.is_some() => break,
            _ => {}
        }
        at = head.end;
    }
    let film = &mut walk.film;
    film.faststart = data.is_none_or(|data| index.is_some_and(|index| index < data));
    let bits = u128::from(size) * 8_000;
    film.bitrate = bits.checked_div(u128::from(film.duration_ms)).and_then(|rate| rate.try_into().ok()).unwrap_or(0);
    index.map(|_| walk.film)
}

impl Walk {
    fn bytes<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn u32(&mut self, at: u64) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn head(&mut self, at: u64, end: u64) -> Option<BoxHead> {
        self.boxes += 1;
        if self.boxes > BOXES_MAX || at.checked_add(8)? > end {
            return None;
        }
        let [a, b, c, d, kind @ ..]: [u8; 8] = self.bytes(at)?;
        let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, end - at),
            1 => (16, u64::from_be_bytes(self.bytes(at + 8)?)),
            size => (8, u64::from(size)),
        };
        let box_end = at.checked_add(size).filter(|box_end| size >= head && *box_end <= end)?;
        Some(BoxHead { kind, body: at + head, end: box_end })
    }

    /// Whether media data that begins here goes on behind the end of the file.
    fn is_cut_short(&mut self, at: u64, size: u64) -> bool {
        let Some([a, b, c, d, kind @ ..]) = self.bytes::<8>(at) else { return false };
        let len = match u32::from_be_bytes([a, b, c, d]) {
            1 => self.bytes(at + 8).map_or(u64::MAX, u64::from_be_bytes),
            len => u64::from(len),
        };
        kind == *b"mdat" && at.saturating_add(len) > size
    }

    fn children(&mut self, parent: &BoxHead, depth: usize) -> Option<()> {
        let mut at = parent.body;
        while at + 8 <= parent.end {
            let head = self.head(at, parent.end)?;
            match &head.kind {
                b"trak" if self.tracks < TRACKS_MAX => {
                    self.tracks += 1;
                    self.track(&head);
                }
                b"mvex" if depth == 0 => self.children(&head, 1)?,
                b"mvhd" => self.duration(&head)?,
                b"mehd" => self.fragmented_duration(&head)?,
                _ => {}
            }
            at = head.end;
        }
        Some(())
    }

    fn duration(&mut self, head: &BoxHead) -> Option<()> {
        let version = self.bytes::<1>(head.body)?[0];
        let (scale, duration) = match version {
            1 => (self.u32(head.body + 20)?, u64::from_be_bytes(self.bytes(head.body + 24)?)),
            _ => (self.u32(head.body + 12)?, u64::from(self.u32(head.body + 16)?)),
        };
        // All ones means unknown.
        let known = duration != u64::MAX && duration != u64::from(u32::MAX);
        let ms = (u128::from(duration) * 1000).checked_div(u128::from(scale)).unwrap_or(0);
        self.film.duration_ms = if known { ms.try_into().unwrap_or(0) } else { 0 };
        self.scale = scale;
        Some(())
    }

    /// In the units of `mvhd`, which comes first.
    fn fragmented_duration(&mut self, head: &BoxHead) -> Option<()> {
        let duration = match self.bytes::<1>(head.body)?[0] {
            1 => u64::from_be_bytes(self.bytes(head.body + 4)?),
            _ => u64::from(self.u32(head.body + 4)?),
        };
        let ms = (u128::from(duration) * 1000).checked_div(u128::from(self.scale)).unwrap_or(0);
        self.film.duration_ms = self.film.duration_ms.max(ms.try_into().unwrap_or(0));
        Some(())
    }

    fn find(&mut self, parent: &BoxHead, path: &[&[u8; 4]]) -> Option<BoxHead> {
        let (wanted, rest) = path.split_first()?;
        let mut at = parent.body;
        while at + 8 <= parent.end {
            let head = self.head(at, parent.end)?;
            if head.kind == **wanted {
                return if rest.is_empty() { Some(head) } else { self.find(&head, rest) };
            }
            at = head.end;
        }
        None
    }

    /// A track that cannot be read counts as none.
    fn track(&mut self, track: &BoxHead) -> Option<()> {
        let handler = self.find(track, &[b"mdia", b"hdlr"])?;
        let kind: [u8; 4] = self.bytes(handler.body + 8)?;
        let table = self.find(track, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
        // Version, flags and count come before the first entry.
        let entry = self.head(table.body + 8, table.end)?;
        match &kind {
            b"vide" if self.film.video.is_none() => {
                let [w0, w1, h0, h1]: [u8; 4] = self.bytes(entry.body + 24)?;
                self.film.width = u32::from(u16::from_be_bytes([w0, w1]));
                self.film.height = u32::from(u16::from_be_bytes([h0, h1]));
                self.film.video = Some(video_codec(entry.kind));
            }
            b"soun" if self.film.audio.is_none() => {
                let codec = self.audio_codec(&entry);
                self.film.audio = Some(codec);
            }
            _ => {}
        }
        Some(())
    }

    fn audio_codec(&mut self, entry: &BoxHead) -> String {
        match &entry.kind {
            b"mp4a" => match self.object_type(entry) {
                Some(0x69 | 0x6b) => "mp3".into(),
                // 0x40 is MPEG-4 audio, 0x66 to 0x68 MPEG-2 AAC; without a descriptor AAC is what players assume.
                _ => "aac".into(),
            },
            other => four(*other),
        }
    }

    /// Object type of the `esds` descriptor: behind tag 4 of the elementary stream (ISO/IEC 14496-1).
    fn object_type(&mut self, entry: &BoxHead) -> Option<u8> {
        let children = BoxHead { kind: *b"mp4a", body: entry.body + 28, end: entry.end };
        let esds = self.find(&children, &[b"esds"])?;
        let mut bytes = vec![0; (esds.end - esds.body).min(64) as usize];
        self.file.seek(SeekFrom::Start(esds.body)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        let mut rest = bytes.get(4..)?;
        rest = skip_descriptor_head(rest, 3)?;
        // Stream number and flags; the flags may ask for more fields, which films never have.
        rest = skip_descriptor_head(rest.get(3..)?, 4)?;
        rest.first().copied()
    }
}

/// Behind a tag and its length, which is 7 bits a byte.
fn skip_descriptor_head(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    if *first == tag { rest.get(length..) } else { None }
}

fn video_codec(kind: [u8; 4]) -> String {
    match &kind {
        b"avc1" | b"avc3" => "h264".into(),
        b"hvc1" | b"hev1" => "hevc".into(),
        b"av01" => "av1".into(),
        b"vp09" => "vp9".into(),
        _ => four(kind),
    }
}

/// Four characters that are safe in a message and in words.
fn four(kind: [u8; 4]) -> String {
    kind.iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '_' }).collect()
}
