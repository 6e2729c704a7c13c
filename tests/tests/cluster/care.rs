//! Looking after a store while its node runs: damage, pins, quota.

use karez_tests::cluster::tree::{course, fingerprint, flip_bits, noise};
use karez_tests::cluster::{Cluster, Node, NodeOptions, until};
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

/// Nobody had said what it holds of what was whole on both sides, and the lane was there for something else.
#[tokio::test]
async fn damage_found_beside_peers_that_were_whole_as_well_comes_back_at_once() {
    let cluster = Cluster::start().await;
    let (first, second) = (cluster.path("first"), cluster.path("second"));
    course(&first, 4);
    std::fs::create_dir(&second).unwrap();
    std::fs::write(second.join("film"), noise(9, 2 << 20)).unwrap();
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&first, "bj4/shui").await;
    flagship.publish(&second, "bj4/ying").await;
    let mut site = cluster.site("a", &[]).await;
    for collection in ["bj4/shui", "bj4/ying"] {
        site.follow(collection).await;
        site.complete(collection, 1).await;
    }
    site.kill().await;
    flip_bits(&segment(&site), 60, 5);
    site.start().await;
    std::fs::write(second.join("more"), noise(10, 1 << 20)).unwrap();
    flagship.publish(&second, "bj4/ying").await;
    site.complete("bj4/ying", 2).await;
    // The first command meets all the damage, and waits for what is mended.
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&first));
    let view = site.json(&["scrub"]).await;
    assert_eq!((count(&view, "missing"), count(&view, "repaired")), (0, count(&view, "found")), "{view}");
    assert_eq!(site.status().await["problems"], serde_json::json!([]));
}

#[tokio::test]
async fn damage_that_a_bundle_meets_is_fetched_again() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 4);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    flip_bits(&segment(&site), 20, 7);
    let stick = cluster.path("stick");
    std::fs::create_dir(&stick).unwrap();
    let export = ["export", "bj4/shui", "--to", stick.to_str().unwrap()];
    let refused = site.command(&export).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    until("a bundle is written", async || site.command(&export).await.status.success().then_some(())).await;
    assert_eq!(count(&site.json(&["scrub"]).await, "found"), 0);
}

/// The site does not follow: of what the flagship lost, it holds what both versions share.
#[tokio::test]
async fn a_flagship_takes_lost_chunks_back_from_a_site_with_an_older_version() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 4);
    let mut flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    let elsewhere = cluster.path("elsewhere");
    site.json(&["pull", "bj4/shui", "--to", elsewhere.to_str().unwrap()]).await;
    site.complete("bj4/shui", 1).await;
    std::fs::write(source.join("第二课/新.txt"), "第二版").unwrap();
    flagship.publish(&source, "bj4/shui").await;
    flagship.kill().await;
    flip_bits(&segment(&flagship), 20, 6);
    flagship.start().await;
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

