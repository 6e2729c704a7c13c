//! Liars and strangers.

use karez_node::home::Home;
use karez_tests::badpeer::{self, BadPeer, Setting, Victim, stranger_on_bulk, stranger_on_control};
use karez_tests::cluster::tree::{copy_folder, course, fingerprint};
use karez_tests::cluster::{Cluster, until};

#[tokio::test]
async fn flipped_bytes_are_never_stored_and_the_liar_is_dropped() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 8);
    let mut flagship = cluster.flagship(&["--up-mbit", "16"]).await;
    flagship.publish(&source, "bj4/shui").await;
    // The liar holds a perfect copy of the flagship's store.
    flagship.kill().await;
    copy_folder(&flagship.home.join("store"), &cluster.path("hoard"));
    flagship.start().await;
    let invite = cluster.invite("liar", &[]).await;
    let home = Home::at(cluster.path("liar"));
    karez_node::setup::join(&home, &invite, None).await.unwrap();
    let sites = [cluster.site("a", &[]).await, cluster.site("b", &[]).await];
    let setting = Setting {
        hoard: badpeer::hoard(&home, &cluster.path("hoard")),
        home,
        collection: "bj4/shui".parse().unwrap(),
        victim: Victim::of(&sites[0]),
        stolen: None,
    };
    let liar = BadPeer::start(badpeer::by_name("middle-bit").unwrap(), setting).await;
    for site in &sites {
        site.follow("bj4/shui").await;
    }
    for site in &sites {
        site.complete("bj4/shui", 1).await;
        let copy = site.home.with_extension("copy");
        site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
        assert_eq!(fingerprint(&copy), fingerprint(&source));
    }
    assert!(liar.deeds() > 0, "nobody asked the liar: nothing was tested");
    let mut bad = 0;
    for site in &sites {
        let status = site.status().await;
        bad += status["counters"]["bad_chunks"].as_u64().unwrap();
        let peers = status["peers"].as_array().unwrap();
        assert!(peers.iter().all(|peer| peer["name"] != "liar"), "the liar is still connected: {status}");
    }
    assert!(bad > 0, "a false chunk was noticed");
}

#[tokio::test]
async fn strangers_are_refused_on_both_planes() {
    let cluster = Cluster::start().await;
    let site = cluster.site("a", &[]).await;
    let address = site.ready["listen"][0].as_str().unwrap().parse().unwrap();
    let peer = site.ready["peer"].as_str().unwrap().parse().unwrap();
    let reason = stranger_on_bulk(address, &peer).await;
    assert!(reason.contains("not a member"), "{reason}");
    stranger_on_control(address).await;
    until("both refusals are counted", || async { (site.counter("strangers_refused").await >= 2).then_some(()) }).await;
    assert!(site.status().await["peers"].as_array().unwrap().is_empty());
}
