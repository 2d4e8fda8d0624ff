//! How far a message got: told step by step, never backwards, once each.

use ramal_tests::{Chat, Delivery, eventually};
use serde_json::{Value, json};

use crate::{OTHER, group, text};

const STEPS: [&str; 3] = ["message.sent", "message.delivered", "message.read"];

async fn conduct(chat: &Chat, number: &str, conduct: Value) {
    let path = format!("/phones/{number}/conduct");
    chat.world.phones().post(&path, conduct).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_told_once_and_in_order() {
    let chat = Chat::start().await;
    conduct(&chat, Chat::FRIEND, json!({"read": "auto"})).await;
    let mut all = Vec::new();
    for index in 0..10 {
        all.push(chat.send(text(&format!("text {index}"))).await);
    }

    for id in &all {
        let message = chat.wait_for_status(id, "READ").await;
        let times =
            ["createdAt", "sentAt", "deliveredAt", "readAt"].map(|field| message[field].as_str());
        assert!(times.iter().all(Option::is_some) && times.is_sorted(), "{message}");
        assert!(message["errorCode"].is_null(), "{message}");
        eventually("its last step is told", async || {
            (chat.names_about(id).len() == 3).then_some(())
        })
        .await;
        assert_eq!(chat.names_about(id), STEPS, "{id}");
    }
    let mut ids: Vec<String> =
        chat.receiver.accepted(Chat::PATH).iter().map(|one| one.id().to_owned()).collect();
    let all_of_them = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all_of_them, "each with an id of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_wait_for_the_phone() {
    let chat = Chat::start().await;
    conduct(&chat, Chat::FRIEND, json!({"delivered": false})).await;
    let silent = chat.send(text("no receipts")).await;
    chat.arrives(&silent, Chat::FRIEND).await;
    chat.wait_for_status(&silent, "SENT").await;
    conduct(&chat, Chat::FRIEND, json!({"delivered": true})).await;
    let second = chat.send(text("receipts")).await;
    let arrived = chat.arrives(&second, Chat::FRIEND).await;
    chat.wait_for_status(&second, "DELIVERED").await;
    assert_eq!(chat.message(&silent).await["status"], "SENT", "no one said more of it");

    chat.world.phones().read(Chat::FRIEND, &arrived).await;
    chat.wait_for_status(&second, "READ").await;

    // Offline: it waits at WhatsApp, and is delivered later.
    conduct(&chat, OTHER, json!({"offline": true})).await;
    let waiting = chat.send(json!({"destinationNumber": OTHER, "text": "later"})).await;
    chat.wait_for_status(&waiting, "SENT").await;
    conduct(&chat, OTHER, json!({"offline": false})).await;
    chat.wait_for_status(&waiting, "DELIVERED").await;
    eventually("it is told", async || (chat.names_about(&waiting).len() == 2).then_some(())).await;
    assert_eq!(chat.names_about(&waiting), STEPS[..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_overtakes_its_delivery_is_told_in_order_of_the_facts() {
    let chat = Chat::start().await;
    conduct(&chat, Chat::FRIEND, json!({"delivered": false})).await;
    let id = chat.send(text("seen")).await;
    let arrived = chat.arrives(&id, Chat::FRIEND).await;
    chat.wait_for_status(&id, "SENT").await;

    chat.world.phones().read(Chat::FRIEND, &arrived).await;

    let message = chat.wait_for_status(&id, "READ").await;
    assert!(message["readAt"].is_string(), "{message}");
    let read = |data: &Value| data["id"] == id;
    chat.receiver.wait_for(Chat::PATH, "message.read", read).await;
    let names = chat.names_about(&id);
    assert!(names == ["message.sent", "message.read"] || names == STEPS, "{names:?}");
    let last =
        chat.receiver.accepted(Chat::PATH).into_iter().filter(|one| read(&one.data())).last();
    assert_eq!(last.as_ref().map(Delivery::event).as_deref(), Some("message.read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_the_last_that_is_told() {
    let chat = Chat::with(&[("NUMBERS__SWEEP_EVERY", "300ms")]).await;
    let missing = "http://127.0.0.1:9/nothing.png";
    let path = format!("/phones/{OTHER}/absent");
    chat.world.phones().post(&path, json!({"absent": true})).await.expect(200);
    for body in [
        json!({"destinationNumber": OTHER, "text": "x"}),
        json!({"destinationNumber": Chat::FRIEND, "media": missing, "deliverUntil": ramal_tests::ahead(std::time::Duration::from_secs(2))}),
    ] {
        let id = chat.send(body).await;
        let failed = chat.wait_for_status(&id, "FAILED").await;
        assert!(failed["errorCode"].is_string() && failed["errorMessage"].is_string(), "{failed}");
        assert!(failed["sentAt"].is_null() && failed["externalMessageId"].is_null(), "{failed}");
        chat.receiver.wait_for(Chat::PATH, "message.failed", |data| data["id"] == id).await;
        assert_eq!(chat.names_about(&id), ["message.failed"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_came_while_it_was_down_are_told() {
    let mut chat = Chat::start().await;
    let id = chat.send(text("read me")).await;
    let arrived = chat.arrives(&id, Chat::FRIEND).await;
    chat.wait_for_status(&id, "DELIVERED").await;
    chat.world.product.kill_9();
    chat.world.phones().read(Chat::FRIEND, &arrived).await;

    chat.world.product.start_again().await;

    chat.receiver.wait_for(Chat::PATH, "message.read", |data| data["id"] == id).await;
    assert_eq!(chat.names_about(&id), STEPS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_group_is_read_once_somebody_has() {
    let chat = Chat::start().await;
    let group = group(&chat.world, "Team", Chat::NUMBER, &[Chat::FRIEND, OTHER]).await;
    let id = chat.send(json!({"groupId": group, "text": "hello all"})).await;
    let arrived = chat.arrives(&id, OTHER).await;
    chat.wait_for_status(&id, "DELIVERED").await;

    chat.world.phones().read(OTHER, &arrived).await;

    chat.wait_for_status(&id, "READ").await;
    chat.receiver.wait_for(Chat::PATH, "message.read", |data| data["id"] == id).await;
    assert_eq!(chat.names_about(&id), STEPS, "once, however many are in it");
}
