//! The socket to WhatsApp: a configurable address, no Nagle, a deadline, and an eye on life.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Uri, header::ORIGIN};
use ramal_session::Signal;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_websockets::{ClientBuilder, Connector};
use wacore::net::{Transport, TransportEvent, TransportFactory, WHATSAPP_WEB_ORIGIN};
use whatsapp_rust::{anyhow, async_channel};
use whatsapp_rust_tokio_transport::{default_tls_connector, from_websocket};

use crate::{
    keeping::{Careful, Keeper},
    receipts::Receipts,
    reporter::Reporter,
};

/// Where to dial, read from the configuration.
#[derive(Clone)]
pub(crate) struct Address {
    uri: Uri,
    /// Without brackets, as it resolves and as certificates name it.
    host: String,
    port: u16,
    /// `None` for `ws://`.
    tls: Option<Arc<Connector>>,
}

/// The configured address cannot be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of WhatsApp must be ws:// or wss:// with a host")]
pub(crate) struct AddressError;

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, AddressError> {
        let uri: Uri = url.parse().map_err(|_source| AddressError)?;
        let (tls, usual_port) = match uri.scheme_str() {
            Some("wss") => (Some(Arc::new(default_tls_connector())), 443),
            Some("ws") => (None, 80),
            Some(_) | None => return Err(AddressError),
        };
        let host = uri.host().ok_or(AddressError)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(usual_port);
        Ok(Self { uri, host, port, tls })
    }
}

/// Dials for one client.
pub(crate) struct Dialer {
    pub(crate) address: Address,
    pub(crate) patience: Duration,
    pub(crate) reporter: Arc<Reporter>,
    /// Of a client that is to be paired.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) receipts: Arc<Receipts>,
}

type Socket = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

#[async_trait::async_trait]
impl TransportFactory for Dialer {
    async fn create_transport(&self) -> Result<Socket, anyhow::Error> {
        self.reporter.dialling();
        let outcome = timeout(self.patience, self.dial()).await;
        let (timed_out, error) = match outcome {
            Ok(Ok(socket)) => {
                self.reporter.dialled();
                return Ok(socket);
            }
            Ok(Err(error)) => (is_silence(&error), error),
            Err(elapsed) => (true, elapsed.into()),
        };
        tracing::debug!(dial.timed_out = timed_out, error = %error, "WhatsApp cannot be reached");
        self.reporter.tell(Signal::DialFailed { timed_out });
        Err(error)
    }
}

impl Dialer {
    async fn dial(&self) -> Result<Socket, anyhow::Error> {
        let Address { uri, host, port, tls } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        // Small requests follow each other: without this every turn waits for a delayed ACK,
        // some 40 ms (measured, wa-server.md, pitfall P5).
        stream.set_nodelay(true)?;
        let stream = Watched { stream, reporter: Arc::clone(&self.reporter) };
        let connector = tls.as_deref().unwrap_or(&Connector::Plain);
        let stream = connector.wrap(host, stream).await?;
        let (socket, _response) = ClientBuilder::from_uri(uri.clone())
            .add_header(ORIGIN, HeaderValue::from_static(WHATSAPP_WEB_ORIGIN))?
            .connect_on(stream)
            .await?;
        let (socket, events) = from_websocket(socket);
        let (keeper, receipts) = (self.keeper.clone(), Arc::clone(&self.receipts));
        Ok((Arc::new(Careful { socket, keeper, receipts }), events))
    }
}

/// Whether a dial failed because nobody answered, rather than because somebody refused.
fn is_silence(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// A stream that tells when something arrived.
struct Watched {
    stream: TcpStream,
    reporter: Arc<Reporter>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.reporter.alive();
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn dialer(url: &str, patience: Duration) -> Dialer {
        let address = Address::parse(url).unwrap();
        let reporter = Arc::new(Reporter::new());
        Dialer { address, patience, reporter, keeper: None, receipts: Arc::new(Receipts::new()) }
    }

    async fn failure(dialer: &Dialer) -> Vec<Signal> {
        assert!(dialer.create_transport().await.is_err());
        let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
        dialer.reporter.close();
        dialer.reporter.carry(sender, |_batch| async {}).await;
        let mut signals = Vec::new();
        while let Some(signal) = receiver.recv().await {
            signals.push(signal);
        }
        signals
    }

    #[test]
    fn only_websocket_addresses_are_taken() {
        let production = Address::parse("wss://web.whatsapp.com/ws/chat").unwrap();
        assert_eq!((production.host.as_str(), production.port), ("web.whatsapp.com", 443));
        assert!(production.tls.is_some());
        let local = Address::parse("ws://[::1]:8765/ws/chat").unwrap();
        assert_eq!((local.host.as_str(), local.port), ("::1", 8765));
        assert!(local.tls.is_none());
        for url in ["https://web.whatsapp.com", "web.whatsapp.com", "", "ws:///x"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_refused_dial_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/chat", listener.local_addr().unwrap());
        drop(listener);

        let signals = failure(&dialer(&url, Duration::from_secs(5))).await;

        assert_eq!(signals, [Signal::DialFailed { timed_out: false }]);
    }

    #[tokio::test]
    async fn a_silent_server_is_reported() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/chat", listener.local_addr().unwrap());

        let signals = failure(&dialer(&url, Duration::from_millis(50))).await;

        assert_eq!(signals, [Signal::DialFailed { timed_out: true }]);
    }
}
