//! Real `karez-tracker` and `karez` processes on loopback: ports from the system, homes in a temporary folder, every
//! process ended with its owner. Waiting means asking the node until it says so, under one generous deadline.

mod process;
pub mod tree;

pub use process::binary as program;

use process::Daemon;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

/// After this a test has failed: far beyond what any step needs on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);
/// How often a node is asked.
const POLL: Duration = Duration::from_millis(60);

/// A tracker and the folder everybody lives in.
#[derive(Debug)]
pub struct Cluster {
    dir: tempfile::TempDir,
    tracker: Option<Daemon>,
    /// The namespace that the tracker runs in.
    place: Option<String>,
    /// The tracker's address; it keeps its port over restarts.
    pub tracker_url: String,
}

/// Another program of ours beside the cluster; killed when dropped.
#[derive(Debug)]
pub struct Helper(Daemon);

impl Helper {
    /// Starts it in a namespace and waits for its line of JSON.
    pub async fn start_in(place: &str, program: &str, args: &[&str]) -> Self {
        Self(Daemon::start_in(Some(place), program, args, Path::new("/dev/null")).await.0)
    }

    /// kill -9.
    pub async fn kill(self) {
        self.0.kill().await;
    }
}

/// How a node joins and runs.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions<'a> {
    /// Extra arguments of `karez-tracker invite`.
    pub invite: &'a [&'a str],
    /// Extra arguments of `karez run`.
    pub run: &'a [&'a str],
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its home.
    pub home: PathBuf,
    daemon: Option<Daemon>,
    /// The namespace that it runs in.
    place: Option<String>,
    listen: String,
    run: Vec<String>,
    /// What it said when it was ready.
    pub ready: Value,
}

/// Runs a program of ours to its end.
pub async fn run(program: &str, args: &[&str]) -> Output {
    run_in(&std::env::temp_dir(), program, args).await
}

/// The same in a folder: what a program writes where it stands must not land in the sources.
async fn run_in(dir: &Path, program: &str, args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(process::binary(program));
    command.current_dir(dir).args(args).env("RUST_LOG", "warn").env("LANG", "en_US.UTF-8").kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    output.unwrap_or_else(|_| panic!("{program} {args:?} did not end")).expect("our program starts")
}

/// Runs a program that must succeed; returns the last line of its output as JSON.
pub async fn run_json(program: &str, args: &[&str]) -> Value {
    let output = run(program, args).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {}\n{out}\n{err}", output.status);
    let last = out.lines().rfind(|line| !line.is_empty()).unwrap_or("null");
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{program} {args:?}: {e} in {last}"))
}

