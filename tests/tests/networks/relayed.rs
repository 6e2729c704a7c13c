//! Two members that nobody can dial: chunks go through a relay, within its quotas, and directly as soon as that works.

use super::scene::{begin, lane};
use karez_tests::cluster::tree::fingerprint;
use karez_tests::cluster::{Cluster, Node, NodeOptions, until};
use karez_tests::network::Network;

const HOSTS: [&str; 4] = ["tracker", "hub", "flagship", "site"];

/// As behind a carrier's NAT: what was begun inside goes on, nothing comes in from outside.
const NOBODY_COMES_IN: &str = "table inet wall { chain way { type filter hook forward priority 0; \
     ct state established,related accept; oifname { to-flagship, to-site } drop; } }";

async fn reachable_through_hub(node: &Node) {
    until("it may be called through the hub", async || {
        let through = node.status().await["node"]["reachable_through"].clone();
        (through == serde_json::json!(["hub"])).then_some(())
    })
    .await;
}

async fn walled_in(network: &Network, relay: &[&str]) -> (Cluster, [Node; 3]) {
    network.rules("router", NOBODY_COMES_IN);
    let cluster = Cluster::start_in(&network.place("tracker"), &format!("{}:4040", network.address("tracker"))).await;
    let run = [&["--relay"], relay].concat();
    let options = NodeOptions { invite: &[], run: &run };
    let hub = cluster.node_in(&network.place("hub"), "hub", "0.0.0.0:4041", options).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", "0.0.0.0:4041", options).await;
    let site = cluster.node_in(&network.place("site"), "site", "0.0.0.0:4041", NodeOptions::default()).await;
    reachable_through_hub(&flagship).await;
    (cluster, [hub, flagship, site])
}

#[tokio::test]
async fn two_sites_that_nobody_can_dial_copy_through_a_relay() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let (cluster, [hub, flagship, site]) = walled_in(&network, &["--relay-mbit", "8"]).await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 12).await;
    let peer = lane(&site, "relayed").await;
    assert_eq!((&peer["lane_reason"], &peer["relay"]), (&"no-direct-way".into(), &"hub".into()));
    assert_eq!(lane(&flagship, "relayed").await["relay"], "hub");
    for (node, language, words) in [
        (&site, "en", "relayed by hub: no direct way"),
        (&site, "zh", "经 hub 中转：无法直连"),
        (&hub, "en", "between others; circuits 1 of 64"),
        (&hub, "zh", "线路 1/64"),
    ] {
        node.shows(language, words).await;
    }
    let row = site.complete("bj4/shui", 1).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let relay = hub.status().await["node"]["relay"].clone();
    let relayed = relay["bytes"].as_u64().unwrap();
    let (sent, wall) = (flagship.counter("chunk_bytes_sent").await, row["wall_s"].as_f64().unwrap());
    let least = stored as f64 * 8.0 / 8e6;
    println!("{stored} bytes in {wall:.1} s, at 8 Mbit/s {least:.1} s; {sent} sent, {relayed} relayed; {relay}");
    assert!(wall >= 0.95 * least, "faster than the relay's limit");
    assert!(relayed >= stored && (relayed as f64) < 1.1 * stored as f64, "{relayed} relayed of {stored}");
    assert_eq!((sent, site.counter("refetched_chunks").await), (stored, 0), "each chunk once");
    assert_eq!(site.counter("bytes_relayed").await, stored);
}

#[tokio::test]
async fn circuits_end_at_their_quota_and_a_direct_way_takes_over() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let quotas = ["--relay-mbit", "8", "--relay-circuit-bytes", "4M"];
    let (cluster, [hub, flagship, site]) = walled_in(&network, &quotas).await;
    let stored = begin(&cluster, &flagship, &site, 56).await;
    lane(&site, "relayed").await;
    until("a circuit is used up and another one carries on", async || {
        let relay = hub.status().await["node"]["relay"].clone();
        (relay["refused"].as_u64()? >= 1 && relay["bytes"].as_u64()? > 6_000_000).then_some(())
    })
    .await;
    network.rules("router", "");
    lane(&site, "direct").await;
    let row = site.complete("bj4/shui", 1).await;
    let relayed = site.counter("bytes_relayed").await;
    let sent = flagship.counter("chunk_bytes_sent").await;
    println!("{stored} bytes, {relayed} of them relayed, {sent} sent, in {:.1} s", row["wall_s"].as_f64().unwrap());
    assert!(relayed < stored && sent as f64 <= 1.1 * stored as f64, "{relayed} relayed, {sent} sent of {stored}");
    assert_eq!(site.counter("refetched_chunks").await, 0);
}

#[tokio::test]
async fn a_relay_that_restarts_costs_a_pause_and_no_chunk_twice() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let (cluster, [mut hub, flagship, site]) = walled_in(&network, &["--relay-mbit", "8"]).await;
    let stored = begin(&cluster, &flagship, &site, 24).await;
    lane(&site, "relayed").await;
    site.have_bytes("bj4/shui", stored / 10).await;
    hub.kill().await;
    until("the circuit has ended", async || {
        let status = site.status().await;
        let peers = status["peers"].as_array().expect("peers");
        peers.iter().all(|peer| peer["lane"] != "relayed").then_some(())
    })
    .await;
    let before = site.collection("bj4/shui").await["have_bytes"].as_u64().unwrap();
    hub.start().await;
    lane(&site, "relayed").await;
    let row = site.complete("bj4/shui", 1).await;
    let sent = flagship.counter("chunk_bytes_sent").await;
    println!("{stored} bytes, {before} of them before, {sent} sent, in {:.1} s", row["wall_s"].as_f64().unwrap());
    assert!(before < stored && sent as f64 <= 1.1 * stored as f64, "{sent} sent of {stored}");
    assert_eq!(site.counter("refetched_chunks").await, 0);
}
