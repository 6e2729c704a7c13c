//! Several flagships and collections at once: shared chunks cross once, and an uplink is shared fairly.

use karez_tests::cluster::tree::{fingerprint, noise};
use karez_tests::cluster::{Cluster, Node, NodeOptions, until};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that the two collections share, and that each has of its own: 40 % and 60 %.
const SHARED: usize = 3_200_000;
const OWN: usize = 4_800_000;

fn files(dir: &Path, parts: &[(&str, u64, usize)]) {
    fs::create_dir_all(dir).unwrap();
    for (name, seed, len) in parts {
        fs::write(dir.join(name), noise(*seed, *len)).unwrap();
    }
}

/// Two flagships with two thirds of their courses different, and what each has published.
struct Two {
    cluster: Cluster,
    sources: [PathBuf; 2],
    flagships: [Node; 2],
    stored: [u64; 2],
}

const NAMES: [&str; 2] = ["bj4/shui", "xa1/tian"];

impl Two {
    async fn start(run: [&[&str]; 2]) -> Self {
        let cluster = Cluster::start().await;
        let sources = ["one", "other"].map(|name| cluster.path(name));
        files(&sources[0], &[("a.bin", 1, OWN), ("b.bin", 100, SHARED / 2), ("z.bin", 101, SHARED / 2)]);
        files(&sources[1], &[("0.bin", 100, SHARED / 2), ("c.bin", 2, OWN), ("d.bin", 101, SHARED / 2)]);
        let first = cluster.flagship(run[0]).await;
        let second = NodeOptions { invite: &["--publisher", "xa1"], run: run[1] };
        let second = cluster.node("flagship2", second).await;
        let mut stored = [0; 2];
        for (at, flagship) in [&first, &second].into_iter().enumerate() {
            let published = flagship.publish(&sources[at], NAMES[at]).await;
            stored[at] = published["stored_bytes"].as_u64().unwrap();
        }
        Self { cluster, sources, flagships: [first, second], stored }
    }

    /// Stored bytes of both together.
    fn unique(&self) -> u64 {
        self.stored.iter().sum::<u64>() - SHARED as u64
    }

    async fn check_copies(&self, site: &Node) {
        for (source, name) in self.sources.iter().zip(NAMES) {
            let copy = site.home.with_extension("copy").join(name);
            site.json(&["pull", name, "--to", copy.to_str().unwrap()]).await;
            assert_eq!(fingerprint(&copy), fingerprint(source), "{name}");
        }
    }
}

#[tokio::test]
async fn what_two_flagships_share_crosses_once_while_both_are_pulled() {
    let limit: &[&str] = &["--up-mbit", "30"];
    let two = Two::start([limit, limit]).await;
    let site = two.cluster.site("a", &[]).await;
    for name in NAMES {
        site.see(name).await;
    }
    tokio::join!(site.follow(NAMES[0]), site.follow(NAMES[1]));
    tokio::join!(site.complete(NAMES[0], 1), site.complete(NAMES[1], 1));
    let (came, again) = (site.counter("chunk_bytes_received").await, site.counter("refetched_chunks").await);
    assert_eq!((came, again), (two.unique(), 0), "{:?}", two.stored);
    let sent = [two.flagships[0].counter("chunk_bytes_sent").await, two.flagships[1].counter("chunk_bytes_sent").await];
    assert_eq!(sent.iter().sum::<u64>(), two.unique(), "{sent:?}");
    for (sent, stored) in sent.iter().zip(two.stored) {
        assert!(*sent >= stored - SHARED as u64, "what is its own came from nowhere else: {sent} of {stored}");
    }
    two.check_copies(&site).await;

    // Neither signs for the other; offers by force, of a stolen or foreign key: `badpeer` wrong-key and other-namespace.
    let refused = two.flagships[1].command(&["publish", two.sources[1].to_str().unwrap(), "--as", NAMES[0]]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("may not publish as 'bj4'"), "{said}");
    assert_eq!(site.collection(NAMES[0]).await["version"], 1);
}

/// A site that has one collection gives what it shares with another to whoever pulls that one.
#[tokio::test]
async fn who_holds_one_collection_serves_its_chunks_for_the_other() {
    let two = Two::start([&[], &["--up-mbit", "0.3"]]).await;
    let first = two.cluster.site("a", &[]).await;
    first.follow(NAMES[0]).await;
    first.complete(NAMES[0], 1).await;
    first.follow(NAMES[1]).await;
    first.have_bytes(NAMES[1], SHARED as u64).await;
    let second = two.cluster.site("b", &[]).await;
    second.follow(NAMES[1]).await;
    second.have_bytes(NAMES[1], SHARED as u64).await;
    assert_eq!(second.collection(NAMES[1]).await["complete"], false);
    two.flagships[1].json(&["limit", "--up-mbit", "0"]).await;
    tokio::join!(first.complete(NAMES[1], 1), second.complete(NAMES[1], 1));
    assert_eq!(first.counter("refetched_chunks").await + second.counter("refetched_chunks").await, 0);
    let from_peers = second.counter("bytes_from_peers").await;
    assert!(from_peers >= SHARED as u64, "{from_peers}");
    // The rest twice would be too much: only one of the two sites fetches a chunk from there.
    let (sent, rest) = (two.flagships[1].counter("chunk_bytes_sent").await, two.stored[1] - SHARED as u64);
    assert!(sent as f64 <= 1.15 * rest as f64, "{sent} of {rest}");
    two.check_copies(&first).await;
}

/// Stored bytes that sites have of a collection from its flagship.
async fn taken(sites: &[Node], name: &str) -> u64 {
    let mut sum = 0;
    for site in sites {
        sum += site.collection(name).await["bytes_from_flagship"].as_u64().unwrap_or(0);
    }
    sum
}

/// Three sites pull one collection and one site another: each collection gets half of the uplink.
#[tokio::test]
async fn an_uplink_is_shared_between_collections_however_many_sites_pull() {
    let cluster = Cluster::start().await;
    let flagship = cluster.flagship(&["--up-mbit", "16"]).await;
    for (name, seed, len) in [("bj4/many", 1, 30_000_000), ("bj4/one", 2, 8_000_000)] {
        let source = cluster.path(&name.replace('/', "-"));
        files(&source, &[("film.bin", seed, len)]);
        flagship.publish(&source, name).await;
    }
    let mut many = Vec::new();
    for name in ["a", "b", "c"] {
        let site = cluster.site(name, &[]).await;
        site.follow("bj4/many").await;
        site.have_bytes("bj4/many", 100_000).await;
        many.push(site);
    }
    let one = [cluster.site("d", &[]).await];
    one[0].follow("bj4/one").await;
    let both = async |least: u64| {
        until("enough has come", async || {
            let came = taken(&one, "bj4/one").await;
            if came < least { None } else { Some([came, taken(&many, "bj4/many").await]) }
        })
        .await
    };
    let begun = both(500_000).await;
    let ended = both(4_500_000).await;
    let [one, many] = [0, 1].map(|at| (ended[at] - begun[at]) as f64);
    assert!((0.7..1.4).contains(&(many / one)), "three sites took {many}, one took {one}");
}