/// Chunks whose rows went with their segment file are in no list of damaged ones.
#[tokio::test]
async fn what_a_lost_segment_file_held_is_missed_and_comes_back() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 4);
    let mut flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    // Nobody else has it: it is named, with what helps, and publishing the same folder again does.
    flagship.kill().await;
    let file = std::fs::File::options().write(true).open(segment(&flagship)).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    flagship.start().await;
    let output = flagship.command(&["--json", "scrub"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lost = &view["lost"][0];
    assert_eq!((&lost["collection"], &lost["published_here"]), (&"bj4/shui".into(), &true.into()), "{view}");
    // The page went with the rest: what it names is not known.
    assert!(count(lost, "chunks") == count(&view, "missing") && count(lost, "unknown_chunks") > 50, "{view}");
    flagship.publish(&source, "bj4/shui").await;
    flagship.complete("bj4/shui", 1).await;
    assert_eq!(flagship.json(&["scrub"]).await["lost"], serde_json::json!([]));

    // A version that only a pin keeps comes back, too, although no release at work names it.
    let mut site = cluster.site("a", &[]).await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    site.json(&["pin", "bj4/shui@1"]).await;
    let first = segment(&site);
    second_version(&source, 4);
    flagship.publish(&source, "bj4/shui").await;
    site.complete("bj4/shui", 2).await;
    site.kill().await;
    std::fs::remove_file(&first).unwrap();
    site.start().await;
    let view = site.json(&["scrub"]).await;
    // What the node had not fetched again by itself is found and comes back.
    assert_eq!(count(&view, "repaired"), count(&view, "found"), "{view}");
    let files = std::fs::read_dir(site.home.join("store/segments")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes > 4 << 20, "the segment's content is not back: {bytes}");
    assert_eq!(view["lost"], serde_json::json!([]), "{view}");
    site.complete("bj4/shui", 2).await;
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

/// What a run says of each version: `collection@version` -> goes, reason.
fn rows(view: &Value) -> Vec<(String, bool, String)> {
    let row = |row: &Value| {
        let name = format!("{}@{}", row["collection"].as_str().unwrap(), row["version"]);
        (name, row["goes"].as_bool().unwrap(), row["reason"].as_str().unwrap().to_owned())
    };
    view["rows"].as_array().unwrap().iter().map(row).collect()
}

fn says(name: &str, goes: bool, reason: &str) -> (String, bool, String) {
    (name.into(), goes, reason.into())
}

/// Version 2 shares the text of version 1, and nothing of its film.
fn second_version(source: &std::path::Path, megabytes: usize) {
    std::fs::write(source.join("第一课/视频.mp4"), noise(8, megabytes << 20)).unwrap();
}

async fn assert_whole(cluster: &Cluster, node: &Node, collection: &str, source: &std::path::Path) {
    let copy = tempfile::tempdir_in(cluster.path("")).unwrap();
    node.json(&["pull", collection, "--to", copy.path().to_str().unwrap()]).await;
    assert_eq!(fingerprint(copy.path()), fingerprint(source));
}

#[tokio::test]
async fn gc_removes_what_is_superseded_while_a_pull_runs_and_a_pin_protects() {
    let cluster = Cluster::start().await;
    let (source, other) = (cluster.path("source"), cluster.path("other"));
    course(&source, 6);
    course(&other, 8);
    std::fs::write(other.join("第一课/视频.mp4"), noise(9, 8 << 20)).unwrap();
    let flagship = cluster.flagship(&["--up-mbit", "40"]).await;
    flagship.publish(&source, "bj4/shui").await;
    let (site, pinned) = (cluster.site("a", &[]).await, cluster.site("b", &[]).await);
    for node in [&site, &pinned] {
        node.follow("bj4/shui").await;
        node.complete("bj4/shui", 1).await;
    }
    pinned.json(&["pin", "bj4/shui@1"]).await;
    second_version(&source, 6);
    flagship.publish(&source, "bj4/shui").await;
    for node in [&site, &pinned] {
        node.complete("bj4/shui", 2).await;
    }
    let stored = flagship.publish(&other, "bj4/other").await["stored_bytes"].as_u64().unwrap();
    site.follow("bj4/other").await;
    site.have_bytes("bj4/other", stored / 10).await;
    let before = count(&site.json(&["quota"]).await, "used_bytes");
    let dry = site.json(&["gc", "--dry-run"]).await;
    let done = site.json(&["gc"]).await;
    let row = site.collection("bj4/other").await;
    assert_eq!(row["complete"], false, "the pull was to run meanwhile: {row}");
    let expected = [
        says("bj4/other@1", false, "pulling"),
        says("bj4/shui@1", true, "superseded"),
        says("bj4/shui@2", false, "following"),
    ];
    assert_eq!((rows(&dry), rows(&done)), (expected.to_vec(), expected.to_vec()));
    let freed = count(&done, "freed_bytes");
    assert!(freed > 6 << 20, "{freed} of {before} bytes came free: {done}");
    site.complete("bj4/other", 1).await;
    assert_eq!(site.counter("refetched_chunks").await, 0);
    assert_whole(&cluster, &site, "bj4/other", &other).await;
    assert_whole(&cluster, &site, "bj4/shui", &source).await;
    assert_eq!(count(&site.json(&["scrub"]).await, "found"), 0);

    let done = pinned.json(&["gc"]).await;
    assert_eq!(rows(&done), [says("bj4/shui@1", false, "pinned"), says("bj4/shui@2", false, "following")]);
    assert_eq!(count(&done, "freed_bytes"), 0, "{done}");
    pinned.json(&["unpin", "bj4/shui@1"]).await;
    let done = pinned.json(&["gc"]).await;
    assert_eq!(rows(&done)[0], says("bj4/shui@1", true, "superseded"));
    assert!(count(&done, "freed_bytes") > 6 << 20, "{done}");
    // The flagship removes nothing that it published.
    assert!(rows(&flagship.json(&["gc"]).await).iter().all(|(_, goes, reason)| !goes && reason == "published"));
}

/// A folder with a film of its own.
fn film(cluster: &Cluster, name: &str, seed: u64) -> PathBuf {
    let dir = cluster.path(name);
    std::fs::create_dir_all(dir.join("a")).unwrap();
    std::fs::write(dir.join("a/film.bin"), noise(seed, 4 << 20)).unwrap();
    dir
}

async fn pull(cluster: &Cluster, node: &Node, collection: &str) {
    node.see(collection).await;
    let copy = tempfile::tempdir_in(cluster.path("")).unwrap();
    node.json(&["pull", collection, "--to", copy.path().to_str().unwrap()]).await;
}

/// Waits until a dry run says it, and until the other sites' holdings are known.
async fn foretold(node: &Node, free: &str, holders: u64) -> Value {
    until("the county's copies are known", || async {
        let output = node.command(&["--json", "gc", "--dry-run", "--free", free]).await;
        let view: Value = serde_json::from_slice(&output.stdout).ok()?;
        let known = view["rows"].as_array()?.iter().all(|row| row["holders_county"] == holders);
        (known && output.status.success()).then_some(view)
    })
    .await
}

#[tokio::test]
async fn eviction_does_what_the_dry_run_said_and_the_quota_makes_it_happen() {
    let cluster = Cluster::start().await;
    let flagship = cluster.flagship(&[]).await;
    let county = |name| cluster.node(name, NodeOptions { invite: &["--domain", "gansu/minqin"], run: &[] });
    let elsewhere = NodeOptions { invite: &["--domain", "gansu/gulang"], run: &[] };
    let (site, other, away) = (county("a").await, county("b").await, cluster.node("c", elsewhere).await);
    let dirs = [("bj4/one", 11), ("bj4/two", 12), ("bj4/three", 13)]
        .map(|(name, seed)| (name, film(&cluster, &name[4..], seed)));
    for (name, dir) in &dirs {
        flagship.publish(dir, name).await;
        other.follow(name).await;
        other.complete(name, 1).await;
    }
    for name in ["bj4/one", "bj4/two"] {
        pull(&cluster, &site, name).await;
    }
    let dry = foretold(&site, "3M", 1).await;
    let expected = [says("bj4/one@1", true, "for_room"), says("bj4/two@1", false, "not_needed")];
    assert_eq!(rows(&dry), expected);
    let done = site.json(&["gc", "--free", "3M"]).await;
    assert_eq!((&done["rows"], done["dry_run"].as_bool()), (&dry["rows"], Some(false)));
    assert!(count(&done, "freed_bytes") >= 3_000_000, "{done}");
    assert_eq!(site.collection("bj4/one").await, Value::Null, "it is no longer listed");
    pull(&cluster, &site, "bj4/one").await;
    assert_whole(&cluster, &site, "bj4/one", &dirs[0].1).await;

    // The quota has room for three megabytes more: the third film makes the second go, which was opened before the first.
    let quota = count(&site.json(&["quota"]).await, "used_bytes") + (3 << 20);
    site.json(&["quota", &quota.to_string()]).await;
    assert_eq!(rows(&foretold(&site, "3M", 1).await)[1], says("bj4/two@1", true, "for_room"));
    pull(&cluster, &site, "bj4/three").await;
    assert_whole(&cluster, &site, "bj4/three", &dirs[2].1).await;
    assert_eq!(site.collection("bj4/two").await, Value::Null);
    assert_eq!(site.collection("bj4/one").await["complete"], true);
    assert!(count(&site.json(&["quota"]).await, "used_bytes") <= quota);

    // Elsewhere it may be the last copy: it stays, and the exit code says that there is no room.
    pull(&cluster, &away, "bj4/one").await;
    let output = away.command(&["gc", "--free", "3M"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("maybe the last copy in the county"), "{said}");
    assert_eq!(away.collection("bj4/one").await["complete"], true);
    let done = away.json(&["gc", "--free", "3M", "--last-copies"]).await;
    assert_eq!(rows(&done), [says("bj4/one@1", true, "for_room")]);
}

/// Takes all that is left of a disk.
fn fill(path: &std::path::Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    for piece in [1 << 16, 4096, 1] {
        while file.write_all(&vec![7; piece]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_still_takes_a_new_roster() {
    let cluster = Cluster::start().await;
    let mut site = cluster.site("a", &[]).await;
    site.kill().await;
    if !site.start_with_home_on_small_disk(24).await {
        println!("skipped: mount namespaces are not allowed here");
        return;
    }
    let (reserve, roster) = (site.home.join("reserve"), site.home.join("roster.bin"));
    assert_eq!(reserve.metadata().unwrap().len(), 4 << 20);
    site.status().await;
    let before = std::fs::read(&roster).unwrap();
    fill(&site.home.join("filler"));
    let _late = cluster.site("late", &[]).await;
    until("the roster that names the new site is saved", || async {
        std::fs::read(&roster).is_ok_and(|now| now != before).then_some(())
    })
    .await;
    assert!(!reserve.exists(), "the reserve was given up for it");
    std::fs::remove_file(site.home.join("filler")).unwrap();
    until("the reserve is taken back", || async {
        reserve.metadata().is_ok_and(|found| found.len() == 4 << 20).then_some(())
    })
    .await;
}
