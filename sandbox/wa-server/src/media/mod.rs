//! The media host: where clients and phones leave the attachments of messages for each other.
//!
//! It listens on a port of its own and speaks plain HTTP. Clients are given [`HOST`] as its name
//! and would build `https` addresses from it; theirs is to send those to [`MediaHost::url`].

mod crypt;
mod faults;
mod http;
mod range;
mod store;
mod token;

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, task::spawn_blocking};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use crypt::{Attachment, Sealed, Source};
pub(crate) use faults::MediaFaults;
pub use faults::{MediaAct, MediaFault};
pub(crate) use http::serve;
pub(crate) use store::{Store, Stored};
pub(crate) use token::Token;

use crate::hub::Hub;

/// What clients are told the media host is called. It resolves nowhere, so that a client which does
/// not send its requests to the right place fails at once.
pub(crate) const HOST: &str = "media.sandbox.invalid";

/// The address of an object, as messages name it.
pub(crate) fn url(direct_path: &str) -> String {
    http::url(direct_path)
}

/// The media host; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MediaHost {
    address: SocketAddr,
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Arc<MediaFaults>,
    hub: Arc<Hub>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl MediaHost {
    /// Binds the listener and starts serving until told to stop.
    pub(crate) async fn start(
        listen: SocketAddr,
        store: Arc<Store>,
        (hub, tasks, stop): (Arc<Hub>, TaskTracker, CancellationToken),
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let faults = Arc::default();
        let host = Self { address, store, faults, hub, tasks: tasks.clone(), stop: stop.clone() };
        let router = http::router(host.clone());
        tasks.spawn(async move {
            // Cancel-safe: not waiting for open connections, a keep-alive client would hold us.
            tokio::select! {
                () = stop.cancelled() => {}
                served = axum::serve(listener, router) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the media host ended");
                    }
                }
            }
        });
        Ok(host)
    }

    /// Where requests to the media host really go.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether a client was given this authentication, and it has not expired.
    fn knows(&self, auth: &str) -> bool {
        self.hub.peek(|state| state.knows_media_auth(auth))
    }
}

/// Runs what blocks off the async threads.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
