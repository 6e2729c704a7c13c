//! Two members on one LAN, without a tracker, at addresses that nobody remembers.

use karez_tests::cluster::tree::{course, fingerprint};
use karez_tests::cluster::{Cluster, Helper, Node, NodeOptions, until};
use karez_tests::network::Network;

/// Moves hosts to one switch, with addresses that they did not have before.
fn join_lan(network: &Network, hosts: &[&str]) {
    network.on("router", "ip link add lan type bridge");
    network.on("router", "ip link set lan up");
    for (number, host) in hosts.iter().enumerate() {
        network.on("router", &format!("ip link set to-{host} master lan"));
        network.on(host, "ip addr flush dev eth0");
        network.on(host, &format!("ip addr add 10.92.0.{}/24 dev eth0", number + 1));
        network.on(host, "ip route add 224.0.0.0/4 dev eth0");
    }
}

/// Both have the roster that lists both, and have gone.
async fn acquainted(network: &Network, lan: &[&str]) -> (Cluster, Node, Node) {
    let listen = format!("{}:4040", network.address("tracker"));
    let mut cluster = Cluster::start_in(&network.place("tracker"), &listen).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let mut flagship = cluster.node_in(&network.place("flagship"), "flagship", "0.0.0.0:4041", options).await;
    let mut site = cluster.node_in(&network.place("site"), "site", "0.0.0.0:4041", NodeOptions::default()).await;
    let source = cluster.path("source");
    course(&source, 1);
    flagship.publish(&source, "bj4/shui").await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    for node in [&mut flagship, &mut site] {
        node.kill().await;
    }
    cluster.kill_tracker().await;
    join_lan(network, lan);
    (cluster, flagship, site)
}

#[tokio::test]
async fn members_on_one_lan_find_each_other_without_the_tracker() {
    let Some(network) = Network::start(&["tracker", "flagship", "site"]) else { return };
    let (cluster, mut flagship, mut site) = acquainted(&network, &["flagship", "site"]).await;
    flagship.start().await;
    site.start().await;
    let source = cluster.path("source");
    course(&source, 4);
    flagship.publish(&source, "bj4/shui").await;
    let peer = until("the site fetches on the LAN", async || {
        let peer = site.status().await["peers"][0].clone();
        (peer["lane"] == "lan").then_some(peer)
    });
    assert_eq!(peer.await["address"], "10.92.0.1:4041");
    site.complete("bj4/shui", 2).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}

/// Connections begun from anywhere to the host that floods.
const SYN_COUNTER: &str = "table inet count { chain in { type filter hook input priority 0; tcp flags syn counter; } }";

#[tokio::test]
async fn a_flood_of_announcements_costs_little_memory_and_few_dials() {
    let hosts = ["tracker", "flagship", "site", "flooder"];
    let Some(network) = Network::start(&hosts) else { return };
    let (_cluster, flagship, mut site) = acquainted(&network, &["flagship", "site", "flooder"]).await;
    network.rules("flooder", SYN_COUNTER);
    site.start().await;
    let (before, _) = site.memory();
    let member = flagship.ready["peer"].as_str().unwrap();
    let _flood = Helper::start_in(&network.place("flooder"), "mdnsflood", &["50000", member]).await;
    until("the site is deaf to the LAN", async || {
        let log = std::fs::read_to_string(site.home.with_extension("log")).unwrap();
        log.contains("deaf to them").then_some(())
    })
    .await;
    site.status().await;
    let (_, most) = site.memory();
    let counted = network.on("flooder", "nft list table inet count");
    let dials = counted.split_once("packets ").and_then(|(_, rest)| rest.split(' ').next()).unwrap();
    println!("memory {before} MiB, {most} at most; {dials} dials");
    assert!(most - before <= 256, "{before} {most}");
    assert!(dials.parse::<u32>().unwrap() < 2_048, "{dials} dials");
}
