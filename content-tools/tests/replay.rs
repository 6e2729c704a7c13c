//! The corpus of the fuzzers, run once: seeds, and what `cargo x fuzz` kept because it reaches something new. A finding
//! that was mended leaves its bytes here.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "replay/targets.rs"]
mod targets;

use std::fs;
use targets::{TARGETS, corpus, run};

/// One test, because the targets measure memory of the whole process.
#[test]
fn the_corpus_breaks_no_property() {
    for target in &TARGETS {
        let dir = corpus().join("fuzz").join(target.name);
        let mut paths: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty() && !paths.is_empty(), "{}: no corpus", target.name);
        for seed in &seeds {
            assert!(seed.len() <= target.len_max, "{}: a seed of {} bytes", target.name, seed.len());
            run(target, seed);
        }
        for path in &paths {
            // Shown with the panic of a failure.
            println!("{}", path.display());
            run(target, &fs::read(path).unwrap());
        }
        println!("{}: {} seeds and {} files hold", target.name, seeds.len(), paths.len());
    }
}
