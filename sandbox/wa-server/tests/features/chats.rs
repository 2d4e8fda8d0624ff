//! History, address spaces, typing and presence.

use axum::http::StatusCode;
use serde_json::{Value, json};
use wa_server::{Status, WaServer};
use whatsapp_rust::prelude::{Event, Jid};

use crate::{
    ALICE, BOB,
    support::{Phone, control, jid, number, server, text, until},
};

async fn post(server: &WaServer, path: &str, body: Value) -> Value {
    let (status, body) = control(server, "POST", path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_come_with_the_first_link() {
    const MANY: usize = 2_000;
    let server = server().await;
    let padding = "x".repeat(50);
    let long: Vec<Value> = (0..MANY)
        .map(|index| json!({ "text": format!("{index} {padding}"), "at": 1_600_000_000 + index }))
        .collect();
    let size = post(
        &server,
        &format!("/phones/{ALICE}/history"),
        json!({ "chats": [
            { "with": BOB, "name": "Bob", "unread": 1, "messages": [
                { "text": "are you there?", "at": 1_700_000_000 },
                { "fromMe": true, "text": "yes", "at": 1_700_000_060, "id": "OLD1" },
            ] },
            { "with": "5511900000009", "messages": long },
        ] }),
    )
    .await;
    assert_eq!(size, json!({ "chats": 2, "messages": MANY + 2 }));

    let mut phone = Phone::start(&server).await;
    let qr = phone.qr().await;
    server.scan(&number(ALICE), wa_server::QrSource::Text(qr)).await.unwrap();
    let history = phone
        .event("the history", |event| match event {
            Event::HistorySync(history) => history.get().cloned(),
            _ => None,
        })
        .await;
    let [bob, other] = history.conversations.as_slice() else { panic!("{history:?}") };
    assert_eq!(other.messages.len(), MANY);
    assert_eq!(bob.pn_jid.as_deref(), Some("5511900000002@s.whatsapp.net"));
    let seen: Vec<_> = bob
        .messages
        .iter()
        .filter_map(|old| old.message.as_option())
        .map(|old| (old.key.from_me, old.message_timestamp))
        .collect();
    assert_eq!(seen, [(Some(true), Some(1_700_000_060)), (Some(false), Some(1_700_000_000))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_contact_writes_by_lid_and_by_phone_number() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    let path = format!("/phones/{BOB}/addressing");
    let by_number: Jid = jid(&bob);

    server.send_text(&bob, &alice, "by lid").unwrap();
    let first = phone.text("by lid").await;
    assert_eq!(first.source.sender_alt, Some(by_number.clone()));

    post(&server, &path, json!({ "to": ALICE, "mode": "pn" })).await;
    server.send_text(&bob, &alice, "by number").unwrap();
    let second = phone.text("by number").await;
    assert_eq!(second.source.sender.server, by_number.server);
    assert_eq!(second.source.sender_alt, Some(first.source.sender.clone()));

    post(&server, &path, json!({ "to": ALICE, "mode": "pn", "alternate": false })).await;
    server.send_text(&bob, &alice, "by number only").unwrap();
    assert_eq!(phone.text("by number only").await.source.sender_alt, None);

    post(&server, &path, json!({ "to": ALICE, "mode": "lid", "alternate": false })).await;
    let sent = server.send_text(&bob, &alice, "by lid only").unwrap();
    let last = phone.text("by lid only").await;
    assert_eq!(last.source.sender, first.source.sender);
    phone
        .client
        .mark_as_read(&last.source.chat, Some(&last.source.sender), &[&last.id])
        .await
        .unwrap();
    until("the read status", || async {
        let all = server.messages(&bob);
        all.into_iter().find(|message| message.id == sent.id && message.status == Status::Read)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_copies_name_their_chat_as_told() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    server.send_text(&alice, &bob, "as ever").unwrap();
    assert_eq!(phone.text("as ever").await.source.chat, jid(&bob));

    let path = format!("/phones/{ALICE}/addressing");
    post(&server, &path, json!({ "to": BOB, "mode": "lid" })).await;
    server.send_text(&alice, &bob, "by lid").unwrap();
    let copy = phone.text("by lid").await;
    assert!(copy.source.is_from_me);
    assert_eq!(copy.source.chat.server.as_str(), "lid");
    assert_eq!(copy.peer_recipient_pn, Some(jid(&bob)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_by_phone_number_alone_can_be_read() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    let body = json!({ "to": ALICE, "mode": "pn", "alternate": false });
    post(&server, &format!("/phones/{BOB}/addressing"), body).await;
    server.send_text(&bob, &alice, "number").unwrap();
    phone.text("number").await;
    post(&server, &format!("/phones/{BOB}/addressing"), json!({ "to": ALICE, "mode": "lid" }))
        .await;
    server.send_text(&bob, &alice, "lid").unwrap();
    phone.text("lid").await;
    phone.client.send_message(jid(&bob), text("answer")).await.unwrap();
    crate::support::logged(&server, &bob, "answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_companion_are_known() {
    let server = server().await;
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let labels = phone.client.labels();
    let chat = jid(&number(BOB));
    labels.create_label("7", "VIP", 3).await.unwrap();
    labels.create_label("8", "Old", 1).await.unwrap();
    labels.add_chat_label("7", &chat).await.unwrap();
    labels.delete_label("8").await.unwrap();
    let path = format!("/phones/{ALICE}/labels");
    let vip = json!({ "id": "7", "name": "VIP", "color": 3, "chats": [chat.to_string()] });
    assert_eq!(control(&server, "GET", &path, None).await.1, json!([vip]));
    labels.remove_chat_label("7", &chat).await.unwrap();
    assert!(server.labels(&number(ALICE))[0].chats.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_and_presence_are_seen() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    phone.client.chatstate().send_composing(&jid(&bob)).await.unwrap();
    until("typing", || async {
        let (_, all) = control(&server, "GET", &format!("/phones/{BOB}/typing"), None).await;
        (all[0]["state"] == "composing" && all[0]["from"] == format!("+{ALICE}")).then_some(())
    })
    .await;

    post(&server, &format!("/phones/{BOB}/typing"), json!({ "to": ALICE, "state": "recording" }))
        .await;
    let seen = |event: &Event| matches!(event, Event::ChatPresence(_)).then_some(());
    phone.event("typing of the phone", seen).await;

    let shown = async |wanted: bool| {
        until("presence", || async {
            (server.companions(&alice)[0].available == Some(wanted)).then_some(())
        })
        .await;
    };
    phone.client.presence().set_unavailable().await.unwrap();
    shown(false).await;
    phone.client.presence().set_available().await.unwrap();
    shown(true).await;
}
