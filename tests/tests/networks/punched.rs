//! Two members behind NATs that meet at a relay, and what kind of NAT they get past.

use super::scene::begin;
use karez_tests::cluster::tree::fingerprint;
use karez_tests::cluster::{Cluster, Node, NodeOptions, until};
use karez_tests::network::Network;

const HOSTS: [&str; 6] = ["tracker", "hub", "nat1", "nat2", "flagship", "site"];

/// Keeps the port of what goes out, and lets in only what was asked for.
const CONE: &str = "table ip nat { \
     chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }; \
     chain way { type filter hook forward priority 0; ct state established,related accept; iifname eth0 drop; }; \
     chain here { type filter hook input priority 0; ct state established,related accept; iifname eth0 drop; } }";

/// The same with another port for each destination.
fn symmetric() -> String {
    CONE.replace("masquerade", "masquerade fully-random")
}

async fn behind(network: &Network, rules: [&str; 2]) -> (Cluster, [Node; 3]) {
    for (nat, host, rules) in [("nat1", "flagship", rules[0]), ("nat2", "site", rules[1])] {
        network.put_behind(nat, host);
        network.rules(nat, rules);
    }
    let cluster = Cluster::start_in(&network.place("tracker"), &format!("{}:4040", network.address("tracker"))).await;
    let options = NodeOptions { invite: &[], run: &["--relay", "--relay-mbit", "4"] };
    let hub = cluster.node_in(&network.place("hub"), "hub", "0.0.0.0:4041", options).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", "0.0.0.0:4041", options).await;
    let site = cluster.node_in(&network.place("site"), "site", "0.0.0.0:4041", NodeOptions::default()).await;
    (cluster, [hub, flagship, site])
}

/// The site's peer that it copies from, once this holds.
async fn flagship_of(site: &Node, what: &str, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    until(what, async || {
        let status = site.status().await;
        let peers = status["peers"].as_array().expect("peers");
        peers.iter().find(|peer| peer["name"] == "flagship" && holds(peer)).cloned()
    })
    .await
}

#[tokio::test]
async fn nats_that_keep_their_port_are_got_past() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let (cluster, [_hub, flagship, site]) = behind(&network, [CONE, CONE]).await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 24).await;
    flagship_of(&site, "a relay is used", |peer| peer["lane"] == "relayed").await;
    let peer = flagship_of(&site, "the punch succeeds", |peer| peer["lane"] == "direct").await;
    assert_eq!(peer["address"], format!("{}:4041", network.address("nat1")));
    site.complete("bj4/shui", 1).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let (relayed, sent) = (site.counter("bytes_relayed").await, flagship.counter("chunk_bytes_sent").await);
    println!("{stored} bytes, {relayed} of them relayed, {sent} sent");
    assert!(relayed < stored / 2 && sent as f64 <= 1.1 * stored as f64, "{relayed} relayed, {sent} sent of {stored}");
}

#[tokio::test]
async fn behind_symmetric_nats_the_relay_stays() {
    let Some(network) = Network::start(&HOSTS) else { return };
    let symmetric = symmetric();
    let (cluster, [hub, flagship, site]) = behind(&network, [&symmetric, &symmetric]).await;
    let stored = begin(&cluster, &flagship, &site, 6).await;
    flagship_of(&site, "a punch is tried", |peer| peer["punches"].as_u64().is_some_and(|tries| tries > 0)).await;
    site.complete("bj4/shui", 1).await;
    let peer = flagship_of(&site, "the lane is there", |_| true).await;
    assert_eq!((&peer["lane"], &peer["relay"]), (&"relayed".into(), &"hub".into()));
    assert_eq!(site.counter("bytes_relayed").await, stored);
    println!("{stored} bytes relayed; {}", hub.status().await["node"]["relay"]);
}
