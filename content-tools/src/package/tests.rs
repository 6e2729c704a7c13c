//! Files made in code, and what is found in them.

mod gate;

use super::*;
use std::fs;
use std::io::Write as _;

/// Writes files and looks at them; the key is the top-level name.
fn found(files: &[(&str, Vec<u8>)]) -> Findings {
    found_by(files, false)
}

/// The same with a gate that is strict or not.
fn found_by(files: &[(&str, Vec<u8>)], strict: bool) -> Findings {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|(path, bytes)| {
            let on_disk = dir.path().join(path);
            fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
            fs::write(&on_disk, bytes).unwrap();
            on_disk
        })
        .collect();
    let media_type = |path: &str| match path.rsplit('.').next() {
        Some("epub") => "application/epub+zip",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("mp4") => "video/mp4",
        _ => "application/octet-stream",
    };
    let subjects = files.iter().zip(&paths).map(|((path, bytes), on_disk)| Subject {
        key: path.split('/').next().unwrap(),
        path,
        on_disk: on_disk.clone(),
        size: bytes.len() as u64,
        media_type: media_type(path),
    });
    examine(subjects, Gate { scratch: dir.path(), strict })
}

fn codes(notices: &Notices) -> Vec<&'static str> {
    notices.list.iter().map(|notice| notice.code.name()).collect()
}

fn zip_of(members: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const SCORM: &str = r#"<?xml version="1.0"?><manifest identifier="m" xmlns:adlcp="x">
  <organizations default="B"><organization identifier="A"><title>wrong</title></organization>
  <organization identifier="B"><title>分数 &amp; 小数</title>
    <item identifier="i2" identifierref="r2"><title>先学这个</title></item>
    <item identifier="c"><title>Chapter</title><item identifierref="r1"><title>One</title></item>
      <item identifierref="r3"><title>Two</title></item></item>
  </organization></organizations>
  <resources><resource identifier="r1" href="a/one.html?x=1"/><resource identifier="r2" href="z%20z/i.html"/>
  <resource identifier="r3" href="a/two.html"/></resources></manifest>"#;

#[test]
fn a_package_gives_titles_and_order() {
    let file = |path| (path, b"x".to_vec());
    let found = found(&[
        ("imsmanifest.xml", SCORM.as_bytes().to_vec()),
        file("a/one.html"),
        file("a/two.html"),
        file("z z/i.html"),
    ]);
    assert_eq!(found.title.as_deref(), Some("分数 & 小数"));
    let shown: Vec<_> = ["z z", "a"].iter().map(|key| (found.orders[*key], found.titles[*key].as_str())).collect();
    assert_eq!(shown, [(1, "先学这个"), (2, "Chapter")]);
}

#[test]
fn a_cartridge_in_a_folder_and_a_zip_give_the_items_title() {
    let cartridge = "<manifest><metadata><lomimscc:lom xmlns:lomimscc='x'><lomimscc:general><lomimscc:title>\
        <lomimscc:string>Physics</lomimscc:string></lomimscc:title></lomimscc:general></lomimscc:lom></metadata>\
        <organizations><organization><item/></organization></organizations></manifest>";
    let zipped = zip_of(&[("imsmanifest.xml", SCORM)]);
    let found = found(&[("p/imsmanifest.xml", cartridge.into()), ("s.zip", zipped)]);
    assert_eq!((found.titles["p"].as_str(), found.titles["s.zip"].as_str()), ("Physics", "分数 & 小数"));
    assert_eq!(found.title, None);
}

#[test]
fn hostile_manifests_are_warnings() {
    let deep = format!("<manifest>{}</manifest>", "<item>".repeat(100_000));
    let bomb = "<!DOCTYPE m [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><manifest><organizations><organization>\
        <title>&b;</title></organization></organizations></manifest>";
    for text in ["", "not xml", "<manifest>", &deep, "<html/>"] {
        let found = found(&[("imsmanifest.xml", text.as_bytes().to_vec())]);
        assert_eq!(codes(&found.warnings), ["manifest_unreadable"], "{}", &text[..text.len().min(20)]);
    }
    assert_eq!(found(&[("imsmanifest.xml", bomb.into())]).title, None);
}

#[test]
fn manifests_in_gb2312() {
    let text = "<?xml version=\"1.0\" encoding=\"GB2312\"?><manifest><organizations><organization>\
        <title>语文</title></organization></organizations></manifest>";
    let bytes = encoding_rs::GBK.encode(text).0.into_owned();
    assert_eq!(found(&[("imsmanifest.xml", bytes)]).title.as_deref(), Some("语文"));
}

#[test]
fn books_name_themselves() {
    let opf = "<package><metadata xmlns:dc='d'><dc:title>红楼梦</dc:title><dc:creator>曹雪芹</dc:creator>\
        <dc:language>zh</dc:language></metadata></package>";
    let container = "<container><rootfiles><rootfile full-path='O/c.opf'/></rootfiles></container>";
    let epub = zip_of(&[("META-INF/container.xml", container), ("O/c.opf", opf)]);
    let pdf = |title: &str| format!("%PDF-1.4\n1 0 obj\n<</Title {title} /A 1>>\nendobj\ntrailer <</Info 1 0 R>>\n");
    let found = found(&[
        ("b.epub", epub.clone()),
        ("a.pdf", pdf(r"(A \(nested\) t\151tle)").into()),
        ("u.pdf", pdf("<FEFF 8BFE>").into()),
        ("w.pdf", pdf("(Microsoft Word - x.doc)").into()),
        ("书/b.epub", epub),
        ("bad.epub", b"PK\x03\x04".to_vec()),
        ("bad.pdf", b"%PDF-/Info 1 0 R\n1 0 obj /Title (".to_vec()),
    ]);
    let titles: Vec<_> = found.titles.iter().map(|(key, title)| (key.as_str(), title.as_str())).collect();
    assert_eq!(titles, [("a.pdf", "A (nested) title"), ("b.epub", "红楼梦"), ("u.pdf", "课")]);
    let book = &found.books["b.epub"];
    assert_eq!((book.creators.join(","), book.language.as_deref()), ("曹雪芹".into(), Some("zh")));
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
}

fn track(handler: &[u8; 4], entry: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 12]]);
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(entry, &[body])]);
    boxed(b"trak", &[&boxed(b"mdia", &[&hdlr, &boxed(b"minf", &[&boxed(b"stbl", &[&stsd])])])])
}

