//! The binary as people use it: exit codes, JSON, versions; and what a kill and a full disk leave behind.
#![expect(clippy::unwrap_used, reason = "a setup that fails ends the test")]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_karez-content");

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).env("KAREZ_LANG", "en").output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("课程/第1课")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> String {
        text(&self.root.path().join(name)).to_owned()
    }
}

#[test]
fn versions_quotes_and_differences() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    let film = bench.path("课程/第1课/视频.mp4");
    fs::write(&film, noise(1, 4 << 20)).unwrap();
    std::os::unix::fs::symlink("x", bench.path("课程/链接")).unwrap();
    let pack = || json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    let first = pack();
    assert_eq!((&first["version"], &first["changed"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(first["skipped"][0], serde_json::json!({"path": "链接", "reason": "link"}));
    assert_eq!(first["wire_bytes"], first["stored_bytes"]);
    let again = pack();
    assert_eq!((&again["version"], &again["changed"], &again["wire_bytes"]), (&1.into(), &false.into(), &0.into()));
    assert_eq!(again["manifest"], first["manifest"]);
    let mut bytes = noise(1, 4 << 20);
    bytes[2_000_000] ^= 1;
    fs::write(&film, bytes).unwrap();
    let second = pack();
    assert_eq!(second["version"], 2);
    assert!(second["wire_bytes"].as_u64().unwrap() < 400_000, "{second}");
    let difference = json(&["diff", "bj4/algebra-1@1", "bj4/algebra-1", "--store", &store]);
    assert_eq!(
        (&difference["changed"][0], &difference["wire_bytes"]),
        (&"第1课/视频.mp4".into(), &second["wire_bytes"])
    );
    let manifest = second["manifest"].as_str().unwrap();
    let quote = json(&["quote", manifest, "--store", &store]);
    assert_eq!((&quote["wire_bytes"], &quote["bound"]), (&second["stored_bytes"], &"exact".into()));
    assert_eq!(json(&["inspect", manifest, "--store", &store])["files"][0]["path"], "第1课/视频.mp4");
    let one = json(&["inspect", manifest, "--item", "第1课", "--store", &store]);
    assert!(one["files"].as_array().unwrap().iter().all(|file| file["item"] == "第1课"));
    assert!(!run(&["inspect", manifest, "--item", "第9课", "--store", &store]).status.success());
    let chunks = json(&["chunk", &film]);
    assert_eq!(chunks["bytes"], 4 << 20);
}

/// A pipe would be waited for, a device never ends.
#[test]
fn only_files_are_cut() {
    let bench = Bench::new();
    let pipe = bench.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, "/dev/zero"] {
        let output = run(&["chunk", path]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("is not a file"), "{stderr}");
    }
}

#[test]
fn exit_codes_and_advice() {
    let bench = Bench::new();
    let store = bench.path("store");
    let (failed, wrong) = (Some(1), Some(2));
    let rows: [(&[&str], _, &str); 4] = [
        (&["pack", "/nonexistent", "--store", &store], failed, "there is no folder"),
        (&["verify", "--store", "/nonexistent"], failed, "there is no store"),
        (&["pack", "x", "--store", &store, "--kind", "film"], wrong, "expected one of course"),
        (&["pack"], wrong, "--store"),
    ];
    for (arguments, code, said) in rows {
        let output = run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), code, "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    assert!(!Path::new(&store).exists());
}

/// Every failure is a sentence for people, in their language, and one value for programs.
#[test]
fn failures_are_said_in_the_users_language_and_as_json() {
    let bench = Bench::new();
    let (store, empty) = (bench.path("store"), bench.path("课程"));
    fs::write(bench.path("a.bin"), b"x").unwrap();
    let zeros = bench.path("zeros");
    fs::create_dir(&zeros).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &[0; 4096]).unwrap();
    fs::write(bench.path("zeros/course.tar.gz"), gz.finish().unwrap()).unwrap();
    let lessons = bench.path("lessons");
    fs::create_dir(&lessons).unwrap();
    fs::write(bench.path("lessons/1.mp4.part"), b"x").unwrap();
    let described = bench.path("described");
    fs::create_dir(&described).unwrap();
    for (name, bytes) in [("a.txt", "a"), ("1.mp4.part", "x"), ("collection.toml", "[items.'1.mp4.part']\ntitle = 'x'")]
    {
        fs::write(Path::new(&described).join(name), bytes).unwrap();
    }
    let (failed, wrong) = (1, 2);
    let rows: [(&[&str], _, &str, &str); 13] = [
        (&["pack", &lessons, "--store", &store], failed, "empty_skipped", "1.mp4.part 没有收入：没有下载完"),
        (&["pack", &described, "--store", &store], failed, "item_left_out", "没有收入（没有下载完）"),
        (&["verify", "--store", "/nonexistent"], failed, "no_store", "没有存储"),
        (&["pack", "/nonexistent", "--store", &store], failed, "no_folder", "没有目录"),
        (&["pack", &empty, "--store", &store], failed, "empty", "没有可打包的文件"),
        (&["pack", &zeros, "--store", &store], failed, "compressed_tar", "请先解压"),
        (&["pack", &zeros, "--store", &store, "--unpack"], failed, "unpack", "无法解压"),
        (&["chunk", "nofile"], failed, "no_file", "没有文件 nofile"),
        (&["chunk", &zeros], failed, "not_a_file", "不是文件"),
        (&["inspect", "a/b", "--store", &store], failed, "no_manifest", "没有清单"),
        (&["pack"], wrong, "usage", "缺少 --store <STORE>、<DIR>"),
        (&["scrub", "--store", &store, "--rate", "0"], wrong, "usage", "“0”不能用作 --rate <RATE>：每秒最多"),
        (&["frob"], wrong, "usage", "没有“frob”这个命令"),
    ];
    for (arguments, code, name, said) in rows {
        let output = run(&[arguments, &["--lang", "zh"]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{arguments:?} {stderr}");
        assert!(stderr.starts_with("错误：") && stderr.contains(said), "{arguments:?} {stderr}");
        let output = run(&[arguments, &["--json", "--lang", "zh"]].concat());
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &value["error"]), (Some(code), &name.into()), "{arguments:?} {value}");
        assert!(value["message"].as_str().is_some_and(|text| text.len() > 10), "{value}");
    }
}

