//! Lines of Chinese help on a terminal: clap breaks lines at spaces, which Chinese does not have.
//!
//! What must stay true: a line begins with no closing mark and ends with no opening one, words of letters stay whole, and
//! what goes on stands under where it began.

use unicode_width::UnicodeWidthChar as _;

/// No line begins with these.
const CLOSING: &str = "，。、；：！？）”’》】…·]),.;:!?%";
/// No line ends with these.
const OPENING: &str = "（“‘《【[(";

/// Breaks lines that are longer than so many cells.
pub(super) fn wrapped(text: &str, cells: usize) -> String {
    text.lines().map(|line| wrap(line, cells) + "\n").collect()
}

/// A text in at most so many cells; where it is longer, its beginning and a mark. Chinese characters take two.
pub fn cut(text: &str, cells: usize) -> String {
    let width = |text: &str| text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    if width(text) <= cells {
        return text.into();
    }
    let mut at = 0;
    let fits = |c: &char| {
        at += c.width().unwrap_or(0);
        at < cells
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Characters that stay together, and their cells.
#[derive(Default)]
struct Unit {
    text: String,
    cells: usize,
    /// Of these, spaces at the end: nothing when the line ends here.
    spaces: usize,
}

fn wrap(line: &str, cells: usize) -> String {
    let indent = hanging(line);
    let (mut out, mut at) = (String::new(), 0);
    for unit in units(line) {
        if at > indent && at + unit.cells - unit.spaces > cells {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        }
        out.push_str(&unit.text);
        at += unit.cells;
    }
    out
}

fn units(line: &str) -> Vec<Unit> {
    let (mut units, mut unit) = (Vec::new(), Unit::default());
    let mut before: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // A colour or style takes no room.
            unit.text.push(c);
            unit.text.extend(chars.by_ref().take_while(|c| *c != 'm').chain(['m']));
            continue;
        }
        if before.is_some_and(|before| may_break(before, c)) {
            units.push(std::mem::take(&mut unit));
        }
        unit.text.push(c);
        unit.cells += c.width().unwrap_or(0);
        unit.spaces = if c == ' ' { unit.spaces + 1 } else { 0 };
        before = Some(c);
    }
    units.push(unit);
    units
}

fn may_break(before: char, next: char) -> bool {
    let is_wide = |c: char| c.width() == Some(2);
    if next == ' ' || CLOSING.contains(next) || OPENING.contains(before) {
        return false;
    }
    before == ' ' || is_wide(before) || is_wide(next)
}

/// Where a line goes on: under its own beginning, or under the text beside a name.
fn hanging(line: &str) -> usize {
    let plain: String = units(line).iter().flat_map(|unit| without_style(&unit.text)).collect();
    let start = plain.len() - plain.trim_start().len();
    let beside = plain[start..].find("  ").filter(|_| start > 0).map(|gap| {
        let rest = &plain[start + gap..];
        start + gap + rest.len() - rest.trim_start().len()
    });
    beside.unwrap_or(start)
}

fn without_style(text: &str) -> Vec<char> {
    let mut plain = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => drop(chars.by_ref().find(|c| *c == 'm')),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_by_cells() {
        for (text, cells, shown) in [
            ("algebra", 7, "algebra"),
            ("algebra", 6, "algeb…"),
            ("代数与几何", 10, "代数与几何"),
            ("代数与几何", 9, "代数与几…"),
            ("代数与几何", 8, "代数与…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, cells), shown, "{text} {cells}");
        }
    }

    #[test]
    fn chinese_lines_break_where_they_may() {
        for (line, cells, wanted) in [
            ("大小按十进制计算，速率以 Mbit/s 计。", 18, "大小按十进制计算，\n速率以 Mbit/s 计。"),
            ("大小按十进制计算，速率", 16, "大小按十进制计\n算，速率"),
            ("为准（以已知）。", 6, "为准\n（以已\n知）。"),
            ("另有 collection.toml 文件", 12, "另有\ncollection.toml\n文件"),
            ("    越大在波动的线路", 12, "    越大在波\n    动的线路"),
            ("  gc    腾出旧版所占空间", 16, "  gc    腾出旧版\n        所占空间"),
            ("\x1b[1m  gc\x1b[0m    腾出旧版所占", 16, "\x1b[1m  gc\x1b[0m    腾出旧版\n        所占"),
            ("", 10, ""),
        ] {
            assert_eq!(wrap(line, cells), wanted, "{line}");
        }
    }
}
