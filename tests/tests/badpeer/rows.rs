//! Rows on the bulk lane and rows of crowds: a site pulls while it is attacked.

use super::stage::{GROWTH_MAX, Stage, bad_name, collection};
use karez_tests::badpeer::{self, BadPeer, Ending, Mode};
use karez_tests::cluster::{Node, until};
use libp2p::futures::future::join_all;
use std::time::Instant;

/// Some forty chunks.
const BYTES: usize = 2 << 20;
/// What is pulled while a crowd is there, and the flagship's uplink in Mbit/s.
const CROWDED: (usize, &str) = (32 << 20, "100");
/// Connections that a crowd has opened when the pull begins.
const GATHERED: u64 = 500;

fn named(names: &[&str]) -> Vec<&'static Mode> {
    names.iter().map(|name| badpeer::by_name(name).expect("a mode of the list")).collect()
}

async fn check(names: &[&str]) {
    let modes = named(names);
    let stage = Stage::set(&modes, "24", BYTES, 1).await;
    join_all(modes.iter().map(|mode| Box::pin(row(&stage, mode, 0)))).await;
}

/// Seconds that the pull of a mode's collection takes.
async fn pull(mode: &Mode, site: &Node) -> f64 {
    site.see(&collection(mode)).await;
    let start = Instant::now();
    site.follow(&collection(mode)).await;
    site.complete(&collection(mode), 1).await;
    start.elapsed().as_secs_f64()
}

/// A site pulls once the bad peer has done so many deeds; returns the seconds that it took.
async fn row(stage: &Stage, mode: &Mode, deeds: u64) -> f64 {
    let site = stage.cluster.site(&format!("site-{}", mode.name), &[]).await;
    let (before, _) = site.memory();
    let bad = stage.bad_peer(mode, &site).await;
    gathered(mode, &bad, deeds).await;
    let seconds = pull(mode, &site).await;
    println!("{}: complete after {seconds:.1} s", mode.name);
    stage.is_whole(mode, &site).await;
    until(&format!("{}: its deed", mode.name), || async { (bad.deeds() > 0).then_some(()) }).await;
    ended(mode, &bad, &site).await;
    let status = site.status().await;
    assert_eq!(status["collections"].as_array().unwrap().len(), 1, "{status}");
    let (after, peak) = site.memory();
    println!("{}: {} deeds, {before} MiB, then {after} MiB, at most {peak} MiB", mode.name, bad.deeds());
    assert!(peak < before + GROWTH_MAX, "{}: {before} MiB, then {peak} MiB", mode.name);
    seconds
}

async fn gathered(mode: &Mode, bad: &BadPeer, deeds: u64) {
    until(&format!("{}: the crowd is there", mode.name), || async { (bad.deeds() >= deeds).then_some(()) }).await;
}

/// A site that the flagship does not know yet dials it while it is attacked; returns the seconds that the pull took. The
/// flagship had so many MiB before all attacks.
async fn besieged(stage: &Stage, mode: &Mode, before: u64) -> f64 {
    let bad = stage.bad_peer(mode, &stage.flagship).await;
    gathered(mode, &bad, GATHERED).await;
    let site = stage.cluster.site(&format!("guest-{}", mode.name), &[]).await;
    let seconds = pull(mode, &site).await;
    stage.is_whole(mode, &site).await;
    let (after, peak) = stage.flagship.memory();
    println!("{} at the flagship: {before} MiB, then {after} MiB, at most {peak} MiB", mode.name);
    assert!(peak < before + GROWTH_MAX, "{}: {before} MiB, then {peak} MiB", mode.name);
    seconds
}

async fn ended(mode: &Mode, bad: &BadPeer, site: &Node) {
    let says = |words: &'static str| async move {
        let what = format!("{}: the node says '{words}'", mode.name);
        until(&what, || async { bad.ends().iter().any(|end| end.contains(words)).then_some(()) }).await;
    };
    match mode.ending {
        Ending::Banned => {
            says("false chunk bytes").await;
            let status = site.status().await;
            assert!(status["counters"]["bad_chunks"].as_u64().unwrap() > 0, "{}: {status}", mode.name);
            let peers = status["peers"].as_array().unwrap();
            assert!(peers.iter().all(|peer| peer["name"] != bad_name(mode)), "{}: {status}", mode.name);
        }
        Ending::Closed(reason) => says(reason).await,
        Ending::Ignored | Ending::Bounded | Ending::NotTaken => {}
    }
}

#[tokio::test]
async fn false_bytes() {
    check(&["first-bit", "middle-bit", "last-bit", "other-chunk", "zeros", "cut-short", "other-codec", "zstd-bomb"])
        .await;
}

#[tokio::test]
async fn false_have_maps_and_promises() {
    let claims = ["all-ones", "claims-again", "flapping", "endless-map", "endless-delta"];
    check(&[&claims[..], &["withholds", "half", "promises", "idle-importer", "trickle", "stall"]].concat()).await;
}

#[tokio::test]
async fn excess_and_broken_frames() {
    let excess = ["never-reads", "endless-request", "free-rider", "flood", "unasked", "replayed-hello", "never-greets"];
    let frames = ["long-message", "cut-message", "garbage-message", "long-frame", "cut-frame", "garbage-frame"];
    let others = ["other-network", "other-version", "long-hello", "long-request", "garbage-request"];
    check(&[&excess[..], &frames, &others].concat()).await;
}

/// One after the other: a thousand connections are enough for two cores. Prints what is left of the rate.
#[tokio::test]
async fn crowds() {
    let modes = named(&["crowd-idle", "crowd-strangers", "crowd-half-open", "crowd-garbage"]);
    let stage = Stage::set(&modes, CROWDED.1, CROWDED.0, 1).await;
    let alone = pull(modes[0], &stage.cluster.site("alone", &[]).await).await;
    println!("nobody hostile: complete after {alone:.1} s");
    let (before, _) = stage.flagship.memory();
    for mode in modes {
        let seconds = row(&stage, mode, GATHERED).await;
        println!("{}: {:.0} % of the rate alone", mode.name, alone / seconds * 100.0);
        let seconds = besieged(&stage, mode, before).await;
        println!("{} at the flagship: {:.0} % of the rate alone", mode.name, alone / seconds * 100.0);
    }
}
