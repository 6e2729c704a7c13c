//! kill -9 of everybody in turn.

use karez_tests::cluster::tree::{course, fingerprint};
use karez_tests::cluster::{Cluster, Node, until};

/// A flagship at 16 Mbit/s with 16 MB: about eight seconds of work, so that a kill hits the middle.
async fn begin(cluster: &Cluster, sites: &[&str]) -> (Node, Vec<Node>, u64) {
    let source = cluster.path("source");
    course(&source, 16);
    let flagship = cluster.flagship(&["--up-mbit", "16"]).await;
    let stored = flagship.publish(&source, "bj4/shui").await["stored_bytes"].as_u64().unwrap();
    let mut nodes = Vec::new();
    for name in sites {
        nodes.push(cluster.site(name, &["--up-mbit", "40"]).await);
    }
    for node in &nodes {
        node.follow("bj4/shui").await;
    }
    (flagship, nodes, stored)
}

async fn assert_whole(cluster: &Cluster, site: &Node) {
    let copy = site.home.with_extension("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&cluster.path("source")));
}

#[tokio::test]
async fn a_killed_site_resumes_without_fetching_a_chunk_twice() {
    let cluster = Cluster::start().await;
    let (flagship, mut sites, stored) = begin(&cluster, &["a", "b"]).await;
    let site = &mut sites[0];
    site.have_bytes("bj4/shui", stored * 2 / 5).await;
    let before = site.collection("bj4/shui").await["have_bytes"].as_u64().unwrap();
    site.kill().await;
    site.start().await;
    let row = site.complete("bj4/shui", 1).await;
    assert_eq!(site.counter("refetched_chunks").await, 0);
    let here = row["bytes_already_here"].as_u64().unwrap();
    assert!(here >= before, "{here} of {before} verified bytes survived");
    let came = row["bytes_from_flagship"].as_u64().unwrap() + row["bytes_from_peers"].as_u64().unwrap();
    assert_eq!(came + here, stored, "nothing verified was fetched again");
    assert_whole(&cluster, &sites[0]).await;
    drop(flagship);
}

#[tokio::test]
async fn a_pull_that_was_asked_for_once_goes_on_after_kills_and_damage_is_repaired() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 8);
    let flagship = cluster.flagship(&["--up-mbit", "16"]).await;
    let stored = flagship.publish(&source, "bj4/shui").await["stored_bytes"].as_u64().unwrap();
    let mut site = cluster.site("a", &[]).await;
    site.see("bj4/shui").await;
    {
        // The teacher gives up waiting, the node does not.
        let copy = cluster.path("never").display().to_string();
        let arguments = ["pull", "bj4/shui", "--to", &copy];
        let pulling = site.json(&arguments);
        tokio::select! {
            _ = pulling => panic!("the pull was to be interrupted"),
            () = site.have_bytes("bj4/shui", stored / 4) => {}
        }
    }
    site.kill().await;
    site.start().await;
    site.complete("bj4/shui", 1).await;
    assert_eq!(site.counter("refetched_chunks").await, 0);
    site.kill().await;
    site.start().await;
    site.complete("bj4/shui", 1).await;

    // Damage on the disk: a reader finds it, the node fetches it again.
    let segment = site.home.join("store/segments/00000001.kseg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xee);
    std::fs::write(&segment, bytes).unwrap();
    let copy = cluster.path("copy").display().to_string();
    until("the damage is repaired and the copy is whole", || async {
        let output = site.command(&["pull", "bj4/shui", "--to", &copy]).await;
        output.status.success().then_some(())
    })
    .await;
    assert_eq!(fingerprint(&cluster.path("copy")), fingerprint(&source));
}

#[tokio::test]
async fn the_tracker_may_die_and_news_still_travels() {
    let mut cluster = Cluster::start().await;
    let (flagship, sites, stored) = begin(&cluster, &["a", "b"]).await;
    sites[0].have_bytes("bj4/shui", stored / 5).await;
    sites[1].have_bytes("bj4/shui", stored / 5).await;
    cluster.kill_tracker().await;
    for site in &sites {
        site.complete("bj4/shui", 1).await;
        assert_whole(&cluster, site).await;
    }
    // A new version without any tracker: it is not listed, but followers learn of it from the flagship itself.
    std::fs::write(cluster.path("source").join("第二课/new.txt"), "new").unwrap();
    let second = flagship.publish(&cluster.path("source"), "bj4/shui").await;
    assert_eq!((&second["version"], &second["listed"]), (&2.into(), &false.into()));
    for site in &sites {
        site.complete("bj4/shui", 2).await;
    }
    // Back again: nothing registered is lost, and the release is listed after all.
    cluster.restart_tracker().await;
    let late = cluster.site("late", &[]).await;
    late.follow("bj4/shui").await;
    late.complete("bj4/shui", 2).await;
}

#[tokio::test]
async fn sites_finish_from_each_other_once_every_chunk_is_held_by_one() {
    let cluster = Cluster::start().await;
    let (mut flagship, sites, stored) = begin(&cluster, &["a", "b", "c"]).await;
    until("one copy is out", || async { (flagship.counter("chunk_bytes_sent").await >= stored).then_some(()) }).await;
    let all_out = || async {
        let mut missing = 0;
        for site in &sites {
            missing += site.collection("bj4/shui").await["missing_without_site"].as_u64().unwrap_or(1);
        }
        (missing == 0).then_some(())
    };
    until("every chunk is held by some site", all_out).await;
    flagship.kill().await;
    for site in &sites {
        site.complete("bj4/shui", 1).await;
        assert_whole(&cluster, site).await;
    }
}

#[tokio::test]
async fn without_the_flagship_what_is_held_is_exchanged_and_the_rest_is_named() {
    let cluster = Cluster::start().await;
    let (mut flagship, sites, stored) = begin(&cluster, &["a", "b", "c"]).await;
    until("0.6 copies are out", || async {
        (flagship.counter("chunk_bytes_sent").await * 10 >= stored * 6).then_some(())
    })
    .await;
    flagship.kill().await;
    // Everything held is exchanged: in the end all sites have the same, and say that the flagship has the rest.
    until("all sites have the same and wait", || async {
        let mut rows = Vec::new();
        for site in &sites {
            rows.push(site.collection("bj4/shui").await);
        }
        let same = rows.iter().all(|row| row["have_chunks"] == rows[0]["have_chunks"]);
        let waiting = rows.iter().all(|row| row["state"] == "waiting" && row["waiting_for"][0] == "flagship");
        (same && waiting).then_some(())
    })
    .await;
    for site in &sites {
        let row = site.collection("bj4/shui").await;
        let missing = row["chunks"].as_u64().unwrap() - row["have_chunks"].as_u64().unwrap();
        assert!(missing > 0 && row["missing_without_holder"] == missing, "{row}");
    }
    flagship.start().await;
    for site in &sites {
        site.complete("bj4/shui", 1).await;
        assert_whole(&cluster, site).await;
        assert_eq!(site.counter("refetched_chunks").await, 0);
    }
}
