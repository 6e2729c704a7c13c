//! The `Range` header (RFC 9110, 14.2): one range of bytes. Several ranges at once may be ignored, and are.

use std::ops::Range;

/// What a request wants of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: no header, or one that may be ignored.
    Whole,
    /// These bytes; never empty, never past the end.
    Part(Range<u64>),
    /// Nothing of what is asked for lies in the file.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes.
pub(super) fn parse(header: &str, size: u64) -> Wanted {
    match one_range(header) {
        Some((None, Some(suffix))) => within(size.saturating_sub(suffix)..size),
        Some((Some(first), None)) => within(first..size),
        Some((Some(first), Some(last))) if first <= last => within(first..last.saturating_add(1).min(size)),
        _ => Wanted::Whole,
    }
}

fn within(range: Range<u64>) -> Wanted {
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Unsatisfiable }
}

/// First and last position of the only range, either of which may be left out; `None` where the header is to be ignored.
fn one_range(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    Some((position(first)?, position(last)?))
}

/// Digits or nothing. A number too large for the machine is behind every end.
fn position(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Wanted::{Part, Unsatisfiable, Whole};

    #[test]
    fn ranges_of_a_file_of_ten_bytes() {
        let rows = [
            ("bytes=0-3", Part(0..4)),
            ("bytes=3-3", Part(3..4)),
            ("bytes=0-", Part(0..10)),
            ("bytes=9-", Part(9..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-99", Part(0..10)),
            ("bytes=4-99", Part(4..10)),
            ("bytes=4-99999999999999999999999", Part(4..10)),
            ("Bytes = 0-3", Part(0..4)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=4-3", Whole),
            ("bytes=0-3,5-6", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-3", Whole),
            ("bytes=0x1-3", Whole),
            ("bytes", Whole),
            ("items=0-3", Whole),
            ("", Whole),
        ];
        for (header, wanted) in rows {
            assert_eq!(parse(header, 10), wanted, "{header:?}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(parse(header, 0), Unsatisfiable, "{header}");
        }
    }
}
