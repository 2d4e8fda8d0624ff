//! Every error code that the server can answer, produced through HTTP.

use std::collections::BTreeSet;

use ramal_app::IdempotencyKey;
use serde_json::json;

use crate::{
    graph::{self, DEAF, GOOD, REFUSED, REVOKED, TEMPLATE, UNSCOPED, UNVERIFIED, WRONG_PIN},
    scene::{Account, Answer, Ask, PAIRING_BURST, QUEUE_MAX, Scene},
    whatsapp::{BAD, CHALLENGE, SILENT, UNREACHABLE},
};

/// Codes that are produced with their status.
type Seen = BTreeSet<String>;

fn note(seen: &mut Seen, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text);
    assert!(answer.json()["error"].as_str().is_some_and(|sentence| !sentence.is_empty()));
    seen.insert(code.to_owned());
}

fn send(account: &Account, text: &str) -> Ask {
    Ask::new("POST", "/v1/messages/send")
        .key(&account.number_key)
        .body(json!({"destinationNumber": "+5511988887777", "text": text}))
}

fn create(account: &Account, phone: &str) -> Ask {
    Ask::new("POST", "/v1/numbers")
        .key(&account.tenant_key)
        .body(json!({"name": "Sales", "number": phone}))
}

#[tokio::test]
async fn every_code_is_produced() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    scene.open(&ours.number).await;
    let mut seen = Seen::new();

    wrong_requests(&scene, &ours, &mut seen).await;
    wrong_keys(&scene, &ours, &mut seen).await;
    missing_things(&scene, &ours, &mut seen).await;
    deliveries(&scene, &ours, &mut seen).await;
    limits(&scene, &ours, &mut seen).await;
    full_queue(&scene, &mut seen).await;
    idempotency(&scene, &ours, &mut seen).await;
    broken_rows(&scene, &ours, &mut seen).await;
    passkeys(&scene, &ours, &mut seen).await;
    credentials(&scene, &ours, &mut seen).await;
    official(&scene, &ours, &mut seen).await;
    signups(&scene, &ours, &mut seen).await;
    states(&scene, &ours, &mut seen).await;
    templates(&scene, &ours, &mut seen).await;
    busy(&scene, &ours, &mut seen).await;

    let mut all: Seen = ramal_app::Refusal::codes().into_iter().map(str::to_owned).collect();
    all.extend(
        [
            "BUSY",
            "INTERNAL",
            "NOT_FOUND",
            "METHOD_NOT_ALLOWED",
            "BODY_TOO_LARGE",
            "BROWSER_NOT_ALLOWED",
        ]
        .map(str::to_owned),
    );
    assert_eq!(seen, all);
}

async fn wrong_requests(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let from_tomorrow = "/v1/messages?startDate=2026-01-02T00:00:00Z&endDate=2026-01-01T00:00:00Z";
    let ask = Ask::new("GET", from_tomorrow).key(&ours.number_key);
    note(seen, &scene.ask(&ask).await, 400, "INVALID_DATE_RANGE");
    let tenant = &ours.tenant_key;
    let post = |path: &str| Ask::new("POST", path).key(tenant);

    let answer = scene.ask(&post("/v1/numbers").body(json!({"name": "x"}))).await;
    note(seen, &answer, 400, "VALIDATION_ERROR");
    let dual = post(&format!("/v1/numbers/{}/upgrade-to-dual", ours.number));
    note(seen, &scene.ask(&dual).await, 400, "FEATURE_NOT_SUPPORTED");
    let webhook = scene.webhook(ours).await;
    let patch = Ask::new("PATCH", format!("/v1/webhooks/{webhook}")).key(tenant).body(json!({}));
    note(seen, &scene.ask(&patch).await, 400, "EMPTY_PATCH");
    let hook = json!({"url": "https://93.184.216.34/", "whatsappNumberId": "wa_another"});
    let without = json!({"url": "https://93.184.216.34/"});
    let answer = scene.ask(&post("/v1/webhooks").body(without)).await;
    note(seen, &answer, 400, "NUMBER_REQUIRED");
    let mismatch = Ask::new("POST", "/v1/webhooks").key(&ours.number_key).body(hook);
    note(seen, &scene.ask(&mismatch).await, 400, "NUMBER_MISMATCH");
    let large = vec![b' '; 3 * 1024 * 1024];
    let answer = scene.ask_raw(&post("/v1/numbers"), &large).await;
    note(seen, &answer, 413, "BODY_TOO_LARGE");
    let answer = scene.ask(&Ask::new("PUT", "/v1/numbers").key(tenant)).await;
    note(seen, &answer, 405, "METHOD_NOT_ALLOWED");
}

