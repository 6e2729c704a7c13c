//! The two command lines as demo and lab use them. Every command of the product is spelled here, once.

use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(unix)]
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::place::Place;
use crate::process::{self, Daemon};
use crate::size;

/// A node that is silent for longer hangs.
#[cfg(unix)]
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Gateways serve their own machine only.
const GATEWAY: &str = "127.0.0.1:0";

/// `karez-tracker` with its home.
pub(crate) struct Tracker {
    program: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) url: String,
    pub(crate) daemon: Daemon,
}

/// How the tracker is run.
pub(crate) struct Tracking<'a> {
    pub(crate) place: &'a Place,
    /// Between two announces of a node; the program's own default when left out.
    pub(crate) announce_seconds: Option<&'a str>,
}

/// Who an invite is for.
pub(crate) enum Guest<'a> {
    Flagship { publisher: &'a str },
    Site { domain: &'a str, group: Option<&'a str> },
}

impl Tracker {
    pub(crate) fn start(program: &Path, home: &Path, logs: &Path, how: &Tracking<'_>) -> Result<Self> {
        process::output(on(program, home).args(["init", "--name", "Demo"]))?;
        let mut run = at(how.place, program, home);
        run.args(["run", "--listen", &how.place.any_port(), "--json"]);
        run.args(how.announce_seconds.iter().flat_map(|seconds| ["--announce-seconds", seconds]));
        let (daemon, ready) = Daemon::start("tracker", &mut run, logs)?;
        let url = text(&ready, "url")?;
        Ok(Self { program: program.to_path_buf(), home: home.to_path_buf(), url, daemon })
    }

    pub(crate) fn invite(&self, name: &str, guest: &Guest<'_>) -> Result<String> {
        let mut command = on(&self.program, &self.home);
        command.args(["invite", "--name", name]);
        match guest {
            Guest::Flagship { publisher } => command.args(["--role", "flagship", "--publisher", publisher]),
            Guest::Site { domain, group } => {
                let group = group.iter().flat_map(|group| ["--group", group]);
                command.args(["--role", "site", "--domain", domain]).args(group)
            }
        };
        text(&process::json(command.arg("--json"))?, "invite")
    }
}

/// `karez` with its home: the flagship or a site.
pub(crate) struct Node {
    program: PathBuf,
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) gateway: String,
    pub(crate) daemon: Daemon,
}

/// How a node is run.
pub(crate) struct Running<'a> {
    pub(crate) place: &'a Place,
    /// 0 is no limit.
    pub(crate) uplink_mbit: u32,
    pub(crate) mode: Option<&'a str>,
}

impl Node {
    pub(crate) fn start(program: &Path, home: &Path, name: &str, invite: &str, how: &Running<'_>) -> Result<Self> {
        process::output(on(program, home).arg("init"))?;
        process::output(at(how.place, program, home).args(["join", invite]))?;
        let mut run = at(how.place, program, home);
        run.args(["run", "--listen", &how.place.any_port(), "--gateway", GATEWAY, "--json"]);
        run.args(["--up-mbit", &how.uplink_mbit.to_string()]);
        run.args(how.mode.iter().flat_map(|mode| ["--mode", mode]));
        let logs = home.with_file_name("logs");
        let (daemon, ready) = Daemon::start(name, &mut run, &logs)?;
        let gateway = text(&ready, "gateway")?;
        Ok(Self { program: program.to_path_buf(), name: name.to_string(), home: home.to_path_buf(), gateway, daemon })
    }

    pub(crate) fn publish(&self, folder: &Path, collection: &str) -> Result<Published> {
        process::json(on(&self.program, &self.home).arg("publish").arg(folder).args(["--as", collection, "--json"]))
    }

    pub(crate) fn follow(&self, collection: &str) -> Result<()> {
        process::output(on(&self.program, &self.home).args(["follow", collection])).map(drop)
    }

    /// Changes a rate limit of the running node; 0 takes it away.
    pub(crate) fn limit(&self, flag: &str, mbit: u32) -> Result<()> {
        let mut command = on(&self.program, &self.home);
        process::output(command.args(["limit", flag, &mbit.to_string()])).map(drop)
    }

    pub(crate) fn status(&self) -> Result<Status> {
        process::json(on(&self.program, &self.home).args(["status", "--json"]))
    }

    /// The same as [`Node::status`], asked on the node's socket: without a process for each question, a node can be asked
    /// often without being disturbed.
    #[cfg(unix)]
    pub(crate) fn glance(&self) -> Result<Status> {
        let status = self.ask("/v1/status")?;
        serde_json::from_value(status).with_context(|| format!("the status of {}", self.name))
    }

    /// A question to the node's local API.
    #[cfg(unix)]
    pub(crate) fn ask(&self, path: &str) -> Result<Value> {
        use std::io::{Read as _, Write as _};
        let answer = || -> Result<Value> {
            let mut socket = std::os::unix::net::UnixStream::connect(self.home.join("api.sock"))?;
            socket.set_read_timeout(Some(ANSWER_WITHIN))?;
            write!(socket, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer)?;
            let body = answer.split_once("\r\n\r\n").context("no HTTP head")?.1;
            Ok(serde_json::from_str(body)?)
        };
        answer().with_context(|| format!("{} does not answer {path}", self.name))
    }

    /// Waits until the collection is complete and leaves plain files in `to`.
    pub(crate) fn pull(&self, collection: &str, to: &Path) -> Result<()> {
        let mut command = on(&self.program, &self.home);
        process::output(command.args(["pull", collection, "--json", "--to"]).arg(to)).map(drop)
    }
}

/// A command that reaches its daemon, if any, by a socket in its home.
fn on(program: &Path, home: &Path) -> Command {
    at(&Place::loopback(), program, home)
}

/// A command that uses the network.
fn at(place: &Place, program: &Path, home: &Path) -> Command {
    let mut command = place.command(program);
    command.arg("--home").arg(home);
    command
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_string).with_context(|| format!("no {key:?} in {value}"))
}

/// What `karez publish --json` answers.
#[derive(Deserialize)]
pub(crate) struct Published {
    pub(crate) version: u64,
    pub(crate) plain_bytes: u64,
    /// Unique stored bytes of the release: the denominator of copies.
    pub(crate) stored_bytes: u64,
    pub(crate) new_bytes: u64,
    #[serde(default)]
    pub(crate) skipped: Vec<Value>,
}

impl Published {
    pub(crate) fn announce(&self) {
        let Self { version, plain_bytes, stored_bytes, new_bytes, skipped } = self;
        let (plain, stored, new) = (size::show(*plain_bytes), size::show(*stored_bytes), size::show(*new_bytes));
        eprintln!(
            "published version {version}: {plain} in files, {stored} stored, {new} new, {} skipped",
            skipped.len()
        );
    }
}

/// What `karez status --json` answers.
#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) counters: Counters,
    #[serde(default)]
    pub(crate) collections: Vec<Collection>,
}

/// Chunk bytes since the node's first start.
#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct Counters {
    pub(crate) chunk_bytes_sent: u64,
    pub(crate) chunk_bytes_received: u64,
    pub(crate) bytes_from_flagship: u64,
    /// Includes the group's.
    pub(crate) bytes_from_peers: u64,
    pub(crate) bytes_from_group: u64,
    pub(crate) refetched_chunks: u64,
}

/// How far one collection is on a node.
#[derive(Clone, Deserialize)]
pub(crate) struct Collection {
    pub(crate) collection: String,
    pub(crate) version: u64,
    pub(crate) complete: bool,
    pub(crate) have_bytes: u64,
    pub(crate) stored_bytes: u64,
}
