//! Publish, replicate, pull, play, update.

use karez_tests::cluster::tree::{course, fingerprint, noise};
use karez_tests::cluster::{Cluster, NodeOptions, until};
use std::fs;

/// What the plan says is what arrives: the item's chunks, and nothing else of the collection, until that is asked for.
#[tokio::test]
async fn one_item_is_fetched_without_the_rest() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 8);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let mut site = cluster.site("a", &[]).await;
    site.see("bj4/shui").await;
    site.json(&["show", "bj4/shui"]).await;
    let before = site.counter("chunk_bytes_received").await;
    let copy = cluster.path("copy");
    let done = site.json(&["pull", "bj4/shui", "第二课", "--to", copy.to_str().unwrap()]).await;
    let planned = done["wire_bytes"].as_u64().unwrap();
    assert!((1..100_000).contains(&planned), "{done}");
    assert_eq!(site.counter("chunk_bytes_received").await - before, planned);
    assert_eq!(
        fs::read(copy.join("第二课/材料/讲义.html")).unwrap(),
        fs::read(source.join("第二课/材料/讲义.html")).unwrap()
    );

    // A film that is opened comes as far as it is read; the collection stays what it is, also after a restart.
    let film = format!("{}?", site.url("bj4/shui", "%E7%AC%AC%E4%B8%80%E8%AF%BE/%E8%A7%86%E9%A2%91.mp4"));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let part = http.get(&film).header("Range", "bytes=4000000-4000999").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(part, fs::read(source.join("第一课/视频.mp4")).unwrap()[4_000_000..4_001_000]);
    let state = site.collection("bj4/shui").await;
    assert_eq!(state["complete"], false, "{state}");
    assert!(state["have_bytes"].as_u64().unwrap() < 6 << 20, "{state}");
    site.kill().await;
    site.start().await;
    site.follow("bj4/shui").await;
    site.complete("bj4/shui", 1).await;
    assert_eq!(site.counter("refetched_chunks").await, 0);
}

#[tokio::test]
async fn a_folder_reaches_every_site_whole_and_updates_follow() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 6);
    std::os::unix::fs::symlink("/etc/passwd", source.join("第二课/link")).unwrap();
    let flagship = cluster.flagship(&["--up-mbit", "60"]).await;
    let published = flagship.publish(&source, "bj4/shui").await;
    assert_eq!((&published["version"], &published["listed"]), (&1.into(), &true.into()), "{published}");
    assert_eq!(published["skipped"][0]["path"], "第二课/link", "{published}");
    assert_eq!(flagship.publish(&source, "bj4/shui").await["unchanged"], true);

    let group: &[&str] = &["--group", "g1", "--domain", "gansu/minqin"];
    let a = cluster.node("a", NodeOptions { invite: group, run: &[] }).await;
    let b = cluster.node("b", NodeOptions { invite: group, run: &[] }).await;
    let c = cluster.site("c", &[]).await;
    for site in [&a, &b, &c] {
        site.follow("bj4/shui").await;
    }
    fs::remove_file(source.join("第二课/link")).unwrap();
    for site in [&a, &b, &c] {
        site.complete("bj4/shui", 1).await;
        let copy = site.home.with_extension("copy");
        site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
        assert_eq!(fingerprint(&copy), fingerprint(&source));
    }
    let stored = published["stored_bytes"].as_u64().unwrap();
    let egress = flagship.counter("chunk_bytes_sent").await;
    assert!(egress as f64 <= 1.15 * stored as f64, "{egress} of {stored}");
    for site in [&a, &b] {
        assert!(site.counter("bytes_from_group").await > 0);
    }

    // Version 2: an insertion near the start and an edited subtitle.
    let video = source.join("第一课/视频.mp4");
    let mut bytes = fs::read(&video).unwrap();
    bytes.splice(100_000..100_000, noise(99, 30_000));
    fs::write(&video, bytes).unwrap();
    fs::write(source.join("第一课/视频.zh.vtt"), "WEBVTT\n\n00:00.000 --> 00:05.000\n水\n").unwrap();
    let second = flagship.publish(&source, "bj4/shui").await;
    assert_eq!(second["version"], 2);
    let (new, whole) = (second["new_bytes"].as_u64().unwrap(), second["stored_bytes"].as_u64().unwrap());
    assert!(new * 10 < whole, "an edit of 30 kB costs {new} of {whole} bytes");
    for site in [&a, &b, &c] {
        let row = site.complete("bj4/shui", 2).await;
        let came = row["bytes_from_flagship"].as_u64().unwrap() + row["bytes_from_peers"].as_u64().unwrap();
        assert_eq!(came, new, "the quote is what travelled");
        let copy = site.home.with_extension("copy2");
        site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
        assert_eq!(fingerprint(&copy), fingerprint(&source));
        assert_eq!(site.counter("refetched_chunks").await, 0);
    }
}

