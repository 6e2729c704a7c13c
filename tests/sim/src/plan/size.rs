//! Byte counts as people write them: units are binary.

/// Bytes from `65536`, `64K`, `64M` or `1G`.
pub fn parse(text: &str) -> Option<u64> {
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in
            [("65536", Some(65_536)), ("64K", Some(65_536)), ("2m", Some(2 << 20)), ("", None), ("much", None)]
        {
            assert_eq!(super::parse(text), bytes, "{text}");
        }
    }
}
