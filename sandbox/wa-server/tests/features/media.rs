//! Attachments, from a client to a phone and from a phone to a client.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wa_server::{PhoneNumber, WaServer};
use whatsapp_rust::{
    UploadOptions,
    buffa::MessageField,
    download::{Downloadable, MediaType},
    upload::UploadResponse,
    waproto::whatsapp::{self as wa, message},
};

use crate::{
    ALICE, BOB,
    support::{Phone, attachment, created, jid, number, seen, server},
};

/// WhatsApp Web's usual limit for documents that customers send through this product.
const LARGE: usize = 64 * 1024 * 1024;

const KINDS: [&str; 6] = ["image", "video", "audio", "voice", "document", "sticker"];

pub(super) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251).to_le_bytes()[0]).collect()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

macro_rules! uploaded {
    ($kind:ident, $upload:expr, { $($more:tt)* }) => {
        MessageField::some(message::$kind {
            url: Some($upload.url.clone()),
            direct_path: Some($upload.direct_path.clone()),
            media_key: Some($upload.media_key.to_vec()),
            file_sha256: Some($upload.file_sha256.to_vec()),
            file_enc_sha256: Some($upload.file_enc_sha256.to_vec()),
            file_length: Some($upload.file_length),
            mimetype: Some("application/x-test".to_owned()),
            $($more)*
            ..Default::default()
        })
    };
}

pub(super) fn image(upload: &UploadResponse) -> wa::Message {
    wa::Message {
        image_message: uploaded!(ImageMessage, upload, { caption: Some("below".to_owned()), }),
        ..Default::default()
    }
}

fn message(kind: &str, upload: &UploadResponse) -> wa::Message {
    let mut message = wa::Message::default();
    match kind {
        "image" => return image(upload),
        "video" => message.video_message = uploaded!(VideoMessage, upload, { seconds: Some(7), }),
        "audio" => message.audio_message = uploaded!(AudioMessage, upload, {}),
        "voice" => message.audio_message = uploaded!(AudioMessage, upload, { ptt: Some(true), }),
        "sticker" => message.sticker_message = uploaded!(StickerMessage, upload, {}),
        _ => {
            let file_name = Some("report.pdf".to_owned());
            message.document_message = uploaded!(DocumentMessage, upload, { file_name, });
        }
    }
    message
}

fn media_type(kind: &str) -> MediaType {
    match kind {
        "image" => MediaType::Image,
        "video" => MediaType::Video,
        "audio" | "voice" => MediaType::Audio,
        "sticker" => MediaType::Sticker,
        _ => MediaType::Document,
    }
}

fn downloadable<'a>(kind: &str, message: &'a wa::Message) -> Option<&'a dyn Downloadable> {
    match kind {
        "image" => message.image_message.as_option().map(|media| media as _),
        "video" => message.video_message.as_option().map(|media| media as _),
        "audio" | "voice" => message.audio_message.as_option().map(|media| media as _),
        "sticker" => message.sticker_message.as_option().map(|media| media as _),
        _ => message.document_message.as_option().map(|media| media as _),
    }
}

/// The attachment once the phone has it, or has failed to get it.
pub(super) async fn fetched(server: &WaServer, phone: &PhoneNumber, id: &str) -> Value {
    seen(server, phone, "the attachment", |message| {
        message["id"] == id && message["media"]["state"] != "pending"
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_reaches_a_phone() {
    let server = server().await;
    let bob = number(BOB);
    let phone = Phone::linked(&server, &number(ALICE)).await;
    for (index, kind) in KINDS.into_iter().enumerate() {
        let content = bytes(10_000 + index);
        let options = UploadOptions::default();
        let upload = phone.client.upload(content.clone(), media_type(kind), options).await.unwrap();
        let sent = phone.client.send_message(jid(&bob), message(kind, &upload)).await.unwrap();
        let received = fetched(&server, &bob, &sent.message_id).await;
        assert_eq!(received["type"], kind);
        let media = &received["media"];
        assert_eq!(media["state"], "ready", "{received}");
        assert_eq!(media["mime"], "application/x-test");
        assert_eq!(media["size"], content.len());
        assert_eq!(media["sha256"], sha256(&content));
        assert_eq!(received["text"], if kind == "image" { "below" } else { "" });
        let file_name = if kind == "document" { json!("report.pdf") } else { Value::Null };
        assert_eq!(media["fileName"], file_name);
        assert_eq!(attachment(&server, &bob, &sent.message_id).await, content);
        // The sender's own phone has it, too.
        assert_eq!(fetched(&server, &number(ALICE), &sent.message_id).await["direction"], "out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_reaches_a_client() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let path = format!("/phones/{BOB}/messages");
    for (index, kind) in KINDS.into_iter().enumerate() {
        let content = bytes(20_000 + index);
        let file = json!({
            "data": STANDARD.encode(&content), "mime": "application/x-test", "fileName": "f.bin",
        });
        let sent = created(&server, &path, json!({ "to": ALICE, kind: file })).await;
        assert_eq!(sent["type"], kind);
        assert_eq!(sent["media"]["sha256"], sha256(&content));
        let message = phone
            .message(kind, |message, _| downloadable(kind, message).map(|_| message.clone()))
            .await;
        let media = downloadable(kind, &message).unwrap();
        assert_eq!(phone.client.download(media).await.unwrap(), content);
        if kind == "voice" {
            assert_eq!(message.audio_message.as_option().unwrap().ptt, Some(true));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_documents_go_both_ways() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;

    let content = bytes(LARGE);
    let hash = sha256(&content);
    let options = UploadOptions::default();
    let upload = phone.client.upload(content, MediaType::Document, options).await.unwrap();
    let sent = phone.client.send_message(jid(&bob), message("document", &upload)).await.unwrap();
    let received = fetched(&server, &bob, &sent.message_id).await;
    assert_eq!(
        (&received["media"]["state"], &received["media"]["sha256"]),
        (&json!("ready"), &json!(hash))
    );

    let body = json!({ "to": ALICE, "document": { "size": LARGE, "seed": 1 } });
    let sent = created(&server, &format!("/phones/{BOB}/messages"), body).await;
    let document = phone
        .message("the document", |message, _| message.document_message.as_option().cloned())
        .await;
    let content = phone.client.download(&document).await.unwrap();
    assert_eq!(content.len(), LARGE);
    assert_eq!(sent["media"]["sha256"], sha256(&content));
}
