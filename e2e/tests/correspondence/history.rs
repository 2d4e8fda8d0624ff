//! What was said, looked back at: page by page, by date, by label, from before the number was connected.

use ramal_tests::{Chat, ahead, eventually};
use serde_json::{Value, json};

use crate::{OTHER, text};

fn texts(page: &Value) -> Vec<&str> {
    page["messages"]
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|one| one["text"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_newest_first_and_page_by_page() {
    let chat = Chat::start().await;
    let mut spoken = Vec::new();
    for index in 0..5 {
        let words = format!("ours {index}");
        let id = chat.send(text(&words)).await;
        chat.wait_for_status(&id, "DELIVERED").await;
        spoken.insert(0, words);
        let words = format!("theirs {index}");
        let sent = chat.hear(json!({"text": words})).await;
        chat.told("message.received", &sent).await;
        spoken.insert(0, words);
    }

    let mut found = Vec::new();
    for page in 1..=4 {
        let path = format!("/v1/messages/history?page={page}&pageSize=3");
        let answer = chat.own.get(&path).await.expect(200);
        assert_eq!((&answer["total"], &answer["totalPages"]), (&json!(10), &json!(4)), "{answer}");
        assert_eq!((&answer["page"], &answer["pageSize"]), (&json!(page), &json!(3)));
        found.extend(texts(&answer).into_iter().map(str::to_owned));
    }
    // Within one second WhatsApp's clock does not tell what came first.
    let (mut all, mut wanted) = (found.clone(), spoken.clone());
    all.sort();
    wanted.sort();
    assert_eq!(all, wanted, "each once");
    let beyond = chat.own.get("/v1/messages/history?page=5&pageSize=3").await.expect(200);
    assert_eq!(beyond["messages"], json!([]));

    let log = chat.own.get("/v1/messages?pageSize=2").await.expect(200);
    assert_eq!(texts(&log), ["ours 4", "ours 3"]);
    assert_eq!(
        (&log["total"], &log["totalPages"]),
        (&json!(5), &json!(3)),
        "only what was sent here"
    );
    let row = &log["messages"][0];
    assert_eq!(
        (&row["origin"], &row["status"], &row["messageType"]),
        (&json!("API"), &json!("DELIVERED"), &json!("text"))
    );
    for path in ["pageSize=0", "pageSize=101", "page=0", "page=x", "status=LOST"] {
        chat.own.get(&format!("/v1/messages?{path}")).await.refused(400, "VALIDATION_ERROR");
    }
    for path in [
        "startDate=2026-02-01T00:00:00.000Z&endDate=2026-01-01T00:00:00.000Z",
        "startDate=yesterday",
    ] {
        chat.own
            .get(&format!("/v1/messages/history?{path}"))
            .await
            .refused(400, "INVALID_DATE_RANGE");
    }
    chat.world.api().get("/v1/messages/history").await.refused(403, "TENANT_SCOPE_NOT_ALLOWED");
    let named = chat.world.api().on_number(&chat.id).get("/v1/messages/history").await.expect(200);
    assert_eq!(named["total"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_label_status_peer_and_date() {
    let chat = Chat::start().await;
    let labelled = json!({"destinationNumber": Chat::FRIEND, "text": "labelled", "labels": ["order-7", "\u{e1}rea"]});
    let labelled = chat.send(labelled).await;
    let other = chat.send(json!({"destinationNumber": OTHER, "text": "other"})).await;
    chat.wait_for_status(&labelled, "DELIVERED").await;
    chat.wait_for_status(&other, "DELIVERED").await;
    let find = async |query: &str| {
        let page = chat.own.get(&format!("/v1/messages?{query}")).await.expect(200);
        texts(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(find("label=order-7").await, ["labelled"]);
    assert_eq!(find("label=%C3%A1rea").await, ["labelled"]);
    assert_eq!(find("label=order").await, [""; 0], "the whole label");
    assert_eq!(find("peer=%2B5511999990004").await, ["other"]);
    assert_eq!(find("status=DELIVERED").await.len(), 2);
    assert_eq!(find("status=FAILED").await.len(), 0);
    assert_eq!(find("startDate=2020-01-01T00:00:00Z").await.len(), 2);
    assert_eq!(find("endDate=2020-01-01T00:00:00Z").await.len(), 0);
    let tomorrow = ahead(std::time::Duration::from_hours(24));
    assert_eq!(find(&format!("startDate={tomorrow}")).await.len(), 0);
    let page = chat.own.get("/v1/messages?label=order-7").await.expect(200);
    assert_eq!(page["messages"][0]["labels"], json!(["order-7", "\u{e1}rea"]));
    for id in [&labelled, &other] {
        let message = chat.message(id).await;
        for name in ["correlationId", "externalMessageId"] {
            let found = chat.message(message[name].as_str().expect("an id")).await;
            assert_eq!(found["id"], **id, "by {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_imported_once_with_its_media() {
    let chats = json!({"chats": [{"with": Chat::FRIEND, "name": "Bob", "messages": [
        {"text": "are you there?", "at": 1_700_000_000, "id": "OLD1"},
        {"fromMe": true, "text": "yes", "at": 1_700_000_060, "id": "OLD2", "edited": true},
    ]}]});
    let chat = Chat::prepared(&[], async |world| {
        let path = format!("/phones/{}/history", Chat::NUMBER);
        world.phones().post(&path, chats).await.expect(200);
    })
    .await;

    let history = eventually("it is imported", async || {
        Some(chat.history().await).filter(|history| history.len() == 2)
    })
    .await;

    let (yes, there) = (&history[0], &history[1]);
    assert_eq!(
        (&yes["direction"], &yes["text"], &yes["externalMessageId"]),
        (&json!("OUTBOUND"), &json!("yes"), &json!("OLD2"))
    );
    assert_eq!(
        (&there["direction"], &there["participantPhone"]),
        (&json!("INBOUND"), &json!(Chat::FRIEND))
    );
    assert_eq!(there["providerTimestamp"], "2023-11-14T22:13:20.000Z");
    assert_eq!(there["conversationId"], yes["conversationId"]);
    assert_eq!(chat.own.get("/v1/messages").await.expect(200)["total"], 0, "it was not sent here");
    let old = chat.own.get("/v1/messages/history?endDate=2024-01-01T00:00:00Z").await.expect(200);
    assert_eq!(old["total"], 2);
    // An answer to it is a reply that quotes it.
    let sent = chat.hear(json!({"text": "hm"})).await;
    chat.told("message.received", &sent).await;
    assert_eq!(chat.history().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_numbers_messages_are_not_anothers() {
    let chat = Chat::start().await;
    let sent = chat.hear(json!({"image": {"size": 100}})).await;
    let data = chat.told("message.received", &sent).await;
    let second = chat.world.open_number(OTHER).await;
    let stranger = chat.world.api().with_key(&chat.world.api().key_of(&second.id).await);

    for id in [data["id"].as_str(), sent["id"].as_str()].into_iter().flatten() {
        stranger.get(&format!("/v1/messages/{id}")).await.refused(404, "MESSAGE_NOT_FOUND");
        stranger.get(&format!("/v1/media/{id}")).await.refused(404, "MESSAGE_NOT_FOUND");
    }
    assert_eq!(stranger.get("/v1/messages/history").await.expect(200)["total"], 0);
    chat.own.get("/v1/media/msg_nothing").await.refused(404, "MESSAGE_NOT_FOUND");
    let plain = chat.hear(json!({"text": "no media"})).await;
    let plain = chat.told("message.received", &plain).await;
    let path = format!("/v1/media/{}", plain["id"].as_str().expect("an id"));
    chat.own.get(&path).await.refused(404, "MEDIA_NOT_FOUND");
}
