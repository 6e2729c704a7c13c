//! Namespaces: one for each host, with a device, an address and a file of names.
//!
//! What must stay true: what was made here is taken away here, with the processes in it, whatever happens in between.

use super::error::Error;
use super::topology::Topology;
use super::tun;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Command;

/// Set in every namespace: no traffic that nobody asked for, and no memory of earlier connections.
const QUIET: [(&str, &str); 3] = [
    ("net.ipv6.conf.all.disable_ipv6", "1"),
    ("net.ipv6.conf.default.disable_ipv6", "1"),
    ("net.ipv4.tcp_no_metrics_save", "1"),
];

/// A host with its device.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// Index in the topology.
    pub(crate) node: usize,
    pub(crate) address: [u8; 4],
    pub(crate) device: OwnedFd,
}

/// The namespaces of this emulator; taken down when dropped.
pub(crate) struct Namespaces {
    prefix: String,
    made: Vec<String>,
    /// What the machine's list of congestion controls was, where it had to be changed.
    allowed_before: Option<String>,
}

/// A namespace may only use a congestion control that is on this list of the first namespace.
const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
const CONGESTION_CONTROL: &str = "net.ipv4.tcp_congestion_control";

impl Namespaces {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), made: Vec::new(), allowed_before: None }
    }

    /// One for each host of the topology.
    pub(crate) fn create(&mut self, topology: &Topology) -> Result<Vec<Host>, Error> {
        self.allow_congestion_control(topology)
            .map_err(|source| Error::Namespace { name: ALLOWED.to_owned(), source })?;
        let names = topology.hosts().into_iter().map(|node| topology.nodes[node].name.as_str());
        let line = |(host, name)| format!("{} {name}\n", dotted(topology.address(host)));
        let names = std::iter::once("127.0.0.1 localhost\n".to_owned()).chain(names.enumerate().map(line));
        let names: String = names.collect();
        let hosts = topology.hosts().into_iter().enumerate();
        hosts.map(|(host, node)| self.create_one(topology, host, node, &names)).collect()
    }

    /// Puts the one asked for on the machine's list, the only change outside; it is undone in the end.
    fn allow_congestion_control(&mut self, topology: &Topology) -> io::Result<()> {
        let Some(wanted) = topology.sysctl.get(CONGESTION_CONTROL) else { return Ok(()) };
        let now = fs::read_to_string(ALLOWED)?;
        if now.split_whitespace().all(|name| name != wanted) {
            fs::write(ALLOWED, format!("{} {wanted}", now.trim()))?;
            self.allowed_before = Some(now);
        }
        Ok(())
    }

    fn create_one(&mut self, topology: &Topology, host: usize, node: usize, names: &str) -> Result<Host, Error> {
        let name = topology.nodes[node].name.clone();
        let namespace = format!("{}{name}", self.prefix);
        ip(&["netns", "add", &namespace])?;
        self.made.push(namespace.clone());
        let failed = |source| Error::Namespace { name: namespace.clone(), source };
        // `ip netns exec` mounts this over /etc/hosts.
        let etc = format!("/etc/netns/{namespace}");
        fs::create_dir_all(&etc).and_then(|()| fs::write(format!("{etc}/hosts"), names)).map_err(failed)?;
        let device = inside(&namespace, || {
            let asked = topology.sysctl.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            QUIET.into_iter().chain(asked).try_for_each(|(key, value)| sysctl(key, value)).map_err(failed)?;
            tun::open()
        })?;
        let address = topology.address(host);
        let (on, mtu) = (["-n", &namespace], topology.mtu.to_string());
        ip(&[&on[..], &["link", "set", "lo", "up"]].concat())?;
        ip(&[&on[..], &["addr", "add", &format!("{}/16", dotted(address)), "dev", tun::DEVICE]].concat())?;
        ip(&[&on[..], &["link", "set", tun::DEVICE, "mtu", &mtu, "txqueuelen", "2000", "up"]].concat())?;
        Ok(Host { name, namespace, node, address, device })
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // Here and below: what is gone already is as good, and there is nobody left to tell.
        for namespace in &self.made {
            end_processes(namespace);
            let _ = ip(&["netns", "del", namespace]);
            let _ = fs::remove_dir_all(format!("/etc/netns/{namespace}"));
        }
        if let Some(before) = &self.allowed_before {
            let _ = fs::write(ALLOWED, before);
        }
    }
}

/// Ends what still runs in a namespace: whoever started it is gone, or it would have ended it.
fn end_processes(namespace: &str) {
    let Ok(output) = Command::new("ip").args(["netns", "pids", namespace]).output() else { return };
    let pids = String::from_utf8_lossy(&output.stdout);
    for pid in pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

pub(crate) fn dotted(address: [u8; 4]) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

fn ip(arguments: &[&str]) -> Result<(), Error> {
    let output = Command::new("ip").args(arguments).output().map_err(Error::NoIp)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Ip { arguments: arguments.join(" "), said })
}

fn sysctl(key: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/{}", key.replace('.', "/")), value)
}

/// Runs `work` with this thread inside a namespace, and comes back.
fn inside<T>(namespace: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let failed = |source: io::Error| Error::Namespace { name: namespace.to_owned(), source };
    let home = File::open("/proc/thread-self/ns/net").map_err(failed)?;
    let there = File::open(format!("/run/netns/{namespace}")).map_err(failed)?;
    enter(&there).map_err(failed)?;
    let outcome = work();
    enter(&home).map_err(failed)?;
    outcome
}

fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}
