//! The bytes that are measured: incompressible, made from a seed, and a second version of them.
//!
//! What must stay true: the same flags make the same bytes on every machine.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// Bytes of a file: a lesson's film.
const FILE_BYTES: u64 = 256 << 20;
/// Bytes of a run that version 2 changes.
const RUN_BYTES: usize = 64 << 10;
/// One run in this many is changed: 1 %.
const RUNS_PER_CHANGE: u64 = 100;

/// Fills a folder with `size` incompressible bytes.
pub(crate) fn noise(dir: &Path, size: u64) -> Result<()> {
    fs::create_dir_all(dir)?;
    for (number, at) in (0..size).step_by(FILE_BYTES as usize).enumerate() {
        let mut bytes = stream(&format!("film {number}")).take(FILE_BYTES.min(size - at));
        let path = dir.join(format!("lesson {number:03}.mp4"));
        std::io::copy(
            &mut bytes,
            &mut File::create(&path).with_context(|| format!("cannot create {}", path.display()))?,
        )?;
    }
    Ok(())
}

/// A small text: 200 to 2000 bytes of hexadecimal digits, which zstd halves.
pub(crate) fn small_text(number: u64) -> String {
    let mut bytes = vec![0; 100 + number as usize * 7919 % 900];
    stream(&format!("page {number}")).fill(&mut bytes);
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn stream(seed: &str) -> blake3::OutputReader {
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof()
}

/// Writes version 2 of a folder: every hundredth run of 64 KiB is changed, every second time by an insertion. Returns the
/// new bytes.
pub(crate) fn second_version(from: &Path, to: &Path) -> Result<u64> {
    fs::create_dir_all(to)?;
    let (mut changed, mut runs) = (0, 0u64);
    let mut fresh = stream("version 2");
    let mut names: Vec<_> = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    names.sort();
    for name in names {
        let mut source = File::open(from.join(&name))?;
        let mut out = BufWriter::with_capacity(1 << 20, File::create(to.join(&name))?);
        let mut run = vec![0; RUN_BYTES];
        loop {
            let filled = fill(&mut source, &mut run)?;
            if filled == 0 {
                break;
            }
            runs += 1;
            if runs.is_multiple_of(RUNS_PER_CHANGE) {
                let mut new = vec![0; RUN_BYTES];
                fresh.read_exact(&mut new)?;
                out.write_all(&new)?;
                changed += RUN_BYTES as u64;
            }
            // In place of the old run, or before it.
            if !runs.is_multiple_of(RUNS_PER_CHANGE) || runs.is_multiple_of(2 * RUNS_PER_CHANGE) {
                out.write_all(&run[..filled])?;
            }
        }
        out.flush()?;
    }
    Ok(changed)
}

fn fill(source: &mut impl Read, run: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < run.len() {
        match source.read(&mut run[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads everything once, so that every candidate finds it in the page cache.
pub(crate) fn warm(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        std::io::copy(&mut File::open(entry?.path())?, &mut std::io::sink())?;
    }
    Ok(())
}
