//! Why an emulator does not run.

use std::io;
use std::path::PathBuf;

/// Why an emulator does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The topology file cannot be read.
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    /// It is no topology.
    #[error("not a topology: {0}")]
    Syntax(#[from] toml::de::Error),
    /// It makes no sense.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A signal cannot be caught.
    #[error("no signal handling: {0}")]
    Signal(io::Error),
    /// `ip` is missing.
    #[error("cannot run ip: {0}")]
    NoIp(io::Error),
    /// `ip` refused.
    #[error("ip {arguments}: {said}")]
    Ip { arguments: String, said: String },
    /// A namespace cannot be entered or set up.
    #[error("namespace {name}: {source}")]
    Namespace { name: String, source: io::Error },
    /// A TUN device cannot be made.
    #[error("/dev/net/tun: {0}")]
    Tun(io::Error),
    /// The events of the devices cannot be waited for.
    #[error("epoll: {0}")]
    Epoll(io::Error),
}

/// What is wrong with a topology.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopologyError {
    /// Two nodes with one name.
    #[error("two nodes are called {name}")]
    Twice { name: String },
    /// The parent is not listed before its child, or is no router.
    #[error("{name}: its parent {parent} must be a router that stands before it")]
    Parent { name: String, parent: String },
    /// A setting out of its range.
    #[error("{link}: {setting} is out of range")]
    Setting { link: String, setting: &'static str },
    /// A change of a link that does not exist.
    #[error("schedule: there is no link {link} (links are NODE.up and NODE.down)")]
    NoLink { link: String },
    /// Nobody to send anything.
    #[error("there are no hosts")]
    NoHosts,
    /// More than addresses are given out for.
    #[error("more than {max} hosts")]
    TooManyHosts { max: usize },
}
