//! The sample tables of a progressive file: `stsc` says how many samples a chunk of media has, `stsz` or `stz2` how long
//! they are, `stco` or `co64` where the chunk begins.
//!
//! What must stay true: the work is bounded by the tables' bytes, whatever their counts say.

use super::super::fallback::Fallback;
use super::super::samples::Samples;
use super::{Boxes, Fields};

/// Reads the tables of all tracks of a `moov`.
pub(super) fn read(moov: &[u8], samples: &mut Samples) -> Result<(), Fallback> {
    let mut track = 0;
    Boxes(moov).each(b"trak", |trak| {
        // Tracks are named by their place here: two tracks with one id are no reason to mix them.
        track += 1;
        let Some(media) = Boxes(trak).first(b"mdia")? else { return Ok(()) };
        let Some(info) = Boxes(media).first(b"minf")? else { return Ok(()) };
        let Some(tables) = Boxes(info).first(b"stbl")? else { return Ok(()) };
        read_track(tables, u64::MAX - track, samples)
    })
}

fn read_track(stbl: &[u8], track: u64, samples: &mut Samples) -> Result<(), Fallback> {
    let mut sizes = match (Boxes(stbl).first(b"stsz")?, Boxes(stbl).first(b"stz2")?) {
        (Some(table), _) => Sizes::read(table)?,
        (None, Some(table)) => Sizes::read_compact(table)?,
        (None, None) => return Ok(()),
    };
    let (short, long) = (Boxes(stbl).first(b"stco")?, Boxes(stbl).first(b"co64")?);
    let (width, table) = match (short, long) {
        (Some(table), _) => (4, table),
        (None, Some(table)) => (8, table),
        (None, None) => return Ok(()),
    };
    let Some(runs) = Boxes(stbl).first(b"stsc")? else { return Ok(()) };
    let mut runs = ChunkRuns::read(runs)?;
    for (number, offset) in counted(table, 4, width)?.chunks_exact(width).enumerate() {
        let offset = offset.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let len = sizes.take(runs.samples_of(number as u64 + 1)?)?;
        samples.add(track, offset, len)?;
    }
    Ok(())
}

/// The rows of a table whose count stands at `at`, each of `width` bytes.
fn counted(table: &[u8], at: usize, width: usize) -> Result<&[u8], Fallback> {
    let mut fields = Fields(table.get(at..).ok_or(Fallback::Malformed)?);
    let bytes = u64::from(fields.u32()?) * width as u64;
    fields.0.get(..usize::try_from(bytes).unwrap_or(usize::MAX)).ok_or(Fallback::Malformed)
}

/// How many samples each chunk of media has.
struct ChunkRuns<'a> {
    rows: &'a [u8],
    samples: u32,
}

impl<'a> ChunkRuns<'a> {
    fn read(table: &'a [u8]) -> Result<Self, Fallback> {
        Ok(Self { rows: counted(table, 4, 12)?, samples: 0 })
    }

    /// Samples of a chunk, counted from 1; to be asked in order.
    fn samples_of(&mut self, chunk: u64) -> Result<u32, Fallback> {
        while !self.rows.is_empty() {
            let mut row = Fields(self.rows);
            let (first, samples) = (row.u32()?, row.u32()?);
            if u64::from(first) > chunk {
                break;
            }
            (self.samples, self.rows) = (samples, &self.rows[12..]);
        }
        Ok(self.samples)
    }
}

/// Lengths of samples, in order.
enum Sizes<'a> {
    Constant {
        size: u32,
        left: u32,
    },
    Words(&'a [u8]),
    /// Fields of 4, 8 or 16 bits.
    Compact {
        table: &'a [u8],
        bits: usize,
        at: usize,
        count: usize,
    },
}

impl<'a> Sizes<'a> {
    fn read(table: &'a [u8]) -> Result<Self, Fallback> {
        let mut fields = Fields(table);
        let (_, size, count) = (fields.u32()?, fields.u32()?, fields.u32()?);
        if size != 0 { Ok(Self::Constant { size, left: count }) } else { counted(table, 8, 4).map(Self::Words) }
    }

    fn read_compact(table: &'a [u8]) -> Result<Self, Fallback> {
        let mut fields = Fields(table);
        let (_, bits, count) = (fields.u32()?, (fields.u32()? & 0xff) as usize, fields.u32()? as usize);
        let enough = count.checked_mul(bits).is_some_and(|wanted| wanted.div_ceil(8) <= fields.0.len());
        match bits {
            4 | 8 | 16 if enough => Ok(Self::Compact { table: fields.0, bits, at: 0, count }),
            _ => Err(Fallback::Malformed),
        }
    }

    /// Bytes of the next samples; those that the table does not have count nothing.
    fn take(&mut self, samples: u32) -> Result<u64, Fallback> {
        match self {
            Self::Constant { size, left } => {
                let taken = samples.min(*left);
                *left -= taken;
                Ok(u64::from(taken) * u64::from(*size))
            }
            Self::Words(table) => {
                let (taken, rest) = table.split_at((samples as usize).saturating_mul(4).min(table.len()));
                *table = rest;
                let mut words = Fields(taken);
                let mut bytes = 0;
                while !words.0.is_empty() {
                    bytes += u64::from(words.u32()?);
                }
                Ok(bytes)
            }
            Self::Compact { table, bits, at, count } => {
                let end = at.saturating_add(samples as usize).min(*count);
                let field = |number: usize| match bits {
                    4 => u64::from(table[number / 2] >> (4 * (1 - number % 2)) & 0xf),
                    8 => u64::from(table[number]),
                    _ => u64::from(u16::from_be_bytes([table[2 * number], table[2 * number + 1]])),
                };
                let bytes = (*at..end).map(field).sum();
                *at = end;
                Ok(bytes)
            }
        }
    }
}
