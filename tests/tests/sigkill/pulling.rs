//! A site's daemon killed while it pulls one version after the other into one store.

use super::records::records;
use super::strike::{KILLS, check, number};
use karez_sim::Dice;
use karez_tests::cluster::tree::{fingerprint, noise};
use karez_tests::cluster::{Cluster, DEADLINE, Node, run};
use std::fs;
use std::time::Duration;

const FILES: u64 = 12;
const FILE_BYTES: usize = 512 << 10;
/// Files that change from version to version: a second of the flagship's uplink.
const EDITS: u64 = 6;
/// Longest that a daemon runs before it is killed.
const LIFE_MAX: Duration = Duration::from_millis(1_000);
/// Versions after which the site's store is compacted, so that checking it stays fast.
const VERSIONS_KEPT: u64 = 6;

struct Bench {
    cluster: Cluster,
    flagship: Node,
    site: Node,
    dice: Dice,
    kills: u64,
    /// Kills after which there was more in the store than before.
    fruitful: u64,
}

impl Bench {
    async fn new(seed: u64) -> Self {
        let cluster = Cluster::start().await;
        fs::create_dir(cluster.path("source")).unwrap();
        let flagship = cluster.flagship(&["--up-mbit", "24"]).await;
        let site = cluster.site("a", &[]).await;
        Self { cluster, flagship, site, dice: Dice::new(seed), kills: 0, fruitful: 0 }
    }

    fn write(&mut self, file: u64) {
        let bytes = noise(self.dice.bits(), FILE_BYTES);
        fs::write(self.cluster.path("source").join(format!("{file}.bin")), bytes).unwrap();
    }

    /// Kills the daemon again and again until the version is whole.
    async fn pull(&mut self, version: u64, most: u64) -> u64 {
        let store = self.site.home.join("store");
        loop {
            let before = records(&store).len();
            let life = Duration::from_micros(self.dice.below(LIFE_MAX.as_micros() as u64));
            let enough = self.kills >= most;
            let life = if enough { DEADLINE } else { life };
            let whole = tokio::time::timeout(life, self.site.complete("bj4/shui", version)).await.is_ok();
            if whole {
                break;
            }
            self.site.kill().await;
            self.kills += 1;
            assert_eq!(check(&store, "pull").await, 0, "chunks were fetched twice");
            self.fruitful += u64::from(records(&store).len() > before);
            self.site.start().await;
        }
        self.site.counter("refetched_chunks").await
    }

    /// Gives back what older versions held, while no daemon runs.
    async fn compact(&mut self) {
        self.site.kill().await;
        let store = self.site.home.join("store");
        let done = run("karez-content", &["gc", "--store", store.to_str().unwrap()]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self.site.start().await;
    }

    async fn assert_whole(&self, version: u64) {
        let copy = self.cluster.path(&format!("copy-{version}"));
        self.site.json(&["pull", "bj4/shui", "--to", copy.to_str().unwrap()]).await;
        assert_eq!(fingerprint(&copy), fingerprint(&self.cluster.path("source")));
        fs::remove_dir_all(copy).unwrap();
    }
}

#[tokio::test]
async fn a_site_lives_through_kills_of_its_daemon() {
    let (most, seed) = (number("KAREZ_KILLS", KILLS) * 2 / 5, number("KAREZ_SEED", 1));
    let mut bench = Bench::new(seed).await;
    (0..FILES).for_each(|file| bench.write(file));
    let mut version = 0;
    while bench.kills < most {
        version += 1;
        bench.flagship.publish(&bench.cluster.path("source"), "bj4/shui").await;
        if version == 1 {
            bench.site.follow("bj4/shui").await;
        }
        assert_eq!(bench.pull(version, most).await, 0, "verified chunks were fetched again");
        bench.assert_whole(version).await;
        for _ in 0..EDITS {
            let file = bench.dice.below(FILES);
            bench.write(file);
        }
        if version % VERSIONS_KEPT == 0 {
            bench.compact().await;
        }
    }
    let Bench { kills, fruitful, site, .. } = &mut bench;
    site.kill().await;
    assert_eq!(check(&site.home.join("store"), "at the end").await, 0);
    println!(
        "seed {seed}: {kills} kills of a pull, {fruitful} with progress, {version} versions: 0 wrong, 0 lost, 0 fetched twice"
    );
}
