//! Ctrl-C and SIGTERM: every wait ends with an error, so that all processes it started are ended by `Drop`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Listens from now on, on a thread of its own.
pub(crate) fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("no signal handling")?;
    std::thread::spawn(move || {
        runtime.block_on(signal());
        STOPPED.store(true, Ordering::SeqCst);
    });
    Ok(())
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    // Without a handler the system ends this program, which is all that can be done.
    let _ = tokio::signal::ctrl_c().await;
}

/// Sleeps for `pause`, or fails when this program was told to stop.
pub(crate) fn pause(pause: Duration) -> Result<()> {
    std::thread::sleep(pause);
    if STOPPED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// Returns when this program was told to stop.
pub(crate) fn wait() {
    while pause(Duration::from_millis(200)).is_ok() {}
}
