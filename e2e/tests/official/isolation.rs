//! One tenant sees, touches and forges nothing of another; one number of an account nothing of the next.

use hmac::{Hmac, KeyInit as _, Mac as _};
use ramal_tests::{Answer, Business, Line, Official};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{FRIEND, NUMBER, OTHER, friend_writes, send, wait_for_status};

/// Delivers to a number's callback what Meta would, signed with somebody's secret.
async fn deliver(world: &Official, to: &str, secret: &str, body: &Value) -> Answer {
    let raw = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(raw.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [("x-hub-signature-256", signature.as_str())];
    let api = world.api().anonymous();
    api.raw(Method::POST, &format!("/webhooks/meta/{to}"), &headers, raw).await
}

/// A message to the number of a business.
fn message_to(business: &Business, text: &str) -> Value {
    let message = json!({
        "from": FRIEND.trim_start_matches('+'),
        "from_user_id": "BR.1",
        "id": format!("wamid.{text}"),
        "timestamp": "1780000000",
        "type": "text",
        "text": {"body": text},
    });
    change(
        business,
        "messages",
        &json!({
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": business.number.trim_start_matches('+'),
                "phone_number_id": business.phone,
            },
            "contacts": [{"profile": {"name": "Friend"}, "user_id": "BR.1"}],
            "messages": [message],
        }),
    )
}

fn change(business: &Business, field: &str, value: &Value) -> Value {
    let changes = json!([{"field": field, "value": value}]);
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": business.waba, "time": 1_780_000_000, "changes": changes}],
    })
}

