//! The command line: flags in, one call of the library, a few lines out.
//!
//! Exit codes: 0 done, 1 failed (the reason on stderr), 2 not understood. With `--json` stdout carries one JSON object
//! and nothing else; `run` prints it once it listens.

mod report;
mod run;

use crate::admission::{InviteOrder, OrderError};
use crate::home::{self, HomeError};
use crate::messages::{Language, Text, explain, text};
use crate::tracker::{RevokeError, Tracker, UnixSeconds};
use clap::{Args, Parser, Subcommand, ValueEnum};
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::roster::MemberRole;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// The tracker of a Karez network: who is in it, what is published, who holds what.
#[derive(Debug, Parser)]
#[command(
    name = "karez-tracker",
    version,
    after_help = "First steps:\n  \
    karez-tracker --home DIR init --name \"My network\"\n  \
    karez-tracker --home DIR run --public-url http://HOST:4040\n  \
    karez-tracker --home DIR invite --name school1 --domain gansu/minqin\n\
    and at the school: karez join INVITE"
)]
struct Flags {
    /// Folder of the tracker's key and database [default: ~/.local/share/karez-tracker]
    #[arg(long, global = true, env = "KAREZ_TRACKER_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Language of messages [default: by LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, global = true, value_name = "en|zh", value_parser = ["en", "zh"])]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a tracker: its key, its database, an empty network
    Init {
        /// Name of the network as people read it
        #[arg(long, default_value = "Karez")]
        name: String,
    },
    /// Serve until Ctrl-C or SIGTERM
    Run(RunFlags),
    /// Print an invite: one line of text that lets one node join once
    Invite(InviteFlags),
    /// List the members of the network
    Members,
    /// Remove a member and what it publishes from the network
    Revoke {
        /// Its name or its peer id
        #[arg(value_name = "NAME|PEERID")]
        who: String,
    },
    /// Show the network in a few numbers
    Status,
}

#[derive(Debug, Args)]
struct RunFlags {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "[::]:4040", value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Address under which nodes reach this tracker; goes into invites and is remembered
    #[arg(long, value_name = "http://HOST:PORT")]
    public_url: Option<String>,
    /// Seconds between two announces of a node
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3600))]
    announce_seconds: u32,
}

#[derive(Debug, Args)]
struct InviteFlags {
    /// Name of the new member, for example the school's
    #[arg(long)]
    name: String,
    /// What it will be
    #[arg(long, value_enum, default_value_t = RoleFlag::Site)]
    role: RoleFlag,
    /// Namespace it may publish in; makes it a flagship
    #[arg(long, value_name = "NAME")]
    publisher: Option<PublisherName>,
    /// Domain path, widest first, for example gansu/minqin
    #[arg(long, default_value = "")]
    domain: String,
    /// Name shared by the sites behind one WAN link
    #[arg(long)]
    group: Option<String>,
    /// Importer weight: 0 imports for itself alone, 2 is a site, 5 a county hub
    #[arg(long, default_value_t = 2)]
    weight: u8,
    /// Hours until the invite expires
    #[arg(long, default_value_t = 72)]
    hours: u32,
    /// Address of this tracker in the invite; may be given several times [default: as remembered from `run`]
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleFlag {
    /// A receiving site
    Site,
    /// A publishing organisation
    Flagship,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    #[error("the tracker's database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("{address} is in use by another program: stop it, or choose another port with --listen")]
    PortTaken { address: SocketAddr },
    #[error("cannot listen on {address}: {source}. Choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the server stopped: {0}")]
    Serve(io::Error),
    #[error("no home folder: say where the tracker lives with --home DIR")]
    NoHome,
    #[error("the network's name must have 1 to 100 characters and no control characters")]
    NetworkName,
}

/// How a command talks.
#[derive(Debug, Clone, Copy)]
struct Voice {
    language: Language,
    json: bool,
}

impl Voice {
    /// A value with `--json`, lines of text without.
    fn tell(self, json: &serde_json::Value, lines: impl FnOnce(Language) -> Vec<String>) {
        if self.json { print(&json.to_string()) } else { print(&lines(self.language).join("\n")) }
    }
}

/// Prints a line at once. Nobody reading it is no reason to stop.
fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Runs the program.
pub fn main() -> ExitCode {
    let flags = Flags::parse();
    let language = Language::choose(flags.lang.as_deref());
    let voice = Voice { language, json: flags.json };
    let Err(error) = dispatch(flags, voice) else { return ExitCode::SUCCESS };
    let _ = writeln!(io::stderr(), "karez-tracker: {}", explain(language, &error));
    ExitCode::FAILURE
}

fn dispatch(flags: Flags, voice: Voice) -> Result<(), CommandError> {
    let home = flags.home.or_else(default_home).ok_or(CommandError::NoHome)?;
    match flags.command {
        Command::Init { name } => init(&home, name.trim(), voice),
        Command::Run(flags) => run::run(&home, &flags, voice),
        Command::Invite(flags) => invite(&home, flags, voice),
        Command::Members => report::members(&Tracker::open(&home)?, voice),
        Command::Revoke { who } => revoke(&home, &who, voice),
        Command::Status => report::status(&Tracker::open(&home)?, voice),
    }
}

/// The folder by the XDG base directory specification.
fn default_home() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("karez-tracker"))
}

fn now() -> UnixSeconds {
    UnixSeconds::of(SystemTime::now())
}

fn init(home: &Path, name: &str, voice: Voice) -> Result<(), CommandError> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(CommandError::NetworkName);
    }
    let identity = home::init(home, name, now())?;
    let (shown, network) = (home.display().to_string(), identity.network().to_string());
    voice.tell(&serde_json::json!({"home": shown, "name": name, "network": network}), |language| {
        vec![
            text(language, Text::Made, &[name, &shown, &network]),
            text(language, Text::KeepKey, &[&home.join("tracker.key").display().to_string()]),
            text(language, Text::NextRun, &[&shown]),
            text(language, Text::NextInvite, &[&shown]),
        ]
    });
    Ok(())
}

fn invite(home: &Path, flags: InviteFlags, voice: Voice) -> Result<(), CommandError> {
    let role = match flags.role {
        RoleFlag::Site => MemberRole::Site,
        RoleFlag::Flagship => MemberRole::Flagship,
    };
    let order = InviteOrder {
        name: flags.name,
        role,
        publisher: flags.publisher,
        domain: flags.domain,
        uplink_group: flags.group,
        weight: flags.weight,
        hours: flags.hours,
        urls: flags.url,
    };
    let line = Tracker::open(home)?.invite(&order, now())?.to_text();
    voice.tell(&serde_json::json!({"invite": line, "name": order.name, "hours": order.hours}), |_| vec![line.clone()]);
    if !voice.json {
        // On stderr, so that the line can be piped.
        let hours = order.hours.to_string();
        let _ = writeln!(io::stderr(), "{}", text(voice.language, Text::InviteUse, &[&order.name, &hours]));
    }
    Ok(())
}

fn revoke(home: &Path, who: &str, voice: Voice) -> Result<(), CommandError> {
    let member = Tracker::open(home)?.revoke(who, now())?;
    let peer = member.peer.to_string();
    voice.tell(&serde_json::json!({"revoked": member.name, "peer": peer}), |language| {
        vec![text(language, Text::Revoked, &[&member.name, &peer])]
    });
    Ok(())
}
