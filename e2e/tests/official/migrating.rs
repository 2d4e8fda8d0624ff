//! From QR to official without a new number.

use ramal_tests::{Official, eventually};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER, friend_writes, send, step, wait_for_status};

/// A QR-paired number that is open, with a webhook at `/line`; its id and the API with its own key.
async fn paired(world: &Official) -> (String, ramal_tests::Api, String) {
    let created = world.api().create(NUMBER).await;
    world.phones().scan(NUMBER, &created.qrcode).await.expect(200);
    world.api().wait_until_open(&created.id).await;
    world.api().webhook(&created.id, &world.receiver.url("line"), &["*"]).await;
    let key = world.api().key_of(&created.id).await;
    (created.id, world.api().with_key(&key), key)
}

fn to_meta(credentials: &Value) -> Value {
    let mut wish = credentials.clone();
    wish["to"] = json!("META");
    wish
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_moves_to_meta_with_its_id_key_webhooks_and_history() {
    let world = Official::with_phones(&[]).await;
    let (id, api, key) = paired(&world).await;
    let before = send(&api, json!({"text": "from the phone"})).await;
    wait_for_status(&api, &before, "DELIVERED").await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;

    let wish = to_meta(&business.credentials(&json!({})));
    let path = format!("/v1/numbers/{id}/migrate");
    let moved = world.api().post(&path, wish.clone()).await.expect(200);

    assert_eq!(moved["numberId"], id.as_str());
    assert_eq!(
        (&moved["instance"]["provider"], &moved["instance"]["state"]),
        (&json!("META"), &json!("OPEN"))
    );
    assert_eq!(step(&moved, "register"), "done");
    eventually("the device is unlinked on the phone", async || {
        world.phones().companions(NUMBER).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.api().key_of(&id).await, key, "the key is the same");
    let known = api.get(&format!("/v1/messages/{before}")).await.expect(200);
    assert_eq!(known["status"], "DELIVERED", "the history is there");
    let line = ramal_tests::Line { id: id.clone(), api: api.clone(), body: moved, business };
    friend_writes(&world, &line, "hello, official").await;
    let after = send(&api, json!({"text": "from Meta"})).await;
    wait_for_status(&api, &after, "DELIVERED").await;
    let detail = world.detail(&id).await;
    assert_eq!((&detail["state"], &detail["stateReason"]), (&json!("OPEN"), &Value::Null));
    assert!(detail["health"]["code"].is_null(), "{detail}");
    world.api().post(&path, wish).await.refused(409, "NUMBER_ALREADY_OFFICIAL");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_the_number_as_it_was() {
    let world = Official::with_phones(&[]).await;
    let (id, api, _key) = paired(&world).await;
    let business =
        world.graph.business(json!({"number": NUMBER, "registered": false, "pin": "111111"})).await;
    let path = format!("/v1/numbers/{id}/migrate");
    let wish = |changes: Value| to_meta(&business.credentials(&changes));

    world.api().post(&path, json!({"to": "MOON"})).await.refused(400, "VALIDATION_ERROR");
    let garbage = wish(json!({"metaAccessToken": "garbage"}));
    world.api().post(&path, garbage).await.refused(400, "META_CREDENTIALS_INVALID");
    let foreign = wish(json!({"metaPhoneId": "999999999"}));
    world.api().post(&path, foreign).await.refused(400, "META_NUMBER_MISMATCH");
    world.reachable(false);
    world.api().post(&path, wish(json!({}))).await.refused(400, "META_CALLBACK_UNREACHABLE");
    world.reachable(true);
    let pin = wish(json!({"metaPin": "222222"}));
    world.api().post(&path, pin).await.refused(400, "META_PIN_MISMATCH");

    let detail = world.detail(&id).await;
    assert_eq!((&detail["provider"], &detail["state"]), (&json!("PILOT_STATUS"), &json!("OPEN")));
    assert_eq!(detail["meta"], Value::Null);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "its device is linked");
    assert_eq!(world.receiver.events("line", "number.disconnected").len(), 0);
    let sent = send(&api, json!({"text": "still here"})).await;
    wait_for_status(&api, &sent, "DELIVERED").await;
    world.phones().wait_for_text(FRIEND, "still here").await;
    let number = world.graph.ask("/state").await;
    let callback = &number["numbers"][&business.phone]["callback"];
    assert!(callback.is_null(), "nothing is delivered here: {callback}");
    world.end().await;
}
