//! The network of the demo: one tracker, one flagship, N sites, each with its own home below one folder.

use std::path::Path;

use anyhow::Result;

use super::{Flags, PUBLISHER};
use crate::karez::{Counters, Guest, Node, Running, Tracker, Tracking};
use crate::place::Place;
use crate::workspace::Programs;

/// Sites that share one uplink, as schools in one township do.
const GROUPED: u16 = 2;

pub(crate) struct Network {
    pub(crate) tracker: Tracker,
    pub(crate) flagship: Node,
    pub(crate) sites: Vec<Node>,
}

impl Network {
    pub(crate) fn start(programs: Programs, folder: &Path, flags: &Flags) -> Result<Self> {
        eprintln!("starting a tracker, a flagship and {} sites, {} Mbit/s up each", flags.sites, flags.uplink);
        let place = &Place::loopback();
        let tracking = Tracking { place, announce_seconds: None };
        let tracker = Tracker::start(&programs.tracker, &folder.join("tracker"), &folder.join("logs"), &tracking)?;
        let how = Running { place, uplink_mbit: flags.uplink, mode: flags.mode.as_deref() };
        let node = |name: &str, guest: &Guest<'_>| {
            let invite = tracker.invite(name, guest)?;
            Node::start(&programs.karez, &folder.join(name), name, &invite, &how)
        };
        let flagship = node("flagship", &Guest::Flagship { publisher: PUBLISHER })?;
        let site = |number: u16| {
            let group = (number <= GROUPED).then_some("g1");
            node(&format!("site{number}"), &Guest::Site { domain: "cn/gansu/minqin", group })
        };
        let sites = (1..=flags.sites).map(site).collect::<Result<_>>()?;
        Ok(Self { tracker, flagship, sites })
    }

    /// An error when any process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.tracker.daemon.check()?;
        self.flagship.daemon.check()?;
        self.sites.iter_mut().try_for_each(|site| site.daemon.check())
    }

    /// The counters of every site, in order.
    pub(crate) fn counters(&self) -> Result<Vec<Counters>> {
        self.sites.iter().map(|site| Ok(site.status()?.counters)).collect()
    }

    /// Where everything is, for `--stay`.
    pub(crate) fn describe(&self) {
        eprintln!("tracker   {}  --home {}", self.tracker.url, self.tracker.home.display());
        for node in [&self.flagship].into_iter().chain(&self.sites) {
            eprintln!("{:<9} {}  --home {}", node.name, node.gateway, node.home.display());
        }
        eprintln!("running until Ctrl-C");
    }
}