fn film(video: &[u8; 4], audio: &[u8; 4]) -> (Vec<u8>, Vec<u8>) {
    let mvhd = boxed(b"mvhd", &[&[0; 12], &1000u32.to_be_bytes(), &12_500u32.to_be_bytes(), &[0; 80]]);
    let mut picture = vec![0; 78];
    picture[24..28].copy_from_slice(&[2, 128, 1, 104]);
    let moov = boxed(b"moov", &[&mvhd, &track(b"vide", video, &picture), &track(b"soun", audio, &[0; 28])]);
    (moov, boxed(b"mdat", &[&[7; 100]]))
}

#[test]
fn facts_of_films() {
    let (moov, mdat) = film(b"avc1", b"mp4a");
    let (odd, _) = film(b"hvc1", b"ac-3");
    let found = found(&[
        ("1/good.mp4", [&moov[..], &mdat].concat()),
        ("2/slow.mp4", [&mdat[..], &moov].concat()),
        ("3/odd.mp4", [&odd[..], &mdat].concat()),
        ("4/cut.mp4", mdat.clone()),
        ("5/cut.mp4", moov[..moov.len() - 10].to_vec()),
        ("6/cut.mp4", [&moov[..], &mdat[..mdat.len() - 10]].concat()),
        ("7/cut.mp4", [&moov[..], &mdat, &mdat[..mdat.len() - 10]].concat()),
        ("8/live.mp4", [&moov[..], &[0, 0, 0, 0], &mdat[4..]].concat()),
    ]);
    let words = found.films["1/good.mp4"].to_words();
    assert!(words.starts_with("duration_s=12.500 width=640 height=360 video=h264 audio=aac bitrate="), "{words}");
    let shown: Vec<_> =
        found.warnings.list.iter().map(|n| (n.path.as_str(), n.code.name(), n.detail.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("2/slow.mp4", "not_faststart", ""),
            ("3/odd.mp4", "not_h264", "hevc"),
            ("3/odd.mp4", "not_aac", "ac_3"),
            ("4/cut.mp4", "mp4_unreadable", ""),
            ("5/cut.mp4", "mp4_unreadable", ""),
            ("6/cut.mp4", "film_cut_short", ""),
            ("7/cut.mp4", "film_cut_short", ""),
        ]
    );
}

fn explicit(group: u16, element: u16, kind: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
    bytes.extend(kind);
    match kind {
        b"SQ" | b"OW" | b"OB" | b"UN" => {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        }
        _ => bytes.extend((value.len() as u16).to_le_bytes()),
    }
    bytes.extend(value);
    bytes
}

fn implicit(group: u16, element: u16, value: &[u8]) -> Vec<u8> {
    let head = [group.to_le_bytes(), element.to_le_bytes()].concat();
    [&head[..], &(value.len() as u32).to_le_bytes(), value].concat()
}

fn item(body: &[u8]) -> Vec<u8> {
    implicit(0xFFFE, 0xE000, body)
}

