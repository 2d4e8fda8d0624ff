//! Numbers: reading, registering, subscribing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    callback::{Callback, VERIFY_TOKEN},
    world::World,
};

#[tokio::test]
async fn an_account_lists_its_numbers_page_by_page() {
    let world = World::start_with(json!({ "number": "+16315550001", "name": "Zoë's Shop" })).await;
    for _ in 0..2 {
        world.tell("/numbers", json!({ "wabaId": world.waba })).await;
    }
    world.tell("/businesses", json!({})).await;

    let waba = world
        .get(&format!("{}?fields=name,account_review_status,owner_business_info", world.waba))
        .await;
    assert_eq!(
        (&waba["name"], &waba["account_review_status"]),
        (&json!("Zoë's Shop"), &json!("APPROVED"))
    );
    let path =
        format!("{}/phone_numbers?fields=id,display_phone_number,status&limit=2", world.waba);
    let first = world.get(&path).await;
    assert_eq!(first["data"].as_array().expect("a list").len(), 2);
    assert_eq!(first["data"][0]["display_phone_number"], "+1 631-555-0001");
    assert!(first["paging"]["next"].is_string());
    let after = first["paging"]["cursors"]["after"].as_str().expect("a cursor");
    let second = world.get(&format!("{path}&after={after}")).await;
    assert_eq!(second["data"].as_array().expect("a list").len(), 1);
    assert!(second["paging"]["next"].is_null());
    world.end().await;
}

#[tokio::test]
async fn registering_takes_a_verified_number_and_its_pin() {
    let world = World::start_with(json!({
        "registered": false, "phone": { "code_verification_status": "NOT_VERIFIED" },
    }))
    .await;
    let path = format!("{}/register", world.phone);
    let pin = |pin: &str| json!({ "messaging_product": "whatsapp", "pin": pin });

    assert_eq!(world.refused(Method::POST, &path, json!({ "pin": "123456" })).await.0, 100);
    assert_eq!(world.refused(Method::POST, &path, pin("12345")).await.0, 100);
    assert_eq!(world.refused(Method::POST, &path, pin("123456")).await.0, 133_006);
    let code = format!("{}/request_code?code_method=SMS&language=en_US", world.phone);
    world.post(&code, Value::Null).await;
    let verify = |code: &str| format!("{}/verify_code?code={code}", world.phone);
    assert_eq!(world.refused(Method::POST, &verify("000000"), Value::Null).await.0, 136_025);
    let state = world.control(Method::GET, "/state", json!({})).await;
    let code = state["numbers"][&world.phone]["verificationCode"].as_str().expect("a code");
    world.post(&verify(code), Value::Null).await;
    world.post(&path, pin("123456")).await;
    let fields = format!(
        "{}?fields=status,platform_type,is_pin_enabled,code_verification_status",
        world.phone
    );
    assert_eq!(
        world.get(&fields).await,
        json!({
            "id": world.phone, "status": "CONNECTED", "platform_type": "CLOUD_API",
            "is_pin_enabled": true, "code_verification_status": "VERIFIED",
        })
    );

    assert_eq!(world.refused(Method::POST, &path, pin("654321")).await.0, 133_005);
    world.post(&world.phone, json!({ "pin": "654321" })).await;
    world.post(&path, pin("654321")).await;
    world.end().await;
}

#[tokio::test]
async fn a_number_is_registered_and_deregistered_ten_times_in_three_days() {
    let world = World::start().await;
    let register = format!("{}/register", world.phone);
    let deregister = format!("{}/deregister", world.phone);
    let pin = json!({ "messaging_product": "whatsapp", "pin": "000000" });
    for _ in 0..5 {
        world.post(&deregister, Value::Null).await;
        world.post(&register, pin.clone()).await;
    }

    assert_eq!(world.refused(Method::POST, &deregister, Value::Null).await.0, 133_016);
    world.tell("/clock", json!({ "advanceSeconds": 72 * 60 * 60 })).await;
    world.post(&deregister, Value::Null).await;
    assert_eq!(world.refused(Method::POST, &deregister, Value::Null).await.0, 133_010);
    world.end().await;
}

