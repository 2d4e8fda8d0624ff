use std::time::Duration;

use ramal_domain::{
    Action, ActionStep, AssertionJson, CloseReason,
    EventKind::{NumberActionRequired, NumberConnected},
    Link, NumberId, PasskeyRequest,
};
use ramal_session::{Options, Outcome, Pairing, PairingFailure, PasskeyError, Signal};
use ramal_store::{AttemptOutcome, PairingAttempt};
use tokio::sync::watch;

use crate::{
    scene::{NOW, Scene, brisk, until},
    script::{Client, Did},
};

const MINUTE: Duration = Duration::from_mins(1);

fn request(timeout: Duration) -> PasskeyRequest {
    let timeout = timeout.as_millis();
    let options =
        format!(r#"{{"challenge":"Y2hhbGxlbmdl","rpId":"web.whatsapp.com","timeout":{timeout}}}"#);
    PasskeyRequest::parse(&options).unwrap()
}

async fn attempt(scene: &Scene, id: NumberId) -> PairingAttempt {
    let mut tx = scene.store.read().await.unwrap();
    tx.pairing_attempts().list(scene.tenant, id).await.unwrap().remove(0)
}

async fn asked(watcher: &mut watch::Receiver<Pairing>) -> Action {
    until(watcher, |pairing| pairing.action.is_some()).await.action.unwrap()
}

fn failed_with(reason: CloseReason) -> Outcome {
    Outcome::Failed(PairingFailure::Closed(reason))
}

/// A pairing whose code was scanned, and that is asked for a passkey.
async fn at_the_gate(
    scene: &mut Scene,
    timeout: Duration,
) -> (NumberId, Client, watch::Receiver<Pairing>) {
    let (id, client, mut watcher) = scene.pairing().await;
    client.tell(Signal::Qr { text: "2@one".to_owned(), valid_for: MINUTE }).await;
    until(&mut watcher, |pairing| pairing.qr.is_some()).await;
    client.tell(Signal::PasskeyAsked(request(timeout))).await;
    (id, client, watcher)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_asked_for_in_the_record_and_on_the_watch() {
    let mut scene = Scene::start().await;
    let (id, _client, mut watcher) = at_the_gate(&mut scene, MINUTE).await;

    let action = asked(&mut watcher).await;

    let (asked_at, expires_at) = (NOW, NOW.after(MINUTE));
    assert_eq!(action, Action { step: ActionStep::Passkey(request(MINUTE)), asked_at, expires_at });
    assert_eq!(scene.events(id).await, [NumberActionRequired]);
    assert_eq!(attempt(&scene, id).await.action_at, Some(NOW));
    assert_eq!(scene.link(id).await, Link::Pairing);
    assert_eq!(watcher.borrow().qr, None, "a code that was scanned is not shown any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_run_out_do_not_end_an_attempt_that_waits_for_a_passkey() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = at_the_gate(&mut scene, MINUTE).await;
    let action = asked(&mut watcher).await;

    client.tell(Signal::Qr { text: "2@two".to_owned(), valid_for: MINUTE }).await;
    client.tell(Signal::NoPairingCode { reason: "throttled".to_owned() }).await;
    client.tell(Signal::CodesExhausted).await;
    client.pair().await;

    let open = until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    assert_eq!((open.qr, open.action), (None, None), "{action:?}");
    assert_eq!(scene.events(id).await, [NumberActionRequired, NumberConnected]);
    assert_eq!(attempt(&scene, id).await.outcome, Some(AttemptOutcome::Open));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_at_the_passkey_gate_ends_the_attempt() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = at_the_gate(&mut scene, Duration::from_millis(50)).await;

    let required = failed_with(CloseReason::PasskeyRequired);
    let last = until(&mut watcher, |pairing| pairing.outcome == required).await;

    assert_eq!(last.action, None);
    scene.until_closed(id, CloseReason::PasskeyRequired).await;
    let attempt = attempt(&scene, id).await;
    assert_eq!(attempt.outcome, Some(AttemptOutcome::Refused));
    assert_eq!(attempt.reason.as_deref(), Some("PASSKEY_REQUIRED"));
    assert!(client.gone.is_cancelled());
    assert_eq!(scene.events(id).await, [NumberActionRequired]);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_limit_holds_where_whatsapp_waits_longer() {
    let limit = Duration::from_millis(50);
    let mut scene = Scene::with(Options { passkey_timeout: limit, ..brisk() }).await;
    let (id, _client, mut watcher) = at_the_gate(&mut scene, MINUTE).await;

    let action = asked(&mut watcher).await;

    assert_eq!(action.expires_at, NOW.after(limit));
    scene.until_closed(id, CloseReason::PasskeyRequired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_passkey_ends_the_attempt_with_a_reason_of_its_own() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = at_the_gate(&mut scene, MINUTE).await;
    asked(&mut watcher).await;

    client.end(CloseReason::PasskeyRefused).await;

    scene.until_closed(id, CloseReason::PasskeyRefused).await;
    assert_eq!(attempt(&scene, id).await.reason.as_deref(), Some("PASSKEY_REFUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_codes_ran_out_at_the_gate_waited_for_the_passkey() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = at_the_gate(&mut scene, MINUTE).await;
    asked(&mut watcher).await;

    client.end(CloseReason::CodesExpired).await;

    scene.until_closed(id, CloseReason::PasskeyRequired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_passkey_leads_to_a_code_that_a_person_confirms() {
    let mut scene = Scene::start().await;
    // The passkey itself was to be there within moments; the phone may take longer.
    let (id, client, mut watcher) = at_the_gate(&mut scene, Duration::from_millis(500)).await;
    asked(&mut watcher).await;
    let signed = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiWTJoaGJHeGxibWRsIn0";
    let assertion = AssertionJson {
        id: "Y3JlZA".to_owned(),
        raw_id: "Y3JlZA".to_owned(),
        kind: "public-key".to_owned(),
        client_data_json: signed.to_owned(),
        authenticator_data: "ZGF0YQ".to_owned(),
        signature: "c2ln".to_owned(),
        user_handle: None,
    };
    let assertion = assertion.check(&request(MINUTE)).unwrap();

    scene.sessions.answer_passkey(id, &assertion).await.unwrap();
    client.tell(Signal::PasskeyTaken).await;
    until(&mut watcher, |pairing| pairing.action.is_none()).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    client.tell(Signal::PasskeyCode("ABCD-1234".to_owned())).await;
    let step = asked(&mut watcher).await.step;
    assert_eq!(step, ActionStep::Confirm { code: "ABCD-1234".to_owned() });
    scene.sessions.confirm_passkey(id).await.unwrap();
    client.pair().await;

    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    let did = scene.script.journal(id);
    assert_eq!(did[1..], [Did::Passkey(assertion), Did::Confirm]);
    let told = [NumberActionRequired, NumberActionRequired, NumberConnected];
    assert_eq!(scene.events(id).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_number_is_not_asked_for_a_passkey() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    client.tell(Signal::PasskeyAsked(request(Duration::from_millis(1)))).await;
    client.end(CloseReason::Replaced).await;

    scene.until_closed(id, CloseReason::Replaced).await;
    assert!(!scene.events(id).await.contains(&NumberActionRequired));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_a_session_has_nobody_to_ask() {
    let scene = Scene::start().await;
    let id = scene.number(1).await;

    let refused = scene.sessions.confirm_passkey(id).await;

    assert!(matches!(refused, Err(PasskeyError::NotAsked)), "{refused:?}");
}
