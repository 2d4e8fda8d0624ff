//! The standalone server: Graph, the login dialog and the control API on one port.

use std::{
    error::Error,
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Parser;
use graph_server::{GraphServer, Options};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// An offline Graph server for WhatsApp's Cloud API, for loopback only.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value_t = ANY_PORT)]
    listen: SocketAddr,
    /// A file that receives the URLs once the listener is up.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let logged = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(logged).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    // Before anything is announced, so that an early signal is not lost.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = GraphServer::start(Options { listen: arguments.listen }).await?;
    let ready = json!({
        "graphUrl": server.graph_url(),
        "controlUrl": server.control_url(),
        "sdkUrl": server.sdk_url(),
    });
    writeln!(std::io::stdout(), "{ready}")?;
    if let Some(path) = &arguments.ready_file {
        announce(path, &ready)?;
    }
    // Cancel-safe: the process ends after the first that is ready.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}

/// Whoever waits for the file must never see half of it.
fn announce(path: &Path, ready: &Value) -> Result<(), Box<dyn Error>> {
    let half = path.with_extension("part");
    fs::write(&half, serde_json::to_vec_pretty(ready)?)?;
    fs::rename(half, path)?;
    Ok(())
}
