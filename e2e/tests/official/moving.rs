//! Moving from QR to official at bad moments.

use ramal_tests::{Api, Business, Official, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{FRIEND, FRIEND_ID, NUMBER, send, wait_for_status};

/// A QR-paired number that is open, with a webhook at `/line`; its id and the API with its own key.
async fn paired(world: &Official) -> (String, Api) {
    let created = world.api().create(NUMBER).await;
    world.phones().scan(NUMBER, &created.qrcode).await.expect(200);
    world.api().wait_until_open(&created.id).await;
    world.api().webhook(&created.id, &world.receiver.url("line"), &["*"]).await;
    let key = world.api().key_of(&created.id).await;
    (created.id, world.api().with_key(&key))
}

/// The number's side at Meta: not registered yet.
async fn business(world: &Official) -> (Business, Value) {
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let wish = business.credentials(&json!({"to": "META", "name": null, "number": null}));
    (business, wish)
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_failing_at_any_step_leaves_it_open_and_paired_and_it_can_be_tried_again() {
    let world = Official::with_phones(&[("META__TIMEOUT", "1s")]).await;
    let (id, api) = paired(&world).await;
    let (business, wish) = business(&world).await;
    let path = format!("/v1/numbers/{id}/migrate");
    for fault in [
        json!({"route": "debug_token", "status": 503, "times": 9}),
        json!({"route": "phone", "method": "GET", "status": 500, "times": 9}),
        json!({"route": "phone_numbers", "drop": "before", "times": 9}),
        json!({"route": "subscribed_apps", "code": 131_016, "times": 9}),
        json!({"route": "phone", "method": "POST", "code": 2, "times": 9}),
        json!({"route": "register", "hang": true, "times": 9}),
    ] {
        world.graph.fault(fault.clone()).await;
        let answer = world.api().post(&path, wish.clone()).await;
        assert_eq!(answer.status, 503, "{fault}: {}", answer.text);
        world.graph.control(Method::DELETE, "/faults", None).await;
        let detail = world.detail(&id).await;
        assert_eq!(
            (&detail["provider"], &detail["state"], &detail["meta"]),
            (&json!("PILOT_STATUS"), &json!("OPEN"), &Value::Null),
            "{fault}"
        );
        // The PIN that Meta may have got is kept, for the next time; nothing else is.
        let kept = i64::from(fault["route"] == "register");
        assert_eq!(world.product.database().count("official_numbers").await, kept, "{fault}");
        assert_eq!(world.graph.number(&business.phone).await["callback"], Value::Null);
    }
    let sent = send(&api, json!({"text": "still by phone"})).await;
    wait_for_status(&api, &sent, "DELIVERED").await;
    world.phones().wait_for_text(FRIEND, "still by phone").await;
    assert!(world.receiver.events("line", "number.disconnected").is_empty());

    let moved = world.api().post(&path, wish).await.expect(200);
    assert_eq!(moved["instance"]["provider"], "META");
    assert_eq!(world.graph.number(&business.phone).await["node"]["status"], "CONNECTED");
    let asked = world.graph.calls("POST", "register").await;
    assert!(asked.iter().all(|it| it["body"]["pin"] == asked[0]["body"]["pin"]), "one PIN");
    assert!(world.receiver.events("line", "number.disconnected").is_empty(), "it was never away");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_lost_its_phone_moves_too_and_what_is_queued_goes_out() {
    let world = Official::with_phones(&[]).await;
    let (id, api) = paired(&world).await;
    let device = world.phones().companions(NUMBER).await[0]["device"].as_u64();
    let device = device.or(world.phones().companions(NUMBER).await[0]["id"].as_u64());
    world.phones().unlink(NUMBER, device.expect("a device")).await;
    world.api().wait_for_state(&id, "CLOSE").await;
    let (business, wish) = business(&world).await;
    // The window is Meta's business, whoever listens.
    world.graph.write(&business.phone, json!({"from": FRIEND, "text": "anybody?"})).await;
    let queued = send(&api, json!({"text": "late, but here"})).await;

    let moved = world.api().post(&format!("/v1/numbers/{id}/migrate"), wish).await.expect(200);

    assert_eq!(moved["instance"]["state"], "OPEN");
    wait_for_status(&api, &queued, "DELIVERED").await;
    assert_eq!(world.graph.received(FRIEND_ID).await, ["late, but here"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_moves_it_stays_paired_and_can_move_later() {
    let mut world = Official::with_phones(&[]).await;
    let (id, _api) = paired(&world).await;
    let (_business, wish) = business(&world).await;
    let path = format!("/v1/numbers/{id}/migrate");
    world.graph.fault(json!({"route": "register", "hang": true})).await;
    let (api, body, there) = (world.api().clone(), wish.clone(), path.clone());
    let mut asking = JoinSet::new();
    asking.spawn(async move { api.try_call(Method::POST, &there, Some(&body)).await });
    eventually("it is half way", async || {
        (!world.graph.calls("POST", "register").await.is_empty()).then_some(())
    })
    .await;

    world.kill_9();
    let answer = asking.join_next().await.expect("one").expect("no panic");
    assert!(answer.is_err(), "{answer:?}");
    world.start_again().await;

    world.api().wait_until_open(&id).await;
    let detail = world.detail(&id).await;
    assert_eq!((&detail["provider"], &detail["meta"]), (&json!("PILOT_STATUS"), &Value::Null));
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1);
    let moved = world.api().post(&path, wish).await.expect(200);
    assert_eq!(moved["instance"]["provider"], "META");
    eventually("the device is unlinked", async || {
        world.phones().companions(NUMBER).await.is_empty().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_while_it_moves_is_not_lost() {
    let world = Official::with_phones(&[("META__TIMEOUT", "2s")]).await;
    world.graph.tell("/settings", json!({"retryDelaysMs": [100]})).await;
    let (id, api) = paired(&world).await;
    let (business, wish) = business(&world).await;
    let path = format!("/v1/numbers/{id}/migrate");
    world.graph.fault(json!({"route": "register", "hang": true})).await;
    let (asker, body, there) = (world.api().clone(), wish.clone(), path.clone());
    let mut asking = JoinSet::new();
    asking.spawn(async move { asker.call(Method::POST, &there, Some(&body)).await });
    eventually("it is half way", async || {
        (!world.graph.calls("POST", "register").await.is_empty()).then_some(())
    })
    .await;

    world.graph.write(&business.phone, json!({"from": FRIEND, "text": "in between"})).await;
    eventually("Meta has tried", async || {
        let tried = world.graph.list("/webhooks").await;
        (tried[0]["attempts"][0]["status"] == 404).then_some(())
    })
    .await;
    asking.join_next().await.expect("one").expect("no panic").refused(503, "UPSTREAM_TIMEOUT");
    world.api().post(&path, wish).await.expect(200);

    world.receiver.wait_for("line", "message.received", |it| it["content"] == "in between").await;
    let answer = send(&api, json!({"text": "here I am"})).await;
    wait_for_status(&api, &answer, "DELIVERED").await;
    world.end().await;
}
