//! Bad input: a clear error, the right exit code, nothing lost.

use karez_tests::cluster::tree::{course, fingerprint};
use karez_tests::cluster::{Cluster, run, until};
use std::os::unix::ffi::OsStrExt as _;

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check(output: &std::process::Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
}

#[tokio::test]
async fn publishing_what_cannot_be_published() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 1);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let nowhere = cluster.path("nowhere");
    check(&flagship.command(&["publish", nowhere.to_str().unwrap(), "--as", "bj4/x"]).await, 1, &["nowhere"]);
    let source_text = source.to_str().unwrap();
    check(&flagship.command(&["publish", source_text, "--as", "other/x"]).await, 1, &["other", "bj4"]);
    check(&flagship.command(&["publish", source_text, "--as", "bj4"]).await, 2, &["PUBLISHER/NAME"]);
    let bad_name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(source.join(bad_name), "x").unwrap();
    check(&flagship.command(&["publish", source_text, "--as", "bj4/shui"]).await, 1, &["UTF-8", "caf"]);
    std::fs::remove_file(source.join(bad_name)).unwrap();
    for (name, text, said) in [
        ("collection.toml", "titel = 'x'", ["is not right", "有误"]),
        ("collection.toml", "[items.'第九课']\ntitle = 'x'", ["describes '第九课'", "中写了“第九课”"]),
        ("a\u{1}b.txt", "x", ["control character", "控制字符"]),
        ("old.tar.gz", "\u{1f}no archive", ["unpack", "压"]),
    ] {
        std::fs::write(source.join(name), text).unwrap();
        for (lang, said) in ["en", "zh"].into_iter().zip(said) {
            let args = ["--lang", lang, "publish", source_text, "--as", "bj4/shui", "--unpack"];
            check(&flagship.command(&args).await, 1, &[said]);
        }
        std::fs::remove_file(source.join(name)).unwrap();
    }
    for (lang, said) in [("en", "there is no folder"), ("zh", "没有目录")] {
        check(
            &flagship.command(&["--lang", lang, "publish", nowhere.to_str().unwrap(), "--as", "bj4/x"]).await,
            1,
            &[said],
        );
    }
    let json = flagship.command(&["--json", "publish", cluster.path("").to_str().unwrap(), "--as", "bj4/x"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json["error"].as_str(), json["reason"].as_str()), (Some("pack"), Some("own_folder")), "{json}");
    // Nothing was lost or published by any of these.
    let again = flagship.publish(&source, "bj4/shui").await;
    assert_eq!((&again["version"], &again["unchanged"]), (&1.into(), &true.into()));
    check(
        &flagship.command(&["pull", "bj4/none", "--to", nowhere.to_str().unwrap()]).await,
        1,
        &["bj4/none", "search"],
    );
    check(&flagship.command(&["frobnicate"]).await, 2, &["frobnicate"]);
}

/// A request file or a folder on the stick that cannot be used, in both languages; nothing is left behind.
#[tokio::test]
async fn a_stick_that_cannot_be_used() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 1);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let stick = cluster.path("stick");
    std::fs::create_dir(&stick).unwrap();
    let to = stick.to_str().unwrap();
    let written = flagship.json(&["request", "--to", to]).await["path"].as_str().unwrap().to_owned();
    let whole = std::fs::read(&written).unwrap();
    let other = Cluster::start().await;
    let stranger = other.site("a", &[]).await;
    let foreign = stranger.json(&["request", "--to", other.path("").to_str().unwrap()]).await;
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(stick.join(name), bytes).unwrap();
        stick.join(name).display().to_string()
    };
    let not_whole = ["not a whole file", "不是 `karez request` 写出的完整文件"];
    for (have, said) in [
        (stick.join("none.cbor").display().to_string(), ["there is no file", "没有文件"]),
        (file("empty.cbor", b""), not_whole),
        (file("text.cbor", b"What the site holds"), not_whole),
        (file("cut.cbor", &whole[..whole.len() - 3]), not_whole),
        (to.to_owned(), not_whole),
        (foreign["path"].as_str().unwrap().to_owned(), ["another network", "另一个网络"]),
    ] {
        for (lang, said) in ["en", "zh"].into_iter().zip(said) {
            let output = flagship.command(&["--lang", lang, "export", "--have", &have, "--to", to]).await;
            check(&output, 1, &[said, &have]);
        }
    }
    let (nowhere, below) = (stick.join("none").display().to_string(), stick.join("empty.cbor/x").display().to_string());
    for (to, said) in [
        (nowhere.as_str(), ["there is no folder", "没有目录"]),
        (&written, ["is not a folder", "不是目录"]),
        (&below, ["is not a folder", "不是目录"]),
    ] {
        for command in [&["request", "--to", to][..], &["export", "--to", to], &["import", to]] {
            for (lang, said) in ["en", "zh"].into_iter().zip(said) {
                check(&flagship.command(&[&["--lang", lang], command].concat()).await, 1, &[said, to]);
            }
        }
    }
    check(&flagship.command(&["import", to]).await, 1, &["there is no bundle"]);
    let import = flagship.command(&["import", &nowhere]).await;
    assert!(!String::from_utf8_lossy(&import.stderr).contains("make the folder"), "nothing is written there");
    let json = flagship.command(&["--json", "request", "--to", &nowhere]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json["error"].as_str(), json["reason"].as_str()), (Some("courier"), Some("no_folder")), "{json}");
    assert_eq!(std::fs::read_dir(&stick).unwrap().count(), 4, "nothing but the files made here");
}

