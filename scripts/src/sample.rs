//! The sample course: where it lies, and the script that makes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::workspace;

/// Version 1 whole.
pub(crate) fn version1() -> PathBuf {
    workspace::root().join("sample/course/v1")
}

/// The files of version 2 that differ from version 1's.
pub(crate) fn version2() -> PathBuf {
    workspace::root().join("sample/course/v2")
}

/// Runs the script; the course goes to `to`, or over the committed one.
pub(crate) fn make(to: Option<&Path>) -> Result<()> {
    let mut command = Command::new(workspace::root().join("sample/make.sh"));
    if let Some(to) = to {
        command.arg(std::path::absolute(to)?);
    }
    workspace::finish(&mut command)
}
