//! What is not kept: relayed contents, and those whose days are over.

use ramal_tests::{Chat, eventually};
use serde_json::{Value, json};

use crate::text;

const SECRETS: [&str; 4] = ["purple elephant", "green giraffe", "blue caption", "my-secret.pdf"];

/// Keeps messages as `mode` says; whoever hears of them repeats what they say.
async fn keep(chat: &Chat, mode: Value) {
    chat.receiver.repeat();
    let path = format!("/v1/numbers/{}", chat.id);
    chat.world.api().patch(&path, mode).await.expect(200);
}

/// Says something secret both ways, and waits until it was told.
async fn whisper(chat: &Chat) -> (String, Value) {
    let id = chat.send(text(SECRETS[0])).await;
    let arrived = chat.arrives(&id, Chat::FRIEND).await;
    assert_eq!(arrived["text"], SECRETS[0], "it is relayed whole");
    chat.wait_for_status(&id, "DELIVERED").await;
    chat.receiver.wait_for(Chat::PATH, "message.delivered", |data| data["id"] == id).await;
    let sent = chat.hear(json!({"text": SECRETS[1]})).await;
    let data = chat.told("message.received", &sent).await;
    assert_eq!(
        (&data["content"], &data["from"]),
        (&json!(SECRETS[1]), &json!(Chat::FRIEND)),
        "{data}"
    );
    let sent = chat.hear(json!({"document": {"size": 700, "seed": 4, "caption": SECRETS[2], "fileName": SECRETS[3]}})).await;
    let data = chat.told("message.received", &sent).await;
    assert_eq!(
        (&data["mediaCaption"], &data["mediaFilename"]),
        (&json!(SECRETS[2]), &json!(SECRETS[3]))
    );
    (id, data)
}

