//! Channels: who knows which, and posts of their owners.

use axum::http::StatusCode;
use serde_json::json;
use wa_server::WaServer;
use whatsapp_rust::prelude::Jid;

use super::media::fetched;
use crate::{
    ALICE, BOB,
    support::{Phone, control, created, done, number, seen, server, text, until},
};

async fn channel(server: &WaServer, owner: &str, name: &str) -> String {
    let channel = created(server, "/channels", json!({ "name": name, "owner": owner })).await;
    channel["id"].as_str().unwrap().to_owned()
}

async fn follow(server: &WaServer, id: &str, number: &str) {
    done(server, &format!("/channels/{id}/followers"), json!({ "number": number })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_knows_the_channels_that_it_owns_or_follows() {
    let server = server().await;
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let own = channel(&server, ALICE, "Mine").await;
    let other = channel(&server, BOB, "News").await;
    channel(&server, BOB, "Unknown").await;
    follow(&server, &other, ALICE).await;

    let mut all = phone.client.newsletter().list_subscribed().await.unwrap();
    all.sort_by(|one, two| one.name.cmp(&two.name));
    let known: Vec<_> = all
        .iter()
        .map(|channel| (channel.jid.to_string(), channel.name.as_str(), channel.role.clone()))
        .collect();
    let role = |role: &str| known.iter().find(|known| format!("{:?}", known.2).contains(role));
    assert_eq!(known.len(), 2);
    assert_eq!(role("Owner").unwrap().0, own);
    assert_eq!(role("Subscriber").unwrap().0, other);

    let jid: Jid = other.parse().unwrap();
    let metadata = phone.client.newsletter().get_metadata(&jid).await.unwrap();
    assert_eq!((metadata.name.as_str(), metadata.subscriber_count), ("News", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_client_posts() {
    let server = server().await;
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let mut reader = Phone::linked(&server, &number(BOB)).await;
    let id = channel(&server, ALICE, "Mine").await;
    follow(&server, &id, BOB).await;
    let chat: Jid = id.parse().unwrap();

    let sent = phone.client.send_message(chat.clone(), text("first post")).await.unwrap();
    let info = reader.text("first post").await;
    assert_eq!(info.source.chat, chat);
    let wanted = sent.message_id.as_str();
    let seen_by = async |owner: &str| {
        seen(&server, &number(owner), "the post", |message| message["id"] == wanted).await
    };
    assert_eq!(seen_by(BOB).await["direction"], "in");
    assert_eq!(seen_by(ALICE).await["direction"], "out");

    phone.client.newsletter().edit_message(&chat, wanted, text("better")).await.unwrap();
    phone.client.newsletter().revoke_message(&chat, wanted).await.unwrap();
    until("the deletion", || async {
        let post = seen_by(BOB).await;
        (post["edited"] == "better" && post["revoked"] == true).then_some(())
    })
    .await;

    // Only the owner posts.
    reader.client.send_message(chat, text("me too")).await.unwrap();
    let foreign = json!({ "to": id, "text": "me too" });
    let path = format!("/phones/{BOB}/messages");
    let (status, _) = control(&server, "POST", &path, Some(foreign)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_of_posts_are_not_encrypted() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let id = channel(&server, BOB, "News").await;
    follow(&server, &id, ALICE).await;
    let image = json!({ "size": 9_000, "seed": 4, "caption": "look" });
    let path = format!("/channels/{id}/posts");
    let sent = created(&server, &path, json!({ "image": image })).await;
    let image =
        phone.message("the image", |message, _| message.image_message.as_option().cloned()).await;
    assert_eq!(image.media_key, None);
    assert_eq!(image.caption.as_deref(), Some("look"));
    assert_eq!(phone.client.download(&image).await.unwrap().len(), 9_000);
    let received = fetched(&server, &number(ALICE), sent["id"].as_str().unwrap()).await;
    assert_eq!(received["media"]["state"], "ready", "{received}");

    let post = sent["id"].as_str().unwrap();
    let edit = json!({ "edit": { "of": post, "text": "look here" } });
    created(&server, &path, edit).await;
    phone.text("look here").await;
    created(&server, &path, json!({ "delete": post })).await;
    seen(&server, &number(ALICE), "the deletion", |message| {
        message["id"] == post && message["revoked"] == true
    })
    .await;
}
