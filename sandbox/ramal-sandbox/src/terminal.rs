//! Draws each QR code that the API hands out on the terminal of the sandbox.

use std::io::Write as _;

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header::CONTENT_LENGTH},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt as _;
use serde_json::Value;

/// Answers that carry codes: creation and connect.
fn carries_codes(request: &Request) -> bool {
    let path = request.uri().path().trim_end_matches('/');
    (request.method() == Method::POST && path.ends_with("/v1/numbers"))
        || (request.method() == Method::GET && path.ends_with("/connect"))
}

pub(crate) async fn draw_codes(request: Request, next: Next) -> Response {
    let wanted = carries_codes(&request);
    let response = next.run(request).await;
    if !wanted || !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::warn!(%error, "an answer was not passed on");
            bytes::Bytes::new()
        }
    };
    if let Ok(answer) = serde_json::from_slice::<Value>(&bytes) {
        draw(&answer);
    }
    // Set anew by the server from the body as it now is.
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

fn draw(answer: &Value) {
    let Some(text) = answer.pointer("/pairing/qrText").and_then(Value::as_str) else { return };
    let code = answer.get("pairingCode").and_then(Value::as_str).unwrap_or("none");
    if let Ok(picture) = ramal_web::terminal_qr(text) {
        // A closed terminal is no reason to fail a request.
        let _unwritable = writeln!(std::io::stdout(), "{picture}\nPairing code: {code}");
    }
}
