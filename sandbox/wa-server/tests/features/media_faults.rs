//! A media host that fails, and attachments that are not what their message says.

use axum::http::StatusCode;
use serde_json::{Value, json};
use wa_server::WaServer;
use whatsapp_rust::{
    ErrorChainExt as _, UploadOptions,
    buffa::MessageField,
    download::MediaType,
    http::{HttpClient as _, HttpRequest},
    upload::UploadResponse,
    waproto::whatsapp as wa,
};

use super::media::{bytes, fetched, image};
use crate::{
    ALICE, BOB,
    support::{MediaClient, Phone, control, created, done, jid, number, server, until},
};

/// From this size on whatsapp-rust resumes uploads.
const RESUMABLE: usize = 6 * 1024 * 1024;
const CUT: u64 = 1_000_000;

async fn upload(phone: &Phone, content: &[u8]) -> Result<UploadResponse, u16> {
    let options = UploadOptions::default().with_media_key([7; 32]);
    let uploaded = phone.client.upload(content.to_vec(), MediaType::Image, options).await;
    uploaded.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        error.http_status().unwrap_or_default()
    })
}

/// What a phone has sent to a client, with the bytes on the media host.
async fn sent(server: &WaServer, phone: &mut Phone) -> (String, wa::message::ImageMessage) {
    let body = json!({ "to": ALICE, "image": { "size": 5_000, "seed": 3 } });
    let sent = created(server, &format!("/phones/{BOB}/messages"), body).await;
    let image =
        phone.message("the image", |message, _| message.image_message.as_option().cloned()).await;
    (sent["id"].as_str().unwrap().to_owned(), image)
}