async fn wrong_keys(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let page = Ask::new("GET", "/v1/numbers").key(&ours.tenant_key);
    let answer = scene.ask(&page.header("origin", "https://shop.example")).await;
    note(seen, &answer, 403, "BROWSER_NOT_ALLOWED");
    let closed = scene.number(ours.tenant, "+5511999990222", "{}").await;
    let check = Ask::new("POST", "/v1/numbers/check").key(&ours.tenant_key);
    let check = check.header("x-whatsapp-number-id", &closed.to_string());
    let answer = scene.ask(&check.body(json!({"number": "+5511988887777"}))).await;
    note(seen, &answer, 409, "WHATSAPP_INSTANCE_NOT_CONNECTED");
    note(seen, &scene.ask(&Ask::new("GET", "/v1/numbers")).await, 401, "UNAUTHORIZED");
    let tenant = Ask::new("GET", "/v1/messages/msg_none").key(&ours.tenant_key);
    note(seen, &scene.ask(&tenant).await, 403, "TENANT_SCOPE_NOT_ALLOWED");
    let purge = Ask::new("DELETE", format!("/v1/numbers/{}/purge", ours.number));
    let answer = scene.ask(&purge.key(&ours.number_key)).await;
    note(seen, &answer, 403, "NUMBER_SCOPE_NOT_ALLOWED");
}

async fn deliveries(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let webhook = scene.webhook(ours).await;
    let post = |tail: &str| {
        Ask::new("POST", format!("/v1/webhooks/{webhook}/{tail}")).key(&ours.number_key)
    };
    let answer = scene.ask(&post("logs/dlv_none/redeliver")).await;
    note(seen, &answer, 404, "DELIVERY_NOT_FOUND");
    let test = scene.ask(&post("test")).await.json();
    let delivery = test["deliveryId"].as_str().unwrap();
    let answer = scene.ask(&post(&format!("logs/{delivery}/redeliver"))).await;
    note(seen, &answer, 409, "DELIVERY_PENDING");
    let path = format!("/v1/webhooks/{webhook}");
    let pause = Ask::new("PATCH", path).key(&ours.number_key).body(json!({"active": false}));
    assert_eq!(scene.ask(&pause).await.status, 200);
    note(seen, &scene.ask(&post("test")).await, 409, "WEBHOOK_INACTIVE");
}

async fn limits(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let number = scene.number(ours.tenant, "+5511999990333", "{}").await;
    let connect = Ask::new("GET", format!("/v1/numbers/{number}/connect")).key(&ours.tenant_key);
    for _ in 0..PAIRING_BURST {
        assert_eq!(scene.ask(&connect).await.status, 200);
    }
    let answer = scene.ask(&connect).await;
    note(seen, &answer, 429, "RATE_LIMITED");
    let seconds = answer.json()["retryAfterSeconds"].as_u64().unwrap();
    assert!(answer.head.contains(&format!("retry-after: {seconds}")), "{}", answer.head);
}

async fn full_queue(scene: &Scene, seen: &mut Seen) {
    let closed = scene.account(7).await;
    for _ in 0..QUEUE_MAX {
        assert_eq!(scene.ask(&send(&closed, "wait")).await.status, 202);
    }
    let answer = scene.ask(&send(&closed, "too many")).await;
    note(seen, &answer, 429, "QUEUE_FULL");
    assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
}

async fn missing_things(scene: &Scene, ours: &Account, seen: &mut Seen) {
    for (path, code) in [
        ("/v1/numbers/wa_none", "NUMBER_NOT_FOUND"),
        ("/v1/webhooks/wh_none", "WEBHOOK_NOT_FOUND"),
        ("/v1/messages/msg_none", "MESSAGE_NOT_FOUND"),
        ("/v1/nothing", "NOT_FOUND"),
        ("/v1/remote-pairing/no-token", "REMOTE_PAIRING_INVALID"),
    ] {
        let answer = scene.ask(&Ask::new("GET", path).key(&ours.number_key)).await;
        note(seen, &answer, 404, code);
    }
    let stream = Ask::new("GET", "/v1/events/stream").key(&ours.number_key);
    let stream = stream.header("last-event-id", "evt_01kdhz4q6yf5svj7g2m9n3t8xw");
    note(seen, &scene.ask(&stream).await, 404, "EVENT_NOT_FOUND");
    let revoke = Ask::new("DELETE", "/v1/remote-pairing-links/lnk_none").key(&ours.tenant_key);
    note(seen, &scene.ask(&revoke).await, 404, "PAIRING_LINK_NOT_FOUND");
    let status = Ask::new("GET", "/v1/numbers/wa_none/status").key(&ours.number_key);
    let answer = scene.ask(&status).await;
    assert_eq!((answer.status, answer.json().get("code")), (404, None), "contract C.4");
}

