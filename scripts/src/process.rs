//! Child processes: daemons that say when they are ready, and commands that end. None outlives this program.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::stop;
use crate::workspace;

/// Longer than any start seen on two busy cores, short enough to notice a hang.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Lines of a log that an error quotes.
const LOG_TAIL_LINES: usize = 8;

/// A child that is killed and reaped when it goes out of scope.
struct Tethered(Child);

impl Tethered {
    fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        child.map(Self).with_context(|| format!("cannot start `{}`", workspace::show(command)))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("a child process cannot be watched")
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        // Fails only when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running program of the network.
pub(crate) struct Daemon {
    name: String,
    child: Tethered,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in `logs`.
    pub(crate) fn spawn(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let log = logs.join(format!("{name}.log"));
        command.stdout(File::create(logs.join(format!("{name}.out")))?).stderr(File::create(&log)?);
        Ok(Self { name: name.to_string(), child: Tethered::spawn(command)?, log })
    }

    /// Starts `command` with its output in `logs`, and waits for its line `{"event":"ready",..}`.
    pub(crate) fn start(name: &str, command: &mut Command, logs: &Path) -> Result<(Self, Value)> {
        let mut daemon = Self::spawn(name, command, logs)?;
        let out = logs.join(format!("{name}.out"));
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(ready) = ready_line(&fs::read_to_string(&out)?) {
                return Ok((daemon, ready));
            }
            daemon.check()?;
            if Instant::now() > deadline {
                bail!("{name} was not ready within {} s{}", READY_WITHIN.as_secs(), daemon.log_tail());
            }
            stop::pause(POLL)?;
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// An error when the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.ended()? {
            bail!("{} ended by itself ({status}){}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.0.kill().with_context(|| format!("cannot end {}", self.name))?;
        self.child.0.wait().map(drop).with_context(|| self.name.clone())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        quote(&String::from_utf8_lossy(&log))
    }
}

fn ready_line(out: &str) -> Option<Value> {
    // The last line may be half written: only what ends in a line break counts.
    let whole = &out[..out.rfind('\n')?];
    let values = whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values.into_iter().find(|value| value["event"] == "ready")
}

fn quote(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    tail.iter().map(|line| format!("\n    | {line}")).collect()
}

/// Runs a command to its end and returns its standard output; the error quotes its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = Tethered::spawn(command.stdout(out.try_clone()?).stderr(err.try_clone()?))?;
    let status = loop {
        match child.ended()? {
            Some(status) => break status,
            None => stop::pause(POLL)?,
        }
    };
    if !status.success() {
        bail!("`{}`: {status}{}", workspace::show(command), quote(&reread(&mut err)?));
    }
    reread(&mut out)
}

/// The last line of a command's standard output, as JSON.
pub(crate) fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let text = output(command)?;
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("`{}` answered {line:?}", workspace::show(command)))
}

fn reread(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
