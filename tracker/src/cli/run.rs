//! `run`: listens, says so, serves until a signal comes.

use super::{CommandError, RunFlags, Voice, print};
use crate::admission::parse_url;
use crate::home;
use crate::messages::{Text, text};
use crate::server;
use crate::tracker::Tracker;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(home: &Path, flags: &RunFlags, voice: Voice) -> Result<(), CommandError> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let public = flags.public_url.as_deref().map(parse_url).transpose()?;
    let tracker = Tracker::open(home)?;
    let _lock = home::lock(home)?;
    let tracker = tracker.with_announce_interval(Duration::from_secs(flags.announce_seconds.into()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Serve)?;
    runtime.block_on(listen_and_serve(Arc::new(tracker), flags.listen, public, voice))
}

async fn listen_and_serve(
    tracker: Arc<Tracker>,
    address: SocketAddr,
    public: Option<String>,
    voice: Voice,
) -> Result<(), CommandError> {
    let listener = bind(address, TcpListener::bind).await?;
    // Signals are caught before anybody is told that the server is there to be stopped.
    let stop = stop_signal().map_err(CommandError::Serve)?;
    let bound = listener.local_addr().map_err(CommandError::Serve)?;
    let url = format!("http://{}", reachable(bound));
    let remembered = (!bound.ip().is_unspecified()).then_some(url.as_str());
    tracker.remember_urls(remembered, public.as_deref())?;
    announce_ready(&tracker, &url, voice)?;
    server::serve(tracker, listener, stop).await.map_err(CommandError::Serve)
}

/// The unspecified address of IPv6 serves both families, and IPv4 alone where the system has no IPv6.
async fn bind<T, F: Future<Output = io::Result<T>>>(
    address: SocketAddr,
    listen: impl Fn(SocketAddr) -> F,
) -> Result<T, CommandError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => CommandError::PortTaken { address },
        _ => CommandError::Listen { address, source },
    };
    match listen(address).await {
        Err(cause) if address.ip() == Ipv6Addr::UNSPECIFIED && cause.kind() != io::ErrorKind::AddrInUse => {
            tracing::info!(%cause, "no IPv6: listening on IPv4 alone");
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port())).await.map_err(failed)
        }
        bound => bound.map_err(failed),
    }
}

/// The bound address as a program on this machine reaches it.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, bound.port())
}

fn announce_ready(tracker: &Tracker, url: &str, voice: Voice) -> Result<(), CommandError> {
    let invites = tracker.remembered_url()?;
    let network = tracker.network().to_string();
    let ready = serde_json::json!({"event": "ready", "url": url, "public_url": invites, "network": network});
    voice.tell(&ready, |language| vec![text(language, Text::Ready, &[url])]);
    match invites {
        Some(_) => {}
        None if voice.json => tracing::warn!("invites need --url, or run with --public-url http://HOST:PORT"),
        None => print(&text(voice.language, Text::NeedsPublicUrl, &[])),
    }
    Ok(())
}

fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system without IPv6, as the kernel says it; port 1 is taken.
    async fn without_ipv6(address: SocketAddr) -> io::Result<SocketAddr> {
        match address {
            _ if address.port() == 1 => Err(io::ErrorKind::AddrInUse.into()),
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(97)),
            SocketAddr::V4(_) => Ok(address),
        }
    }

    #[tokio::test]
    async fn without_ipv6_the_default_address_is_that_of_ipv4() {
        let bound = |address: &str| bind(address.parse().unwrap(), without_ipv6);
        assert_eq!(bound("[::]:4040").await.unwrap(), "0.0.0.0:4040".parse().unwrap());
        assert!(matches!(bound("[::1]:4040").await, Err(CommandError::Listen { .. })));
        for taken in ["[::]:1", "0.0.0.0:1"] {
            assert!(matches!(bound(taken).await, Err(CommandError::PortTaken { .. })), "{taken}");
        }
    }
}