/// Which secrets any table of the database has.
async fn found(chat: &Chat) -> Vec<String> {
    let database = chat.world.product.database();
    let tables: Vec<(String,)> = database
        .rows("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        .await;
    let mut found = Vec::new();
    for (table,) in tables {
        let columns: Vec<(String,)> =
            database.rows(&format!("select name from pragma_table_info('{table}')")).await;
        for (column,) in columns {
            for secret in SECRETS {
                let count = database.count(&format!("{table} where instr({column}, cast('{secret}' as blob)) > 0 or instr({column}, '{secret}') > 0")).await;
                if count > 0 {
                    found.push(format!("{secret} in {table}.{column}"));
                }
            }
        }
    }
    found
}

async fn until_forgotten(chat: &Chat) {
    let mut left = Vec::new();
    let looked = tokio::time::timeout(ramal_tests::PATIENCE, async {
        loop {
            left = found(chat).await;
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let done = looked.await.is_ok();
    assert!(done, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_keeps_no_contents_once_they_are_delivered() {
    let chat = Chat::start().await;
    keep(&chat, json!({"piiMode": "RELAY_ONLY"})).await;
    let (id, media) = whisper(&chat).await;

    until_forgotten(&chat).await;

    let history = chat.own.get("/v1/messages/history").await.expect(200);
    assert_eq!(
        (&history["notice"], &history["total"]),
        (&json!("PII_RELAY_ONLY"), &json!(3)),
        "{history}"
    );
    for row in history["messages"].as_array().expect("an array") {
        assert_eq!(row["redacted"], true, "{row}");
        for field in ["text", "media", "participantName", "participantPhone", "participantUserId"] {
            assert!(row[field].is_null(), "{field}: {row}");
        }
    }
    assert_eq!(chat.message(&id).await["status"], "DELIVERED");
    // The log of deliveries is still there, without what was told.
    let hooks = chat.own.get("/v1/webhooks").await.expect(200);
    let hook = hooks[0]["id"].as_str().expect("an id");
    let logs = chat.own.get(&format!("/v1/webhooks/{hook}/logs")).await.expect(200).to_string();
    assert!(logs.contains("message.received"), "{logs}");
    assert!(SECRETS.iter().all(|secret| !logs.contains(secret)), "{logs}");
    // Nothing was kept, but the link is as good as it was; nothing else leads to the file.
    let link = Chat::path_of(&media["mediaLink"]);
    let (_, bytes) = chat.own.anonymous().bytes(&link).await;
    assert_eq!(bytes.len(), 700);
    for name in ["id", "messageId"] {
        let path = format!("/v1/media/{}", media[name].as_str().expect("an id"));
        chat.own.get(&path).await.refused(404, "MEDIA_NOT_FOUND");
    }
    // Later steps are told, without contents.
    let arrived = chat.arrives(&id, Chat::FRIEND).await;
    chat.world.phones().read(Chat::FRIEND, &arrived).await;
    let read =
        chat.receiver.wait_for(Chat::PATH, "message.read", |data| data["id"] == id).await.data();
    assert!(read.get("content").is_none() || read["content"] == "", "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_to_relayed_media_goes_with_their_link() {
    let chat = Chat::with(&[("NUMBERS__SWEEP_EVERY", "300ms")]).await;
    keep(&chat, json!({"piiMode": "RELAY_ONLY"})).await;
    let (_, media) = whisper(&chat).await;
    until_forgotten(&chat).await;
    let database = chat.world.product.database();
    let keys = "messages where media like '%\"key\"%'";
    assert_eq!(database.count(keys).await, 1, "what the link needs");

    database.change("update messages set media_until_ms = 1 where media_until_ms > 0").await;

    eventually("it is gone", async || (database.count(keys).await == 0).then_some(())).await;
    let link = Chat::path_of(&media["mediaLink"]);
    chat.own.anonymous().get(&link).await.refused(404, "MEDIA_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_for_everybody_is_deleted_here() {
    let chat = Chat::start().await;
    chat.receiver.repeat();
    let told = chat.hear(json!({"text": SECRETS[0]})).await;
    chat.told("message.received", &told).await;
    chat.hear(json!({"edit": {"of": told["id"], "text": SECRETS[1]}})).await;
    chat.told("message.edited", &told).await;
    let file = json!({"size": 700, "caption": SECRETS[2], "fileName": SECRETS[3]});
    let file = chat.hear(json!({"document": file})).await;
    chat.told("message.received", &file).await;
    assert!(found(&chat).await.len() >= SECRETS.len(), "kept for now");

    for gone in [&told, &file] {
        chat.hear(json!({"delete": gone["id"]})).await;
        chat.told("message.deleted", gone).await;
    }

    until_forgotten(&chat).await;
    let history = chat.history().await;
    assert!(history.iter().all(|row| row["deletedAt"].is_string()), "{history:?}");
    assert!(history.iter().all(|row| row["participantPhone"] == Chat::FRIEND), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_refuses_is_kept_until_it_takes_it() {
    let chat = Chat::start().await;
    keep(&chat, json!({"piiMode": "RELAY_ONLY"})).await;
    chat.receiver.answer_with(500);
    let sent = chat.hear(json!({"text": SECRETS[1]})).await;
    eventually("it is tried", async || (!chat.receiver.all(Chat::PATH).is_empty()).then_some(()))
        .await;

    chat.receiver.answer_with(200);

    assert_eq!(chat.told("message.received", &sent).await["content"], SECRETS[1]);
    until_forgotten(&chat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_run_out() {
    let chat = Chat::with(&[("NUMBERS__SWEEP_EVERY", "300ms")]).await;
    keep(&chat, json!({"piiMode": "STORE_X_DAYS", "piiRetentionDays": 2})).await;
    let (_, media) = whisper(&chat).await;
    assert!(found(&chat).await.len() >= SECRETS.len(), "kept for now");
    let day = 86_400_000_i64;
    let database = chat.world.product.database();
    let times =
        [("messages", "created_at_ms"), ("messages", "sent_at_ms"), ("events", "created_at_ms")];
    for (table, column) in times {
        database
            .change(&format!("update {table} set {column} = {column} - {}", 2 * day - 60_000))
            .await;
    }
    // Almost two days old: as before, for several rounds of the sweeper.
    let fresh = chat.hear(json!({"text": "fresh"})).await;
    chat.told("message.received", &fresh).await;
    assert!(found(&chat).await.len() >= SECRETS.len(), "kept for now");
    for (table, column) in times {
        let passed = format!(
            "update {table} set {column} = {column} - 60001 where {column} < (unixepoch() - 86400) * 1000"
        );
        database.change(&passed).await;
    }

    until_forgotten(&chat).await;

    let history = chat.history().await;
    assert_eq!(history.len(), 4);
    assert_eq!((&history[0]["text"], history[0].get("redacted")), (&json!("fresh"), None));
    assert!(history.iter().skip(1).all(|row| row["redacted"] == true), "{history:?}");
    let (_, bytes) = chat.own.anonymous().bytes(&Chat::path_of(&media["mediaLink"])).await;
    assert_eq!(bytes.len(), 700);
}