#[tokio::test]
async fn a_coexistence_number_is_neither_registered_nor_deregistered() {
    let world = World::start_with(json!({ "phone": { "is_on_biz_app": true } })).await;
    let pin = json!({ "messaging_product": "whatsapp", "pin": "000000" });

    for (edge, body) in [("register", pin), ("deregister", Value::Null)] {
        let path = format!("{}/{edge}", world.phone);
        assert_eq!(world.refused(Method::POST, &path, body).await.0, 100, "{edge}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_coexistence_number_shares_once_and_within_a_day() {
    let callback = Callback::start().await;
    let world = World::start_with(json!({ "phone": { "is_on_biz_app": true } })).await;
    world.subscribe(&callback).await;
    world.tell("/contacts/+5511999990009", json!({ "name": "Ana Lima" })).await;
    let path = format!("{}/smb_app_data", world.phone);
    let sync = |kind: &str| json!({ "messaging_product": "whatsapp", "sync_type": kind });

    assert!(world.post(&path, sync("smb_app_state_sync")).await["request_id"].is_string());
    let shared = callback.changes(1).await;
    assert_eq!(shared[0]["value"]["state_sync"][0]["contact"]["full_name"], "Ana Lima");
    assert_eq!(world.refused(Method::POST, &path, sync("smb_app_state_sync")).await.0, 2_593_107);
    world.tell(&format!("/numbers/{}/history", world.phone), json!({ "threads": null })).await;
    world.post(&path, sync("history")).await;
    let shared = callback.changes(2).await;
    assert_eq!(shared[1]["value"]["history"][0]["errors"][0]["code"], 2_593_109);

    let late = world
        .tell("/numbers", json!({ "wabaId": world.waba, "phone": { "is_on_biz_app": true } }))
        .await;
    world.tell("/clock", json!({ "advanceSeconds": 24 * 60 * 60 + 1 })).await;
    let path = format!("{}/smb_app_data", late["id"].as_str().expect("an id"));
    assert_eq!(world.refused(Method::POST, &path, sync("history")).await.0, 2_593_108);
    world.end().await;
}

#[tokio::test]
async fn shared_files_follow_their_places() {
    let callback = Callback::start().await;
    let world = World::start_with(json!({ "phone": { "is_on_biz_app": true } })).await;
    world.subscribe(&callback).await;
    let context = json!({ "status": "READ" });
    let text = json!({ "id": "wamid.a", "from": "5511999990009", "timestamp": "1", "type": "text",
        "text": { "body": "look" }, "history_context": context });
    let image =
        json!({ "mime_type": "image/png", "sha256": "aGVsbG8=", "id": "7", "caption": "us" });
    let file = json!({ "id": "wamid.b", "from": "5511999990009", "timestamp": "2", "type": "image",
        "image": image, "history_context": context });
    let threads = json!([{ "id": "5511999990009", "messages": [text, file] }]);
    world.tell(&format!("/numbers/{}/history", world.phone), json!({ "threads": threads })).await;

    let wish = json!({ "messaging_product": "whatsapp", "sync_type": "history" });
    world.post(&format!("{}/smb_app_data", world.phone), wish).await;

    let told = callback.changes(2).await;
    let shared = &told[0]["value"]["history"][0]["threads"][0]["messages"];
    assert_eq!(shared[0], text);
    let place = json!({ "id": "wamid.b", "from": "5511999990009", "timestamp": "2",
        "type": "media_placeholder", "history_context": context });
    assert_eq!(shared[1], place);
    assert_eq!(
        (&told[1]["field"], &told[1]["value"]["messages"]),
        (&json!("history"), &json!([file]))
    );
    world.end().await;
}

#[tokio::test]
async fn a_callback_is_asked_before_it_is_set() {
    let callback = Callback::start().await;
    let world = World::start().await;
    let path = format!("{}/subscribed_apps", world.waba);
    let wish =
        |url: &str, token: &str| json!({ "override_callback_uri": url, "verify_token": token });

    assert_eq!(world.get(&path).await, json!({ "data": [] }));
    for (url, token) in [
        (callback.url.as_str(), "wrong"),
        ("http://127.0.0.1:9/", VERIFY_TOKEN),
        ("https://example.com/", VERIFY_TOKEN),
        ("nonsense", VERIFY_TOKEN),
    ] {
        assert_eq!(world.refused(Method::POST, &path, wish(url, token)).await.0, 2200, "{url}");
    }
    let long = format!("{}{}", callback.url, "x".repeat(200));
    assert_eq!(world.refused(Method::POST, &path, wish(&long, VERIFY_TOKEN)).await.0, 100);
    let of_number = json!({ "webhook_configuration": wish(&long, VERIFY_TOKEN) });
    assert_eq!(world.refused(Method::POST, &world.phone, of_number).await.0, 100);
    assert_eq!(world.get(&path).await, json!({ "data": [] }));

    world.subscribe(&callback).await;
    // What the address had in its query is kept.
    assert!(callback.queries().iter().all(|query| query.starts_with("x=1&hub.mode=subscribe")));
    let listed = world.get(&path).await;
    assert_eq!(listed["data"][0]["override_callback_uri"], callback.url);
    assert_eq!(listed["data"][0]["whatsapp_business_api_data"]["id"], world.app);
    world.post(&path, Value::Null).await;
    let listed = world.get(&path).await;
    assert!(listed["data"][0]["override_callback_uri"].is_null());
    assert_eq!(world.call(Method::DELETE, &path, Value::Null).await.0, 200);
    assert_eq!(world.get(&path).await, json!({ "data": [] }));
    world.end().await;
}

#[tokio::test]
async fn the_apps_own_callback_is_for_the_app_token() {
    let callback = Callback::start().await;
    let world = World::start().await;
    let path = format!("{}/subscriptions", world.app);
    let wish = json!({
        "object": "whatsapp_business_account", "callback_url": callback.url,
        "verify_token": VERIFY_TOKEN, "fields": "messages,account_update",
    });

    assert_eq!(world.refused(Method::POST, &path, wish.clone()).await.0, 15);
    let mut url =
        reqwest::Url::parse(&format!("{}/v25.0/{path}", world.server.graph_url())).expect("a URL");
    url.query_pairs_mut()
        .append_pair("access_token", &format!("{}|{}", world.app, world.secret))
        .extend_pairs(
            wish.as_object()
                .expect("an object")
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str().expect("a text"))),
        );
    let (status, body) = crate::world::answer(world.client.post(url.clone())).await;
    assert_eq!((status.as_u16(), body), (200, json!({ "success": true })));
    let (_, shown) = crate::world::answer(world.client.get(url)).await;
    assert_eq!(shown["data"][0]["callback_url"], callback.url);
    world.end().await;
}