async fn get(server: &WaServer, path: &str, range: Option<&str>) -> (u16, Vec<u8>) {
    let mut request = HttpRequest::get(format!("https://media.sandbox.invalid{path}"));
    if let Some(range) = range {
        request = request.with_header("Range", range);
    }
    let response = MediaClient::new(server).execute(request).await.unwrap();
    (response.status_code, response.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_resumed() {
    let server = server().await;
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let content = bytes(RESUMABLE);
    done(&server, "/media/faults", json!({ "on": "upload", "cutAfter": CUT, "times": 1 })).await;
    assert!(upload(&phone, &content).await.is_err());
    // The client may see the end before the server has put the bytes aside.
    until("the beginning", || async {
        let (_, stored) = control(&server, "GET", "/media", None).await;
        let object = &stored["objects"][0];
        (object["complete"] == false && object["size"] == CUT).then_some(())
    })
    .await;

    let uploaded = upload(&phone, &content).await.unwrap();
    let resumed = format!("file_offset={CUT}");
    assert!(phone.http.asked().iter().any(|url| url.contains(&resumed)));
    let sent = phone.client.send_message(jid(&number(BOB)), image(&uploaded)).await.unwrap();
    let received = fetched(&server, &number(BOB), &sent.message_id).await;
    assert_eq!(received["media"]["state"], "ready", "{received}");

    // What is there already is not sent again.
    let before = phone.http.asked().len();
    assert_eq!(upload(&phone, &content).await.unwrap().direct_path, uploaded.direct_path);
    let asked = phone.http.asked();
    assert_eq!(asked.len(), before + 1);
    assert!(asked.last().unwrap().contains("resume=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_authentication_is_renewed() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    upload(&phone, &bytes(100)).await.unwrap();
    done(&server, "/media/expire-auth", Value::Null).await;
    upload(&phone, &bytes(200)).await.unwrap();
    assert_eq!(phone.http.asked().len(), 3);

    let (_, image) = sent(&server, &mut phone).await;
    done(&server, "/media/expire-auth", Value::Null).await;
    assert_eq!(phone.client.download(&image).await.unwrap().len(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_host_fails_until_it_does_no_longer() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    done(&server, "/media/faults", json!({ "status": 503 })).await;
    assert_eq!(upload(&phone, &bytes(100)).await.map(|_| ()), Err(503));
    let (_, image) = sent(&server, &mut phone).await;
    assert!(phone.client.download(&image).await.is_err());
    let (status, faults) = control(&server, "DELETE", "/media/faults", None).await;
    assert_eq!((status, faults), (StatusCode::OK, json!({ "pending": [] })));
    upload(&phone, &bytes(100)).await.unwrap();
    phone.client.download(&image).await.unwrap();

    done(&server, "/media/faults", json!({ "on": "download", "cutAfter": 100, "times": 1 })).await;
    assert!(phone.client.download(&image).await.is_err());
    done(&server, "/media/faults", json!({ "delayMs": 20, "times": 1 })).await;
    phone.client.download(&image).await.unwrap();

    let (status, body) =
        control(&server, "POST", "/media/faults", Some(json!({ "status": 200 }))).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("INVALID_FAULT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn spoiled_and_deleted_attachments_are_not_taken() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let (id, image) = sent(&server, &mut phone).await;
    let path = image.direct_path.clone().unwrap();
    assert_eq!(get(&server, &path, None).await.0, 200);

    let media = format!("/phones/{BOB}/messages/{id}/media");
    done(&server, &format!("{media}/tamper"), Value::Null).await;
    assert!(phone.client.download(&image).await.is_err());

    let (status, _) = control(&server, "DELETE", &media, None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(phone.client.download(&image).await.is_err());
    assert_eq!(get(&server, &path, None).await.0, 410);
    assert_eq!(get(&server, "/v/another", None).await.0, 404);
    assert_eq!(get(&server, &format!("{path}?token=x"), None).await.0, 410);
    let (status, body) = control(&server, "DELETE", &media, None).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_MEDIA")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sees_through_false_messages() {
    let server = server().await;
    let bob = number(BOB);
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let uploaded = upload(&phone, &bytes(1_000)).await.unwrap();
    let honest = image(&uploaded);
    let lie = |change: &dyn Fn(&mut wa::message::ImageMessage)| {
        let mut image = honest.image_message.as_option().unwrap().clone();
        change(&mut image);
        wa::Message { image_message: MessageField::some(image), ..Default::default() }
    };
    let other = || Some(vec![9; 32]);
    for (message, code) in [
        (lie(&|image| image.file_enc_sha256 = other()), "CIPHERTEXT_HASH"),
        (lie(&|image| image.media_key = other()), "MAC"),
        (lie(&|image| image.file_sha256 = other()), "PLAINTEXT_HASH"),
        (lie(&|image| image.file_length = Some(999)), "LENGTH"),
        (lie(&|image| image.direct_path = Some("/v/none".to_owned())), "NOT_FOUND"),
    ] {
        let sent = phone.client.send_message(jid(&bob), message).await.unwrap();
        let received = fetched(&server, &bob, &sent.message_id).await;
        assert_eq!(received["media"]["state"], "failed");
        assert_eq!(received["media"]["error"], code);
        let path = format!("/phones/{BOB}/messages/{}/media", sent.message_id);
        let (status, body) = control(&server, "GET", &path, None).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("MEDIA_FAILED")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_may_ask_for_a_part() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let (_, image) = sent(&server, &mut phone).await;
    let path = image.direct_path.unwrap();
    let (status, whole) = get(&server, &path, None).await;
    assert_eq!(status, 200);
    assert_eq!(get(&server, &path, Some("bytes=100-199")).await, (206, whole[100..200].to_vec()));
    assert_eq!(get(&server, &path, Some("bytes=5000-")).await, (206, whole[5_000..].to_vec()));
    assert_eq!(get(&server, &path, Some("bytes=99999-")).await.0, 416);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_must_be_what_they_are_called() {
    let server = server().await;
    let phone = Phone::linked(&server, &number(ALICE)).await;
    upload(&phone, &bytes(100)).await.unwrap();
    let url = phone.http.asked().pop().unwrap();
    let token = url.rsplit_once("token=").unwrap().1.to_owned();
    let auth = url.split_once("auth=").unwrap().1.split_once('&').unwrap().0.to_owned();
    // The hash of nothing that anybody knows.
    let other = "A".repeat(token.len());
    let post = async |path: String| {
        let request = HttpRequest::post(format!("https://media.sandbox.invalid{path}"));
        MediaClient::new(&server).execute(request.with_body("bytes")).await.unwrap().status_code
    };
    assert_eq!(post(format!("/mms/image/{other}?auth={auth}&token={other}")).await, 400);
    assert_eq!(post(format!("/mms/image/{token}?auth={auth}&token={other}")).await, 400);
    assert_eq!(post(format!("/mms/image/{token}?auth=guess&token={token}")).await, 401);
    assert_eq!(post(format!("/mms/image/{other}?auth={auth}&file_offset=3")).await, 400);
    assert_eq!(post("/mms/image/short?auth=x".to_owned()).await, 400);
}
