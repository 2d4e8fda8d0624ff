//! The router over a real store: rotate, test, redeliver and replay, and who may not.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that cannot set the scene fails its test"
)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body};
use http::{Request, StatusCode};
use ramal_app::App;
use ramal_domain::{
    ApiToken, Clock as _, EventKind, FakeClock, KeyId, KeyScope, NodeId, NumberEvent, NumberId,
    PhoneNumber, TenantId, Timestamp,
};
use ramal_session::{Connection, OpenError, OpenSpec, Provider, Supervisor};
use ramal_store::{
    AttemptRecord, DueDelivery, MasterKey, NewKey, NewNumber, Store, Tenant, Vault, Verdict,
};
use ramal_web::{Readiness, Web};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tower::ServiceExt as _;

/// No test here connects to WhatsApp.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Provider for Nowhere {
    async fn open(&self, _spec: OpenSpec) -> Result<Box<dyn Connection>, OpenError> {
        Err(OpenError::NoSession)
    }
}

/// One tenant with two numbers, another with none, and a webhook of the first number.
struct Scene {
    router: Router,
    store: Store,
    clock: Arc<FakeClock>,
    tenant: TenantId,
    number: NumberId,
    /// Keys: of the tenant, of the webhook's number, of the other number, of the other tenant.
    keys: [String; 4],
    webhook: String,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/ramal.db", folder.path().display());
        let options = ramal_store::Options { url: url.into(), max_connections: 4 };
        let store = Store::open(&options, Vault::new(MasterKey::mint())).await.unwrap();
        let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_780_000_000)));
        let wake = Arc::new(Notify::new());
        let sessions = Supervisor::new(
            store.clone(),
            Arc::new(Nowhere),
            Arc::<FakeClock>::clone(&clock),
            ramal_session::Options::default(),
            Arc::clone(&wake),
        );
        let app = App::new(
            store.clone(),
            sessions,
            Arc::<FakeClock>::clone(&clock),
            ramal_app::Options::default(),
            ramal_webhooks::Options::default(),
            wake,
        );
        let router =
            Web::new(app, Readiness::default(), Arc::new(String::new)).router(|routes| routes);
        let (tenant, other) = (account(&store).await, account(&store).await);
        let (number, sibling) = (line(&store, tenant, 1).await, line(&store, tenant, 2).await);
        let keys = [
            key(&store, tenant, KeyScope::Tenant).await,
            key(&store, tenant, KeyScope::Number(number)).await,
            key(&store, tenant, KeyScope::Number(sibling)).await,
            key(&store, other, KeyScope::Tenant).await,
        ];
        let mut scene = Self {
            router,
            store,
            clock,
            tenant,
            number,
            keys,
            webhook: String::new(),
            _folder: folder,
        };
        let wish = json!({"url": "https://hooks.example.com/", "events": ["*"]});
        let (status, created) = scene.call("POST", "/v1/webhooks", 1, &wish).await;
        assert_eq!(status, StatusCode::CREATED, "{created}");
        created["id"].as_str().unwrap().clone_into(&mut scene.webhook);
        scene
    }

    /// Calls with one of the keys.
    async fn call(
        &self,
        method: &str,
        path: &str,
        key: usize,
        body: &Value,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-api-key", &self.keys[key])
            .body(if body.is_null() { Body::empty() } else { body.to_string().into() })
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Posts to what is below the webhook, with the number's own key.
    async fn post(&self, tail: &str, body: &Value) -> (StatusCode, Value) {
        self.call("POST", &format!("/v1/webhooks/{}/{tail}", self.webhook), 1, body).await
    }

    async fn set_active(&self, active: bool) {
        let path = format!("/v1/webhooks/{}", self.webhook);
        let (status, _) = self.call("PATCH", &path, 0, &json!({"active": active})).await;
        assert_eq!(status, StatusCode::OK);
    }

    async fn happen(&self) {
        let event = NumberEvent {
            tenant: self.tenant,
            number: self.number,
            phone: phone(1),
            display_name: "Sales".to_owned(),
            profile_name: None,
            reason: None,
        }
        .build(EventKind::NumberConnected, self.clock.now());
        let mut tx = self.store.begin().await.unwrap();
        tx.events().record(&event).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn lease(&self) -> Vec<DueDelivery> {
        let mut tx = self.store.begin().await.unwrap();
        let lease = Duration::from_mins(1);
        let due = tx.deliveries().lease_due(self.clock.now(), lease, 9, 9).await.unwrap();
        tx.commit().await.unwrap();
        due
    }

    async fn settle(&self, due: &DueDelivery, verdict: Verdict) {
        let record = AttemptRecord {
            delivery: due.id,
            attempt: due.attempt,
            webhook: due.webhook,
            success: verdict == Verdict::Done,
            status: None,
            response: String::new(),
            duration: Duration::ZERO,
            at: self.clock.now(),
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.deliveries().settle(&[(record, verdict)], Duration::from_hours(120)).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn phone(last: u32) -> PhoneNumber {
    format!("+551199999{last:04}").parse().unwrap()
}

async fn account(store: &Store) -> TenantId {
    let tenant =
        Tenant { id: TenantId::mint(), name: "Acme".to_owned(), created_at: Timestamp::default() };
    let mut tx = store.begin().await.unwrap();
    tx.tenants().create(&tenant).await.unwrap();
    tx.commit().await.unwrap();
    tenant.id
}

async fn line(store: &Store, tenant: TenantId, last: u32) -> NumberId {
    let (id, phone, now) = (NumberId::mint(), phone(last), Timestamp::default());
    let new = NewNumber { id, tenant, phone: &phone, name: "Sales", settings: "{}" };
    let mut tx = store.begin().await.unwrap();
    tx.numbers().reserve(&new, NodeId::mint(), now).await.unwrap();
    tx.numbers().publish(id, now).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

async fn key(store: &Store, tenant: TenantId, scope: KeyScope) -> String {
    let token = ApiToken::mint();
    let key = NewKey { id: KeyId::mint(), tenant, scope, name: "Default", token: &token };
    let mut tx = store.begin().await.unwrap();
    tx.keys().create(&key, Timestamp::default()).await.unwrap();
    tx.commit().await.unwrap();
    token.expose().to_owned()
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn nobody_else_s_key_reaches_a_webhook_s_tools() {
    let scene = Scene::new().await;
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let tails = [
        ("rotate-secret", Value::Null),
        ("test", Value::Null),
        ("logs/dlv_01h455vb4pex5vsknk084sn02q/redeliver", Value::Null),
        ("replay", since),
    ];

    for (tail, body) in tails {
        let path = format!("/v1/webhooks/{}/{tail}", scene.webhook);
        for stranger in [2, 3] {
            let answer = scene.call("POST", &path, stranger, &body).await;
            assert_eq!(code(&answer), (404, "WEBHOOK_NOT_FOUND"), "{tail}");
        }
        let request = Request::post(&path).body(Body::from(body.to_string())).unwrap();
        let answer = scene.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{tail}");
    }
    assert!(scene.lease().await.is_empty(), "and nothing was sent");
}

#[tokio::test]
async fn a_rotated_secret_is_told_once_and_the_old_one_lasts_a_day() {
    let scene = Scene::new().await;

    let (status, rotated) = scene.post("rotate-secret", &Value::Null).await;

    assert_eq!(status, StatusCode::OK);
    let secret = rotated["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(rotated["previousSecretValidUntil"], "2026-05-29T20:26:40.000Z");
    scene.happen().await;
    let due = scene.lease().await.remove(0);
    assert_eq!(due.secret.expose(), secret);
    assert!(due.old_secret.is_some());
    let path = format!("/v1/webhooks/{}", scene.webhook);
    let (_, shown) = scene.call("GET", &path, 0, &Value::Null).await;
    assert!(!shown.to_string().contains("whsec_"), "{shown}");
}

#[tokio::test]
async fn a_test_event_goes_through_the_outbox() {
    let scene = Scene::new().await;

    let (status, sent) = scene.post("test", &Value::Null).await;

    assert_eq!(status, StatusCode::ACCEPTED);
    let due = scene.lease().await.remove(0);
    assert_eq!(sent["deliveryId"], due.id.to_string());
    assert_eq!(sent["eventId"], due.event.to_string());
    let body: Value = serde_json::from_str(&due.body).unwrap();
    assert_eq!(body["event"], "webhook.test");
    assert_eq!(body["data"]["webhookId"], scene.webhook.as_str());
    scene.set_active(false).await;
    assert_eq!(code(&scene.post("test", &Value::Null).await), (409, "WEBHOOK_INACTIVE"));
}

#[tokio::test]
async fn a_delivery_is_sent_again_by_its_id_or_its_line_in_the_log() {
    let scene = Scene::new().await;
    scene.happen().await;
    let due = scene.lease().await.remove(0);
    let again = format!("logs/{}/redeliver", due.id);
    assert_eq!(code(&scene.post(&again, &Value::Null).await), (409, "DELIVERY_PENDING"));
    scene.settle(&due, Verdict::Done).await;
    let path = format!("/v1/webhooks/{}/logs", scene.webhook);
    let (_, log) = scene.call("GET", &path, 1, &Value::Null).await;
    assert_eq!(log[0]["deliveryId"], due.id.to_string());
    assert_eq!(log[0]["note"], Value::Null);

    let tail = format!("logs/{}/redeliver", log[0]["id"].as_str().unwrap());
    let (status, answer) = scene.post(&tail, &Value::Null).await;

    assert_eq!((status, &answer["deliveryId"]), (StatusCode::ACCEPTED, &log[0]["deliveryId"]));
    let redelivered = scene.lease().await.remove(0);
    assert_eq!((redelivered.event, redelivered.attempt), (due.event, 2));
    for unknown in ["dlv_01h455vb4pex5vsknk084sn02q", "nonsense"] {
        let tail = format!("logs/{unknown}/redeliver");
        assert_eq!(code(&scene.post(&tail, &Value::Null).await), (404, "DELIVERY_NOT_FOUND"));
    }
}

#[tokio::test]
async fn what_was_missed_is_replayed() {
    let scene = Scene::new().await;
    let replay = json!({"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"});
    scene.set_active(false).await;
    scene.happen().await;
    assert_eq!(code(&scene.post("replay", &replay).await), (409, "WEBHOOK_INACTIVE"));
    scene.set_active(true).await;
    assert!(scene.lease().await.is_empty());

    let (status, answer) = scene.post("replay", &replay).await;

    assert_eq!((status, answer), (StatusCode::ACCEPTED, json!({"replayed": 1, "more": false})));
    assert_eq!(scene.lease().await.len(), 1);
    let (_, answer) = scene.post("replay", &replay).await;
    assert_eq!(answer["replayed"], 0, "it is on its way");
}

#[tokio::test]
async fn a_replay_says_what_is_wrong_with_it() {
    let scene = Scene::new().await;
    for body in [
        json!({}),
        json!({"since": 5}),
        json!({"since": "yesterday"}),
        json!({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        json!({"since": "2026-01-01T00:00:00Z", "until": "soon"}),
        json!({"since": "2026-01-01T00:00:00Z", "events": ["number.exploded"]}),
        json!([]),
        Value::Null,
    ] {
        assert_eq!(code(&scene.post("replay", &body).await), (400, "VALIDATION_ERROR"), "{body}");
    }
}
