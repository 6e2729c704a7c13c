//! The topology file: a tree of routers with hosts at the leaves; without routers it is a star. Every node has a link `up`
//! towards its parent and a link `down` from it.
//!
//! What must stay true: a typing error is an error; nothing is run with a setting that was not understood.

use super::error::{Error, TopologyError};
use super::shape::Shape;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Addresses are given out from one /16, and the lab is far smaller.
const HOSTS_MAX: usize = 1000;

/// A topology file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topology {
    /// Every pattern of loss and jitter follows from it.
    #[serde(default)]
    pub(crate) seed: u64,
    /// Of the namespaces' names, so that emulators can run beside each other.
    pub(crate) prefix: String,
    /// Hosts get NET.0.1, NET.0.2 and so on, in order.
    #[serde(default = "default_net")]
    pub(crate) net: [u8; 2],
    #[serde(default = "default_mtu")]
    pub(crate) mtu: usize,
    /// Written under `/proc/sys` in every namespace, `net.ipv4.tcp_congestion_control = "cubic"` for example.
    #[serde(default)]
    pub(crate) sysctl: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) nodes: Vec<Node>,
    #[serde(default)]
    pub(crate) schedule: Vec<Change>,
}

/// A host or a router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// A router has no namespace; its links are shared by what is below it.
    #[serde(default)]
    pub(crate) router: bool,
    /// The router above; the core when left out.
    pub(crate) parent: Option<String>,
    #[serde(default)]
    pub(crate) up: Shape,
    #[serde(default)]
    pub(crate) down: Shape,
}

/// A link that is different from some time on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Counted from the first `reset`.
    pub(crate) at_s: f64,
    /// `NODE.up` or `NODE.down`.
    pub(crate) link: String,
    pub(crate) shape: Shape,
}

fn default_net() -> [u8; 2] {
    [10, 77]
}

fn default_mtu() -> usize {
    1500
}

impl Topology {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut topology: Self = toml::from_str(text)?;
        topology.check()?;
        topology.schedule.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        Ok(topology)
    }

    fn check(&self) -> Result<(), TopologyError> {
        for (index, node) in self.nodes.iter().enumerate() {
            let (name, before) = (&node.name, &self.nodes[..index]);
            if before.iter().any(|other| other.name == *name) {
                return Err(TopologyError::Twice { name: name.clone() });
            }
            if let Some(parent) = &node.parent
                && !before.iter().any(|other| other.router && other.name == *parent)
            {
                return Err(TopologyError::Parent { name: name.clone(), parent: parent.clone() });
            }
            node.up.check(&format!("{name}.up"))?;
            node.down.check(&format!("{name}.down"))?;
        }
        for change in &self.schedule {
            if self.link_index(&change.link).is_none() {
                return Err(TopologyError::NoLink { link: change.link.clone() });
            }
            change.shape.check(&change.link)?;
        }
        match self.hosts().len() {
            0 => Err(TopologyError::NoHosts),
            count if count > HOSTS_MAX => Err(TopologyError::TooManyHosts { max: HOSTS_MAX }),
            _ => Ok(()),
        }
    }

    /// Which nodes get a namespace, in the order of the file.
    pub(crate) fn hosts(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| !self.nodes[*node].router).collect()
    }

    /// Address of a host, counted from 0.
    pub(crate) fn address(&self, host: usize) -> [u8; 4] {
        let number = host as u16 + 1;
        let [high, low] = number.to_be_bytes();
        [self.net[0], self.net[1], high, low]
    }

    /// The host that has an address.
    pub(crate) fn host_at(&self, address: [u8; 4]) -> Option<u16> {
        let number = u16::from_be_bytes([address[2], address[3]]);
        (address[..2] == self.net && number > 0).then(|| number - 1)
    }

    /// Index of a link: twice its node's, plus one for `down`.
    pub(crate) fn link_index(&self, name: &str) -> Option<usize> {
        let (node, direction) = name.rsplit_once('.')?;
        let node = self.nodes.iter().position(|known| known.name == node)?;
        match direction {
            "up" => Some(2 * node),
            "down" => Some(2 * node + 1),
            _ => None,
        }
    }

    /// The links from one node to another: up to the router both are below, and down again.
    pub(crate) fn path(&self, from: usize, to: usize) -> Vec<usize> {
        let (mut up, mut down) = (self.ancestry(from), self.ancestry(to));
        while let (Some(a), Some(b)) = (up.last(), down.last())
            && a == b
        {
            up.pop();
            down.pop();
        }
        let down = down.into_iter().rev().map(|node| 2 * node + 1);
        up.into_iter().map(|node| 2 * node).chain(down).collect()
    }

    /// A node and the routers above it.
    fn ancestry(&self, node: usize) -> Vec<usize> {
        let parent = |node: &usize| {
            let parent = self.nodes[*node].parent.as_ref()?;
            self.nodes.iter().position(|known| known.name == *parent)
        };
        std::iter::successors(Some(node), parent).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Topology;

    const FILE: &str = r#"
        prefix = "t-"
        nodes = [
            { name = "seed", up = { rate_mbit = 20 } },
            { name = "campus", router = true, up = { delay_ms = 30 } },
            { name = "pc1", parent = "campus" },
            { name = "pc2", parent = "campus" },
        ]
        schedule = [{ at_s = 2, link = "campus.down", shape = { enabled = false } }]
    "#;

    #[test]
    fn paths_meet_at_the_common_router() {
        let topology = Topology::parse(FILE).unwrap();
        assert_eq!(topology.hosts(), [0, 2, 3]);
        assert_eq!(topology.path(0, 2), [0, 3, 5], "seed.up, campus.down, pc1.down");
        assert_eq!(topology.path(2, 3), [4, 7], "stays below the router");
        assert_eq!(topology.address(255), [10, 77, 1, 0]);
        assert_eq!(topology.host_at([10, 77, 1, 0]), Some(255));
        assert_eq!(topology.host_at([10, 78, 0, 1]), None);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = Topology::parse(&FILE.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("rate_mbit", "rate_mbits", "unknown field `rate_mbits`");
        check("campus.down", "campsu.down", "no link campsu.down");
        check("= \"pc2\"", "= \"pc1\"", "two nodes are called pc1");
        check("parent = \"campus\"", "parent = \"seed\"", "pc1: its parent seed must be a router");
        check("rate_mbit = 20", "loss_percent = 101", "seed.up: loss_percent is out of range");
        check("delay_ms = 30", "loss_burst = 0.5", "campus.up: loss_burst is out of range");
        check("delay_ms = 30", "delay_ms = nan", "campus.up: delay_ms is out of range");
    }
}
