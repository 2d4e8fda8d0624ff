//! Messages that wait for their time, run out of it, or are taken back.

use std::time::{Duration, Instant};

use ramal_tests::{Chat, ahead, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::text;

fn with(words: &str, field: &str, value: Value) -> Value {
    let mut body = text(words);
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_its_time_and_others_pass_it() {
    let chat = Chat::start().await;
    let wait = Duration::from_secs(3);
    let (started, at) = (Instant::now(), ahead(wait));
    let later = chat.send(with("later", "deliverAt", json!(at))).await;
    let now = chat.send(text("now")).await;

    chat.arrives(&now, Chat::FRIEND).await;
    let waiting = chat.own.get("/v1/messages?scheduled=1").await.expect(200);
    assert_eq!(waiting["messages"][0]["id"], later, "{waiting}");
    assert_eq!((&waiting["total"], &waiting["messages"][0]["deliverAt"]), (&json!(1), &json!(at)));
    assert_eq!(waiting["messages"][0]["status"], "QUEUED");
    chat.arrives(&later, Chat::FRIEND).await;

    assert!(started.elapsed() >= wait, "it came too early");
    assert_eq!(chat.world.phones().received(Chat::FRIEND).await, ["now", "later"]);
    let waiting = chat.own.get("/v1/messages?scheduled=1").await.expect(200);
    assert_eq!(waiting["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_in_time_expires() {
    let settings = [("SESSIONS__RETRY_BASE", "200ms"), ("NUMBERS__SWEEP_EVERY", "300ms")];
    let chat = Chat::with(&settings).await;
    chat.world.phones().network(json!({"refuse": true})).await;
    chat.world.phones().network(json!({"dropConnections": true})).await;
    let until = ahead(Duration::from_secs(2));
    let late = chat.send(with("too late", "deliverUntil", json!(until))).await;
    let patient = chat.send(text("patient")).await;

    let failed = chat.wait_for_status(&late, "FAILED").await;
    assert_eq!(failed["errorCode"], "MESSAGE_EXPIRED", "{failed}");
    let told =
        chat.receiver.wait_for(Chat::PATH, "message.failed", |data| data["id"] == late).await;
    assert_eq!(told.data()["errorCode"], "MESSAGE_EXPIRED");
    chat.world.phones().network(json!({"refuse": false})).await;

    chat.arrives(&patient, Chat::FRIEND).await;
    assert_eq!(chat.world.phones().received(Chat::FRIEND).await, ["patient"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_taken_back_and_what_left_is_not() {
    let chat = Chat::start().await;
    let hour = json!(ahead(Duration::from_hours(1)));
    let waiting = chat.send(with("never", "deliverAt", hour.clone())).await;
    let by_correlation =
        chat.own.post("/v1/messages/send", with("nor this", "deliverAt", hour)).await.expect(202);
    let left = chat.send(text("gone")).await;
    chat.arrives(&left, Chat::FRIEND).await;

    let ids = json!({"messageIds": [waiting, by_correlation["correlationId"], left, "msg_nobody"]});
    let answer = chat.own.call(Method::DELETE, "/v1/messages/cancel", Some(&ids)).await.expect(200);

    assert_eq!(answer["cancelled"], json!([waiting, by_correlation["correlationId"]]), "{answer}");
    let failed = answer["failed"].as_array().expect("an array");
    assert_eq!((&failed[0]["id"], &failed[1]["id"]), (&json!(left), &json!("msg_nobody")));
    assert!(failed.iter().all(|one| one["reason"].is_string()), "{answer}");
    assert_eq!(chat.message(&waiting).await["status"], "CANCELED");
    let again = json!({"messageIds": [waiting]});
    let answer =
        chat.own.call(Method::DELETE, "/v1/messages/cancel", Some(&again)).await.expect(200);
    assert_eq!(answer["cancelled"], json!([]), "only once: {answer}");
    for wrong in [json!({"messageIds": []}), json!({}), json!({"messageIds": vec!["x"; 101]})] {
        let refused = chat.own.call(Method::DELETE, "/v1/messages/cancel", Some(&wrong)).await;
        refused.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(chat.names_about(&waiting), [""; 0], "nobody is told of what its sender did");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_during_an_outage_is_not_sent_after_it() {
    let chat = Chat::with(&[("SESSIONS__RETRY_BASE", "200ms")]).await;
    chat.world.phones().network(json!({"refuse": true})).await;
    chat.world.phones().network(json!({"dropConnections": true})).await;
    let mut all = Vec::new();
    for index in 0..6 {
        all.push(chat.send(text(&format!("text {index}"))).await);
    }
    let odd: Vec<&String> = all.iter().skip(1).step_by(2).collect();
    // One may be tried at this very moment; ask until it is not.
    for id in odd {
        eventually("it is taken back", async || {
            let ids = json!({"messageIds": [id]});
            let answer =
                chat.own.call(Method::DELETE, "/v1/messages/cancel", Some(&ids)).await.expect(200);
            (answer["cancelled"] == json!([id])).then_some(())
        })
        .await;
    }

    chat.world.phones().network(json!({"refuse": false})).await;

    chat.arrives(&all[4], Chat::FRIEND).await;
    assert_eq!(chat.world.phones().received(Chat::FRIEND).await, ["text 0", "text 2", "text 4"]);
}
