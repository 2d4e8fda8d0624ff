//! Credentials and receipts are kept before WhatsApp is told that we have them.
//!
//! The library confirms a pairing at once and writes its device record in the background. A process
//! that dies in between, or starts over, leaves a device on the phone that nobody owns. So from the
//! phone's answer on, no frame leaves the socket, the confirmation least of all, before the record
//! and the fact that a phone has answered are on the disk. Of receipts, see [`Receipts`].

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use wacore::net::Transport;
use whatsapp_rust::{Client, anyhow};

use crate::{SessionBackend, receipts::Receipts};

/// Keeps the credentials of one client, once it has some.
#[derive(Clone)]
pub(crate) struct Keeper {
    backend: SessionBackend,
    client: Arc<OnceLock<Weak<Client>>>,
    kept: Arc<AtomicBool>,
}

impl Keeper {
    pub(crate) fn new(backend: SessionBackend, client: Arc<OnceLock<Weak<Client>>>) -> Self {
        Self { backend, client, kept: Arc::new(AtomicBool::new(false)) }
    }

    async fn keep(&self) -> Result<(), anyhow::Error> {
        if self.kept.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(client) = self.client.get().and_then(Weak::upgrade) else { return Ok(()) };
        let device = client.persistence_manager().get_device_snapshot();
        if device.pn.is_some() {
            self.backend.keep_paired(&device.to_serializable()).await?;
            self.kept.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// A socket that keeps first and sends then.
pub(crate) struct Careful {
    pub(crate) socket: Arc<dyn Transport>,
    /// Of a client that is to be paired.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) receipts: Arc<Receipts>,
}

#[async_trait::async_trait]
impl Transport for Careful {
    async fn send(&self, data: Bytes) -> Result<(), anyhow::Error> {
        if let Some(keeper) = &self.keeper {
            keeper.keep().await?;
        }
        self.receipts.settled().await;
        self.socket.send(data).await
    }

    async fn disconnect(&self) {
        self.socket.disconnect().await;
    }

    fn resource_report(&self) -> Option<wacore::stats::TransportResourceReport> {
        self.socket.resource_report()
    }
}
