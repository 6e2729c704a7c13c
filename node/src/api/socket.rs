//! The socket file: owner only, one daemon at a time, and what a killed daemon left behind is cleared away.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Longest path of a socket (`sockaddr_un`, less the final NUL).
const SOCKET_PATH_MAX: usize = 107;

/// A bound control socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    cleanup: Cleanup,
}

/// Takes the socket file away when the daemon stops.
#[derive(Debug)]
pub(super) struct Cleanup(PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// The folder that the socket is in.
    pub(super) fn folder(&self) -> &Path {
        self.cleanup.0.parent().unwrap_or(Path::new("/"))
    }

    pub(super) fn into_parts(self) -> (UnixListener, Cleanup) {
        (self.socket, self.cleanup)
    }
}

/// Binds the control socket; must be called inside the runtime. `AddrInUse` when a daemon answers there already.
pub fn bind(path: &Path) -> io::Result<Listener> {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        let text = format!(
            "the path {} has more than {SOCKET_PATH_MAX} bytes, which no socket may have: use a shorter --home",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if UnixStream::connect(path).is_ok() {
        let text = format!("a node runs with this home already (it answers at {}): stop it first", path.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    // Bound under another name and moved, so that the socket never stands there with the permissions of the umask; the
    // move also replaces what a killed daemon left.
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let socket = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(Listener { socket, cleanup: Cleanup(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_daemon_at_a_time_and_stale_sockets_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let first = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (socket, cleanup) = first.into_parts();
        drop(socket);
        assert!(path.exists(), "a kill leaves the file");
        let second = bind(&path).unwrap();
        std::mem::forget(cleanup);
        drop(second);
        assert!(!path.exists(), "a stop takes the file away");
    }

    #[tokio::test]
    async fn a_long_path_says_what_to_do() {
        let path = Path::new("/tmp").join("x".repeat(120)).join("api.sock");
        let text = bind(&path).unwrap_err().to_string();
        assert!(text.contains("shorter --home"), "{text}");
    }
}
