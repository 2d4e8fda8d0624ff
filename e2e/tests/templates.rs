//! Templates of a tenant's own: made by the API, sent from QR-paired numbers.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use ramal_tests::{Answer, Api, World};
use reqwest::Method;
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";

async fn make(api: &Api, body: Value) -> String {
    let made = api.post("/v1/templates", body).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn send(api: &Api, template: &str, variables: Value) -> Answer {
    let body = json!({"destinationNumber": FRIEND, "templateId": template, "variables": variables});
    api.post("/v1/messages/send", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_gets_the_filled_in_text() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let tenant = world.api();
    let text = "Oi {{name}}, o pedido {{1}} saiu.\nAté logo, {{ name }}!";
    let id = make(tenant, json!({"name": "order-update", "text": text, "footer": "Acme"})).await;
    let own = tenant.with_key(&tenant.key_of(&number.id).await);

    // By id and by name, with either key; a value is not read again.
    let given = json!({"name": "{{1}}", "1": "A-7", "unused": "x"});
    send(&own, &id, given).await.expect(202);
    let filled = "Oi {{1}}, o pedido A-7 saiu.\nAté logo, {{1}}!\n\nAcme";
    world.phones().wait_for_text(FRIEND, filled).await;
    let given = json!({"name": "Ana", "1": "A-8"});
    send(&tenant.on_number(&number.id), "order-update", given).await.expect(202);
    let filled = "Oi Ana, o pedido A-8 saiu.\nAté logo, Ana!\n\nAcme";
    world.phones().wait_for_text(FRIEND, filled).await;

    // What is sent after a change says what it says then; what was accepted before, what it said.
    let change = json!({"text": "Olá {{name}}", "footer": null});
    let path = format!("/v1/templates/{id}");
    let changed = tenant.call(Method::PATCH, &path, Some(&change)).await.expect(200);
    assert_eq!(changed["latestVersion"]["version"], 2);
    send(&own, "order-update", json!({"name": "Bia"})).await.expect(202);
    world.phones().wait_for_text(FRIEND, "Olá Bia").await;

    tenant.delete(&path).await.expect(200);
    send(&own, &id, json!({"name": "Bia"})).await.refused(404, "TEMPLATE_NOT_FOUND");
    assert_eq!(world.phones().received(FRIEND).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_nothing_is_sent() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let api = world.api().on_number(&number.id);
    make(&api, json!({"name": "greeting", "text": "{{greeting}} {{name}}, {{greeting}} {{1}}"}))
        .await;
    make(&api, json!({"name": "photo", "text": "Look", "media": "https://acme.example/a.png"}))
        .await;

    let missing = send(&api, "greeting", json!({"name": "Ana"})).await;
    missing.refused(400, "MISSING_TEMPLATE_VARIABLES");
    let sentence = missing.json()["error"].as_str().expect("a sentence").to_owned();
    assert!(sentence.ends_with(": greeting, 1"), "{sentence}");
    send(&api, "unknown", json!({})).await.refused(404, "TEMPLATE_NOT_FOUND");
    let nothing = send(&api, "greeting", json!({"greeting": "", "name": "\u{0}", "1": ""})).await;
    nothing.refused(400, "VALIDATION_ERROR");
    let both = json!({"destinationNumber": FRIEND, "templateId": "greeting", "text": "x"});
    api.post("/v1/messages/send", both).await.refused(400, "VALIDATION_ERROR");

    let sent = api.send_text(FRIEND, "only this").await;
    assert!(sent.starts_with("msg_"));
    world.phones().wait_for_text(FRIEND, "only this").await;
    assert_eq!(world.phones().received(FRIEND).await, ["only this"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_template_is_not_found() {
    let world = World::start().await;
    let first = world.api();
    let id = make(first, json!({"name": "ours", "text": "ours"})).await;
    let second = world.product.second_tenant();
    let theirs = second.create("+5511999990003").await;
    let their_key = second.with_key(&second.key_of(&theirs.id).await);

    assert_eq!(second.get("/v1/templates").await.expect(200), json!([]));
    for known_by in [id.as_str(), "ours"] {
        let path = format!("/v1/templates/{known_by}");
        for thief in [&second, &their_key] {
            thief.get(&path).await.refused(404, "TEMPLATE_NOT_FOUND");
        }
        let change = json!({"text": "stolen"});
        let changed = second.call(Method::PATCH, &path, Some(&change)).await;
        changed.refused(404, "TEMPLATE_NOT_FOUND");
        second.delete(&path).await.refused(404, "TEMPLATE_NOT_FOUND");
        send(&their_key, known_by, json!({})).await.refused(404, "TEMPLATE_NOT_FOUND");
    }
    // The name is free for them, and then each has their own.
    make(&second, json!({"name": "ours", "text": "theirs"})).await;
    let text = |all: &Value| all[0]["latestVersion"]["text"].clone();
    assert_eq!(text(&first.get("/v1/templates").await.expect(200)), "ours");
    assert_eq!(text(&second.get("/v1/templates").await.expect(200)), "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_outlive_a_crash_and_are_sent_once() {
    let mut world = World::start().await;
    let number = world.open_number(NUMBER).await;
    make(world.api(), json!({"name": "hello", "text": "Oi {{name}}"})).await;
    world.phones().network(json!({"refuse": true, "dropConnections": true})).await;
    send(&world.api().on_number(&number.id), "hello", json!({"name": "Ana"})).await.expect(202);

    world.product.kill_9();
    world.phones().network(json!({"refuse": false})).await;
    world.product.start_again().await;

    world.phones().wait_for_text(FRIEND, "Oi Ana").await;
    let still = world.api().get("/v1/templates/hello").await.expect(200);
    assert_eq!(still["latestVersion"]["version"], 1);
    assert_eq!(world.phones().received(FRIEND).await, ["Oi Ana"]);
}
