//! Where a program runs: on this machine's loopback, or on a host of the lab, which is a network namespace.

use std::ffi::OsStr;
use std::process::Command;

/// Where a program runs.
#[derive(Clone)]
pub(crate) struct Place {
    namespace: Option<String>,
    /// Without a port.
    pub(crate) address: String,
}

impl Place {
    pub(crate) fn loopback() -> Self {
        Self { namespace: None, address: "127.0.0.1".into() }
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "namespaces are Linux's"))]
    pub(crate) fn host(namespace: &str, address: &str) -> Self {
        Self { namespace: Some(namespace.into()), address: address.into() }
    }

    /// To listen on.
    pub(crate) fn any_port(&self) -> String {
        format!("{}:0", self.address)
    }

    /// A program here. `ip netns exec` becomes the program, so the child's id is the program's.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
}
