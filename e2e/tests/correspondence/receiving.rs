//! What comes in, kind by kind and place by place.

use ramal_tests::{Chat, eventually};
use serde_json::{Value, json};

use crate::{OTHER, channel, group, text};

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_people_send_is_told() {
    let chat = Chat::start().await;
    let place = json!({"latitude": -23.561, "longitude": -46.656, "name": "MASP", "address": "Av. Paulista"});
    let nameless = json!({"latitude": -23.5, "longitude": -46.5});
    let ana = json!([{"name": "Ana"}]);
    let card =
        "BEGIN:VCARD\nVERSION:3.0\nFN:Bia\nTEL;type=CELL;waid=5511999990004:+55 11 9\nEND:VCARD";
    let bia = json!([{"name": "Bia", "vcard": card}]);
    for (body, kind, content) in [
        (json!({"text": "oi \u{1f44b}"}), "text", Some("oi \u{1f44b}")),
        (json!({"location": place}), "location", Some("MASP (-23.561, -46.656)")),
        (json!({"location": nameless}), "location", Some("-23.5,-46.5")),
        (json!({"contacts": ana}), "contacts", Some("Ana")),
        (json!({"contacts": bia}), "contacts", Some("Bia (+5511999990004)")),
        (json!({"sticker": {"size": 100, "mime": "image/webp"}}), "sticker", None),
    ] {
        let sent = chat.hear(body).await;
        let data = chat.told("message.received", &sent).await;
        assert_eq!((&data["type"], &data["content"]), (&json!(kind), &json!(content)), "{data}");
        assert_eq!(
            data.get("content").is_some(),
            content.is_some(),
            "left out, never null: {data}"
        );
        assert_eq!((&data["from"], &data["to"]), (&json!(Chat::FRIEND), &json!(Chat::NUMBER)));
        assert_eq!((&data["fromMe"], &data["numberId"]), (&json!(false), &json!(chat.id)));
        assert_eq!(data["messageId"], sent["id"]);
    }
    let both = chat.hear(json!({"contacts": [{"name": "Ana"}, {"name": "Bia"}]})).await;
    let data = chat.told("message.received", &both).await;
    let names = data["content"].as_str().expect("names");
    assert_eq!(names, "Ana, Bia");
    assert_eq!(chat.receiver.events(Chat::PATH, "message.reply").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_a_reply_and_names_what_it_answers() {
    let chat = Chat::start().await;
    let question = chat.send(text("shall I come?")).await;
    let asked = chat.arrives(&question, Chat::FRIEND).await;

    let sent = chat.hear(json!({"text": "yes", "quote": asked["id"]})).await;
    let data = chat.told("message.reply", &sent).await;
    assert_eq!((&data["content"], &data["type"]), (&json!("yes"), &json!("text")), "{data}");
    assert_eq!(data["quotedMessageId"], asked["id"]);
    assert_eq!(data["contentReplied"], "shall I come?");

    // With media as well, and to a message that came in.
    let sent_id = sent["id"].clone();
    let sent =
        chat.hear(json!({"image": {"size": 100, "caption": "here"}, "quote": sent_id})).await;
    let data = chat.told("message.reply", &sent).await;
    assert_eq!(
        (&data["type"], &data["contentReplied"]),
        (&json!("image"), &json!("yes")),
        "{data}"
    );
    assert!(data["mediaLink"].is_string());
    assert!(chat.receiver.events(Chat::PATH, "message.received").is_empty());
    let history = chat.history().await;
    let picture = history.iter().find(|row| row["text"] == "here").expect("the answer");
    assert_eq!(picture["repliedToExternalId"], sent_id, "{picture}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_told_and_so_is_its_end() {
    let chat = Chat::start().await;
    let id = chat.send(text("good news")).await;
    let arrived = chat.arrives(&id, Chat::FRIEND).await;

    let sent = chat.hear(json!({"reaction": {"to": arrived["id"], "emoji": "\u{1f44d}"}})).await;
    let data = chat.told("message.received", &sent).await;
    assert_eq!(
        (&data["type"], &data["content"]),
        (&json!("reaction"), &json!("\u{1f44d}")),
        "{data}"
    );
    assert_eq!(data["quotedMessageId"], arrived["id"]);

    let sent = chat.hear(json!({"reaction": {"to": arrived["id"], "emoji": ""}})).await;
    let data = chat.told("message.received", &sent).await;
    assert_eq!((&data["type"], data.get("content")), (&json!("reaction"), None), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_have_their_event_with_their_name_and_the_writer() {
    let chat = Chat::start().await;
    let id = group(&chat.world, "Fam\u{ed}lia", Chat::FRIEND, &[Chat::NUMBER, OTHER]).await;
    let write = async |from: &str, mut body: Value| {
        body["from"] = json!(from);
        let path = format!("/groups/{id}/messages");
        chat.world.phones().post(&path, body).await.expect(201)
    };

    for (from, words) in [(Chat::FRIEND, "bom dia"), (OTHER, "ol\u{e1}")] {
        let sent = write(from, json!({"text": words})).await;
        let data = chat.told("message.group", &sent).await;
        assert_eq!((&data["content"], &data["from"]), (&json!(words), &json!(from)), "{data}");
        assert_eq!((&data["groupId"], &data["groupName"]), (&json!(id), &json!("Fam\u{ed}lia")));
        assert_eq!(data["to"], Chat::NUMBER);
    }
    let sent = write(OTHER, json!({"image": {"size": 2_000, "caption": "us"}})).await;
    let data = chat.told("message.group", &sent).await;
    assert_eq!((&data["type"], &data["mediaCaption"]), (&json!("image"), &json!("us")), "{data}");
    let (_, bytes) = chat.own.bytes(&Chat::path_of(&data["mediaLink"])).await;
    assert_eq!(bytes.len(), 2_000);
    // An answer in a group is a message of the group.
    let sent = write(Chat::FRIEND, json!({"text": "nice", "quote": sent["id"]})).await;
    chat.told("message.group", &sent).await;
    let names = chat.receiver.names(Chat::PATH);
    assert!(
        names.iter().all(|name| name == "message.group" || name == "number.connected"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_have_their_event_with_their_name() {
    let chat = Chat::start().await;
    let id = channel(&chat.world, "News", Chat::FRIEND, Chat::NUMBER).await;
    let path = format!("/channels/{id}/posts");
    let sent = chat.world.phones().post(&path, json!({"text": "it rains"})).await.expect(201);

    let data = chat.told("message.newsletter", &sent).await;

    assert_eq!((&data["content"], &data["from"]), (&json!("it rains"), &json!(id)), "{data}");
    assert_eq!((&data["newsletterId"], &data["newsletterName"]), (&json!(id), &json!("News")));
    let sent = chat.world.phones().post(&path, json!({"image": {"size": 3_000}})).await.expect(201);
    let data = chat.told("message.newsletter", &sent).await;
    let (_, bytes) = chat.own.bytes(&Chat::path_of(&data["mediaLink"])).await;
    assert_eq!(sent["media"]["sha256"], ramal_tests::sha256(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_edits_and_deletes_its_posts() {
    let chat = Chat::start().await;
    let id = channel(&chat.world, "News", Chat::FRIEND, Chat::NUMBER).await;
    let path = format!("/channels/{id}/posts");
    let post = async |body: Value| chat.world.phones().post(&path, body).await.expect(201);
    let sent = post(json!({"text": "it rains"})).await;
    let kept = chat.told("message.newsletter", &sent).await;

    post(json!({"edit": {"of": sent["id"], "text": "it rained"}})).await;
    let data = chat.told("message.edited", &sent).await;
    assert_eq!((&data["id"], &data["content"]), (&kept["id"], &json!("it rained")), "{data}");
    assert_eq!(data["newsletterId"], id.as_str());
    post(json!({"delete": sent["id"]})).await;
    let data = chat.told("message.deleted", &sent).await;
    assert_eq!((&data["id"], data.get("content")), (&kept["id"], None), "{data}");

    let history = chat.history().await;
    assert_eq!(history.len(), 1, "{history:?}");
    assert!(history[0]["text"].is_null() && history[0]["deletedAt"].is_string(), "{history:?}");
    assert_eq!(chat.receiver.events(Chat::PATH, "message.newsletter").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_seen_once_is_told_without_what_it_is() {
    let chat = Chat::start().await;
    let sent = chat.hear(json!({"image": {"size": 100, "caption": "me"}, "viewOnce": true})).await;

    let data = chat.told("message.received", &sent).await;

    assert_eq!(data["from"], Chat::FRIEND, "{data}");
    for unknown in ["type", "content", "mediaLink"] {
        assert!(data.get(unknown).is_none(), "{unknown}: {data}");
    }
    let history = chat.history().await;
    assert_eq!((history.len(), &history[0]["messageType"]), (1, &json!("unknown")), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_admin_deletes_what_others_wrote() {
    let chat = Chat::start().await;
    let id = group(&chat.world, "Family", Chat::FRIEND, &[Chat::NUMBER, OTHER]).await;
    let write = async |from: &str, mut body: Value| {
        body["from"] = json!(from);
        let path = format!("/groups/{id}/messages");
        chat.world.phones().post(&path, body).await.expect(201)
    };
    let theirs = write(OTHER, json!({"text": "spam"})).await;
    let kept = chat.told("message.group", &theirs).await;

    write(Chat::FRIEND, json!({"delete": theirs["id"]})).await;
    let data = chat.told("message.deleted", &theirs).await;
    assert_eq!((&data["id"], &data["from"]), (&kept["id"], &json!(OTHER)), "{data}");

    // And what the number itself wrote.
    let ours = chat.send(json!({"groupId": id, "text": "more spam"})).await;
    let ours = chat.wait_for_status(&ours, "SENT").await;
    let wire_id = json!({"id": ours["externalMessageId"]});
    write(Chat::FRIEND, json!({"delete": wire_id["id"]})).await;
    let data = chat.told("message.deleted", &wire_id).await;
    assert_eq!((&data["id"], &data["fromMe"]), (&ours["id"], &json!(true)), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_deletions_change_what_is_kept_and_are_told() {
    let chat = Chat::start().await;
    let first = chat.hear(json!({"text": "see you at 5"})).await;
    let kept = chat.told("message.received", &first).await;

    chat.hear(json!({"edit": {"of": first["id"], "text": "see you at 6"}})).await;
    let data = chat.told("message.edited", &first).await;
    assert_eq!((&data["id"], &data["content"]), (&kept["id"], &json!("see you at 6")), "{data}");
    let history = chat.history().await;
    assert_eq!(history.len(), 1, "an edit is no message: {history:?}");
    assert_eq!(history[0]["text"], "see you at 6");
    assert!(history[0]["editedAt"].is_string() && history[0]["deletedAt"].is_null());

    let picture = chat.hear(json!({"image": {"size": 500, "caption": "oops"}})).await;
    let link = chat.told("message.received", &picture).await["mediaLink"].clone();
    chat.hear(json!({"edit": {"of": picture["id"], "text": "better"}})).await;
    let data = chat.told("message.edited", &picture).await;
    assert_eq!((&data["content"], &data["mediaCaption"]), (&json!("better"), &json!("better")));
    assert_eq!(data["mediaLink"], link);
    for gone in [&first, &picture] {
        chat.hear(json!({"delete": gone["id"]})).await;
        let data = chat.told("message.deleted", gone).await;
        assert!(data.get("content").is_none() && data.get("mediaLink").is_none(), "{data}");
    }
    let history = chat.history().await;
    assert_eq!(history.len(), 2, "{history:?}");
    for row in &history {
        assert!(
            row["text"].is_null() && row["media"].is_null() && row["deletedAt"].is_string(),
            "{row}"
        );
    }
    chat.own.get(&Chat::path_of(&link)).await.refused(404, "MEDIA_NOT_FOUND");
    let names = chat.receiver.names(Chat::PATH);
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    assert_eq!(
        (count("message.received"), count("message.edited"), count("message.deleted")),
        (2, 2, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_by_lid_are_told_by_phone_number() {
    let chat = Chat::start().await;
    let path = format!("/phones/{}/addressing", Chat::FRIEND);
    for mode in ["lid", "pn"] {
        let body = json!({"to": Chat::NUMBER, "mode": mode});
        chat.world.phones().post(&path, body).await.expect(200);
        let sent = chat.hear(json!({"text": mode})).await;
        assert_eq!(chat.told("message.received", &sent).await["from"], Chat::FRIEND, "{mode}");
        // What is about a message finds it, whichever name its author has by then.
        let other = if mode == "lid" { "pn" } else { "lid" };
        let body = json!({"to": Chat::NUMBER, "mode": other});
        chat.world.phones().post(&path, body).await.expect(200);
        chat.hear(json!({"edit": {"of": sent["id"], "text": "edited"}})).await;
        chat.told("message.edited", &sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_on_the_numbers_own_phone_is_in_the_history_and_told_as_sent() {
    let chat = Chat::start().await;
    let body = json!({"to": Chat::FRIEND, "text": "from my pocket"});
    let sent = chat.world.phones().write(Chat::NUMBER, body).await;

    let data = chat.told("message.sent", &sent).await;

    assert_eq!((&data["fromMe"], &data["to"]), (&json!(true), &json!(Chat::FRIEND)), "{data}");
    let history = chat.history().await;
    assert_eq!(
        (&history[0]["direction"], &history[0]["text"]),
        (&json!("OUTBOUND"), &json!("from my pocket"))
    );
    assert!(history[0]["origin"].is_null() || history[0]["origin"] == "APP", "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_it_was_down_is_told_once() {
    let mut chat = Chat::start().await;
    chat.world.product.kill_9();
    let text = chat.hear(json!({"text": "are you there?"})).await;
    let picture = chat.hear(json!({"image": {"size": 100}})).await;
    chat.hear(json!({"edit": {"of": text["id"], "text": "where are you?"}})).await;

    chat.world.product.start_again().await;

    chat.told("message.received", &text).await;
    let link = chat.told("message.received", &picture).await["mediaLink"].clone();
    chat.told("message.edited", &text).await;
    let (_, bytes) = chat.world.api().anonymous().bytes(&Chat::path_of(&link)).await;
    assert_eq!(bytes.len(), 100);
    let own = chat.own.at(chat.world.product.address());
    eventually("the history has both", async || {
        let page = own.get("/v1/messages/history").await.expect(200);
        (page["total"] == 2 && page["messages"][1]["text"] == "where are you?").then_some(())
    })
    .await;
}
