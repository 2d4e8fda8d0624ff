//! The running server: listener, shared state, and everything that a phone's user can do.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::oneshot, task::spawn_blocking, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::{self, Shared},
    control::ControlError,
    hub::{
        CODE_ANSWER_LIMIT, Companion, Hub, LinkError, Linked, PairingCode, PairingOffer, Phone,
        State,
    },
    media::{MediaHost, Store, in_background as blocking},
    network::{Network, NetworkChange, NetworkState},
    noise::ServerKeys,
    number::PhoneNumber,
    phone::Message,
    qr::{self, QrText},
    snapshot,
};

/// How long a phone waits for the companion's confirmation.
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);
/// After an accept error such as "too many open files": let some sockets close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The folder of the media host inside the data directory.
const MEDIA: &str = "media";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen: a loopback address.
    pub listen: SocketAddr,
    /// Where keys and state live; without it they end with the process.
    pub data_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data_dir: None }
    }
}

/// What is scanned: the text of a code, or a picture of it.
#[derive(Clone, Debug)]
pub enum QrSource {
    /// The text inside the code.
    Text(String),
    /// A PNG, as a `data:` URL or bare base64.
    PngBase64(String),
}

/// A handle to a running server; clones share it.
#[derive(Clone, Debug)]
pub struct WaServer {
    address: SocketAddr,
    media: MediaHost,
    shared: Arc<Shared>,
    data_dir: Option<PathBuf>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl WaServer {
    /// Binds the listener and starts serving.
    ///
    /// # Errors
    /// When the address is not loopback or taken, or the data directory holds unreadable files.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let media = SocketAddr::new(options.listen.ip(), 0);
        Self::start_with_media(options, media).await
    }