/// Names that a terminal would act on are shown, and act on nothing.
#[test]
fn no_escape_reaches_the_terminal() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    let mut files = Vec::new();
    for name in ["a\u{202e}b.bin", "c.tar.xz"] {
        fs::write(bench.path("课程").clone() + "/" + name, b"x").unwrap();
        files.push(name);
    }
    for arguments in [
        vec!["chunk", "\u{1b}[31mno"],
        vec!["inspect", "\u{1b}]0;x\u{7}", "--store", &store],
        vec!["\u{1b}[2J"],
        vec!["pack", "--\u{1b}[2J"],
        vec!["pack", &dir, "--store", &store, "--lang", "en"],
    ] {
        let output = run(&arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']) && !text.is_empty(), "{text:?}");
    }
    fs::remove_file(bench.path("课程/c.tar.xz")).unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "a/b"]);
    let listed = run(&["inspect", "a/b", "--store", &store]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains("a\u{fffd}b.bin"), "{text}");
}

/// What a damaged release file stops, in Chinese too; no colours where no terminal is.
#[test]
fn a_damaged_release_is_told_without_colours() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/a.txt"), b"a").unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "a/b"]);
    let release = bench.path("store/drafts/a/b/1.release");
    fs::write(&release, b"rot").unwrap();
    let output = run(&["gc", "--store", &store, "--lang", "zh"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let said = stderr.lines().find(|line| line.starts_with("错误：")).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("已损坏") && !said.contains("damaged"), "{stderr}");
    let output = run(&["inspect", "a/b", "--store", &store]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("skipping a damaged release file") && !stderr.contains('\u{1b}'), "{stderr:?}");
    json(&["pack", &dir, "--store", &store, "--collection", "a/b"]);
    fs::write(bench.path("课程/a.txt"), b"b").unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "a/b"]);
    fs::write(&release, b"rot").unwrap();
    let plan = json(&["gc", "--store", &store]);
    assert_eq!(plan["damaged_releases"][0]["version"], 1, "{plan}");
    assert!(!Path::new(&release).exists());
}

