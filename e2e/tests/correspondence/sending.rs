//! What a QR-paired number sends, and what it refuses to.

use ramal_tests::Chat;
use serde_json::{Value, json};

use crate::{OTHER, channel, group, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_gets_what_was_sent_in_order_and_once() {
    let chat = Chat::start().await;
    let words: Vec<String> = (0..30).map(|index| format!("text {index}")).collect();
    let mut last = String::new();
    for words in &words {
        last = chat.send(text(words)).await;
    }

    chat.arrives(&last, Chat::FRIEND).await;

    assert_eq!(chat.world.phones().received(Chat::FRIEND).await, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_channels_are_listed_and_written_to() {
    let chat = Chat::start().await;
    let own = group(&chat.world, "Team", Chat::NUMBER, &[Chat::FRIEND, OTHER]).await;
    let mine = channel(&chat.world, "Mine", Chat::NUMBER, Chat::FRIEND).await;
    let theirs = channel(&chat.world, "Theirs", Chat::FRIEND, Chat::NUMBER).await;

    let groups = chat.own.get("/v1/groups").await.expect(200);
    assert_eq!(groups, json!([{"id": own, "subject": "Team", "size": 3, "writable": true}]));
    let channels = chat.own.get("/v1/newsletters").await.expect(200);
    let told: Vec<_> = channels
        .as_array()
        .expect("an array")
        .iter()
        .map(|one| (one["id"].as_str(), one["name"].as_str(), one["writable"].as_bool()))
        .collect();
    let wanted = [(mine.as_str(), "Mine", true), (theirs.as_str(), "Theirs", false)];
    let wanted = wanted.map(|(id, name, writable)| (Some(id), Some(name), Some(writable)));
    assert_eq!(told, wanted);

    let id = chat.send(json!({"groupId": own, "text": "hello all"})).await;
    for member in [Chat::FRIEND, OTHER] {
        let arrived = chat.arrives(&id, member).await;
        assert_eq!(
            (&arrived["text"], &arrived["chat"]),
            (&json!("hello all"), &json!(own)),
            "{arrived}"
        );
    }
    let data =
        chat.receiver.wait_for(Chat::PATH, "message.sent", |data| data["id"] == id).await.data();
    assert_eq!(data["to"], own.as_str(), "{data}");
    let media = "data:image/png;base64,iVBORw0KGgo=";
    let id = chat.send(json!({"groupId": own, "media": media, "text": "look"})).await;
    assert_eq!(chat.arrives(&id, OTHER).await["media"]["state"], "ready");

    let id = chat.send(json!({"newsletterId": mine, "text": "breaking"})).await;
    let arrived = chat.arrives(&id, Chat::FRIEND).await;
    assert_eq!(
        (&arrived["text"], &arrived["chat"]),
        (&json!("breaking"), &json!(mine)),
        "{arrived}"
    );

    let id = chat.send(json!({"newsletterId": theirs, "text": "mine now"})).await;
    let failed = chat.wait_for_status(&id, "FAILED").await;
    assert_eq!(failed["errorCode"], "INVALID_DESTINATION", "{failed}");
    let id = chat.send(json!({"groupId": "120363999999999999@g.us", "text": "x"})).await;
    let failed = chat.wait_for_status(&id, "FAILED").await;
    assert!(failed["errorCode"].is_string(), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_qr_paired_numbers_cannot_is_refused_with_its_code() {
    let chat = Chat::start().await;
    let channel = channel(&chat.world, "Mine", Chat::NUMBER, Chat::FRIEND).await;
    let media = "data:image/png;base64,iVBORw0KGgo=";
    let list = json!({"buttonText": "Menu", "sections": [{"title": "A", "rows": [{"title": "B", "rowId": "b"}]}]});
    let with = |more: Value| {
        let mut body = text("x");
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        body
    };
    for body in [
        with(json!({"buttons": [{"type": "reply", "label": "Yes"}]})),
        with(
            json!({"buttons": [{"type": "url", "label": "Go", "url": "https://example.com"}], "footer": "f"}),
        ),
        with(json!({"list": list})),
        with(json!({"carousel": {}})),
        with(json!({"flow": {"flowId": "1", "cta": "go"}})),
        json!({"newsletterId": channel, "media": media}),
    ] {
        let answer = chat.own.post("/v1/messages/send", body.clone()).await;
        answer.refused(400, "FEATURE_NOT_SUPPORTED");
    }
    for body in [
        json!({"text": "to nobody"}),
        with(json!({"groupId": "120363000000000000@g.us"})),
        json!({"groupId": "x@g.us", "text": "x"}),
        json!({"newsletterId": "120363000000000000@g.us", "text": "x"}),
        json!({"destinationNumber": Chat::FRIEND}),
        json!({"destinationNumber": Chat::FRIEND, "text": ""}),
        json!({"destinationNumber": Chat::FRIEND, "text": "x".repeat(65_537)}),
        json!({"destinationNumber": "123", "text": "x"}),
        json!({"destinationNumber": Chat::FRIEND, "media": "data:image/png;base64,"}),
        json!({"destinationNumber": Chat::FRIEND, "media": "file:///etc/passwd"}),
        json!({"destinationNumber": Chat::FRIEND, "media": media, "mediaType": "gif"}),
        json!({"destinationNumber": Chat::FRIEND, "media": media, "mediaType": "sticker", "text": "x"}),
        with(json!({"labels": vec!["x"; 21]})),
        with(json!({"labels": [""]})),
        with(json!({"deliverAt": "tomorrow"})),
        with(json!({"deliverUntil": "2020-01-01T00:00:00.000Z"})),
    ] {
        let answer = chat.own.post("/v1/messages/send", body.clone()).await;
        assert_eq!(
            (answer.status, answer.code().as_deref()),
            (400, Some("VALIDATION_ERROR")),
            "{body}"
        );
    }
    let page = chat.own.get("/v1/messages").await.expect(200);
    assert_eq!(page["total"], 0, "nothing of it was accepted");
    let longest = "\u{e1}".repeat(65_536);
    let id = chat.send(text(&longest)).await;
    assert_eq!(chat.arrives(&id, Chat::FRIEND).await["text"], longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_one_message_of_repeats() {
    let chat = Chat::start().await;
    let ask = async |words: &str| {
        let headers = [("idempotency-key", "order-7"), ("content-type", "application/json")];
        let body = text(words).to_string();
        chat.own.raw(reqwest::Method::POST, "/v1/messages/send", &headers, body).await
    };
    let first = ask("once").await;
    let second = ask("once").await;
    ask("twice").await.refused(409, "IDEMPOTENCY_KEY_REUSED");

    assert_eq!(first.expect(202), second.expect(202));
    assert_eq!(second.headers["idempotent-replayed"], "true");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    chat.arrives(&id, Chat::FRIEND).await;
    let last = chat.send(text("last")).await;
    chat.arrives(&last, Chat::FRIEND).await;
    assert_eq!(chat.world.phones().received(Chat::FRIEND).await, ["once", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_media_is_sent_as_media() {
    let chat = Chat::start().await;
    let files = ramal_tests::Files::start().await;
    let own = files.put("own.png", "image/png", ramal_tests::made_up(500, 1));
    let other = files.put("other.png", "image/png", ramal_tests::made_up(600, 2));
    let body = json!({"name": "promo", "text": "Oi {{name}}", "media": own, "mediaType": "image"});
    chat.world.api().post("/v1/templates", body).await.expect(201);
    for (media, size) in [(None, 500), (Some(other), 600)] {
        let mut body = json!({"destinationNumber": Chat::FRIEND, "templateId": "promo", "variables": {"name": "Ana"}});
        if let Some(media) = media {
            body["media"] = json!(media);
            body["mediaType"] = json!("image");
        }
        let id = chat.send(body).await;
        let arrived = chat.arrives(&id, Chat::FRIEND).await;
        assert_eq!(
            (&arrived["text"], &arrived["media"]["size"]),
            (&json!("Oi Ana"), &json!(size)),
            "{arrived}"
        );
    }
    let body = json!({"destinationNumber": Chat::FRIEND, "templateId": "promo"});
    chat.own.post("/v1/messages/send", body).await.refused(400, "MISSING_TEMPLATE_VARIABLES");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_not_on_whatsapp_fails_the_message_and_holds_nobody_up() {
    let chat = Chat::start().await;
    let path = format!("/phones/{OTHER}/absent");
    chat.world.phones().post(&path, json!({"absent": true})).await.expect(200);

    let lost = chat.send(json!({"destinationNumber": OTHER, "text": "anybody?"})).await;
    let next = chat.send(text("next")).await;

    let failed = chat.wait_for_status(&lost, "FAILED").await;
    assert_eq!(failed["errorCode"], "WHATSAPP_NOT_EXIST", "{failed}");
    chat.arrives(&next, Chat::FRIEND).await;
    let told =
        chat.receiver.wait_for(Chat::PATH, "message.failed", |data| data["id"] == lost).await;
    assert_eq!(told.data()["errorCode"], "WHATSAPP_NOT_EXIST");
    assert_eq!(chat.names_about(&lost), ["message.failed"]);
}
