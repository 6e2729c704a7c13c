//! UDP that does not get through: chunks go over the control connection, and back to QUIC as soon as it works.

use super::scene::{begin, flagship_and_site, lane};
use karez_tests::cluster::tree::fingerprint;
use karez_tests::network::Network;

const NO_UDP: &str = "table inet wall { chain way { type filter hook forward priority 0; meta l4proto udp drop; } }";

#[tokio::test]
async fn without_udp_everything_arrives_within_the_limits_and_status_says_how() {
    let Some(network) = Network::start(&["tracker", "flagship", "site"]) else { return };
    network.rules("router", NO_UDP);
    let (cluster, flagship, site) = flagship_and_site(&network, "8").await;
    let source = cluster.path("source");
    let stored = begin(&cluster, &flagship, &site, 12).await;
    lane(&site, "tcp").await;
    lane(&flagship, "tcp").await;
    assert_eq!(site.status().await["peers"][0]["lane_reason"], "udp-blocked");
    for (language, words) in [("en", "over the control connection: UDP blocked"), ("zh", "走控制连接：UDP 不通")]
    {
        site.shows(language, words).await;
    }
    let row = site.complete("bj4/shui", 1).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let (sent, wall) = (flagship.counter("chunk_bytes_sent").await, row["wall_s"].as_f64().unwrap());
    let least = stored as f64 * 8.0 / 8e6;
    println!("{stored} bytes in {wall:.1} s, at 8 Mbit/s {least:.1} s; {sent} sent");
    assert!(wall >= 0.95 * least, "faster than the limit");
    assert_eq!((sent, site.counter("refetched_chunks").await), (stored, 0), "each chunk once");
}

#[tokio::test]
async fn udp_that_comes_and_goes_is_used_while_it_works() {
    let Some(network) = Network::start(&["tracker", "flagship", "site"]) else { return };
    network.rules("router", NO_UDP);
    let (cluster, flagship, site) = flagship_and_site(&network, "8").await;
    let stored = begin(&cluster, &flagship, &site, 56).await;
    lane(&site, "tcp").await;
    site.have_bytes("bj4/shui", stored / 20).await;
    network.rules("router", "");
    lane(&site, "direct").await;
    let before = site.collection("bj4/shui").await["have_bytes"].as_u64().unwrap();
    site.have_bytes("bj4/shui", before + stored / 20).await;
    assert_eq!(site.status().await["peers"][0]["lane"], "direct");
    network.rules("router", NO_UDP);
    lane(&site, "tcp").await;
    let row = site.complete("bj4/shui", 1).await;
    let sent = flagship.counter("chunk_bytes_sent").await;
    println!("{stored} bytes, {sent} sent, in {:.1} s", row["wall_s"].as_f64().unwrap());
    assert!(sent as f64 <= 1.1 * stored as f64, "{sent} of {stored}");
    assert_eq!(site.counter("refetched_chunks").await, 0);
}
