//! libtorrent in the same links: Debian's `python3-libtorrent`, at its defaults, every peer told of every other.
//!
//! What must stay true: the clock starts before the first peer is started and stops when a peer has written everything.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::links::{FLAGSHIP, Links};
use super::outcome::Measured;
use super::usage::{Meter, Usage};
use super::{Bench, PROGRESS_EVERY_S};
use crate::process::{self, Daemon};
use crate::tree::Tree;
use crate::{stop, workspace};

/// The system's interpreter: another one would not find Debian's module.
const PYTHON: &str = "/usr/bin/python3";
/// A seed has long opened its port by then.
const SEED_READY_AFTER: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// What is missing, if anything.
pub(crate) fn missing() -> Option<&'static str> {
    let mut import = Command::new(PYTHON);
    let found = import.args(["-c", "import libtorrent"]).stderr(Stdio::null()).status();
    (!found.is_ok_and(|status| status.success())).then_some("apt-get install python3-libtorrent")
}

struct Fetching {
    name: String,
    folder: PathBuf,
    daemon: Daemon,
    meter: Meter,
}

impl Fetching {
    fn is_done(&self) -> bool {
        done_file(&self.folder).exists()
    }
}

fn done_file(folder: &Path) -> PathBuf {
    folder.join("done")
}

/// Runs it once.
pub(crate) fn run(bench: &Bench<'_>, links: &mut Links) -> Result<Measured> {
    let (torrent, logs) = (bench.scratch.join("lab.torrent"), bench.scratch.join("logs"));
    process::output(script(Command::new(PYTHON)).arg("make").args([bench.source, &torrent]))?;
    let tree = Tree::of_source(bench.source)?;
    let place = links.place(FLAGSHIP)?;
    let mut seed = script(place.command(PYTHON));
    let parent = bench.source.parent().expect("the source lies in the scratch folder");
    seed.arg("seed").args([&torrent, parent]).arg(&place.address);
    let mut seed = Daemon::spawn("libtorrent-seed", &mut seed, &logs)?;
    let meter = Meter::start(seed.pid())?;
    stop::pause(SEED_READY_AFTER)?;
    links.reset()?;

    let started = Instant::now();
    let mut peers = fetch(bench, links, &torrent, &logs)?;
    let mut finished = vec![None; peers.len()];
    let mut told = 0;
    while started.elapsed() < bench.time_max && finished.contains(&None) {
        seed.check()?;
        for (peer, finished) in peers.iter_mut().zip(&mut finished).filter(|(_, finished)| finished.is_none()) {
            peer.daemon.check()?;
            *finished = peer.is_done().then(|| started.elapsed());
        }
        let elapsed = started.elapsed().as_secs();
        if elapsed >= told + PROGRESS_EVERY_S {
            told = elapsed;
            eprintln!("{elapsed:5} s  libtorrent: {} of {} done", finished.iter().flatten().count(), finished.len());
        }
        stop::pause(POLL)?;
    }
    let stats = links.stats()?;
    let mut site = peers.iter().map(|peer| peer.meter.read());
    let site = site.try_fold(Usage::default(), |most, usage| usage.map(|usage| most.max(usage)))?;
    let copy = |peer: &Fetching| {
        let folder = peer.folder.join(bench.source.file_name().unwrap_or_default());
        Ok::<_, anyhow::Error>(tree.check(&Tree::of_export(&folder)?, &peer.name))
    };
    let verified = peers.iter().filter(|peer| peer.is_done()).map(copy).collect::<Result<Vec<_>>>()?;
    let verified = verified.into_iter().all(|same| same);
    let flagship = meter.read()?;
    Ok(Measured { finished, verified, unique_bytes: tree.bytes(), chunks: None, flagship, site, stats })
}

/// One peer for each site.
fn fetch(bench: &Bench<'_>, links: &Links, torrent: &Path, logs: &Path) -> Result<Vec<Fetching>> {
    let names: Vec<String> = bench.scenario.sites.iter().flat_map(|sites| sites.names()).collect();
    let address = |name: &str| Ok::<_, anyhow::Error>(links.place(name)?.address);
    let mut addresses = vec![address(FLAGSHIP)?];
    for name in &names {
        addresses.push(address(name)?);
    }
    let start = |name: &String| {
        let (place, folder) = (links.place(name)?, bench.scratch.join(name));
        std::fs::create_dir(&folder)?;
        let mut command = script(place.command(PYTHON));
        command.arg("fetch").args([torrent, &folder]).arg(&place.address).arg(done_file(&folder));
        command.args(addresses.iter().filter(|address| **address != place.address));
        let daemon = Daemon::spawn(&format!("libtorrent-{name}"), &mut command, logs)?;
        let meter = Meter::start(daemon.pid())?;
        Ok(Fetching { name: name.clone(), folder, daemon, meter })
    };
    names.iter().map(start).collect()
}

fn script(mut python: Command) -> Command {
    python.arg(workspace::root().join("tests/lab/libtorrent_peer.py"));
    python
}
