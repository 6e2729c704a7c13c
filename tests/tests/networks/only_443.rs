//! A site whose firewall lets out nothing but port 443, to a tracker and a flagship that listen there.

use super::scene::begin;
use karez_tests::cluster::tree::fingerprint;
use karez_tests::cluster::{Cluster, NodeOptions};
use karez_tests::network::Network;

/// The site's packets to port 443 of these protocols, and what answers them.
fn only_443(protocols: &str) -> String {
    format!(
        "table inet wall {{ chain way {{ type filter hook forward priority 0; ct state established,related accept; \
         iifname to-site meta l4proto {{ {protocols} }} th dport 443 accept; iifname to-site drop; oifname to-site drop; }} }}"
    )
}

/// Everything arrives; the first peer's lane and why it is so.
async fn copied(protocols: &str) -> Option<(String, Option<String>)> {
    let network = Network::start(&["tracker", "flagship", "site"])?;
    network.rules("router", &only_443(protocols));
    let cluster = Cluster::start_in(&network.place("tracker"), &format!("{}:443", network.address("tracker"))).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let listen = format!("{}:443", network.address("flagship"));
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", &listen, options).await;
    let site = cluster.node_in(&network.place("site"), "site", "0.0.0.0:4041", NodeOptions::default()).await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 4).await;
    site.complete("bj4/shui", 1).await;
    let peer = site.status().await["peers"][0].clone();
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().expect("UTF-8")]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    assert_eq!(flagship.counter("chunk_bytes_sent").await, stored, "each chunk once");
    Some((peer["lane"].as_str().expect("a lane").to_owned(), peer["lane_reason"].as_str().map(str::to_owned)))
}

#[tokio::test]
async fn tcp_443_alone_is_enough() {
    let Some(way) = copied("tcp").await else { return };
    assert_eq!(way, ("tcp".into(), Some("udp-blocked".into())));
}

#[tokio::test]
async fn with_udp_443_chunks_go_over_quic() {
    let Some(way) = copied("tcp, udp").await else { return };
    assert_eq!(way, ("direct".into(), None));
}
