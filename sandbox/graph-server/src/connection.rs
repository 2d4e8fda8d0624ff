//! Connections that a fault can cut in the middle of a request.

use std::{
    io::{self, Error, ErrorKind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// After an accept error such as "too many open files": let some sockets close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener whose connections can be cut, each alone or all at once.
pub(crate) struct Cuttable {
    pub(crate) listener: TcpListener,
    pub(crate) all: CancellationToken,
}

/// One connection.
pub(crate) struct Line {
    tcp: TcpStream,
    cut: Cut,
}

/// Cuts the connection that a request came by.
#[derive(Clone, Debug)]
pub(crate) struct Cut(pub(crate) CancellationToken);

impl Listener for Cuttable {
    type Io = Line;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Line, Self::Addr) {
        loop {
            match self.listener.accept().await {
                // Without it request and answer cost 40 ms per turn.
                Ok((tcp, peer)) if tcp.set_nodelay(true).is_ok() => {
                    return (Line { tcp, cut: Cut(self.all.child_token()) }, peer);
                }
                Ok(_gone) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.io().cut.clone()
    }
}

impl Line {
    fn intact(&self) -> io::Result<()> {
        if self.cut.0.is_cancelled() {
            Err(Error::from(ErrorKind::ConnectionReset))
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.intact()?;
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.intact()?;
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact()?;
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
