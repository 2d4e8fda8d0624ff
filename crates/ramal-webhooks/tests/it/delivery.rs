//! What a receiver sees.

use std::time::Duration;

use axum::{body::Body, http::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::{StreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ramal_domain::{Clock as _, SystemClock};
use sha2::Sha256;
use standardwebhooks::Webhook;

use crate::{
    receiver::{Received, Receiver},
    rig::{Rig, SECRET, options},
};

const NEW_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Signs as a receiver would, not as the worker does.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn the_receiver_can_verify_both_signatures() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    let request = receiver.next().await;
    receiver.answer(204).await;

    let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let pilot = hmac(SECRET.as_bytes(), &request.body);
    let pilot = pilot.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let key = BASE64.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let standard = BASE64.encode(hmac(&key, &format!("{id}.{timestamp}.{}", request.body)));
    assert_eq!(request.header("x-pilot-status-signature"), pilot);
    assert_eq!(request.header("webhook-signature"), format!("v1,{standard}"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(timestamp, "1780000000");
    assert!(id.starts_with("evt_"));
    let log = rig.settled(webhook, 1).await;
    assert!(log[0].success);
    assert_eq!(log[0].status, Some(204));
    assert_eq!(log[0].payload, request.body);
    assert_eq!(rig.pending(webhook).await, 0);
}

/// As the public library of Standard Webhooks says.
fn library_accepts(secret: &str, request: &Received) -> bool {
    Webhook::new(secret).unwrap().verify(request.body.as_bytes(), &request.headers).is_ok()
}

/// The library looks at the machine's clock.
fn set_the_clock(rig: &Rig) {
    rig.advance(SystemClock.now().since(rig.clock.now()));
}

#[tokio::test]
async fn the_public_library_verifies_what_we_sign_and_nothing_else() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    rig.webhook(&receiver.url).await;
    set_the_clock(&rig);
    rig.run();

    rig.event("first").await;
    let mut request = receiver.next().await;

    assert!(library_accepts(SECRET, &request));
    assert!(!library_accepts(NEW_SECRET, &request));
    request.body.push(' ');
    assert!(!library_accepts(SECRET, &request));
}

#[tokio::test]
async fn after_a_rotation_both_secrets_verify_until_the_old_one_ends() {
    let overlap = Duration::from_mins(1);
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    set_the_clock(&rig);
    rig.run();

    rig.rotate(webhook, NEW_SECRET, overlap).await;
    rig.event("first").await;
    let request = receiver.next().await;
    receiver.answer(200).await;

    assert!(library_accepts(NEW_SECRET, &request) && library_accepts(SECRET, &request));
    assert_eq!(request.header("webhook-signature").split(' ').count(), 2);
    let pilot = hmac(NEW_SECRET.as_bytes(), &request.body);
    let pilot = pilot.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(request.header("x-pilot-status-signature"), pilot, "the new one signs at once");

    rig.advance(overlap);
    rig.event("second").await;
    let request = receiver.next().await;
    assert!(library_accepts(NEW_SECRET, &request) && !library_accepts(SECRET, &request));
}

#[tokio::test]
async fn gone_sets_the_webhook_inactive() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;
    receiver.answer(410).await;

    let log = rig.settled(webhook, 1).await;
    assert_eq!((log[0].success, log[0].status), (false, Some(410)));
    assert!(log[0].note.as_deref().unwrap().contains("410 Gone"), "{:?}", log[0]);
    assert!(!rig.is_active(webhook).await);
    assert_eq!(rig.pending(webhook).await, 0);
}

#[tokio::test]
async fn what_was_refused_comes_again_with_the_same_id_and_body() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    let refused = receiver.next().await;
    receiver.answer(500).await;
    rig.settled(webhook, 1).await;
    rig.advance(Duration::from_secs(5));
    let again = receiver.next().await;
    receiver.answer(200).await;

    assert_eq!(again.header("webhook-id"), refused.header("webhook-id"));
    assert_eq!(again.body, refused.body);
    assert_ne!(again.header("webhook-timestamp"), refused.header("webhook-timestamp"));
    let log = rig.settled(webhook, 2).await;
    assert_eq!((log[0].success, log[0].attempt, log[0].status), (true, 2, Some(200)));
    assert_eq!((log[1].success, log[1].attempt, log[1].status), (false, 1, Some(500)));
    assert_eq!(rig.pending(webhook).await, 0);
}

