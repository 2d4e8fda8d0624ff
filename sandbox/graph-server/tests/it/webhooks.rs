//! What callbacks get, and when.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    callback::{Callback, VERIFY_TOKEN},
    world::{PERSON, World, answer},
};

async fn app_callback(world: &World, callback: &Callback) {
    let wish = json!({ "callbackUrl": callback.url, "verifyToken": VERIFY_TOKEN });
    world.tell(&format!("/apps/{}", world.app), wish).await;
    let path = format!("{}/subscribed_apps", world.waba);
    if world.get(&path).await["data"] == json!([]) {
        world.post(&path, Value::Null).await;
    }
}

#[tokio::test]
async fn bodies_are_ascii_with_escaped_slashes_and_signed() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;

    world.inbound(json!({ "text": "café / 😀", "name": "Zoë" })).await;

    let got = &callback.wait(1).await[0];
    let text = std::str::from_utf8(&got.body).expect("text");
    assert!(text.is_ascii());
    assert!(text.contains(r"caf\u00e9 \/ \ud83d\ude00") && text.contains(r"Zo\u00eb"));
    assert!(got.is_signed_by(&world.secret));
    let value = &got.changes()[0]["value"];
    assert_eq!(value["messages"][0]["text"]["body"], "café / 😀");
    assert_eq!(
        value["metadata"],
        json!({ "display_phone_number": world.number.trim_start_matches('+'),
            "phone_number_id": world.phone })
    );
    world.end().await;
}

#[tokio::test]
async fn every_type_of_a_persons_message_is_told() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    let first = world.inbound(json!({ "text": "first" })).await;
    let messages = [
        json!({ "text": "quoting", "quote": first["id"] }),
        json!({ "text": "forwarded", "context": { "forwarded": true } }),
        json!({ "type": "image" }),
        json!({ "type": "video" }),
        json!({ "type": "audio" }),
        json!({ "type": "sticker" }),
        json!({ "type": "document", "document": { "caption": "c" } }),
        json!({ "location": { "latitude": 1.5, "longitude": 2.5, "name": "n" } }),
        json!({ "contacts": [{ "name": { "formatted_name": "J", "first_name": "J" },
            "phones": [{ "phone": "+1", "wa_id": "1", "type": "CELL" }] }] }),
        json!({ "reaction": { "message_id": first["id"], "emoji": "👍" } }),
        json!({ "reaction": { "message_id": first["id"] } }),
        json!({ "button": { "payload": "p", "text": "t" }, "quote": "wamid.x" }),
        json!({ "interactive": { "type": "button_reply",
            "button_reply": { "id": "a", "title": "A" } }, "quote": "wamid.x" }),
        json!({ "interactive": { "type": "list_reply",
            "list_reply": { "id": "a", "title": "A", "description": "d" } }, "quote": "wamid.x" }),
        json!({ "order": { "catalog_id": "1", "text": "t", "product_items": [
            { "product_retailer_id": "r", "quantity": 1, "item_price": 2.5, "currency": "BRL" }] } }),
        json!({ "type": "unsupported", "errors": [{ "code": 131_051, "title": "Unsupported",
            "message": "Unsupported", "error_data": { "details": "d" } }] }),
        json!({ "system": { "body": "User changed", "wa_id": "5511999990002",
            "type": "user_changed_number" } }),
    ];
    let count = messages.len();
    for message in messages {
        world.inbound(message).await;
    }

    let changes = callback.changes(count + 1).await;
    assert_eq!(changes[1]["value"]["messages"][0]["context"]["id"], first["id"]);
    assert!(changes[count]["value"]["contacts"].is_null());
    world.end().await;
}

#[tokio::test]
async fn the_numbers_callback_goes_before_the_accounts_and_that_before_the_apps() {
    let (of_number, of_waba, of_app) =
        (Callback::start().await, Callback::start().await, Callback::start().await);
    let world = World::start().await;
    app_callback(&world, &of_app).await;
    world.inbound(json!({ "text": "1" })).await;
    of_app.wait(1).await;
    world.subscribe(&of_waba).await;
    world.inbound(json!({ "text": "2" })).await;
    of_waba.wait(1).await;
    let wish = |url: &str| {
        json!({ "webhook_configuration":
        { "override_callback_uri": url, "verify_token": VERIFY_TOKEN } })
    };
    world.post(&world.phone, wish(&of_number.url)).await;
    world.inbound(json!({ "text": "3" })).await;
    of_number.wait(1).await;

    let shown = world.get(&format!("{}?fields=webhook_configuration", world.phone)).await;
    assert_eq!(
        shown["webhook_configuration"],
        json!({ "phone_number": of_number.url, "whatsapp_business_account": of_waba.url,
            "application": of_app.url })
    );
    // What is about the account goes to the app's own callback, whatever else is set.
    let path = format!("/wabas/{}/account-update", world.waba);
    world.tell(&path, json!({ "event": "PARTNER_ADDED" })).await;
    let change = &of_app.changes(2).await[1];
    assert_eq!(change["value"]["waba_info"]["waba_id"], world.waba);
    assert!(of_app.got()[1].json()["entry"][0]["time"].is_i64());
    world.post(&world.phone, wish("")).await;
    world.inbound(json!({ "text": "4" })).await;
    of_waba.wait(2).await;
    assert_eq!((of_number.got().len(), of_app.got().len()), (1, 2));
    world.end().await;
}

