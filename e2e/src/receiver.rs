//! A customer's webhook receiver: keeps what it gets, checks signatures, fails when told to.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::{net::TcpListener, task::JoinSet};

use crate::eventually;

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which of the receiver's addresses it was for.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as signed.
    pub body: Bytes,
    /// What it was answered.
    pub answered: u16,
}

impl Delivery {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The event's name.
    pub fn event(&self) -> String {
        self.json()["event"].as_str().expect("an event has a name").to_owned()
    }

    /// The event's data.
    pub fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    /// One header.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}"));
        value.to_str().expect("a header is text")
    }

    /// The event's id: the same at every attempt.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Fails unless both signatures are those of `secret`.
    #[track_caller]
    pub fn verify(&self, secret: &str) {
        let pilot = hex::encode(hmac(secret.as_bytes(), &[&self.body]));
        assert_eq!(self.header("x-pilot-status-signature"), pilot, "the contract's signature");

        let key = secret.strip_prefix("whsec_").map(|key| BASE64.decode(key).expect("base64"));
        let key = key.unwrap_or_else(|| secret.as_bytes().to_vec());
        let (id, at) = (self.id(), self.header("webhook-timestamp"));
        let parts = [id.as_bytes(), b".", at.as_bytes(), b".", &self.body];
        let standard = format!("v1,{}", BASE64.encode(hmac(&key, &parts)));
        assert_eq!(self.header("webhook-signature"), standard, "Standard Webhooks");
    }
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[derive(Debug, Default)]
struct Shared {
    deliveries: Mutex<Vec<Delivery>>,
    status: AtomicU16,
    /// Whether an answer repeats what came.
    repeats: AtomicBool,
    /// How long an address takes to answer, where it is not at once.
    delays: Mutex<HashMap<String, Duration>>,
    /// The events that are being answered, by address and id.
    in_hand: Mutex<HashSet<(String, String)>>,
    overlaps: AtomicUsize,
}

impl Shared {
    fn deliveries(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.deliveries.lock().expect("nobody panicked while holding it")
    }
}

/// A receiver on a free port, with an address for every path.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Serves; ends when dropped.
    _server: JoinSet<()>,
}

impl Receiver {
    /// Starts one that answers 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { status: AtomicU16::new(200), ..Shared::default() });
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, shared, _server: server }
    }

    /// One of its addresses.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What to answer from now on.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Repeats what comes in its answers from now on, as some receivers do.
    pub fn repeat(&self) {
        self.shared.repeats.store(true, Ordering::SeqCst);
    }

    /// How long `/path` takes to answer from now on.
    pub fn answer_after(&self, path: &str, delay: Duration) {
        let mut delays = self.shared.delays.lock().expect("nobody panicked while holding it");
        delays.insert(format!("/{path}"), delay);
    }

    /// How often an event came while an earlier send of it was still being answered.
    pub fn overlaps(&self) -> usize {
        self.shared.overlaps.load(Ordering::SeqCst)
    }

    /// Everything that came to `/path` and was answered with success, in order of arrival.
    pub fn accepted(&self, path: &str) -> Vec<Delivery> {
        let wanted = format!("/{path}");
        let all = self.shared.deliveries();
        all.iter().filter(|one| one.path == wanted && one.answered < 300).cloned().collect()
    }

    /// Everything that came to any of its addresses.
    pub fn everything(&self) -> Vec<Delivery> {
        self.shared.deliveries().clone()
    }

    /// Everything that came to `/path`, answered with whatever.
    pub fn all(&self, path: &str) -> Vec<Delivery> {
        let wanted = format!("/{path}");
        self.shared.deliveries().iter().filter(|one| one.path == wanted).cloned().collect()
    }

    /// The accepted deliveries of one event to `/path`.
    pub fn events(&self, path: &str, event: &str) -> Vec<Delivery> {
        self.accepted(path).into_iter().filter(|one| one.event() == event).collect()
    }

    /// The names of the events that came to `/path`, in order of arrival.
    pub fn names(&self, path: &str) -> Vec<String> {
        self.accepted(path).iter().map(Delivery::event).collect()
    }

    /// Waits for an event whose data satisfy `wanted`.
    pub async fn wait_for(
        &self,
        path: &str,
        event: &str,
        wanted: impl Fn(&Value) -> bool + Send + Sync,
    ) -> Delivery {
        eventually(&format!("{event} at /{path}"), async || {
            self.events(path, event).into_iter().find(|one| wanted(&one.data()))
        })
        .await
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let answered = shared.status.load(Ordering::SeqCst);
    let delivery = Delivery { path: uri.path().to_owned(), headers, body, answered };
    let _in_hand = InHand::take(&shared, (delivery.path.clone(), delivery.id().to_owned()));
    let delay = shared.delays.lock().expect("nobody panicked").get(&delivery.path).copied();
    let repeats = shared.repeats.load(Ordering::SeqCst);
    let answer = if repeats { delivery.body.clone() } else { Bytes::new() };
    shared.deliveries().push(delivery);
    tokio::time::sleep(delay.unwrap_or_default()).await;
    (StatusCode::from_u16(answered).expect("a status"), answer)
}

/// An event that is being answered, until the sender has the answer or hangs up.
struct InHand {
    shared: Arc<Shared>,
    event: (String, String),
}

impl InHand {
    fn take(shared: &Arc<Shared>, event: (String, String)) -> Self {
        let fresh = shared.in_hand.lock().expect("nobody panicked").insert(event.clone());
        if !fresh {
            shared.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        Self { shared: Arc::clone(shared), event }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.shared.in_hand.lock().expect("nobody panicked").remove(&self.event);
    }
}
