//! Groups, status posts and channels.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use wa_server::{Addressing, Direction, Options, QrSource, Status, WaServer};
use whatsapp_rust::{
    prelude::{Event, Jid},
    wacore::store::InMemoryBackend,
};

use crate::{
    ALICE, BOB,
    support::{Phone, control, logged, number, server, text, until},
};

const CAROL: &str = "5511900000003";

async fn post(server: &WaServer, path: &str, body: Value) -> Value {
    let (status, body) = control(server, "POST", path, Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body
}

async fn group(server: &WaServer, addressing: &str) -> String {
    let body = json!({
        "subject": "Friends", "creator": BOB, "members": [ALICE, CAROL], "addressing": addressing,
    });
    let group = post(server, "/groups", body).await;
    assert_eq!(group["members"], json!(["+5511900000002", "+5511900000001", "+5511900000003"]));
    group["id"].as_str().unwrap().to_owned()
}

async fn talk_in_a_group(addressing: &str) {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    let mut carol = Phone::linked(&server, &number(CAROL)).await;
    let id = group(&server, addressing).await;
    let chat: Jid = id.parse().unwrap();

    for body in ["first", "second"] {
        let path = format!("/groups/{id}/messages");
        post(&server, &path, json!({ "from": BOB, "text": body })).await;
        let info = alice.text(body).await;
        assert!(info.source.is_group);
        assert_eq!(info.source.chat, chat);
        assert_eq!(
            info.source.sender.server.as_str(),
            if addressing == "pn" { "s.whatsapp.net" } else { "lid" }
        );
        assert!(info.source.sender_alt.is_some());
        carol.text(body).await;
    }

    let metadata = alice.client.groups().get_metadata(&chat).await.unwrap();
    assert_eq!(metadata.participants.len(), 3);

    for body in ["from alice", "and again"] {
        let sent = alice.client.send_message(chat.clone(), text(body)).await.unwrap();
        carol.text(body).await;
        let seen = logged(&server, &number(BOB), body).await;
        assert_eq!((seen.direction, seen.chat.as_deref()), (Direction::In, Some(id.as_str())));
        assert_eq!(logged(&server, &number(ALICE), body).await.direction, Direction::Out);
        alice.receipt(&sent.message_id, "Delivered").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_addressed_by_lid() {
    talk_in_a_group("lid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_addressed_by_phone_number() {
    talk_in_a_group("pn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companion_reads_a_group_message() {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    let group =
        server.create_group(&number(BOB), "Two", &[number(ALICE)], Addressing::Lid).unwrap();
    let sent = server.write_to_group(&group.id, &number(BOB), "read me").unwrap();
    let info = alice.text("read me").await;
    let source = &info.source;
    alice.client.mark_as_read(&source.chat, Some(&source.sender), &[&info.id]).await.unwrap();
    until("the read status", || async {
        let all = server.messages(&number(BOB));
        all.into_iter().find(|message| message.id == sent.id && message.status == Status::Read)
    })
    .await;
    let path = format!("/groups/{}/messages", group.id);
    let (status, body) =
        control(&server, "POST", &path, Some(json!({ "from": CAROL, "text": "x" }))).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_GROUP")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_reaches_the_companions_of_contacts() {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    for body in ["good morning", "good night"] {
        let path = format!("/phones/{BOB}/status");
        let posted = post(&server, &path, json!({ "text": body, "to": [ALICE] })).await;
        assert_eq!(posted["chat"], "status@broadcast");
        let info = alice.text(body).await;
        assert_eq!(info.source.chat.to_string(), "status@broadcast");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_reaches_the_companions_of_followers() {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    let channel = post(&server, "/channels", json!({ "name": "News", "owner": BOB })).await;
    let id = channel["id"].as_str().unwrap().to_owned();
    let path = format!("/channels/{id}/followers");
    let (status, _) = control(&server, "POST", &path, Some(json!({ "number": ALICE }))).await;
    assert_eq!(status, StatusCode::OK);
    post(&server, &format!("/channels/{id}/posts"), json!({ "text": "extra, extra" })).await;
    let info: Arc<_> = alice.text("extra, extra").await;
    assert_eq!(info.source.chat.to_string(), id);
    let path = "/channels/1@newsletter/posts";
    let (status, _) = control(&server, "POST", path, Some(json!({ "text": "x" }))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_lost_a_sender_key_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = dir.path().join("accounts.json");
    let store = Arc::new(InMemoryBackend::new());
    let options = Options { data_dir: Some(dir.path().to_owned()), ..Options::default() };
    let server = WaServer::start(options.clone()).await.unwrap();
    let mut alice = Phone::with(&server, Arc::clone(&store) as _, None).await;
    let qr = alice.qr().await;
    server.scan(&number(ALICE), QrSource::Text(qr)).await.unwrap();
    alice.connected().await;
    let members = [number(ALICE), number(CAROL)];
    let group = server.create_group(&number(BOB), "Three", &members, Addressing::Lid).unwrap();
    let chat: Jid = group.id.parse().unwrap();
    alice.handle.shutdown().await;
    server.shutdown().await;
    let old = std::fs::read(&accounts).unwrap();

    // From here on the phones forget: they are given a key, and the old state comes back.
    let server = WaServer::start(options.clone()).await.unwrap();
    let mut alice = Phone::with(&server, Arc::clone(&store) as _, None).await;
    alice.connected().await;
    alice.client.send_message(chat.clone(), text("first")).await.unwrap();
    logged(&server, &number(CAROL), "first").await;
    alice.handle.shutdown().await;
    server.shutdown().await;
    std::fs::write(&accounts, old).unwrap();

    let server = WaServer::start(options).await.unwrap();
    let mut alice = Phone::with(&server, store, None).await;
    alice.connected().await;
    alice.client.send_message(chat, text("second")).await.unwrap();
    for member in [BOB, CAROL] {
        logged(&server, &number(member), "second").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_learn_of_a_new_group() {
    let server = server().await;
    let mut alice = Phone::linked(&server, &number(ALICE)).await;
    group(&server, "lid").await;
    let created = |event: &Event| matches!(event, Event::GroupUpdate(_)).then_some(());
    alice.event("the new group", created).await;
    let groups = alice.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.len(), 1);
}
