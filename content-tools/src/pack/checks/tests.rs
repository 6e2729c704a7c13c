//! Packing folders that hold packages, archives and what must not be published.

use super::super::{PackError, PackOptions, Packed, pack};
use crate::export::layout;
use crate::package::Code;
use crate::store::{Store, StoreOptions};
use flate2::{Compression, write::GzEncoder};
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::path::PathError;
use std::fs;
use std::io::Write;

fn packed(files: &[(&str, &[u8])], unpack: bool, look: impl FnOnce(&Store, Result<Packed, PackError>)) {
    let (dir, store_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (path, bytes) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
    let options = PackOptions { unpack, ..PackOptions::default() };
    look(&store, pack(dir.path(), &options, &store, &mut |_| {}));
    let left = fs::read_dir(store_dir.path()).unwrap().flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(super::FOLDER_PREFIX)));
}

fn paths(store: &Store, packed: &Packed) -> Vec<String> {
    layout(&packed.root_bytes, store).unwrap().files().iter().map(|file| file.head.path.to_string()).collect()
}

fn tar_gz(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, kind, bytes) in members {
        let mut header = tar::Header::new_ustar();
        // Written as it is: the library's own way refuses the names that a hostile archive has.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(if name.ends_with(".sh") { 0o755 } else { 0o644 });
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn compressed_tars_are_refused_or_unpacked() {
    use tar::EntryType::{Char, Directory, Regular, Symlink};
    let archive = tar_gz(&[
        ("./d/", Directory, b""),
        ("./d/10.txt", Regular, b"ten"),
        ("d/2.txt", Regular, b"two"),
        ("d/run.sh", Regular, b"run"),
        ("link", Symlink, b""),
        ("dev", Char, b""),
    ]);
    let files: &[(&str, &[u8])] = &[("课/a.txt", b"a"), ("课/资料.tar.gz", &archive), ("b.txt", b"b")];
    packed(files, false, |_, result| {
        assert!(matches!(result, Err(PackError::CompressedTar { can_unpack: true, .. })));
    });
    packed(files, true, |store, result| {
        let packed = result.unwrap();
        assert_eq!(
            paths(store, &packed),
            ["b.txt", "课/a.txt", "课/资料/d/2.txt", "课/资料/d/10.txt", "课/资料/d/run.sh"]
        );
        let layout = layout(&packed.root_bytes, store).unwrap();
        let executable: Vec<_> = layout.files().iter().map(|file| file.head.executable).collect();
        assert_eq!(executable, [false, false, false, false, true]);
        assert_eq!(packed.skipped.total(), 2);
    });
    packed(&[("x.gz", &archive)], false, |_, result| {
        assert!(matches!(result, Err(PackError::CompressedTar { .. })), "a tar by content");
    });
    packed(&[("x.tar.xz", b"")], true, |_, result| {
        assert!(matches!(result, Err(PackError::CompressedTar { can_unpack: false, .. })));
    });
}

/// An entry with the name of another one.
fn link(tar: &mut tar::Builder<impl Write>, kind: tar::EntryType, name: &str, target: &str) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
}

fn linked(target: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut tar = tar::Builder::new(GzEncoder::new(&mut archive, Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    tar.append_data(&mut header, "d/one.txt", &b"one"[..]).unwrap();
    link(&mut tar, tar::EntryType::Symlink, "d/soft", "one.txt");
    link(&mut tar, tar::EntryType::Link, "d/softer", "d/soft");
    link(&mut tar, tar::EntryType::Link, "d/two.txt", target);
    tar.into_inner().unwrap().finish().unwrap();
    archive
}

#[test]
fn hard_links_are_files() {
    for target in ["d/one.txt", "./d/one.txt"] {
        packed(&[("x.tgz", &linked(target))], true, |store, result| {
            let packed = result.unwrap();
            assert_eq!(paths(store, &packed), ["x/d/one.txt", "x/d/two.txt"]);
            assert_eq!(packed.root.plain_bytes, 6);
            let skipped: Vec<_> = packed.skipped.list.iter().map(|s| (s.path.as_str(), s.reason.name())).collect();
            assert_eq!(skipped, [("x/d/soft", "link"), ("x/d/softer", "link")]);
        });
    }
    for target in ["d/none", "../d/one.txt", "/etc/passwd"] {
        packed(&[("x.tgz", &linked(target))], true, |_, result| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("hard link") && error.contains(target), "{error}");
        });
    }
}

