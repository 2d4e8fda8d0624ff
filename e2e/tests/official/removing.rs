//! Official numbers that are removed leave Meta.

use ramal_tests::{Business, Official, eventually};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER, OTHER, friend_writes, send, step, wait_for_status};

/// A number as Meta has it: its callback, and whether it is registered.
async fn at_meta(world: &Official, business: &Business) -> (Value, bool) {
    let state = world.graph.ask("/state").await;
    let number = &state["numbers"][&business.phone];
    (number["callback"].clone(), number["node"]["platform_type"] == "CLOUD_API")
}

async fn subscribed(world: &Official, business: &Business) -> bool {
    let state = world.graph.ask("/state").await;
    let apps = &state["wabas"][&business.waba]["subscriptions"];
    apps.as_object().expect("apps").contains_key(&business.app)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_number_is_unsubscribed_and_deregistered_and_comes_back_with_a_reconnect() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let line = world.connect(&business).await;
    assert!(at_meta(&world, &business).await.1 && subscribed(&world, &business).await);

    let path = format!("/v1/numbers/{}", line.id);
    world.api().delete(&path).await.expect(200);
    eventually("it has left", async || {
        let (callback, registered) = at_meta(&world, &business).await;
        (callback.is_null() && !registered && !subscribed(&world, &business).await).then_some(())
    })
    .await;

    world.api().post(&format!("{path}/restore"), json!({})).await.expect(200);
    let restored = world.detail(&line.id).await;
    assert_eq!(
        (&restored["state"], &restored["stateReason"]),
        (&json!("CLOSE"), &json!("META_DISCONNECTED")),
        "there is no QR code to scan"
    );
    assert_eq!(step(&restored, "register"), "pending");
    let back = world.api().post(&format!("{path}/meta/reconnect"), json!({})).await.expect(200);
    assert_eq!(back["instance"]["state"], "OPEN", "with the PIN that was kept: {back}");
    assert!(at_meta(&world, &business).await.1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_no_longer_knows_needs_no_leaving() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    for route in ["phone", "subscribed_apps", "deregister"] {
        let gone = json!({"route": route, "times": 9, "code": 100});
        world.graph.tell("/faults", gone).await;
    }
    let path = format!("/v1/numbers/{}", line.id);
    world.api().delete(&path).await.expect(200);
    world.receiver.wait_for("line", "number.removed", |_| true).await;
    world.api().delete(&format!("{path}/purge")).await.expect(200);
    eventually("it is gone for good", async || {
        let again = world.create(&line.business, json!({})).await;
        (again.status != 409).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_numbers_of_one_account_live_apart() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let second = json!({"wabaId": line.waba, "number": OTHER, "registered": true});
    let second = world.graph.tell("/numbers", second).await;
    let phone = second["id"].as_str().or_else(|| second["phoneId"].as_str()).expect("an id");
    let mut wish = line.credentials(&json!({"metaPhoneId": phone}));
    wish["number"] = json!(OTHER);
    let created = world.api().post("/v1/numbers/meta", wish).await.expect(201);
    let other = created["numberId"].as_str().expect("an id");

    world.api().delete(&format!("/v1/numbers/{other}")).await.expect(200);
    eventually("it has left", async || {
        let state = world.graph.ask("/state").await;
        state["numbers"][phone]["callback"].is_null().then_some(())
    })
    .await;
    assert!(subscribed(&world, &line.business).await, "the other one still needs it");
    friend_writes(&world, &line, "are you there?").await;
    let answer = send(&line.api, json!({"text": "yes"})).await;
    wait_for_status(&line.api, &answer, "DELIVERED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_number_leaves_meta_before_its_credentials_are_forgotten() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    world.api().delete(&format!("/v1/numbers/{}/purge", line.id)).await.expect(200);

    eventually("it has left", async || {
        let (callback, registered) = at_meta(&world, &line.business).await;
        (callback.is_null() && !registered).then_some(())
    })
    .await;
    assert!(!subscribed(&world, &line.business).await);
    eventually("its credentials are forgotten", async || {
        (world.product.database().count("official_numbers").await == 0).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_another_tenant_uses_with_the_same_app_stays_subscribed() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let second = json!({"wabaId": line.waba, "number": OTHER});
    let phone = world.graph.tell("/numbers", second).await["id"].clone();
    let phone = phone.as_str().expect("an id").to_owned();
    let business = Business { number: OTHER.to_owned(), phone, ..line.business.clone() };
    let theirs = world.connect_by(&world.product.second_tenant(), &business).await;

    theirs.api.delete(&format!("/v1/numbers/{}", theirs.id)).await.expect(200);

    eventually("it has left", async || at_meta(&world, &business).await.0.is_null().then_some(()))
        .await;
    let left =
        async || world.product.database().count("official_numbers where leaving = 1").await == 0;
    eventually("nothing is left to do", async || left().await.then_some(())).await;
    assert!(subscribed(&world, &line.business).await, "the first tenant still needs it");
    friend_writes(&world, &line, "still there?").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_cannot_do_now_is_done_later() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.fault(json!({"route": "phone", "method": "POST", "code": 2})).await;

    world.api().delete(&format!("/v1/numbers/{}", line.id)).await.expect(200);

    world.receiver.wait_for("line", "number.removed", |_| true).await;
    eventually("it has left", async || {
        let (callback, registered) = at_meta(&world, &line.business).await;
        (callback.is_null() && !registered).then_some(())
    })
    .await;
    world.end().await;
}

/// Nothing is left to do at Meta.
async fn all_has_left(world: &Official) {
    eventually("nothing is left to do", async || {
        let left = world.product.database().count("official_numbers where leaving in (1, 2)").await;
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_another_tenant_has_as_well_is_left_to_them() {
    let world = Official::start().await;
    let mine = world.line(NUMBER).await;
    let second = world.product.second_tenant();
    let theirs = world.connect_by(&second, &mine.business).await;
    second.webhook(&theirs.id, &world.receiver.url("theirs"), &["*"]).await;

    world.api().delete(&format!("/v1/numbers/{}/purge", mine.id)).await.expect(200);

    all_has_left(&world).await;
    let (callback, registered) = at_meta(&world, &mine.business).await;
    assert_eq!(callback[1]["url"], theirs.body["webhookUrl"], "{callback}");
    assert!(registered && subscribed(&world, &mine.business).await);
    world.graph.write(&theirs.phone, json!({"from": FRIEND, "text": "still there?"})).await;
    let is_it = |data: &Value| data["content"] == "still there?";
    world.receiver.wait_for("theirs", "message.received", is_it).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_created_anew_while_the_old_one_leaves_stays() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    // Leaving does not succeed at once.
    world.graph.fault(json!({"route": "deregister", "code": 2})).await;
    world.api().delete(&format!("/v1/numbers/{}/purge", line.id)).await.expect(200);
    eventually("it has been tried", async || {
        (!world.graph.calls("POST", "deregister").await.is_empty()).then_some(())
    })
    .await;

    let again = world.connect(&line.business).await;

    all_has_left(&world).await;
    let (callback, registered) = at_meta(&world, &line.business).await;
    assert_eq!(callback[1]["url"], again.body["webhookUrl"], "{callback}");
    assert!(registered && subscribed(&world, &line.business).await);
    assert_eq!(world.graph.calls("POST", "deregister").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_registered_too_often_is_deregistered_when_meta_takes_it() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.fault(json!({"route": "deregister", "code": 133_016})).await;

    world.api().delete(&format!("/v1/numbers/{}", line.id)).await.expect(200);

    eventually("it has left", async || {
        let (callback, registered) = at_meta(&world, &line.business).await;
        (callback.is_null() && !registered).then_some(())
    })
    .await;
    world.end().await;
}
