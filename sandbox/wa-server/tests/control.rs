//! The control API by itself, and the standalone binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use wa_server::{Options, WaServer};

const LIMIT: Duration = Duration::from_secs(20);
const JSON: &str = "application/json";

async fn send(server: &WaServer, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    send_as(server, method, path, body, JSON).await
}

async fn send_as(
    server: &WaServer,
    method: &str,
    path: &str,
    body: &str,
    kind: &str,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = server.control().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_phone_is_made_once() {
    let server = WaServer::start(Options::default()).await.unwrap();
    let body = r#"{"number":"+5511900000001"}"#;
    let phone = json!({ "number": "+5511900000001", "name": "Phone 0001", "companions": 0 });

    assert_eq!(send(&server, "POST", "/phones", body).await, (StatusCode::CREATED, phone.clone()));
    assert_eq!(send(&server, "POST", "/phones", body).await, (StatusCode::OK, phone.clone()));
    assert_eq!(send(&server, "GET", "/phones", "").await, (StatusCode::OK, json!([phone])));
}

#[tokio::test]
async fn fewer_codes_can_be_offered() {
    let server = WaServer::start(Options::default()).await.unwrap();
    let usual = json!({"refs": 6, "codes": true});
    assert_eq!(send(&server, "GET", "/pairing", "").await, (StatusCode::OK, usual.clone()));
    let few = json!({"refs": 2, "codes": false});
    let answer = send(&server, "POST", "/pairing", &few.to_string()).await;
    assert_eq!(answer, (StatusCode::OK, few.clone()));
    assert_eq!(send(&server, "GET", "/pairing", "").await, (StatusCode::OK, few));
    assert_eq!(send(&server, "POST", "/pairing", "{}").await, (StatusCode::OK, usual));
}

#[tokio::test]
async fn every_error_has_a_sentence_and_a_code() {
    let server = WaServer::start(Options::default()).await.unwrap();
    let cases = [
        ("POST", "/phones", "{", 400, "INVALID_BODY"),
        ("POST", "/pairing", r#"{"refs":0}"#, 400, "INVALID_BODY"),
        ("POST", "/pairing", r#"{"refs":7}"#, 400, "INVALID_BODY"),
        ("POST", "/pairing", r#"{"reffs":2}"#, 400, "INVALID_BODY"),
        ("POST", "/phones", r#"{"number":"12"}"#, 400, "INVALID_NUMBER"),
        ("GET", "/phones/abc/messages", "", 400, "INVALID_NUMBER"),
        ("POST", "/phones/+5511900000001/scan", "{}", 400, "INVALID_BODY"),
        ("POST", "/phones/+5511900000001/scan", r#"{"qr":"hello"}"#, 400, "INVALID_QR"),
        (
            "POST",
            "/phones/5511900000001/scan",
            r#"{"qrcodeBase64":"AAAA"}"#,
            400,
            "UNREADABLE_IMAGE",
        ),
        ("POST", "/phones/5511900000001/pairing-code", r#"{"code":"OOOO"}"#, 400, "INVALID_CODE"),
        (
            "POST",
            "/phones/5511900000001/pairing-code",
            r#"{"code":"abcd1234"}"#,
            409,
            "NO_PENDING_CODE",
        ),
        ("POST", "/phones/5511900000001/messages/none/read", "", 404, "UNKNOWN_MESSAGE"),
        ("DELETE", "/phones/5511900000001/companions/1", "", 404, "UNKNOWN_COMPANION"),
        ("DELETE", "/phones/5511900000001/companions/x", "", 404, "UNKNOWN_COMPANION"),
        ("POST", "/network", r#"{"speed":1}"#, 400, "INVALID_BODY"),
        ("PUT", "/network", "{}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nothing", "", 404, "NOT_FOUND"),
    ];
    for (method, path, body, status, code) in cases {
        let (seen, answer) = send(&server, method, path, body).await;
        assert_eq!((seen.as_u16(), &answer["code"]), (status, &json!(code)), "{method} {path}");
        assert!(!answer["error"].as_str().unwrap().is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn what_curl_sends_by_itself_is_understood() {
    let server = WaServer::start(Options::default()).await.unwrap();
    let body = r#"{"number":"+5511900000001"}"#;

    let (status, _) =
        send_as(&server, "POST", "/phones", body, "application/x-www-form-urlencoded").await;

    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn two_phones_text_and_read() {
    let server = WaServer::start(Options::default()).await.unwrap();
    let body = r#"{"to":"+5511900000002","text":"hello"}"#;
    let (status, sent) = send(&server, "POST", "/phones/+5511900000001/messages", body).await;
    assert_eq!((status, &sent["status"]), (StatusCode::CREATED, &json!("sent")));
    assert_eq!((&sent["type"], &sent["direction"]), (&json!("text"), &json!("out")));

    let id = sent["id"].as_str().unwrap();
    let path = format!("/phones/5511900000002/messages/{id}/read");
    let (status, read) = send(&server, "POST", &path, "").await;
    assert_eq!(
        (status, &read["status"], &read["direction"]),
        (StatusCode::OK, &json!("read"), &json!("in"))
    );
    let (_, log) = send(&server, "GET", "/phones/%2B5511900000001/messages", "").await;
    assert_eq!((&log[0]["id"], &log[0]["status"]), (&sent["id"], &json!("read")));
    assert_eq!(log[0]["to"], "+5511900000002");
}

/// Ends the child when a test fails half-way.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn the_binary_tells_where_it_is_and_stops_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wa-server"));
    command.arg("--ready-file").arg(&ready).arg("--data").arg(dir.path()).stdout(Stdio::null());
    let mut server = Killed(command.spawn().unwrap());
    let urls: Value =
        until("the ready file", || serde_json::from_slice(&std::fs::read(&ready).ok()?).ok());
    assert!(urls["whatsappUrl"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(urls["rootPublicKey"].as_str().unwrap().len(), 64);

    let address =
        urls["sandboxUrl"].as_str().unwrap().replace("http://", "").replace("/sandbox", "");
    let get = |path: &str| {
        let mut socket = TcpStream::connect(&address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(
        get("/sandbox/network")
            .contains(r#"{"refuse":false,"delayMs":0,"silent":false,"connections":0}"#)
    );
    assert!(get("/elsewhere").contains("NOT_FOUND"));

    let pid = server.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = until("the end", || server.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn the_binary_refuses_other_interfaces() {
    for flag in ["--listen", "--control"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wa-server"));
        let output = command.args([flag, "0.0.0.0:0"]).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8(output.stderr).unwrap().contains("loopback"), "{flag}");
    }
}
