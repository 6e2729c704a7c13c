//! The gate for medical pictures: nothing about a patient becomes public by oversight.
//!
//! What must stay true: files are known by their content, not by their names; a file that cannot be read to its end is
//! refused; messages name file and tag, never a value. Refused are: a non-empty identifying tag on any level of nesting,
//! an identity card number in any text, documents within, `BurnedInAnnotation` YES, private tags, `PatientIdentityRemoved` other than YES, and names of files that hold the
//! patient's name or number. Source of the tags: DICOM PS3.15 Annex E, basic profile, the directly identifying ones.

mod data_set;
mod start;
mod tags;

pub(super) use start::{Start, find, has_preamble};

use super::Subject;
use super::identifier;
use super::notice::{Code, Notices};
use data_set::{Element, Unreadable};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Cursor, Read as _};
use tags::IDENTIFYING;

/// A medical picture, by name.
pub(super) fn is_named(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.ends_with(".dcm") || name.ends_with(".dicom") || name == "dicomdir"
}

/// Kinds of pictures that often show text: ultrasound, endoscopy, photographs, other, scanned and captured ones.
const TALKATIVE: [&str; 7] = ["US", "ES", "XC", "GM", "OT", "SC", "DOC"];
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const DIRECTORY: &str = "1.2.840.10008.1.3.10";
/// Words that say that a value was taken out.
const DUMMIES: [&str; 8] = ["anonymous", "anonymized", "anonymised", "anon", "removed", "none", "unknown", "匿名"];

/// What the gate must know of a file.
#[derive(Debug, Default)]
struct Seen {
    identifying: BTreeSet<(u16, u16)>,
    private: Option<(u16, u16)>,
    /// Where an identity card number stands in a text.
    id_number: Option<(u16, u16)>,
    has_document: bool,
    overlay: Option<(u16, u16)>,
    removed: String,
    burned_in: String,
    modality: String,
    class: String,
    /// The patient's name and number, to look for in the file's name. Never shown.
    secrets: Vec<String>,
}

impl Seen {
    fn take(&mut self, element: &Element<'_>) {
        let tag = element.tag;
        if tag.0 % 2 == 1 && self.private.is_none() {
            self.private = Some(tag);
        }
        let text = element.text();
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        match tag {
            (0x0012, 0x0062) if element.depth == 0 => self.removed = text.into(),
            (0x0028, 0x0301) if text == "YES" || self.burned_in.is_empty() => self.burned_in = text.into(),
            (0x0042, 0x0011) => self.has_document |= !text.is_empty(),
            (0x6000..=0x60FF, 0x3000) => self.overlay = Some(tag),
            (0x0008, 0x0060) if element.depth == 0 => self.modality = text.into(),
            (0x0008, 0x0016) | (0x0002, 0x0002) if element.depth == 0 => self.class = text.into(),
            _ => {}
        }
        if self.id_number.is_none() && identifier::holds_identity_number(text) {
            self.id_number = Some(tag);
        }
        let dummy = text.is_empty() || DUMMIES.contains(&text.to_lowercase().as_str());
        if !dummy && IDENTIFYING.iter().any(|(known, _)| *known == tag) {
            self.identifying.insert(tag);
            if matches!(tag, (0x0010, 0x0010 | 0x0020 | 0x1000 | 0x1001)) && self.secrets.len() < 16 {
                self.secrets.push(text.into());
            }
        }
    }

    fn report(&self, path: &str, warnings: &mut Notices, refusals: &mut Notices) {
        for tag in &self.identifying {
            let name = IDENTIFYING.iter().find(|(known, _)| known == tag).map_or("", |(_, name)| name);
            refusals.add(path, Code::DicomTag, &format!("{} {name}", written(*tag)));
        }
        if let Some(tag) = self.id_number.filter(|tag| !self.identifying.contains(tag)) {
            refusals.add(path, Code::DicomIdNumber, &written(tag));
        }
        if self.has_document {
            refusals.add(path, Code::DicomDocument, "");
        }
        if let Some(tag) = self.overlay {
            warnings.add(path, Code::DicomOverlay, &written(tag));
        }
        if let Some(tag) = self.private {
            refusals.add(path, Code::DicomPrivate, &written(tag));
        }
        // A directory of a disc holds records of others and no declaration of its own.
        if self.class != DIRECTORY && self.removed != "YES" {
            refusals.add(path, Code::DicomNotDeclared, "");
        }
        let talkative = TALKATIVE.contains(&self.modality.as_str()) || self.class.starts_with(SECONDARY_CAPTURE);
        match self.burned_in.as_str() {
            "NO" => {}
            "" if talkative => {
                let known = TALKATIVE.iter().find(|known| **known == self.modality);
                warnings.add(path, Code::BurnedInUnknown, known.copied().unwrap_or("SC"));
            }
            "" => {}
            _ => refusals.add(path, Code::DicomBurnedIn, ""),
        }
        if self.secrets.iter().any(|secret| identifier::holds(path, secret)) {
            refusals.add(path, Code::DicomName, "the patient's name or number");
        }
    }
}

fn written((group, element): (u16, u16)) -> String {
    format!("({group:04X},{element:04X})")
}

/// Checks a file that is one by its first bytes, `head`, behind which `file` stands.
pub(super) fn check(
    subject: &Subject<'_>,
    start: Start,
    (head, file): (&[u8], File),
    warnings: &mut Notices,
    refusals: &mut Notices,
) {
    let mut seen = Seen::default();
    let at = if let Start::Meta { at } = start { at } else { 0 };
    let source = BufReader::new(Cursor::new(&head[at..]).chain(file));
    if let Err(cause) = data_set::read(source, start, subject.size, &mut |element| seen.take(element)) {
        refusals.add(subject.path, Code::DicomUnreadable, cause.name());
    }
    seen.report(subject.path, warnings, refusals);
    identifier::check_medical_name(subject.path, warnings, refusals);
}

/// Refuses a file that is named like a medical picture and is none that can be read.
pub(super) fn refuse_unmarked(path: &str, refusals: &mut Notices) {
    if is_named(path) {
        refusals.add(path, Code::DicomUnreadable, Unreadable::NoPreamble.name());
    }
}
