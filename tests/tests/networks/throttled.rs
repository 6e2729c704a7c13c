//! UDP that gets through, but badly, while TCP is free: chunks move to the control connection.

use super::scene::{begin, flagship_and_site};
use karez_tests::cluster::tree::fingerprint;
use karez_tests::cluster::{Node, until};
use karez_tests::network::Network;

/// 200 kbit/s, and what comes faster is dropped.
const POLICED: &str = "meta l4proto udp limit rate over 25 kbytes/second drop";
const LOSSY: &str = "meta l4proto udp numgen random mod 100 < 60 drop";

fn wall(rule: &str) -> String {
    format!("table inet wall {{ chain way {{ type filter hook forward priority 0; {rule}; }} }}")
}

async fn throttled(node: &Node) {
    until("the lane goes over the control connection", async || {
        let peer = node.status().await["peers"][0].clone();
        (peer["lane"] == "tcp" && peer["lane_reason"] == "udp-throttled").then_some(())
    })
    .await;
}

/// Over UDP this would take ten minutes.
async fn moves_to_tcp(rule: &str) {
    let Some(network) = Network::start(&["tracker", "flagship", "site"]) else { return };
    let (cluster, flagship, site) = flagship_and_site(&network, "8").await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 40).await;
    site.have_bytes("bj4/shui", stored / 20).await;
    assert_eq!(site.status().await["peers"][0]["lane"], "direct");
    network.rules("router", &wall(rule));
    throttled(&site).await;
    throttled(&flagship).await;
    for (language, words) in [("en", "over the control connection: UDP throttled"), ("zh", "UDP 被限速")] {
        site.shows(language, words).await;
    }
    let row = site.complete("bj4/shui", 1).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().expect("UTF-8")]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let sent = flagship.counter("chunk_bytes_sent").await;
    println!("{stored} bytes, {sent} sent, in {:.1} s", row["wall_s"].as_f64().expect("seconds"));
    assert!(sent as f64 <= 1.1 * stored as f64, "{sent} of {stored}");
    assert_eq!(site.counter("refetched_chunks").await, 0);
}

#[tokio::test]
async fn policed_udp_is_left_for_tcp() {
    moves_to_tcp(POLICED).await;
}

#[tokio::test]
async fn udp_that_loses_most_is_left_for_tcp() {
    moves_to_tcp(LOSSY).await;
}