/// Whether mount namespaces can be made here.
fn may_mount() -> bool {
    let tried = std::process::Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Asks until the answer is there.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let poll = async {
        let mut pace = tokio::time::interval(POLL);
        loop {
            pace.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, poll).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

impl Cluster {
    /// A tracker that runs.
    pub async fn start() -> Self {
        Self::start_at(None, "127.0.0.1:0").await
    }

    /// A tracker that runs in a namespace.
    pub async fn start_in(place: &str, listen: &str) -> Self {
        Self::start_at(Some(place.to_owned()), listen).await
    }

    async fn start_at(place: Option<String>, listen: &str) -> Self {
        let mut dir = tempfile::tempdir().expect("a temporary folder");
        // For looking at the logs of a failed run.
        dir.disable_cleanup(std::env::var_os("KAREZ_KEEP").is_some());
        let mut cluster = Self { dir, tracker: None, place, tracker_url: String::new() };
        let home = cluster.tracker_home();
        run_json("karez-tracker", &["--home", &home, "init", "--name", "Test", "--json"]).await;
        cluster.start_tracker(listen).await;
        cluster
    }

    async fn start_tracker(&mut self, listen: &str) {
        let home = self.tracker_home();
        let args = ["--home", &home, "run", "--listen", listen, "--announce-seconds", "1", "--json"];
        let place = self.place.as_deref();
        let (daemon, ready) = Daemon::start_in(place, "karez-tracker", &args, &self.path("tracker.log")).await;
        self.tracker_url = ready["url"].as_str().expect("the tracker says its url").to_owned();
        self.tracker = Some(daemon);
    }

    fn tracker_home(&self) -> String {
        self.path("tracker").display().to_string()
    }

    /// A path in the cluster's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Ends the tracker at once.
    pub async fn kill_tracker(&mut self) {
        if let Some(tracker) = self.tracker.take() {
            tracker.kill().await;
        }
    }

    /// Starts it again where it was.
    pub async fn restart_tracker(&mut self) {
        let listen = self.tracker_url.trim_start_matches("http://").to_owned();
        self.start_tracker(&listen).await;
    }

    /// An invite.
    pub async fn invite(&self, name: &str, args: &[&str]) -> String {
        let home = self.tracker_home();
        let args = [&["--home", &home, "invite", "--json", "--name", name], args].concat();
        run_json("karez-tracker", &args).await["invite"].as_str().expect("an invite").to_owned()
    }

    /// A node that joined and runs.
    pub async fn node(&self, name: &str, options: NodeOptions<'_>) -> Node {
        let home = self.path(name);
        let invite = self.invite(name, options.invite).await;
        let at = home.display().to_string();
        run_json("karez", &["--home", &at, "join", &invite, "--json"]).await;
        self.started(home, None, "127.0.0.1:0", options.run).await
    }

    /// A node that joined and runs in a namespace.
    pub async fn node_in(&self, place: &str, name: &str, listen: &str, options: NodeOptions<'_>) -> Node {
        let home = self.path(name);
        let invite = self.invite(name, options.invite).await;
        let (at, program) = (home.display().to_string(), program("karez").display().to_string());
        let mut args = vec!["netns", "exec", place, &program, "--home", &at, "join", &invite];
        args.extend(options.run.iter().skip_while(|flag| **flag != "--proxy").take(2));
        let joined = tokio::process::Command::new("ip").args(args).kill_on_drop(true).output();
        let joined = tokio::time::timeout(DEADLINE, joined).await.expect("join ends").expect("ip starts");
        assert!(joined.status.success(), "join: {}", String::from_utf8_lossy(&joined.stderr));
        self.started(home, Some(place.to_owned()), listen, options.run).await
    }

    async fn started(&self, home: PathBuf, place: Option<String>, listen: &str, run: &[&str]) -> Node {
        let run = run.iter().map(|arg| (*arg).to_owned()).collect();
        let mut node = Node { home, daemon: None, place, listen: listen.to_owned(), run, ready: Value::Null };
        node.start().await;
        node
    }

    /// A flagship that publishes as `bj4`.
    pub async fn flagship(&self, run: &[&str]) -> Node {
        self.node("flagship", NodeOptions { invite: &["--publisher", "bj4"], run }).await
    }

    /// A site.
    pub async fn site(&self, name: &str, run: &[&str]) -> Node {
        self.node(name, NodeOptions { invite: &[], run }).await
    }
}

impl Node {
    /// Starts the daemon.
    pub async fn start(&mut self) {
        let home = self.home.display().to_string();
        let mut args = vec!["--home", &home, "--json", "run", "--listen", &self.listen, "--gateway", "127.0.0.1:0"];
        args.extend(self.run.iter().map(String::as_str));
        let (place, log) = (self.place.as_deref(), self.home.with_extension("log"));
        let (daemon, ready) = Daemon::start_in(place, "karez", &args, &log).await;
        (self.daemon, self.ready) = (Some(daemon), ready);
    }

    /// Starts the daemon with its store on a disk of this many megabytes. False where namespaces cannot be made.
    pub async fn start_on_small_disk(&mut self, megabytes: u32) -> bool {
        if !may_mount() {
            return false;
        }
        let (home, store) = (self.home.display().to_string(), self.home.join("store"));
        std::fs::create_dir_all(&store).expect("a folder");
        let program = process::binary("karez").display().to_string();
        let size = format!("size={megabytes}m");
        let script = "mount -t tmpfs -o \"$1\" none \"$2\" && shift 2 && exec \"$@\"";
        let store = store.display().to_string();
        let mut args = vec!["-m", "sh", "-c", script, "sh", &size, &store, &program, "--home", &home, "--json", "run"];
        args.extend(["--listen", "127.0.0.1:0", "--gateway", "off"]);
        let (daemon, ready) = Daemon::start("unshare", &args, &self.home.with_extension("log")).await;
        (self.daemon, self.ready) = (Some(daemon), ready);
        true
    }

    /// Starts the daemon where a folder is mounted a second time, for it alone. False where namespaces cannot be made.
    pub async fn start_with_bind(&mut self, folder: &Path, at: &Path) -> bool {
        if !may_mount() {
            return false;
        }
        let home = self.home.display().to_string();
        let (program, folder, at) = (process::binary("karez"), folder.display().to_string(), at.display().to_string());
        let program = program.display().to_string();
        let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        let mut args = vec!["-m", "sh", "-c", script, "sh", &folder, &at, &program, "--home", &home, "--json", "run"];
        args.extend(["--listen", "127.0.0.1:0", "--gateway", "off"]);
        let (daemon, ready) = Daemon::start("unshare", &args, &self.home.with_extension("log")).await;
        (self.daemon, self.ready) = (Some(daemon), ready);
        true
    }

    /// Starts the daemon with its whole home on a disk of this many megabytes, and looks at it there from now on. False
    /// where namespaces cannot be made.
    pub async fn start_with_home_on_small_disk(&mut self, megabytes: u32) -> bool {
        if !may_mount() {
            return false;
        }
        let (home, small) = (self.home.display().to_string(), self.home.with_extension("small"));
        std::fs::create_dir_all(&small).expect("a folder");
        let (program, small) = (process::binary("karez").display().to_string(), small.display().to_string());
        let size = format!("size={megabytes}m");
        let script = "mount -t tmpfs -o \"$1\" none \"$3\" && cp -a \"$2/.\" \"$3/\" && mount --bind \"$3\" \"$2\" \
                      && shift 3 && exec \"$@\"";
        let mut args = vec!["-m", "sh", "-c", script, "sh", &size, &home, &small, &program, "--home", &home, "--json"];
        args.extend(["run", "--listen", "127.0.0.1:0", "--gateway", "off"]);
        let (daemon, ready) = Daemon::start("unshare", &args, &self.home.with_extension("log")).await;
        let pid = daemon.pid().expect("it runs");
        self.home = PathBuf::from(format!("/proc/{pid}/root{home}"));
        (self.daemon, self.ready) = (Some(daemon), ready);
        true
    }

    /// Gives the small disk another size.
    pub fn resize_disk(&self, megabytes: u32) {
        let pid = self.daemon.as_ref().and_then(Daemon::pid).expect("a daemon").to_string();
        let (size, store) = (format!("remount,size={megabytes}m"), self.home.join("store"));
        let args = ["-t", &pid, "-m", "mount", "-o", &size];
        let resized = std::process::Command::new("nsenter").args(args).arg(store).status();
        assert!(resized.is_ok_and(|status| status.success()), "the disk cannot be resized");
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().and_then(Daemon::pid).expect("a daemon that runs")
    }

    /// The daemon's memory in MiB, now and at its highest.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of memory");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
        };
        (mib("VmRSS:"), mib("VmHWM:"))
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill().await;
        }
    }

    /// A command of this node that must succeed; its last line as JSON.
    pub async fn json(&self, args: &[&str]) -> Value {
        let home = self.home.display().to_string();
        run_json("karez", &[&["--home", &home, "--json"], args].concat()).await
    }

    /// A command of this node, whatever comes of it.
    pub async fn command(&self, args: &[&str]) -> Output {
        let home = self.home.display().to_string();
        run_in(&self.home, "karez", &[&["--home", &home], args].concat()).await
    }

    /// Asserts that its status says this in a language.
    pub async fn shows(&self, language: &str, words: &str) {
        let shown = self.command(&["--lang", language, "status"]).await;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(words), "{shown}");
    }

    /// Publishes a folder.
    pub async fn publish(&self, dir: &Path, name: &str) -> Value {
        self.json(&["publish", &dir.display().to_string(), "--as", name]).await
    }

    /// Follows a collection as soon as it is listed.
    pub async fn follow(&self, collection: &str) {
        self.see(collection).await;
        self.json(&["follow", collection]).await;
    }

    /// Waits until the catalogue lists a collection here.
    pub async fn see(&self, collection: &str) {
        until("the collection is listed", || async {
            let rows = self.json(&["search", collection]).await;
            rows.as_array().is_some_and(|rows| !rows.is_empty()).then_some(())
        })
        .await;
    }

    /// Everything `status` says.
    pub async fn status(&self) -> Value {
        self.json(&["status"]).await
    }

    /// One counter.
    pub async fn counter(&self, name: &str) -> u64 {
        self.status().await["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// One collection's row of `status`.
    pub async fn collection(&self, name: &str) -> Value {
        let status = self.status().await;
        let rows = status["collections"].as_array().expect("rows");
        rows.iter().find(|row| row["collection"] == name).cloned().unwrap_or(Value::Null)
    }

    /// Waits until a version is complete here.
    pub async fn complete(&self, collection: &str, version: u64) -> Value {
        until("the version is complete", || async {
            let row = self.collection(collection).await;
            (row["complete"] == true && row["version"] == version).then_some(row)
        })
        .await
    }

    /// Waits until at least this many stored bytes are here.
    pub async fn have_bytes(&self, collection: &str, bytes: u64) {
        until("enough bytes have come", || async {
            let row = self.collection(collection).await;
            row["have_bytes"].as_u64().is_some_and(|have| have >= bytes).then_some(())
        })
        .await;
    }

    /// The gateway's URL of a file.
    pub fn url(&self, collection: &str, path: &str) -> String {
        format!("{}/c/{collection}/{path}", self.ready["gateway"].as_str().expect("a gateway"))
    }
}
