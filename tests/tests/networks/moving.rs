//! A site whose uplink gets another address in mid-transfer.

use super::scene::begin;
use karez_tests::cluster::tree::fingerprint;
use karez_tests::cluster::{Cluster, NodeOptions};
use karez_tests::network::Network;

#[tokio::test]
async fn a_new_address_in_mid_transfer_costs_no_chunk() {
    let Some(network) = Network::start(&["tracker", "flagship", "site"]) else { return };
    let at = |host: &str, port: u16| format!("{}:{port}", network.address(host));
    let cluster = Cluster::start_in(&network.place("tracker"), &at("tracker", 4040)).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &["--up-mbit", "16"] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", &at("flagship", 4041), options).await;
    let site = cluster.node_in(&network.place("site"), "site", "0.0.0.0:4041", NodeOptions::default()).await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 24).await;
    site.have_bytes("bj4/shui", stored / 4).await;

    network.on("site", "ip addr flush dev eth0");
    network.on("site", "ip addr add 10.91.2.77/24 dev eth0");
    network.on("site", "ip route add default via 10.91.2.1");
    let row = site.complete("bj4/shui", 1).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let seen = flagship.status().await["peers"][0]["address"].clone();
    let sent = flagship.counter("chunk_bytes_sent").await;
    let (wall, least) = (row["wall_s"].as_f64().unwrap(), stored as f64 * 8.0 / 16e6);
    println!("{stored} bytes, {sent} sent, in {wall:.1} s; at 16 Mbit/s {least:.1} s; the flagship sees {seen}");
    assert_eq!((seen, sent), ("10.91.2.77:4041".into(), stored));
    assert_eq!(site.counter("refetched_chunks").await, 0);
}
