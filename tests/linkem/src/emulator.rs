//! A topology brought up, run and taken down again.
//!
//! Why a program of our own: kernels without `sch_netem` can neither delay nor lose packets. A TUN device for each host
//! hands over every packet before and after the emulated way, and `ip netns exec` works as usual.
//!
//! Not chosen: 1. `tc netem`: not in every kernel. 2. TUN with offload (`IFF_VNET_HDR`): one read may then carry 64 KiB, and
//! a queue of 64 KiB or a loss of 1 % would mean something else. 3. A thread or timer for each queue: the departure of a
//! packet is known when it is accepted, so one heap of events is exact at any rate. The price: no queue that drops early
//! (CoDel would need the true time at the head), and about 2 Gbit/s on one core.

mod alarm;
mod control;
mod engine;
mod error;
mod flight;
mod link;
mod namespace;
mod shape;
mod stats;
mod topology;
mod tun;

use error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::Engine;
use namespace::Namespaces;
use topology::Topology;

/// Emulates until it is told to stop.
pub(crate) fn run(path: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let topology = Topology::parse(&text)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::Signal)?;
    }
    let mut namespaces = Namespaces::new(&topology.prefix);
    let hosts = namespaces.create(&topology)?;
    let mut engine = Engine::new(topology, hosts, stop)?;
    engine::raise_priority();
    control::say_ready(engine.hosts());
    engine.run()
}
