//! What a container's structure adds to cutting.
//!
//! What must stay true: a plan never changes what a file is, only where it is cut; the extents of a plan, one behind the
//! other, are the whole file, so putting it together again cannot lose or invent a byte.

use karez_protocol::content::recipe::Extent;

/// How a file is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// In file order; chunks also end at these offsets, which ascend.
    Linear {
        /// Offsets from the first byte of the file.
        cuts: Vec<u64>,
    },
    /// Taken apart into streams, each cut on its own. The file is its extents, one behind the other.
    Streams {
        /// In file order, each the next bytes of its stream.
        extents: Vec<Extent>,
    },
}

impl Plan {
    /// Content alone decides.
    pub fn plain() -> Self {
        Self::Linear { cuts: Vec::new() }
    }
}
