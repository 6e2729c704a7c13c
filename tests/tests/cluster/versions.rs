//! A newer version while an older one is on its way, and what nobody wants any more.

use karez_tests::cluster::tree::{course, fingerprint, noise};
use karez_tests::cluster::{Cluster, Node, until};
use std::fs;
use std::path::Path;

const COURSE: &str = "bj4/shui";

/// A flagship with a course of 8 MB that would take minutes, and a site that has begun with it.
async fn begun(cluster: &Cluster, source: &Path) -> (Node, Node) {
    course(source, 8);
    let flagship = cluster.flagship(&["--up-mbit", "0.4"]).await;
    flagship.publish(source, COURSE).await;
    let site = cluster.site("minqin", &[]).await;
    site.see(COURSE).await;
    (flagship, site)
}

#[tokio::test]
async fn a_pull_goes_over_to_a_newer_version() {
    let cluster = Cluster::start().await;
    let (source, copy) = (cluster.path("source"), cluster.path("copy"));
    let (flagship, site) = begun(&cluster, &source).await;
    let pull = ["pull", COURSE, "--to", copy.to_str().unwrap()];
    let update = async {
        site.have_bytes(COURSE, 100_000).await;
        fs::write(source.join("new.bin"), noise(7, 50_000)).unwrap();
        flagship.publish(&source, COURSE).await;
        flagship.json(&["limit", "--up-mbit", "0"]).await;
    };
    let (pulled, ()) = tokio::join!(site.command(&pull), update);
    let said = String::from_utf8_lossy(&pulled.stderr);
    assert!(pulled.status.success() && said.contains("version 2 has come"), "{said}");
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    assert_eq!(site.collection(COURSE).await["version"], 2);
}

#[tokio::test]
async fn what_is_unfollowed_is_given_up_and_makes_room() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    let (flagship, mut site) = begun(&cluster, &source).await;
    let copy = cluster.path("copy");
    let give_up = async {
        site.have_bytes(COURSE, 100_000).await;
        site.json(&["unfollow", COURSE]).await;
    };
    let pull = ["pull", COURSE, "--to", copy.to_str().unwrap()];
    let (pulled, ()) = tokio::join!(site.command(&pull), give_up);
    let said = String::from_utf8_lossy(&pulled.stderr).into_owned();
    assert!(!pulled.status.success() && said.contains("unfollow"), "{said}");
    assert_eq!(site.collection(COURSE).await["state"], "described");

    site.kill().await;
    site.start().await;
    assert_eq!(site.collection(COURSE).await["state"], "described", "a restart does not begin again");
    let room = site.json(&["gc", "--free", "50k", "--last-copies"]).await;
    assert_eq!(room["rows"][0]["goes"], true, "{room}");

    flagship.json(&["limit", "--up-mbit", "0"]).await;
    site.json(&["pull", COURSE, "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}

/// What the flagship itself lost of an older version is not waited for.
#[tokio::test]
async fn an_older_version_that_nobody_has_whole_is_let_go_of() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 2);
    let flagship = cluster.flagship(&[]).await;
    let publish = ["publish", source.to_str().unwrap(), "--as", COURSE, "--in-place"];
    flagship.json(&publish).await;
    fs::write(source.join("film.bin"), noise(11, 1 << 20)).unwrap();
    flagship.json(&publish).await;
    fs::remove_file(source.join("film.bin")).unwrap();
    assert!(!flagship.command(&["scrub"]).await.status.success());
    until("the loss to be known", || async { (flagship.collection(COURSE).await["complete"] == false).then_some(()) })
        .await;
    flagship.json(&publish).await;
    let gone = flagship.json(&["gc"]).await;
    let goes = |version: u64| {
        let row = gone["rows"].as_array().unwrap().iter().find(|row| row["version"] == version);
        row.is_some_and(|row| row["goes"] == true)
    };
    assert!(goes(2) && !goes(3), "{gone}");
    until("no problem", || async {
        let status = flagship.status().await;
        (status["problems"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
}
