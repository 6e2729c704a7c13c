//! Content that is held once: published from the flagship's own files, and copies that are a site's own.

use karez_tests::cluster::tree::{course, fingerprint, noise};
use karez_tests::cluster::{Cluster, Node, until};
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

const FILM: &str = "第一课/视频.mp4";
const MEGABYTES: usize = 6;

/// Bytes of the files in a node's segments folder.
fn segment_bytes(node: &Node) -> u64 {
    let files = fs::read_dir(node.home.join("store/segments")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

async fn problem(node: &Node, words: &str) {
    until("the problem is shown", || async {
        let status = node.status().await;
        let problems = status["problems"].as_array().unwrap();
        problems.iter().any(|problem| problem.as_str().is_some_and(|text| text.contains(words))).then_some(())
    })
    .await;
}

async fn no_problem(node: &Node, words: &str) {
    until("the problem is gone", || async {
        let status = node.status().await;
        let problems = status["problems"].as_array().unwrap();
        (!problems.iter().any(|problem| problem.as_str().is_some_and(|text| text.contains(words)))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_published_in_place_is_served_and_a_changed_file_is_not() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, MEGABYTES);
    let before = fingerprint(&source);
    let flagship = cluster.flagship(&[]).await;
    let published = flagship.json(&["publish", source.to_str().unwrap(), "--as", "bj4/shui", "--in-place"]).await;
    assert_eq!(published["in_place_bytes"].as_u64(), Some((MEGABYTES << 20) as u64), "{published}");
    assert!(segment_bytes(&flagship) < 100_000, "{}", segment_bytes(&flagship));
    let mut first = cluster.site("minqin", &[]).await;
    first.see("bj4/shui").await;
    let copy = cluster.path("first");
    first.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), before);
    first.kill().await;

    // The editor saves over the published film, and publishes nothing.
    let film = source.join(FILM);
    fs::File::options().write(true).open(&film).unwrap().write_all_at(&[0xee; 4096], 3 << 20).unwrap();
    let second = cluster.site("gulang", &[]).await;
    second.follow("bj4/shui").await;
    problem(&flagship, "视频.mp4").await;
    assert_eq!(second.collection("bj4/shui").await["complete"], false);
    // Whoever has the chunks from before gives them, also to the flagship.
    first.start().await;
    second.complete("bj4/shui", 1).await;
    let copy = cluster.path("second");
    second.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), before, "no wrong byte came");
    no_problem(&flagship, "视频.mp4").await;

    let again = flagship.json(&["publish", source.to_str().unwrap(), "--as", "bj4/shui", "--in-place"]).await;
    assert_eq!(again["version"], 2, "{again}");
    second.complete("bj4/shui", 2).await;
    second.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}

/// What only the older version had is gone with the edit: no alarm that never ends.
#[tokio::test]
async fn an_older_version_whose_files_changed_is_let_go_of() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, MEGABYTES);
    let flagship = cluster.flagship(&[]).await;
    let publish = ["publish", source.to_str().unwrap(), "--as", "bj4/shui", "--in-place"];
    flagship.json(&publish).await;
    fs::write(source.join(FILM), noise(11, 3 << 20)).unwrap();
    flagship.json(&publish).await;
    let scrub = flagship.command(&["scrub"]).await;
    assert_eq!(scrub.status.code(), Some(1), "{scrub:?}");
    problem(&flagship, "karez gc").await;
    let kept = flagship.json(&["gc"]).await;
    let versions: Vec<_> = kept["rows"].as_array().unwrap().iter().map(|row| (&row["version"], &row["goes"])).collect();
    assert_eq!(versions, [(&1.into(), &true.into()), (&2.into(), &false.into())], "{kept}");
    no_problem(&flagship, "karez gc").await;
    assert_eq!(flagship.json(&["scrub"]).await["found"], 0);
    assert_eq!(flagship.status().await["problems"], serde_json::json!([]), "nothing of it is fetched again");
}

#[tokio::test]
async fn a_linked_copy_is_held_once_and_feeds_others() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, MEGABYTES);
    let before = fingerprint(&source);
    let mut flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let site = cluster.site("minqin", &[]).await;
    site.see("bj4/shui").await;
    let refused = site.command(&["pull", "bj4/shui", "--link", "--to", "/proc/karez"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--link"), "{said}");
    let copy = cluster.path("copy");
    let done = site.json(&["pull", "bj4/shui", "--link", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(done["linked"]["bytes"].as_u64(), Some((MEGABYTES << 20) as u64), "{done}");
    assert!(segment_bytes(&site) < 100_000, "{}", segment_bytes(&site));
    assert_eq!(fingerprint(&copy), before);
    assert_eq!(fs::metadata(copy.join(FILM)).unwrap().permissions().mode() & 0o777, 0o444);

    flagship.kill().await;
    let neighbour = cluster.site("gulang", &[]).await;
    neighbour.follow("bj4/shui").await;
    neighbour.complete("bj4/shui", 1).await;
    let out = cluster.path("neighbour");
    neighbour.json(&["pull", "bj4/shui", "--to", out.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&out), before);

    // Somebody tidies up: the film is gone, and comes again from those who have it.
    fs::remove_file(copy.join(FILM)).unwrap();
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), before);
    assert_eq!(site.complete("bj4/shui", 1).await["complete"], true);
}
