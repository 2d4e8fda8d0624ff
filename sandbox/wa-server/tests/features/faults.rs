//! How bad ends of logins and sessions look to a client.

use axum::http::StatusCode;
use serde_json::{Value, json};
use wa_server::{NetworkChange, WaServer};
use whatsapp_rust::prelude::Event;

use crate::{
    ALICE,
    support::{Phone, control, number, server},
};

async fn fault(server: &WaServer, fault: Value) -> Value {
    let path = format!("/phones/{ALICE}/faults");
    let (status, body) = control(server, "POST", &path, Some(fault)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

fn cut(server: &WaServer) {
    server.change_network(NetworkChange { drop_connections: true, ..NetworkChange::default() });
}

/// What the client makes of a `<failure>` at its next login.
async fn refused<T>(failure: Value, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let body = fault(&server, failure.clone()).await;
    assert_eq!(body["ended"], 0);
    cut(&server);
    phone.event(&failure.to_string(), wanted).await
}

/// What the client makes of the end of its session.
async fn ended<T>(ending: Value, wanted: impl Fn(&Event) -> Option<T>) -> (WaServer, Phone, T) {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    assert_eq!(fault(&server, ending.clone()).await, json!({ "ended": 1, "pending": [] }));
    let seen = phone.event(&ending.to_string(), wanted).await;
    (server, phone, seen)
}

fn logged_out_on_connect(event: &Event) -> Option<bool> {
    match event {
        Event::LoggedOut(event) => Some(event.on_connect),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_ban_names_its_reason_and_length() {
    let ban = json!({ "failure": 402, "code": 101, "expireSeconds": 3600 });
    let (reason, seconds) = refused(ban, |event| match event {
        Event::TemporaryBan(ban) => Some((ban.code.code(), ban.expire.num_seconds())),
        _ => None,
    })
    .await;
    assert_eq!((reason, seconds), (101, 3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_locks_and_removals_are_log_outs() {
    for (reason, name) in [(401, "LoggedOut"), (403, "AccountLocked"), (406, "UnknownLogout")] {
        let seen = refused(json!({ "failure": reason }), |event| match event {
            Event::LoggedOut(event) => Some((event.on_connect, format!("{:?}", event.reason))),
            _ => None,
        });
        assert_eq!(seen.await, (true, name.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_may_say_what_to_do() {
    let lock = json!({
        "failure": 403,
        "attributes": { "logout_message_header": "Locked", "logout_message_locale": "en" },
    });
    let header = refused(lock, |event| match event {
        Event::LoggedOut(event) => event.logout_message.as_ref().map(|said| said.header.clone()),
        _ => None,
    })
    .await;
    assert_eq!(header.as_deref(), Some("Locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_client_is_told_so() {
    let outdated = |event: &Event| matches!(event, Event::ClientOutdated(_)).then_some(());
    refused(json!({ "failure": 405 }), outdated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_refusal_is_a_connect_failure() {
    let failure = |event: &Event| matches!(event, Event::ConnectFailure(_)).then_some(());
    refused(json!({ "failure": 409 }), failure).await;
    refused(json!({ "failure": 402 }), failure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_service_is_tried_again() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    fault(&server, json!({ "failure": 503, "times": 1 })).await;
    cut(&server);
    let failure = |event: &Event| matches!(event, Event::ConnectFailure(_)).then_some(());
    phone.event("the failure", failure).await;
    phone.connected().await;
    let path = format!("/phones/{ALICE}/faults");
    assert_eq!(control(&server, "GET", &path, None).await.1["pending"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_with_an_error_come_back() {
    for (code, said) in [(500, true), (403, true), (503, false)] {
        let gone = |event: &Event| match event {
            Event::StreamError(_) => Some(true),
            Event::Disconnected(_) => Some(false),
            _ => None,
        };
        let (_server, mut phone, first) =
            ended(json!({ "streamError": code, "now": true }), gone).await;
        assert_eq!(first, said, "{code}");
        if said {
            phone.disconnected().await;
        }
        phone.connected().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_failing_service_is_tried_again() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    fault(&server, json!({ "failure": 402, "code": 101, "expireSeconds": 60, "times": 1 })).await;
    cut(&server);
    let banned = |event: &Event| matches!(event, Event::TemporaryBan(_)).then_some(());
    phone.event("the ban", banned).await;
    // A client that gives up ends its run; one that reconnected would not.
    phone.ended().await;
    assert!(!server.companions(&number(ALICE))[0].connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_no_disconnect() {
    let connected = |event: &Event| match event {
        Event::Connected(_) => Some(true),
        Event::Disconnected(_) | Event::StreamError(_) => Some(false),
        _ => None,
    };
    let (_server, _phone, at_once) =
        ended(json!({ "streamError": 515, "now": true }), connected).await;
    assert!(at_once);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_with_a_conflict_do_not() {
    let replaced = |event: &Event| matches!(event, Event::StreamReplaced(_)).then_some(());
    ended(json!({ "conflict": "replaced", "now": true }), replaced).await;
    for ending in [
        json!({ "conflict": "device_removed", "now": true }),
        json!({ "streamError": 401, "now": true }),
    ] {
        let (_, _, on_connect) = ended(ending, logged_out_on_connect).await;
        assert!(!on_connect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_client_is_not_even_linked() {
    let server = server().await;
    let body = json!({ "failure": 405, "times": 1 });
    control(&server, "POST", "/faults", Some(body)).await;
    let mut phone = Phone::start(&server).await;
    let outdated = |event: &Event| matches!(event, Event::ClientOutdated(_)).then_some(());
    phone.event("outdated", outdated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_can_be_cleared_and_must_make_sense() {
    let server = server().await;
    fault(&server, json!({ "failure": 403 })).await;
    let path = format!("/phones/{ALICE}/faults");
    let (_, body) = control(&server, "DELETE", &path, None).await;
    assert_eq!(body, json!({ "ended": 0, "pending": [] }));
    let (status, body) = control(&server, "POST", &path, Some(json!({ "now": true }))).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("INVALID_FAULT")));
}
