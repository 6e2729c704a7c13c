//! The repository, and cargo run inside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Programs of the workspace, in the profile the tests use, so that a fresh clone is compiled once; or in the one that is
/// shipped.
pub(crate) struct Programs {
    pub(crate) karez: PathBuf,
    pub(crate) tracker: PathBuf,
    /// The link emulator of the lab.
    pub(crate) linkem: PathBuf,
}

pub(crate) fn root() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR"));
    scripts.parent().expect("the scripts crate lies in the workspace").to_path_buf()
}

/// A cargo command in the workspace. Variables that `cargo run` sets for this program are removed: build scripts that
/// watch them would run again whenever cargo is called with and without `cargo x`.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let ours =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_BIN_NAME";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command.current_dir(root()).args(arguments);
    command
}

/// Runs to the end with inherited output; an exit code other than 0 is an error.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let line = show(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}`: {status}");
    }
    Ok(())
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = [program].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Builds every program of the workspace, so that features are chosen as for `cargo test --workspace`.
pub(crate) fn build() -> Result<Programs> {
    finish(&mut cargo(&["build", "--quiet", "--workspace", "--bins"]))?;
    Ok(programs("debug"))
}

/// Builds what the lab runs as it is shipped: figures of other builds are not the product's.
pub(crate) fn build_release() -> Result<Programs> {
    let packages = ["-p", "karez-node", "-p", "karez-tracker", "-p", "karez-linkem"];
    finish(cargo(&["build", "--quiet", "--release", "--bins"]).args(packages))?;
    Ok(programs("release"))
}

/// Where a release build of this workspace has a program.
pub(crate) fn release(program: &str) -> Result<String> {
    let path = target().join("release").join(program);
    path.into_os_string().into_string().ok().context("the path is not UTF-8")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

fn programs(profile: &str) -> Programs {
    let target = target();
    let program = |name: &str| target.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Programs { karez: program("karez"), tracker: program("karez-tracker"), linkem: program("linkem") }
}
