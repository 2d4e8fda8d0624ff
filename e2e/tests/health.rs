//! Bans, outdated clients, connections that keep breaking: told once, remembered, and over one day.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use std::{collections::BTreeSet, time::Duration};

use ramal_tests::{Created, Receiver, World, eventually};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const OTHER: &str = "+5511999990002";
/// Soon enough for a test.
const SETTINGS: [(&str, &str); 3] = [
    ("SESSIONS__RECOVER_AFTER", "2s"),
    ("SESSIONS__RETRY_BASE", "100ms"),
    ("SESSIONS__RETRY_CAP", "300ms"),
];
/// Time for something that must not happen, to happen.
const A_WHILE: Duration = Duration::from_secs(3);

/// A connected number whose webhook hears everything.
async fn open(world: &World, receiver: &Receiver) -> Created {
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("all"), &["*"]).await;
    number
}

async fn fault(world: &World, fault: Value) {
    world.phones().post(&format!("/phones/{NUMBER}/faults"), fault).await.expect(200);
}

async fn lift(world: &World) {
    let path = format!("/phones/{NUMBER}/faults");
    world.phones().call(reqwest::Method::DELETE, &path, None).await.expect(200);
}

/// The next login meets a fault.
async fn meet(world: &World, what: Value) {
    fault(world, what).await;
    world.phones().network(json!({"dropConnections": true})).await;
}

async fn health(world: &World, id: &str) -> Value {
    world.api().get(&format!("/v1/numbers/{id}")).await.expect(200)["health"].clone()
}

async fn ready(world: &World) -> Value {
    world.api().get("/readyz").await.expect(200)
}

/// What was told about the number's state and health.
/// What was told of the number itself. What a death cuts short is delivered again, under the same id.
fn told(receiver: &Receiver) -> Vec<String> {
    let mut known = BTreeSet::new();
    let deliveries = receiver.accepted("all").into_iter();
    let news = deliveries.filter(|delivery| known.insert(delivery.id().to_owned()));
    news.map(|delivery| delivery.event()).filter(|name| name.starts_with("number.")).collect()
}

async fn pair_again(world: &World, id: &str) {
    let codes = world.api().get(&format!("/v1/numbers/{id}/connect")).await.expect(200);
    let picture = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, picture).await.expect(200);
    world.api().wait_until_open(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_ban_is_told_with_its_end_and_so_is_the_recovery() {
    let (mut world, receiver) = (World::with(&SETTINGS).await, Receiver::start().await);
    let number = open(&world, &receiver).await;

    meet(&world, json!({"failure": 402, "code": 101, "expireSeconds": 3_600})).await;

    let blocked = receiver.wait_for("all", "number.health_blocked", |_| true).await.data();
    assert_eq!(blocked["errorCode"], "RESTRICTED_UNTIL");
    assert!(blocked["restrictedUntil"].as_str() > blocked["createdAt"].as_str(), "{blocked}");
    let lost = receiver.wait_for("all", "number.disconnected", |_| true).await.data();
    assert_eq!(lost["errorCode"], "RESTRICTED_UNTIL");
    let ill = health(&world, &number.id).await;
    assert_eq!((&ill["code"], &ill["sendable"]), (&json!("RESTRICTED_UNTIL"), &json!(false)));
    assert_eq!(ill["restrictedUntil"], blocked["restrictedUntil"]);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "nothing is unlinked");
    world.product.kill_9();
    world.product.start_again().await;
    assert_eq!(health(&world, &number.id).await, ill, "it outlives a crash");
    lift(&world).await;
    pair_again(&world, &number.id).await;
    receiver.wait_for("all", "number.recovered", |_| true).await;
    assert_eq!(health(&world, &number.id).await["code"], Value::Null);
    let once = ["number.disconnected", "number.health_blocked"];
    assert_eq!(told(&receiver), [&once[..], &["number.connected", "number.recovered"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_blocks_the_number_and_keeps_its_credentials() {
    for reason in [403, 406] {
        let (world, receiver) = (World::with(&SETTINGS).await, Receiver::start().await);
        let number = open(&world, &receiver).await;

        meet(&world, json!({"failure": reason})).await;

        let blocked = receiver.wait_for("all", "number.health_blocked", |_| true).await.data();
        assert_eq!(blocked["errorCode"], "BANNED", "{reason}");
        assert_eq!(world.api().state(&number.id).await, "CLOSE");
        assert_eq!(
            world.phones().companions(NUMBER).await.len(),
            1,
            "{reason}: nothing is unlinked"
        );
        assert!(stored(&world, &number.id).await > 0, "{reason}: the credentials stay");
    }
}

/// How many records of its session are stored.
async fn stored(world: &World, id: &str) -> i64 {
    world.product.database().count(&format!("session_state where number_id = '{id}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_confirmed_logout_drops_the_credentials() {
    let (world, receiver) = (World::with(&SETTINGS).await, Receiver::start().await);
    let number = open(&world, &receiver).await;

    // A bare 401 in the middle of a stream: the login after it has the last word.
    fault(&world, json!({"streamError": 401, "now": true})).await;
    eventually("the number is back", async || {
        let log = world.product.log();
        (log.matches("link moved").count() >= 4).then_some(())
    })
    .await;
    world.api().wait_until_open(&number.id).await;
    assert!(stored(&world, &number.id).await > 0);
    assert_eq!(told(&receiver), Vec::<String>::new(), "a flap");

    meet(&world, json!({"failure": 401})).await;
    let gone = receiver.wait_for("all", "number.disconnected", |_| true).await.data();
    assert_eq!(gone["errorCode"], "LOGGED_OUT");
    eventually("the credentials are dropped", async || {
        (stored(&world, &number.id).await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_client_is_one_alarm_for_all_numbers() {
    let (mut world, receiver) = (World::with(&SETTINGS).await, Receiver::start().await);
    world.open_number(OTHER).await;
    let number = open(&world, &receiver).await;
    assert_eq!(ready(&world).await["clientOutdated"], false);

    meet(&world, json!({"failure": 405})).await;

    let degraded = receiver.wait_for("all", "number.health_degraded", |_| true).await.data();
    assert_eq!(degraded["errorCode"], "CLIENT_OUTDATED");
    assert_eq!(health(&world, &number.id).await["code"], "CLIENT_OUTDATED");
    let log = world.product.log();
    assert_eq!(log.matches("no longer accepts the version").count(), 1, "once");

    // An update is a restart.
    lift(&world).await;
    world.product.kill_9();
    world.product.start_again().await;
    world.api().wait_until_open(&number.id).await;
    receiver.wait_for("all", "number.recovered", |_| true).await;
    let all = ["disconnected", "health_degraded", "connected", "recovered"];
    assert_eq!(told(&receiver), all.map(|name| format!("number.{name}")));
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "the same device");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_stream_errors_degrade_a_number_until_it_is_stable() {
    let (world, receiver) = (World::with(&SETTINGS).await, Receiver::start().await);
    let number = open(&world, &receiver).await;

    for _ in 0..3 {
        fault(&world, json!({"streamError": 500, "now": true})).await;
        world.api().wait_for_state(&number.id, "CONNECTING").await;
        world.api().wait_for_state(&number.id, "OPEN").await;
    }

    let degraded = receiver.wait_for("all", "number.health_degraded", |_| true).await.data();
    assert_eq!(degraded["errorCode"], "UNSTABLE");
    assert!(degraded["error"].is_string());
    receiver.wait_for("all", "number.recovered", |_| true).await;
    assert_eq!(health(&world, &number.id).await["code"], Value::Null);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(told(&receiver), ["number.health_degraded", "number.recovered"]);
}
