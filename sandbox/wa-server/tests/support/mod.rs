//! A server, virtual phones and whatsapp-rust clients, and waiting with deadlines.

mod media;

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tower::ServiceExt as _;
use wa_server::{Options, PhoneNumber, QrSource, WaServer};
use whatsapp_rust::{
    pair_code::PairCodeOptions,
    prelude::*,
    transport::TokioWebSocketTransportFactory,
    wacore::store::{InMemoryBackend, traits::Backend},
};

/// Generous: other builds may share the machine.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Any version will do, but without one the client asks the real web site.
const VERSION: (u32, u32, u32) = (2, 3000, 1_035_194_821);
const EVENTS: usize = 1_024;
const BODY_LIMIT: usize = 1 << 20;

pub use media::MediaClient;

pub async fn server() -> WaServer {
    WaServer::start(Options::default()).await.unwrap()
}

pub fn number(digits: &str) -> PhoneNumber {
    PhoneNumber::parse(digits).unwrap()
}

pub fn text(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

pub fn jid(number: &PhoneNumber) -> Jid {
    Jid::pn(number.digits())
}

/// Waits until a condition holds; never a fixed time.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, condition: impl Fn() -> F) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(POLL).await;
    }
}

/// The first message of a phone's log with this text.
pub async fn logged(server: &WaServer, phone: &PhoneNumber, text: &str) -> wa_server::Message {
    until(text, || async {
        server.messages(phone).into_iter().find(|message| message.text == text)
    })
    .await
}

/// `POST` to the control API, which must answer 201.
pub async fn created(server: &WaServer, path: &str, body: Value) -> Value {
    let (status, answer) = control(server, "POST", path, Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer
}

/// `POST` to the control API, which must answer 200.
pub async fn done(server: &WaServer, path: &str, body: Value) -> Value {
    let (status, answer) = control(server, "POST", path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// The first message of a phone's log, as JSON, for which something holds.
pub async fn seen(
    server: &WaServer,
    phone: &PhoneNumber,
    what: &str,
    wanted: impl Fn(&Value) -> bool + Send + Sync,
) -> Value {
    let path = format!("/phones/{}/messages", phone.digits());
    until(what, || async {
        let (_, all) = control(server, "GET", &path, None).await;
        all.as_array().unwrap().iter().find(|message| wanted(message)).cloned()
    })
    .await
}

/// The bytes of an attachment as a phone has it.
pub async fn attachment(server: &WaServer, phone: &PhoneNumber, id: &str) -> Vec<u8> {
    let path = format!("/phones/{}/messages/{id}/media", phone.digits());
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = server.control().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

/// One request to the control API: status and JSON.
pub async fn control(
    server: &WaServer,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = match body {
        Some(body) => {
            request.header("content-type", "application/json").body(Body::from(body.to_string()))
        }
        None => request.body(Body::empty()),
    };
    let response = server.control().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// A whatsapp-rust client and the events that it has emitted.
pub struct Phone {
    pub client: Arc<Client>,
    pub handle: BotHandle,
    /// What it asks the media host.
    pub http: MediaClient,
    events: mpsc::Receiver<Arc<Event>>,
}

impl Phone {
    pub async fn start(server: &WaServer) -> Self {
        Self::with(server, Arc::new(InMemoryBackend::new()), None).await
    }

    pub async fn with(
        server: &WaServer,
        store: Arc<dyn Backend>,
        code_for: Option<&PhoneNumber>,
    ) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let http = MediaClient::new(server);
        let mut builder = Bot::builder()
            .with_backend_arc(store)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(server.ws_url()))
            .with_http_client(http.clone())
            .with_runtime(TokioRuntime)
            .with_version(VERSION)
            .with_event_delivery(EventDelivery::Ordered { capacity: EVENTS })
            .on_event(move |event, _| {
                // A test that no longer listens has got what it wanted.
                drop(sender.try_send(event));
                async {}
            });
        if let Some(number) = code_for {
            builder = builder.with_pair_code(PairCodeOptions {
                phone_number: number.digits().to_owned(),
                ..Default::default()
            });
        }
        let bot = builder.build().await.unwrap();
        Self { client: bot.client(), handle: bot.spawn(), http, events }
    }

    /// Starts a client and links it to a phone by QR text.
    pub async fn linked(server: &WaServer, number: &PhoneNumber) -> Self {
        let mut phone = Self::start(server).await;
        let code = phone.qr().await;
        server.scan(number, QrSource::Text(code)).await.unwrap();
        phone.connected().await;
        phone
    }

    pub async fn event<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            let event = timeout_at(deadline, self.events.recv())
                .await
                .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
                .unwrap_or_else(|| panic!("the client ended while waiting for {what}"));
            if let Some(value) = wanted(&event) {
                return value;
            }
        }
    }

    /// Waits until the client has given up for good.
    pub async fn ended(&mut self) {
        tokio::time::timeout(LIMIT, &mut self.handle).await.unwrap();
    }

    pub async fn qr(&mut self) -> String {
        self.event("a QR code", |event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    pub async fn code(&mut self) -> String {
        self.event("a pairing code", |event| match event {
            Event::PairingCode(code) => Some(code.code.clone()),
            _ => None,
        })
        .await
    }

    pub async fn connected(&mut self) {
        self.event("connected", |event| matches!(event, Event::Connected(_)).then_some(())).await;
    }

    pub async fn logged_out(&mut self) {
        self.event("logged out", |event| matches!(event, Event::LoggedOut(_)).then_some(())).await;
    }

    pub async fn disconnected(&mut self) {
        self.event("disconnected", |event| matches!(event, Event::Disconnected(_)).then_some(()))
            .await;
    }

    /// Waits for a text; fails should one of `unwanted` come before it.
    pub async fn text_without(&mut self, wanted: &str, unwanted: &str) -> Arc<MessageInfo> {
        self.event(wanted, |event| {
            let Event::Messages(batch) = event else { return None };
            let with_text = |text: &str| {
                batch.iter().find(|message| message.message.text_content() == Some(text))
            };
            assert!(with_text(unwanted).is_none(), "unexpected text {unwanted:?}");
            with_text(wanted).map(|message| Arc::clone(&message.info))
        })
        .await
    }

    /// Waits for a message that says what is wanted.
    pub async fn message<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&wa::Message, &MessageInfo) -> Option<T> + Send + Sync,
    ) -> T {
        self.event(what, |event| {
            let Event::Messages(batch) = event else { return None };
            batch.iter().find_map(|message| wanted(&message.message, &message.info))
        })
        .await
    }

    pub async fn text(&mut self, wanted: &str) -> Arc<MessageInfo> {
        self.text_without(wanted, "\0").await
    }

    pub async fn receipt(&mut self, id: &str, kind: &str) {
        self.event(kind, |event| {
            let Event::Receipt(receipt) = event else { return None };
            let matches = receipt.message_ids.iter().any(|known| *known == id)
                && format!("{:?}", receipt.r#type).contains(kind);
            matches.then_some(())
        })
        .await;
    }
}
