//! The control API itself: faults, records, and what it refuses.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, answer, code_of};

#[tokio::test]
async fn faults_hit_the_next_calls_of_their_route() {
    let world = World::start().await;
    world.inbound(json!({ "text": "hi" })).await;
    let text = json!({ "type": "text", "text": { "body": "hi" } });

    world.tell("/faults", json!({ "route": "messages", "times": 2, "code": 131_016 })).await;
    let read = world.get(&world.phone).await;
    assert_eq!(read["id"], world.phone);
    assert_eq!(world.send_refused(text.clone()).await, 131_016);
    assert_eq!(world.send_refused(text.clone()).await, 131_016);
    world.send(text.clone()).await;
    world.tell("/faults", json!({ "route": "*", "method": "GET", "status": 502 })).await;
    let (status, body) = world.call(Method::GET, &world.phone, Value::Null).await;
    assert!(status == 502 && body.is_string());
    world.tell("/faults", json!({ "route": "messages", "fail": 131_049 })).await;
    world.send(text).await;
    let sent = world.control(Method::GET, "/messages", json!({})).await;
    assert_eq!(
        (&sent[1]["status"], &sent[1]["changes"][0]["code"]),
        (&json!("failed"), &json!(131_049))
    );
    world.tell("/faults", json!({ "route": "phone", "code": 190 })).await;
    let (status, body) = world.call(Method::GET, &world.phone, Value::Null).await;
    assert_eq!((status.as_u16(), code_of(&body).0), (401, 190));
    world.end().await;
}

#[tokio::test]
async fn a_refusal_has_the_subcode_that_was_asked_for() {
    let world = World::start().await;
    let unknown = json!({ "route": "phone", "code": 100, "subcode": 33 });
    let shown = world.tell("/faults", unknown).await;
    assert_eq!(shown, json!([{ "route": "phone", "times": 1, "code": 100, "subcode": 33 }]));
    let (status, body) = world.call(Method::GET, &world.phone, Value::Null).await;
    assert_eq!((status.as_u16(), code_of(&body)), (400, (100, Some(33))));
    assert_eq!(body["error"]["type"], "GraphMethodException");
    let sentence = body["error"]["message"].as_str().expect("a sentence");
    assert!(
        sentence.contains(&world.phone),
        "as Meta says it of what it does not know: {sentence}"
    );
    world.tell("/faults", json!({ "route": "phone", "code": 190, "subcode": 463 })).await;
    let expired = world.refused(Method::GET, &world.phone, Value::Null).await;
    assert_eq!(expired, (190, Some(463)));
    world.end().await;
}

#[tokio::test]
async fn connections_hang_and_are_cut_before_and_after() {
    let world = World::start().await;
    world.inbound(json!({ "text": "hi" })).await;
    let post = || {
        let body = World::to_person(json!({ "text": { "body": "hi" } })).to_string();
        let request = world.request(Method::POST, &format!("{}/messages", world.phone));
        request.header("content-type", "application/json").body(body).send()
    };
    let count = || async {
        let list = world.control(Method::GET, "/messages", json!({})).await;
        list.as_array().expect("a list").len()
    };

    world.tell("/faults", json!({ "route": "messages", "drop": "before" })).await;
    assert!(post().await.is_err());
    assert_eq!(count().await, 0);
    world.tell("/faults", json!({ "route": "messages", "drop": "after" })).await;
    assert!(post().await.is_err());
    assert_eq!(count().await, 1);
    world.tell("/faults", json!({ "route": "messages", "hang": true })).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), post()).await.is_err());
    assert_eq!(count().await, 1);
    assert!(post().await.is_ok());
    world.end().await;
}

#[tokio::test]
async fn calls_are_kept_as_they_came() {
    let world = World::start().await;
    let pin = json!({ "messaging_product": "whatsapp", "pin": "000000" });
    world.post(&format!("{}/register", world.phone), pin.clone()).await;
    world.get(&format!("{}?fields=id", world.phone)).await;

    let calls = world.control(Method::GET, "/calls?route=register", json!({})).await;
    assert_eq!(calls.as_array().expect("a list").len(), 1);
    assert_eq!((&calls[0]["body"], &calls[0]["answer"]), (&pin, &json!({ "success": true })));
    assert_eq!(calls[0]["path"], format!("/v25.0/{}/register", world.phone));
    assert_eq!(calls[0]["authorization"], format!("Bearer {}", world.token));
    let calls = world.control(Method::GET, "/calls?method=GET", json!({})).await;
    assert_eq!((&calls[0]["route"], &calls[0]["query"]), (&json!("phone"), &json!("fields=id")));
    world.control(Method::DELETE, "/calls", json!({})).await;
    assert_eq!(world.control(Method::GET, "/calls", json!({})).await, json!([]));
    world.end().await;
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let world = World::start().await;
    let state = world.control(Method::GET, "/state", json!({})).await;
    let waba = format!("/wabas/{}", world.waba);
    let phone = format!("/numbers/{}", world.phone);
    for (method, path, body, status, code) in [
        (Method::POST, "/businesses", json!({ "number": "12" }), 400, "INVALID_NUMBER"),
        (Method::POST, "/businesses", json!({ "number": world.number }), 409, "TAKEN"),
        (Method::POST, "/businesses", json!({ "phone": { "status": 5 } }), 400, "INVALID_BODY"),
        (Method::POST, "/businesses", json!({ "appId": "404" }), 404, "UNKNOWN_APP"),
        (Method::POST, "/apps", json!({ "id": world.waba }), 409, "TAKEN"),
        (Method::POST, "/apps", json!({ "fields": ["nonsense"] }), 400, "INVALID_BODY"),
        (Method::POST, &waba, json!({ "nonsense": true }), 400, "INVALID_BODY"),
        (Method::POST, &phone, json!({ "is_on_biz_app": "yes" }), 400, "INVALID_BODY"),
        (Method::POST, "/numbers/404", json!({}), 404, "UNKNOWN_PHONE"),
        (Method::POST, "/numbers", json!({ "wabaId": "404" }), 404, "UNKNOWN_WABA"),
        (Method::POST, "/tokens/revoke", json!({ "token": "x" }), 404, "UNKNOWN_TOKEN"),
        (
            Method::POST,
            "/messages/wamid.x/status",
            json!({ "status": "read" }),
            404,
            "UNKNOWN_MESSAGE",
        ),
        (Method::POST, "/faults", json!({ "route": "*" }), 400, "INVALID_BODY"),
        (
            Method::POST,
            "/faults",
            json!({ "route": "*", "subcode": 1, "status": 500 }),
            400,
            "INVALID_BODY",
        ),
        (Method::POST, "/settings", json!({ "batch": "many" }), 400, "INVALID_BODY"),
        (Method::POST, "/clock", json!({ "advanceSeconds": -1 }), 400, "INVALID_BODY"),
        (Method::GET, "/nonsense", json!({}), 404, "NOT_FOUND"),
        (Method::DELETE, "/clock", json!({}), 405, "METHOD_NOT_ALLOWED"),
    ] {
        let url = format!("{}{path}", world.server.control_url());
        let request = world.client.request(method, url).body(body.to_string());
        let (got, answer) = answer(request).await;
        assert_eq!(
            (got.as_u16(), answer["code"].as_str()),
            (status, Some(code)),
            "{path} {body}: {answer}"
        );
        assert!(answer["error"].is_string());
    }
    assert_eq!(world.control(Method::GET, "/state", json!({})).await, state);
    world.end().await;
}
