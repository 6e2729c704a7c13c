//! The gate every chunk passes before it is stored or served. No I/O.
//!
//! What must stay true: a [`VerifiedChunk`] exists only for bytes that were checked here (or sealed here from plaintext),
//! no decoder sees bytes whose check was not compared first, and no decoder writes more than the signed plain length.

use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use std::borrow::Cow;
use std::cell::RefCell;

/// zstd level of chunks: above 3 the time grows far faster than the saving, and the flagship packs once for all.
const ZSTD_LEVEL: i32 = 3;
/// Compression must save one part in this many (4 %) to be worth a decode at every reader.
const SAVING_PARTS: usize = 25;

/// Bytes of a chunk that were checked against its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChunk {
    entry: ChunkEntry,
    stored: Vec<u8>,
}

/// A chunk sealed from plaintext in memory; raw ones borrow it, so that packing copies nothing.
#[derive(Debug, Clone)]
pub struct SealedChunk<'a> {
    entry: ChunkEntry,
    stored: Cow<'a, [u8]>,
}

impl SealedChunk<'_> {
    pub(crate) fn into_row(self) -> SealedRow {
        let frame = match self.stored {
            Cow::Owned(frame) => Some(frame),
            Cow::Borrowed(_) => None,
        };
        SealedRow { entry: self.entry, frame }
    }

    /// The chunk as a row of a chunk table, in the encoding it has here.
    pub fn entry(&self) -> ChunkEntry {
        self.entry
    }

    /// The stored bytes.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }
}

/// A sealed chunk without the plaintext it may borrow: crosses threads beside it.
#[derive(Debug)]
pub(crate) struct SealedRow {
    entry: ChunkEntry,
    frame: Option<Vec<u8>>,
}

impl SealedRow {
    /// The chunk again; `plain` is what it was sealed from.
    pub(crate) fn with_plain<'a>(&'a self, plain: &'a [u8]) -> SealedChunk<'a> {
        SealedChunk { entry: self.entry, stored: Cow::Borrowed(self.frame.as_deref().unwrap_or(plain)) }
    }

    /// Whether compression was worth it.
    pub(crate) fn is_compressed(&self) -> bool {
        self.frame.is_some()
    }
}

/// In which way received bytes are not the chunk.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum VerifyError {
    /// The row itself breaks the rules of a chunk table.
    #[error("the lengths of chunk {chunk} in its manifest contradict each other")]
    Inconsistent {
        /// The chunk of the row.
        chunk: ChunkId,
    },
    /// An encoding that may not stand in for the manifest's.
    #[error("chunk {chunk} came in an encoding that its manifest does not name")]
    Codec {
        /// The chunk of the row.
        chunk: ChunkId,
    },
    /// More or fewer stored bytes than the row says.
    #[error("chunk {chunk} came with {found} bytes, {expected} were announced")]
    Length {
        /// The chunk of the row.
        chunk: ChunkId,
        /// Bytes the row promises.
        expected: u32,
        /// Bytes received.
        found: usize,
    },
    /// The stored bytes differ from the publisher's.
    #[error("the stored bytes of chunk {chunk} are not the publisher's")]
    Check {
        /// The chunk of the row.
        chunk: ChunkId,
    },
    /// The stored bytes pass the check and still do not decode to the plain length.
    #[error("chunk {chunk} does not decode to its plain length")]
    Decode {
        /// The chunk of the row.
        chunk: ChunkId,
    },
    /// The plaintext has another identity.
    #[error("the plaintext of chunk {chunk} has another identity")]
    Id {
        /// The chunk of the row.
        chunk: ChunkId,
    },
}

/// A plaintext that cannot be a chunk: empty, or longer than [`PLAIN_BYTES_MAX`].
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("a chunk has 1 to {PLAIN_BYTES_MAX} bytes, not {found}")]
pub struct SealError {
    /// Bytes given.
    pub found: usize,
}

impl VerifiedChunk {
    /// Identity of the plaintext.
    pub fn id(&self) -> ChunkId {
        self.entry.id
    }

    /// Encoding of the stored bytes.
    pub fn codec(&self) -> Codec {
        self.entry.codec
    }

    /// Plaintext bytes.
    pub fn plain_len(&self) -> u32 {
        self.entry.plain_len
    }

    /// The chunk as a row of a chunk table, in the encoding it has here.
    pub fn entry(&self) -> ChunkEntry {
        self.entry
    }

