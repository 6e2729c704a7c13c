//! Tests of the walk over a folder.

use super::*;
use karez_protocol::content::path::PathError;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn walked(dir: &Path) -> Result<Tree, PackError> {
    walk(dir, &OwnFolders::default())
}

#[test]
fn keeps_names_and_finds_empty_folders_and_passes_links_and_pipes_over() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("第10课/空")).unwrap();
    fs::create_dir_all(root.join("只有链接")).unwrap();
    fs::write(root.join("第10课/a.txt"), "x").unwrap();
    fs::write(root.join("第2课.mp4"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("只有链接/l")).unwrap();
    std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let tree = walked(root).unwrap();
    let files: Vec<_> = tree.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
    assert_eq!(files, [("第2课.mp4", 0), ("第10课/a.txt", 1)]);
    let folders: Vec<_> = tree.empty_folders.iter().map(ContentPath::as_str).collect();
    assert_eq!(folders, ["只有链接", "第10课/空"]);
    let skipped: Vec<_> =
        tree.skipped.list.iter().map(|skipped| (skipped.path.as_str(), skipped.reason.name())).collect();
    assert_eq!(skipped, [("loop", "link"), ("pipe", "pipe"), ("只有链接/l", "link")]);
}

#[test]
fn says_what_is_wrong_with_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(walked(dir.path()), Err(PackError::Empty { .. })));
    assert!(matches!(walked(&dir.path().join("none")), Err(PackError::Missing { .. })));
    let file = dir.path().join("f");
    fs::write(&file, "x").unwrap();
    assert!(matches!(walked(&file), Err(PackError::NotAFolder { .. })));
    let store = dir.path().join("store");
    fs::create_dir(&store).unwrap();
    let own = OwnFolders::of([store.as_path()]);
    assert!(matches!(walk(dir.path(), &own), Err(PackError::OwnFolder { .. })));
    assert!(matches!(walk(&store, &own), Err(PackError::OwnFolder { .. })));
    for (store, is_inside) in [("a/b/store", true), ("a/../../store", false)] {
        fs::create_dir_all(dir.path().join("a")).unwrap();
        let own = OwnFolders::of([dir.path().join(store).as_path()]);
        assert_eq!(check_place(dir.path(), &own).is_err(), is_inside, "{store}");
    }
}

#[test]
fn names_that_cannot_travel_are_errors() {
    for (name, encoding) in [(&b"\xb5\xda\xd2\xbb\xbf\xce.mp4"[..], true), (b"a\nb", false)] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(name)), "x").unwrap();
        match walked(dir.path()) {
            Err(PackError::NameEncoding { .. }) => assert!(encoding),
            Err(PackError::Name { reason: PathError::Control, .. }) => assert!(!encoding),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn all_bad_names_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bad_dir = dir.path().join("a\nb");
    fs::create_dir(&bad_dir).unwrap();
    fs::write(bad_dir.join("good.txt"), "x").unwrap();
    for number in 0..30 {
        fs::write(dir.path().join(OsStr::from_bytes(&[b"caf\xe9", format!("{number:02}").as_bytes()].concat())), "x")
            .unwrap();
    }
    match walked(dir.path()) {
        Err(PackError::Names(names)) => {
            let rules: Vec<_> = names.list.iter().map(BadName::rule).collect();
            assert_eq!((rules[0], rules[1], rules.len(), names.more), ("control", "encoding", 20, 11));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_systems_and_programs_leave_is_no_content() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        ".DS_Store",
        "Thumbs.db",
        "第1课/desktop.ini",
        "第1课/._v.mp4",
        "第1课/~$讲义.docx",
        "第1课/v.mp4",
        "第2课.mp4.crdownload",
        ".git/objects/12",
        "lost+found/#1",
        "$RECYCLE.BIN/S-1/x.mp4",
        ".Trash-1000/files/x.mp4",
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    // Nobody looks into what is left out.
    fs::write(dir.path().join(".git").join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let tree = walked(dir.path()).unwrap();
    let files: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!((files, tree.empty_folders.len()), (vec!["第1课/v.mp4"], 0));
    let mut skipped: Vec<_> = tree.skipped.list.iter().map(|s| (s.path.as_str(), s.reason.name())).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            ("$RECYCLE.BIN", "system"),
            (".DS_Store", "system"),
            (".Trash-1000", "system"),
            (".git", "version_control"),
            ("Thumbs.db", "system"),
            ("lost+found", "system"),
            ("第1课/._v.mp4", "system"),
            ("第1课/desktop.ini", "system"),
            ("第1课/~$讲义.docx", "lock"),
            ("第2课.mp4.crdownload", "unfinished"),
        ]
    );
    fs::remove_dir_all(dir.path().join("第1课")).unwrap();
    assert!(matches!(walked(dir.path()), Err(PackError::Empty { .. })));
}

/// Permissions stop nobody who tests as root, so the mapping is tested on an error that the system makes.
#[test]
fn a_folder_that_cannot_be_listed_is_named() {
    let error = WalkDir::new("/nonexistent/x").into_iter().next().unwrap().unwrap_err();
    match walk_error(Path::new("/dir"), error) {
        PackError::Unreadable { path, source } => {
            assert_eq!((path.to_str(), source.kind()), (Some("/nonexistent/x"), io::ErrorKind::NotFound));
        }
        other => panic!("{other:?}"),
    }
}