#[tokio::test]
async fn fields_that_the_app_has_not_subscribed_to_are_not_told() {
    let callback = Callback::start().await;
    let world = World::start_with(json!({ "app": { "fields": ["account_update"] } })).await;
    app_callback(&world, &callback).await;

    let unheard = world.inbound(json!({ "text": "hi" })).await;
    assert_eq!(unheard["webhooks"], 0);
    let path = format!("/wabas/{}/account-update", world.waba);
    world.tell(&path, json!({ "event": "ACCOUNT_DELETED" })).await;
    assert_eq!(callback.changes(1).await[0]["field"], "account_update");
    world.end().await;
}

#[tokio::test]
async fn what_meta_decides_is_told_and_shown() {
    let callback = Callback::start().await;
    let world = World::start().await;
    app_callback(&world, &callback).await;

    world.tell(&format!("/numbers/{}/quality", world.phone), json!({ "rating": "RED" })).await;
    let name = json!({ "decision": "APPROVED", "name": "New Name" });
    world.tell(&format!("/numbers/{}/name", world.phone), name).await;
    world.tell(&format!("/wabas/{}/review", world.waba), json!({ "decision": "REJECTED" })).await;

    let changes = callback.changes(3).await;
    assert_eq!(changes[0]["value"]["event"], "FLAGGED");
    assert_eq!(changes[1]["value"]["requested_verified_name"], "New Name");
    assert_eq!(changes[2]["value"]["decision"], "REJECTED");
    let shown = world.get(&format!("{}?fields=quality_rating,verified_name", world.phone)).await;
    assert_eq!(
        (&shown["quality_rating"], &shown["verified_name"]),
        (&json!("RED"), &json!("Demo Shop"))
    );
    let pin = json!({ "messaging_product": "whatsapp", "pin": "000000" });
    world.post(&format!("{}/register", world.phone), pin).await;
    let shown = world.get(&format!("{}?fields=verified_name", world.phone)).await;
    assert_eq!(shown["verified_name"], "New Name");
    world.end().await;
}

#[tokio::test]
async fn what_is_not_answered_with_200_comes_again() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    callback.refuse(3);

    world.inbound(json!({ "text": "hi" })).await;
    // At once, and after ten seconds and a minute: time can be moved.
    let attempts = |count: usize| {
        let world = &world;
        async move {
            loop {
                let hooks = world.control(Method::GET, "/webhooks", json!({})).await;
                if hooks[0]["attempts"].as_array().expect("a list").len() >= count {
                    return hooks;
                }
                tokio::task::yield_now().await;
            }
        }
    };
    attempts(2).await;
    assert!(callback.got().is_empty());
    world.tell("/clock", json!({ "advanceSeconds": 10 })).await;
    attempts(3).await;
    world.tell("/clock", json!({ "advanceSeconds": 60 })).await;
    let hooks = attempts(4).await;
    assert_eq!(
        (&hooks[0]["state"], &hooks[0]["attempts"][0]["status"]),
        (&json!("delivered"), &json!(503))
    );
    assert_eq!(callback.got().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_nobody_takes_is_dropped_after_seven_days() {
    let world = World::start().await;
    let gone = Callback::start().await;
    world.subscribe(&gone).await;
    gone.refuse(u32::MAX);
    let longest = json!({ "retryDelaysMs": [0, 1, 8 * 24 * 60 * 60 * 1000_u64] });
    world.tell("/settings", longest).await;

    world.inbound(json!({ "text": "hi" })).await;

    let mut state = Value::Null;
    while state != "dropped" {
        state = world.control(Method::GET, "/webhooks", json!({})).await[0]["state"].clone();
        tokio::task::yield_now().await;
    }
    world.end().await;
}

#[tokio::test]
async fn webhooks_can_be_batched_doubled_swapped_and_wrongly_signed() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;

    world.tell("/settings", json!({ "batch": 3 })).await;
    for text in ["1", "2", "3"] {
        world.inbound(json!({ "text": text })).await;
    }
    assert_eq!(callback.wait(1).await[0].changes().len(), 3);
    world.tell("/settings", json!({ "batch": 1, "duplicate": true })).await;
    world.inbound(json!({ "text": "4" })).await;
    let got = callback.wait(3).await;
    assert_eq!(got[1].body, got[2].body);
    world.tell("/settings", json!({ "duplicate": false, "reorder": true })).await;
    world.inbound(json!({ "text": "5" })).await;
    world.inbound(json!({ "text": "6" })).await;
    let text = |index: usize, got: &[crate::callback::Got]| {
        got[index].changes()[0]["value"]["messages"][0]["text"]["body"].clone()
    };
    let got = callback.wait(5).await;
    assert_eq!((text(3, &got), text(4, &got)), (json!("6"), json!("5")));
    world.inbound(json!({ "text": "7" })).await;
    world.tell("/settings", json!({ "reorder": false, "signature": "bad" })).await;
    world.inbound(json!({ "text": "8" })).await;
    let got = callback.wait(7).await;
    assert!(got[5].is_signed_by(&world.secret) && !got[6].is_signed_by(&world.secret));
    world.tell("/settings", json!({ "signature": "missing" })).await;
    world.inbound(json!({ "text": "9" })).await;
    assert!(callback.wait(8).await[7].signature.is_none());
    world.end().await;
}

