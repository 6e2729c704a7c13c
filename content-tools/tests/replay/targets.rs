//! What is fuzzed: one function for each parser of foreign bytes. `cargo x fuzz` lets coverage choose the bytes, the replay
//! test gives it the corpus; both call the same functions.
//!
//! What must stay true: a target panics when a property is broken, and only then; the same bytes do the same; memory that a
//! target takes is measured, and bounded by [`run`].

#[path = "bundle.rs"]
mod bundle;
#[path = "choices.rs"]
mod choices;
#[path = "container.rs"]
mod container;
#[path = "manifest.rs"]
mod manifest;
#[path = "recipe.rs"]
mod recipe;
#[path = "shelf.rs"]
mod shelf;

use peak_alloc::PeakAlloc;
use std::path::{Path, PathBuf};

/// The corpus: whole containers, and below `fuzz` what fuzzers kept.
pub(crate) fn corpus() -> PathBuf {
    // From this crate or from the fuzzer's, which stand beside each other.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../content-tools/tests/corpus")
}

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// A target.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    run: fn(&[u8]),
    /// Well-formed inputs to begin with.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Longest input worth trying.
    pub(crate) len_max: usize,
    /// Bytes that one run may take for an input of a length.
    memory_max: fn(usize) -> usize,
}

/// All targets.
pub(crate) const TARGETS: [Target; 7] = [
    Target { name: "manifest", run: manifest::run, seeds: manifest::seeds, len_max: 8 << 10, memory_max: documents },
    Target { name: "recipe", run: recipe::run, seeds: recipe::seeds, len_max: 2 << 10, memory_max: documents },
    Target { name: "mp4", run: container::film, seeds: container::mp4, len_max: 8 << 10, memory_max: plans },
    Target { name: "mkv", run: container::film, seeds: container::mkv, len_max: 8 << 10, memory_max: plans },
    Target { name: "zip", run: container::whole, seeds: container::zip, len_max: 40 << 10, memory_max: plans },
    Target { name: "dicom", run: container::whole, seeds: container::dicom, len_max: 8 << 10, memory_max: plans },
    Target { name: "bundle", run: bundle::run, seeds: bundle::seeds, len_max: 4 << 10, memory_max: |_| 16 << 20 },
];

/// Documents become structures of at most so many times their bytes, and are held a few times by the target itself.
fn documents(len: usize) -> usize {
    (4 << 20) + len * 400
}

/// A planner's ranges and tables (24 MiB, 16 MiB), and a film of 1 MiB a few times.
fn plans(len: usize) -> usize {
    (48 << 20) + len * 8
}

/// Runs a target on some bytes; panics when a property is broken, the bound of memory among them.
pub(crate) fn run(target: &Target, bytes: &[u8]) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    (target.run)(bytes);
    let taken = ALLOCATED.peak_usage().saturating_sub(before);
    let most = (target.memory_max)(bytes.len());
    assert!(taken <= most, "{}: {} bytes took {taken} bytes of memory, more than {most}", target.name, bytes.len());
}
