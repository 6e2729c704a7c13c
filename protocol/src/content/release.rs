//! The release: the signed pointer to one version of a collection.

use super::hash::{ManifestId, ReleaseId};
use super::name::CollectionName;
use super::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};

/// Highest version: what JSON numbers and SQLite integers hold exactly.
pub const VERSION_MAX: u64 = 1 << 53;

/// What a publisher signs: this manifest is version so-and-so of my collection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Release {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// The collection.
    #[n(1)]
    pub collection: CollectionName,
    /// Version, from 1, growing by 1.
    #[n(2)]
    pub version: u64,
    /// The manifest's root page.
    #[n(3)]
    pub manifest: ManifestId,
    /// Encoded bytes of the root page.
    #[n(4)]
    pub root_len: u32,
    /// Sum of file sizes, in bytes.
    #[n(5)]
    pub plain_bytes: u64,
    /// Stored bytes of the unique chunks, pages included.
    #[n(6)]
    pub stored_bytes: u64,
    /// Of these, bytes that the version before did not have.
    #[n(7)]
    pub new_bytes: u64,
    /// When it was issued, in seconds of Unix time; shown to people, never used for ordering.
    #[n(8)]
    pub issued: u64,
    /// The manifest of the version before.
    #[n(9)]
    pub supersedes: Option<ManifestId>,
}

impl Release {
    /// The release's id: BLAKE3, derive-key mode, of collection, NUL, version (8 bytes, little-endian) and manifest id.
    ///
    /// Not the manifest's own id, because two collections, or two versions, may hold the same.
    pub fn id(&self) -> ReleaseId {
        let mut hasher = blake3::Hasher::new_derive_key("karez 2026-11 release id v1");
        hasher.update(self.collection.to_string().as_bytes()).update(&[0]);
        hasher.update(&self.version.to_le_bytes()).update(self.manifest.as_bytes());
        ReleaseId::from_bytes(*hasher.finalize().as_bytes())
    }
}

impl Document for Release {
    const NAME: &'static str = "release";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 9;
    const BYTES_MAX: usize = 16 << 10;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.version == 0 || self.version > VERSION_MAX {
            return Err(Self::invalid("versions go from 1 to 2^53"));
        }
        if self.root_len as usize > super::manifest::ManifestRoot::BYTES_MAX {
            return Err(Self::invalid("its manifest is too large"));
        }
        Ok(())
    }
}
