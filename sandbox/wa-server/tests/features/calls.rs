//! Calls of phones.

use axum::http::StatusCode;
use serde_json::{Value, json};
use wa_server::WaServer;
use whatsapp_rust::{prelude::Event, types::call::IncomingCall};

use crate::{
    ALICE, BOB,
    support::{Phone, control, number, server, until},
};

async fn ring(server: &WaServer, phone: &mut Phone, video: bool) -> (String, IncomingCall) {
    let path = format!("/phones/{BOB}/calls");
    let body = json!({ "to": ALICE, "video": video });
    let (status, call) = control(server, "POST", &path, Some(body)).await;
    assert_eq!((status, &call["state"]), (StatusCode::CREATED, &json!("ringing")));
    let id = call["id"].as_str().unwrap().to_owned();
    let incoming = phone
        .event("a call", |event| match event {
            Event::IncomingCall(call) if call.action.call_id() == id => Some(call.clone()),
            _ => None,
        })
        .await;
    (id, incoming)
}

async fn call_is(server: &WaServer, id: &str, state: &str) -> Value {
    until(state, || async {
        let (_, calls) = control(server, "GET", &format!("/phones/{BOB}/calls"), None).await;
        let all = calls.as_array().unwrap();
        all.iter().find(|call| call["id"] == id && call["state"] == state).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companion_rejects_and_the_caller_sees_it() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let mut second = Phone::linked(&server, &number(ALICE)).await;
    let (id, incoming) = ring(&server, &mut phone, false).await;
    phone.client.voip().reject(&incoming).await.unwrap();
    assert_eq!(call_is(&server, &id, "rejected").await["answeredBy"], 1);
    let stopped = |event: &Event| {
        let Event::IncomingCall(call) = event else { return None };
        (format!("{:?}", call.action).contains("rejected_elsewhere")).then_some(())
    };
    second.event("the call to stop", stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hangs_up() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let (id, _) = ring(&server, &mut phone, true).await;
    let path = format!("/phones/{BOB}/calls/{id}/hang-up");
    let (status, call) = control(&server, "POST", &path, None).await;
    assert_eq!((status, &call["state"]), (StatusCode::OK, &json!("ended")));
    let ended = |event: &Event| {
        let Event::IncomingCall(call) = event else { return None };
        (format!("{:?}", call.action).starts_with("Terminate")).then_some(())
    };
    phone.event("the end of the call", ended).await;
    let (status, _) =
        control(&server, "POST", &format!("/phones/{BOB}/calls/x/hang-up"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
