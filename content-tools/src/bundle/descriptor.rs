//! The descriptor of a bundle: what it is, and that it is finished. Also its typed slots for signed documents.

use super::error::BundleError;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};
use std::path::Path;

/// Most documents and receipts in one bundle.
pub const SLOTS_MAX: usize = 1_024;
/// Largest document in a slot, in bytes: as large as the largest signed release.
pub const SLOT_BYTES_MAX: usize = 1 << 20;
/// Most part files: 64 TiB at the default length of a part.
pub(super) const PARTS_MAX: usize = 65_536;
/// Bytes of BLAKE3 behind the document.
const CHECK_LEN: usize = 32;

/// What a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Descriptor {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// Which request it answers: 32 bytes; the first 8 name the folder.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub id: [u8; 32],
    /// For whom it was made, as people read it.
    #[n(3)]
    pub site: Option<String>,
    /// BLAKE3 of the have-summary it was made from, when there was one.
    #[n(4)]
    pub summary: Option<minicbor::bytes::ByteVec>,
    /// The part files, in order: `part-0001.kpart` is the first.
    #[n(5)]
    pub parts: Vec<PartRow>,
    /// Chunks in it, pages included.
    #[n(6)]
    pub chunks: u64,
    /// Their stored bytes.
    #[n(7)]
    pub chunk_bytes: u64,
    /// Signed documents and receipts.
    #[n(8)]
    #[cbor(default)]
    pub slots: Vec<Slot>,
}

/// A part file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PartRow {
    /// Its bytes.
    #[n(0)]
    pub len: u64,
    /// BLAKE3 of them.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub hash: [u8; 32],
}

/// A signed document or receipt on its way. Types that this program does not know are carried and kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Slot {
    /// What it is.
    #[n(0)]
    pub kind: u32,
    /// Its bytes as signed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl Document for Descriptor {
    const NAME: &'static str = "bundle descriptor";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 8;
    const BYTES_MAX: usize = 16 << 20;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.parts.len() > PARTS_MAX {
            return Err(Self::invalid("too many parts"));
        }
        if self.parts.iter().any(|part| part.len > super::PART_BYTES_MAX) {
            return Err(Self::invalid("a part of 4 GiB or more"));
        }
        if self.slots.len() > SLOTS_MAX || self.slots.iter().any(|slot| slot.bytes.len() > SLOT_BYTES_MAX) {
            return Err(Self::invalid("too many or too large documents"));
        }
        Ok(())
    }
}

impl Descriptor {
    /// Largest descriptor file.
    pub(super) const FILE_BYTES_MAX: u64 = (Self::BYTES_MAX + CHECK_LEN) as u64;

    /// The file's bytes: the document and BLAKE3 over it.
    pub fn to_file(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    /// Reads a descriptor file's bytes; `path` is for errors.
    pub fn from_file(bytes: &[u8], path: &Path) -> Result<Self, BundleError> {
        let (document, check) = bytes.split_at(bytes.len().saturating_sub(CHECK_LEN));
        if blake3::hash(document).as_bytes() != check {
            return Err(BundleError::DamagedDescriptor { path: path.into() });
        }
        Self::from_bytes(document).map_err(|source| BundleError::Document { path: path.into(), source })
    }
}
