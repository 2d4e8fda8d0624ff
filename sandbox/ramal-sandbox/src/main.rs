//! `cargo sandbox`: the product, an offline WhatsApp and an offline Meta, in one process.

mod entrance;
mod guide;
mod official;
mod tenant_key;
mod terminal;

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use axum::{Router, middleware};
use clap::Parser;
use graph_server::GraphServer;
use ramal_server::{Config, Server};
use ramal_web::Web;
use serde_json::json;
use wa_server::WaServer;

use crate::{entrance::Entrance, official::Demo};

/// The version of WhatsApp Web that clients name to the offline server; any will do.
const APP_VERSION: [u32; 3] = [2, 3000, 1_035_194_821];

/// Ramal with an offline WhatsApp and virtual phones: no account and no phone needed.
#[derive(Debug, Parser)]
#[command(name = "ramal-sandbox", version)]
struct Arguments {
    /// The port of the API, on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where state lives; without it, in a temporary folder that ends with the process.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Once ready, write the addresses and the key to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// What to log, in the syntax of tracing's `EnvFilter`.
    #[arg(long, default_value = "warn")]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Runtime::new()
        .context("the runtime")
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When even that fails there is nobody to tell.
            let _unwritable = writeln!(std::io::stderr(), "ramal-sandbox: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir().context("a temporary folder")?;
    let data_dir = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let whatsapp_dir = arguments.data.as_ref().map(|dir| dir.join("whatsapp"));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = wa_server::Options { listen, data_dir: whatsapp_dir };
    let whatsapp = WaServer::start(options).await.context("the offline WhatsApp")?;
    let graph = GraphServer::start(graph_server::Options::default());
    let graph = graph.await.context("the offline Meta")?;
    let demo = Demo::create(&graph).await?;
    let outside = Outside { whatsapp: &whatsapp, graph: &graph, demo: &demo };
    let config = configure(arguments, &data_dir, &outside)?;
    ramal_server::init_logs(&config.log)?;
    let entrance = Entrance::new();
    let dress = |routes| dress(routes, &outside, entrance.router());
    let server = Server::start_with(&config, Web::with_phones, dress).await?;
    let key = tenant_key::obtain(&server, &config).await?;
    let dashboard = entrance.open(&server).await?;
    demo.subscribe(&graph, &server.url()).await?;
    announce(arguments, &server, &outside, &Shown { key: key.expose(), dashboard })?;
    ramal_server::stop_signal().await?;
    server.stop().await;
    whatsapp.shutdown().await;
    graph.shutdown().await;
    Ok(())
}

/// The world outside, offline.
#[derive(Clone, Copy)]
struct Outside<'a> {
    whatsapp: &'a WaServer,
    graph: &'a GraphServer,
    demo: &'a Demo,
}

fn configure(
    arguments: &Arguments,
    data_dir: &Path,
    outside: &Outside<'_>,
) -> anyhow::Result<Config> {
    let mut config = Config::defaults(data_dir.to_owned())?;
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    config.whatsapp.url = outside.whatsapp.ws_url();
    config.whatsapp.media_url = outside.whatsapp.media_url();
    config.whatsapp.app_version = Some(APP_VERSION);
    outside.demo.configure(&mut config, outside.graph);
    // Whoever tries the sandbox receives webhooks, and has media, on the same machine, and does not wait.
    config.webhooks.allow_private = true;
    config.whatsapp.media_allow_private = true;
    config.sessions.messages_per_minute = 0;
    config.log.filter.clone_from(&arguments.log);
    ramal_sandbox::refuse_the_world(&mut config)?;
    Ok(config)
}

/// The control APIs and the way in beside the product's routes; QR codes are drawn on the terminal.
fn dress(routes: Router, outside: &Outside<'_>, entrance: Router) -> Router {
    let whatsapp = outside.whatsapp;
    routes
        .nest("/sandbox/graph", outside.graph.control())
        .nest("/sandbox", whatsapp.control())
        // For clients that join `sandboxUrl` with the documented paths, which begin with /sandbox.
        .nest("/sandbox/sandbox", whatsapp.control())
        .merge(entrance)
        .layer(middleware::from_fn(terminal::draw_codes))
}

/// What a newcomer needs.
pub(crate) struct Shown<'a> {
    pub(crate) key: &'a str,
    /// The link that signs in to the dashboard.
    pub(crate) dashboard: String,
}

fn announce(
    arguments: &Arguments,
    server: &Server,
    outside: &Outside<'_>,
    shown: &Shown<'_>,
) -> anyhow::Result<()> {
    let url = server.url();
    writeln!(std::io::stdout(), "{}", guide::text(&url, shown, &outside.demo.wish()))?;
    if let Some(path) = &arguments.ready_file {
        let ready = json!({
            "apiUrl": url,
            "tenantKey": shown.key,
            "dashboardUrl": shown.dashboard,
            "sandboxUrl": format!("{url}/sandbox"),
            "whatsappUrl": outside.whatsapp.ws_url(),
            "graphUrl": outside.graph.graph_url(),
            "graphControlUrl": format!("{url}/sandbox/graph"),
            "meta": outside.demo.business,
        });
        ramal_server::write_ready_file(path, &ready)?;
    }
    Ok(())
}
