//! The running server: listener, shared state, and its address.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::connection::{Cut, Cuttable};

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen: a loopback address.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
    }
}

/// A handle to a running server; clones share it.
#[derive(Clone, Debug)]
pub struct GraphServer {
    address: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl GraphServer {
    /// Binds the listener and starts serving.
    ///
    /// # Errors
    /// When the address is not loopback, or taken.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(std::io::Error::other("this server listens on loopback addresses only"));
        }
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let server = Self { address, tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let (app, stop) = (server.routes(), server.stop.clone());
        let listener = Cuttable { listener, all: stop.clone() };
        server.tasks.spawn(async move {
            let service = app.into_make_service_with_connect_info::<Cut>();
            let served = axum::serve(listener, service).with_graceful_shutdown(async move {
                stop.cancelled().await;
            });
            if let Err(error) = served.await {
                tracing::error!(%error, "the listener ended");
            }
        });
        Ok(server)
    }

    fn routes(&self) -> Router {
        Router::new()
    }

    /// The base of Graph: versions and paths follow it.
    pub fn graph_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The control API on the server's own port.
    pub fn control_url(&self) -> String {
        format!("{}/__emu", self.graph_url())
    }

    /// The script that stands for Meta's JavaScript SDK.
    pub fn sdk_url(&self) -> String {
        format!("{}/sdk.js", self.graph_url())
    }

    /// Cuts all connections and stops all tasks.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
