//! Titles of books and documents: EPUB, PDF, zipped course packages.
//!
//! What must stay true: of a PDF only its first and last megabytes are looked at, of a ZIP only named members up to a
//! limit; a title that a word processor made up from a file name counts as none.

use super::{Book, ims, tidy_title, xml};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use zip::ZipArchive;

/// Bytes looked at on each end of a PDF. Metadata lies in the first or last few hundred KiB.
const PDF_WINDOW: u64 = 2 << 20;
/// Most members of a ZIP: each costs memory before anything can be looked at.
const MEMBERS_MAX: usize = 200_000;
/// Most creators taken.
const CREATORS_MAX: usize = 20;

fn open(file: File) -> Option<ZipArchive<std::io::BufReader<File>>> {
    ZipArchive::new(std::io::BufReader::new(file)).ok().filter(|zip| zip.len() <= MEMBERS_MAX)
}

/// Title, creators and language out of an EPUB's package document (OPF).
pub(super) fn epub(file: File) -> Option<Book> {
    let mut zip = open(file)?;
    let container = xml::read(zip.by_name("META-INF/container.xml").ok()?)?;
    let opf = container.one("rootfiles")?.one("rootfile")?.attribute("full-path")?.to_owned();
    let package = xml::read(zip.by_name(&opf).ok()?)?;
    let metadata = package.one("metadata")?;
    // EPUB 2 drafts wrap Dublin Core once more.
    let core = metadata.one("dc-metadata").unwrap_or(metadata);
    let text = |name: &'static str| core.all(name).filter_map(|node| tidy_title(node.first_text()?));
    Some(Book {
        title: text("title").next(),
        creators: text("creator").take(CREATORS_MAX).collect(),
        language: text("language").next().filter(|tag| tag.len() <= 35),
    })
}

/// Title of a zipped course.
pub(super) fn package(file: File) -> Option<String> {
    open(file)?.by_name("imsmanifest.xml").ok().and_then(ims::read).and_then(|course| course.title)
}

/// Title of a PDF: XMP `dc:title`, else `/Title` of the information dictionary.
pub(super) fn pdf(mut file: File) -> Option<String> {
    let size = file.metadata().ok()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(PDF_WINDOW).read_to_end(&mut bytes).ok()?;
    if !bytes.starts_with(b"%PDF-") {
        return None;
    }
    if size > PDF_WINDOW {
        let from = size.saturating_sub(PDF_WINDOW).max(PDF_WINDOW);
        file.seek(SeekFrom::Start(from)).ok()?;
        file.take(PDF_WINDOW).read_to_end(&mut bytes).ok()?;
    }
    xmp_title(&bytes).or_else(|| info_title(&bytes)).filter(|title| is_real(title))
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The last packet is the newest.
fn xmp_title(bytes: &[u8]) -> Option<String> {
    let from = find_last(bytes, b"<x:xmpmeta")?;
    let to = from + find(&bytes[from..], b"</x:xmpmeta>")? + b"</x:xmpmeta>".len();
    let meta = xml::read(&bytes[from..to])?;
    let descriptions = meta.one("RDF")?.all("Description");
    descriptions.filter_map(|node| node.one("title")).find_map(|title| tidy_title(title.first_text()?))
}

/// Object `N G` that the last trailer names as `/Info`; a compressed object is not looked into.
fn info_title(bytes: &[u8]) -> Option<String> {
    let at = find_last(bytes, b"/Info")? + b"/Info".len();
    let reference = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 40)]).into_owned();
    let mut words = reference.split_ascii_whitespace();
    let (number, generation): (u32, u32) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let head = format!("\n{number} {generation} obj");
    let head_cr = head.replace('\n', "\r");
    let begin = find_last(bytes, head.as_bytes()).or_else(|| find_last(bytes, head_cr.as_bytes()))?;
    let object = &bytes[begin..bytes.len().min(begin + (64 << 10))];
    let object = &object[..find(object, b"endobj").unwrap_or(object.len())];
    let value = &object[find(object, b"/Title")? + b"/Title".len()..];
    let value = value.trim_ascii_start();
    let raw = match value.first()? {
        b'(' => literal(&value[1..])?,
        b'<' => hexadecimal(&value[1..])?,
        _ => return None,
    };
    tidy_title(&pdf_text(&raw))
}

/// A literal string (ISO 32000-1, 7.3.4.2).
fn literal(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut depth, mut at) = (Vec::new(), 0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let next = *bytes.get(at)?;
                at += 1;
                match next {
                    b'n' => out.push(b'\n'),
                    b'r' | b't' | b'b' | b'f' => out.push(b' '),
                    b'\n' | b'\r' => {}
                    b'0'..=b'7' => {
                        let more = bytes[at..].iter().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                        let digits = &bytes[at - 1..at + more];
                        out.push(digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0')) as u8);
                        at += more;
                    }
                    other => out.push(other),
                }
            }
            b')' if depth == 0 => return Some(out),
            b')' => {
                depth -= 1;
                out.push(byte);
            }
            b'(' => {
                depth += 1;
                out.push(byte);
            }
            other => out.push(other),
        }
    }
    None
}

fn hexadecimal(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'>')?;
    let digits: Option<Vec<u32>> =
        bytes[..end].iter().filter(|b| !b.is_ascii_whitespace()).map(|b| char::from(*b).to_digit(16)).collect();
    Some(digits?.chunks(2).map(|pair| (pair[0] * 16 + pair.get(1).unwrap_or(&0)) as u8).collect())
}

/// A text string (ISO 32000-2, 7.9.2.2). Old Chinese tools wrote GBK where PDFDocEncoding was due.
fn pdf_text(raw: &[u8]) -> String {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(raw) {
        return encoding.decode(raw).0.into_owned();
    }
    match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode(raw).0.into_owned(),
    }
}

/// Word processors write their own name, or that of the file.
fn is_real(title: &str) -> bool {
    let lower = title.to_lowercase();
    let made_up = ["microsoft word - ", "microsoft powerpoint - ", "untitled", "powerpoint ", "幻灯片 "];
    let endings = [".doc", ".docx", ".ppt", ".pptx", ".wps", ".tex", ".dvi", ".indd", ".qxd"];
    !made_up.iter().any(|begin| lower.starts_with(begin))
        && !endings.iter().any(|end| lower.ends_with(end))
        && !title.contains('\u{fffd}')
}
