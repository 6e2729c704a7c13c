//! Figures as people read them: decimal sizes as disks are sold, rates in Mbit/s as links are sold.

use karez_content_tools::speech::Texts;

/// A size: `0 B`, `12.3 MB`, `1.2 GB`.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, &["B", "kB", "MB", "GB", "TB"])
}

/// A rate of so many bytes a second: `18.4 Mbit/s`.
pub(super) fn rate(bytes_per_second: u64) -> String {
    scaled(bytes_per_second as f64 * 8.0, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s"])
}

fn scaled(value: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (value, 0);
    // 999.95 would be shown as 1000.0 of the smaller unit.
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match (unit, value) {
        (0, _) => format!("{value:.0} {}", units[0]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// A share in percent, rounded down: 100 means all of it.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        _ => (u128::from(part) * 100 / u128::from(whole)).min(100) as u64,
    }
}

/// A time span with its two largest units.
pub(super) fn duration(texts: &Texts, seconds: u64) -> String {
    let say = |key: &str, large: u64, small: u64| texts.say(key, &[("large", large.into()), ("small", small.into())]);
    match seconds {
        0..60 => texts.say("duration-seconds", &[("seconds", seconds.into())]),
        60..3600 => say("duration-minutes", seconds / 60, seconds % 60),
        3600..86400 => say("duration-hours", seconds / 3600, seconds % 3600 / 60),
        _ => say("duration-days", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Lang, texts};

    #[test]
    fn sizes_are_decimal() {
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (256_000_000_000, "256.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn rates_are_in_bits() {
        for (value, text) in [(0, "0 bit/s"), (16_000, "128.0 kbit/s"), (2_500_000, "20.0 Mbit/s")] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn all_is_all_and_nothing_less() {
        for (part, whole, shown) in [(0, 0, 0), (1, 3, 33), (999, 1000, 99), (5, 5, 100), (u64::MAX, u64::MAX, 100)] {
            assert_eq!(percent(part, whole), shown);
        }
    }

    #[test]
    fn durations_in_both_languages() {
        let (zh, en) = (texts(Lang::Zh), texts(Lang::En));
        for (seconds, chinese, english) in [
            (0, "0 秒", "0 s"),
            (59, "59 秒", "59 s"),
            (61, "1 分 1 秒", "1 min 1 s"),
            (7_260, "2 小时 1 分", "2 h 1 min"),
            (90_000, "1 天 1 小时", "1 d 1 h"),
        ] {
            assert_eq!([duration(&zh, seconds), duration(&en, seconds)], [chinese, english]);
        }
    }
}
