//! The rule for one name. Sources: Microsoft, "Naming Files, Paths, and Namespaces"; Unicode UAX #15 (NFC), UAX #9
//! (direction marks).

use super::{NAME_MAX, NameChange};
use crate::speech::is_invisible;
use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Stands for a character that cannot be stored.
const STAND_IN: char = '_';
/// An ending longer than this is no file type, and may be cut off.
const EXTENSION_BYTES_MAX: usize = 16;

/// A name that every system stores, and why it differs.
pub(super) fn clean(name: &str) -> (Cow<'_, str>, Option<NameChange>) {
    let mut clean = Cow::Borrowed(name);
    let mut change = None;
    let mut note = |reason| _ = change.get_or_insert(reason);
    if clean.chars().any(|c| is_unsafe(c) || is_invisible(c)) {
        note(NameChange::Characters);
        let stored = clean.chars().filter(|c| !is_invisible(*c));
        clean = stored.map(|c| if is_unsafe(c) { STAND_IN } else { c }).collect();
    }
    if !is_nfc(&clean) {
        note(NameChange::Normalised);
        clean = clean.nfc().collect();
    }
    let trimmed = clean.trim_end_matches(['.', ' ']);
    if trimmed.len() != clean.len() {
        note(NameChange::Ending);
        clean = Cow::Owned(trimmed.to_owned());
    }
    if clean.is_empty() {
        clean = Cow::Owned(STAND_IN.to_string());
    }
    if is_device(&clean) {
        note(NameChange::Reserved);
        clean = Cow::Owned(format!("{STAND_IN}{clean}"));
    }
    if !fits(&clean) {
        note(NameChange::Length);
        clean = Cow::Owned(shortened(&clean, ""));
    }
    (clean, change)
}

/// The name with a number before its ending: `讲义 (2).pdf`.
pub(super) fn numbered(name: &str, number: u32) -> String {
    shortened(name, &format!(" ({number})"))
}

/// What Windows does not store in a name. `/` cannot be in one, control characters are not in a content path.
fn is_unsafe(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*' | '\u{2028}' | '\u{2029}') || c.is_control()
}

/// Whether Windows takes a name for a device: by what stands before the first dot, whatever its case.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|rest| {
        let mut rest = rest.chars();
        matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

fn fits(name: &str) -> bool {
    // UTF-16 never needs more units than UTF-8 needs bytes.
    name.len() <= NAME_MAX
}

/// The name with an insertion before its ending, cut in the middle so that it fits.
fn shortened(name: &str, insertion: &str) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= EXTENSION_BYTES_MAX => name.split_at(at),
        _ => (name, ""),
    };
    let room = NAME_MAX - insertion.len() - ending.len();
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    // A cut must not leave a dot or space at the end of a name without ending.
    let stem = stem[..end].trim_end_matches(['.', ' ']);
    format!("{}{insertion}{ending}", if stem.is_empty() { "_" } else { stem })
}
