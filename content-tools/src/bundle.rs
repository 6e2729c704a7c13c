//! Courier bundles: releases, manifest pages and chunks on a stick, for a site that the network does not reach well
//! (`docs/formats/bundle.md`).
//!
//! What must stay true:
//! - a bundle names no file: its parts are found by number, so there is no name to climb out with; nothing but plain files
//!   is opened, and no link is followed;
//! - the descriptor is written last, so a bundle that has none is unfinished;
//! - the reader holds one release and one page in memory, whatever the bundle claims: a chunk is taken only when the page
//!   before it names it, and a page only when the release before it does;
//! - nothing gets into a store but through [`verify`](crate::verify).
//!
//! Decided against: an index of chunk ids (at 20 million chunks it is a gigabyte to read first; pages stand before their
//! chunks and tell the same), and one file per chunk (exFAT takes a cluster of 128 KiB for each).

mod descriptor;
mod error;
mod fault;
mod folder;
mod lacking;
mod reader;
mod record;
mod scan;
mod summary;
mod writer;

pub use descriptor::{Descriptor, PartRow, SLOT_BYTES_MAX, SLOTS_MAX, Slot};
pub use error::BundleError;
pub use fault::Fault;
pub use folder::find;
pub use reader::{Damage, ImportProgress, ImportReport, Offered, import};
pub use summary::{HaveSummary, SiteHeld};
pub use writer::{ExportProgress, ExportReport, ExportRequest, PART_BYTES, PART_BYTES_MAX, export};

#[cfg(test)]
mod tests;
