//! `cargo x fuzz`: libFuzzer on the targets of `content-tools/tests/replay`, with a stable compiler.
//!
//! What must stay true: a finding fails the command and leaves its bytes behind; what a run has learnt goes into the working
//! corpus below `target/fuzz`, and a small part of it, smallest files first, into the corpus that `cargo x test` replays.
//!
//! rustc's own instrumentation of coverage is behind `-Z`, but LLVM's pass can be asked for with `-C passes`, which is
//! stable; that is what cargo-fuzz does, without its sanitizers, which safe code needs least. Rejected: cargo-fuzz itself
//! (wants nightly), AFL and honggfuzz (a program of the machine, one process per input or a persistent mode of their own).

use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 7] = ["manifest", "recipe", "mp4", "mkv", "zip", "dicom", "bundle"];
/// Bytes of one target's corpus in the repository.
const KEPT_BYTES_MAX: u64 = 100 << 10;
/// Files of it.
const KEPT_FILES_MAX: usize = 200;
/// libFuzzer ends a run that takes longer: no input that fits a target needs a second.
const SECONDS_PER_INPUT_MAX: &str = "10";
const MEMORY_MIB_MAX: &str = "1024";

/// Flags of `cargo x fuzz`.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Only these: manifest, recipe, mp4, mkv, zip, dicom, bundle
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long each is fuzzed; 0 for not at all, to keep what earlier runs have learnt
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Also put the smallest inputs that reach something new into the repository
    #[arg(long)]
    keep: bool,
}

/// Fuzzes one target after the other; a finding ends it.
pub(crate) fn run(flags: &Flags) -> Result<()> {
    let fuzzer = Fuzzer::build()?;
    let all: Vec<_> = TARGETS.iter().map(ToString::to_string).collect();
    for target in if flags.targets.is_empty() { &all } else { &flags.targets } {
        // For libFuzzer 0 is forever.
        match (flags.minutes * 60.0) as u64 {
            0 => {}
            seconds => fuzzer.fuzz(target, seconds)?,
        }
        if flags.keep {
            fuzzer.keep(target)?;
        }
    }
    Ok(())
}

struct Fuzzer {
    program: PathBuf,
    /// Working corpora, findings and the build.
    dir: PathBuf,
}

impl Fuzzer {
    fn build() -> Result<Self> {
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let found = Command::new(&compiler).arg("--version").output();
        ensure!(
            found.is_ok_and(|output| output.status.success()),
            "libFuzzer needs a C++ compiler: apt-get install g++"
        );
        let dir = workspace::root().join("target/fuzz");
        // With a target named, build scripts and macros are not instrumented.
        let host = host()?;
        let manifest = workspace::root().join("fuzz/Cargo.toml");
        let mut cargo = workspace::cargo(&["build", "--release", "--quiet", "--locked", "--target", &host]);
        cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(dir.join("build"));
        cargo.env("RUSTFLAGS", instrumentation().join(" "));
        workspace::finish(&mut cargo)?;
        Ok(Self { program: dir.join("build").join(host).join("release/karez-fuzz"), dir })
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KAREZ_FUZZ_TARGET", target).arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
        command
    }

    fn fuzz(&self, target: &str, seconds: u64) -> Result<()> {
        let corpus = self.dir.join("corpus").join(target);
        let findings = self.dir.join("findings");
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&findings)?;
        println!("fuzz: {target} for {seconds} s ...");
        let log = self.dir.join(format!("{target}.log"));
        let mut command = self.command(target);
        command.env("KAREZ_FUZZ_SEEDS", &corpus).arg(format!("-max_total_time={seconds}"));
        command.args(["-max_len=40960", "-print_final_stats=1", "-use_value_profile=1"]);
        command.arg(format!("-timeout={SECONDS_PER_INPUT_MAX}"));
        command.arg(format!("-artifact_prefix={}/{target}-", findings.display()));
        let status = command.arg(&corpus).arg(kept(target)).stderr(fs::File::create(&log)?).status();
        let status = status.context("the fuzzer does not start")?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        if !status.success() {
            let end: Vec<_> = said.lines().rev().take(40).collect();
            end.iter().rev().for_each(|line| eprintln!("{line}"));
            bail!(
                "{target}: a finding is in {}; put it into {} once it is mended",
                findings.display(),
                kept(target).display()
            );
        }
        println!("fuzz: {target}: {}", summary(&said));
        Ok(())
    }

    /// Copies what adds to the repository's corpus as long as there is room, the smallest first; of too many a sample.
    fn keep(&self, target: &str) -> Result<()> {
        let kept = kept(target);
        fs::create_dir_all(&kept)?;
        let least = tempfile::tempdir_in(&self.dir)?;
        let mut merge = self.command(target);
        merge
            .args(["-set_cover_merge=1", "-max_len=40960"])
            .arg(least.path())
            .arg(&kept)
            .arg(self.dir.join("corpus").join(target));
        let output = merge.output().context("the fuzzer does not start")?;
        ensure!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
        let mut bytes: u64 = files(&kept)?.iter().map(|(len, _)| len).sum();
        let mut added = 0;
        let (new, room) = (files(least.path())?, KEPT_FILES_MAX.saturating_sub(files(&kept)?.len()));
        let one_of = new.len().div_ceil(room.max(1));
        for (len, path) in new.into_iter().step_by(one_of.max(1)).take(room) {
            let to = kept.join(path.file_name().expect("a file has a name"));
            if bytes + len > KEPT_BYTES_MAX || to.exists() {
                continue;
            }
            fs::copy(&path, to)?;
            (bytes, added) = (bytes + len, added + 1);
        }
        println!("fuzz: {target}: {added} inputs added to {}", kept.display());
        Ok(())
    }
}

/// What `cargo x test` replays.
fn kept(target: &str) -> PathBuf {
    workspace::root().join("content-tools/tests/corpus/fuzz").join(target)
}

/// Files of a folder with their lengths, the smallest first.
fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        files.push((entry.metadata()?.len(), entry.path()));
    }
    files.sort();
    Ok(files)
}

fn instrumentation() -> [String; 6] {
    let pass = |option: &str| format!("-Cllvm-args=-sanitizer-coverage-{option}");
    [
        "-Cpasses=sancov-module".into(),
        pass("level=4"),
        pass("inline-8bit-counters"),
        pass("pc-table"),
        pass("trace-compares"),
        "-Ccodegen-units=1".into(),
    ]
}

/// The machine's own target, as rustc names it.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

/// Runs, coverage and memory, from what libFuzzer said.
fn summary(said: &str) -> String {
    let last = said.lines().rfind(|line| line.contains(" cov: ")).unwrap_or("nothing covered");
    let figure =
        |name: &str| said.lines().rfind(|line| line.contains(name)).and_then(|line| line.split_whitespace().last());
    let [runs, new] = ["number_of_executed_units", "new_units_added"].map(|name| figure(name).unwrap_or("?"));
    format!("{runs} runs, {new} inputs added; {}", last.split(" L: ").next().unwrap_or(last).trim())
}
