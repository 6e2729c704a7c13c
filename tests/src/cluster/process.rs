//! Our programs as child processes: found beside the test, started, and surely ended.

use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The program as `cargo build` left it: two folders above the test, `target/<profile>/`.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let path = test.ancestors().nth(2).expect("target/<profile>/deps").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace --bins` first, as `cargo x test` does",
        path.display()
    );
    path
}

/// A daemon; killed when dropped.
#[derive(Debug)]
pub(super) struct Daemon(Child);

impl Daemon {
    /// Starts it in a namespace, if one is named.
    pub(super) async fn start_in(place: Option<&str>, program: &str, args: &[&str], log: &Path) -> (Self, Value) {
        let Some(place) = place else { return Self::start(program, args, log).await };
        let program = binary(program).display().to_string();
        // It becomes the program, so the child's id is the program's.
        Self::start("ip", &[&["netns", "exec", place, &program], args].concat(), log).await
    }

    /// Starts it and waits for its line of JSON.
    pub(super) async fn start(program: &str, args: &[&str], log: &Path) -> (Self, Value) {
        let log_file = File::options().create(true).append(true).open(log).expect("a log file");
        let path = if ["unshare", "ip"].contains(&program) { program.into() } else { binary(program) };
        let mut command = Command::new(path);
        let level = std::env::var("KAREZ_TEST_LOG").unwrap_or_else(|_| "info".into());
        command.args(args).env("RUST_LOG", level).env("LANG", "en_US.UTF-8").kill_on_drop(true);
        let mut child = command.stdout(Stdio::piped()).stderr(log_file).spawn().expect("our program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let line = tokio::time::timeout(super::DEADLINE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("{program} {args:?} did not get ready:\n{log}");
        };
        // Later lines must not block the daemon.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (Self(child), serde_json::from_str(&line).expect("a line of JSON"))
    }

    /// Its process id, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.0.id()
    }

    /// kill -9, and wait until it is gone.
    pub(super) async fn kill(mut self) {
        self.0.kill().await.expect("our child can be killed");
    }
}