#[test]
fn leftovers_in_archives_are_none_of_the_files() {
    use tar::EntryType::Regular;
    let archive = tar_gz(&[("._a", Regular, b"x"), ("__MACOSX/a", Regular, b"x"), ("a", Regular, b"a")]);
    packed(&[("x.tgz", &archive)], true, |store, result| {
        let packed = result.unwrap();
        assert_eq!((paths(store, &packed), packed.skipped.leftovers()), (vec!["x/a".to_owned()], 2));
    });
}

#[test]
fn an_archive_of_leftovers_or_holes_is_refused_and_the_later_of_two_members_stays() {
    use tar::EntryType::{GNUSparse, Regular, Symlink};
    for members in [&[(".DS_Store", Regular, &b"x"[..])][..], &[("film", GNUSparse, b"")]] {
        packed(&[("x.tgz", &tar_gz(members))], true, |_, result| {
            assert!(matches!(result, Err(PackError::Unpack { .. })), "{result:?}");
        });
    }
    let archive = tar_gz(&[("a", Regular, b"a"), ("b", Regular, b"b"), ("a", Symlink, b"")]);
    packed(&[("x.tgz", &archive)], true, |store, result| {
        assert_eq!(paths(store, &result.unwrap()), ["x/b"]);
    });
}

#[test]
fn all_bad_names_in_archives_are_told_at_once() {
    use tar::EntryType::Regular;
    let long = "a".repeat(90) + "/..";
    let one = tar_gz(&[("a\nb", Regular, b"x"), ("fine", Regular, b"x"), (&long, Regular, b"x")]);
    let two = tar_gz(&[("../c", Regular, b"x")]);
    packed(&[("1.tgz", &one), ("2.tgz", &two)], true, |store, result| {
        let Err(PackError::Names(names)) = result else { panic!("{result:?}") };
        let told: Vec<_> = names.list.iter().map(|name| (name.path.to_str().unwrap(), name.rule())).collect();
        let [first, second, third] = told[..] else { panic!("{told:?}") };
        assert!(first.0.ends_with("/1.tgz/a\nb") && first.1 == "control", "{told:?}");
        assert!(second.0.contains("/1.tgz/aaa") && second.1 == "other", "{told:?}");
        assert!(third.0.ends_with("/2.tgz/../c") && third.1 == "other", "{told:?}");
        assert_eq!(store.stats().chunks, 0);
    });
    packed(&[("2.tgz", &two)], true, |_, result| assert!(matches!(result, Err(PackError::Name { .. })), "{result:?}"));
}

/// The bytes of a member that is refused are not the next one's header.
#[test]
fn a_large_member_with_a_bad_name_is_refused_for_its_name() {
    use tar::EntryType::{Directory, Regular};
    let large = vec![7; 3 << 20];
    for (name, shown) in [("/etc/x.bin", "x.tgz//etc/x.bin"), ("../../r.bin", "x.tgz/../../r.bin")] {
        let archive =
            tar_gz(&[("fine", Regular, b"x"), (name, Regular, &large), ("d", Directory, &large), ("e", Regular, b"")]);
        packed(&[("x.tgz", &archive)], true, |_, result| {
            let Err(PackError::Name { path, reason: PathError::Empty | PathError::Dots }) = result else {
                panic!("{result:?}")
            };
            assert!(path.to_str().unwrap().ends_with(shown), "{path:?}");
        });
    }
}

