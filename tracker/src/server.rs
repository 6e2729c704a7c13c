//! The tracker over HTTP: one listener, routes in `routes`, bounds on connections in `connections`.
//!
//! Requests become calls of [`Tracker`] on blocking threads, `WORK_MAX` at a time. What nodes announce is written
//! every `SAVE_EVERY` and when the server stops.

mod connections;
mod routes;

use crate::tracker::Tracker;
use connections::{Connections, Source};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Requests worked on at the same time; more wait. SQLite has one writer, so more threads would only queue there.
const WORK_MAX: usize = 32;
/// How often announces are written: what a crash may forget, against a sync of the disk.
const SAVE_EVERY: Duration = Duration::from_secs(20);
/// How long running requests may go on once the server has been told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What every handler has.
#[derive(Clone)]
struct Shared {
    tracker: Arc<Tracker>,
    work: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// Serves until `stop` completes; then finishes what is running, writes what was announced and returns.
pub async fn serve(
    tracker: Arc<Tracker>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shared = Shared {
        tracker: Arc::clone(&tracker),
        work: Arc::new(Semaphore::new(WORK_MAX)),
        uploads: Arc::new(Semaphore::new(routes::UPLOADS_MAX)),
    };
    let (stopping, stopped) = watch::channel(false);
    let app = routes::router(shared).into_make_service_with_connect_info::<Source>();
    let graceful = async move {
        stop.await;
        stopping.send_replace(true);
    };
    let server = axum::serve(Connections::new(listener), app).with_graceful_shutdown(graceful);
    tokio::select! {
        result = server.into_future() => result?,
        () = give_up(stopped) => tracing::warn!("some connections were still open: closed"),
        () = save_regularly(&tracker) => {}
    }
    save(&tracker).await;
    Ok(())
}

/// Returns when stopping has taken too long.
async fn give_up(mut stopped: watch::Receiver<bool>) {
    // An error means that the server is gone; its own branch of the select says so.
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(STOP_WITHIN).await;
}

async fn save_regularly(tracker: &Arc<Tracker>) {
    let mut ticks = tokio::time::interval(SAVE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        save(tracker).await;
    }
}

async fn save(tracker: &Arc<Tracker>) {
    let tracker = Arc::clone(tracker);
    match tokio::task::spawn_blocking(move || tracker.save_presence()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "announces could not be written, will try again"),
        Err(error) => tracing::error!(%error, "writing announces failed"),
    }
}