async fn idempotency(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let with = |text: &str, key: &str| send(ours, text).header("idempotency-key", key);

    let answer = scene.ask(&with("a", &"k".repeat(256))).await;
    note(seen, &answer, 400, "IDEMPOTENCY_KEY_INVALID");
    assert_eq!(scene.ask(&with("a", "order-1")).await.status, 202);
    let answer = scene.ask(&with("b", "order-1")).await;
    note(seen, &answer, 409, "IDEMPOTENCY_KEY_REUSED");
    // Somebody else is at it: claimed, and not settled yet.
    let body = json!({"destinationNumber": "+5511988887777", "text": "c"}).to_string();
    let app = scene.app();
    let caller = app.authenticate(&ours.number_key).await.unwrap();
    let key = IdempotencyKey::parse("order-2").unwrap();
    let operation = format!("messages.send/{}", ours.number);
    app.attempt(&caller, &operation, &key, body.as_bytes()).await.unwrap();
    let answer = scene.ask(&with("c", "order-2")).await;
    note(seen, &answer, 409, "IDEMPOTENCY_KEY_IN_USE");
}

async fn broken_rows(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let broken = scene.number(ours.tenant, "+5511999990777", "not JSON").await;
    let detail = Ask::new("GET", format!("/v1/numbers/{broken}")).key(&ours.tenant_key);
    note(seen, &scene.ask(&detail).await, 500, "INTERNAL");
}

async fn passkeys(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let number = crate::passkey::gated(scene, ours).await;
    let refused = crate::passkey::assertion(BAD, CHALLENGE);
    let ask = crate::passkey::answer(ours, number, refused);
    note(seen, &scene.ask(&ask).await, 409, "PASSKEY_REFUSED");
    scene.app().sessions().stop(number).await;
    note(seen, &scene.ask(&ask).await, 409, "PASSKEY_NOT_REQUESTED");
    let path = format!("/v1/numbers/{number}/pairing/wrong-phone");
    let use_it = Ask::new("POST", path).key(&ours.tenant_key).body(json!({"use": true}));
    note(seen, &scene.ask(&use_it).await, 409, "WRONG_PHONE_NOT_ASKED");
    let (_, helper) = crate::remote_pairing::helper(scene, ours, "+5511999990666").await;
    let connect = Ask::new("POST", format!("/v1/remote-pairing/{helper}/connect"));
    note(seen, &scene.ask(&connect).await, 403, "HELPER_NOT_ALLOWED");
}

/// Each way in which Meta does not take what a caller says of a number.
async fn credentials(scene: &Scene, ours: &Account, seen: &mut Seen) {
    for (token, code) in [
        (REVOKED, "META_CREDENTIALS_INVALID"),
        (UNSCOPED, "META_PERMISSION_MISSING"),
        (WRONG_PIN, "META_PIN_MISMATCH"),
        (UNVERIFIED, "META_NUMBER_NOT_VERIFIED"),
        (REFUSED, "META_REFUSED"),
    ] {
        let answer = scene.ask(&graph::create(ours, "+5511999991001", token)).await;
        note(seen, &answer, 400, code);
    }
    let migrate = |phone: &str, token: &str| {
        let mut body = graph::credentials(phone, token);
        body["to"] = "META".into();
        let path = format!("/v1/numbers/{}/migrate", ours.number);
        Ask::new("POST", path).key(&ours.tenant_key).body(body)
    };
    let answer = scene.ask(&migrate(&ours.phone, DEAF)).await;
    note(seen, &answer, 400, "META_CALLBACK_UNREACHABLE");
    let answer = scene.ask(&migrate("+5511999991002", GOOD)).await;
    note(seen, &answer, 400, "META_NUMBER_MISMATCH");
}

