//! What a collection is made of: chunks, manifests, releases, and the map from byte ranges to chunks.
//!
//! Every format carries a [`Header`] with version and suite. Documents travel and are stored as the bytes that were
//! received, so fields that this version does not know are kept; fields named `critical` must be known or the document
//! is refused.

pub mod chunk;
pub mod chunk_set;
pub mod cut_profile;
pub mod hash;
pub mod layout;
pub mod manifest;
pub mod name;
pub mod path;
pub mod recipe;
pub mod release;

use minicbor::{Decode, Encode};

/// The suite of algorithms a document was made with: BLAKE3-256 ids, zstd, Ed25519, CBOR (RFC 8949).
pub const SUITE: u8 = 1;

/// First field of every document: what is needed to know whether the rest can be understood.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// Format version of this document type, starting at 1.
    #[n(0)]
    pub format: u16,
    /// Algorithm suite, see [`SUITE`].
    #[n(1)]
    pub suite: u8,
    /// Indexes of fields of the enclosing map that a reader must understand. Normally empty.
    #[n(2)]
    #[cbor(default)]
    pub critical: Vec<u16>,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum DocumentError {
    /// The bytes are not the CBOR shape that this document has.
    #[error("malformed {document}: {detail}")]
    Malformed {
        /// Which document.
        document: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// Another algorithm suite.
    #[error("{document} uses algorithm suite {found}, this program knows {SUITE}: update Karez")]
    UnknownSuite {
        /// Which document.
        document: &'static str,
        /// The suite found.
        found: u8,
    },
    /// A field that must be understood is not.
    #[error("{document} needs field {field}, which this program does not know: update Karez")]
    UnknownCritical {
        /// Which document.
        document: &'static str,
        /// The unknown field's index.
        field: u16,
    },
    /// The document is larger than its type may be.
    #[error("{document} has {found} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Which document.
        document: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The values contradict each other or break a rule.
    #[error("invalid {document}: {detail}")]
    Invalid {
        /// Which document.
        document: &'static str,
        /// The rule that is broken.
        detail: String,
    },
}

/// A document type: its name, limits and how to read it from untrusted bytes.
pub trait Document: Sized + Encode<()> + for<'b> Decode<'b, ()> {
    /// Name used in errors.
    const NAME: &'static str;
    /// Format version this program writes.
    const FORMAT: u16;
    /// Highest field index known at this format.
    const FIELD_MAX: u16;
    /// Largest encoded size accepted, in bytes.
    const BYTES_MAX: usize;

    /// The document's header.
    fn header(&self) -> &Header;

    /// Rules beyond the shape; called on every decode.
    fn validate(&self) -> Result<(), DocumentError>;

    /// A header for a document written now.
    fn new_header() -> Header {
        Header { format: Self::FORMAT, suite: SUITE, critical: Vec::new() }
    }

    /// Encodes the document.
    fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("encoding into memory cannot fail")
    }

    /// Reads a document from untrusted bytes: size, shape, version, suite, critical fields, rules, nothing behind it.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(DocumentError::TooLarge { document: Self::NAME, found: bytes.len(), limit: Self::BYTES_MAX });
        }
        let malformed = |detail: String| DocumentError::Malformed { document: Self::NAME, detail };
        let mut decoder = minicbor::Decoder::new(bytes);
        let value: Self = decoder.decode().map_err(|e| malformed(e.to_string()))?;
        if decoder.position() != bytes.len() {
            return Err(malformed(format!("{} bytes behind its end", bytes.len() - decoder.position())));
        }
        let header = value.header();
        if header.format == 0 {
            return Err(malformed("format versions start at 1".into()));
        }
        if header.suite != SUITE {
            return Err(DocumentError::UnknownSuite { document: Self::NAME, found: header.suite });
        }
        // A newer format is fine as long as everything it adds may be ignored.
        if let Some(field) = header.critical.iter().find(|f| **f > Self::FIELD_MAX) {
            return Err(DocumentError::UnknownCritical { document: Self::NAME, field: *field });
        }
        value.validate()?;
        Ok(value)
    }

    /// An error of this document type.
    fn invalid(detail: impl Into<String>) -> DocumentError {
        DocumentError::Invalid { document: Self::NAME, detail: detail.into() }
    }
}
