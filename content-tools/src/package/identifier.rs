//! What looks like a person's number in a file name.
//!
//! What must stay true: a name is only ever warned about here, because numbers mean many things; a number is never put
//! into a message beyond the path that holds it.

use super::notice::{Code, Notices};

/// Weights of the identity number's digits (GB 11643-1999, ISO 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Shortest number in the name of a medical picture that may be a record number.
const RECORD_DIGITS_MIN: usize = 7;

/// Numbers in a name: runs of digits, with an `X` behind seventeen of them.
fn numbers(path: &str) -> impl Iterator<Item = &str> {
    path.split(|c: char| !c.is_ascii_digit() && !matches!(c, 'x' | 'X')).filter(|run| !run.is_empty())
}

/// Whether a text is a Chinese identity number: a date of birth inside, and the right check character.
fn is_identity_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !looks_like_identity_number(text) {
        return false;
    }
    let sum: u32 = bytes[..17].iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    bytes[17].to_ascii_uppercase() == check
}

/// Whether a text is one but for its check character: mistyped, or made up.
fn looks_like_identity_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(0);
    let born = (1900..=2099).contains(&number(6..10)) && (1..=12).contains(&number(10..12));
    born && (1..=31).contains(&number(12..14))
}

/// Whether a text is a Chinese mobile number.
fn is_mobile(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1]) && bytes.iter().all(u8::is_ascii_digit)
}

/// Whether an identity number stands in a text.
pub(super) fn holds_identity_number(text: &str) -> bool {
    numbers(text).any(is_identity_number)
}

/// Warns of identity numbers in a path, also of mistyped ones.
pub(super) fn check_name(path: &str, warnings: &mut Notices) {
    if numbers(path).any(looks_like_identity_number) {
        warnings.add(path, Code::IdNumberInName, "");
    }
}

/// What a medical picture's path holds: a refusal for identity numbers, warnings for other long numbers.
pub(super) fn check_medical_name(path: &str, warnings: &mut Notices, refusals: &mut Notices) {
    if holds_identity_number(path) {
        refusals.add(path, Code::DicomName, "an identity card number");
    } else if numbers(path).any(looks_like_identity_number) {
        warnings.add(path, Code::IdNumberInName, "");
    } else if numbers(path).any(is_mobile) {
        warnings.add(path, Code::PhoneInName, "");
    } else if numbers(path).any(|run| (RECORD_DIGITS_MIN..=17).contains(&run.len())) {
        warnings.add(path, Code::DigitsInName, "");
    }
}

/// Whether a path holds a value of the file's own metadata, written with or without separators.
pub(super) fn holds(path: &str, value: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let value = plain(value);
    // Two Chinese characters are a name; two letters or digits are everywhere.
    let shortest = if value.is_ascii() { 4 } else { 2 };
    value.chars().count() >= shortest && plain(path).contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_a_persons() {
        for (text, identity) in [
            ("11010519491231002X", true),
            ("11010519491231002x", true),
            ("110105194912310021", false),
            ("440524188001010014", false),
            ("1101051949", false),
        ] {
            assert_eq!(is_identity_number(text), identity, "{text}");
        }
        assert!(is_mobile("13812345678") && !is_mobile("12812345678") && !is_mobile("1381234567"));
    }

    #[test]
    fn a_mistyped_number_warns_and_refuses_nothing() {
        for (path, warned) in [
            ("张三-110105194912310021.pdf", true),
            ("11010519491231002X.pdf", true),
            ("110105194913310021.pdf", false),
            ("202511301405590123.mp4", false),
            ("1101051949123100210.pdf", false),
        ] {
            let (mut warnings, mut refusals) = (Notices::default(), Notices::default());
            check_name(path, &mut warnings);
            assert_eq!(!warnings.is_empty(), warned, "{path}");
            check_medical_name("ct/440524188001010014.dcm", &mut warnings, &mut refusals);
            assert!(refusals.is_empty());
        }
        let (mut warnings, mut refusals) = (Notices::default(), Notices::default());
        check_medical_name("ct/110105194912310021.dcm", &mut warnings, &mut refusals);
        assert!(refusals.is_empty() && warnings.list[0].code == Code::IdNumberInName);
    }

    #[test]
    fn values_in_paths() {
        for (path, value, found) in [
            ("ct/zhang_san/1.dcm", "Zhang^San", true),
            ("张三/1.dcm", "张^三", true),
            ("ct/1.dcm", "1", false),
            ("p-0012345.dcm", "0012345", true),
            ("ct/2.dcm", "", false),
        ] {
            assert_eq!(holds(path, value), found, "{path} {value}");
        }
    }
}
