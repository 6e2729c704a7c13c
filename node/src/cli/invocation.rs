//! What a command line means.

use super::care::QuotaChange;
use super::complaint::Wrong;
use super::context::Context;
use super::flags::LimitFlags;
use super::flags::{Command, Flags, ProxyFlag, RelayFlags, Run};
use crate::api::event::ExportOrder;
use crate::api::event::LimitsOrder;
use crate::api::event::care::{RoomOrder, ScrubOrder};
use crate::daemon::RunConfig;
use crate::handle::PublishRequest;
use crate::proxy::Proxy;
use clap_complete::Shell;
use karez_content_tools::rendition::Height;
use karez_content_tools::speech::Voice;
use karez_content_tools::store::Pin;
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::name::CollectionName;
use karez_protocol::plan::limiter::{BytesPerSecond, Rates};
use karez_protocol::plan::relay::Quotas;
use karez_protocol::swarm::io::EgressMode;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes a second of one Mbit/s.
const MBIT: f64 = 125_000.0;
/// Above this a limit is a slip of the keyboard: 1 Tbit/s.
const MBIT_MAX: f64 = 1_000_000.0;
/// Delays that a link can have: more than a second is nobody's wish.
const QUEUE_MS: RangeInclusive<u64> = 1..=1_000;

/// Numbers of circuits and minutes that make sense.
const COUNTS: RangeInclusive<usize> = 1..=100_000;

/// A command line, understood.
#[derive(Debug)]
pub struct Invocation {
    /// Home, language and form of the output.
    pub context: Context,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Make a home.
    Init,
    /// Join a network.
    Join {
        /// The invite's text.
        invite: String,
        /// The way out.
        proxy: Option<Proxy>,
    },
    /// Be the daemon.
    Run(RunConfig),
    /// Ask the running daemon: [`execute`](super::execute) does it.
    Client(Request),
}

/// A question to the running daemon.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Catalogue rows.
    Search(String),
    /// One collection.
    Show(CollectionName),
    /// Fetch and copy.
    Pull(PullOrder),
    /// Follow or stop following.
    Follow(CollectionName, bool),
    /// Collections here.
    List,
    /// URLs of lessons.
    Play {
        /// The collection.
        collection: CollectionName,
        /// One item.
        item: Option<String>,
        /// Most lines of the pictures.
        height: Option<u32>,
        /// Open it in any case.
        open: bool,
    },
    /// State of the node.
    Status {
        /// Again and again.
        watch: bool,
    },
    /// Publish a folder.
    Publish(PublishRequest),
    /// Write what this node holds to a folder.
    CourierRequest(PathBuf),
    /// Write a bundle.
    Export(ExportOrder),
    /// Take bundles in.
    Import(PathBuf),
    /// Pin something, or take a pin away.
    Pin(Pin, bool),
    /// What is pinned.
    Pins,
    /// How many bytes the store may take.
    Quota(QuotaChange),
    /// Show the rate limits, or change those that are named.
    Limit(LimitsOrder),
    /// Make room.
    Room(RoomOrder),
    /// Read the store again.
    Scrub(ScrubOrder),
    /// A completion script; needs no daemon.
    Completions(Shell),
}

/// What `pull` fetches, and where its files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOrder {
    /// The collection.
    pub collection: CollectionName,
    /// One item.
    pub item: Option<String>,
    /// The folder, as typed or by default.
    pub to: PathBuf,
    /// Replace files that are somebody's own.
    pub overwrite: bool,
    /// Names as published.
    pub exact_names: bool,
    /// Make the copy this node's own.
    pub link: bool,
}

/// Understands flags.
pub(super) fn understand(flags: Flags, voice: Voice) -> Result<Invocation, Box<(Voice, Wrong)>> {
    match understood(flags) {
        Ok((home, action)) => Ok(Invocation { context: Context { home, voice }, action }),
        Err(wrong) => Err(Box::new((voice, wrong))),
    }
}

