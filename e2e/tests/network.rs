//! WhatsApp goes away and comes back.

use std::time::{Duration, Instant};

use ramal_tests::{Receiver, World};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990009";
/// A refused create is answered well before the deadline of the QR code.
const REFUSED_SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_is_told_once_and_its_end_too() {
    let settings = [("SESSIONS__CONFIRM_OUTAGE", "2s")];
    let (world, receiver) = (World::with(&settings).await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;

    world.phones().network(json!({"refuse": true, "dropConnections": true})).await;

    let told = receiver.wait_for("number", "number.disconnected", |_| true).await;
    assert_eq!(told.data()["errorCode"], "NETWORK");
    assert!(told.data()["error"].is_string());
    assert_eq!(world.api().state(&number.id).await, "CLOSE");
    // What is sent meanwhile waits.
    let api = world.api().on_number(&number.id);
    let waiting = api.send_text(FRIEND, "sent during the outage").await;

    world.phones().network(json!({"refuse": false})).await;

    world.api().wait_until_open(&number.id).await;
    receiver.wait_for("number", "number.connected", |_| true).await;
    world.phones().wait_for_text(FRIEND, "sent during the outage").await;
    let delivered = |data: &Value| data["id"] == waiting.as_str();
    receiver.wait_for("number", "message.delivered", delivered).await;
    let names = receiver.names("number");
    let about_the_number: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| name.starts_with("number.")).collect();
    assert_eq!(about_the_number, ["number.disconnected", "number.connected"]);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_whatsapp_refuses_leaves_no_trace() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let watcher = world.api().create("+5511999990002").await;
    world.api().webhook(&watcher.id, &receiver.url("watcher"), &["number.created"]).await;
    let before = world.api().numbers().await;
    let body = json!({"name": "refused", "number": NUMBER});

    world.phones().network(json!({"refuse": true})).await;
    let started = Instant::now();
    world.api().post("/v1/numbers", body.clone()).await.refused(503, "UPSTREAM_ERROR");
    let took = started.elapsed();

    assert!(took < REFUSED_SOON, "{took:?}");
    assert_eq!(world.api().numbers().await, before);
    let keys = world.api().get("/v1/api-keys").await.expect(200);
    assert_eq!(keys.as_array().map(Vec::len), Some(1));

    world.phones().network(json!({"refuse": false})).await;
    let created = world.api().post("/v1/numbers", body).await.expect(201);
    let id = &created["instance"]["id"];
    receiver.wait_for("watcher", "number.created", |data| data["numberId"] == *id).await;
    assert_eq!(receiver.names("watcher"), ["number.created"], "the refused one was not told");
    let qr = created["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, qr).await.expect(200);
    world.api().wait_until_open(id.as_str().expect("an id")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_whatsapp_does_not_answer_times_out_and_leaves_no_trace() {
    let world = World::with(&[("NUMBERS__QR_DEADLINE", "2s")]).await;
    let body = json!({"name": "slow", "number": NUMBER});

    world.phones().network(json!({"delayMs": 60_000})).await;
    let answer = world.api().post("/v1/numbers", body.clone()).await;

    answer.refused(503, "UPSTREAM_TIMEOUT");
    assert!(world.api().numbers().await.is_empty());
    world.phones().network(json!({"delayMs": 0})).await;
    world.api().post("/v1/numbers", body).await.expect(201);
}
