//! The standalone server: WhatsApp on one port, the control API on another.

use std::{
    error::Error,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use axum::Router;
use clap::Parser;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;
use wa_server::{Options, WaServer};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PREFIX: &str = "/sandbox";

/// An offline WhatsApp Web server with virtual phones, for loopback only.
#[derive(Parser)]
struct Arguments {
    /// Where clients connect.
    #[arg(long, default_value_t = ANY_PORT)]
    listen: SocketAddr,
    /// Where the control API listens.
    #[arg(long, default_value_t = ANY_PORT)]
    control: SocketAddr,
    /// Where the media host listens.
    #[arg(long, default_value_t = ANY_PORT)]
    media: SocketAddr,
    /// Where keys and state live; without it they end with the process.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A file that receives the URLs once both listeners are up.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    whatsapp_url: String,
    sandbox_url: String,
    media_url: String,
    root_public_key: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let logged = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(logged).with_writer(std::io::stderr).init();
    run(Arguments::parse()).await
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if !arguments.control.ip().is_loopback() {
        return Err("the control API listens on loopback addresses only".into());
    }
    // Before anything is announced, so that an early signal is not lost.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let options = Options { listen: arguments.listen, data_dir: arguments.data };
    let server = WaServer::start_with_media(options, arguments.media).await?;
    let listener = TcpListener::bind(arguments.control).await?;
    let ready = Ready {
        whatsapp_url: server.ws_url(),
        sandbox_url: format!("http://{}{PREFIX}", listener.local_addr()?),
        media_url: server.media_url(),
        root_public_key: server.root_public_key_hex(),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&ready)?)?;
    if let Some(path) = &arguments.ready_file {
        wa_server::write_json(path, &ready)?;
    }
    let app = Router::new().nest(PREFIX, server.control()).fallback(wa_server::not_found);
    // Cancel-safe: the process ends after the first that is ready. Not waiting for open control
    // connections: a keep-alive client would hold the process.
    tokio::select! {
        ended = axum::serve(listener, app) => ended?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
