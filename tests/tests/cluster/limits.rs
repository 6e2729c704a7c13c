//! Rate limits that are changed while the node runs.

use karez_tests::cluster::Cluster;
use karez_tests::cluster::tree::course;
use serde_json::json;

#[tokio::test]
async fn a_limit_holds_and_is_lifted_while_a_pull_runs() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 8);
    // At 0.2 Mbit/s the course would take over five minutes.
    let flagship = cluster.flagship(&["--up-mbit", "0.2"]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &["--peer-down-mbit", "100"]).await;
    site.follow("bj4/shui").await;
    site.have_bytes("bj4/shui", 1).await;
    assert_eq!(flagship.json(&["limit"]).await, json!({"up": 25_000, "down": 0, "peer_up": 0, "peer_down": 0}));
    let status = site.status().await;
    assert_eq!(status["node"]["peer_down_limit"], 12_500_000, "{status}");
    assert_eq!(status["collections"][0]["complete"], false, "{status}");

    // The tighter of the two holds, whichever it is; what is not named stays.
    let both = flagship.json(&["limit", "--up-mbit", "0", "--peer-up-mbit", "0.2"]).await;
    assert_eq!(both, json!({"up": 0, "down": 0, "peer_up": 25_000, "peer_down": 0}));
    let have = site.collection("bj4/shui").await["have_bytes"].as_u64().unwrap();
    site.have_bytes("bj4/shui", have + 1).await;
    assert_eq!(site.collection("bj4/shui").await["complete"], false);
    flagship.json(&["limit", "--peer-up-mbit", "0"]).await;
    site.complete("bj4/shui", 1).await;
    let wrong = flagship.command(&["limit", "--up-mbit", "fast"]).await;
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}
