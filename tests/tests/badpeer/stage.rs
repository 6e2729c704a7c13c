//! Where a group of rows plays: a tracker, a flagship with a collection for each, and what the bad peers hold.

use karez_node::home::Home;
use karez_node::keys::Key;
use karez_tests::badpeer::{self, BadPeer, Hoard, Mode, Setting, Victim};
use karez_tests::cluster::tree::{copy_folder, fingerprint, noise};
use karez_tests::cluster::{Cluster, Node};
use std::path::PathBuf;
use std::sync::Arc;

/// More than this may no attack add to a node's memory, in MiB.
pub(super) const GROWTH_MAX: u64 = 256;

/// The stage.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) flagship: Node,
    hoard: Option<Arc<Hoard>>,
}

/// The collection of a mode.
pub(super) fn collection(mode: &Mode) -> String {
    format!("bj4/{}", mode.name)
}

impl Stage {
    /// A flagship with this uplink in Mbit/s that has published `versions` versions of a collection for each mode.
    pub(super) async fn set(modes: &[&'static Mode], up: &str, bytes: usize, versions: u64) -> Self {
        let cluster = Cluster::start().await;
        let flagship = cluster.flagship(&["--up-mbit", up]).await;
        let mut stage = Self { hoard: None, cluster, flagship };
        for version in 1..=versions {
            for (number, mode) in (0..).zip(modes) {
                stage.publish(mode, version, number, bytes).await;
            }
        }
        // Nobody else may have a store open.
        stage.flagship.kill().await;
        copy_folder(&stage.flagship.home.join("store"), &stage.cluster.path("hoard"));
        stage.flagship.start().await;
        let reader = stage.member("reader", &[]).await;
        stage.hoard = Some(badpeer::hoard(&reader, &stage.cluster.path("hoard")));
        stage
    }

    pub(super) fn source(&self, mode: &Mode) -> PathBuf {
        self.cluster.path(&format!("source-{}", mode.name))
    }

    /// Publishes a version whose last part is new.
    pub(super) async fn publish(&self, mode: &Mode, version: u64, number: u64, bytes: usize) {
        let source = self.source(mode);
        std::fs::create_dir_all(source.join("课")).unwrap();
        std::fs::write(source.join("课/视频.mp4"), noise(number, bytes)).unwrap();
        std::fs::write(source.join("readme.txt"), format!("version {version}\n").repeat(9_000)).unwrap();
        let published = self.flagship.publish(&source, &collection(mode)).await;
        assert_eq!(published["version"], version, "{}: {published}", mode.name);
    }

    async fn member(&self, name: &str, invite: &[&str]) -> Home {
        let invite = self.cluster.invite(name, invite).await;
        let home = Home::at(self.cluster.path(name));
        karez_node::setup::join(&home, &invite, None).await.unwrap();
        home
    }

    /// The bad peer of a row, at work against a site or the flagship.
    pub(super) async fn bad_peer(&self, mode: &Mode, victim: &Node) -> BadPeer {
        let invite: &[&str] = match mode.name {
            "idle-importer" => &["--weight", "10"],
            "other-namespace" => &["--publisher", "evil"],
            _ => &[],
        };
        let stolen = !["wrong-key", "other-namespace"].contains(&mode.name);
        let is_flagship = victim.home == self.flagship.home;
        let name = if is_flagship { format!("besieger-{}", mode.name) } else { bad_name(mode) };
        let setting = Setting {
            home: self.member(&name, invite).await,
            hoard: self.hoard.clone().unwrap(),
            collection: collection(mode).parse().unwrap(),
            victim: Victim::of(victim),
            stolen: stolen.then(|| Key::load(&Home::at(&self.flagship.home).publisher_key()).unwrap()),
        };
        BadPeer::start(mode, setting).await
    }

    /// The site has the version, bit for bit, and hands it out.
    pub(super) async fn is_whole(&self, mode: &Mode, site: &Node) {
        let copy = site.home.with_extension("copy");
        site.json(&["pull", &collection(mode), "--to", copy.to_str().unwrap()]).await;
        assert_eq!(fingerprint(&copy), fingerprint(&self.source(mode)), "{}", mode.name);
    }
}

/// The name of a mode's peer in the roster.
pub(super) fn bad_name(mode: &Mode) -> String {
    format!("bad-{}", mode.name)
}