    /// The stored bytes.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The plaintext: borrowed when the chunk is raw, decoded anew otherwise.
    pub fn plain(&self) -> Result<Cow<'_, [u8]>, VerifyError> {
        match self.entry.codec {
            Codec::Raw => Ok(Cow::Borrowed(&self.stored)),
            Codec::Zstd => decode(&self.entry.id, &self.stored, self.entry.plain_len).map(Cow::Owned),
        }
    }
}

/// Checks bytes received in encoding `codec` against a row of a signed manifest.
///
/// In the manifest's own encoding: length, then check, then decoding capped at the plain length, then identity. Raw bytes
/// of a chunk that the manifest lists compressed (the sender holds it in another encoding): length, then identity.
pub fn verify(entry: &ChunkEntry, codec: Codec, stored: Vec<u8>) -> Result<VerifiedChunk, VerifyError> {
    let chunk = entry.id;
    if !entry.is_consistent() {
        return Err(VerifyError::Inconsistent { chunk });
    }
    let expected = match (codec, entry.codec) {
        (same, named) if same == named => entry.stored_len,
        (Codec::Raw, _) => entry.plain_len,
        _ => return Err(VerifyError::Codec { chunk }),
    };
    if stored.len() != expected as usize {
        return Err(VerifyError::Length { chunk, expected, found: stored.len() });
    }
    match codec {
        Codec::Raw => verify_raw(entry, stored),
        Codec::Zstd => verify_zstd(entry, stored),
    }
}

fn verify_raw(entry: &ChunkEntry, stored: Vec<u8>) -> Result<VerifiedChunk, VerifyError> {
    let chunk = entry.id;
    if ChunkId::of(&stored) != chunk {
        return Err(VerifyError::Id { chunk });
    }
    let raw = raw_entry(chunk, stored.len() as u32);
    if entry.codec == Codec::Raw && entry.check != raw.check {
        return Err(VerifyError::Check { chunk });
    }
    Ok(VerifiedChunk { entry: raw, stored })
}

fn verify_zstd(entry: &ChunkEntry, stored: Vec<u8>) -> Result<VerifiedChunk, VerifyError> {
    let chunk = entry.id;
    if StoredCheck::of(&stored) != entry.check {
        return Err(VerifyError::Check { chunk });
    }
    let plain = decode(&chunk, &stored, entry.plain_len)?;
    if ChunkId::of(&plain) != chunk {
        return Err(VerifyError::Id { chunk });
    }
    Ok(VerifiedChunk { entry: *entry, stored })
}

/// Row of a raw chunk. Stored bytes and plaintext are the same, so the check is the first half of the id: no second hash.
/// The row of a raw chunk, which its id and length say all of.
pub(crate) fn raw_entry(id: ChunkId, len: u32) -> ChunkEntry {
    let mut first = [0; 16];
    first.copy_from_slice(&id.as_bytes()[..16]);
    ChunkEntry { id, codec: Codec::Raw, plain_len: len, stored_len: len, check: StoredCheck(first) }
}

/// Makes a chunk of a plaintext, compressed when `compress` is set and it saves at least 4 %.
pub fn seal(plain: &[u8], compress: bool) -> Result<VerifiedChunk, SealError> {
    if plain.is_empty() || plain.len() > PLAIN_BYTES_MAX as usize {
        return Err(SealError { found: plain.len() });
    }
    let sealed = seal_hashed(ChunkId::of(plain), plain, compress);
    Ok(VerifiedChunk { entry: sealed.entry, stored: sealed.stored.into_owned() })
}

/// [`seal`] for a caller that has just hashed `plain` (1 to [`PLAIN_BYTES_MAX`] bytes) itself.
pub(crate) fn seal_hashed(id: ChunkId, plain: &[u8], compress: bool) -> SealedChunk<'_> {
    let mut entry = raw_entry(id, plain.len() as u32);
    let stored = match compress.then(|| compressed(plain)).flatten() {
        Some(smaller) => {
            entry.codec = Codec::Zstd;
            entry.stored_len = smaller.len() as u32;
            entry.check = StoredCheck::of(&smaller);
            Cow::Owned(smaller)
        }
        None => Cow::Borrowed(plain),
    };
    SealedChunk { entry, stored }
}

thread_local! {
    /// Contexts are some hundred KiB each: one per thread instead of one per chunk.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One zstd frame, if it is at least 4 % smaller. Running out of memory in zstd counts as "not smaller".
fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        let frame = slot.as_mut()?.compress(plain).ok()?;
        (frame.len() + plain.len().div_ceil(SAVING_PARTS) <= plain.len()).then_some(frame)
    })
}

