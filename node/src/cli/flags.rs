//! The command line as typed. Texts only: what they mean is decided in `invocation`. The comments are the English help.

use clap::{ArgMatches, FromArgMatches as _, Parser, Subcommand};
use karez_content_tools::speech::Lang;
use std::path::PathBuf;

/// Copies lectures from a flagship to schools, and between them
///
/// Sizes are decimal as disks are sold (1 GB = 1000 MB), rates are in Mbit/s. Exit codes: 0 ok, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "karez", version)]
pub(super) struct Flags {
    /// Folder of this node [default: ~/.local/share/karez]
    #[arg(long, global = true, display_order = 1000, env = "KAREZ_HOME", hide_env = true, value_name = "DIR")]
    pub(super) home: Option<PathBuf>,
    /// Language of messages [default: KAREZ_LANG, else the system's]
    #[arg(long, global = true, display_order = 1001, value_name = "zh|en", hide_possible_values = true)]
    pub(super) lang: Option<Lang>,
    /// Print one JSON value instead of text
    #[arg(long, global = true, display_order = 1002)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make this machine a node: creates its key and folder
    Init,
    /// Join a network with the invite that the county operator sent
    Join {
        /// The whole line that starts with karez1:
        invite: String,
        #[command(flatten)]
        way: ProxyFlag,
    },
    /// Run the node in the foreground
    Run(Box<Run>),
    /// List the collections of the network
    Search {
        /// Words in title, name, description or creators; all collections without
        query: Vec<String>,
    },
    /// Show a collection and its items
    Show {
        /// PUBLISHER/NAME, as `karez search` lists it
        collection: String,
    },
    /// Fetch a collection, or one item of it, and leave plain files in a folder
    ///
    /// Ctrl-C stops nothing but this command: the node goes on fetching, and running the same command again goes on
    /// with the copy.
    Pull {
        /// PUBLISHER/NAME, as `karez search` lists it
        collection: String,
        /// Number, key or title of one item, as `karez show` lists it
        item: Option<String>,
        /// Folder for the files [default: ./NAME]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Replace files in the folder that differ and come from no version of the collection
        #[arg(long)]
        overwrite: bool,
        /// Keep names that Windows or USB sticks cannot store, instead of changing them
        #[arg(long)]
        exact_names: bool,
        /// Hold the content once: the copy, made read-only, takes the place of this node's own
        #[arg(long)]
        link: bool,
    },
    /// Fetch a collection, and every new version of it unasked
    Follow {
        /// PUBLISHER/NAME, as `karez search` lists it
        collection: String,
    },
    /// Stop fetching new versions, and what is not whole yet; what is here stays
    Unfollow {
        /// PUBLISHER/NAME, as `karez ls` lists it
        collection: String,
    },
    /// List the collections on this node
    Ls,
    /// Print where a player finds a lesson, and open it on a desktop; needs no copy
    Play {
        /// PUBLISHER/NAME, as `karez ls` lists it
        collection: String,
        /// Number, key or title of one item; all without
        item: Option<String>,
        /// The rendition of at most this height, such as 360, where there is one
        #[arg(long, value_name = "LINES")]
        height: Option<u32>,
        /// Open it in the desktop's player
        #[arg(long)]
        open: bool,
    },
    /// Show what this node does, and what it waits for
    Status {
        /// Show it again every second until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// Publish a folder as a collection, or as its next version
    Publish {
        /// The folder: one sub-folder or file for each lesson
        dir: PathBuf,
        /// PUBLISHER/NAME; the publisher is the one in this node's invite
        #[arg(long = "as", value_name = "PUBLISHER/NAME")]
        collection: String,
        /// course, consultation, care, library, culture or sport
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Title as people read it
        #[arg(long, value_name = "TITLE")]
        title: Option<String>,
        /// Publish what is inside .tar.gz and .tar.zst files instead of refusing these
        #[arg(long)]
        unpack: bool,
        /// Publish archives of consultations and care that cannot be looked into for medical pictures
        #[arg(long)]
        unchecked: bool,
        /// Heights at which films are published as well; needs ffmpeg on this machine
        #[arg(long, value_name = "360p,480p", value_delimiter = ',')]
        renditions: Vec<String>,
        /// Do not copy: films stay in the folder, whose files must then be left where and as they are
        #[arg(long)]
        in_place: bool,
    },
    /// Write a small file that says what is here, for whoever packs a bundle for this node
    Request {
        /// Folder on the stick
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Pack collections onto a stick for a site that the network does not reach well
    ///
    /// Only what the site lacks is packed, as far as that is known. Interrupted, the same command goes on where it
    /// stopped.
    Export {
        /// PUBLISHER/NAME, as `karez ls` lists it; everything complete here without
        collections: Vec<String>,
        /// Name of the site; what it said last that it holds is left out
        #[arg(long = "for", value_name = "SITE")]
        site: Option<String>,
        /// The file that `karez request` wrote at the site
        #[arg(long, value_name = "FILE")]
        have: Option<PathBuf>,
        /// Folder on the stick
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Do not read everything back at the end
        #[arg(long)]
        no_check: bool,
    },
    /// Take in what a stick brings; whatever is here already is left as it is
    Import {
        /// Folder on the stick
        from: PathBuf,
    },
    /// Give back the space of versions that have newer ones; with --free of whole collections, too
    ///
    /// Nothing goes that is pinned, followed, published here, being fetched or read. --dry-run tells what would go, and why
    /// the rest stays.
    Gc {
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
        /// Bytes that are to come free, for example 20G: collections that nobody follows go, those not opened for longest first
        #[arg(long, value_name = "BYTES")]
        free: Option<String>,
        /// Also collections of which no other copy is known in the county
        #[arg(long, requires = "free")]
        last_copies: bool,
    },
    /// Protect a collection, or one version of it: nothing removes it to make room
    Pin {
        /// PUBLISHER/NAME, as `karez ls` lists it, or PUBLISHER/NAME@VERSION
        pin: String,
    },
    /// Take a pin away
    Unpin {
        /// As `karez pins` lists it
        pin: String,
    },
    /// List the pins
    Pins,
    /// Show or set how many bytes the store may take
    Quota {
        /// The new quota, for example 500G
        #[arg(value_name = "BYTES", conflicts_with = "lift")]
        bytes: Option<String>,
        /// Take the quota away
        #[arg(long)]
        lift: bool,
    },
    /// Show or change the rate limits of the running node
    ///
    /// They hold at once and until the node stops; what it begins with is said to `karez run`.
    Limit {
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// Read everything on the disk again, and fetch what is damaged from other nodes
    ///
    /// Ctrl-C stops nothing but this command: the node goes on reading. Exit code 1 when something is damaged that nobody
    /// reachable has.
    Scrub {
        /// Bytes a second to read at most, for example 20M; as fast as the disk without
        #[arg(long, value_name = "BYTES")]
        rate: Option<String>,
        /// Go on where the last scrub was stopped
        #[arg(long)]
        resume: bool,
        /// Stop the scrub that runs
        #[arg(long, conflicts_with_all = ["rate", "resume"])]
        stop: bool,
    },
    /// Print the completion script of a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
}

/// Rate limits.
#[derive(Debug, clap::Args)]
pub(super) struct LimitFlags {
    /// Most to send, in Mbit/s; 0 is no limit
    #[arg(long, value_name = "N")]
    pub(super) up_mbit: Option<String>,
    /// Most to receive, in Mbit/s; 0 is no limit
    #[arg(long, value_name = "N")]
    pub(super) down_mbit: Option<String>,
    /// Most to send to any one node, in Mbit/s; 0 is no limit
    #[arg(long, value_name = "N")]
    pub(super) peer_up_mbit: Option<String>,
    /// Most to receive from any one node, in Mbit/s; 0 is no limit
    #[arg(long, value_name = "N")]
    pub(super) peer_down_mbit: Option<String>,
}

/// The way out.
#[derive(Debug, clap::Args)]
pub(super) struct ProxyFlag {
    /// HTTP proxy through which the tracker and other nodes are reached: http://[USER:PASSWORD@]HOST:PORT [default: KAREZ_PROXY]
    #[arg(long, value_name = "URL", env = "KAREZ_PROXY", hide_env = true)]
    pub(super) proxy: Option<String>,
}

/// What a node relays between others.
#[derive(Debug, clap::Args)]
pub(super) struct RelayFlags {
    /// Carry bytes between members that cannot reach each other; this node must be reachable from outside
    #[arg(long)]
    pub(super) relay: bool,
    /// Most that all relayed circuits carry together, in Mbit/s; 0 is no limit
    #[arg(long, value_name = "N", default_value = "20", requires = "relay")]
    pub(super) relay_mbit: String,
    /// Circuits that may be open at once
    #[arg(long, value_name = "N", default_value = "64", requires = "relay")]
    pub(super) relay_circuits: String,
    /// Of these, circuits with any one member
    #[arg(long, value_name = "N", default_value = "8", requires = "relay")]
    pub(super) relay_peer_circuits: String,
    /// Bytes after which a circuit ends, for example 16G
    #[arg(long, value_name = "BYTES", default_value = "16G", requires = "relay")]
    pub(super) relay_circuit_bytes: String,
    /// Minutes after which a circuit ends
    #[arg(long, value_name = "N", default_value = "240", requires = "relay")]
    pub(super) relay_circuit_minutes: String,
}

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// Address for other nodes: TCP and UDP, one port; [::] is IPv6 and IPv4
    #[arg(long, value_name = "ADDR", default_value = "[::]:4041")]
    pub(super) listen: String,
    /// Address of the gateway for players and browsers, or off
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:4080")]
    pub(super) gateway: String,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    /// thrifty saves the flagship's uplink, fast saves time
    #[arg(long, value_name = "thrifty|fast", default_value = "thrifty")]
    pub(super) mode: String,
    /// Delay that background work may add to a link, in ms: less is politer, more is firmer on links that waver
    #[arg(long, value_name = "N", default_value = "8")]
    pub(super) queue_ms: String,
    /// Do not look for members on the local network (multicast DNS)
    #[arg(long)]
    pub(super) no_lan: bool,
    #[command(flatten)]
    pub(super) relay: RelayFlags,
    #[command(flatten)]
    pub(super) way: ProxyFlag,
    /// Address told to other nodes instead of the one listened on; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(super) announce: Vec<String>,
}

/// Reads what clap matched.
pub(super) fn read(matches: &ArgMatches) -> Result<Flags, clap::Error> {
    Flags::from_arg_matches(matches)
}