async fn official(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let phone = "+5511999991003";
    let created = scene.ask(&graph::create(ours, phone, GOOD)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let number = created.json()["numberId"].as_str().unwrap().to_owned();
    let mut body = graph::credentials(phone, GOOD);
    body["to"] = "META".into();
    let migrate = Ask::new("POST", format!("/v1/numbers/{number}/migrate"));
    let answer = scene.ask(&migrate.key(&ours.tenant_key).body(body)).await;
    note(seen, &answer, 409, "NUMBER_ALREADY_OFFICIAL");
    let send = |extra: (&str, serde_json::Value)| {
        let mut body = json!({"destinationNumber": "+5511988887777"});
        if extra.0 == "groupId" {
            body = json!({"text": "Hello"});
        }
        body[extra.0] = extra.1;
        let ask = Ask::new("POST", "/v1/messages/send").key(&ours.tenant_key).body(body);
        ask.header("x-whatsapp-number-id", &number)
    };
    let answer = scene.ask(&send(("groupId", json!("1@g.us")))).await;
    note(seen, &answer, 400, "NOT_SUPPORTED_FOR_META");
    let answer = scene.ask(&send(("templateId", json!("nothing")))).await;
    note(seen, &answer, 404, "TEMPLATE_NOT_FOUND");
    let answer = scene.ask(&send(("templateId", json!(TEMPLATE)))).await;
    note(seen, &answer, 400, "MISSING_TEMPLATE_VARIABLES");
    let callback = format!("/webhooks/meta/{number}");
    let answer = scene.ask(&Ask::new("POST", &callback).body(json!({}))).await;
    note(seen, &answer, 401, "META_SIGNATURE_INVALID");
    let query = "hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong";
    let answer = scene.ask(&Ask::new("GET", format!("{callback}?{query}"))).await;
    note(seen, &answer, 403, "META_VERIFY_TOKEN_INVALID");
    note(seen, &scene.ask(&Ask::new("GET", "/media/none")).await, 404, "MEDIA_NOT_FOUND");
}

async fn signups(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let link = |flow: &str| {
        let body = json!({"provider": "META", "metaFlow": flow});
        Ask::new("POST", "/v1/numbers/remote-pairing").key(&ours.tenant_key).body(body)
    };
    // This server's operator has no app.
    let answer = scene.ask(&link("embedded")).await;
    note(seen, &answer, 503, "PROVIDER_NOT_CONFIGURED");
    let made = scene.ask(&link("credentials")).await.json();
    let token = made["remotePairingToken"].as_str().unwrap();
    let mut body = graph::credentials("+5511999991004", GOOD);
    body["number"] = "+5511999991004".into();
    body["state"] = "not started".into();
    let path = format!("/v1/remote-pairing/{token}/meta/credentials");
    let answer = scene.ask(&Ask::new("POST", path).body(body)).await;
    note(seen, &answer, 409, "META_SIGNUP_STATE_INVALID");
}

async fn states(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let answer = scene.ask(&create(ours, &ours.phone)).await;
    note(seen, &answer, 409, "NUMBER_ALREADY_ACTIVE");
    let connect = Ask::new("GET", format!("/v1/numbers/{}/connect", ours.number));
    let answer = scene.ask(&connect.key(&ours.tenant_key)).await;
    note(seen, &answer, 409, "NUMBER_ALREADY_CONNECTED");
    let answer = scene.ask(&create(ours, UNREACHABLE)).await;
    note(seen, &answer, 503, "UPSTREAM_ERROR");
    let answer = scene.ask(&create(ours, SILENT)).await;
    note(seen, &answer, 503, "UPSTREAM_TIMEOUT");
    let removed = scene.number(ours.tenant, "+5511999990999", "{}").await;
    let remove = Ask::new("DELETE", format!("/v1/numbers/{removed}")).key(&ours.tenant_key);
    assert_eq!(scene.ask(&remove).await.status, 200);
    let answer = scene.ask(&create(ours, "+5511999990999")).await;
    note(seen, &answer, 409, "NUMBER_SOFT_DELETED");
}

async fn templates(scene: &Scene, ours: &Account, seen: &mut Seen) {
    scene.template(ours, "welcome").await;
    let again = Ask::new("POST", "/v1/templates").key(&ours.tenant_key);
    let answer = scene.ask(&again.body(json!({"name": "welcome", "text": "Hi"}))).await;
    note(seen, &answer, 409, "TEMPLATE_NAME_TAKEN");
    let unknown = Ask::new("GET", "/v1/templates/unknown").key(&ours.number_key);
    note(seen, &scene.ask(&unknown).await, 404, "TEMPLATE_NOT_FOUND");
    let body = json!({"destinationNumber": "+5511988887777", "templateId": "welcome"});
    let send = Ask::new("POST", "/v1/messages/send").key(&ours.number_key).body(body);
    note(seen, &scene.ask(&send).await, 400, "MISSING_TEMPLATE_VARIABLES");
}

/// The database's one writer does not finish, for longer than anybody waits.
async fn busy(scene: &Scene, ours: &Account, seen: &mut Seen) {
    let writer = scene.store().begin().await.unwrap();
    note(seen, &scene.ask(&send(ours, "x")).await, 503, "BUSY");
    drop(writer);
}
