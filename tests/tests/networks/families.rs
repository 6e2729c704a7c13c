//! IPv6 and IPv4: one of them is enough, and a broken one costs next to nothing.

use karez_tests::cluster::tree::{course, fingerprint};
use karez_tests::cluster::{Cluster, NodeOptions};
use karez_tests::network::Network;

const HOSTS: [&str; 3] = ["tracker", "flagship", "site"];

#[tokio::test]
async fn a_network_without_ipv4_works_by_itself() {
    let Some(network) = Network::start(&HOSTS) else { return };
    for host in HOSTS {
        network.on(host, &format!("ip addr del {}/24 dev eth0", network.address(host)));
    }
    let listen = format!("[{}]:4040", network.address6("tracker"));
    let cluster = Cluster::start_in(&network.place("tracker"), &listen).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", "[::]:4041", options).await;
    let site = cluster.node_in(&network.place("site"), "site", "[::]:4041", NodeOptions::default()).await;
    let source = cluster.path("source");
    course(&source, 4);
    flagship.publish(&source, "bj4/shui").await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    let peer = site.status().await["peers"][0].clone();
    assert_eq!(
        (&peer["lane"], &peer["address"]),
        (&"direct".into(), &format!("[{}]:4041", network.address6("flagship")).into())
    );
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}

#[tokio::test]
async fn broken_ipv6_beside_working_ipv4_is_not_waited_for() {
    let Some(network) = Network::start(&HOSTS) else { return };
    network.rules(
        "router",
        "table ip6 wall { chain way { type filter hook forward priority 0; udp dport 4041 counter drop; drop; } }",
    );
    let listen = format!("{}:4040", network.address("tracker"));
    let cluster = Cluster::start_in(&network.place("tracker"), &listen).await;
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &[] };
    // Both families are told to the site: its own IPv6 address is among what a node that listens on [::] tells.
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", "[::]:4041", options).await;
    let site = cluster.node_in(&network.place("site"), "site", "[::]:4041", NodeOptions::default()).await;
    let source = cluster.path("source");
    course(&source, 1);
    flagship.publish(&source, "bj4/shui").await;
    site.see("bj4/shui").await;
    let start = std::time::Instant::now();
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    let wall = start.elapsed().as_secs_f64();
    let peer = site.status().await["peers"][0].clone();
    println!("complete after {wall:.2} s by {}", peer["address"]);
    let expected = format!("{}:4041", network.address("flagship"));
    assert_eq!((&peer["lane"], &peer["address"]), (&"direct".into(), &expected.into()));
    let dropped = network.on("router", "nft list ruleset");
    assert!(!dropped.contains("counter packets 0"), "IPv6 was not tried: {dropped}");
    assert!(wall < 6.0, "{wall} s: a dial that leads nowhere takes 8");
}
