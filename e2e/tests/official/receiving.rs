//! What Meta delivers.

use ramal_tests::Official;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER, OTHER, friend_writes, send, wait_for_status};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_message_is_told() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let image = json!({"mime_type": "image/jpeg", "caption": "a cat"});
    let contact = json!([{"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+1", "type": "HOME"}]}]);
    for (message, kind, content) in [
        (json!({"text": "olá"}), "text", json!("olá")),
        (json!({"type": "image", "image": image, "base64": "AAEC"}), "image", json!("a cat")),
        (
            json!({"type": "location", "location": {"latitude": 1.5, "longitude": 2.5, "name": "Here"}}),
            "location",
            json!("Here (1.5, 2.5)"),
        ),
        (json!({"type": "contacts", "contacts": contact}), "contacts", json!("Ana (+1)")),
    ] {
        let mut said = message.clone();
        said["from"] = json!(FRIEND);
        let wrote = world.graph.write(&line.phone, said).await;
        let event = world
            .receiver
            .wait_for("line", "message.received", |data| data["messageId"] == wrote["id"])
            .await;
        let data = event.data();
        assert_eq!(
            (&data["type"], &data["content"]),
            (&json!(kind), &content),
            "{message}: {data}"
        );
        assert_eq!((&data["from"], &data["to"]), (&json!(FRIEND), &json!(NUMBER)));
        assert_eq!(data["fromMe"], false);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_names_what_it_answers() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hi").await;
    let asked = send(&line.api, json!({"text": "coffee?"})).await;
    let asked = wait_for_status(&line.api, &asked, "DELIVERED").await;

    let reply = json!({"from": FRIEND, "text": "yes", "quote": asked["externalMessageId"]});
    world.graph.write(&line.phone, reply).await;
    let data = world.receiver.wait_for("line", "message.reply", |_| true).await.data();
    assert_eq!(data["quotedMessageId"], asked["externalMessageId"]);
    assert_eq!((&data["contentReplied"], &data["content"]), (&json!("coffee?"), &json!("yes")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_fetched_by_the_link_of_their_event() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let image = json!({"from": FRIEND, "type": "image", "image": {"mime_type": "image/jpeg"}, "base64": "AAECAw=="});
    world.graph.write(&line.phone, image).await;
    let data = world.receiver.wait_for("line", "message.received", |_| true).await.data();
    let address = data["mediaLink"].as_str().expect("a link");
    assert_eq!(data["mediaType"], "image/jpeg");

    let client = Client::builder().no_proxy().build().expect("a client");
    let got = client.get(address).send().await.expect("an answer");
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-type"], "image/jpeg");
    assert_eq!(got.headers()["content-disposition"], "attachment");
    assert_eq!(got.bytes().await.expect("bytes").as_ref(), [0, 1, 2, 3]);
    let wrong = format!("{address}x");
    assert_eq!(client.get(wrong).send().await.expect("an answer").status(), 404);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_reordering_and_batches_make_one_event_each() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let switches = json!({"duplicate": true, "reorder": true, "batch": 3});
    world.graph.tell("/settings", switches).await;
    for index in 0..9 {
        let text = format!("m{index}");
        world.graph.write(&line.phone, json!({"from": FRIEND, "text": text})).await;
    }
    world.graph.tell("/webhooks/flush", json!({})).await;
    for index in 0..9 {
        let text = format!("m{index}");
        world.receiver.wait_for("line", "message.received", |data| data["content"] == text).await;
    }
    world.graph.settled().await;
    assert_eq!(world.receiver.events("line", "message.received").len(), 9);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_the_numbers_app_is_refused_and_stored_nowhere() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    for signature in ["bad", "missing"] {
        world.graph.tell("/settings", json!({"signature": signature})).await;
        world.graph.write(&line.phone, json!({"from": FRIEND, "text": signature})).await;
    }
    ramal_tests::eventually("both were tried", async || {
        let hooks = world.graph.list("/webhooks").await;
        let tried = hooks.iter().filter(|it| it["attempts"] != json!([]));
        (tried.count() >= 2).then_some(())
    })
    .await;
    world.graph.tell("/settings", json!({"signature": "good"})).await;
    friend_writes(&world, &line, "signed").await;
    let told = world.receiver.events("line", "message.received");
    assert_eq!(told.len(), 1, "only what is signed");

    let api = world.api();
    let hook = format!("/webhooks/meta/{}", line.id);
    api.call(Method::POST, &hook, Some(&json!({}))).await.refused(401, "META_SIGNATURE_INVALID");
    let unknown = "/webhooks/meta/wa_01kdhz4q6yf5svj7g2m9n3t8xw";
    api.call(Method::POST, unknown, Some(&json!({}))).await.refused(404, "NUMBER_NOT_FOUND");
    api.call(Method::POST, "/webhooks/meta", Some(&json!({})))
        .await
        .refused(404, "NUMBER_NOT_FOUND");
    let question = |token: &str| {
        format!("{hook}?hub.mode=subscribe&hub.challenge=42&hub.verify_token={token}")
    };
    api.get(&question("wrong")).await.refused(403, "META_VERIFY_TOKEN_INVALID");
    let token = line.body["verifyToken"].as_str().expect("a token");
    let answer = api.get(&question(token)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "42"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_phone_number_can_be_answered() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world
        .graph
        .tell(
            &format!("/contacts/{}", OTHER.trim_start_matches('+')),
            json!({"hidden": true, "username": "ana", "name": "Ana"}),
        )
        .await;
    world.graph.write(&line.phone, json!({"from": OTHER, "text": "guess who"})).await;
    let data = world.receiver.wait_for("line", "message.received", |_| true).await.data();
    let user = data["from"].as_str().expect("a user").to_owned();
    assert!(user.contains('.'), "{data}");

    let answer = json!({"destinationNumber": user, "text": "Ana!"});
    let id = send(&line.api, answer).await;
    let sent: Value = wait_for_status(&line.api, &id, "DELIVERED").await;
    assert_eq!(sent["destinationNumber"], user.as_str());
    world.end().await;
}
