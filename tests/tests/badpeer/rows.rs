//! Rows on the bulk lane and rows of crowds: a site pulls while it is attacked.

use super::stage::{GROWTH_MAX, Stage, bad_name, collection};
use karez_tests::badpeer::{self, BadPeer, Ending, Mode};
use karez_tests::cluster::{Node, until};
use libp2p::futures::future::join_all;
use std::time::Instant;

/// Some forty chunks.
const BYTES: usize = 2 << 20;

async fn check(names: &[&str]) {
    let modes: Vec<_> = names.iter().map(|name| badpeer::by_name(name).expect("a mode of the list")).collect();
    let stage = Stage::set(&modes, BYTES, 1).await;
    join_all(modes.iter().map(|mode| Box::pin(row(&stage, mode)))).await;
}

async fn row(stage: &Stage, mode: &Mode) {
    let site = stage.cluster.site(&format!("site-{}", mode.name), &[]).await;
    let (before, _) = site.memory();
    let bad = stage.bad_peer(mode, &site).await;
    site.follow(&collection(mode)).await;
    let start = Instant::now();
    site.complete(&collection(mode), 1).await;
    println!("{}: complete after {:.1} s", mode.name, start.elapsed().as_secs_f64());
    stage.is_whole(mode, &site).await;
    until(&format!("{}: its deed", mode.name), || async { (bad.deeds() > 0).then_some(()) }).await;
    ended(mode, &bad, &site).await;
    let status = site.status().await;
    assert_eq!(status["collections"].as_array().unwrap().len(), 1, "{status}");
    let (after, peak) = site.memory();
    println!("{}: {} deeds, {before} MiB, then {after} MiB, at most {peak} MiB", mode.name, bad.deeds());
    assert!(peak < before + GROWTH_MAX, "{}: {before} MiB, then {peak} MiB", mode.name);
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

/// One after the other: a thousand connections are enough for two cores.
#[tokio::test]
async fn crowds() {
    for name in ["crowd-idle", "crowd-strangers", "crowd-half-open", "crowd-garbage"] {
        check(&[name]).await;
    }
}
