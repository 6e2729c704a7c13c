//! libFuzzer for all targets; `KAREZ_FUZZ_TARGET` says which. With `KAREZ_FUZZ_SEEDS` its well-formed inputs are written to
//! that folder first.
#![no_main]

#[path = "../../content-tools/tests/replay/targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("KAREZ_FUZZ_TARGET").expect("KAREZ_FUZZ_TARGET names a target: use `cargo x fuzz`");
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target is called {name}"))
});

fn write_seeds() {
    let Some(folder) = env::var_os("KAREZ_FUZZ_SEEDS") else { return };
    for (number, seed) in (TARGET.seeds)().iter().enumerate() {
        let path = Path::new(&folder).join(format!("seed-{number}"));
        fs::write(path, seed).expect("the corpus can be written");
    }
}

fuzz_target!(init: write_seeds(), |bytes: &[u8]| {
    if bytes.len() <= TARGET.len_max {
        targets::run(&TARGET, bytes);
    }
});
