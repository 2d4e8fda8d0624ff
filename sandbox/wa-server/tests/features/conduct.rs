//! How phones behave towards those who write to them.

use axum::http::StatusCode;
use serde_json::json;
use wa_server::{PhoneNumber, Status, WaServer};

use crate::{
    ALICE, BOB,
    support::{Phone, control, done, jid, logged, number, server, text, until},
};

async fn conduct(server: &WaServer, change: serde_json::Value) {
    done(server, &format!("/phones/{BOB}/conduct"), change).await;
}

/// How far Alice's phone knows a message to have got.
fn status(server: &WaServer, phone: &PhoneNumber, id: &str) -> Option<Status> {
    let all = server.messages(phone);
    all.into_iter().find(|message| message.id == id).map(|message| message.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_reads_at_once_or_in_silence() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    conduct(&server, json!({ "read": "auto" })).await;
    let sent = phone.client.send_message(jid(&bob), text("read me")).await.unwrap();
    phone.receipt(&sent.message_id, "Delivered").await;
    phone.receipt(&sent.message_id, "Read").await;

    conduct(&server, json!({ "read": "silent" })).await;
    let sent = phone.client.send_message(jid(&bob), text("secretly")).await.unwrap();
    phone.receipt(&sent.message_id, "Delivered").await;
    assert_eq!(server.mark_read(&bob, &sent.message_id).unwrap().status, Status::Read);
    // Whatever comes after it would come after its receipt.
    conduct(&server, json!({ "read": "auto" })).await;
    let last = phone.client.send_message(jid(&bob), text("last")).await.unwrap();
    phone.receipt(&last.message_id, "Read").await;
    assert_eq!(status(&server, &alice, &sent.message_id), Some(Status::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_confirms_nothing_when_told_so() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    conduct(&server, json!({ "delivered": false })).await;
    let sent = phone.client.send_message(jid(&bob), text("quiet")).await.unwrap();
    logged(&server, &bob, "quiet").await;
    conduct(&server, json!({ "delivered": true })).await;
    let last = phone.client.send_message(jid(&bob), text("last")).await.unwrap();
    phone.receipt(&last.message_id, "Delivered").await;
    assert_eq!(status(&server, &alice, &sent.message_id), Some(Status::Sent));
    server.mark_read(&bob, &sent.message_id).unwrap();
    phone.receipt(&sent.message_id, "Read").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_offline_gets_its_messages_later() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    conduct(&server, json!({ "offline": true })).await;
    for body in ["one", "two"] {
        phone.client.send_message(jid(&bob), text(body)).await.unwrap();
        logged(&server, &alice, body).await;
    }
    assert!(server.messages(&bob).is_empty());
    let path = format!("/phones/{BOB}/messages");
    let body = json!({ "to": ALICE, "text": "x" });
    let (refused, answer) = control(&server, "POST", &path, Some(body)).await;
    assert_eq!((refused, &answer["code"]), (StatusCode::CONFLICT, &json!("PHONE_OFFLINE")));

    conduct(&server, json!({ "offline": false })).await;
    let texts: Vec<_> = server.messages(&bob).into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["one", "two"]);
    let all = server.messages(&alice);
    phone.receipt(&all[1].id, "Delivered").await;
    until("both delivered", || async {
        let all = server.messages(&alice);
        all.iter().all(|message| message.status == Status::Delivered).then_some(())
    })
    .await;
}
