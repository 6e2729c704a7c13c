//! `karez`: the node and its commands.

use karez_node::cli::{self, Action, Complaint, Context, Invocation};
use karez_node::daemon::{self, Ready, RunConfig};
use karez_node::home::Home;
use karez_node::proxy::Proxy;
use karez_node::setup;
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let Invocation { context, action } = match cli::parse() {
        Ok(invocation) => invocation,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(cause) => return context.fail(&Complaint::other(&cause)),
    };
    let home = Home::at(context.home.clone());
    let code = runtime.block_on(async {
        match action {
            Action::Init => init(&context, &home),
            Action::Join { invite, proxy } => join(&context, &home, &invite, proxy).await,
            Action::Run(config) => run(&context, home, config).await,
            Action::Client(request) => cli::execute(&context, request).await,
        }
    });
    // Blocking reads that nobody waits for any more do not hold up the exit.
    runtime.shutdown_background();
    code
}

fn init(context: &Context, home: &Home) -> ExitCode {
    match setup::init(home) {
        Ok(peer) if context.json => context.print_json(&json!({ "peer": peer.to_string(), "home": home.path() })),
        Ok(peer) => {
            let place = home.path().display().to_string().into();
            context.print(&context.text("init-done", &[("peer", peer.to_string().into()), ("home", place)]));
        }
        Err(cause) => return context.fail(&cause),
    }
    ExitCode::SUCCESS
}

async fn join(context: &Context, home: &Home, invite: &str, proxy: Option<Proxy>) -> ExitCode {
    let joined = match setup::join(home, invite, proxy).await {
        Ok(joined) => joined,
        Err(cause) => return context.fail(&cause),
    };
    if context.json {
        let publisher = joined.publisher;
        let (network, member) = (joined.network, joined.member);
        context.print_json(&json!({
            "network": network, "name": member.name, "peer": member.peer.to_string(), "publisher": publisher,
            "domain": member.domain, "group": member.uplink_group,
        }));
        return ExitCode::SUCCESS;
    }
    let (network, name) = (joined.network.into(), joined.member.name.into());
    context.print(&context.text("join-done", &[("network", network), ("name", name)]));
    if let Some(publisher) = joined.publisher {
        context.print(&context.text("join-publisher", &[("publisher", publisher.into())]));
    }
    ExitCode::SUCCESS
}

async fn run(context: &Context, home: Home, config: RunConfig) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match daemon::run(home, config, |ready| greet(context, ready), interrupted()).await {
        Ok(()) => {
            context.tell(&context.text("run-stopped", &[]));
            ExitCode::SUCCESS
        }
        Err(cause) => context.fail(&cause),
    }
}

fn greet(context: &Context, ready: &Ready) {
    if context.json {
        context.print_json(&json!({
            "event": "ready", "listen": ready.listen, "gateway": ready.gateway, "peer": ready.peer,
        }));
    } else {
        let (peer, listen) = (ready.peer.clone().into(), ready.listen.join(" ").into());
        context.print(&context.text("run-ready", &[("peer", peer), ("listen", listen)]));
        if let Some(gateway) = &ready.gateway {
            context.print(&context.text("run-gateway", &[("gateway", gateway.clone().into())]));
        }
    }
    // Whoever started the daemon waits for this line.
    let _ = std::io::stdout().flush();
}

async fn interrupted() {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        }
        // Without signals the daemon still stops when it is killed.
        _ => std::future::pending().await,
    }
}
