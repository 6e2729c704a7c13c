//! `karez-content` killed in pack, gc and scrub, on one store that lives through all of it.

use super::strike::{Ended, KILLS, check, number, strike};
use karez_content_tools::export::{ExportOptions, export};
use karez_content_tools::pages::Pages;
use karez_content_tools::store::{Store, StoreOptions};
use karez_sim::Dice;
use karez_tests::cluster::tree::{fingerprint, noise};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILES: u64 = 6;
const FILE_BYTES: usize = 700 << 10;

struct Bench {
    dir: tempfile::TempDir,
    dice: Dice,
    kills: Kills,
    /// How long each command takes when it is left alone.
    usual: [Duration; 3],
}

/// Where the kills hit.
#[derive(Debug, Default, Clone, Copy)]
struct Kills {
    pack: u64,
    gc: u64,
    scrub: u64,
}

impl Kills {
    fn all(self) -> u64 {
        self.pack + self.gc + self.scrub
    }
}

impl Bench {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("source")).unwrap();
        let mut bench =
            Self { dir, dice: Dice::new(seed), kills: Kills::default(), usual: [Duration::from_millis(150); 3] };
        (0..FILES).for_each(|file| bench.write(file));
        bench
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A file with other bytes, half of them text.
    fn write(&mut self, file: u64) {
        let seed = self.dice.bits();
        let mut bytes = noise(seed, FILE_BYTES);
        if file.is_multiple_of(2) {
            bytes.extend(format!("page {seed} of the book of canals\n").repeat(9_000).into_bytes());
        }
        fs::write(self.source().join(format!("{file}.bin")), bytes).unwrap();
    }

    /// Until it has come to its end once; killed each time before.
    async fn through(&mut self, which: usize, most: u64) {
        let (source, store) = (self.source(), self.store());
        let (source, store) = (source.to_str().unwrap(), store.to_str().unwrap());
        let commands: [&[&str]; 3] = [
            &["pack", source, "--store", store, "--collection", "bj4/shui"],
            &["gc", "--store", store],
            &["scrub", "--store", store, "--resume"],
        ];
        let name = commands[which][0];
        let mut repeated = check(Path::new(store), name).await;
        loop {
            let usual = self.usual[which].as_micros() as u64;
            let all = self.kills.all() >= most;
            let patience = if all { Duration::from_secs(600) } else { Duration::from_micros(self.dice.below(usual)) };
            let ended = strike(commands[which], patience).await;
            let now = check(Path::new(store), name).await;
            // Compaction copies before it removes; nothing else writes a chunk that is there.
            assert!(name == "gc" || now == repeated, "{name}: chunks were stored twice: {repeated}, then {now}");
            repeated = now;
            match ended {
                Ended::Killed => *[&mut self.kills.pack, &mut self.kills.gc, &mut self.kills.scrub][which] += 1,
                Ended::Done(took) => {
                    self.usual[which] = took;
                    return;
                }
            }
        }
    }

    /// What the store gives back is the source.
    fn assert_whole(&self) {
        let store = Store::open(&self.store(), StoreOptions::default()).unwrap();
        let draft = store.drafts().unwrap().pop().unwrap();
        let copy = tempfile::tempdir_in(self.dir.path()).unwrap();
        let pages = Pages::open(&draft.root, &store).unwrap();
        export(&pages, &ExportOptions::default(), copy.path(), &mut |_| {}).unwrap();
        assert_eq!(fingerprint(copy.path()), fingerprint(&self.source()));
    }
}

#[tokio::test]
async fn a_store_lives_through_kills_of_pack_gc_and_scrub() {
    let (most, seed) = (number("KAREZ_KILLS", KILLS) * 3 / 5, number("KAREZ_SEED", 1));
    let mut bench = Bench::new(seed);
    let mut versions = 0;
    while bench.kills.all() < most {
        for _ in 0..=bench.dice.below(2) {
            let file = bench.dice.below(FILES);
            bench.write(file);
        }
        bench.through(0, most).await;
        bench.assert_whole();
        versions += 1;
        let next = bench.dice.below(3);
        if next > 0 {
            bench.through(next as usize, most).await;
            bench.assert_whole();
        }
    }
    println!(
        "seed {seed}: {} kills, {:?}, {versions} versions: 0 wrong, 0 lost, 0 stored twice",
        bench.kills.all(),
        bench.kills
    );
}
