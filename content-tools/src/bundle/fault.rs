//! What is wrong with records of a bundle: stable codes for programs, English texts for logs; for people the locales have
//! them.

/// Why records were left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The header of a part is another one's, or damaged.
    #[error("this part belongs to another bundle or place, or its beginning is damaged")]
    Part,
    /// A part cannot be read at all.
    #[error("this part cannot be read: {0}")]
    PartUnreadable(String),
    /// A part is shorter than the descriptor says.
    #[error("the part ends early")]
    PartShort,
    /// Bytes in which no record was found.
    #[error("damaged bytes")]
    Bytes,
    /// The medium does not give the bytes of a record.
    #[error("the medium does not give the bytes")]
    Unreadable,
    /// A release whose bytes are not those of its record.
    #[error("damaged release")]
    Release,
    /// More releases than are looked at.
    #[error("too many releases in one bundle")]
    TooManyReleases,
    /// A release that is not signed as it should be, or whose root page is wrong.
    #[error("release refused: {0}")]
    ReleaseRefused(String),
    /// A page that no accepted release before it names.
    #[error("page is not named by an accepted release before it")]
    PageUnnamed,
    /// A page that decodes to no page.
    #[error("page breaks the rules of pages")]
    PageRules,
    /// Chunks that no page names: the one before them is damaged or missing.
    #[error("chunks are not named by the page before them")]
    ChunksUnnamed,
    /// A chunk with another plain length than its row.
    #[error("chunk comes with another length than its manifest says")]
    ChunkLength,
    /// A page or chunk whose bytes are not those that it stands for.
    #[error("damaged page or chunk")]
    Chunk,
}

impl Fault {
    /// Its name in `--json`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::PartUnreadable(_) => "part_unreadable",
            Self::PartShort => "part_short",
            Self::Bytes => "bytes",
            Self::Unreadable => "unreadable",
            Self::Release => "release",
            Self::TooManyReleases => "too_many_releases",
            Self::ReleaseRefused(_) => "release_refused",
            Self::PageUnnamed => "page_unnamed",
            Self::PageRules => "page_rules",
            Self::ChunksUnnamed => "chunks_unnamed",
            Self::ChunkLength => "chunk_length",
            Self::Chunk => "chunk",
        }
    }
}