/// The node's home with its keys and its store: neither published nor copied into, by whatever way they are named.
#[tokio::test]
async fn the_nodes_own_folders_are_kept_out() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 1);
    let mut flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let segments = flagship.home.join("store/segments");
    let (link, mounted) = (cluster.path("link"), source.join("mounted"));
    std::os::unix::fs::symlink(&segments, &link).unwrap();
    std::fs::create_dir(&mounted).unwrap();
    let text = |path: std::path::PathBuf| path.display().to_string();
    let home = flagship.home.clone();
    let mut inside = vec![text(home.clone()), text(home.join("new/er")), text(segments.clone()), text(link)];
    flagship.kill().await;
    if flagship.start_with_bind(&segments, &mounted).await {
        inside.extend([text(mounted.clone()), text(mounted.join("new"))]);
    } else {
        println!("skipped the bind mount: mount namespaces are not allowed here");
        flagship.start().await;
    }
    for to in &inside {
        for (lang, said) in [("en", "this node's own folder"), ("zh", "本节点自己的目录")] {
            check(&flagship.command(&["--lang", lang, "pull", "bj4/shui", "--to", to]).await, 1, &[said, to]);
        }
    }
    let own = text(home.clone());
    for command in [&["request", "--to", &own][..], &["export", "--to", &own]] {
        check(&flagship.command(command).await, 1, &["this node's own folder"]);
    }
    // The last holds the home; the source holds the mount.
    let around = [text(cluster.path("")), text(source)];
    let publish = inside.iter().filter(|path| std::path::Path::new(path).is_dir()).chain(&around[..1]);
    let publish = publish.chain(inside.get(4).map(|_| &around[1]));
    for dir in publish {
        check(&flagship.command(&["publish", dir, "--as", "bj4/x"]).await, 1, &["belongs to this node"]);
    }
    assert_eq!(flagship.command(&["show", "bj4/x"]).await.status.code(), Some(1), "nothing was published");
}

#[tokio::test]
async fn joining_and_running_with_bad_input() {
    let mut cluster = Cluster::start().await;
    let site = cluster.site("a", &[]).await;
    let fresh = cluster.path("fresh").display().to_string();
    check(&run("karez", &["--home", &fresh, "run"]).await, 1, &["karez init"]);
    check(&run("karez", &["--home", &fresh, "join", "hello"]).await, 1, &["karez1:"]);
    let invite = cluster.invite("b", &[]).await;
    let damaged = format!("{}aaaa", &invite[..invite.len() - 4]);
    check(&run("karez", &["--home", &fresh, "join", &damaged]).await, 1, &["damaged"]);
    // Another network's invite does not take a member away from its network.
    let other = Cluster::start().await;
    let foreign = other.invite("a", &[]).await;
    let home = site.home.display().to_string();
    check(&run("karez", &["--home", &home, "join", &foreign]).await, 1, &["another network"]);
    // One daemon for each home; a port that is taken is named.
    check(
        &run("karez", &["--home", &home, "run", "--listen", "127.0.0.1:0", "--gateway", "off"]).await,
        1,
        &["in use"],
    );
    let taken = site.ready["listen"][0].as_str().unwrap().to_owned();
    check(&run("karez", &["--home", &fresh, "join", &invite]).await, 0, &[]);
    let output = run("karez", &["--home", &fresh, "run", "--listen", &taken, "--gateway", "off"]).await;
    check(&output, 1, &[&taken]);
    // The tracker is away, and an invite is used once only.
    let third = cluster.path("third").display().to_string();
    check(&run("karez", &["--home", &third, "join", &invite]).await, 1, &["invite"]);
    let unused = cluster.invite("c", &[]).await;
    cluster.kill_tracker().await;
    check(&run("karez", &["--home", &third, "join", &unused]).await, 1, &["cannot be reached"]);
    check(&run("karez", &["--home", &third, "status"]).await, 1, &["karez run"]);
}

#[tokio::test]
async fn a_full_disk_pauses_the_pull_and_room_resumes_it() {
    let cluster = Cluster::start().await;
    let source = cluster.path("source");
    course(&source, 12);
    let flagship = cluster.flagship(&[]).await;
    flagship.publish(&source, "bj4/shui").await;
    let mut site = cluster.site("a", &[]).await;
    site.kill().await;
    if !site.start_on_small_disk(6).await {
        println!("skipped: mount namespaces are not allowed here");
        return;
    }
    site.follow("bj4/shui").await;
    let status = until("the site says that its disk is full", || async {
        let status = site.status().await;
        (status["collections"][0]["state"] == "paused").then_some(status)
    })
    .await;
    let problem = status["problems"][0].as_str().unwrap();
    assert!(problem.contains("no space left"), "{problem}");
    let before = status["collections"][0]["have_bytes"].as_u64().unwrap();
    site.resize_disk(64);
    site.complete("bj4/shui", 1).await;
    assert!(before > 0);
    assert_eq!(site.counter("refetched_chunks").await, 0);
    let copy = site.home.with_extension("copy");
    site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(fingerprint(&copy), fingerprint(&source));
}