fn understood(flags: Flags) -> Result<(PathBuf, Action), Wrong> {
    let home = flags.home.or_else(default_home).ok_or(Wrong::NoHome)?;
    // Sockets and messages name it, and the daemon outlives the folder it was started in.
    let home = std::path::absolute(&home).unwrap_or(home);
    Ok((home, action(flags.command)?))
}

fn default_home() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    data.or_else(|| std::env::home_dir().map(|home| home.join(".local/share"))).map(|data| data.join("karez"))
}

fn action(command: Command) -> Result<Action, Wrong> {
    let request = match command {
        Command::Init => return Ok(Action::Init),
        Command::Join { invite, way } => return Ok(Action::Join { invite, proxy: proxy(&way)? }),
        Command::Run(run) => return run_config(&run).map(Action::Run),
        Command::Search { query } => Request::Search(query.join(" ")),
        Command::Show { collection } => Request::Show(name(&collection)?),
        Command::Pull { collection, item, to, overwrite, exact_names, link } => {
            let collection = name(&collection)?;
            let to = to.unwrap_or_else(|| PathBuf::from(".").join(collection.name()));
            Request::Pull(PullOrder { collection, item, to, overwrite, exact_names, link })
        }
        Command::Follow { collection } => Request::Follow(name(&collection)?, true),
        Command::Unfollow { collection } => Request::Follow(name(&collection)?, false),
        Command::Ls => Request::List,
        Command::Play { collection, item, height, open } => {
            Request::Play { collection: name(&collection)?, item, height, open }
        }
        Command::Status { watch } => Request::Status { watch },
        Command::Publish { dir, collection, kind, title, unpack, unchecked, renditions, in_place } => {
            let kind = kind.map(known_kind).transpose()?;
            let renditions = renditions.into_iter().map(rendition).collect::<Result<_, _>>()?;
            Request::Publish(PublishRequest {
                dir,
                collection: name(&collection)?.to_string(),
                kind,
                title,
                unpack,
                unchecked,
                renditions,
                in_place,
            })
        }
        Command::Request { to } => Request::CourierRequest(to),
        Command::Export { collections, site, have, to, no_check } => {
            collections.iter().try_for_each(|text| name(text).map(drop))?;
            Request::Export(ExportOrder { collections, site, have, to, check: !no_check })
        }
        Command::Import { from } => Request::Import(from),
        Command::Pin { pin } => Request::Pin(known_pin(pin)?, true),
        Command::Unpin { pin } => Request::Pin(known_pin(pin)?, false),
        Command::Pins => Request::Pins,
        Command::Quota { lift: true, .. } => Request::Quota(QuotaChange::Lift),
        Command::Quota { bytes: None, .. } => Request::Quota(QuotaChange::Show),
        Command::Quota { bytes: Some(text), .. } => Request::Quota(QuotaChange::Set(size(text)?)),
        Command::Limit { limits: named } => Request::Limit(limits(&named)?),
        Command::Gc { dry_run, free, last_copies } => {
            Request::Room(RoomOrder { dry_run, free_bytes: free.map(size).transpose()?, last_copies })
        }
        Command::Scrub { rate, resume, stop } => {
            Request::Scrub(ScrubOrder { rate: rate.map(size).transpose()?, resume, stop })
        }
        Command::Completions { shell } => Request::Completions(shell),
    };
    Ok(Action::Client(request))
}

fn name(text: &str) -> Result<CollectionName, Wrong> {
    text.parse().map_err(|_| Wrong::CollectionName { found: text.into() })
}

fn known_pin(text: String) -> Result<Pin, Wrong> {
    text.parse().map_err(|_| Wrong::Pin { found: text })
}

/// A number of bytes, decimal as disks are sold: `500K`, `20M`, `2G`.
fn size(text: String) -> Result<u64, Wrong> {
    let units = [('K', 1_000), ('k', 1_000), ('M', 1_000_000), ('G', 1_000_000_000), ('T', 1_000_000_000_000)];
    let unit = units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (digits, factor) = unit.unwrap_or((&text, 1));
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|bytes| *bytes > 0);
    bytes.ok_or(Wrong::Size { found: text })
}

