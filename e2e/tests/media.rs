//! Media both ways: every kind, by address and by value, through the guard, large, and when things go
//! wrong at WhatsApp's media host.

#![expect(
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ramal_tests::{Chat, Files, eventually, made_up, sha256};
use serde_json::{Value, json};

/// The kinds, with what their files are and what E.3 calls them.
const KINDS: [(&str, &str, &str); 6] = [
    ("image", "image/png", "image"),
    ("video", "video/mp4", "video"),
    ("document", "application/pdf", "document"),
    ("audio", "audio/mpeg", "audio"),
    ("voice", "audio/ogg; codecs=opus", "audio"),
    ("sticker", "image/webp", "sticker"),
];
const LARGE: usize = 64 * 1024 * 1024;
/// More than the product's memory may grow by over a large file, several times less than the file in
/// its forms (plain, encrypted, in base64) would take.
const GROWTH_MAX: u64 = 48 * 1024 * 1024;
/// How long a large file may take on its way, on a busy machine in a debug build.
const LARGE_PATIENCE: Duration = Duration::from_mins(3);

fn captioned(kind: &str) -> bool {
    matches!(kind, "image" | "video" | "document")
}

async fn check_arrived(chat: &Chat, id: &str, kind: &str, mime: &str, bytes: &[u8]) -> Value {
    let arrived = chat.arrives(id, Chat::FRIEND).await;
    assert_eq!(arrived["type"], kind, "{arrived}");
    let media = &arrived["media"];
    assert_eq!(media["state"], "ready", "{arrived}");
    assert_eq!((&media["mime"], &media["size"]), (&json!(mime), &json!(bytes.len())), "{arrived}");
    assert!(chat.world.phones().attachment(Chat::FRIEND, &arrived).await == bytes, "{kind}");
    arrived
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_sent_from_an_address_and_as_a_data_uri() {
    let (chat, files) = (Chat::start().await, Files::start().await);
    for (seed, (kind, mime, _)) in (0..).zip(KINDS) {
        let bytes = made_up(20_000, seed);
        let by_address = files.put(&format!("file-{kind}.bin"), mime, bytes.clone());
        let by_value = format!("data:{mime};base64,{}", BASE64.encode(&bytes));
        for media in [by_address, by_value] {
            let mut body =
                json!({"destinationNumber": Chat::FRIEND, "media": media, "mediaType": kind});
            if captioned(kind) {
                body["text"] = json!(format!("a {kind}"));
            }
            let id = chat.send(body).await;
            let arrived = check_arrived(&chat, &id, kind, mime, &bytes).await;
            let caption = if captioned(kind) { format!("a {kind}") } else { String::new() };
            assert_eq!(arrived["text"], caption, "{arrived}");
            let event =
                chat.receiver.wait_for(Chat::PATH, "message.delivered", |data| data["id"] == id);
            let data = event.await.data();
            let wanted = if kind == "voice" { "audio" } else { kind };
            assert_eq!(data["type"], wanted, "{data}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_keeps_its_name() {
    let (chat, files) = (Chat::start().await, Files::start().await);
    let url = files.put("of%20may.pdf", "application/pdf", made_up(1_000, 1));
    let body = |name: Option<&str>| {
        let mut body =
            json!({"destinationNumber": Chat::FRIEND, "media": url, "mediaType": "document"});
        if let Some(name) = name {
            body["fileName"] = json!(name);
        }
        body
    };
    let named = chat.send(body(Some("bill \u{1f9fe}.pdf"))).await;
    let unnamed = chat.send(body(None)).await;

    let arrived = chat.arrives(&named, Chat::FRIEND).await;
    assert_eq!(arrived["media"]["fileName"], "bill \u{1f9fe}.pdf", "{arrived}");
    let arrived = chat.arrives(&unnamed, Chat::FRIEND).await;
    assert_eq!(arrived["media"]["fileName"], "of may.pdf", "{arrived}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_that_comes_in_is_had_by_its_link() {
    let chat = Chat::start().await;
    for (seed, (kind, mime, told)) in (0..).zip(KINDS) {
        let mut file = json!({"size": 30_000, "seed": seed, "mime": mime});
        if captioned(kind) {
            file["caption"] = json!("look");
        }
        if kind == "document" {
            file["fileName"] = json!("r\u{e9}sum\u{e9}.pdf");
        }
        let sent = chat.hear(json!({kind: file})).await;

        let data = chat.told("message.received", &sent).await;
        assert_eq!((&data["type"], &data["mediaType"]), (&json!(told), &json!(mime)), "{data}");
        let caption = if captioned(kind) { json!("look") } else { Value::Null };
        assert_eq!((&data["mediaCaption"], &data["content"]), (&caption, &caption), "{data}");
        let name = if kind == "document" { json!("r\u{e9}sum\u{e9}.pdf") } else { Value::Null };
        assert_eq!(data["mediaFilename"], name, "{data}");
        let path = Chat::path_of(&data["mediaLink"]);
        // Without a key: the address is the secret.
        let (headers, bytes) = chat.own.anonymous().bytes(&path).await;
        assert_eq!(sent["media"]["sha256"], sha256(&bytes), "{kind}");
        assert_eq!(headers["content-type"], mime);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        // And with one, by the message's id or the history's.
        for id in [data["id"].as_str(), sent["id"].as_str()] {
            let path = format!("/v1/media/{}", id.expect("an id"));
            let whole = chat.own.get(&path).await.expect(200);
            let decoded = BASE64.decode(whole["base64"].as_str().expect("base64")).expect("base64");
            assert!(decoded == bytes, "{kind}");
            assert_eq!((&whole["mimeType"], &whole["fileName"]), (&json!(mime), &name), "{whole}");
        }
        let history = chat.history().await;
        let media = &history[0]["media"];
        assert_eq!((&media["id"], &media["url"]), (&data["id"], &data["mediaLink"]), "{media}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_unguessable_and_ends() {
    let chat = Chat::start().await;
    let sent = chat.hear(json!({"image": {"size": 100}})).await;
    let path = Chat::path_of(&chat.told("message.received", &sent).await["mediaLink"]);
    let token = path.rsplit('/').next().expect("a token");
    assert!(token.len() >= 43, "256 bits: {token}");
    let mut other = path.clone();
    other.pop();
    for wrong in [other, format!("{path}x"), "/media/x".to_owned()] {
        chat.own.anonymous().get(&wrong).await.refused(404, "MEDIA_NOT_FOUND");
    }
    let stored: Vec<(i64,)> = chat
        .world
        .product
        .database()
        .rows("select media_until_ms - created_at_ms from messages where media is not null")
        .await;
    assert!(stored.iter().all(|(life,)| (1..=8 * 86_400_000).contains(life)), "{stored:?}");

    chat.world
        .product
        .database()
        .change("update messages set media_until_ms = 1 where media_until_ms is not null")
        .await;

    chat.own.anonymous().get(&path).await.refused(404, "MEDIA_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_whatsapp_has_lost_are_not_found_and_tampered_ones_are_not_given() {
    let chat = Chat::start().await;
    for act in ["delete", "tamper"] {
        let sent = chat.hear(json!({"image": {"size": 5_000, "seed": 5}})).await;
        let path = Chat::path_of(&chat.told("message.received", &sent).await["mediaLink"]);
        let at = format!(
            "/phones/{}/messages/{}/media",
            Chat::FRIEND,
            sent["id"].as_str().expect("an id")
        );
        match act {
            "delete" => chat.world.phones().call(reqwest::Method::DELETE, &at, None).await,
            _ => chat.world.phones().post(&format!("{at}/tamper"), json!({})).await,
        }
        .expect(200);

        let answer = chat.own.anonymous().get(&path).await;
        assert!(answer.status >= 400, "{act}: {}", answer.text);
        assert!(matches!(answer.status, 404 | 502 | 503 | 504), "{act}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ailing_media_host_delays_a_message_and_loses_none() {
    let chat =
        Chat::with(&[("SESSIONS__RETRY_BASE", "100ms"), ("SESSIONS__RETRY_CAP", "500ms")]).await;
    let media = |seed| format!("data:image/png;base64,{}", BASE64.encode(made_up(60_000, seed)));
    let faults = [
        json!({"on": "upload", "status": 503, "times": 2}),
        json!({"on": "upload", "status": 507, "times": 1}),
        json!({"on": "upload", "cutAfter": 10_000, "times": 1}),
    ];
    for (seed, fault) in (0..).zip(faults) {
        chat.world.phones().post("/media/faults", fault.clone()).await.expect(200);
        let id = chat.send(json!({"destinationNumber": Chat::FRIEND, "media": media(seed)})).await;
        check_arrived(&chat, &id, "image", "image/png", &made_up(60_000, seed)).await;
    }
    chat.world.phones().post("/media/expire-auth", json!({})).await.expect(200);
    let id = chat.send(json!({"destinationNumber": Chat::FRIEND, "media": media(9)})).await;
    check_arrived(&chat, &id, "image", "image/png", &made_up(60_000, 9)).await;

    let sent = chat.hear(json!({"image": {"size": 60_000, "seed": 10}})).await;
    let path = Chat::path_of(&chat.told("message.received", &sent).await["mediaLink"]);
    for fault in [
        json!({"on": "download", "status": 503, "times": 1}),
        json!({"on": "download", "cutAfter": 9_000, "times": 1}),
    ] {
        chat.world.phones().post("/media/faults", fault).await.expect(200);
        let bytes = eventually("it is had after all", async || {
            let answer = chat.own.anonymous().request(reqwest::Method::GET, &path).send().await;
            let answer = answer.ok().filter(|answer| answer.status() == 200)?;
            answer.bytes().await.ok()
        })
        .await;
        assert_eq!(sent["media"]["sha256"], sha256(&bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_fails_and_says_so() {
    let (chat, files) =
        (Chat::with(&[("WHATSAPP__MEDIA_MAX", "100000")]).await, Files::start().await);
    let empty = files.put("empty", "image/png", Vec::new());
    let large = files.put("large", "image/png", made_up(100_001, 1));
    for (media, word) in [(files.url("missing"), "404"), (empty, "empty"), (large, "100000 bytes")]
    {
        let body = json!({"destinationNumber": Chat::FRIEND, "media": media});
        let id = chat.send(body).await;

        let failed = chat.wait_for_status(&id, "FAILED").await;
        assert_eq!(failed["errorCode"], "MEDIA_UNAVAILABLE", "{failed}");
        let event =
            chat.receiver.wait_for(Chat::PATH, "message.failed", |data| data["id"] == id).await;
        let data = event.data();
        assert_eq!(data["errorCode"], "MEDIA_UNAVAILABLE", "{data}");
        assert!(data["error"].as_str().is_some_and(|error| error.contains(word)), "{data}");
        assert_eq!(chat.names_about(&id), ["message.failed"]);
    }
    // A failure holds nobody up.
    let id = chat.send(json!({"destinationNumber": Chat::FRIEND, "text": "after"})).await;
    chat.arrives(&id, Chat::FRIEND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_keeps_media_addresses_off_the_private_network() {
    let chat = Chat::with(&[("WHATSAPP__MEDIA_ALLOW_PRIVATE", "false")]).await;
    let files = Files::start().await;
    let secret = files.put("secret", "image/png", made_up(100, 1));
    let port = secret.rsplit(':').next().expect("a port");
    for media in [
        secret.clone(),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://2130706433:{port}"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/a.png".to_owned(),
    ] {
        let body = json!({"destinationNumber": Chat::FRIEND, "media": media});
        let answer = chat.own.post("/v1/messages/send", body).await;
        if answer.status == 400 {
            answer.refused(400, "VALIDATION_ERROR");
            continue;
        }
        let id = answer.expect(202)["id"].as_str().expect("an id").to_owned();
        let failed = chat.wait_for_status(&id, "FAILED").await;
        assert_eq!(failed["errorCode"], "MEDIA_UNAVAILABLE", "{media}: {failed}");
    }
    assert_eq!(files.asked(), 0, "nobody was let through");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_data_uri_is_refused_at_once() {
    let chat = Chat::start().await;
    let data =
        format!("data:application/pdf;base64,{}", BASE64.encode(vec![7; 16 * 1024 * 1024 + 1]));
    let body = json!({"destinationNumber": Chat::FRIEND, "media": data, "mediaType": "document"});

    chat.own.post("/v1/messages/send", body).await.refused(400, "VALIDATION_ERROR");

    let bytes = made_up(16 * 1024 * 1024, 3);
    let data = format!("data:application/pdf;base64,{}", BASE64.encode(&bytes));
    let body = json!({"destinationNumber": Chat::FRIEND, "media": data, "mediaType": "document"});
    let id = chat.send(body).await;
    let arrived = chat.arrives_within(LARGE_PATIENCE, &id, Chat::FRIEND).await;
    assert_eq!(arrived["media"]["sha256"], sha256(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the measurement")]
async fn a_large_document_goes_both_ways_and_not_through_memory() {
    let (chat, files) = (Chat::start().await, Files::start().await);
    // Whatever is warmed up once is warm.
    let small = files.put("small.bin", "application/pdf", made_up(100_000, 1));
    let body = json!({"destinationNumber": Chat::FRIEND, "media": small, "mediaType": "document"});
    chat.arrives(&chat.send(body).await, Chat::FRIEND).await;
    let sent = chat.hear(json!({"document": {"size": 100_000, "seed": 1}})).await;
    let link = chat.told("message.received", &sent).await["mediaLink"].clone();
    chat.own.anonymous().bytes(&Chat::path_of(&link)).await;
    let before = chat.world.product.peak_memory();

    let bytes = made_up(LARGE, 2);
    let digest = sha256(&bytes);
    let url = files.put("large.bin", "application/pdf", bytes);
    let body = json!({"destinationNumber": Chat::FRIEND, "media": url, "mediaType": "document"});
    let id = chat.send(body).await;
    let arrived = chat.arrives_within(LARGE_PATIENCE, &id, Chat::FRIEND).await;
    assert_eq!(
        (&arrived["media"]["state"], &arrived["media"]["sha256"]),
        (&json!("ready"), &json!(digest))
    );
    let after_sending = chat.world.product.peak_memory();

    let sent = chat.hear(json!({"document": {"size": LARGE, "seed": 3}})).await;
    let link = chat.told("message.received", &sent).await["mediaLink"].clone();
    let (_, bytes) = chat.own.anonymous().bytes(&Chat::path_of(&link)).await;
    assert_eq!((bytes.len(), &sent["media"]["sha256"]), (LARGE, &json!(sha256(&bytes))));
    let after_receiving = chat.world.product.peak_memory();

    let mebibytes = |bytes: u64| bytes / 1024 / 1024;
    println!(
        "peak memory of the product: {} MiB before, {} MiB after sending 64 MiB, {} MiB after receiving 64 MiB",
        mebibytes(before),
        mebibytes(after_sending),
        mebibytes(after_receiving)
    );
    let growth = after_receiving.saturating_sub(before);
    assert!(growth < GROWTH_MAX, "the product grew by {} MiB", mebibytes(growth));
}