/// Decodes one zstd frame into exactly `plain_len` bytes; the buffer never grows beyond that.
pub(crate) fn decode(chunk: &ChunkId, stored: &[u8], plain_len: u32) -> Result<Vec<u8>, VerifyError> {
    let failed = VerifyError::Decode { chunk: *chunk };
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Decompressor::new().ok();
        }
        let decoder = slot.as_mut().ok_or(failed)?;
        let plain = decoder.decompress(stored, plain_len as usize).map_err(|_| failed)?;
        if plain.len() == plain_len as usize { Ok(plain) } else { Err(failed) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u8> {
        b"karez: water for N villages from 1 spring. ".repeat(200)
    }

    #[test]
    fn honest_chunks_pass_in_both_encodings() {
        let plain = text();
        let sealed = seal(&plain, true).unwrap();
        assert_eq!(sealed.codec(), Codec::Zstd);
        let entry = sealed.entry();
        let same = verify(&entry, Codec::Zstd, sealed.stored().to_vec()).unwrap();
        assert_eq!(same.plain().unwrap(), plain);
        let raw = verify(&entry, Codec::Raw, plain.clone()).unwrap();
        assert_eq!((raw.codec(), raw.plain_len() as usize), (Codec::Raw, plain.len()));
        assert!(raw.entry().is_consistent());
    }

    #[test]
    fn noise_and_tiny_chunks_stay_raw() {
        let mut noise = vec![0; 5000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for plain in [noise.as_slice(), b"x"] {
            let sealed = seal(plain, true).unwrap();
            assert_eq!((sealed.codec(), sealed.stored()), (Codec::Raw, plain));
            assert_eq!(sealed.entry().check, StoredCheck::of(plain));
        }
        assert_eq!(seal(b"", true), Err(SealError { found: 0 }));
        assert!(seal(&vec![0; (1 << 20) + 1], true).is_err());
    }

    /// Every kind of lie has its own verdict.
    #[test]
    fn lies() {
        let plain = text();
        let sealed = seal(&plain, true).unwrap();
        let (entry, stored) = (sealed.entry(), sealed.stored().to_vec());
        let raw_row = seal(&plain, false).unwrap().entry();
        let chunk = entry.id;
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let row_of = |frame: &[u8], plain_len: u32| ChunkEntry {
            plain_len,
            stored_len: frame.len() as u32,
            check: StoredCheck::of(frame),
            ..entry
        };
        let other = zstd::bulk::compress(&vec![7; plain.len()], 3).unwrap();
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        let rows: Vec<(&str, ChunkEntry, Codec, Vec<u8>, VerifyError)> = vec![
            ("first bit", entry, Codec::Zstd, flipped(&stored, 0), VerifyError::Check { chunk }),
            ("last bit", entry, Codec::Zstd, flipped(&stored, stored.len() - 1), VerifyError::Check { chunk }),
            ("raw flip", entry, Codec::Raw, flipped(&plain, 17), VerifyError::Id { chunk }),
            ("zeros", raw_row, Codec::Raw, vec![0; plain.len()], VerifyError::Id { chunk }),
            ("empty", entry, Codec::Zstd, vec![], VerifyError::Length { chunk, expected: entry.stored_len, found: 0 }),
            (
                "short",
                raw_row,
                Codec::Raw,
                plain[1..].to_vec(),
                VerifyError::Length { chunk, expected: entry.plain_len, found: plain.len() - 1 },
            ),
            ("zstd for raw", raw_row, Codec::Zstd, stored.clone(), VerifyError::Codec { chunk }),
            (
                "bad row",
                ChunkEntry { plain_len: 0, ..entry },
                Codec::Zstd,
                stored.clone(),
                VerifyError::Inconsistent { chunk },
            ),
            ("signed bomb", row_of(&bomb, 1 << 20), Codec::Zstd, bomb.clone(), VerifyError::Decode { chunk }),
            ("no frame", row_of(&[9; 40], 1000), Codec::Zstd, vec![9; 40], VerifyError::Decode { chunk }),
            ("other plain", row_of(&other, entry.plain_len), Codec::Zstd, other.clone(), VerifyError::Id { chunk }),
            (
                "too little",
                row_of(&stored, entry.plain_len + 1),
                Codec::Zstd,
                stored.clone(),
                VerifyError::Decode { chunk },
            ),
            (
                "wrong raw check",
                ChunkEntry { check: entry.check, ..raw_row },
                Codec::Raw,
                plain,
                VerifyError::Check { chunk },
            ),
        ];
        for (lie, row, codec, bytes, verdict) in rows {
            assert_eq!(verify(&row, codec, bytes), Err(verdict), "{lie}");
        }
    }
}