    /// As [`Self::start`], with an address of choice for the media host.
    ///
    /// # Errors
    /// When an address is not loopback or taken, or the data directory holds unreadable files.
    pub async fn start_with_media(options: Options, media: SocketAddr) -> std::io::Result<Self> {
        let Options { listen, data_dir } = options;
        if !listen.ip().is_loopback() || !media.ip().is_loopback() {
            return Err(std::io::Error::other("this server listens on loopback addresses only"));
        }
        let dir = data_dir.clone();
        let loaded = spawn_blocking(move || {
            let keys = ServerKeys::load_or_generate(dir.as_deref())?;
            let saved = dir.as_deref().map(snapshot::load).transpose()?.unwrap_or_default();
            Ok::<_, crate::noise::KeyError>((keys, saved))
        });
        let (keys, (accounts, crowds)) = loaded.await?.map_err(std::io::Error::other)?;
        let dir = data_dir.as_deref().map(|dir| dir.join(MEDIA));
        let store = Arc::new(blocking(|| Store::open(dir)).await?);
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let state = State::new(accounts, crowds);
        let hub = Hub::new(state, Arc::clone(&store), tasks.clone(), stop.clone());
        let hub = Arc::new(hub);
        let serving = (Arc::clone(&hub), tasks.clone(), stop.clone());
        let media = MediaHost::start(media, store, serving).await?;
        let network = Network::new(stop.clone());
        let shared = Arc::new(Shared { hub, network, keys });
        let server = Self { address, media, shared, data_dir, tasks, stop };
        server.tasks.spawn(server.clone().accept(listener));
        if let Some(dir) = server.data_dir.clone() {
            let hub = Arc::clone(&server.shared.hub);
            server.tasks.spawn(snapshot::keep(hub, dir, server.stop.clone()));
        }
        Ok(server)
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            // Cancel-safe: `accept` loses nothing when dropped before it is ready.
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((tcp, _peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if self.shared.network.refuses() {
                continue;
            }
            // Without it request and answer cost 40 ms per turn (wa-server.md P5).
            if tcp.set_nodelay(true).is_err() {
                continue;
            }
            let (shared, token) =
                (Arc::clone(&self.shared), self.shared.network.connection_token());
            self.tasks.spawn(async move {
                let ended = connection::serve(&shared, tcp, token).await;
                tracing::debug!(reason = %ended, "a connection ended");
            });
        }
    }

    /// The URL that clients connect to.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// Where requests to the media host go: clients are given a name that resolves nowhere, and
    /// must send what they would send there to this address.
    pub fn media_url(&self) -> String {
        self.media.url()
    }

    pub(crate) fn media_host(&self) -> &MediaHost {
        &self.media
    }

    /// The public key that vouches for the server, as 64 hexadecimal digits.
    pub fn root_public_key_hex(&self) -> String {
        hex::encode(self.shared.keys.root_public())
    }

    /// The control API, without a prefix: `/phones…` and `/network`.
    pub fn control(&self) -> axum::Router {
        crate::control::router(self.clone())
    }

    /// Cuts all connections, stops all tasks and writes the last snapshot.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(dir) = &self.data_dir {
            snapshot::save(&self.shared.hub, dir).await;
        }
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        self.shared.hub.with(work)
    }

    /// The phone of a number, and whether this call made it.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn phone(&self, number: &PhoneNumber) -> Result<(Phone, bool), ControlError> {
        Ok(self.with(|state| state.phone(number))?)
    }

    /// All phones that anybody has mentioned, by number.
    pub fn phones(&self) -> Vec<Phone> {
        self.with(|state| state.phones())
    }

    /// Takes a number off WhatsApp, for those who ask, or puts it back.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's keys cannot be made.
    pub fn set_absent(&self, number: &PhoneNumber, absent: bool) -> Result<(), ControlError> {
        Ok(self.with(|state| state.set_absent(number, absent))?)
    }

    /// Scans a QR code with a phone; returns once the companion has confirmed.
    ///
    /// # Errors
    /// [`LinkError`] says why the code was not accepted.
    pub async fn scan(&self, number: &PhoneNumber, code: QrSource) -> Result<Linked, LinkError> {
        let text = match code {
            QrSource::Text(text) => text,
            QrSource::PngBase64(picture) => in_background(move || qr::read_image(&picture)).await?,
        };
        let qr = QrText::parse(&text)?;
        let (waiter, outcome) = oneshot::channel();
        self.with(|state| state.scan(number, &qr, waiter))?;
        await_outcome(outcome, CONFIRM_LIMIT).await
    }

    /// Types a pairing code into a phone; returns once the companion has confirmed.
    ///
    /// # Errors
    /// [`LinkError`] says why the code was not accepted.
    pub async fn enter_code(&self, number: &PhoneNumber, code: &str) -> Result<Linked, LinkError> {
        let code = PairingCode::parse(code)?;
        let challenge = self.with(|state| state.pending_code(number))?;
        let response = in_background(move || challenge.respond(&code)).await?;
        let (waiter, outcome) = oneshot::channel();
        self.with(|state| state.primary_hello(number, response, waiter))?;
        await_outcome(outcome, CODE_ANSWER_LIMIT).await
    }

    /// The companions that are linked to a phone.
    pub fn companions(&self, number: &PhoneNumber) -> Vec<Companion> {
        self.with(|state| state.companions(number))
    }

    /// Removes a companion on its phone; the companion is told and cut off.
    ///
    /// # Errors
    /// [`ControlError`] when no such companion is linked.
    pub fn unlink(&self, number: &PhoneNumber, device: u16) -> Result<(), ControlError> {
        Ok(self.with(|state| state.unlink(number, device))?)
    }

    /// Sends a text from a phone.
    ///
    /// # Errors
    /// [`ControlError`] when the phone's cryptography fails.
    pub fn send_text(
        &self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        text: &str,
    ) -> Result<Message, ControlError> {
        Ok(self.with(|state| state.send_text(from, to, text))?)
    }

    /// What a phone's user sees, newest last.
    pub fn messages(&self, number: &PhoneNumber) -> Vec<Message> {
        self.with(|state| state.messages(number))
    }

    /// Reads a message on a phone: its sender gets a read receipt.
    ///
    /// # Errors
    /// [`ControlError`] when the phone has no such message.
    pub fn mark_read(&self, number: &PhoneNumber, id: &str) -> Result<Message, ControlError> {
        Ok(self.with(|state| state.mark_read(number, id))?)
    }

    /// The network as it is.
    pub fn network(&self) -> NetworkState {
        self.shared.network.state(self.with(|state| state.conns.len()))
    }

    /// Changes the network: refusal, delay, and cutting all connections.
    pub fn change_network(&self, change: NetworkChange) -> NetworkState {
        self.shared.network.apply(change);
        if change.drop_connections {
            self.with(State::closed_all);
        }
        self.network()
    }

    /// What clients are offered that want to be linked.
    pub fn pairing_offer(&self) -> PairingOffer {
        self.with(|state| state.offer)
    }

    /// Changes what the next clients are offered.
    ///
    /// # Errors
    /// [`ControlError::Offer`] when WhatsApp would not offer it.
    pub fn set_pairing_offer(&self, offer: PairingOffer) -> Result<PairingOffer, ControlError> {
        if !offer.is_possible() {
            return Err(ControlError::Offer);
        }
        self.with(|state| state.offer = offer);
        Ok(offer)
    }

    /// The directory that holds keys and state.
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }
}

async fn await_outcome(
    outcome: oneshot::Receiver<Result<Linked, LinkError>>,
    limit: Duration,
) -> Result<Linked, LinkError> {
    match timeout(limit, outcome).await {
        Err(_elapsed) => Err(LinkError::Timeout),
        // The other end lives in the socket's state: it went with the socket.
        Ok(Err(_dropped)) => Err(LinkError::SocketGone),
        Ok(Ok(result)) => result,
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LinkError> + Send + 'static,
) -> Result<T, LinkError> {
    spawn_blocking(work).await.map_err(|error| LinkError::Internal(Box::new(error)))?
}
