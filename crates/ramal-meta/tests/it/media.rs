//! Files, and whom the token is shown.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use ramal_meta::{ErrorClass, MediaInfo};
use serde_json::json;

use crate::scripted::{PHONE, Scripted, TOKEN, access, error, phone};

fn at(url: String) -> MediaInfo {
    MediaInfo { url, mime_type: None, sha256: None, file_size: None }
}

#[tokio::test]
async fn a_file_is_uploaded_as_a_form() {
    let meta = Scripted::start().await;
    meta.answers(200, json!({"id": "1037543291543636"}));
    let bytes = Bytes::from_static(b"%PDF-1.7 \0\xff");

    let id =
        meta.graph.upload(&access(), &phone(), "application/pdf", "a\r\n\"b\".pdf", bytes).await;

    assert_eq!(id.unwrap(), "1037543291543636");
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{PHONE}/media"));
    assert!(request.header("content-type").unwrap().starts_with("multipart/form-data; boundary="));
    // Meta wants to know the length.
    let length = request.body.len().to_string();
    assert_eq!(request.header("content-length"), Some(length.as_str()));
    let form = String::from_utf8_lossy(&request.body).into_owned();
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\napplication/pdf\r\n",
        "name=\"file\"; filename=\"a___b_.pdf\"",
        "Content-Type: application/pdf\r\n\r\n%PDF-1.7 \0",
    ] {
        assert!(form.to_lowercase().contains(&part.to_lowercase()), "{part:?} in {form}");
    }

    let bytes = Bytes::from_static(b"x");
    let error = meta.graph.upload(&access(), &phone(), "nonsense", "x", bytes).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(meta.requests().is_empty());
}

#[tokio::test]
async fn the_length_of_a_file_comes_as_text_or_number() {
    let meta = Scripted::start().await;
    for size in [json!("303833"), json!(303_833)] {
        meta.answers(
            200,
            json!({"messaging_product": "whatsapp", "url": "https://lookaside.fbsbx.com/x",
            "mime_type": "image/jpeg", "sha256": "ab", "file_size": size, "id": "10375"}),
        );
        let media = meta.graph.media(&access(), "10375", Some(&phone())).await.unwrap();
        assert_eq!(media.file_size, Some(303_833));
        assert_eq!(media.mime_type.as_deref(), Some("image/jpeg"));
        let request = meta.request();
        assert_eq!(request.line(), "GET /v25.0/10375");
        assert_eq!(request.query["phone_number_id"], PHONE);
    }
}

#[tokio::test]
async fn a_file_is_fetched_with_the_token() {
    let meta = Scripted::start().await;
    let body = vec![7; 300_000];
    meta.answers_raw(200, body.clone());

    let media = at(format!("http://{}/attachments/?mid=1", meta.host));
    let download = meta.graph.download(&access(), &media).await.unwrap();

    assert_eq!(download.content_type.as_deref(), Some("application/json"));
    assert_eq!(download.content_length, Some(300_000));
    let chunks: Vec<Bytes> = download.into_stream().try_collect().await.unwrap();
    assert_eq!(chunks.concat(), body);
    let request = meta.request();
    assert_eq!(request.line(), "GET /attachments/");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(!request.query.contains_key("appsecret_proof"));

    for (status, class) in [
        (404, ErrorClass::NotFound),
        (401, ErrorClass::Credentials),
        (302, ErrorClass::Unexpected),
        (503, ErrorClass::Transient),
    ] {
        meta.answers(status, error(1, "x"));
        let error = meta.graph.download(&access(), &media).await.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert_eq!(meta.requests().len(), 1);
    }
}

#[tokio::test]
async fn other_hosts_never_see_the_token() {
    let meta = Scripted::start().await;
    let other = Scripted::start().await;

    for url in [
        format!("http://{}/x", other.host),
        format!("http://user@{}/x", meta.host),
        format!("http://{}@{}/x", meta.host, other.host),
        format!("http://{}.example.com/x", meta.host),
        format!("https://{}/x", other.host),
        format!("ftp://{}/x", meta.host),
        "http://127.0.0.1/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/x".to_owned(),
        String::new(),
    ] {
        let error = meta.graph.download(&access(), &at(url.clone())).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unexpected, "{url}");
    }
    assert!(meta.requests().is_empty() && other.requests().is_empty());
    let shown = format!("{:?}", at(format!("http://{}/x?signature=hush", meta.host)));
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn a_file_that_stops_coming_is_given_up() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let meta = Scripted::with(|options| {
        options.media_hosts.push(host.clone());
        options.timeout = Duration::from_millis(300);
    })
    .await;
    let stalls = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _read = socket.read(&mut head).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        socket
    };
    let media = at(format!("http://{host}/x"));
    let access = access();
    let (download, _socket) = tokio::join!(meta.graph.download(&access, &media), stalls);

    let mut download = download.unwrap();
    assert_eq!(download.chunk().await.unwrap().as_deref(), Some(&b"half"[..]));
    assert_eq!(download.chunk().await.unwrap_err().class, ErrorClass::TimedOut);
}
