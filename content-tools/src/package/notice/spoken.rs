//! What was noticed about files, in the user's language.

use super::Code;
use crate::speech::Texts;

/// A notice without its path.
pub fn said(texts: &Texts, code: Code, found: &str) -> String {
    texts.say(key(code), &[("detail", detail(texts, code, found).into())])
}

/// Details are codes and tags, the same in all languages, but for a few words.
fn detail(texts: &Texts, code: Code, detail: &str) -> String {
    let key = match (code, detail) {
        (Code::DicomUnreadable, "no DICM mark") => "dicom-no-mark",
        (Code::DicomUnreadable, "cut short") => "dicom-cut-short",
        (Code::DicomUnreadable, "malformed") => "dicom-malformed",
        (Code::DicomUnreadable, "big endian") => "dicom-big-endian",
        (Code::DicomUnreadable, "too large") => "dicom-too-large",
        (Code::NotLookedInto, "too much in it") => "missed-too-much",
        (Code::NotLookedInto, "too many archives in one another") => "missed-too-deep",
        (Code::NotLookedInto, "encrypted") => "missed-encrypted",
        (Code::NotLookedInto, "damaged") => "missed-damaged",
        (Code::NotLookedInto, "a format that is not read here") => "missed-unknown-format",
        (Code::DicomName, "an identity card number") => "dicom-name-identity",
        (Code::DicomName, _) => "dicom-name-patient",
        _ => return detail.to_owned(),
    };
    texts.say(key, &[])
}

const fn key(code: Code) -> &'static str {
    match code {
        Code::NotFaststart => "notice-not-faststart",
        Code::NotH264 => "notice-not-h264",
        Code::NotAac => "notice-not-aac",
        Code::NotMp4 => "notice-not-mp4",
        Code::Mp4Unreadable => "notice-mp4-unreadable",
        Code::FilmCutShort => "notice-film-cut-short",
        Code::PlainGzip => "notice-plain-gzip",
        Code::ManifestUnreadable => "notice-manifest-unreadable",
        Code::IdNumberInName => "notice-id-number-in-name",
        Code::PhoneInName => "notice-phone-in-name",
        Code::DigitsInName => "notice-digits-in-name",
        Code::BurnedInUnknown => "notice-burned-in-unknown",
        Code::DicomTag => "notice-dicom-tag",
        Code::DicomIdNumber => "notice-dicom-id-number",
        Code::DicomDocument => "notice-dicom-document",
        Code::DicomOverlay => "notice-dicom-overlay",
        Code::DicomBurnedIn => "notice-dicom-burned-in",
        Code::DicomPrivate => "notice-dicom-private",
        Code::DicomNotDeclared => "notice-dicom-not-declared",
        Code::DicomUnreadable => "notice-dicom-unreadable",
        Code::DicomName => "notice-dicom-name",
        Code::DicomInArchive => "notice-dicom-in-archive",
        Code::NotLookedInto => "notice-not-looked-into",
    }
}
