//! The have-summary: what a site holds, in a file small enough for a mail or a stick.

use super::error::BundleError;
use super::folder;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};
use std::path::Path;

/// Most releases in a summary.
const HELD_MAX: usize = 4_096;

/// What a site holds. Untrusted: a wrong one makes a bundle that lacks something, never a wrong one.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct HaveSummary {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// The network.
    #[n(1)]
    pub network: NetworkId,
    /// The site, as people read it.
    #[n(2)]
    pub site: String,
    /// What it holds.
    #[n(3)]
    pub held: Vec<SiteHeld>,
}

/// A release that a site holds.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SiteHeld {
    /// The collection.
    #[n(0)]
    pub collection: CollectionName,
    /// Its version.
    #[n(1)]
    pub version: u64,
    /// Indexes of the chunks held; absent when all are.
    #[n(2)]
    pub chunks: Option<ChunkSet>,
}

impl Document for HaveSummary {
    const NAME: &'static str = "have-summary";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 3;
    const BYTES_MAX: usize = 1 << 20;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.held.len() > HELD_MAX || self.site.len() > 1_024 {
            return Err(Self::invalid("it is too long"));
        }
        Ok(())
    }
}

impl HaveSummary {
    /// A summary that fits its size: have-maps of unfinished releases are left out, the largest first, when it does not.
    pub fn new(network: NetworkId, site: String, mut held: Vec<SiteHeld>) -> Self {
        held.truncate(HELD_MAX);
        let size = |held: &SiteHeld| held.chunks.as_ref().map_or(0, |chunks| chunks.to_bytes().len());
        held.sort_by_key(size);
        let fixed = 1_024 + site.len() + held.len() * 160;
        let mut room = Self::BYTES_MAX.saturating_sub(fixed);
        held.retain(|held| {
            let fits = size(held) <= room;
            room = room.saturating_sub(size(held));
            fits
        });
        held.sort_by(|a, b| (&a.collection, a.version).cmp(&(&b.collection, b.version)));
        Self { header: Self::new_header(), network, site, held }
    }

    /// Reads a summary file.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let bytes = folder::read_plain(path, Self::BYTES_MAX as u64)?;
        Self::from_bytes(&bytes).map_err(|source| BundleError::Document { path: path.into(), source })
    }

    /// Writes a summary file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), BundleError> {
        folder::replace(path, &self.to_bytes())
    }
}
