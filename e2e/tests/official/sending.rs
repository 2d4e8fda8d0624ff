//! What an official number sends, and what becomes of it.

use ramal_tests::Official;
use serde_json::{Value, json};

use crate::{FRIEND, FRIEND_ID, NUMBER, addressed, friend_writes, send, wait_for_status};

/// The body of the newest call that sent something.
async fn last_sent(world: &Official) -> Value {
    let calls = world.graph.calls("POST", "messages").await;
    let mut sent = calls.iter().filter(|call| call["body"]["type"].is_string());
    sent.next_back().expect("something was sent")["body"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_sent_and_its_statuses_come_back() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hi").await;
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let rows = json!([{"title": "One", "rowId": "1", "description": "first"}]);
    for (message, kind) in [
        (json!({"text": "Olá 👋"}), "text"),
        (json!({"media": "https://acme.example/a.jpg", "text": "look"}), "image"),
        (json!({"media": picture, "text": "look"}), "image"),
        (
            json!({"media": "https://acme.example/a.pdf", "mediaType": "document", "fileName": "a.pdf"}),
            "document",
        ),
        (json!({"templateId": "hello_world"}), "template"),
        (
            json!({"templateId": "order_update:en_US", "variables": {"1": "Ana", "2": "7", "button_1": "x"}}),
            "template",
        ),
        (
            json!({"text": "Sure?", "footer": "Acme", "buttons": [{"type": "reply", "label": "Yes"}, {"type": "reply", "label": "No"}]}),
            "interactive",
        ),
        (
            json!({"text": "See", "buttons": [{"type": "url", "label": "Open", "url": "https://acme.example"}]}),
            "interactive",
        ),
        (
            json!({"text": "Pick", "list": {"buttonText": "Menu", "sections": [{"title": "A", "rows": rows}]}}),
            "interactive",
        ),
    ] {
        let id = send(&line.api, message.clone()).await;
        let told = wait_for_status(&line.api, &id, "DELIVERED").await;
        let body = last_sent(&world).await;
        assert_eq!(
            (&body["type"], &body["to"]),
            (&json!(kind), &json!(FRIEND)),
            "{message}: {body}"
        );
        assert!(
            told["externalMessageId"].as_str().is_some_and(|it| it.starts_with("wamid.")),
            "{told}"
        );
        assert!(told["metaPricing"].is_object(), "{told}");
        for event in ["message.sent", "message.delivered"] {
            world.receiver.wait_for("line", event, |data| data["id"] == id.as_str()).await;
        }
    }
    world.graph.tell(&format!("/contacts/{FRIEND_ID}/read"), json!({})).await;
    world.receiver.wait_for("line", "message.read", |_| true).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_would_refuse_is_refused_before_it_is_queued() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let button = |label: &str| json!({"type": "reply", "label": label});
    for (message, code) in [
        (
            json!({"templateId": "order_update", "variables": {"1": "Ana"}}),
            "MISSING_TEMPLATE_VARIABLES",
        ),
        (json!({"groupId": "1@g.us", "text": "x"}), "NOT_SUPPORTED_FOR_META"),
        (json!({"text": "x".repeat(4_097)}), "VALIDATION_ERROR"),
        (json!({"text": "x", "templateId": "hello_world"}), "VALIDATION_ERROR"),
        (json!({"text": "x", "media": "file:///etc/passwd"}), "VALIDATION_ERROR"),
        (
            json!({"text": "x", "media": "https://a.b/c", "mediaType": "hologram"}),
            "VALIDATION_ERROR",
        ),
        (
            json!({"text": "x", "buttons": [button("1"), button("2"), button("3"), button("4")]}),
            "VALIDATION_ERROR",
        ),
        (
            json!({"text": "x", "buttons": [button("this label is far too long")]}),
            "VALIDATION_ERROR",
        ),
        (
            json!({"text": "x", "buttons": [{"type": "call", "label": "Call"}]}),
            "FEATURE_NOT_SUPPORTED",
        ),
        (json!({"destinationNumber": NUMBER, "text": "to myself"}), "VALIDATION_ERROR"),
    ] {
        line.api.post("/v1/messages/send", addressed(message)).await.refused(400, code);
    }
    let unknown = addressed(json!({"templateId": "no_such"}));
    line.api.post("/v1/messages/send", unknown).await.refused(404, "TEMPLATE_NOT_FOUND");
    assert!(world.graph.calls("POST", "messages").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_a_message_fails_with_a_typed_code_whenever_meta_says_so() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    for errors in ["async", "sync"] {
        world.graph.tell("/settings", json!({"windowErrors": errors})).await;
        let id = send(&line.api, json!({"text": errors})).await;
        let failed = wait_for_status(&line.api, &id, "FAILED").await;
        assert_eq!(failed["errorCode"], "META_OUTSIDE_24H_WINDOW", "{errors}: {failed}");
        let told =
            world.receiver.wait_for("line", "message.failed", |data| data["id"] == id.as_str());
        assert_eq!(told.await.data()["errorCode"], "META_OUTSIDE_24H_WINDOW");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_is_too_busy_for_is_tried_again_and_arrives_once_and_in_order() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hi").await;
    world.graph.fault(json!({"route": "messages", "code": 131_016, "times": 2})).await;

    let mut last = String::new();
    for index in 0..10 {
        last = send(&line.api, json!({"text": format!("m{index}")})).await;
    }
    wait_for_status(&line.api, &last, "DELIVERED").await;
    let expected: Vec<String> = (0..10).map(|index| format!("m{index}")).collect();
    assert_eq!(world.graph.received(FRIEND_ID).await, expected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_message() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hi").await;
    world.graph.fault(json!({"route": "messages", "method": "POST", "drop": "after"})).await;

    let id = send(&line.api, json!({"text": "once"})).await;
    let told = wait_for_status(&line.api, &id, "DELIVERED").await;
    assert!(
        told["externalMessageId"].as_str().is_some_and(|it| it.starts_with("wamid.")),
        "{told}"
    );
    assert_eq!(world.graph.received(FRIEND_ID).await, ["once"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_confirms_is_given_up_and_not_sent_again() {
    let world = Official::with(&[("META__TIMEOUT", "1s"), ("META__CONFIRM_WITHIN", "2s")]).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hi").await;
    world.graph.fault(json!({"route": "messages", "method": "POST", "drop": "before"})).await;

    let id = send(&line.api, json!({"text": "lost"})).await;
    let end = ramal_tests::eventually("it has an end", async || {
        let message = line.api.get(&format!("/v1/messages/{id}")).await.expect(200);
        (message["status"] != "QUEUED").then_some(message)
    })
    .await;
    let received = world.graph.received(FRIEND_ID).await;
    match end["status"].as_str() {
        Some("FAILED") => {
            assert_eq!(end["errorCode"], "DELIVERED_NOT_CONFIRMED", "{end}");
            assert!(received.is_empty(), "{received:?}");
        }
        // The connection may have broken before anything was written: then it is safe to repeat.
        _ => assert_eq!(received, ["lost"]),
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_marked_as_read_and_typing_is_shown() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let typing = json!({"destinationNumber": FRIEND});
    let nobody = line.api.post("/v1/messages/typing", typing.clone()).await;
    nobody.refused(404, "MESSAGE_NOT_FOUND");
    friend_writes(&world, &line, "one").await;
    let unread = send(&line.api, json!({"text": "a", "markRead": false})).await;
    wait_for_status(&line.api, &unread, "DELIVERED").await;
    assert!(world.graph.list("/inbound").await[0]["readAt"].is_null());

    let read = send(&line.api, json!({"text": "b"})).await;
    wait_for_status(&line.api, &read, "DELIVERED").await;
    assert!(!world.graph.list("/inbound").await[0]["readAt"].is_null());
    friend_writes(&world, &line, "two").await;
    line.api.post("/v1/messages/typing", typing).await.expect(200);
    let inbound = world.graph.list("/inbound").await;
    assert!(!inbound[1]["typingAt"].is_null(), "{}", inbound[1]);
    world.end().await;
}
