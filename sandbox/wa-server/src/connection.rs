//! One client's socket: upgrade, handshake, then two loops until either side goes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tokio_websockets::{CloseCode, Limits, Message, ServerBuilder, WebSocketStream};
use wacore_binary::{
    Node,
    marshal::{marshal, unmarshal_ref},
    util::unpack,
};
use wacore_noise::NoiseCipher;

use crate::{
    hub::{ConnId, Hub, Line, Out, Queued},
    network::Network,
    noise::{self, Established, Framer, HandshakeError, ServerKeys, Step, answer_client_hello},
};

/// A client that has not shaken hands by then is not a client.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);
/// After our close frame the client may answer; then the TCP connection goes (wa-server.md P4).
const CLOSE_GRACE: Duration = Duration::from_millis(300);
/// A frame's length has three bytes, so no honest message is longer.
const MAX_MESSAGE: usize = 1 << 24;

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;
type Stream = SplitStream<WebSocketStream<TcpStream>>;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) network: Network,
    pub(crate) keys: ServerKeys,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the client closed the connection")]
    Closed,
    #[error("the connection was cut")]
    Cut,
    #[error("the client took too long to shake hands")]
    Slow,
    #[error("the WebSocket failed")]
    WebSocket(#[from] tokio_websockets::Error),
    #[error("the stream is not WhatsApp's")]
    Intro(#[from] noise::BadIntro),
    #[error("the handshake failed")]
    Handshake(#[from] HandshakeError),
    #[error("a frame does not open or decode")]
    Frame(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the client's payload is not acceptable")]
    Payload,
    #[error("a frame would be too long")]
    TooLong,
}

/// Serves one accepted TCP connection to its end.
pub(crate) async fn serve(
    shared: &Shared,
    tcp: TcpStream,
    hang_up: CancellationToken,
) -> ConnectionError {
    // Cancel-safe: a cut connection is dropped as a whole.
    tokio::select! {
        () = hang_up.cancelled() => ConnectionError::Cut,
        ended = talk(shared, tcp, &hang_up) => ended,
    }
}

async fn talk(shared: &Shared, tcp: TcpStream, hang_up: &CancellationToken) -> ConnectionError {
    let mut incoming = Incoming { stream: None, framer: Framer::default() };
    // In silence not even the upgrade is answered.
    shared.network.heard().await;
    let opening = timeout(HANDSHAKE_LIMIT, shake_hands(shared, tcp, &mut incoming)).await;
    let (mut sink, established) = match opening {
        Err(_elapsed) => return ConnectionError::Slow,
        Ok(Err(error)) => return error,
        Ok(Ok(opened)) => opened,
    };
    let Established { client_static, payload, send, receive } = established;
    let (line, orders) = Line::new(hang_up.clone());
    let conn = match shared.hub.with(|state| state.open(client_static, &payload, line)) {
        Ok(conn) => conn,
        Err(error) => {
            tracing::debug!(%error, "a client payload was refused");
            drop(sink.send(Message::close(Some(CloseCode::POLICY_VIOLATION), "")).await);
            return ConnectionError::Payload;
        }
    };
    let _gone = Gone { hub: &shared.hub, conn };
    // Not cancel-safe, and need not be: whichever loop ends first ends the connection.
    tokio::select! {
        ended = read(shared, conn, incoming, receive) => ended,
        ended = write(&shared.network, sink, orders, send) => ended,
    }
}

/// Tells the hub that a socket is gone, also when its task is dropped half-way.
struct Gone<'a> {
    hub: &'a Arc<Hub>,
    conn: ConnId,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.hub.with(|state| state.closed(self.conn));
    }
}

/// The client's bytes, cut into frames.
struct Incoming {
    stream: Option<Stream>,
    framer: Framer,
}

impl Incoming {
    async fn frame(&mut self) -> Result<Bytes, ConnectionError> {
        loop {
            if let Some(frame) = self.framer.next_frame()? {
                return Ok(frame);
            }
            let stream = self.stream.as_mut().ok_or(ConnectionError::Closed)?;
            let message = stream.next().await.ok_or(ConnectionError::Closed)??;
            if message.is_close() {
                return Err(ConnectionError::Closed);
            }
            if message.is_binary() {
                self.framer.feed(message.as_payload());
            }
        }
    }
}

async fn shake_hands(
    shared: &Shared,
    tcp: TcpStream,
    incoming: &mut Incoming,
) -> Result<(Sink, Established), ConnectionError> {
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    let (_request, socket) = ServerBuilder::new().limits(limits).accept(tcp).await?;
    let (mut sink, stream) = socket.split();
    incoming.stream = Some(stream);
    let hello = incoming.frame().await?;
    let (answer, step) = match answer_client_hello(&shared.keys, &hello) {
        Ok(answered) => answered,
        Err(error) => {
            drop(sink.send(Message::close(Some(CloseCode::POLICY_VIOLATION), "")).await);
            return Err(error.into());
        }
    };
    let answer = noise::frame(&answer).ok_or(ConnectionError::TooLong)?;
    sleep(shared.network.delay()).await;
    sink.send(Message::binary(answer)).await?;
    let established = match step {
        Step::Done(established) => *established,
        Step::AwaitFinish(pending) => pending.finish(&incoming.frame().await?)?,
    };
    Ok((sink, established))
}

async fn read(
    shared: &Shared,
    conn: ConnId,
    mut incoming: Incoming,
    cipher: NoiseCipher,
) -> ConnectionError {
    let mut counter = 0;
    loop {
        let frame = match incoming.frame().await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        let node = match open(&cipher, counter, &frame) {
            Ok(node) => node,
            Err(error) => return error,
        };
        counter += 1;
        tracing::trace!(tag = %node.tag, "from client");
        if shared.network.is_silent() {
            continue;
        }
        if let Err(error) = shared.hub.with(|state| state.stanza(conn, &node)) {
            tracing::debug!(%error, tag = %node.tag, "a stanza was not handled");
        }
    }
}

fn open(cipher: &NoiseCipher, counter: u32, frame: &[u8]) -> Result<Node, ConnectionError> {
    let mut buffer = frame.to_vec();
    cipher
        .decrypt_in_place_with_counter(counter, &mut buffer)
        .map_err(|error| ConnectionError::Frame(Box::new(error)))?;
    let plain = unpack(&buffer).map_err(|error| ConnectionError::Frame(Box::new(error)))?;
    let node = unmarshal_ref(&plain).map_err(|error| ConnectionError::Frame(Box::new(error)))?;
    Ok(node.to_owned())
}

async fn write(
    network: &Network,
    mut sink: Sink,
    mut orders: mpsc::Receiver<Queued>,
    cipher: NoiseCipher,
) -> ConnectionError {
    let mut counter = 0;
    while let Some(Queued { at, out }) = orders.recv().await {
        let delay = network.delay();
        if !delay.is_zero() {
            sleep_until(at + delay).await;
        }
        let written = match out {
            // Not sealed either: the client never learns that it missed one.
            Out::Stanza(_) if network.is_silent() => continue,
            Out::Stanza(node) => match seal(&cipher, counter, &node) {
                Ok(frame) => sink.send(Message::binary(frame)).await,
                Err(error) => return error,
            },
            Out::Close { after } => {
                sleep(after).await;
                return close(sink).await;
            }
        };
        if let Err(error) = written {
            return error.into();
        }
        counter += 1;
    }
    // The hub forgot this socket: the network was cut.
    ConnectionError::Cut
}

fn seal(cipher: &NoiseCipher, counter: u32, node: &Node) -> Result<Bytes, ConnectionError> {
    tracing::trace!(tag = %node.tag, "to client");
    let plain = marshal(node).map_err(|error| ConnectionError::Frame(Box::new(error)))?;
    let sealed = cipher
        .encrypt_with_counter(counter, &plain)
        .map_err(|error| ConnectionError::Frame(Box::new(error)))?;
    noise::frame(&sealed).ok_or(ConnectionError::TooLong)
}

/// Sends the close frame and leaves the reader a moment for the client's own.
async fn close(mut sink: Sink) -> ConnectionError {
    match sink.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await {
        Ok(()) => {
            sleep(CLOSE_GRACE).await;
            ConnectionError::Closed
        }
        Err(error) => error.into(),
    }
}
