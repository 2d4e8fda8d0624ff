//! The passkey gate.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wa_server::WaServer;
use whatsapp_rust::{
    passkey::{Assertion, CallbackAuthenticator, PasskeyError},
    prelude::Event,
    wacore::store::InMemoryBackend,
};

use crate::{
    ALICE,
    support::{Phone, control, number, server, until},
};

async fn demand(server: &WaServer, gate: Value) {
    let path = format!("/phones/{ALICE}/passkey");
    let (status, body) = control(server, "POST", &path, Some(gate)).await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("idle")));
}

async fn scan(server: &WaServer, qr: String) {
    let path = format!("/phones/{ALICE}/scan");
    let (status, body) = control(server, "POST", &path, Some(json!({ "qr": qr }))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(body, json!({ "linked": false, "passkey": "requested" }));
}

async fn gate(server: &WaServer) -> Value {
    control(server, "GET", &format!("/phones/{ALICE}/passkey"), None).await.1
}

async fn gate_is(server: &WaServer, state: &str) -> Value {
    until(state, || async {
        let gate = gate(server).await;
        (gate["state"] == state).then_some(gate)
    })
    .await
}

/// What the virtual authenticator answers.
async fn assertion(server: &WaServer, options: &str) -> Assertion {
    let path = format!("/phones/{ALICE}/passkey/assertion");
    let body = json!({ "requestOptions": options });
    let (status, body) = control(server, "POST", &path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let credential_id = URL_SAFE_NO_PAD.decode(body["rawId"].as_str().unwrap()).unwrap();
    Assertion { assertion_json: body.to_string().into_bytes(), credential_id }
}

async fn asked(phone: &mut Phone) -> String {
    phone
        .event("a passkey request", |event| match event {
            Event::PairPasskeyRequest(request) => Some(request.request_options_json.clone()),
            _ => None,
        })
        .await
}

/// Waits for the code on both sides and confirms it.
async fn confirm(server: &WaServer, phone: &mut Phone) {
    let code = phone
        .event("a confirmation code", |event| match event {
            Event::PairPasskeyConfirmation(confirmation) => Some(confirmation.code.clone()),
            _ => None,
        })
        .await;
    assert_eq!(gate(server).await["code"], json!(code));
    phone.client.send_passkey_confirmation().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_is_not_enough() {
    let server = server().await;
    demand(&server, json!({ "demand": true })).await;
    let mut phone = Phone::start(&server).await;
    scan(&server, phone.qr().await).await;

    let options = asked(&mut phone).await;
    assert_eq!(gate(&server).await["requestOptions"].to_string(), options);
    let mut forged = assertion(&server, &options).await;
    forged.assertion_json = b"{}".to_vec();
    let refused = phone.client.send_passkey_response(forged).await;
    assert!(matches!(refused, Err(PasskeyError::Flow(_))), "{refused:?}");
    assert_eq!(gate(&server).await["state"], "refused");

    let good = assertion(&server, &options).await;
    phone.client.send_passkey_response(good).await.unwrap();
    confirm(&server, &mut phone).await;
    phone.connected().await;
    gate_is(&server, "linked").await;
    assert_eq!(server.companions(&number(ALICE)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_is_not_enough_either() {
    let server = server().await;
    demand(&server, json!({ "demand": true })).await;
    let store = Arc::new(InMemoryBackend::new());
    let mut phone = Phone::with(&server, store, Some(&number(ALICE))).await;
    let path = format!("/phones/{ALICE}/pairing-code");
    let code = json!({ "code": phone.code().await });
    let (status, _) = control(&server, "POST", &path, Some(code)).await;
    assert_eq!(status, StatusCode::ACCEPTED);

    let options = asked(&mut phone).await;
    let good = assertion(&server, &options).await;
    phone.client.send_passkey_response(good).await.unwrap();
    confirm(&server, &mut phone).await;
    phone.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_assertion_may_be_refused() {
    let server = server().await;
    demand(&server, json!({ "demand": true, "answer": "refuse" })).await;
    let mut phone = Phone::start(&server).await;
    let answering = server.clone();
    let authenticator = CallbackAuthenticator::new(move |request| {
        let server = answering.clone();
        Box::pin(async move { Ok(assertion(&server, &request.raw_options_json).await) })
    });
    phone.client.set_passkey_authenticator(Arc::new(authenticator)).await;
    scan(&server, phone.qr().await).await;

    let error = phone
        .event("a passkey error", |event| match event {
            Event::PairPasskeyError(error) => Some(error.error.clone()),
            _ => None,
        })
        .await;
    assert!(error.contains("passkey_prologue"), "{error}");
    assert_eq!(gate(&server).await["state"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_has_failed() {
    let server = server().await;
    demand(&server, json!({ "demand": true })).await;
    let mut phone = Phone::start(&server).await;
    scan(&server, phone.qr().await).await;
    asked(&mut phone).await;
    phone.handle.shutdown().await;
    gate_is(&server, "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_time_end_the_attempt() {
    let server = server().await;
    demand(&server, json!({ "demand": true, "answer": "silent", "timeoutMs": 200 })).await;
    let mut phone = Phone::start(&server).await;
    scan(&server, phone.qr().await).await;
    let options = asked(&mut phone).await;
    let good = assertion(&server, &options).await;
    let client = Arc::clone(&phone.client);
    let mut unanswered = tokio::task::JoinSet::new();
    unanswered.spawn(async move { client.send_passkey_response(good).await });

    gate_is(&server, "timedOut").await;
    assert!(unanswered.try_join_next().is_none());
}
