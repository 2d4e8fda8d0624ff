//! The router on a port, with a real database, a scripted WhatsApp and a scripted Graph; two tenants and their numbers;
//! and a plain HTTP client.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use ramal_app::{App, LimitOptions, Visitor};
use ramal_domain::{
    ApiToken, Clock as _, CloseReason, Input, KeyId, KeyScope, NodeId, NumberId, Role, SystemClock,
    TenantId, UserId,
};
use ramal_session::Supervisor;
use ramal_store::{MasterKey, NewKey, NewNumber, Reservation, Store, Tenant, User, Vault};
use ramal_web::{Readiness, Web};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::whatsapp::Scripted;

/// Well above what a scripted WhatsApp needs, and short enough to wait for one that is silent.
const QR_DEADLINE: Duration = Duration::from_millis(500);

/// How long a stream may be silent when something is expected of it.
const LISTEN_LIMIT: Duration = Duration::from_secs(20);

/// Messages that may wait to be sent from one number.
pub(crate) const QUEUE_MAX: u32 = 40;
/// Pairing attempts of one phone number before it is refused.
pub(crate) const PAIRING_BURST: u32 = 9;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), ..Self::default() }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// A tenant with one connected number, and their keys.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) tenant: TenantId,
    pub(crate) tenant_key: String,
    pub(crate) number: String,
    pub(crate) number_key: String,
    pub(crate) phone: String,
}

/// Somebody who is signed in to the dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) cookie: String,
    /// Of the forms of their pages.
    pub(crate) token: String,
}

/// The API on a port of its own; it ends with its test.
#[derive(Debug)]
pub(crate) struct Scene {
    _data: tempfile::TempDir,
    _serving: JoinSet<()>,
    app: App,
    address: SocketAddr,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", data.path().join("ramal.db").display());
        let options = ramal_store::Options { url: url.into(), max_connections: 4 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();
        let (clock, wake) = (Arc::new(SystemClock), Arc::new(Notify::new()));
        let sessions = Supervisor::new(
            store.clone(),
            Arc::new(Scripted),
            Arc::clone(&clock) as _,
            ramal_session::Options::default(),
            Arc::clone(&wake),
        );
        let numbers = ramal_app::Options {
            qr_deadline: QR_DEADLINE,
            queue_max: QUEUE_MAX,
            ..ramal_app::Options::default()
        };
        let webhooks = ramal_webhooks::Options::default();
        let limits = LimitOptions { pairing_burst: PAIRING_BURST, ..LimitOptions::default() };
        let app = App::new(store, sessions, clock, numbers, webhooks, wake).with_limits(&limits);
        let mut serving = JoinSet::new();
        let meta = crate::graph::serve(&mut serving).await;
        let app = app.with_public_url("https://wa.acme.com/").with_meta(&meta).unwrap();
        let closing = CancellationToken::new();
        let router = Web::new(app.clone(), Readiness::default(), Arc::new(String::new), closing)
            .router(|routes| routes);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { _data: data, _serving: serving, app, address }
    }

    pub(crate) const fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn store(&self) -> &Store {
        self.app.store()
    }

    pub(crate) async fn account(&self, last: u32) -> Account {
        let now = SystemClock.now();
        let tenant = TenantId::mint();
        let mut tx = self.store().begin().await.unwrap();
        let row = Tenant { id: tenant, name: format!("Tenant {last}"), created_at: now };
        tx.tenants().create(&row).await.unwrap();
        tx.commit().await.unwrap();
        let tenant_key = self.key(tenant, KeyScope::Tenant).await;
        let phone = format!("+551199999{last:04}");
        let number = self.number(tenant, &phone, "{}").await;
        let number_key = self.key(tenant, KeyScope::Number(number)).await;
        Account { tenant, tenant_key, number: number.to_string(), number_key, phone }
    }

    pub(crate) async fn key(&self, tenant: TenantId, scope: KeyScope) -> String {
        let token = ApiToken::mint();
        let key = NewKey { id: KeyId::mint(), tenant, scope, name: "Default", token: &token };
        let mut tx = self.store().begin().await.unwrap();
        tx.keys().create(&key, SystemClock.now()).await.unwrap();
        tx.commit().await.unwrap();
        token.expose().to_owned()
    }

