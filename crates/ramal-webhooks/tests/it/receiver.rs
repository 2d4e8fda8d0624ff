//! A customer's endpoint: an HTTP server that hands over what it received and answers as told.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response},
    routing::post,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// More than any test sends.
const QUEUE: usize = 64;

/// One request.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// The display name, by which tests tell events apart.
    pub(crate) fn name(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body.pointer("/data/displayName").unwrap().as_str().unwrap().to_owned()
    }
}

#[derive(Clone)]
struct Script {
    received: mpsc::Sender<Received>,
    /// One answer per request, in order of arrival.
    answers: Arc<Mutex<mpsc::Receiver<Response<Body>>>>,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::Receiver<Received>,
    answers: mpsc::Sender<Response<Body>>,
    _server: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=hush", listener.local_addr().unwrap());
        let (hand_over, received) = mpsc::channel(QUEUE);
        let (answers, script) = mpsc::channel(QUEUE);
        let script = Script { received: hand_over, answers: Arc::new(Mutex::new(script)) };
        let router = Router::new().route("/hook", post(receive)).with_state(script);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, answers, _server: server }
    }

    /// The next request; it waits for its answer.
    pub(crate) async fn next(&mut self) -> Received {
        timeout(PATIENCE, self.received.recv()).await.unwrap().unwrap()
    }

    /// Whether a request has come that nobody has looked at.
    pub(crate) fn is_idle(&self) -> bool {
        self.received.is_empty()
    }

    /// Answers the oldest request without an answer, or the next one.
    pub(crate) async fn answer(&self, status: u16) {
        self.respond(Response::builder().status(status).body("ok".into()).unwrap()).await;
    }

    pub(crate) async fn respond(&self, response: Response<Body>) {
        self.answers.send(response).await.unwrap();
    }
}

async fn receive(State(script): State<Script>, headers: HeaderMap, body: String) -> Response<Body> {
    script.received.send(Received { headers, body }).await.unwrap();
    script.answers.lock().await.recv().await.unwrap()
}
