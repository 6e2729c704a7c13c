//! Looking after a store while its node runs: damage, pins, quota.

use karez_tests::cluster::tree::{course, fingerprint, flip_bits};
use karez_tests::cluster::{Cluster, Node, until};
use serde_json::Value;
use std::path::PathBuf;

/// The largest segment of a node's store: the content.
fn segment(node: &Node) -> PathBuf {
    let files = std::fs::read_dir(node.home.join("store/segments")).unwrap().map(|entry| entry.unwrap().path());
    files.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

fn count(view: &Value, name: &str) -> u64 {
    view[name].as_u64().unwrap_or_else(|| panic!("no {name} in {view}"))
}

/// Reads a whole file through the gateway, in the middle of whatever else happens.
async fn through_the_gateway(node: &Node, collection: &str, path: &str) -> Vec<u8> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = http.get(node.url(collection, path)).send().await.unwrap();
    response.bytes().await.unwrap().to_vec()
}

const FILM: &str = "%E7%AC%AC%E4%B8%80%E8%AF%BE/%E8%A7%86%E9%A2%91.mp4";

#[tokio::test]
async fn scrub_finds_every_flipped_bit_and_repairs_it_from_peers() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 8);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    let whole = site.json(&["scrub"]).await;
    assert_eq!((count(&whole, "found"), whole["phase"].as_str()), (0, Some("done")), "{whole}");

    flip_bits(&segment(&site), 60, 1);
    let (view, film) = tokio::join!(site.json(&["scrub"]), through_the_gateway(&site, "bj4/shui", FILM));
    assert_eq!(film, std::fs::read(source.join("第一课/视频.mp4")).unwrap(), "bad bytes were served");
    let (found, repaired) = (count(&view, "found"), count(&view, "repaired"));
    assert!(found > 20, "{view}");
    assert_eq!((repaired, count(&view, "missing")), (found, 0), "{view}");
    site.complete("bj4/shui", 1).await;
    let again = site.json(&["scrub"]).await;
    assert_eq!(count(&again, "found"), 0, "{again}");
    assert_eq!(count(&site.status().await["care"], "damaged_chunks"), 0);

    // The flagship's own copy comes back from the site.
    flip_bits(&segment(&flagship), 10, 2);
    let view = flagship.json(&["scrub"]).await;
    assert!(count(&view, "found") > 3, "{view}");
    assert_eq!((count(&view, "repaired"), count(&view, "missing")), (count(&view, "found"), 0), "{view}");
    let copy = cluster.path("copy");
    flagship.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}

#[tokio::test]
async fn what_nobody_has_is_named_and_comes_when_somebody_has_it() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 4);
    let mut flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let mut site = cluster.site("a", &[]).await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    flagship.kill().await;
    flip_bits(&segment(&site), 5, 3);
    // A slow scrub is stopped, the node restarts, and the scrub goes on where it stopped.
    let slow = site.command(&["scrub", "--rate", "1M", "--json"]);
    let stop = async {
        until("some of it is read", || async {
            (site.status().await["care"]["scrub"]["checked"].as_u64()? > 0).then_some(())
        })
        .await;
        site.json(&["scrub", "--stop"]).await
    };
    let (_, stopped) = tokio::join!(slow, stop);
    assert_eq!(stopped["phase"], "stopped", "{stopped}");
    site.kill().await;
    site.start().await;
    let output = site.command(&["--json", "scrub", "--resume"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&view, "missing"), count(&view, "found"), "{view}");
    assert!(
        count(&view, "missing") > 0 && view["missing_ids"].as_array().unwrap().len() as u64 == count(&view, "missing")
    );
    assert!(count(&site.status().await["care"], "damaged_chunks") > 0);
    flagship.start().await;
    site.complete("bj4/shui", 1).await;
    assert_eq!(count(&site.json(&["scrub"]).await, "missing"), 0);
}

#[tokio::test]
async fn pins_and_quota_are_set_through_the_node() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 1);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    site.see("bj4/shui").await;
    for (command, pin, changed) in [
        ("pin", "bj4/shui", true),
        ("pin", "bj4/shui", false),
        ("pin", "bj4/shui@1", true),
        ("unpin", "bj4/shui", true),
    ] {
        assert_eq!(site.json(&[command, pin]).await["changed"], changed, "{command} {pin}");
    }
    assert_eq!(site.json(&["pins"]).await["pins"], serde_json::json!(["bj4/shui@1"]));
    assert_eq!(site.command(&["pin", "bj4/nothing"]).await.status.code(), Some(1));
    assert_eq!(site.command(&["pin", "nothing"]).await.status.code(), Some(2));
    assert_eq!(site.json(&["quota"]).await["quota_bytes"], Value::Null);
    assert_eq!(site.json(&["quota", "500M"]).await["quota_bytes"], 500_000_000);
    let said = site.command(&["--lang", "zh", "quota"]).await;
    assert!(String::from_utf8_lossy(&said.stdout).contains("限额 500.0 MB"), "{said:?}");
    assert_eq!(site.json(&["quota", "--lift"]).await["quota_bytes"], Value::Null);
}
