//! `linkem TOPOLOGY.toml`: network namespaces joined by emulated links, for as long as standard input is open.
//!
//! What must stay true: whatever ends it (end of input, `stop`, a signal, an error), no namespace of its own is left
//! behind and no process runs in one. Needs Linux, root, `/dev/net/tun` and `ip`.

#[cfg(target_os = "linux")]
mod emulator;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [path] = arguments.as_slice() else {
        eprintln!("usage: linkem TOPOLOGY.toml   (then lines on standard input: stats | reset | stop)");
        return ExitCode::from(2);
    };
    match emulator::run(path.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linkem: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("linkem: network namespaces need Linux");
    std::process::ExitCode::FAILURE
}
