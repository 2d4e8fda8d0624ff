//! The main job: a number is created, paired, used and deleted.

use ramal_tests::{Created, Receiver, Sandbox, decode_qr, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const WATCHER: &str = "+5511999990001";
const NUMBER: &str = "+5511999990002";
const FRIEND: &str = "+5511999990003";

/// A number that nobody pairs, whose webhook hears of every creation.
async fn watch_creations(sandbox: &Sandbox, receiver: &Receiver) -> String {
    let watcher = sandbox.api.create(WATCHER).await;
    sandbox.api.webhook(&watcher.id, &receiver.url("watcher"), &["*"]).await.1
}

/// Checks what the answer to a creation promises.
fn check_codes(created: &Created) {
    let text = decode_qr(&created.qrcode);
    let parts: Vec<&str> = text.split(',').collect();
    assert_eq!(parts.len(), 5, "WhatsApp's QR codes have five parts: {text}");
    assert!(parts.iter().all(|part| !part.is_empty()), "{text}");
    let code = created.pairing_code.as_deref().expect("a pairing code");
    let shape: String =
        code.chars().map(|char| if char.is_ascii_alphanumeric() { 'X' } else { char }).collect();
    assert_eq!(shape, "XXXX-XXXX", "{code}");
    let body = &created.body;
    assert_eq!(body.get("linkedApiKeyId"), Some(&Value::Null), "a tenant's key is never linked");
    assert_eq!(body["primaryLink"]["qrcodeBase64"], body["qrcodeBase64"]);
    assert_eq!(body["primaryLink"]["pairingCode"], body["pairingCode"]);
    assert_eq!(body.get("secondaryLink"), Some(&Value::Null));
    let instance = &body["instance"];
    assert_eq!(instance["state"], "CONNECTING");
    assert_eq!(instance["number"], NUMBER.trim_start_matches('+'));
    assert_eq!(instance["provider"], "PILOT_STATUS");
}

/// Everything that happens to a number after its creation, whichever way it is paired.
async fn live_a_whole_life(
    sandbox: &Sandbox,
    receiver: &Receiver,
    created: &Created,
    pair: impl AsyncFnOnce(),
) {
    let (api, phones, id) = (&sandbox.api, &sandbox.phones, created.id.as_str());
    let (_, secret) = api.webhook(id, &receiver.url("number"), &["*"]).await;

    pair().await;
    api.wait_until_open(id).await;
    let connected = receiver.wait_for("number", "number.connected", |_| true).await;
    connected.verify(&secret);
    assert_eq!(connected.data()["numberId"], id);
    assert_eq!(connected.data()["phone"], NUMBER);
    assert_eq!(phones.companions(NUMBER).await.len(), 1);

    let key = api.key_of(id).await;
    let own = api.with_key(&key);
    send_a_text(sandbox, receiver, &own, &secret).await;
    receive_a_text(sandbox, receiver, id, &secret).await;

    let path = format!("/v1/numbers/{id}");
    own.get(&format!("{path}/connect")).await.refused(409, "NUMBER_ALREADY_CONNECTED");

    let deleted = own.delete(&path).await.expect(200);
    assert_eq!(deleted["ok"], true);
    eventually("the device is unlinked", async || {
        phones.companions(NUMBER).await.is_empty().then_some(())
    })
    .await;
    let removed = receiver.wait_for("number", "number.removed", |_| true).await;
    removed.verify(&secret);
    assert_eq!(removed.data()["numberId"], id);
    own.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    api.get(&path).await.refused(404, "NUMBER_NOT_FOUND");
    assert!(api.numbers().await.iter().all(|number| number["id"] != id));

    let names = receiver.names("number");
    let counted = |name: &str| names.iter().filter(|one| one.as_str() == name).count();
    for once in ["number.connected", "message.received", "number.removed"] {
        assert_eq!(counted(once), 1, "{once} in {names:?}");
    }
    assert_eq!(counted("number.disconnected"), 0, "{names:?}");
}

async fn send_a_text(sandbox: &Sandbox, receiver: &Receiver, own: &ramal_tests::Api, secret: &str) {
    let message = own.send_text(FRIEND, "hello from Ramal").await;
    let arrived = sandbox.phones.wait_for_text(FRIEND, "hello from Ramal").await;
    assert_eq!(arrived["from"], NUMBER);
    assert_eq!(arrived["type"], "text");

    let ours = |data: &Value| data["id"] == message.as_str();
    receiver.wait_for("number", "message.delivered", ours).await;
    assert!(receiver.events("number", "message.read").is_empty(), "nobody has read it yet");
    sandbox.phones.read(FRIEND, &arrived).await;
    receiver.wait_for("number", "message.read", ours).await;

    let about: Vec<_> =
        receiver.accepted("number").into_iter().filter(|one| ours(&one.data())).collect();
    let names: Vec<String> = about.iter().map(ramal_tests::Delivery::event).collect();
    assert_eq!(names, ["message.sent", "message.delivered", "message.read"]);
    for one in &about {
        one.verify(secret);
        let data = one.data();
        assert_eq!((&data["to"], &data["from"]), (&json!(FRIEND), &json!(NUMBER)));
        assert_eq!((&data["type"], &data["fromMe"]), (&json!("text"), &json!(true)));
        assert_eq!(data["messageId"], arrived["id"]);
    }
    let status = own.get(&format!("/v1/messages/{message}")).await.expect(200);
    assert_eq!(status["status"], "READ");
    assert!(status["sentAt"].is_string() && status["deliveredAt"].is_string());
    assert!(status["readAt"].is_string() && status["errorCode"].is_null());
}

async fn receive_a_text(sandbox: &Sandbox, receiver: &Receiver, id: &str, secret: &str) {
    let text = "hello from a phone \u{1f44b}\u{1f3fd}\nsecond line";
    sandbox.phones.send(FRIEND, NUMBER, text).await;
    let received = receiver.wait_for("number", "message.received", |_| true).await;
    received.verify(secret);
    let data = received.data();
    assert_eq!(data["content"], text);
    assert_eq!((&data["from"], &data["to"]), (&json!(FRIEND), &json!(NUMBER)));
    assert_eq!((&data["fromMe"], &data["type"]), (&json!(false), &json!("text")));
    assert_eq!(data["numberId"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_paired_by_its_qr_code_used_and_deleted() {
    let (sandbox, receiver) = (Sandbox::start().await, Receiver::start().await);
    let watcher_secret = watch_creations(&sandbox, &receiver).await;

    let created = sandbox.api.create(NUMBER).await;

    check_codes(&created);
    let is_ours = |data: &Value| data["numberId"] == created.id.as_str();
    let event = receiver.wait_for("watcher", "number.created", is_ours).await;
    event.verify(&watcher_secret);
    assert_eq!(event.data()["phone"], NUMBER);
    let scan = async || {
        let linked = sandbox.phones.scan(NUMBER, &created.qrcode).await.expect(200);
        assert_eq!(linked["linked"], true);
    };
    live_a_whole_life(&sandbox, &receiver, &created, scan).await;
    let heard = receiver.names("watcher");
    assert_eq!(heard, ["number.created"], "of other numbers, a webhook hears creations only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_paired_by_its_pairing_code_used_and_deleted() {
    let (sandbox, receiver) = (Sandbox::start().await, Receiver::start().await);

    let created = sandbox.api.create(NUMBER).await;

    check_codes(&created);
    let typed = async || {
        let code = created.pairing_code.as_deref().expect("a pairing code");
        let linked = sandbox.phones.enter_code(NUMBER, code).await.expect(200);
        assert_eq!(linked["linked"], true);
    };
    live_a_whole_life(&sandbox, &receiver, &created, typed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_may_be_typed_in_lower_case_and_without_its_dash() {
    let sandbox = Sandbox::start().await;
    let created = sandbox.api.create(NUMBER).await;
    let code = created.pairing_code.expect("a pairing code").to_lowercase().replace('-', "");

    sandbox.phones.enter_code(NUMBER, &code).await.expect(200);

    sandbox.api.wait_until_open(&created.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_gives_fresh_codes_and_the_old_ones_are_stale() {
    let sandbox = Sandbox::start().await;
    let created = sandbox.api.create(NUMBER).await;

    let path = format!("/v1/numbers/{}/connect", created.id);
    let codes = sandbox.api.get(&path).await.expect(200);

    let fresh = codes["qrcodeBase64"].as_str().expect("a QR code");
    assert_ne!(fresh, created.qrcode);
    assert_eq!(sandbox.phones.scan(NUMBER, &created.qrcode).await.status, 409);
    sandbox.phones.scan(NUMBER, fresh).await.expect(200);
    sandbox.api.wait_until_open(&created.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_number_is_kept_for_restoring_until_it_is_purged() {
    let sandbox = Sandbox::start().await;
    let created = sandbox.open_number(NUMBER).await;
    let path = format!("/v1/numbers/{}", created.id);
    let again = json!({"name": "again", "number": NUMBER});

    let deleted = sandbox.api.delete(&path).await.expect(200);

    assert!(deleted["restorableUntil"].is_string());
    sandbox.api.post("/v1/numbers", again.clone()).await.refused(409, "NUMBER_SOFT_DELETED");
    sandbox.api.delete(&path).await.refused(404, "NUMBER_NOT_FOUND");
    sandbox.api.call(Method::DELETE, &format!("{path}/purge"), None).await.expect(200);
    sandbox.api.post("/v1/numbers", again).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_phone_than_the_numbers_own_is_not_taken() {
    let (sandbox, receiver) = (Sandbox::start().await, Receiver::start().await);
    let created = sandbox.api.create(NUMBER).await;
    sandbox.api.webhook(&created.id, &receiver.url("number"), &["*"]).await;

    sandbox.phones.scan(FRIEND, &created.qrcode).await.expect(200);

    sandbox.api.wait_for_state(&created.id, "CLOSE").await;
    let status = sandbox.api.get(&format!("/v1/numbers/{}/status", created.id)).await.expect(200);
    assert_eq!(status["stateReason"], "WRONG_PHONE");
    eventually("the wrong phone's device is unlinked again", async || {
        sandbox.phones.companions(FRIEND).await.is_empty().then_some(())
    })
    .await;
    assert!(receiver.events("number", "number.connected").is_empty());
}
