//! Content on a stick: a site that no chunk reaches over the network completes a course from a bundle.

use karez_tests::cluster::Cluster;
use karez_tests::cluster::tree::{course, fingerprint};
use std::fs;

#[tokio::test]
async fn a_stick_completes_a_site_without_a_byte_over_the_network() {
    let mut cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 6);
    let mut flagship = cluster.flagship(&[]).await;
    let site = cluster.site("minqin", &[]).await;
    flagship.publish(&source, "bj4/shui").await;
    // The site is cut off: what it knows from now on comes with the stick.
    cluster.kill_tracker().await;
    let stick = cluster.path("stick");
    fs::create_dir(&stick).unwrap();
    let to = stick.to_str().unwrap();

    let request = site.json(&["request", "--to", to]).await;
    let have = request["path"].as_str().unwrap();
    let written = flagship.json(&["export", "bj4/shui", "--have", have, "--to", to]).await;
    assert_eq!((&written["site_known"], &written["checked"]), (&true.into(), &true.into()), "{written}");
    // A stick that was pulled out too early: no descriptor, half a part.
    let bundle = std::path::PathBuf::from(written["path"].as_str().unwrap());
    fs::remove_file(bundle.join("bundle.cbor")).unwrap();
    let part = fs::File::options().write(true).open(bundle.join("part-0001.kpart")).unwrap();
    part.set_len(3 << 20).unwrap();
    let refused = site.command(&["import", to]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("unfinished"), "{said}");
    let again = flagship.json(&["export", "bj4/shui", "--have", have, "--to", to]).await;
    assert!(again["resumed_bytes"].as_u64().unwrap() > 2 << 20, "{again}");
    assert_eq!(again["bytes"], written["bytes"]);
    flagship.kill().await;

    // A flipped byte: everything but its chunk comes in, and a script can see that something is missing.
    let part = bundle.join("part-0001.kpart");
    let sound = fs::read(&part).unwrap();
    let mut spoilt = sound.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    fs::write(&part, spoilt).unwrap();
    let partly = site.command(&["import", to, "--json"]).await;
    assert_eq!(partly.status.code(), Some(1));
    let partly: serde_json::Value = serde_json::from_slice(&partly.stdout).unwrap();
    assert_eq!(partly["damaged"], 1, "{partly}");
    fs::write(&part, sound).unwrap();

    let taken = site.json(&["import", to]).await;
    let here = taken["chunks_new"].as_u64().unwrap() + partly["chunks_new"].as_u64().unwrap();
    assert_eq!((&here.into(), &taken["damaged"]), (&again["chunks"], &0.into()), "{taken}");
    let row = site.complete("bj4/shui", 1).await;
    for source in ["bytes_from_flagship", "bytes_from_peers"] {
        assert_eq!(row[source], 0, "{row}");
    }
    let copy = cluster.path("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
    let second = site.json(&["import", to]).await;
    assert_eq!((&second["chunks_new"], &second["bytes_new"]), (&0.into(), &0.into()), "{second}");
}
