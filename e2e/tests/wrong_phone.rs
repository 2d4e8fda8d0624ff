//! Another phone than the expected one scans: rejected, adopted, asked about.
#![expect(
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use ramal_tests::{Created, Receiver, World, eventually};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const STRANGER: &str = "+5521988880002";
const STRANGER_DIGITS: &str = "5521988880002";
const FRIEND: &str = "+5511999990009";

async fn choose(world: &World, policy: &str) {
    let body = json!({"wrongPhonePolicy": policy});
    world.api().call(reqwest::Method::PUT, "/v1/branding", Some(&body)).await.expect(200);
}

/// A number whose code a stranger has scanned.
async fn scanned(world: &World, receiver: &Receiver) -> Created {
    let created = world.api().create(NUMBER).await;
    world.api().webhook(&created.id, &receiver.url("all"), &["*"]).await;
    world.phones().scan(STRANGER, &created.qrcode).await.expect(200);
    created
}

async fn told(receiver: &Receiver, outcome: &str) -> Value {
    let is = |delivery: &Value| delivery["outcome"] == outcome;
    let told = receiver.wait_for("all", "number.wrong_phone", is).await.data();
    assert_eq!(told["expectedPhone"], "+551199****0001");
    assert_eq!(told["actualPhone"], "+552198****0002");
    told
}

async fn asked(world: &World, id: &str) -> Value {
    eventually("it is asked", async || {
        let detail = world.api().get(&format!("/v1/numbers/{id}")).await.expect(200);
        let action = detail["actionRequired"].clone();
        (action["type"] == "WRONG_PHONE").then_some(action)
    })
    .await
}

async fn reply(world: &World, id: &str, adopt: bool) {
    let path = format!("/v1/numbers/{id}/pairing/wrong-phone");
    world.api().post(&path, json!({"use": adopt})).await.expect(200);
}

/// What the stranger's phone shows once it is left alone.
async fn unlinked(world: &World, id: &str) {
    world.api().wait_for_state(id, "CLOSE").await;
    eventually("the stranger's phone is unlinked", async || {
        world.phones().companions(STRANGER).await.is_empty().then_some(())
    })
    .await;
    let status = world.api().get(&format!("/v1/numbers/{id}/status")).await.expect(200);
    assert_eq!(status["stateReason"], "WRONG_PHONE");
}

async fn phone_of(world: &World, id: &str) -> Value {
    world.api().get(&format!("/v1/numbers/{id}")).await.expect(200)["number"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_phone_is_unlinked_and_told_with_both_numbers_masked() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = scanned(&world, &receiver).await;

    unlinked(&world, &number.id).await;

    let told = told(&receiver, "rejected").await;
    assert_eq!((&told["policy"], &told["phone"]), (&json!("reject"), &json!(NUMBER)));
    assert_eq!(told["errorCode"], "WRONG_PHONE");
    assert!(!told.to_string().contains(STRANGER_DIGITS), "{told}");
    let connect = format!("/v1/numbers/{}/connect", number.id);
    let codes = world.api().get(&connect).await.expect(200);
    let picture = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, picture).await.expect(200);
    world.api().wait_until_open(&number.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_phone_is_the_numbers_own() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    choose(&world, "adopt").await;
    let number = scanned(&world, &receiver).await;

    world.api().wait_until_open(&number.id).await;

    let told = told(&receiver, "adopted").await;
    assert_eq!((&told["policy"], &told["phone"]), (&json!("adopt"), &json!(STRANGER)));
    let connected = receiver.wait_for("all", "number.connected", |_| true).await.data();
    assert_eq!(connected["phone"], STRANGER);
    assert_eq!(phone_of(&world, &number.id).await, STRANGER_DIGITS);
    world.api().on_number(&number.id).send_text(FRIEND, "from the new phone").await;
    world.phones().wait_for_text(FRIEND, "from the new phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_it_is_asked_is_told_after_the_adoption_only() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    choose(&world, "ask").await;
    let number = scanned(&world, &receiver).await;
    let action = asked(&world, &number.id).await;
    assert_eq!(
        (&action["expected"], &action["actual"]),
        (&json!("+551199****0001"), &json!("+552198****0002"))
    );
    told(&receiver, "asked").await;
    world.phones().send(FRIEND, STRANGER, "a stranger's business").await;

    world.product.kill_9();
    world.product.start_again().await;
    asked(&world, &number.id).await;
    assert_eq!(world.api().state(&number.id).await, "CONNECTING");
    let none = receiver.names("all").iter().any(|name| name.starts_with("message."));
    assert!(!none, "{:?}", receiver.names("all"));

    reply(&world, &number.id, true).await;
    world.api().wait_until_open(&number.id).await;
    assert_eq!(phone_of(&world, &number.id).await, STRANGER_DIGITS);
    let is = |data: &Value| data["content"] == "a stranger's business";
    receiver.wait_for("all", "message.received", is).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_and_silence_unlink_the_phone() {
    let world = World::with(&[("SESSIONS__WRONG_PHONE_TIMEOUT", "3s")]).await;
    let receiver = Receiver::start().await;
    choose(&world, "ask").await;
    let number = scanned(&world, &receiver).await;
    asked(&world, &number.id).await;
    reply(&world, &number.id, false).await;
    unlinked(&world, &number.id).await;
    let path = format!("/v1/numbers/{}/pairing/wrong-phone", number.id);
    let late = world.api().post(&path, json!({"use": true})).await;
    late.refused(409, "WRONG_PHONE_NOT_ASKED");

    let connect = format!("/v1/numbers/{}/connect", number.id);
    let codes = world.api().get(&connect).await.expect(200);
    let picture = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(STRANGER, picture).await.expect(200);
    asked(&world, &number.id).await;
    world.phones().send(FRIEND, STRANGER, "never told").await;
    unlinked(&world, &number.id).await;
    assert!(!receiver.names("all").iter().any(|name| name.starts_with("message.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn brazils_ninth_digit_makes_no_phone_wrong() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    choose(&world, "ask").await;
    let number = world.api().create(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("all"), &["*"]).await;

    world.phones().scan("+551199990001", &number.qrcode).await.expect(200);

    world.api().wait_until_open(&number.id).await;
    receiver.wait_for("all", "number.connected", |_| true).await;
    assert!(!receiver.names("all").iter().any(|name| name == "number.wrong_phone"));
}