#[tokio::test]
async fn first_attempts_come_one_at_a_time_in_order_even_when_refused() {
    let mut rig = Rig::new(options()).await;
    let (mut receiver, mut witness) = (Receiver::start().await, Receiver::start().await);
    rig.webhook(&receiver.url).await;
    rig.run();
    for name in ["first", "second", "third"] {
        rig.event(name).await;
    }
    assert_eq!(receiver.next().await.name(), "first");

    // A later event to someone else comes first, so the second was held back.
    rig.webhook(&witness.url).await;
    rig.event("fourth").await;
    assert_eq!(witness.next().await.name(), "fourth");
    assert!(receiver.is_idle());

    for name in ["second", "third", "fourth"] {
        receiver.answer(500).await;
        assert_eq!(receiver.next().await.name(), name);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut rig = Rig::new(options()).await;
    let (mut receiver, mut elsewhere) = (Receiver::start().await, Receiver::start().await);
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;
    let moved = Response::builder().status(307).header("location", &elsewhere.url);
    receiver.respond(moved.body(Body::empty()).unwrap()).await;

    let log = rig.settled(webhook, 1).await;
    assert_eq!((log[0].success, log[0].status), (false, Some(307)));
    rig.webhook(&elsewhere.url).await;
    rig.event("second").await;
    assert_eq!(elsewhere.next().await.name(), "second");
}

#[tokio::test]
async fn a_private_address_is_refused_when_not_allowed() {
    let mut options = options();
    options.allow_private = false;
    let mut rig = Rig::new(options).await;
    let receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url.replace("http://", "https://")).await;
    rig.run();

    rig.event("first").await;

    let log = rig.settled(webhook, 1).await;
    assert_eq!((log[0].success, log[0].status), (false, None));
    assert_eq!(log[0].response, "the URL leads to an address that is not on the public Internet");
    assert!(receiver.is_idle());
}

#[tokio::test]
async fn the_log_keeps_the_beginning_of_a_long_answer() {
    let mut rig = Rig::new(options()).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;
    let body = "é".repeat(1_000_000);
    receiver.respond(Response::new(body.into())).await;

    let log = rig.settled(webhook, 1).await;
    assert!(log[0].success);
    assert_eq!(log[0].response.len(), rig.options.response_limit);
}

#[tokio::test]
async fn an_answer_counts_although_its_body_never_ends() {
    let mut options = options();
    options.attempt_timeout = Duration::from_millis(300);
    let mut rig = Rig::new(options).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;
    let start = stream::once(async { Ok::<_, std::io::Error>("thanks") });
    receiver.respond(Response::new(Body::from_stream(start.chain(stream::pending())))).await;

    let log = rig.settled(webhook, 1).await;
    assert_eq!((log[0].success, log[0].response.as_str()), (true, "thanks"));
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_has_failed() {
    let mut options = options();
    options.attempt_timeout = Duration::from_millis(200);
    let mut rig = Rig::new(options).await;
    let mut receiver = Receiver::start().await;
    let webhook = rig.webhook(&receiver.url).await;
    rig.run();

    rig.event("first").await;
    receiver.next().await;

    let log = rig.settled(webhook, 1).await;
    assert_eq!((log[0].success, log[0].status), (false, None));
    assert_eq!(log[0].response, "no answer within 200ms");
    assert_eq!(rig.pending(webhook).await, 1);
}
