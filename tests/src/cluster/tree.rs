//! Folders to publish, and comparing them without any product code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Bytes that no compressor shrinks, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A small course: one large incompressible lesson, one text, Chinese names, an empty folder, an executable.
pub fn course(dir: &Path, megabytes: usize) {
    for folder in ["第一课", "第二课/材料", "空文件夹"] {
        fs::create_dir_all(dir.join(folder)).expect("a folder");
    }
    fs::write(dir.join("第一课/视频.mp4"), noise(7, megabytes << 20)).expect("a file");
    fs::write(dir.join("第一课/视频.zh.vtt"), "WEBVTT\n\n00:00.000 --> 00:05.000\n坎儿井\n".repeat(40))
        .expect("a file");
    fs::write(dir.join("第二课/材料/讲义.html"), "<h1>水</h1>\n".repeat(3000)).expect("a file");
    fs::write(dir.join("第二课/empty.txt"), "").expect("a file");
    let script = dir.join("第二课/run.sh");
    fs::write(&script, "#!/bin/sh\necho karez\n").expect("a file");
    set_executable(&script);
}

/// Makes a file executable.
pub fn set_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Relative path -> kind, executable bit and hash of the content.
pub fn fingerprint(dir: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let entries = walkdir::WalkDir::new(dir).min_depth(1).into_iter().map(|entry| entry.expect("a readable tree"));
    let describe = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(dir).expect("inside").to_str().expect("UTF-8").to_owned();
        let kind = match entry.file_type() {
            kind if kind.is_dir() => "folder".into(),
            kind if kind.is_file() => {
                let executable = entry.metadata().expect("metadata").permissions().mode() & 0o100 != 0;
                let hash = blake3::hash(&fs::read(entry.path()).expect("a readable file"));
                format!("file {executable} {hash}")
            }
            _ => "other".into(),
        };
        (path, kind)
    };
    entries.map(describe).collect()
}

/// Flips so many bits of a file, the same ones for the same seed, behind the header of a segment.
pub fn flip_bits(path: &Path, bits: u64, seed: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::File::options().read(true).write(true).open(path).expect("a file");
    let len = file.metadata().expect("metadata").len();
    let dice = noise(seed, bits as usize * 8);
    for bytes in dice.chunks_exact(8) {
        let number = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let (at, bit) = (64 + number % (len - 64), number >> 61);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("a byte");
        file.write_all_at(&[byte[0] ^ 1 << bit], at).expect("a byte");
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("a readable tree");
        let target = to.join(entry.path().strip_prefix(from).expect("inside"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).expect("a folder");
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
