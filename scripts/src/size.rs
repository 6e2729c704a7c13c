//! Byte counts as people write and read them: `64M` in, `64.0 MiB` out; units are binary.

use anyhow::{Context, Result, bail};

/// Bytes from `65536`, `64K`, `64M` or `1G`.
pub(crate) fn parse(text: &str) -> Result<u64> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, shift) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 10),
        Some('m' | 'M') => (&text[..text.len() - 1], 20),
        Some('g' | 'G') => (&text[..text.len() - 1], 30),
        Some(_) => (text, 0),
        None => bail!("a size such as 64M is needed"),
    };
    let count: u64 = digits.parse().with_context(|| format!("{text}: not a size such as 64M"))?;
    count.checked_mul(1 << shift).with_context(|| format!("{text}: too large"))
}

pub(crate) fn show(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_binary() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(super::parse(text).ok(), bytes, "{text}");
        check("65536", Some(65536));
        check("64K", Some(65536));
        check("2MiB", Some(2 << 20));
        check("1g", Some(1 << 30));
        check("", None);
        check("much", None);
        check("99999999999G", None);
        assert_eq!(super::show(1536), "1.5 KiB");
    }
}
