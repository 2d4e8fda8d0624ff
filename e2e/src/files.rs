//! Files of a customer, on a server of the customer's.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinSet};

/// What lies at an address.
#[derive(Clone, Debug)]
struct File {
    mime: String,
    bytes: Bytes,
}

#[derive(Debug, Default)]
struct Shared {
    files: Mutex<HashMap<String, File>>,
    asked: AtomicUsize,
}

/// A server of files on a free port.
#[derive(Debug)]
pub struct Files {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Serves; ends when dropped.
    _server: JoinSet<()>,
}

impl Files {
    /// Starts one that has nothing.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, shared, _server: server }
    }

    /// Where something of this name would lie.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Puts a file there; returns its address.
    pub fn put(&self, name: &str, mime: &str, bytes: impl Into<Bytes>) -> String {
        let file = File { mime: mime.to_owned(), bytes: bytes.into() };
        let mut files = self.shared.files.lock().expect("nobody panicked while holding it");
        files.insert(format!("/{name}"), file);
        self.url(name)
    }

    /// How often it was asked for anything.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let found = shared.files.lock().expect("nobody panicked").get(uri.path()).cloned();
    let Some(File { mime, bytes }) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, mime.parse().expect("a media type"));
    (headers, bytes).into_response()
}

/// Bytes that no other length and seed has.
pub fn made_up(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The SHA-256 of bytes, as phones show it.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
