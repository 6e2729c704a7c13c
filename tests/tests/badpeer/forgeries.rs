//! Rows of forged releases: a site that has version 2 is offered something else, and gets version 3 when it comes.

use super::stage::{GROWTH_MAX, Stage, collection};
use karez_tests::badpeer::{self, Mode};
use karez_tests::cluster::until;
use libp2p::futures::future::join_all;

const BYTES: usize = 64 << 10;
/// Offers that the node took to its end.
const OFFERS: u64 = 3;

#[tokio::test]
async fn forged_releases() {
    let names = ["wrong-key", "other-namespace", "release-of-other-network", "old-version"];
    let stolen = ["same-version", "other-root", "endless-version", "huge-release"];
    let modes: Vec<_> = names.iter().chain(&stolen).map(|name| badpeer::by_name(name).expect("a mode")).collect();
    let stage = Stage::set(&modes, "24", BYTES, 2).await;
    join_all((0..).zip(&modes).map(|(number, mode)| Box::pin(row(&stage, mode, number)))).await;
}

async fn row(stage: &Stage, mode: &Mode, number: u64) {
    let site = stage.cluster.site(&format!("site-{}", mode.name), &[]).await;
    let (before, _) = site.memory();
    site.follow(&collection(mode)).await;
    site.complete(&collection(mode), 2).await;
    let bad = stage.bad_peer(mode, &site).await;
    until(&format!("{}: offers", mode.name), || async { (bad.deeds() >= OFFERS).then_some(()) }).await;
    // Giving the tracker what it has already is no news to it.
    let is_known = mode.name == "old-version";
    assert!(is_known || !bad.ends().contains(&"the tracker took it".to_owned()), "{}", mode.name);
    site.complete(&collection(mode), 2).await;
    if mode.name == "same-version" {
        let warns = async || site.status().await["problems"].to_string().contains("signed twice").then_some(());
        until("the node says that the key is misused", warns).await;
    }
    stage.publish(mode, 3, number, BYTES).await;
    site.complete(&collection(mode), 3).await;
    stage.is_whole(mode, &site).await;
    let (after, peak) = site.memory();
    println!("{}: {} offers, {before} MiB, then {after} MiB, at most {peak} MiB", mode.name, bad.deeds());
    assert!(peak < before + GROWTH_MAX, "{}: {before} MiB, then {peak} MiB", mode.name);
}