#[test]
fn hostile_archives_are_refused() {
    use tar::EntryType::{GNULongName, Regular};
    let unpack = |archive: Vec<u8>, wanted: &str| {
        packed(&[("x.tgz", &archive), ("x/a", b"")], true, |_, result| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        });
    };
    unpack(tar_gz(&[("../../evil", Regular, b"x")]), "../../evil");
    unpack(tar_gz(&[("/etc/evil", Regular, b"x")]), "/etc/evil");
    unpack(tar_gz(&[("a", Regular, b"x")]), "in an archive");
    unpack(tar_gz(&[("a/b", Regular, b"x")]), "in an archive");
    unpack(tar_gz(&[("././@LongLink", GNULongName, &vec![b'a'; 8 << 20])]), "too long");
    unpack(b"\x1f\x8bnot gzip".to_vec(), "cannot be unpacked");
}

#[test]
fn titles_and_order_reach_the_manifest_unless_the_description_wins() {
    let manifest = "<manifest><organizations><organization><title>Course</title><item identifierref='b'><title>First</title>\
        </item><item identifierref='a'><title>Second</title></item></organization></organizations><resources>\
        <resource identifier='a' href='a/i.html'/><resource identifier='b' href='b/i.html'/></resources></manifest>";
    let files: &[(&str, &[u8])] = &[
        ("imsmanifest.xml", manifest.as_bytes()),
        ("a/i.html", b"a"),
        ("b/i.html", b"b"),
        ("collection.toml", b"items.a.title = 'Mine'"),
    ];
    packed(files, false, |store, result| {
        let packed = result.unwrap();
        assert_eq!(packed.root.metadata.title, "Course");
        let layout = layout(&packed.root_bytes, store).unwrap();
        let shown: Vec<_> = layout
            .items()
            .filter(|item| item.ext.contains_key("order"))
            .map(|item| (item.key.clone(), item.title.clone(), item.ext["order"].clone()))
            .collect();
        let row = |key: &str, title: &str, order: &str| (key.to_owned(), title.to_owned(), order.to_owned());
        assert_eq!(shown, [row("a", "Mine", "000002"), row("b", "First", "000001")]);
    });
}

#[test]
fn nothing_is_packed_when_anything_is_refused() {
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    packed(&[("ct/1", &dicom), ("a.txt", b"a")], false, |store, result| {
        let Err(PackError::Refused(refusals)) = result else { panic!("{result:?}") };
        assert_eq!(refusals.list[0].code, Code::DicomNotDeclared);
        assert_eq!(store.stats().chunks, 0);
    });
    packed(&[("a.txt", b"a"), ("collection.toml", b"sensitivity = 'confidential'")], false, |_, result| {
        assert!(matches!(result, Err(PackError::Sensitivity { found }) if found == "confidential"));
    });
    packed(&[("a.txt", b"a"), ("collection.toml", b"sensitivity = 'open'")], false, |_, result| {
        assert!(result.is_ok());
    });
}

#[test]
fn paths_sort_as_a_walk_lists_them() {
    let mut paths = vec!["a/b", "a.txt", "a/10", "a/2/x", "b"];
    paths.sort_by(|a, b| super::natural::compare_paths(a, b));
    assert_eq!(paths, ["a/2/x", "a/10", "a/b", "a.txt", "b"]);
}

#[test]
fn consultations_refuse_what_nobody_has_looked_into() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ct.rar"), b"Rar!\x1a\x07\x01\0").unwrap();
    for (kind, unchecked, is_refused) in [
        (Kind::Consultation, false, true),
        (Kind::Care, false, true),
        (Kind::Care, true, false),
        (Kind::Course, false, false),
    ] {
        let store_dir = tempfile::tempdir().unwrap();
        let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
        let options = PackOptions { kind: Some(kind), unchecked, ..PackOptions::default() };
        let codes = match pack(dir.path(), &options, &store, &mut |_| {}) {
            Err(PackError::Refused(refusals)) if is_refused => refusals.list,
            Ok(packed) if !is_refused => packed.warnings.list,
            other => panic!("{kind:?} {unchecked}: {other:?}"),
        };
        assert_eq!(codes.iter().map(|notice| notice.code).collect::<Vec<_>>(), [Code::NotLookedInto]);
    }
}
