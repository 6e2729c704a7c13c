//! In which language a browser wants its pages.

use karez_content_tools::speech::Lang;

/// The first of our languages in an `Accept-Language` (RFC 9110, 12.5.4), by weight; English without.
pub(super) fn asked(header: &str) -> Lang {
    let mut best = (0, Lang::En);
    for entry in header.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let Some(lang) = parts.next().and_then(Lang::of) else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        if weight > best.0 {
            best = (weight, lang);
        }
    }
    best.1
}

/// A weight between 0 and 1; what is none counts as none.
fn thousandths(text: &str) -> u32 {
    text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight)).map_or(0, |weight| (weight * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_weight_and_then_by_order() {
        for (header, lang) in [
            ("", Lang::En),
            ("*", Lang::En),
            ("de", Lang::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("en-US,zh;q=0.9", Lang::En),
            ("de, en;q=0.3, zh-TW;q=0.7", Lang::Zh),
            ("zh;q=0, en;q=0.1", Lang::En),
            ("zh;q=x", Lang::En),
            ("zh", Lang::Zh),
        ] {
            assert_eq!(asked(header), lang, "{header}");
        }
    }
}