    /// A listed number that is being paired, without a session.
    pub(crate) async fn number(&self, tenant: TenantId, phone: &str, settings: &str) -> NumberId {
        let (id, phone, now) = (NumberId::mint(), phone.parse().unwrap(), SystemClock.now());
        let new = NewNumber {
            id,
            tenant,
            phone: &phone,
            name: "Sales",
            settings,
            provider: ramal_domain::Provider::Web,
        };
        let mut tx = self.store().begin().await.unwrap();
        let reserved = tx.numbers().reserve(&new, NodeId::mint(), now).await.unwrap();
        assert!(matches!(reserved, Reservation::Reserved(_)));
        tx.numbers().publish(id, now).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Says that a number is connected.
    pub(crate) async fn open(&self, id: &str) {
        let id: NumberId = id.parse().unwrap();
        let mut tx = self.store().begin().await.unwrap();
        let number = tx.numbers().get(id).await.unwrap().unwrap();
        tx.numbers().step(id, number.epoch, Input::Opened, SystemClock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Says that the phone's owner has unlinked a number.
    pub(crate) async fn unlink(&self, id: &str) {
        let id: NumberId = id.parse().unwrap();
        let mut tx = self.store().begin().await.unwrap();
        let number = tx.numbers().get(id).await.unwrap().unwrap();
        let unlinked = Input::Revoked(CloseReason::LoggedOut);
        tx.numbers().step(id, number.epoch, unlinked, SystemClock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn webhook(&self, account: &Account) -> String {
        let body = json!({"url": "https://93.184.216.34/hook", "events": []});
        let made = Ask::new("POST", "/v1/webhooks").key(&account.number_key).body(body);
        let answer = self.ask(&made).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn message(&self, account: &Account) -> String {
        let body = json!({"destinationNumber": "+5511988887777", "text": "Hello"});
        let sent = Ask::new("POST", "/v1/messages/send").key(&account.number_key).body(body);
        let answer = self.ask(&sent).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn template(&self, account: &Account, name: &str) -> String {
        let body = json!({"name": name, "text": "Hello {{name}}"});
        let made = Ask::new("POST", "/v1/templates").key(&account.tenant_key).body(body);
        let answer = self.ask(&made).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Signs a person of the tenant in to the dashboard.
    pub(crate) async fn person(&self, account: &Account, role: Role) -> Person {
        let id = UserId::mint();
        let user = User {
            id,
            tenant: account.tenant,
            email: format!("{id}@acme.com").parse().unwrap(),
            role,
            created_at: SystemClock.now(),
            signed_in_at: None,
        };
        let mut tx = self.store().begin().await.unwrap();
        assert!(tx.users().create(&user, &"no password".to_owned().into()).await.unwrap());
        tx.commit().await.unwrap();
        let visitor = Visitor { user_agent: "test".to_owned(), address: None };
        let secret = self.app.let_in(&user, &visitor).await.unwrap();
        Person { cookie: format!("ramal_session={}", secret.expose()), token: secret.form_token() }
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        self.ask_raw(ask, body.as_bytes()).await
    }

    /// Opens a stream of events, which must be given.
    pub(crate) async fn listen(&self, ask: &Ask) -> Listening {
        let stream = self.send(ask, b"").await;
        let mut listening = Listening { stream, raw: Vec::new(), read: 0 };
        let head = listening.until("\r\n\r\n").await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        listening
    }

    pub(crate) async fn ask_raw(&self, ask: &Ask, body: &[u8]) -> Answer {
        let mut stream = self.send(ask, body).await;
        let mut raw = Vec::new();
        // A reset after the answer ends it as well. The stream of all events has no end of its own.
        while !is_begun_feed(&raw) && matches!(stream.read_buf(&mut raw).await, Ok(1..)) {}
        let raw = String::from_utf8_lossy(&raw).into_owned();
        let (head, text) = raw.split_once("\r\n\r\n").expect("an answer with a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Answer { status, head: head.to_ascii_lowercase(), text: text.to_owned() }
    }

    async fn send(&self, ask: &Ask, body: &[u8]) -> TcpStream {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            ask.method,
            ask.path,
            self.address,
            body.len()
        );
        for (name, value) in &ask.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses a large body may stop reading before its end.
        let _refused_early = stream.write_all(body).await;
        stream
    }
}

/// What a stream of events says.
#[derive(Debug)]
pub(crate) struct Listening {
    stream: TcpStream,
    raw: Vec<u8>,
    read: usize,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Listening {
    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        let block = self.until("\n\n").await?;
        let field = |name: &str| {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name));
            lines.collect::<String>()
        };
        Some(Heard { id: field("id: "), name: field("event: "), data: field("data: ") })
    }

    /// What comes up to `end`; what frames the chunks is in it.
    async fn until(&mut self, end: &str) -> Option<String> {
        let deadline = tokio::time::Instant::now() + LISTEN_LIMIT;
        loop {
            let rest = String::from_utf8_lossy(&self.raw[self.read..]).into_owned();
            if let Some((block, _)) = rest.split_once(end) {
                self.read += block.len() + end.len();
                return Some(block.to_owned());
            }
            let more = tokio::time::timeout_at(deadline, self.stream.read_buf(&mut self.raw));
            if more.await.expect("the stream says something in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

/// Whether an answer is a stream of events that has said that it begins, and nothing else yet.
fn is_begun_feed(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    text.contains("event: ready") && text.contains("data: {}\n\n")
}
