//! Courses in archives, books and medical pictures, and what their editors do to them.
//!
//! What must stay true: all comes from a seed; archives are made by zip and tar.

use super::Edit;
use crate::workspace;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Numbers from a seed.
struct Dice(blake3::OutputReader);

impl Dice {
    fn new(seed: &str) -> Self {
        Self(blake3::Hasher::new().update(seed.as_bytes()).finalize_xof())
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }

    fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % bound
    }

    fn sentence(&mut self) -> String {
        let words: Vec<_> = (0..8 + self.below(12)).map(|_| format!("w{}", self.below(3000))).collect();
        words.join(" ") + ".\n"
    }
}

pub(super) fn edits(dir: &Path) -> Result<Vec<Edit>> {
    let mut edits = course(dir)?;
    edits.extend(book(dir)?);
    edits.push(pictures(dir)?);
    Ok(edits)
}

/// The film of [`super::film`] with pictures, pages and subtitles, in one archive.
fn course(dir: &Path) -> Result<Vec<Edit>> {
    let course = dir.join("course");
    fs::create_dir(&course)?;
    let mut dice = Dice::new("course");
    fs::copy(dir.join("film/film.mp4"), course.join("lesson.mp4"))?;
    for number in 0..20 {
        let len = 50_000 + dice.below(500_000);
        fs::write(course.join(format!("picture {number:02}.jpg")), dice.bytes(len))?;
        let page: String = (0..200).map(|_| dice.sentence()).collect();
        fs::write(course.join(format!("page {number:02}.html")), page)?;
    }
    let archives = |version: &str| -> Result<[PathBuf; 2]> {
        let [zip, tar] = ["zip", "tar.gz"].map(|kind| dir.join(format!("course-{version}.{kind}")));
        workspace::finish(Command::new("zip").current_dir(dir).args(["-q", "-X", "-r"]).arg(&zip).arg("course"))?;
        workspace::finish(Command::new("tar").current_dir(dir).args(["--sort=name", "-czf"]).arg(&tar).arg("course"))?;
        Ok([zip, tar])
    };
    let subtitle = course.join("lesson.srt");
    fs::write(&subtitle, (0..300).map(|_| dice.sentence()).collect::<String>())?;
    let [old_zip, old_tar] = archives("1")?;
    fs::write(&subtitle, (0..301).map(|_| dice.sentence()).collect::<String>())?;
    let [new_zip, new_tar] = archives("2")?;
    Ok(vec![
        Edit::file("course zip, one subtitle edited", &old_zip, new_zip),
        Edit::file("the same as tar.gz", &old_tar, new_tar),
    ])
}

/// A book in files of chapters: some sentences of most chapters are rewritten; as files and as one tar.
fn book(dir: &Path) -> Result<Vec<Edit>> {
    let mut dice = Dice::new("book");
    let (mut tars, mut files) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut chapters: Vec<Vec<String>> =
        (0..30).map(|_| (0..500 + dice.below(3000)).map(|_| dice.sentence()).collect()).collect();
    for (version, files) in files.iter_mut().enumerate() {
        let folder = dir.join(format!("book-{version}"));
        fs::create_dir(&folder)?;
        for (number, chapter) in chapters.iter_mut().enumerate() {
            // One chapter in four changes, and then three sentences of it.
            for _ in 0..3 * usize::from(version == 1 && number % 4 == 0) {
                let at = dice.below(chapter.len());
                chapter[at] = dice.sentence();
            }
            files.push(folder.join(format!("chapter {number:02}.txt")));
            fs::write(&files[number], chapter.concat())?;
        }
        let tar = dir.join(format!("book-{version}.tar"));
        workspace::finish(Command::new("tar").current_dir(&folder).args(["--sort=name", "-cf"]).arg(&tar).arg("."))?;
        tars.push(tar);
    }
    let ([old, new], new_tar) = (files, tars.pop().unwrap_or_default());
    Ok(vec![
        Edit { name: "book, per file".into(), old, new },
        Edit { name: "book, in a tar".into(), old: tars, new: vec![new_tar] },
    ])
}

/// Images of 512 x 512 words; every one gets another patient.
fn pictures(dir: &Path) -> Result<Edit> {
    let mut dice = Dice::new("pictures");
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let pixels: Vec<u8> = dice.bytes(512 * 512).iter().flat_map(|noise| [*noise, 4]).collect();
        let anonymous = format!("ANONYMOUS^{number:02}");
        for (version, patient, files) in [(1, "ZHANG^SAN ", &mut old), (2, anonymous.as_str(), &mut new)] {
            files.push(dir.join(format!("image {number:02}-{version}.dcm")));
            fs::write(&files[number], dicom(patient, &pixels))?;
        }
    }
    Ok(Edit { name: "DICOM, patient tags rewritten".into(), old, new })
}

/// The elements that matter, in explicit little endian; `patient` has an even number of letters.
fn dicom(patient: &str, pixels: &[u8]) -> Vec<u8> {
    let element = |tag: [u8; 4], vr: &[u8], value: &str| {
        [&tag[..], vr, &(value.len() as u16).to_le_bytes(), value.as_bytes()].concat()
    };
    let mut file = [[0; 128].as_slice(), b"DICM"].concat();
    file.extend(element([2, 0, 0x10, 0], b"UI", "1.2.840.10008.1.2.1\0"));
    file.extend(element([0x10, 0, 0x10, 0], b"PN", patient));
    for number in 0..40 {
        file.extend(element([0x18, 0, number, 0x10], b"LO", &format!("settings {number:02} of the machine")));
    }
    file.extend([&[0xe0, 0x7f, 0x10, 0][..], b"OW\0\0", &(pixels.len() as u32).to_le_bytes()].concat());
    file.extend_from_slice(pixels);
    file
}
