//! Why a container is cut like any other file.

/// What made a planner give up. The file is still packed, by its content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fallback {
    /// Too few bytes for a recipe to pay.
    #[error("too small for a recipe")]
    TooSmall,
    /// A header points behind the end of the file.
    #[error("a header points behind the end of the file")]
    Truncated,
    /// The structure is not what the format says.
    #[error("the structure is not valid")]
    Malformed,
    /// A variant that this version does not read.
    #[error("a variant that is not read here")]
    Unsupported,
    /// Two samples or members share bytes.
    #[error("samples or members overlap")]
    Overlap,
    /// More tracks than a recipe has streams.
    #[error("too many tracks")]
    TooManyTracks,
    /// Tables or structures beyond the limits of memory and time.
    #[error("its tables are too large")]
    TablesTooLarge,
    /// The recipe would cost more than 0.5 % of the file.
    #[error("the recipe would exceed 0.5 % of the file")]
    RecipeTooLarge,
    /// There is nothing to take apart.
    #[error("it has no samples")]
    Empty,
    /// The system refused to read.
    #[error("it cannot be read")]
    Unreadable,
    /// What the recipe rebuilds is not the file.
    #[error("its recipe does not rebuild it")]
    NotRebuilt,
}

impl Fallback {
    /// All reasons.
    const ALL: [Self; 11] = [
        Self::TooSmall,
        Self::Truncated,
        Self::Malformed,
        Self::Unsupported,
        Self::Overlap,
        Self::TooManyTracks,
        Self::TablesTooLarge,
        Self::RecipeTooLarge,
        Self::Empty,
        Self::Unreadable,
        Self::NotRebuilt,
    ];

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Its name in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooSmall => "too-small",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Overlap => "overlap",
            Self::TooManyTracks => "too-many-tracks",
            Self::TablesTooLarge => "tables-too-large",
            Self::RecipeTooLarge => "recipe-too-large",
            Self::Empty => "no-samples",
            Self::Unreadable => "unreadable",
            Self::NotRebuilt => "not-rebuilt",
        }
    }
}
