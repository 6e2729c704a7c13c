//! Medical pictures that are not where one looks first, and archives that are not what they seem.

use super::*;

/// A picture of a patient: tags of the study, then the name.
fn implicit_set() -> Vec<u8> {
    [implicit(8, 0x05, b"ISO_IR 192"), implicit(8, 0x60, b"CT"), implicit(0x10, 0x20, b"4711")].concat()
}

fn explicit_set() -> Vec<u8> {
    [explicit(8, 0x05, b"CS", b"ISO_IR 192"), explicit(8, 0x60, b"CS", b"CT"), explicit(0x10, 0x20, b"LO", b"4711")]
        .concat()
}

fn with_meta(body: &[u8]) -> Vec<u8> {
    dicom(IMPLICIT, body)[132..].to_vec()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

fn zip_bytes(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn pictures_without_preamble_or_behind_junk_are_checked() {
    let refused = ["dicom_tag", "dicom_not_declared"];
    let declared = implicit(0x12, 0x62, b"YES ");
    check_gate("a/implicit", implicit_set(), &refused, &[]);
    check_gate("a/explicit", explicit_set(), &refused, &[]);
    check_gate("a/explicit.dcm", explicit_set(), &refused, &[]);
    check_gate("a/meta", with_meta(&implicit_set()), &refused, &[]);
    check_gate("a/clean", [implicit(8, 5, b"ISO_IR 192"), implicit(8, 0x60, b"CT"), declared].concat(), &[], &[]);
    let junk = |bytes: usize| [vec![b'x'; bytes], dicom(IMPLICIT, &implicit_set())].concat();
    check_gate("a/junk", junk(1), &refused, &[]);
    check_gate("a/far", junk(900_000), &refused, &[]);
    check_gate(
        "a/big",
        vec![0, 8, 0, 5, b'C', b'S', 0, 2, b'A', b'B'],
        &["dicom_unreadable", "dicom_not_declared"],
        &[],
    );
    let class = explicit(2, 2, b"UI", b"1.2.840.10008.1.3.10");
    let record = implicit(4, 0x1220, &item(&implicit(0x10, 0x10, b"Zhang^San ")));
    let directory = [&vec![0; 128][..], b"DICM", &class, &explicit(2, 0x10, b"UI", IMPLICIT.as_bytes()), &record];
    check_gate("a/DICOMDIR", directory.concat(), &["dicom_tag"], &[]);
    check_gate("a/DICOMDIR", directory[2..].concat(), &["dicom_tag"], &[]);
    // Enhanced multi-frame: functional groups of each frame, here with a name three sequences down.
    let frame = |body: &[u8]| explicit(0x5200, 0x9230, b"SQ", &item(&explicit(0x20, 0x9111, b"SQ", &item(body))));
    let name = explicit(0x10, 0x10, b"PN", b"Zhang^San ");
    let set = [explicit(0x12, 0x62, b"CS", b"YES "), frame(&explicit(8, 0x1140, b"SQ", &item(&name)))].concat();
    check_gate("a/frames", dicom(EXPLICIT, &set), &["dicom_tag"], &[]);
}

#[test]
fn free_text_documents_and_overlays_are_looked_at() {
    let declared = explicit(0x12, 0x62, b"CS", b"YES ");
    let make = |element: Vec<u8>| dicom(EXPLICIT, &[declared.clone(), element].concat());
    // The last digit is the check: with another it is some number.
    let [number, other] = ["Zhang 11010519491231002X", "Zhang 110105194912310021"];
    let comment = |text: &str| make(explicit(0x20, 0x4000, b"LT", text.as_bytes()));
    check_gate("a/b", comment(number), &["dicom_id_number"], &[]);
    check_gate("a/b", comment(other), &[], &[]);
    check_gate("a/b", make(explicit(0x42, 0x11, b"OB", b"%PDF-1.7")), &["dicom_document"], &[]);
    check_gate("a/b", make(explicit(0x42, 0x11, b"OB", b"")), &[], &[]);
    check_gate("a/b", make(explicit(0x6002, 0x3000, b"OW", &[255; 32])), &[], &["dicom_overlay"]);
}

#[test]
fn pictures_are_found_in_archives_of_any_depth() {
    let picture = explicit_set();
    let tar = tar_of(&[("a.txt", b"text"), ("long/".repeat(40).as_str(), b""), ("x", &picture)]);
    let zip = zip_bytes(&[("a.txt", b"text"), ("x", &picture)]);
    for (name, bytes) in [
        ("plain.tar", tar.clone()),
        ("noname", tar.clone()),
        ("a.dcm.gz", gz(&picture)),
        ("picture.gz", gz(&dicom(EXPLICIT, &picture))),
        ("a.zst", zstd::encode_all(&picture[..], 1).unwrap()),
        ("a.zip", zip.clone()),
        ("noname", zip.clone()),
        ("b.zip", zip_bytes(&[("t.txt", b"t"), ("inner.zip", &zip)])),
        ("c.zip", zip_bytes(&[("inner.tar.gz", &gz(&tar))])),
        ("d.tar", tar_of(&[("t", b"t"), ("inner.zip", &zip_bytes(&[("i", &gz(&picture))]))])),
        ("named.tar", tar_of(&[("DICOMDIR", b"x")])),
    ] {
        let found = found(&[(name, bytes)]);
        assert_eq!(codes(&found.refusals), ["dicom_in_archive"], "{name}");
    }
}

#[test]
fn what_was_not_looked_into_is_named_and_medical_collections_refuse_it() {
    let text = zip_bytes(&[("t.txt", b"text")]);
    let mut deep = text.clone();
    for _ in 0..6 {
        deep = zip_bytes(&[("deeper.zip", &deep)]);
    }
    // The bit that says that a member is encrypted, in its local and in its central header.
    let mut locked = text.clone();
    locked[6] |= 1;
    let central = locked.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    locked[central + 8] |= 1;
    let zeros = vec![0; 80 << 20];
    let bomb = gz(&tar_of(&[("zeros", &zeros)]));
    for (name, bytes, detail) in [
        ("deep.zip", deep, "too many archives in one another"),
        ("locked.zip", locked, "encrypted"),
        ("cut.zip", text[..text.len() - 9].to_vec(), "damaged"),
        ("disc.rar", b"Rar!\x1a\x07\x01\0".to_vec(), "a format that is not read here"),
        ("bomb.gz", bomb.clone(), "too much in it"),
        ("bomb.zip", zip_bytes(&[("a.gz", &bomb)]), "too much in it"),
        ("cut.tar", tar_of(&[("a", b"text")])[..700].to_vec(), "damaged"),
    ] {
        let files = [(name, bytes)];
        let (open, strict) = (found_by(&files, false), found_by(&files, true));
        let shown = |notices: &Notices| -> Vec<(&str, String)> {
            let looked = notices.list.iter().filter(|notice| notice.code == Code::NotLookedInto);
            looked.map(|notice| (notice.code.name(), notice.detail.clone())).collect()
        };
        let expected = vec![("not_looked_into", detail.to_owned())];
        assert_eq!((shown(&open.warnings), open.refusals.is_empty()), (expected.clone(), true), "{name}");
        assert_eq!((shown(&strict.refusals), shown(&strict.warnings)), (expected, vec![]), "{name}");
    }
}

#[test]
fn harmless_archives_say_nothing() {
    let member = tar_of(&[("a.txt", b"text"), ("b.bin", &[7; 100_000])]);
    for (name, bytes) in [
        ("a.tar", member.clone()),
        ("a.zip", zip_bytes(&[("a.tar", &member), ("b.gz", &gz(b"text"))])),
        ("empty.zip", zip_bytes(&[])),
    ] {
        let found = found_by(&[(name, bytes)], true);
        assert_eq!((codes(&found.refusals), codes(&found.warnings)), (vec![], vec![]), "{name}");
    }
}
