//! What becomes of messages, and what the customer hears of it.

use std::collections::HashSet;

use ramal_tests::{Line, Official};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{FRIEND, FRIEND_ID, NUMBER, addressed, friend_writes, send, wait_for_status};

/// An open number with an open window.
async fn in_conversation(settings: &[(&str, &str)]) -> (Official, Line) {
    let world = Official::with(settings).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    (world, line)
}

/// How often Meta was asked to send our message.
async fn asked(world: &Official, id: &str) -> usize {
    let calls = world.graph.calls("POST", "messages").await;
    calls.iter().filter(|call| call["body"]["biz_opaque_callback_data"] == id).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_delivered_and_read_are_told_once_each() {
    let (world, line) = in_conversation(&[]).await;
    // Meta tells everything twice.
    world.graph.tell("/settings", json!({"duplicate": true})).await;

    let id = send(&line.api, json!({"text": "Olá, friend"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.graph.tell(&format!("/contacts/{FRIEND_ID}/read"), json!({})).await;

    world.receiver.wait_for("line", "message.read", |_| true).await;
    world.graph.settled().await;
    let detail = wait_for_status(&line.api, &id, "READ").await;
    for event in ["message.sent", "message.delivered", "message.read"] {
        let told = world.receiver.events("line", event);
        let ids: HashSet<&str> = told.iter().map(ramal_tests::Delivery::id).collect();
        assert_eq!(ids.len(), 1, "{event}");
        let data = told[0].data();
        assert_eq!(data["id"], id.as_str());
        assert_eq!((&data["to"], &data["type"]), (&json!(FRIEND), &json!("text")), "{data}");
        assert_eq!((&data["fromMe"], &data["content"]), (&json!(true), &json!("Olá, friend")));
        assert_eq!(data["messageId"], detail["externalMessageId"]);
    }
    for time in ["sentAt", "deliveredAt", "readAt"] {
        assert!(detail[time].is_string(), "{time}: {detail}");
    }
    assert_eq!(detail["metaPricing"]["category"], "service", "{detail}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_out_of_order_never_go_backwards() {
    let (world, line) = in_conversation(&[]).await;
    world.graph.tell("/settings", json!({"autoStatuses": "off"})).await;
    let id = send(&line.api, json!({"text": "backwards"})).await;
    let sent = wait_for_status(&line.api, &id, "SENT").await;
    let wamid = sent["externalMessageId"].as_str().expect("an id").to_owned();

    for status in ["read", "delivered", "sent", "read"] {
        let path = format!("/messages/{wamid}/status");
        world.graph.tell(&path, json!({ "status": status })).await;
        world.graph.settled().await;
    }

    let read = wait_for_status(&line.api, &id, "READ").await;
    assert!(read["readAt"].is_string());
    world.receiver.wait_for("line", "message.read", |_| true).await;
    assert_eq!(world.receiver.events("line", "message.read").len(), 1);
    assert_eq!(world.receiver.events("line", "message.sent").len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_meta_reports_later_is_told_with_its_reason_and_is_final() {
    let (world, line) = in_conversation(&[]).await;
    world.graph.fault(json!({"route": "messages", "fail": 131_026})).await;

    let id = send(&line.api, json!({"text": "nobody there", "markRead": false})).await;

    let failed = wait_for_status(&line.api, &id, "FAILED").await;
    assert_eq!(failed["errorCode"], "WHATSAPP_NOT_EXIST");
    let is_it = |data: &Value| data["id"] == id.as_str();
    let told = world.receiver.wait_for("line", "message.failed", is_it).await.data();
    assert_eq!(told["errorCode"], "WHATSAPP_NOT_EXIST");
    let wamid = world.graph.list("/messages").await[0]["id"].clone();
    let wamid = wamid.as_str().expect("an id").to_owned();
    world.graph.tell(&format!("/messages/{wamid}/status"), json!({"status": "read"})).await;
    world.graph.settled().await;
    assert_eq!(wait_for_status(&line.api, &id, "FAILED").await["readAt"], Value::Null);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_meta_has_stopped_is_told_as_such() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.fault(json!({"route": "messages", "code": 132_015})).await;

    let id = send(&line.api, json!({"templateId": "hello_world"})).await;

    let failed = wait_for_status(&line.api, &id, "FAILED").await;
    assert_eq!(failed["errorCode"], "META_TEMPLATE_NOT_APPROVED");
    assert_eq!(world.api().state(&line.id).await, "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_out_and_the_message_is_taken_once() {
    let (world, line) = in_conversation(&[]).await;
    world.graph.fault(json!({"route": "messages", "code": 130_429})).await;

    let id = send(&line.api, json!({"text": "patience", "markRead": false})).await;

    wait_for_status(&line.api, &id, "DELIVERED").await;
    assert_eq!(asked(&world, &id).await, 2, "refused once, taken once");
    assert_eq!(world.graph.received(FRIEND_ID).await, ["patience"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_hangs_a_message_is_given_up_not_repeated_and_the_next_one_goes_out() {
    let settings = [("META__TIMEOUT", "500ms"), ("META__CONFIRM_WITHIN", "1s")];
    let (world, line) = in_conversation(&settings).await;
    world.graph.fault(json!({"route": "messages", "hang": true})).await;

    let id = send(&line.api, json!({"text": "into the void", "markRead": false})).await;
    let next = send(&line.api, json!({"text": "next"})).await;

    let failed = wait_for_status(&line.api, &id, "FAILED").await;
    assert_eq!(failed["errorCode"], "DELIVERED_NOT_CONFIRMED");
    let is_it = |data: &Value| data["id"] == id.as_str();
    world.receiver.wait_for("line", "message.failed", is_it).await;
    wait_for_status(&line.api, &next, "DELIVERED").await;
    assert_eq!(asked(&world, &id).await, 1);
    assert_eq!(world.graph.received(FRIEND_ID).await, ["next"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_hangs_those_to_others_go_on() {
    let settings = [("META__TIMEOUT", "500ms"), ("META__CONFIRM_WITHIN", "10s")];
    let (world, line) = in_conversation(&settings).await;
    world.graph.fault(json!({"route": "messages", "hang": true})).await;

    let id = send(&line.api, json!({"text": "into the void", "markRead": false})).await;
    let behind = send(&line.api, json!({"text": "behind", "markRead": false})).await;
    let beside = json!({"destinationNumber": "+5511988880077", "templateId": "hello_world"});
    let beside = send(&line.api, beside).await;

    wait_for_status(&line.api, &beside, "DELIVERED").await;
    wait_for_status(&line.api, &id, "QUEUED").await;
    wait_for_status(&line.api, &behind, "QUEUED").await;
    wait_for_status(&line.api, &behind, "DELIVERED").await;
    assert_eq!(
        wait_for_status(&line.api, &id, "FAILED").await["errorCode"],
        "DELIVERED_NOT_CONFIRMED"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_out_by_the_whole_number() {
    let (world, line) = in_conversation(&[]).await;
    world.graph.fault(json!({"route": "messages", "code": 130_429})).await;

    let id = send(&line.api, json!({"text": "patience", "markRead": false})).await;
    let beside = json!({"destinationNumber": "+5511988880077", "templateId": "hello_world"});
    let beside = send(&line.api, beside).await;

    wait_for_status(&line.api, &beside, "DELIVERED").await;
    let calls = world.graph.calls("POST", "messages").await;
    let tags: Vec<_> = calls.iter().map(|call| &call["body"]["biz_opaque_callback_data"]).collect();
    assert_eq!(tags, [&json!(id), &json!(id), &json!(beside)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_idempotency_key_is_one_message() {
    let (world, line) = in_conversation(&[]).await;
    let body = addressed(json!({"text": "once, please"}));
    let headers = [("idempotency-key", "order 7")];
    let mut ids = Vec::new();
    for _repeat in 0..2 {
        let answer = line.api.ask(Method::POST, "/v1/messages/send", &headers, Some(&body)).await;
        ids.push(answer.expect("an answer").expect(202)["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    wait_for_status(&line.api, ids[0].as_str().expect("an id"), "DELIVERED").await;
    assert_eq!(world.graph.received(FRIEND_ID).await, ["once, please"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_answer_marks_as_read_is_a_setting() {
    let (world, line) = in_conversation(&[]).await;
    let read_at = async || world.graph.list("/inbound").await[0]["readAt"].clone();
    let path = format!("/v1/numbers/{}", line.id);
    let settings = json!({"settings": {"markReadOnSend": false}});
    world.api().patch(&path, settings).await.expect(200);

    let id = send(&line.api, json!({"text": "not read"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    assert_eq!(read_at().await, Value::Null);
    let id = send(&line.api, json!({"text": "read", "markRead": true})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    assert!(read_at().await.is_number());
    let answer = addressed(json!({"text": "x", "markRead": "yes"}));
    line.api.post("/v1/messages/send", answer).await.refused(400, "VALIDATION_ERROR");
    world.end().await;
}
