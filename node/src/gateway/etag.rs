//! Entity tags. A tag is made of the file's path and chunks (and how they take turns), so a file that a new version leaves alone keeps its tag
//! and a class that is watching goes on undisturbed.

use karez_content_tools::export::LoadError;
use karez_content_tools::pages::{File, Pages};

/// Hex digits kept of the hash: 128 bits.
const TAG_DIGITS: usize = 32;

/// The strong entity tag of a file, quotes included. Reads the pages that describe it.
pub(super) fn of(pages: &Pages<'_>, file: &File) -> Result<String, LoadError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(file.head.path.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(file.head.media_type.as_bytes());
    pages.fingerprint(file, |bytes| {
        hasher.update(bytes);
    })?;
    Ok(format!("\"{}\"", &hasher.finalize().to_hex()[..TAG_DIGITS]))
}

/// Whether an `If-None-Match` names the tag (weak comparison, RFC 9110, 13.1.2).
pub(super) fn is_named(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        for (header, named) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"x\", \"a\"", true),
            ("*", true),
            ("\"x\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(is_named(header, "\"a\""), named, "{header}");
        }
    }
}
