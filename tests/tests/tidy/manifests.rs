//! Which crate may depend on which: the Cargo.toml files are the walls.

use std::fs;

use crate::report;
use crate::source::root;

/// All that `protocol` may use: no runtime, socket, file, database, thread or clock is reachable from these.
const PROTOCOL_MAY_USE: [&str; 8] =
    ["blake3", "bs58", "data-encoding", "ed25519-dalek", "minicbor", "proptest", "roaring", "thiserror"];

/// The names under `[dependencies]`, `[dev-dependencies]` and `[build-dependencies]`, target tables included.
fn dependencies(krate: &str) -> Vec<String> {
    under(krate, |section| section.ends_with("dependencies]"))
}

/// The names under some sections of a crate's Cargo.toml.
fn under(krate: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let path = root().join(krate).join("Cargo.toml");
    let text = fs::read_to_string(&path).expect("every crate has a Cargo.toml");
    let mut inside = false;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = wanted(line);
        } else if inside && !line.starts_with('#') {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            names.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }
    assert!(!names.is_empty(), "{} lists no dependency: the scanner is wrong", path.display());
    names
}

#[track_caller]
fn check(krate: &str, rule: &str, may: impl Fn(&str) -> bool) {
    let bad = dependencies(krate).into_iter().filter(|name| !may(name));
    report(rule, bad.map(|name| format!("{krate}/Cargo.toml: {name}")).collect());
}

fn is_ours(name: &str) -> bool {
    name.starts_with("karez-")
}

/// What only the node may link: the transports, and all of ours above `protocol`.
fn is_the_nodes(name: &str) -> bool {
    let transport = name.starts_with("libp2p") || name.starts_with("quinn");
    transport || (is_ours(name) && name != "karez-protocol")
}

#[test]
fn protocol_is_pure() {
    check("protocol", "protocol has no I/O within reach", |name| PROTOCOL_MAY_USE.contains(&name));
}

#[test]
fn content_tools_know_only_protocol() {
    let may = |name: &str| !is_the_nodes(name) && name != "tokio";
    check("content-tools", "content-tools stand on protocol alone, without network or runtime", may);
}

#[test]
fn tracker_has_no_transport() {
    check("tracker", "the tracker links protocol, and neither libp2p, quinn nor the node", |name| !is_the_nodes(name));
}

#[test]
fn node_does_not_know_the_tracker() {
    check("node", "node and tracker meet only on the wire", |name| name != "karez-tracker");
}

#[test]
fn the_link_emulator_is_a_stranger() {
    check("tests/linkem", "the emulator knows packets, not the product", |name| !is_ours(name));
}

#[test]
fn the_simulator_runs_the_core_alone() {
    let may = |name: &str| name == "karez-protocol" || (!is_ours(name) && !is_the_nodes(name) && name != "tokio");
    check("tests/sim", "what the simulator shows is the core's doing, without network, disk or runtime", may);
}

#[test]
fn scripts_use_no_product_code() {
    check("scripts", "the demo judges the product from outside", |name| !is_ours(name));
}

/// `cargo x fuzz` builds with --locked, in a workspace of its own that no other test builds.
#[test]
fn the_fuzzers_lock_follows() {
    let lock = fs::read_to_string(root().join("fuzz/Cargo.lock")).expect("the fuzzer has a lock file");
    let stale = |krate: &&str| {
        let name = format!("name = \"karez-{krate}\"");
        let package = lock.split("[[package]]").find(|package| package.contains(&name)).unwrap_or_default();
        let is_locked =
            |name: &String| package.contains(&format!(" \"{name}\",")) || package.contains(&format!(" \"{name} "));
        !under(krate, |section| section == "[dependencies]").iter().all(is_locked)
    };
    let offences = ["content-tools", "protocol"].into_iter().filter(stale);
    let advice = offences.map(|krate| format!("{krate}: run cargo update --workspace in fuzz/")).collect();
    report("fuzz/Cargo.lock knows what our crates need", advice);
}
