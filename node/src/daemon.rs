//! `karez run`: introduces everybody to everybody, and takes the house down again in order.

use crate::api::{self, Doors};
use crate::bulk::{self, BindError, BoundPort, Bulk, Limits, Manners};
use crate::care::Care;
use crate::control::{self, Control, Relay, StartError};
use crate::driver::{Driver, Inboxes, Parts};
use crate::gateway;
use crate::handle::Handle;
use crate::home::{Home, HomeError, NetworkFile};
use crate::keys::Key;
use crate::membership::Membership;
use crate::proxy::Proxy;
use crate::shelf::Shelf;
use crate::state::{State, StateError};
use crate::tracker_client::TrackerClient;
use karez_content_tools::reserve::Reserve;
use karez_content_tools::store::{Store, StoreError, StoreOptions};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::plan::congestion;
use karez_protocol::plan::limiter::Rates;
use karez_protocol::plan::relay::Quotas;
use karez_protocol::swarm::io::EgressMode;
use karez_protocol::trust::roster::Roster;
use karez_protocol::trust::{PublicKey, SignatureError, Signed};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// Events that may wait for the driver, from each plane.
const EVENTS_MAX: usize = 1_024;
/// How often a reserve that was given up is looked after.
const RESERVE_CHECK: Duration = Duration::from_secs(10);
/// How often the store is asked whether a sync is due.
const SYNC_CHECK: Duration = Duration::from_secs(1);
/// Ports tried when the system may choose: the TCP port must be free on UDP as well.
const PORT_TRIES: usize = 16;

/// How to run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// Where both planes listen: TCP for control, UDP for bulk, one port.
    pub listen: SocketAddr,
    /// Where the gateway listens; `None` when it is off.
    pub gateway: Option<SocketAddr>,
    /// Addresses told to others instead of the one listened on.
    pub announce: Vec<SocketAddr>,
    /// Limits that it begins with; 0 is none.
    pub rates: Rates,
    /// Egress mode.
    pub mode: EgressMode,
    /// Queue that background work may make in a link.
    pub queue: Duration,
    /// Whether members are looked for on the LAN.
    pub lan: bool,
    /// Within what it relays between members, if it does.
    pub relay: Option<Quotas>,
    /// The way out, if not a direct one.
    pub proxy: Option<Proxy>,
}

