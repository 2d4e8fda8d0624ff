//! Every kind of message that people write to official numbers, and what is made of it.

use ramal_tests::{Line, Official};
use reqwest::Client;
use serde_json::{Value, json};

use crate::{FRIEND, FRIEND_ID, NUMBER, friend_writes, send, wait_for_status};

/// The friend writes something; returns the data of the event that tells of it.
async fn told(world: &Official, line: &Line, event: &str, mut message: Value) -> Value {
    message["from"] = json!(FRIEND);
    let wrote = world.graph.write(&line.phone, message).await;
    let is_it = |data: &Value| data["messageId"] == wrote["id"];
    let data = world.receiver.wait_for("line", event, is_it).await.data();
    assert_eq!((&data["from"], &data["to"]), (&json!(FRIEND), &json!(NUMBER)), "{data}");
    assert_eq!((&data["fromMe"], &data["numberId"]), (&json!(false), &json!(line.id)));
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_kind_can_be_fetched_without_a_key() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let client = Client::builder().no_proxy().build().expect("a client");
    for (kind, mime, caption) in [
        ("image", "image/png", Some("a picture")),
        ("video", "video/mp4", Some("a film")),
        ("audio", "audio/ogg; codecs=opus", None),
        ("document", "application/pdf", Some("a paper")),
        ("sticker", "image/webp", None),
    ] {
        let part = caption.map_or_else(|| json!({}), |caption| json!({"caption": caption}));
        let message = json!({"type": kind, kind: part, "base64": "aGVsbG8="});
        let data = told(&world, &line, "message.received", message).await;

        assert_eq!(data["type"], kind);
        assert_eq!(data["mediaType"], mime);
        assert_eq!(data.get("mediaCaption").and_then(Value::as_str), caption, "{data}");
        if kind == "document" {
            assert_eq!(data["mediaFilename"], "document.pdf");
        }
        let address = data["mediaLink"].as_str().expect("a link");
        let (_, token) = address.rsplit_once('/').expect("a token");
        world.unlog(token);
        let file = client.get(address).send().await.expect("an answer");
        assert_eq!(
            (file.status().as_u16(), &file.headers()["content-type"]),
            (200, &mime.parse().expect("a type"))
        );
        assert_eq!(file.bytes().await.expect("a body").as_ref(), b"hello");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_had_any_more_is_not_found() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let image = json!({"type": "image", "image": {}});
    let data = told(&world, &line, "message.received", image).await;
    let path = data["mediaLink"].as_str().and_then(|link| link.strip_prefix(&world.callback.url()));
    let path = path.expect("a link of ours").to_owned();
    let api = world.api().anonymous();
    assert_eq!(api.get(&path).await.status, 200);

    let wrong = format!("{}0", path.get(..path.len() - 1).expect("a token"));
    let wrong = if wrong == path { format!("{path}0") } else { wrong };
    api.get(&wrong).await.refused(404, "MEDIA_NOT_FOUND");
    api.get("/media/").await.expect(404);
    world.graph.tell("/tokens/revoke", json!({"token": line.token})).await;
    api.get(&path).await.refused(404, "MEDIA_NOT_FOUND");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_places_people_and_what_nobody_knows_are_told() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let people = json!([{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+551199"}]}]);
    let order = json!({"catalog_id": "1", "text": "please", "product_items": [
        {"product_retailer_id": "7", "quantity": 1, "item_price": 2.5, "currency": "USD"}]});
    let errors = json!([{"code": 131_051, "title": "x", "message": "x",
        "error_data": {"details": "Message type is not supported."}}]);
    for (message, kind, content) in [
        (json!({"text": "Olá \u{1f44b} /\\ \"é\""}), Some("text"), Some("Olá \u{1f44b} /\\ \"é\"")),
        (
            json!({"type": "location", "location": {"latitude": 1.5, "longitude": -2.5}}),
            Some("location"),
            Some("1.5,-2.5"),
        ),
        (json!({"type": "contacts", "contacts": people}), Some("contacts"), Some("Ana (+551199)")),
        (json!({"type": "order", "order": order}), None, None),
        (json!({"type": "unsupported", "errors": errors}), None, None),
        (json!({"type": "brand_new_thing", "brand_new_thing": {"a": 1}}), None, None),
    ] {
        let what = message.to_string();
        let data = told(&world, &line, "message.received", message).await;
        assert_eq!(data.get("type").and_then(Value::as_str), kind, "{what}: {data}");
        assert_eq!(data.get("content").and_then(Value::as_str), content, "{what}: {data}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_and_answers_name_what_they_are_about() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    let asked = send(&line.api, json!({"text": "coffee or tea?"})).await;
    let asked = wait_for_status(&line.api, &asked, "DELIVERED").await["externalMessageId"].clone();

    let reaction = json!({"type": "reaction", "reaction": {"message_id": asked, "emoji": "👍"}});
    let data = told(&world, &line, "message.received", reaction).await;
    assert_eq!((&data["type"], &data["content"]), (&json!("reaction"), &json!("👍")));

    let chosen = json!({"type": "button_reply", "button_reply": {"id": "tea", "title": "Tea"}});
    let picked = json!({"type": "list_reply",
        "list_reply": {"id": "am", "title": "Morning", "description": "8 to 12"}});
    for (message, words) in [
        (json!({"text": "tea"}), "tea"),
        (json!({"type": "button", "button": {"text": "Tea!", "payload": "t"}}), "Tea!"),
        (json!({"type": "interactive", "interactive": chosen}), "Tea"),
        (json!({"type": "interactive", "interactive": picked}), "Morning"),
    ] {
        let mut message = message;
        message["quote"] = asked.clone();
        let data = told(&world, &line, "message.reply", message).await;
        assert_eq!((&data["type"], &data["content"]), (&json!("text"), &json!(words)), "{data}");
        assert_eq!(data["quotedMessageId"], asked);
        assert_eq!(data["contentReplied"], "coffee or tea?");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wrote_is_no_message() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "helo").await;
    let wrote = world.graph.list("/inbound").await[0]["id"].clone();
    let changed = json!({"body": "A changed their number", "wa_id": "5511999990010",
        "type": "user_changed_number"});
    for message in [
        json!({"type": "system", "system": changed}),
        json!({"type": "revoke", "revoke": {"original_message_id": "wamid.unknown"}}),
        json!({"type": "edit", "edit": {"original_message_id": wrote,
            "message": {"type": "text", "text": {"body": "hello"}}}}),
    ] {
        let mut message = message;
        message["from"] = json!(FRIEND);
        world.graph.write(&line.phone, message).await;
    }
    friend_writes(&world, &line, "last").await;
    world.graph.settled().await;

    assert_eq!(world.receiver.events("line", "message.received").len(), 2);
    let wrote = wrote.as_str().expect("an id");
    let kept = line.api.get(&format!("/v1/messages/{wrote}")).await.expect(200);
    assert_eq!((&kept["externalMessageId"], &kept["status"]), (&json!(wrote), &json!("DELIVERED")));
    // The API does not tell what people wrote.
    let edited = format!("messages where wire_id = '{wrote}' and content = 'hello'");
    assert_eq!(world.product.database().count(&edited).await, 1, "the edited text is kept");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_hide_their_number_are_known_by_another_id() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.tell("/settings", json!({"bsuidOnly": true})).await;
    let wish = json!({"from": FRIEND, "text": "guess who", "name": "Ana"});
    let wrote = world.graph.write(&line.phone, wish).await;

    let data = world.receiver.wait_for("line", "message.received", |_| true).await.data();
    assert_eq!(data["from"], wrote["userId"], "{data}");
    assert_eq!(data["participantName"], "Ana");

    let id = send(&line.api, json!({"destinationNumber": wrote["userId"], "text": "Ana!"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    assert_eq!(world.graph.received(FRIEND_ID).await, ["Ana!"]);
    let sent = world.graph.list("/messages").await;
    assert_eq!(sent[0]["byUserId"], true);
    world.end().await;
}
