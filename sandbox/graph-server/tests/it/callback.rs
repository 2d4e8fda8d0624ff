//! A callback that keeps what it gets.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::task::JoinHandle;

pub(crate) const VERIFY_TOKEN: &str = "a verify token & more";

/// Lower-case hexadecimal HMAC-SHA256.
pub(crate) fn hmac_hex(key: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length");
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// One webhook as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) body: Bytes,
    pub(crate) signature: Option<String>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("webhooks are JSON")
    }

    /// The changes of all entries.
    pub(crate) fn changes(&self) -> Vec<Value> {
        let json = self.json();
        let entries = json["entry"].as_array().expect("entries").iter();
        entries.flat_map(|entry| entry["changes"].as_array().expect("changes").clone()).collect()
    }

    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        self.signature == Some(format!("sha256={}", hmac_hex(secret, &self.body)))
    }
}

#[derive(Default)]
struct Kept {
    got: Vec<Got>,
    /// How many tries are answered with 503 first.
    refusals: u32,
    queries: Vec<String>,
}

/// A running callback. Dropping it stops it.
pub(crate) struct Callback {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
    running: JoinHandle<()>,
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Callback {
    #[expect(clippy::disallowed_methods, reason = "the task ends with the callback")]
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?x=1", listener.local_addr().expect("an address"));
        let kept = Arc::<Mutex<Kept>>::default();
        let app = Router::new()
            .route("/hook", axum::routing::get(verify).post(take))
            .with_state(Arc::clone(&kept));
        let running =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, kept, running }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn refuse(&self, times: u32) {
        self.kept().refusals = times;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.kept().got.clone()
    }

    /// The queries of the verifications.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.kept().queries.clone()
    }

    /// Waits for so many webhooks.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Got> {
        super::world::until("webhooks", || {
            let got = self.got();
            (got.len() >= count).then_some(got)
        })
        .await
    }

    /// Waits for so many changes, whatever webhooks they come in.
    pub(crate) async fn changes(&self, count: usize) -> Vec<Value> {
        super::world::until("changes", || {
            let changes: Vec<Value> = self.got().iter().flat_map(Got::changes).collect();
            (changes.len() >= count).then_some(changes)
        })
        .await
    }
}

async fn verify(
    State(kept): State<Arc<Mutex<Kept>>>,
    axum::extract::RawQuery(raw): axum::extract::RawQuery,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Response {
    let raw = raw.unwrap_or_default();
    kept.lock().unwrap_or_else(PoisonError::into_inner).queries.push(raw);
    let param = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if param("hub.mode") == "subscribe" && param("hub.verify_token") == VERIFY_TOKEN {
        param("hub.challenge").to_owned().into_response()
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.refusals > 0 {
        kept.refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = headers.get("x-hub-signature-256").and_then(|it| it.to_str().ok());
    let signature = signature.map(str::to_owned);
    kept.got.push(Got { body, signature });
    StatusCode::OK
}
