//! One tenant sees and touches nothing of another.

use ramal_tests::{Api, Receiver, World};
use reqwest::Method;
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";

async fn all_of(api: &Api) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/v1/numbers", "/v1/api-keys", "/v1/webhooks"] {
        all.push(api.get(path).await.expect(200));
    }
    all
}

/// Every route that takes the id of a number or a webhook.
async fn refuse_ids(second: &Api, their_key: &Api, id: &str, hook: &str, url: &str) {
    let number_routes = [
        (Method::GET, format!("/v1/numbers/{id}"), None),
        (Method::GET, format!("/v1/numbers/{id}/connect"), None),
        (Method::DELETE, format!("/v1/numbers/{id}"), None),
        (Method::POST, format!("/v1/numbers/{id}/upgrade-to-dual"), None),
        (
            Method::POST,
            "/v1/webhooks".to_owned(),
            Some(json!({"url": url, "whatsappNumberId": id})),
        ),
    ];
    let tenant_routes = [
        (Method::DELETE, format!("/v1/numbers/{id}/purge"), None),
        (Method::POST, format!("/v1/numbers/{id}/pay"), None),
        (Method::POST, "/v1/api-keys".to_owned(), Some(json!({"whatsappNumberId": id}))),
    ];
    let webhook_routes = [
        (Method::GET, format!("/v1/webhooks/{hook}"), None),
        (Method::PATCH, format!("/v1/webhooks/{hook}"), Some(json!({"active": false}))),
        (Method::DELETE, format!("/v1/webhooks/{hook}"), None),
        (Method::GET, format!("/v1/webhooks/{hook}/logs"), None),
    ];
    for (method, path, body) in number_routes.iter().chain(&tenant_routes) {
        let answer = second.call(method.clone(), path, body.as_ref()).await;
        answer.refused(404, "NUMBER_NOT_FOUND");
    }
    for (method, path, body) in number_routes.iter().take(4) {
        let answer = their_key.call(method.clone(), path, body.as_ref()).await;
        answer.refused(404, "NUMBER_NOT_FOUND");
    }
    for thief in [second, their_key] {
        let status = thief.get(&format!("/v1/numbers/{id}/status")).await;
        assert!(status.expect(404).get("code").is_none());
        for (method, path, body) in &webhook_routes {
            let answer = thief.call(method.clone(), path, body.as_ref()).await;
            answer.refused(404, "WEBHOOK_NOT_FOUND");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_tenant_reaches_nothing_of_the_first() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let first = world.api();
    let number = world.open_number(NUMBER).await;
    let (hook, _) = first.webhook(&number.id, &receiver.url("first"), &["*"]).await;
    let acting = first.on_number(&number.id);
    let message = acting.send_text(FRIEND, "mine").await;
    world.phones().wait_for_text(FRIEND, "mine").await;
    receiver.wait_for("first", "message.delivered", |_| true).await;
    let sent = acting.get(&format!("/v1/messages/{message}")).await.expect(200);
    let before = all_of(first).await;

    let second = world.product.second_tenant();
    assert_eq!(all_of(&second).await, [json!([]), json!([]), json!([])]);
    let theirs = second.create("+5511999990003").await;
    let their_key = second.with_key(&second.key_of(&theirs.id).await);

    let (id, url) = (&number.id, receiver.url("thief"));
    refuse_ids(&second, &their_key, id, &hook, &url).await;
    let acting_as_first = second.on_number(id);
    let text = json!({"destinationNumber": FRIEND, "text": "stolen"});
    let hook_body = json!({"url": url, "events": ["*"]});
    acting_as_first.post("/v1/messages/send", text).await.refused(404, "NUMBER_NOT_FOUND");
    acting_as_first.post("/v1/webhooks", hook_body).await.refused(404, "NUMBER_NOT_FOUND");
    acting_as_first.get("/v1/webhooks").await.refused(404, "NUMBER_NOT_FOUND");
    for any_id in ["id", "correlationId", "externalMessageId"] {
        let any_id = sent[any_id].as_str().expect("an id");
        let path = format!("/v1/messages/{any_id}");
        acting.get(&path).await.expect(200);
        acting_as_first.get(&path).await.refused(404, "NUMBER_NOT_FOUND");
        their_key.get(&path).await.refused(404, "MESSAGE_NOT_FOUND");
    }

    let after = all_of(first).await;
    assert_eq!(after[0][0]["state"], "OPEN");
    assert_eq!((&after[1], &after[0][0]["id"]), (&before[1], &before[0][0]["id"]));
    assert_eq!(after[2][0]["active"], true);
    assert_eq!(second.numbers().await.len(), 1);
    acting.send_text(FRIEND, "last").await;
    world.phones().wait_for_text(FRIEND, "last").await;
    assert_eq!(world.phones().received(FRIEND).await, ["mine", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_tell_of_their_own_tenants_numbers_only() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let second = world.product.second_tenant();
    for (api, name, number) in
        [(world.api(), "first", "+5511999990011"), (&second, "second", "+5511999990012")]
    {
        let created = api.create(number).await;
        api.webhook(&created.id, &receiver.url(name), &["*"]).await;
    }

    let mine = world.open_number(NUMBER).await;
    let theirs = second.create("+5511999990003").await;

    let is = |id: &str| {
        let id = id.to_owned();
        move |data: &Value| data["numberId"] == id.as_str()
    };
    receiver.wait_for("first", "number.created", is(&mine.id)).await;
    receiver.wait_for("second", "number.created", is(&theirs.id)).await;
    assert_eq!(receiver.names("first"), ["number.created"]);
    assert_eq!(receiver.names("second"), ["number.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_may_each_create_the_same_number() {
    let world = World::start().await;
    let second = world.product.second_tenant();

    let mine = world.open_number(NUMBER).await;
    let theirs = second.create(NUMBER).await;
    world.phones().scan(NUMBER, &theirs.qrcode).await.expect(200);

    second.wait_until_open(&theirs.id).await;
    assert_eq!(
        world.api().state(&mine.id).await,
        "OPEN",
        "a second linked device, as on any phone"
    );
    assert_eq!(world.phones().companions(NUMBER).await.len(), 2);
}