#[tokio::test]
async fn the_same_content_under_another_name_and_an_undone_edit_are_releases_of_their_own() {
    let cluster = Cluster::start().await;
    let (first, second) = (cluster.path("source"), cluster.path("edited"));
    course(&first, 1);
    course(&second, 1);
    fs::write(second.join("第二课/wrong.txt"), "wrong").unwrap();
    let flagship = cluster.flagship(&[]).await;
    let site = cluster.site("a", &[]).await;
    let publish = |dir: std::path::PathBuf, name: &'static str| {
        let flagship = &flagship;
        async move {
            let dir = dir.display().to_string();
            flagship.json(&["publish", &dir, "--as", name, "--title", "水"]).await["version"].as_u64().unwrap()
        }
    };
    for name in ["bj4/shui", "bj4/twin"] {
        assert_eq!(publish(first.clone(), name).await, 1);
        site.follow(name).await;
        site.complete(name, 1).await;
    }
    assert_eq!(publish(second.clone(), "bj4/shui").await, 2);
    site.complete("bj4/shui", 2).await;
    assert_eq!(publish(first.clone(), "bj4/shui").await, 3);
    site.complete("bj4/shui", 3).await;
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&first));
}

#[tokio::test]
async fn ranges_of_a_half_arrived_file_are_the_right_bytes() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 24);
    let flagship = cluster.flagship(&["--up-mbit", "16"]).await;
    let published = flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    site.follow("bj4/shui").await;
    site.have_bytes("bj4/shui", published["stored_bytes"].as_u64().unwrap() / 10).await;

    let url = site.url("bj4/shui", "%E7%AC%AC%E4%B8%80%E8%AF%BE/%E8%A7%86%E9%A2%91.mp4");
    let video = fs::read(source.join("第一课/视频.mp4")).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (from, to) in [(20_000_000, 20_300_000), (0, 99), (video.len() - 1000, video.len() - 1)] {
        let response = http.get(&url).header("range", format!("bytes={from}-{to}")).send().await.unwrap();
        assert_eq!(response.status(), 206);
        let expected = format!("bytes {from}-{to}/{}", video.len());
        assert_eq!(response.headers()["content-range"].to_str().unwrap(), expected);
        assert_eq!(response.bytes().await.unwrap(), &video[from..=to]);
    }
    let row = site.collection("bj4/shui").await;
    assert_eq!(row["complete"], false, "the file was to be half-arrived: {row}");
    let beyond = http.get(&url).header("range", "bytes=999999999-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    let head = http.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), video.len().to_string());
    let foreign = http.get(&url).header("host", "evil.example").send().await.unwrap();
    assert!(foreign.status().is_client_error(), "{}", foreign.status());
    site.complete("bj4/shui", 1).await;
}

#[tokio::test]
async fn looking_at_a_new_version_fetches_its_description_and_the_quote_is_what_travels() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("1.mp4"), noise(1, 300_000)).unwrap();
    let flagship = cluster.flagship(&["--up-mbit", "60"]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("a", &[]).await;
    site.see("bj4/shui").await;
    let copy = cluster.path("copy");
    let pull = ["pull", "bj4/shui", "--to", copy.to_str().unwrap()];
    site.json(&pull).await;

    fs::write(source.join("2.mp4"), noise(2, 400_000)).unwrap();
    flagship.publish(&source, "bj4/shui").await;
    let second = async || {
        let shown = site.json(&["show", "bj4/shui"]).await;
        (shown["shown_version"] == 2).then_some(shown)
    };
    let shown = until("version 2 is known", second).await;
    let before = site.counter("chunk_bytes_received").await;
    assert_eq!((&shown["bound"], &shown["held_version"]), (&"exact".into(), &1.into()), "{shown}");
    let quoted = shown["wire_bytes"].as_u64().unwrap();
    assert!((400_000..500_000).contains(&quoted), "{shown}");
    assert_eq!(site.collection("bj4/shui").await["version"], 1, "nobody asked for version 2");
    site.json(&pull).await;
    assert_eq!(site.counter("chunk_bytes_received").await - before, quoted);
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}
