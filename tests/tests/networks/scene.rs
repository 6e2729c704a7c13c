//! What several of these tests begin with.

use karez_tests::cluster::tree::course;
use karez_tests::cluster::{Cluster, Node, NodeOptions, until};
use karez_tests::network::Network;
use serde_json::Value;

/// A flagship with an upload limit and a site, each on a host of its name.
pub(super) async fn flagship_and_site(network: &Network, up_mbit: &str) -> (Cluster, Node, Node) {
    let cluster = Cluster::start_in(&network.place("tracker"), &format!("{}:4040", network.address("tracker"))).await;
    let at = |host: &str| format!("{}:4041", network.address(host));
    let options = NodeOptions { invite: &["--publisher", "bj4"], run: &["--up-mbit", up_mbit] };
    let flagship = cluster.node_in(&network.place("flagship"), "flagship", &at("flagship"), options).await;
    let site = cluster.node_in(&network.place("site"), "site", &at("site"), NodeOptions::default()).await;
    (cluster, flagship, site)
}

/// Publishes `source`, a course of so many megabytes, and lets the site follow it; its stored bytes.
pub(super) async fn begin(cluster: &Cluster, flagship: &Node, site: &Node, megabytes: usize) -> u64 {
    let source = cluster.path("source");
    course(&source, megabytes);
    let stored = flagship.publish(&source, "bj4/shui").await["stored_bytes"].as_u64().expect("a number");
    site.follow("bj4/shui").await;
    stored
}

/// Waits until the first peer that is not the relay is reached in this way.
pub(super) async fn lane(node: &Node, wanted: &str) -> Value {
    until(&format!("the lane is {wanted}"), async || {
        let status = node.status().await;
        let peers = status["peers"].as_array().expect("peers");
        peers.iter().find(|peer| peer["lane"] == wanted && peer["name"] != "hub").cloned()
    })
    .await
}