#[tokio::test]
async fn a_profile_is_read_as_it_was_written() {
    let world = World::start().await;
    let path = format!("{}/whatsapp_business_profile", world.phone);
    let wish = json!({
        "messaging_product": "whatsapp", "about": "We sell", "vertical": "RETAIL",
        "websites": ["https://shop.example/"], "email": "shop@example.com",
    });

    world.post(&path, wish).await;
    let shown = world.get(&format!("{path}?fields=about,vertical,websites,address")).await;
    assert_eq!(
        shown,
        json!({ "data": [{ "messaging_product": "whatsapp", "about": "We sell",
            "vertical": "RETAIL", "websites": ["https://shop.example/"] }] })
    );
    for wrong in [
        json!({ "messaging_product": "whatsapp", "about": "" }),
        json!({ "messaging_product": "whatsapp", "vertical": "NONSENSE" }),
        json!({ "about": "x" }),
    ] {
        assert_eq!(world.refused(Method::POST, &path, wrong).await.0, 100);
    }
    world.end().await;
}

#[tokio::test]
async fn a_number_can_be_added() {
    let world = World::start().await;
    let path = format!("{}/phone_numbers", world.waba);
    let wish = json!({ "cc": "1", "phone_number": "14195551518", "verified_name": "Lucky Shrub" });

    let id = world.post(&path, wish.clone()).await;
    let id = id["id"].as_str().expect("an id").to_owned();
    let shown = world.get(&format!("{id}?fields=display_phone_number,platform_type")).await;
    assert_eq!(shown["display_phone_number"], "+1 419-555-1518");
    assert_eq!(shown["platform_type"], "NOT_APPLICABLE");
    assert_eq!(world.refused(Method::POST, &path, wish).await.0, 100);
    world.end().await;
}
