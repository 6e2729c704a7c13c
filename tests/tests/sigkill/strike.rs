//! One run of `karez-content` that is killed after a while, and what counts as right afterwards.

use super::records::{records, repeated};
use karez_tests::cluster;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Kills of a run without `KAREZ_KILLS`: three of five hit `karez-content`, two a daemon.
pub(crate) const KILLS: u64 = 20;

/// How a run ended.
pub(crate) enum Ended {
    /// By SIGKILL.
    Killed,
    /// By itself, with success, after so long.
    Done(Duration),
}

/// Runs the program and kills it after `patience`, unless it was faster.
pub(crate) async fn strike(args: &[&str], patience: Duration) -> Ended {
    let mut command = Command::new(cluster::program("karez-content"));
    command.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    match tokio::time::timeout(patience, child.wait()).await {
        Ok(status) => {
            let status = status.unwrap();
            let said = child.wait_with_output().await.unwrap().stderr;
            assert!(status.success(), "{args:?}: {status}\n{}", String::from_utf8_lossy(&said));
            Ended::Done(begun.elapsed())
        }
        Err(_) => {
            child.kill().await.unwrap();
            Ended::Killed
        }
    }
}

/// What a store must be after a kill. Returns the records that are there more than once.
pub(crate) async fn check(store: &Path, what: &str) -> u64 {
    if !store.join("segments").exists() {
        return 0;
    }
    let written = records(store);
    let verified = cluster::run("karez-content", &["verify", "--store", store.to_str().unwrap(), "--json"]).await;
    let found: Value = serde_json::from_slice(&verified.stdout)
        .unwrap_or_else(|_| panic!("{what}: {}", String::from_utf8_lossy(&verified.stderr)));
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(0), "{what}: wrong chunks: {found}");
    assert_eq!(found["checked"], written.len(), "{what}: chunks that were written are lost");
    repeated(&written)
}

/// Numbers of the whole run.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}