/// Two tenants, each with an official number and a webhook: at `/line` and at `/theirs`.
async fn neighbours(world: &Official) -> (Line, Line) {
    let mine = world.line(NUMBER).await;
    let second = world.product.second_tenant();
    let business = world.graph.business(json!({"number": OTHER})).await;
    let theirs = world.connect_by(&second, &business).await;
    second.webhook(&theirs.id, &world.receiver.url("theirs"), &["*"]).await;
    (mine, theirs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_tenant_sees_and_uses_nothing() {
    let world = Official::start().await;
    let (mine, theirs) = neighbours(&world).await;
    let (id, credentials) = (&mine.id, mine.credentials(&json!({"to": "META"})));

    for (method, path, body) in [
        (Method::GET, format!("/v1/numbers/{id}"), None),
        (Method::GET, format!("/v1/numbers/{id}?refresh=1"), None),
        (Method::POST, format!("/v1/numbers/{id}/meta/reconnect"), Some(json!({}))),
        (Method::POST, format!("/v1/numbers/{id}/migrate"), Some(credentials)),
        (Method::DELETE, format!("/v1/numbers/{id}"), None),
        (Method::POST, format!("/v1/numbers/{id}/restore"), None),
    ] {
        let answer = theirs.api.call(method.clone(), &path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    let text = json!({"destinationNumber": FRIEND, "text": "stolen"});
    let as_mine = world.product.second_tenant().on_number(id);
    as_mine.post("/v1/messages/send", text).await.refused(404, "NUMBER_NOT_FOUND");
    let listed = theirs.api.get("/v1/numbers").await.expect(200);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["id"], theirs.id.as_str());
    assert_eq!(world.api().state(id).await, "OPEN");
    assert!(world.graph.calls("POST", "messages").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_signed_with_one_tenants_secret_touches_no_number_of_another() {
    let world = Official::start().await;
    let (mine, theirs) = neighbours(&world).await;
    let forged = message_to(&theirs.business, "forged");

    // Their number's address takes their app's signature only.
    let refused = deliver(&world, &theirs.id, &mine.secret, &forged).await;
    refused.refused(401, "META_SIGNATURE_INVALID");
    // My address takes mine, but brings nothing to their number.
    let ignored = deliver(&world, &mine.id, &mine.secret, &forged).await;
    assert_eq!(ignored.status, 200, "{}", ignored.text);
    let value = json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": theirs.waba}});
    let removal = change(&theirs.business, "account_update", &value);
    assert_eq!(deliver(&world, &mine.id, &mine.secret, &removal).await.status, 200);
    let status = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1", "phone_number_id": theirs.phone},
        "statuses": [{"id": "wamid.x", "status": "read", "timestamp": "1780000000"}],
    });
    let status = change(&theirs.business, "messages", &status);
    assert_eq!(deliver(&world, &mine.id, &mine.secret, &status).await.status, 200);

    // What is right arrives, after all that.
    world.graph.write(&theirs.phone, json!({"from": FRIEND, "text": "real"})).await;
    world.receiver.wait_for("theirs", "message.received", |data| data["content"] == "real").await;
    friend_writes(&world, &mine, "mine").await;
    assert_eq!(world.receiver.events("theirs", "message.received").len(), 1);
    assert_eq!(world.receiver.events("line", "message.received").len(), 1);
    let state = theirs.api.get(&format!("/v1/numbers/{}/status", theirs.id)).await.expect(200);
    assert_eq!(state["state"], "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_for_another_tenants_message_changes_nothing() {
    let world = Official::start().await;
    let (mine, theirs) = neighbours(&world).await;
    world.graph.tell("/settings", json!({"autoStatuses": "off"})).await;
    let id = send(&theirs.api, json!({"templateId": "hello_world"})).await;
    let sent = wait_for_status(&theirs.api, &id, "SENT").await;

    let failed = json!({
        "id": sent["externalMessageId"], "status": "failed", "timestamp": "1780000000",
        "biz_opaque_callback_data": id, "errors": [{"code": 131_047, "title": "x"}],
    });
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1", "phone_number_id": mine.phone},
        "statuses": [failed],
    });
    let forged = change(&mine.business, "messages", &value);
    assert_eq!(deliver(&world, &mine.id, &mine.secret, &forged).await.status, 200);

    let still = theirs.api.get(&format!("/v1/messages/{id}")).await.expect(200);
    assert_eq!((&still["status"], &still["errorCode"]), (&json!("SENT"), &Value::Null));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_numbers_of_one_account_get_their_own_messages() {
    let world = Official::start().await;
    let first = world.line(NUMBER).await;
    let wish = json!({"wabaId": first.waba, "number": OTHER});
    let phone = world.graph.tell("/numbers", wish).await["id"].clone();
    let phone = phone.as_str().expect("an id").to_owned();
    let business = Business { number: OTHER.to_owned(), phone, ..first.business.clone() };
    let second = world.connect(&business).await;
    world.api().webhook(&second.id, &world.receiver.url("second"), &["*"]).await;

    world.graph.write(&first.phone, json!({"from": FRIEND, "text": "to the first"})).await;
    world.graph.write(&second.phone, json!({"from": FRIEND, "text": "to the second"})).await;

    let is_text = |text: &str| {
        let text = text.to_owned();
        move |data: &Value| data["content"] == text.as_str()
    };
    world.receiver.wait_for("line", "message.received", is_text("to the first")).await;
    world.receiver.wait_for("second", "message.received", is_text("to the second")).await;
    world.graph.settled().await;
    assert_eq!(world.receiver.events("line", "message.received").len(), 1);
    assert_eq!(world.receiver.events("second", "message.received").len(), 1);
    let hooks = world.graph.list("/webhooks").await;
    assert!(hooks.iter().all(|hook| hook["via"] == "number"), "each by its own address");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_app_signs_touches_no_number_of_another_app_of_the_same_tenant() {
    let world = Official::start().await;
    let mine = world.line(NUMBER).await;
    let business = world.graph.business(json!({"number": OTHER})).await;
    let other = world.connect(&business).await;
    world.api().webhook(&other.id, &world.receiver.url("other"), &["*"]).await;

    let forged = message_to(&other.business, "forged");
    let ignored = deliver(&world, &mine.id, &mine.secret, &forged).await;
    assert_eq!(ignored.status, 200, "{}", ignored.text);
    let value = json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": other.waba}});
    let removal = change(&other.business, "account_update", &value);
    assert_eq!(deliver(&world, &mine.id, &mine.secret, &removal).await.status, 200);

    // What is right arrives, after all that.
    world.graph.write(&other.phone, json!({"from": FRIEND, "text": "real"})).await;
    world.receiver.wait_for("other", "message.received", |data| data["content"] == "real").await;
    assert_eq!(world.receiver.events("other", "message.received").len(), 1);
    assert_eq!(world.api().state(&other.id).await, "OPEN");
    world.end().await;
}
