//! Texts of publishers, peers and file names on their way to a terminal.
//!
//! What must stay true: nothing that is printed for people moves the cursor, sets colours or titles, turns the order of what
//! follows around, or hides that two names differ; lines and tabs stay.

use std::borrow::Cow;

/// The text with a mark in the place of each character that a terminal would act on.
pub fn harmless(text: &str) -> Cow<'_, str> {
    match text.contains(acts) {
        true => text.replace(acts, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// A name or a title: the same, and no line of its own begins in it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let acts = |c| acts(c) || matches!(c, '\n' | '\t' | '\u{2028}' | '\u{2029}');
    match text.contains(acts) {
        true => text.replace(acts, "\u{fffd}").into(),
        false => text.into(),
    }
}

fn acts(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || is_invisible(c)
}

/// Shows nothing, and changes what a reader believes to see: marks of direction (Unicode's annex 9), zero width. The
/// joiners U+200C and U+200D are none of these: Uyghur, Tibetan and emoji need them.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{00ad}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_terminal_acts_on_is_replaced() {
        for (text, shown) in [
            ("水文 1\n\tÅ é 👩‍🏫", "水文 1\n\tÅ é 👩‍🏫"),
            ("\u{1b}[31mred\u{1b}]0;title\u{7}", "\u{fffd}[31mred\u{fffd}]0;title\u{fffd}"),
            ("a\rb\u{9b}2J\u{7f}", "a\u{fffd}b\u{fffd}2J\u{fffd}"),
            ("gpj.\u{202e}exe\u{2066}", "gpj.\u{fffd}exe\u{fffd}"),
            ("\u{200e}a\u{200f}b\u{200b}c\u{feff}\u{61c}", "\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}"),
            ("می\u{200c}خواهم 👩\u{200d}🏫", "می\u{200c}خواهم 👩\u{200d}🏫"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn a_name_begins_no_line() {
        for (text, shown) in
            [("水文 1", "水文 1"), ("a\n错误：b\tc\u{2028}\u{1b}[2J", "a\u{fffd}错误：b\u{fffd}c\u{fffd}\u{fffd}[2J")]
        {
            assert_eq!(one_line(text), shown);
        }
    }
}
