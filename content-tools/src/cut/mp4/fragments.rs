//! The runs of samples of a fragmented file: each `trun` of a `moof` is one range of bytes.
//!
//! What must stay true: offsets may be relative to anything that the standard allows and are added without overflow; what
//! lies outside the file is noticed when the samples are put in order.

use super::super::fallback::Fallback;
use super::super::samples::Samples;
use super::{Boxes, Fields};

/// Sizes of samples that a fragment need not repeat, by track.
pub(super) struct Defaults(Vec<(u32, u32)>);

impl Defaults {
    pub(super) fn read(moov: &[u8]) -> Result<Self, Fallback> {
        let mut sizes = Vec::new();
        if let Some(extends) = Boxes(moov).first(b"mvex")? {
            Boxes(extends).each(b"trex", |trex| {
                let mut fields = Fields(trex);
                let (_, track, _, _, size) =
                    (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
                sizes.push((track, size));
                Ok(())
            })?;
        }
        Ok(Self(sizes))
    }

    fn of(&self, track: u32) -> u32 {
        self.0.iter().find(|(known, _)| *known == track).map_or(0, |(_, size)| *size)
    }
}

/// Reads a `moof` that begins at an offset.
pub(super) fn read(moof: &[u8], at: u64, defaults: &Defaults, samples: &mut Samples) -> Result<(), Fallback> {
    // Without another base, the first track fragment counts from the `moof`, the next ones from where the last ended.
    let mut end = at;
    Boxes(moof).each(b"traf", |traf| {
        let header = Boxes(traf).first(b"tfhd")?.ok_or(Fallback::Malformed)?;
        let header = Header::read(header, defaults)?;
        let base = if header.from_moof { at } else { header.base.unwrap_or(end) };
        let mut next = base;
        Boxes(traf).each(b"trun", |run| {
            let (offset, len) = Run::read(run, header.size)?;
            let start = match offset {
                Some(offset) => base.checked_add_signed(i64::from(offset)).ok_or(Fallback::Malformed)?,
                None => next,
            };
            next = start.checked_add(len).ok_or(Fallback::Malformed)?;
            samples.add(header.track.into(), start, len)
        })?;
        end = next;
        Ok(())
    })
}

/// What `tfhd` says.
struct Header {
    track: u32,
    base: Option<u64>,
    from_moof: bool,
    /// Size of samples whose run does not say it.
    size: u32,
}

impl Header {
    fn read(body: &[u8], defaults: &Defaults) -> Result<Self, Fallback> {
        let mut fields = Fields(body);
        let (flags, track) = (fields.u32()?, fields.u32()?);
        let base = if flags & 0x1 != 0 { Some(fields.u64()?) } else { None };
        // Description and duration stand before the size.
        for flag in [0x2, 0x8] {
            if flags & flag != 0 {
                fields.u32()?;
            }
        }
        let size = if flags & 0x10 != 0 { fields.u32()? } else { defaults.of(track) };
        Ok(Self { track, base, from_moof: base.is_none() && flags & 0x02_0000 != 0, size })
    }
}

/// `trun`.
struct Run;

impl Run {
    /// Offset of the first sample from the base, and the bytes of all samples.
    fn read(body: &[u8], default_size: u32) -> Result<(Option<i32>, u64), Fallback> {
        let mut fields = Fields(body);
        let (flags, count) = (fields.u32()?, fields.u32()?);
        let offset = if flags & 0x1 != 0 { Some(fields.u32()?.cast_signed()) } else { None };
        if flags & 0x4 != 0 {
            fields.u32()?;
        }
        if flags & 0x200 == 0 {
            return Ok((offset, u64::from(count) * u64::from(default_size)));
        }
        let mut bytes = 0;
        for _ in 0..count {
            for flag in [0x100, 0x200, 0x400, 0x800] {
                if flags & flag != 0 {
                    let field = fields.u32()?;
                    bytes += if flag == 0x200 { u64::from(field) } else { 0 };
                }
            }
        }
        Ok((offset, bytes))
    }
}