fn dicom(syntax: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend(explicit(2, 0x10, b"UI", syntax.as_bytes()));
    bytes.extend(body);
    bytes
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1\0";
const IMPLICIT: &str = "1.2.840.10008.1.2\0";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

fn check_gate(path: &str, bytes: Vec<u8>, refused: &[&str], warned: &[&str]) {
    let found = found(&[(path, bytes)]);
    assert_eq!((codes(&found.refusals), codes(&found.warnings)), (refused.to_vec(), warned.to_vec()), "{path}");
    let text: String = found.refusals.list.iter().map(|refusal| refusal.text()).collect();
    assert!(!text.contains("Zhang") && !text.contains("4711"), "{text}");
}

#[test]
fn the_gate_names_every_reason() {
    let declared = explicit(0x12, 0x62, b"CS", b"YES ");
    let name = explicit(0x10, 0x10, b"PN", b"Zhang^San ");
    let empty = explicit(0x10, 0x10, b"PN", b"");
    let dummy = explicit(0x10, 0x10, b"PN", b"ANONYMOUS ");
    let private = explicit(0x29, 0x10, b"LO", b"x ");
    let pixels = explicit(0x7FE0, 0x10, b"OW", &[0; 5000]);
    let make = |parts: &[&[u8]]| dicom(EXPLICIT, &parts.concat());
    check_gate("a/clean.dcm", make(&[&empty, &declared, &pixels]), &[], &[]);
    check_gate("a/noext", make(&[&dummy, &declared, &pixels]), &[], &[]);
    check_gate("a/b", make(&[&name, &declared]), &["dicom_tag"], &[]);
    check_gate("a/c", make(&[&empty]), &["dicom_not_declared"], &[]);
    check_gate("a/d", make(&[&declared, &private]), &["dicom_private"], &[]);
    check_gate("a/e", make(&[&declared, &pixels, &explicit(0x7FE1, 0x10, b"LO", b"x ")]), &["dicom_private"], &[]);
    check_gate("a/f", make(&[&declared, &explicit(0x28, 0x301, b"CS", b"YES ")]), &["dicom_burned_in"], &[]);
    check_gate("a/g", make(&[&explicit(8, 0x60, b"CS", b"US"), &declared]), &[], &["burned_in_unknown"]);
    check_gate("a/zhangsan.dcm", make(&[&name, &declared]), &["dicom_tag", "dicom_name"], &[]);
    check_gate("a/h.dcm", b"no preamble".to_vec(), &["dicom_unreadable"], &[]);
    check_gate("a/i", make(&[&declared, &pixels[..100]]), &["dicom_unreadable"], &[]);
    check_gate("a/12345678.dcm", make(&[&declared]), &[], &["digits_in_name"]);
    let in_sequence = explicit(0x10, 0x1002, b"SQ", &item(&explicit(0x10, 0x20, b"LO", b"4711")));
    check_gate("a/j", make(&[&declared, &in_sequence]), &["dicom_tag"], &[]);
    check_gate("k.zip", zip_of(&[("x/1.dcm", "")]), &["dicom_in_archive"], &[]);
}

#[test]
fn the_gate_reads_every_encoding() {
    let declared = implicit(0x12, 0x62, b"YES ");
    let nested = implicit(0x10, 0x1002, &item(&implicit(0x10, 0x20, b"4711")));
    check_gate("a/implicit", dicom(IMPLICIT, &declared), &[], &[]);
    check_gate("a/nested", dicom(IMPLICIT, &[&nested[..], &declared].concat()), &["dicom_tag"], &[]);
    let plain = [explicit(0x10, 0x20, b"LO", b"4711"), explicit(0x12, 0x62, b"CS", b"YES ")].concat();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(&plain).unwrap();
    check_gate("a/deflated", dicom(DEFLATED, &deflate.finish().unwrap()), &["dicom_tag"], &[]);
    // Encapsulated: a sequence of fragments without a length.
    let mut pixels = explicit(0x7FE0, 0x10, b"OB", b"");
    let end = pixels.len();
    pixels[end - 4..].copy_from_slice(&[0xff; 4]);
    pixels.extend([item(b""), item(&[1; 300]), implicit(0xFFFE, 0xE0DD, b"")].concat());
    let body = [&explicit(0x12, 0x62, b"CS", b"YES ")[..], &pixels, &explicit(0x7FE1, 0x10, b"LO", b"")].concat();
    check_gate("a/jpeg", dicom("1.2.840.10008.1.2.4.50", &body), &["dicom_private"], &[]);
}

proptest::proptest! {
    /// No reader panics, whatever a file holds.
    #[test]
    fn noise_is_harmless(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600), at in 0usize..600, new: u8) {
        let mut whole = [dicom(EXPLICIT, &bytes), film(b"avc1", b"mp4a").0].concat();
        let at = at % whole.len();
        whole[at] = new;
        for path in ["a.dcm", "a.mp4", "a.pdf", "a.epub", "imsmanifest.xml"] {
            found(&[(path, whole.clone())]);
        }
        let (mut moov, _) = film(b"avc1", b"mp4a");
        let at = at % moov.len();
        moov[at] = new;
        found(&[("b.mp4", moov), ("c", dicom(IMPLICIT, &bytes))]);
    }
}