fn rendition(text: String) -> Result<Height, Wrong> {
    text.trim().parse().map_err(|_| Wrong::Rendition { found: text })
}

fn known_kind(text: String) -> Result<String, Wrong> {
    match Kind::from_name(&text) {
        Some(_) => Ok(text),
        None => Err(Wrong::Kind { found: text, known: Kind::ALL.map(|(_, name)| name).join(", ") }),
    }
}

fn run_config(run: &Run) -> Result<RunConfig, Wrong> {
    let gateway = match run.gateway.as_str() {
        "off" => None,
        text => Some(address("--gateway", text)?),
    };
    let mode = match run.mode.as_str() {
        "thrifty" => EgressMode::Thrifty,
        "fast" => EgressMode::Fast,
        other => return Err(Wrong::Mode { found: other.into() }),
    };
    Ok(RunConfig {
        listen: address("--listen", &run.listen)?,
        gateway,
        announce: run.announce.iter().map(|text| address("--announce", text)).collect::<Result<_, _>>()?,
        rates: limits(&run.limits)?.applied_to(Rates::default()),
        mode,
        queue: queue("--queue-ms", &run.queue_ms)?,
        lan: !run.no_lan,
        relay: run.relay.relay.then(|| quotas(&run.relay)).transpose()?,
        proxy: proxy(&run.way)?,
    })
}

/// An empty variable of the environment is none.
fn proxy(way: &ProxyFlag) -> Result<Option<Proxy>, Wrong> {
    let text = way.proxy.as_deref().filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| Wrong::Proxy)).transpose()
}

fn quotas(flags: &RelayFlags) -> Result<Quotas, Wrong> {
    let minutes = count("--relay-circuit-minutes", &flags.relay_circuit_minutes)?;
    Ok(Quotas {
        circuits: count("--relay-circuits", &flags.relay_circuits)?,
        peer_circuits: count("--relay-peer-circuits", &flags.relay_peer_circuits)?,
        circuit_bytes: size(flags.relay_circuit_bytes.clone())?,
        circuit_time: Duration::from_secs(60 * minutes as u64),
        rate: BytesPerSecond(rate("--relay-mbit", &flags.relay_mbit)?),
    })
}

fn count(flag: &'static str, text: &str) -> Result<usize, Wrong> {
    let number = text.parse::<usize>().ok().filter(|number| COUNTS.contains(number));
    number.ok_or_else(|| Wrong::Count { flag, found: text.into() })
}

fn address(flag: &'static str, text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| Wrong::Address { flag, found: text.into() })
}

fn queue(flag: &'static str, text: &str) -> Result<Duration, Wrong> {
    let ms = text.parse::<u64>().ok().filter(|ms| QUEUE_MS.contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| Wrong::Queue { flag, found: text.into() })
}

fn limits(named: &LimitFlags) -> Result<LimitsOrder, Wrong> {
    let rate = |flag, text: &Option<String>| text.as_deref().map(|text| rate(flag, text)).transpose();
    Ok(LimitsOrder {
        up: rate("--up-mbit", &named.up_mbit)?,
        down: rate("--down-mbit", &named.down_mbit)?,
        peer_up: rate("--peer-up-mbit", &named.peer_up_mbit)?,
        peer_down: rate("--peer-down-mbit", &named.peer_down_mbit)?,
    })
}

fn rate(flag: &'static str, text: &str) -> Result<u64, Wrong> {
    let mbit = text.parse::<f64>().ok().filter(|mbit| (0.0..=MBIT_MAX).contains(mbit));
    let mbit = mbit.ok_or_else(|| Wrong::Rate { flag, found: text.into() })?;
    // A limit that rounds to nothing would be no limit at all.
    let bytes = (mbit * MBIT) as u64;
    Ok(if mbit > 0.0 { bytes.max(1) } else { 0 })
}