#[test]
fn verify_finds_a_flipped_bit() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/a.bin"), noise(2, 300_000)).unwrap();
    json(&["pack", &dir, "--store", &store]);
    assert_eq!(json(&["verify", "--store", &store])["damaged"], serde_json::json!([]));
    let segment = bench.path("store/segments/00000001.kseg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[20_000] ^= 0x10;
    fs::write(&segment, bytes).unwrap();
    let output = run(&["verify", "--store", &store, "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), found["damaged"].as_array().unwrap().len()), (Some(1), 1));
    // Packing again stores the chunk anew, although the folder has not changed.
    assert_eq!(json(&["pack", &dir, "--store", &store])["chunks_new"], 1);
    assert_eq!(run(&["verify", "--store", &store]).status.code(), Some(0));
}

/// Chunks whose rows went with their segment file are in no list of damaged ones; the versions miss them all the same.
#[test]
fn what_went_with_a_segment_file_is_damage() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/第1课/视频.mp4"), noise(5, 3 << 20)).unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    let segment = bench.path("store/segments/00000001.kseg");
    fs::File::options().write(true).open(&segment).unwrap().set_len(1 << 20).unwrap();
    for command in ["verify", "scrub", "damaged"] {
        let output = run(&[command, "--store", &store, "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lost = &found["lost"][0];
        assert_eq!((output.status.code(), &found["damaged"]), (Some(1), &serde_json::json!([])), "{command}: {found}");
        assert_eq!(
            (&lost["collection"], &lost["version"], &lost["draft"]),
            (&"bj4/algebra-1".into(), &1.into(), &true.into())
        );
        assert!(lost["advice"].as_str().unwrap().contains("publish the folder again"), "{found}");
        let said = String::from_utf8(run(&[command, "--store", &store]).stdout).unwrap();
        assert!(said.contains("bj4/algebra-1@1 (draft) has lost"), "{command}: {said}");
    }
    json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    for command in ["verify", "scrub", "damaged"] {
        assert_eq!(json(&[command, "--store", &store])["lost"], serde_json::json!([]));
    }
}

/// Somebody's mess in the store's folder: named, and nothing waits for a pipe.
#[test]
fn damaged_pins_and_pipes_stop_no_look() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/第1课/视频.mp4"), noise(6, 1 << 20)).unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    fs::write(bench.path("store/pins"), noise(7, 500)).unwrap();
    json(&["inspect", "bj4/algebra-1", "--store", &store]);
    json(&["verify", "--store", &store]);
    for command in [&["pins"][..], &["gc"], &["pin", "bj4/algebra-1"]] {
        let refused = run(&[command, &["--store", &store]].concat());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("store/pins is damaged") && said.contains("remove it and pin again"), "{said}");
    }
    let segment = bench.path("store/segments/00000001.kseg");
    for path in [&segment, &bench.path("store/pack-cache.sqlite")] {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    let output = run(&["verify", "--store", &store, "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("00000001.kseg") && said.contains("not a file but a pipe"), "{said}");
    json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    json(&["verify", "--store", &store]);
}

/// A disk that was mounted read-only to save what is on it. Needs a mount, as the test of the full disk does.
#[test]
fn a_read_only_store_is_looked_at() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/第1课/视频.mp4"), noise(8, 1 << 20)).unwrap();
    json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    let script = r#"
        mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77
        for command in "inspect bj4/algebra-1" verify scrub damaged quota pins "quote bj4/algebra-1"; do
            "$0" $command --store "$1" >/dev/null || exit 11
        done
        for command in gc "pin bj4/algebra-1" "quota 1G"; do
            "$0" $command --store "$1" && exit 12
        done
        exit 0"#;
    let unshare = Command::new("unshare").args(["-r", "-m", "sh", "-c", script, BINARY, &store]).output();
    let output = match unshare {
        Ok(output) if output.status.code() != Some(77) => output,
        other => return eprintln!("skipped: nothing can be mounted read-only here: {other:?}"),
    };
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("cannot be written to: its disk or folder is read-only").count(), 3, "{said}");
    assert!(!said.contains("/lock"), "the lock is not the store: {said}");
    assert_eq!(said.matches("nothing that is found is noted").count(), 2, "of those that look for damage: {said}");
}

/// Kills the packer at a few points of its way; what it had written is never stored twice.
#[test]
fn a_killed_packer_goes_on_where_it_was() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    fs::write(bench.path("课程/film.mp4"), noise(3, 48 << 20)).unwrap();
    let segment = bench.path("store/segments/00000001.kseg");
    for step in 1..=4 {
        let mut packer = Command::new(BINARY);
        let packer = packer.args(["pack", &dir, "--store", &store]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut packer = packer.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let written = || fs::metadata(&segment).map_or(0, |metadata| metadata.len());
        while written() < step * (8 << 20) && packer.try_wait().unwrap().is_none() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        packer.kill().unwrap();
        packer.wait().unwrap();
    }
    let survived = fs::metadata(&segment).unwrap().len();
    let packed = json(&["pack", &dir, "--store", &store]);
    assert_eq!(packed["version"], 1);
    assert!(packed["new_stored_bytes"].as_u64().unwrap() + survived < (49 << 20), "{packed} {survived}");
    assert_eq!(run(&["verify", "--store", &store]).status.code(), Some(0));
}

/// Needs a small file system, so it runs where this process may mount one (root, or user namespaces).
#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let bench = Bench::new();
    let (dir, store, disk) = (bench.path("课程"), bench.path("disk/store"), bench.path("disk"));
    fs::create_dir(&disk).unwrap();
    fs::write(bench.path("课程/film.mp4"), noise(4, 24 << 20)).unwrap();
    let script = r#"
        mount -t tmpfs -o size=16m none "$1" || exit 77
        "$0" pack "$2" --store "$3" 2>"$1.said" && exit 11
        dd if=/dev/zero of="$1/fill" bs=1k 2>/dev/null
        for look in verify scrub damaged pins quota; do "$0" $look --store "$3" >&2 || exit 12; done
        rm "$1/fill"
        mount -o remount,size=64m "$1" || exit 13
        "$0" pack "$2" --store "$3" --json && "$0" verify --store "$3" >&2"#;
    let unshare = Command::new("unshare").args(["-r", "-m", "sh", "-c", script, BINARY, &disk, &dir, &store]).output();
    let output = match unshare {
        Ok(output) if output.status.code() != Some(77) => output,
        other => return eprintln!("skipped: no small file system can be mounted here: {other:?}"),
    };
    assert!(output.status.success(), "{output:?}");
    let said = fs::read_to_string(format!("{disk}.said")).unwrap();
    assert!(said.contains("no space left"), "{said}");
    let packed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(packed["new_stored_bytes"].as_u64().unwrap() < 12 << 20, "{packed}");
}

/// An old version goes unless it is pinned, and what stays is whole.
#[test]
fn old_versions_are_collected() {
    let bench = Bench::new();
    let (dir, store) = (bench.path("课程"), bench.path("store"));
    let film = bench.path("课程/第1课/视频.mp4");
    for version in 1..=2 {
        fs::write(&film, noise(version, 2 << 20)).unwrap();
        json(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    }
    let versions = |rows: &Value| -> Vec<u64> {
        rows.as_array().unwrap().iter().map(|row| row["version"].as_u64().unwrap()).collect()
    };
    assert_eq!(json(&["pin", "bj4/algebra-1@1", "--store", &store])["changed"], true);
    assert_eq!(json(&["pins", "--store", &store])["pins"], serde_json::json!(["bj4/algebra-1@1"]));
    let pinned = json(&["gc", "--store", &store]);
    assert_eq!((versions(&pinned["kept"]), pinned["freed_bytes"].as_u64()), (vec![1, 2], Some(0)));
    assert_eq!(json(&["unpin", "bj4/algebra-1@1", "--store", &store])["changed"], true);
    let plan = json(&["gc", "--dry-run", "--store", &store]);
    assert_eq!((versions(&plan["dropped"]), versions(&plan["kept"])), (vec![1], vec![2]));
    json(&["inspect", "bj4/algebra-1@1", "--store", &store]);
    let done = json(&["gc", "--store", &store]);
    assert!(done["freed_bytes"].as_u64().unwrap() > 1 << 20, "{done}");
    assert!(!run(&["inspect", "bj4/algebra-1@1", "--store", &store]).status.success());
    let checked = json(&["scrub", "--store", &store, "--rate", "200M", "--resume"]);
    assert_eq!((&checked["damaged"], &checked["skipped"]), (&serde_json::json!([]), &Value::from(0)));
    assert!(checked["bytes"].as_u64().unwrap() > 2 << 20);
    json(&["inspect", "bj4/algebra-1@2", "--store", &store]);
    assert_eq!(json(&["damaged", "--store", &store])["damaged"], serde_json::json!([]));
    let quota = json(&["quota", "3M", "--store", &store]);
    assert!(quota["quota_bytes"] == 3_000_000 && quota["used_bytes"].as_u64().unwrap() > 2 << 20, "{quota}");
    fs::write(&film, noise(9, 2 << 20)).unwrap();
    let refused = run(&["pack", &dir, "--store", &store, "--collection", "bj4/algebra-1"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("quota"), "{refused:?}");
    assert!(json(&["quota", "--lift", "--store", &store])["quota_bytes"].is_null());
    assert_eq!(run(&["scrub", "--store", &store, "--rate", "fast"]).status.code(), Some(2));
}
