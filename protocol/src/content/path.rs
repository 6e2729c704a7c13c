//! Paths of files inside a collection. File names are data from strangers: what is a safe path is decided here, once.

use std::fmt;
use std::str::FromStr;

/// Longest path, in bytes of UTF-8.
pub const PATH_BYTES_MAX: usize = 1024;
/// Longest component, in bytes of UTF-8 (what Linux file systems take).
pub const COMPONENT_BYTES_MAX: usize = 255;

/// A relative path of plain components joined by `/`: never absolute, never leaving its folder, kept exactly as given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentPath(String);

/// Why a text is not a content path.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum PathError {
    /// Empty, or a component is empty (`a//b`, `/a`, `a/`).
    #[error("the path has an empty component")]
    Empty,
    /// `.` or `..`.
    #[error("the path has a '.' or '..' component")]
    Dots,
    /// A control character or NUL.
    #[error("the path has a control character")]
    Control,
    /// Longer than [`PATH_BYTES_MAX`] or a component longer than [`COMPONENT_BYTES_MAX`].
    #[error("the path is longer than {PATH_BYTES_MAX} bytes or a name in it longer than {COMPONENT_BYTES_MAX}")]
    TooLong,
}

impl ContentPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components in order.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for ContentPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        for component in text.split('/') {
            match component {
                "" => return Err(PathError::Empty),
                "." | ".." => return Err(PathError::Dots),
                c if c.len() > COMPONENT_BYTES_MAX => return Err(PathError::TooLong),
                c if c.chars().any(char::is_control) => return Err(PathError::Control),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

super::name::cbor_as_text!(ContentPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_paths_are_kept_exactly_and_others_refused() {
        for good in ["第一课/导入.mp4", "a", "a b/c…", ".hidden", "..."] {
            assert_eq!(good.parse::<ContentPath>().map(|p| p.to_string()), Ok(good.to_owned()));
        }
        let long = "x".repeat(256);
        for bad in ["", "/etc/passwd", "a//b", "a/", "../x", "a/../b", "./a", "a\0b", "a\nb", &long] {
            assert!(bad.parse::<ContentPath>().is_err(), "{bad:?}");
        }
    }
}
