//! Hosts in network namespaces of their own, each behind a veth of its own to one router: for what loopback cannot show.
//! Rules of nftables in the router make firewalls and NATs.
//!
//! What must stay true: names are this test's own, and whatever was made is taken away again, also after a panic.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A router with hosts around it. Host number `i` has 10.91.i.2 and fd91:i::2, and a default route to the router.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    hosts: Vec<String>,
}

static NETWORKS: AtomicU32 = AtomicU32::new(0);

fn run(program: &str, args: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(args).output()
}

#[track_caller]
fn must(program: &str, args: &[&str]) -> String {
    let output = run(program, args).unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Network {
    /// A network of these hosts; `None`, and one line that says why, where namespaces cannot be made.
    pub fn start(hosts: &[&str]) -> Option<Self> {
        let prefix = format!("kzt{}x{}", std::process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        let mut network = Self { prefix, hosts: Vec::new() };
        let router = network.place("router");
        let made = run("ip", &["netns", "add", &router]).is_ok_and(|output| output.status.success());
        if !made || !run("nft", &["--version"]).is_ok_and(|output| output.status.success()) {
            println!("skipped: needs root, ip (iproute2) and nft (nftables)");
            return None;
        }
        network.on("router", "ip link set lo up");
        for (number, host) in hosts.iter().enumerate() {
            network.add(number, host);
        }
        network.on("router", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        Some(network)
    }

    fn add(&mut self, number: usize, host: &str) {
        let (place, router) = (self.place(host), self.place("router"));
        must("ip", &["netns", "add", &place]);
        self.hosts.push(host.to_owned());
        let link = format!("to-{host}");
        let pair = ["link", "add", "eth0", "netns", &place, "type", "veth", "peer", "name", &link, "netns", &router];
        must("ip", &pair);
        for line in [
            format!("ip addr add 10.91.{number}.1/24 dev {link}"),
            format!("ip addr add fd91:{number}::1/64 dev {link} nodad"),
            format!("ip link set {link} up"),
        ] {
            self.on("router", &line);
        }
        for line in [
            "ip link set lo up".to_owned(),
            format!("ip addr add 10.91.{number}.2/24 dev eth0"),
            format!("ip addr add fd91:{number}::2/64 dev eth0 nodad"),
            "ip link set eth0 up".to_owned(),
            format!("ip route add default via 10.91.{number}.1"),
            format!("ip -6 route add default via fd91:{number}::1"),
        ] {
            self.on(host, &line);
        }
    }

    /// Moves a host behind another one: 192.168.1.2 at `eth1`, nothing else. What the NAT does is for rules on `nat`.
    pub fn put_behind(&self, nat: &str, host: &str) {
        let (place, outside) = (self.place(host), self.place(nat));
        self.on(host, "ip link del eth0");
        must(
            "ip",
            &["link", "add", "eth1", "netns", &place, "type", "veth", "peer", "name", "inside", "netns", &outside],
        );
        for line in
            ["ip addr add 192.168.1.1/24 dev inside", "ip link set inside up", "sysctl -qw net.ipv4.ip_forward=1"]
        {
            self.on(nat, line);
        }
        for line in
            ["ip addr add 192.168.1.2/24 dev eth1", "ip link set eth1 up", "ip route add default via 192.168.1.1"]
        {
            self.on(host, line);
        }
    }

    /// The namespace of a host.
    pub fn place(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// A host's IPv4 address.
    pub fn address(&self, host: &str) -> String {
        let number = self.hosts.iter().position(|known| known == host).expect("a host of this network");
        format!("10.91.{number}.2")
    }

    /// A host's IPv6 address.
    pub fn address6(&self, host: &str) -> String {
        let number = self.hosts.iter().position(|known| known == host).expect("a host of this network");
        format!("fd91:{number}::2")
    }

    /// Runs a command that must succeed on a host or on `router`.
    #[track_caller]
    pub fn on(&self, host: &str, line: &str) -> String {
        let place = self.place(host);
        let args: Vec<&str> = ["netns", "exec", &place].into_iter().chain(line.split(' ')).collect();
        must("ip", &args)
    }

    /// Loads a rule set of nftables on a host or on `router`, in place of the one before.
    #[track_caller]
    pub fn rules(&self, host: &str, rules: &str) {
        // nft wants the end of a line before a closing brace.
        let rules = format!("flush ruleset\n{}", rules.replace(" }", "\n}"));
        must("ip", &["netns", "exec", &self.place(host), "nft", &rules]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in self.hosts.iter().map(String::as_str).chain(["router"]) {
            // What is gone already is as good.
            let _ = run("ip", &["netns", "del", &self.place(host)]);
        }
    }
}