/// What a running daemon says of itself.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Addresses told to others.
    pub listen: Vec<String>,
    /// Base URL of the gateway.
    pub gateway: Option<String>,
    /// Peer id.
    pub peer: String,
}

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state file.
    #[error(transparent)]
    State(#[from] StateError),
    /// The saved roster is not what the network's key signed.
    #[error("the saved roster is not valid ({0}): join again with `karez join INVITE`")]
    Roster(#[from] SignatureError),
    /// A port is taken or not allowed.
    #[error(transparent)]
    Bulk(#[from] BindError),
    /// A port is taken or not allowed.
    #[error(transparent)]
    Control(#[from] StartError),
    /// The gateway's port is taken or not allowed.
    #[error("cannot use TCP port {address} for the gateway: {source}")]
    Gateway {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The control socket.
    #[error("cannot open the control socket: {0}")]
    Api(std::io::Error),
}

/// What the home holds, checked.
struct Identity {
    key: Key,
    network: NetworkFile,
    tracker_key: PublicKey,
    roster: Signed<Roster>,
}

fn load(home: &Home) -> Result<Identity, RunError> {
    if !home.node_key().exists() {
        return Err(HomeError::Missing(home.path().to_owned()).into());
    }
    let network = home.network()?;
    let tracker_key = network.key().ok_or(HomeError::NotJoined)?;
    let key = Key::load(&home.node_key())?;
    let path = home.roster();
    let bytes = std::fs::read(&path).map_err(|source| HomeError::Io { path, source })?;
    let network_id = NetworkId::of(&tracker_key);
    let roster = Signed::verify(&bytes, &network_id, &tracker_key)?;
    Ok(Identity { key, network, tracker_key, roster })
}

/// Both planes on one port number: UDP takes the number that TCP got.
async fn listen(
    config: &RunConfig,
    seed: [u8; 32],
    relay: Option<&Relay>,
    events: mpsc::Sender<control::Event>,
) -> Result<(Control, BoundPort), RunError> {
    let (address, mut tries) = (config.listen, PORT_TRIES);
    // On loopback there is nobody but this machine.
    let lan = config.lan && !address.ip().is_loopback();
    let manners = manners(config);
    loop {
        let proxy = config.proxy.clone();
        let plane = control::Config { listen: address, seed, lan, relay: relay.cloned(), proxy };
        let control = Control::start(plane, events.clone()).await?;
        match bulk::bind(SocketAddr::new(address.ip(), control.port()), seed, manners) {
            Ok(port) => return Ok((control, port)),
            Err(cause) if address.port() == 0 && tries > 1 => tracing::debug!(%cause, "trying another port"),
            Err(cause) => return Err(cause.into()),
        }
        tries -= 1;
    }
}

/// Everything that serves somebody.
struct Servers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Servers {
    fn start(
        gateway: Option<TcpListener>,
        api: api::Listener,
        doors: Doors,
        (store, reserve): (Arc<Store>, Reserve),
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let logged = |name, result: std::io::Result<()>| {
            if let Err(cause) = result {
                tracing::error!(%cause, "the {name} ended");
            }
        };
        let mut tasks = vec![tokio::spawn(keep_synced(store, stopping.clone()))];
        tasks.push(tokio::spawn(keep_reserve(reserve, stopping.clone())));
        let handle = doors.handle.clone();
        let serving = api::serve(api, doors, stopped(stopping.clone()));
        tasks.push(tokio::spawn(async move { logged("control socket", serving.await) }));
        if let Some(listener) = gateway {
            let serving = gateway::serve(listener, handle, stopped(stopping));
            tasks.push(tokio::spawn(async move { logged("gateway", serving.await) }));
        }
        Self { stop, tasks }
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
    }
}

/// Runs until `shutdown` resolves; `ready` is called once everything listens.
pub async fn run(
    home: Home,
    config: RunConfig,
    ready: impl FnOnce(&Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    // Two crypto providers are linked; the first to come would panic without a choice. A second choice is no error.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let identity = load(&home)?;
    let reserve = home.reserve();
    take_reserve(&reserve);
    let options = StoreOptions { reserve: Some(home.reserve_file()), ..StoreOptions::default() };
    let open = || Store::open(&home.store(), options.clone());
    let store = Arc::new(reserve.spend(open)?);
    let (state, remembered) = State::open(&home.state(), reserve.clone())?;
    let gateway = bind_gateway(config.gateway).await?;
    let api = api::bind(&home.socket()).map_err(RunError::Api)?;

    let (control_events, control_inbox) = mpsc::channel(EVENTS_MAX);
    let (bulk_events, bulk_inbox) = mpsc::channel(EVENTS_MAX);
    let limits = Limits::new(config.rates);
    let relay = config.relay.map(|quotas| Relay::new(quotas, limits.clone()));
    let (control, port) = listen(&config, identity.key.seed(), relay.as_ref(), control_events).await?;
    let bulk_config = bulk_config(&identity, limits.clone(), store.clone());
    let (members, shelf) = (bulk_config.members.clone(), bulk_config.shelf.clone());
    let bulk = Bulk::start(bulk_config, port, bulk_events);
    let report = report(&config, &identity, bulk.port(), gateway.as_ref());
    let full = Arc::new(Notify::new());
    let publisher_key = Key::load_or_make(&home, &home.publisher_key())?;
    let parts = Parts {
        publisher: identity.network.publisher().map(|name| (name, publisher_key)),
        network: NetworkId::of(&identity.tracker_key),
        key: identity.key,
        tracker_key: identity.tracker_key,
        roster: identity.roster,
        tracker: TrackerClient::new(identity.network.trackers, config.proxy.clone()),
        proxy: config.proxy.clone(),
        members,
        shelf,
        store: store.clone(),
        full: full.clone(),
        bulk: bulk.clone(),
        control,
        addresses: report.listen.clone(),
        gateway: report.gateway.clone(),
        mode: config.mode,
        limits: limits.clone(),
        relay,
        home,
    };
    let (handle, commands) = Handle::new();
    let care = Care::new(store.clone(), handle.clone());
    let driver = Driver::new(parts, (state, remembered));
    let driver = tokio::spawn(driver.run(Inboxes { commands, bulk: bulk_inbox, control: control_inbox }));
    let servers =
        Servers::start(gateway, api, Doors { handle: handle.clone(), care: care.clone(), limits }, (store, reserve));
    let within_quota = tokio::spawn(async move { care.keep_within_quota(&full).await });
    ready(&report);
    shutdown.await;
    tracing::info!("stopping");
    within_quota.abort();
    handle.stop().await;
    bulk.stop().await;
    let synced = driver.await;
    servers.stop().await;
    Ok(synced.unwrap_or(Ok(()))?)
}

/// Fast means that somebody waits, or that the link is the node's own.
fn manners(config: &RunConfig) -> Manners {
    Manners { config: congestion::Config { target: config.queue }, always_urgent: config.mode == EgressMode::Fast }
}

fn bulk_config(identity: &Identity, limits: Limits, store: Arc<Store>) -> bulk::Config {
    bulk::Config {
        seed: identity.key.seed(),
        me: identity.key.peer(),
        network: NetworkId::of(&identity.tracker_key),
        members: Membership::default(),
        shelf: Shelf::default(),
        store,
        limits,
    }
}

fn report(config: &RunConfig, identity: &Identity, port: u16, gateway: Option<&TcpListener>) -> Ready {
    Ready {
        listen: told_addresses(config, port),
        gateway: gateway.and_then(|listener| listener.local_addr().ok()).map(|at| format!("http://{at}")),
        peer: identity.key.peer().to_string(),
    }
}

async fn bind_gateway(address: Option<SocketAddr>) -> Result<Option<TcpListener>, RunError> {
    match address {
        None => Ok(None),
        Some(address) => {
            TcpListener::bind(address).await.map(Some).map_err(|source| RunError::Gateway { address, source })
        }
    }
}

fn told_addresses(config: &RunConfig, port: u16) -> Vec<String> {
    if config.announce.is_empty() {
        return vec![SocketAddr::new(config.listen.ip(), port).to_string()];
    }
    let told = |address: &SocketAddr| match address.port() {
        0 => SocketAddr::new(address.ip(), port),
        _ => *address,
    };
    config.announce.iter().map(|address| told(address).to_string()).collect()
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// What was given up on a full disk is taken back when there is room.
async fn keep_reserve(reserve: Reserve, stopping: watch::Receiver<bool>) {
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(RESERVE_CHECK) => {}
        }
        let reserve = reserve.clone();
        let _ = tokio::task::spawn_blocking(move || take_reserve(&reserve)).await;
    }
}

fn take_reserve(reserve: &Reserve) {
    if let Err(cause) = reserve.take() {
        tracing::warn!(%cause, "the reserve for a full disk cannot be taken");
    }
}

/// Written chunks become durable claims within the store's interval, also when nothing more arrives.
async fn keep_synced(store: Arc<Store>, stopping: watch::Receiver<bool>) {
    let stop = stopped(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(SYNC_CHECK) => {}
        }
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.sync_if_due()).await {
            Ok(Err(cause)) => tracing::error!(%cause, "sync failed"),
            Err(cause) => tracing::error!(%cause, "sync failed"),
            Ok(Ok(())) => {}
        }
    }
}
