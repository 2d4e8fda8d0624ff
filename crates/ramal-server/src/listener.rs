//! Accepting connections. `axum::serve` has no time limit for a request's head, so a client that sends
//! half a head would hold a connection, and the server's stopping, for as long as it likes.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use ramal_web::ClientAddress;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::proxies::Proxies;

/// Pause after an accept that failed, which is mostly for want of file descriptors: those in use must
/// get the time to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the last answers may take to leave, once no request is being worked on.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves `router` until `shutdown`, then lets the requests in flight finish. A request's head must be
/// there within `head_timeout`, and a connection may be idle for as long. Each request is told its
/// [`ClientAddress`].
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    head_timeout: Duration,
    proxies: Proxies,
    shutdown: CancellationToken,
) {
    let proxies = Arc::new(proxies);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let (connections, requests) = (GracefulShutdown::new(), TaskTracker::new());
    let tasks = TaskTracker::new();
    let tracker = requests.clone();
    let router = router.layer(from_fn(move |request: Request, next: Next| {
        tracker.track_future(next.run(request))
    }));
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small answers may be late");
        }
        let (router, proxies) = (router.clone(), Arc::clone(&proxies));
        let service =
            service_fn(move |request| router.clone().call(addressed(request, peer, &proxies)));
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let (close, ended) = (async { requests.wait().await }, connections.shutdown());
    requests.close();
    // What is left after the last request is a client that has sent none: it is not waited for.
    tokio::pin!(ended);
    tokio::select! {
        () = &mut ended => {}
        () = close => { let _cut_off = tokio::time::timeout(LAST_WORDS, ended).await; }
    }
}

/// A request that knows which client it comes from.
fn addressed(
    mut request: hyper::Request<Incoming>,
    peer: IpAddr,
    proxies: &Proxies,
) -> hyper::Request<Incoming> {
    let address = proxies.client(peer, request.headers());
    request.extensions_mut().insert(ClientAddress(address));
    request
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    /// Far longer than anything here takes; only a test that fails waits for it.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn start(
        head_timeout: Duration,
    ) -> (TcpStream, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let shutdown = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let serving = tokio::spawn(serve(
            listener,
            router,
            head_timeout,
            Proxies::default(),
            shutdown.clone(),
        ));
        (TcpStream::connect(address).await.unwrap(), shutdown, serving)
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        let _reset = timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap();
        text
    }

    #[tokio::test]
    async fn half_a_head_is_given_up() {
        let (mut stream, ..) = start(Duration::from_millis(200)).await;

        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();

        assert!(!rest(&mut stream).await.contains("hello"));
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_a_half_sent_request() {
        let (mut stream, shutdown, serving) = start(PATIENCE * 2).await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

        shutdown.cancel();

        timeout(PATIENCE, serving).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_whole_request_is_answered() {
        let (mut stream, shutdown, serving) = start(PATIENCE).await;
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

        stream.write_all(request).await.unwrap();

        assert!(rest(&mut stream).await.ends_with("hello"));
        shutdown.cancel();
        timeout(PATIENCE, serving).await.unwrap().unwrap();
    }
}