#[tokio::test]
async fn the_same_message_can_come_again() {
    let callback = Callback::start().await;
    let world = World::start().await;
    world.subscribe(&callback).await;
    let first = world.inbound(json!({ "text": "hi" })).await;

    world.inbound(json!({ "text": "hi", "id": first["id"] })).await;

    let changes = callback.changes(2).await;
    assert_eq!(changes[0]["value"]["messages"][0]["id"], changes[1]["value"]["messages"][0]["id"]);
    let received = world.control(Method::GET, "/inbound", json!({})).await;
    assert_eq!(received.as_array().expect("a list").len(), 1);
    assert_eq!(received[0]["from"], PERSON.trim_start_matches('+'));
    world.end().await;
}

#[tokio::test]
async fn an_owner_who_removes_the_partner_takes_the_account_away_from_it() {
    let callback = Callback::start().await;
    let world = World::start().await;
    app_callback(&world, &callback).await;
    let wish = json!({ "webhook_configuration":
        { "override_callback_uri": callback.url, "verify_token": VERIFY_TOKEN } });
    world.post(&world.phone, wish).await;
    // Of the same app: for another account as well, and for all of them.
    let token = async |wabas: Value| {
        let wish = json!({ "appId": world.app, "wabaIds": wabas });
        world.tell("/tokens", wish).await["token"].as_str().expect("a token").to_owned()
    };
    let other = world.tell("/businesses", json!({ "appId": world.app })).await;
    let both = token(json!([world.waba, other["wabaId"]])).await;
    let all = token(json!([])).await;
    let path = format!("/wabas/{}/account-update", world.waba);
    let removed = |app: &str| {
        json!({ "event": "PARTNER_REMOVED",
        "waba_info": { "waba_id": world.waba, "owner_business_id": "1", "partner_app_id": app } })
    };

    world.tell(&path, removed("404")).await;
    callback.changes(1).await;
    assert_eq!(world.get(&world.waba).await["id"], world.waba.as_str(), "it was another app");
    let told = world.tell(&path, removed(&world.app)).await;

    assert_eq!(told["webhooks"], 1, "it still hears of it");
    callback.changes(2).await;
    assert_eq!(world.refused(Method::GET, &world.waba, Value::Null).await, (190, Some(458)));
    let code_by = async |token: &str, id: &str| {
        let url = format!("{}/v25.0/{id}", world.server.graph_url());
        let (status, body) = answer(world.client.get(url).bearer_auth(token)).await;
        (status.as_u16(), body["error"]["code"].as_i64())
    };
    assert_ne!(code_by(&both, &world.waba).await.0, 200);
    assert_eq!(code_by(&both, other["wabaId"].as_str().expect("an id")).await.0, 200);
    assert_eq!(code_by(&all, &world.waba).await.0, 200);
    let state = world.control(Method::GET, "/state", json!({})).await;
    assert_eq!(state["wabas"][&world.waba]["subscriptions"], json!({}));
    assert!(state["numbers"][&world.phone]["callback"].is_null());
    world.end().await;
}
