//! Looking after a store with the binary: what is damaged, pinned and counted, as people meet it.
#![expect(clippy::unwrap_used, reason = "a setup that fails ends the test")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_karez-content");

struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    /// A folder of two files.
    fn new() -> Self {
        let bench = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.root.path().join("folder")).unwrap();
        bench.write("folder/a.bin", &noise(1, 600_000));
        bench.write("folder/b.bin", &noise(2, 300_000));
        bench
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        fs::write(self.root.path().join(path), bytes).unwrap();
    }

    /// Runs a command on the store; paths are below the folder of the bench.
    fn run(&self, lang: &str, line: &str) -> Output {
        let mut command = Command::new(BINARY);
        command.current_dir(&self.root).env("KAREZ_LANG", lang);
        command.args(line.split(' ')).args(["--store", "store"]).output().unwrap()
    }

    fn text(&self, lang: &str, line: &str) -> String {
        let output = self.run(lang, line);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_slice(&self.run("en", &format!("{line} --json")).stdout).unwrap()
    }

    fn code(&self, line: &str) -> i32 {
        self.run("en", line).status.code().unwrap()
    }
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

const PACK: &str = "pack folder --in-place --collection me/fb";

/// A file that was taken out on purpose is damage only as long as a version needs it.
#[test]
fn damage_that_nobody_needs_any_more_is_forgotten() {
    let bench = Bench::new();
    bench.json(PACK);
    fs::remove_file(bench.root.path().join("folder/a.bin")).unwrap();
    let found = bench.json("verify");
    let chunks = found["damaged"].as_array().unwrap().len();
    assert!(chunks > 3, "{found}");
    assert_eq!((&found["unneeded"], &found["files"][0]["unneeded"]), (&Value::Array(Vec::new()), &0.into()));
    assert_eq!(bench.json(PACK)["version"], 2);
    // The first version is still here, and needs them.
    assert_eq!((bench.code("damaged"), bench.json("gc --dry-run")["damaged_forgotten"].clone()), (1, 0.into()));
    assert_eq!(bench.json("gc")["damaged_forgotten"], chunks);
    assert_eq!((bench.code("damaged"), bench.code("verify")), (0, 0));
    assert_eq!(bench.json("damaged")["damaged"], Value::Array(Vec::new()));
}

#[test]
fn damage_that_nobody_needs_is_said_as_such() {
    let bench = Bench::new();
    bench.json(PACK);
    let film = bench.root.path().join("folder/a.bin");
    fs::File::options().write(true).open(film).unwrap().write_all_at(b"?!", 300_000).unwrap();
    fs::remove_file(bench.root.path().join("store/drafts/me/fb/1.release")).unwrap();
    assert_eq!(bench.code("verify"), 1, "a disk that rots is told of, whatever was on it");
    for (lang, needless, file) in [("en", "no version needs", "1 of them"), ("zh", "没有版本需要", "其中 1 块")]
    {
        let [verify, damaged] = ["verify", "damaged"].map(|command| bench.text(lang, command));
        assert!(verify.contains(needless) && verify.contains(file), "{verify}");
        assert!(damaged.contains(needless), "{damaged}");
    }
    assert_eq!((bench.code("damaged"), bench.code("verify")), (0, 0));
    assert_eq!(bench.json("damaged")["damaged"][0]["needed"], false);
    // What a version that nobody can read needs, nobody knows.
    bench.json(PACK);
    bench.write("store/drafts/me/fb/1.release", b"?");
    assert_eq!(bench.code("damaged"), 1);
}

#[test]
fn what_is_not_here_is_pinned_and_said_to_be_missing() {
    let bench = Bench::new();
    bench.json("pack folder --collection me/fb");
    for (pin, here) in [("me/fb", true), ("me/fb@1", true), ("me/fb@77", false), ("me/nothing", false)] {
        let done = bench.json(&format!("pin {pin}"));
        assert_eq!((&done["changed"], &done["here"]), (&true.into(), &here.into()), "{pin}");
        for (lang, missing) in [("en", "not in this store yet"), ("zh", "还没有")] {
            let said = bench.text(lang, &format!("pin {pin}"));
            assert_eq!(said.contains(missing), !here, "{said}");
        }
    }
}

/// A damaged draft had its number, and the site that pulled it may know it.
#[test]
fn no_draft_takes_the_number_of_a_damaged_one() {
    let bench = Bench::new();
    let pack = "pack folder --collection me/fb";
    bench.json(pack);
    bench.write("folder/t.txt", b"more");
    assert_eq!(bench.json(pack)["version"], 2);
    for (damaged, next) in [(&[2][..], 3), (&[1, 3], 4)] {
        let name = |version: &u64| format!("store/drafts/me/fb/{version}.release");
        damaged.iter().for_each(|version| bench.write(&name(version), b"?"));
        let packed = bench.json(pack);
        assert_eq!((&packed["version"], &packed["changed"]), (&next.into(), &true.into()));
        assert_eq!(packed["wire_bytes"], 0, "the store has all of it");
        assert!(damaged.iter().all(|version| fs::read(bench.root.path().join(name(version))).unwrap() == b"?"));
    }
    assert_eq!(bench.json(pack)["changed"], false);
}

/// What was lost comes back by packing again, which says so; copies give the folder free.
#[test]
fn packing_says_what_it_stored_again() {
    let bench = Bench::new();
    let pack = "pack folder --collection me/fb";
    bench.json(pack);
    let segment = bench.root.path().join("store/segments/00000001.kseg");
    fs::File::options().write(true).open(segment).unwrap().write_all_at(&[0x55; 100], 300_000).unwrap();
    assert_eq!(bench.code("verify"), 1);
    let said = bench.text("en", pack);
    assert!(said.contains("nothing has changed since version 1") && said.contains("stored again"), "{said}");
    assert_eq!(bench.code("verify"), 0);

    let bench = Bench::new();
    assert_eq!(bench.json(PACK)["copied_bytes"], 0);
    let said = bench.text("zh", pack);
    assert!(said.contains("已复制到存储中") && said.contains("900000"), "{said}");
    assert!(!bench.text("zh", pack).contains("已复制到存储中"), "they are copies now");
    fs::remove_dir_all(bench.root.path().join("folder")).unwrap();
    assert_eq!(bench.code("verify"), 0);
}

#[test]
fn wrong_usage_says_the_rule_in_both_languages() {
    let bench = Bench::new();
    for (line, english, chinese) in [
        ("pack folder --renditions 9p", "120p to 1080p", "120p 至 1080p"),
        ("pack folder --collection Bad/Name!", "letters A-Z and a-z, digits", "只用英文字母、数字和 . _ -"),
        ("scrub --rate 0", "above 0", "大于 0"),
        ("quota 0", "above 0", "大于 0"),
    ] {
        for (lang, rule) in [("en", english), ("zh", chinese)] {
            let said = bench.text(lang, line);
            assert!(said.contains(rule) && bench.run(lang, line).status.code() == Some(2), "{line}: {said}");
        }
    }
}

#[test]
fn what_is_no_manifest_is_said_in_words_of_the_language() {
    let bench = Bench::new();
    bench.json("pack folder --collection me/fb");
    for (lang, said) in [("en", "no description of a collection"), ("zh", "不是内容集的描述")] {
        let text = bench.text(lang, "inspect folder/a.bin");
        assert!(text.contains(said) && !text.contains("malformed"), "{text}");
    }
    let json = bench.json("inspect folder/a.bin");
    assert!(json["detail"].as_str().unwrap().contains("manifest"), "{json}");
}
