use std::time::Duration;

use ramal_domain::{CloseReason, EventKind, Link};
use ramal_session::{CodeState, Mode, Outcome, PairingFailure, Signal, StartError};

use crate::{
    scene::{NOW, Scene, patient, until},
    script::{Client, Did, account},
};

const MINUTE: Duration = Duration::from_mins(1);

async fn show_qr(client: &Client, text: &str) {
    client.tell(Signal::Qr { text: text.to_owned(), valid_for: MINUTE }).await;
}

async fn give_code(client: &Client, valid_for: Duration) {
    client.tell(Signal::PairingCode { code: "ABCD-1234".to_owned(), valid_for }).await;
}

fn failed_with(reason: CloseReason) -> Outcome {
    Outcome::Failed(PairingFailure::Closed(reason))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_is_published_with_its_lifetime() {
    let mut scene = Scene::start().await;
    let (_id, client, mut watcher) = scene.pairing().await;

    show_qr(&client, "2@one").await;

    let pairing = until(&mut watcher, |pairing| pairing.qr.is_some()).await;
    let qr = pairing.qr.clone().unwrap();
    assert_eq!((qr.text.as_str(), qr.sequence), ("2@one", 1));
    assert_eq!((qr.issued_at, qr.expires_at), (NOW, NOW.after(MINUTE)));
    assert_eq!(pairing.outcome, Outcome::Waiting);
    assert!(!pairing.is_complete(), "the pairing code is still awaited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_qr_code_counts_up_and_leaves_the_pairing_code_alone() {
    let mut scene = Scene::start().await;
    let (_id, client, mut watcher) = scene.pairing().await;
    show_qr(&client, "2@one").await;
    give_code(&client, MINUTE * 3).await;
    until(&mut watcher, |pairing| pairing.code.text().is_some()).await;
    scene.clock.advance(MINUTE);

    show_qr(&client, "2@two").await;

    let second = |qr: &ramal_session::QrCode| qr.text == "2@two";
    let pairing = until(&mut watcher, |pairing| pairing.qr.as_ref().is_some_and(second)).await;
    assert_eq!(pairing.qr.as_ref().unwrap().sequence, 2);
    let given =
        CodeState::Given { code: "ABCD-1234".to_owned(), expires_at: NOW.after(MINUTE * 3) };
    assert_eq!(pairing.code, given);
    assert!(pairing.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pairing_code_the_qr_code_is_enough() {
    let mut scene = Scene::start().await;
    let (_id, client, mut watcher) = scene.pairing().await;
    show_qr(&client, "2@one").await;

    client.tell(Signal::NoPairingCode { reason: "rate limited".to_owned() }).await;

    let pairing = until(&mut watcher, |pairing| pairing.code != CodeState::Asked).await;
    assert_eq!(pairing.code, CodeState::Unavailable);
    assert!(pairing.is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paired_number_opens_and_tells_so_once() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;

    client.answer(client.phone.digits()).await;
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Paired).await;
    client.open().await;
    client.open().await;
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    client.end(CloseReason::Replaced).await;

    scene.until_closed(id, CloseReason::Replaced).await;
    let row = scene.row(id).await.unwrap();
    assert_eq!(row.identity.jid, account(row.phone.digits()).jid);
    assert_eq!(row.identity.profile_name.as_deref(), Some("Ana"));
    assert_eq!(row.connected_at, Some(NOW));
    assert_eq!(scene.events(id).await, [EventKind::NumberConnected, EventKind::NumberDisconnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_number_pairs_without_telling_anybody() {
    let mut scene = Scene::start().await;
    let (id, _epoch) = scene.reserve(1, scene.sessions.node()).await;
    let mut watcher = scene.sessions.pair(id).await.unwrap();
    let client = scene.client_of(id).await;

    client.pair().await;

    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    assert_eq!(scene.link(id).await, Link::Open);
    assert_eq!(scene.events(id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_dials_end_a_pairing_with_what_they_ran_into() {
    for (timed_out, failure) in
        [(false, PairingFailure::Unreachable), (true, PairingFailure::TimedOut)]
    {
        let mut scene = Scene::start().await;
        let (id, client, mut watcher) = scene.pairing().await;

        client.tell(Signal::DialFailed { timed_out }).await;
        client.tell(Signal::DialFailed { timed_out }).await;

        until(&mut watcher, |pairing| pairing.outcome == Outcome::Failed(failure)).await;
        scene.until_closed(id, CloseReason::Network).await;
        assert!(client.gone.is_cancelled());
        assert_eq!(scene.events(id).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_arrives_forgives_the_failed_dial_before_it() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;

    client.tell(Signal::DialFailed { timed_out: false }).await;
    show_qr(&client, "2@one").await;
    client.tell(Signal::DialFailed { timed_out: false }).await;
    show_qr(&client, "2@two").await;

    let second = |qr: &ramal_session::QrCode| qr.sequence == 2;
    until(&mut watcher, |pairing| pairing.qr.as_ref().is_some_and(second)).await;
    assert_eq!(scene.link(id).await, Link::Pairing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_ends_with_its_last_qr_code_when_there_is_no_pairing_code() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    show_qr(&client, "2@one").await;

    client.tell(Signal::CodesExhausted).await;

    let expired = failed_with(CloseReason::CodesExpired);
    let pairing = until(&mut watcher, |pairing| pairing.outcome == expired).await;
    assert_eq!(pairing.qr, None);
    scene.until_closed(id, CloseReason::CodesExpired).await;
    assert_eq!(scene.events(id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_code_has_its_own_timer() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    show_qr(&client, "2@one").await;
    give_code(&client, MINUTE).await;

    client.tell(Signal::CodesExhausted).await;
    let pairing = until(&mut watcher, |p| p.qr.is_none() && p.code.text().is_some()).await;
    client.pair().await;

    assert_eq!(pairing.outcome, Outcome::Waiting);
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    scene.until_link(id, Link::Open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_after_the_window_ends_the_attempt_is_expired_never_frozen() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    show_qr(&client, "2@last").await;
    give_code(&client, Duration::from_millis(50)).await;

    client.tell(Signal::CodesExhausted).await;

    let expired = failed_with(CloseReason::CodesExpired);
    let pairing = until(&mut watcher, |pairing| pairing.outcome == expired).await;
    assert_eq!(pairing.qr, None, "no frozen picture");
    scene.until_closed(id, CloseReason::CodesExpired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pairing_closes_the_number_and_tells_nobody() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;

    client.end(CloseReason::PairingRefused).await;

    let refused = failed_with(CloseReason::PairingRefused);
    until(&mut watcher, |pairing| pairing.outcome == refused).await;
    scene.until_closed(id, CloseReason::PairingRefused).await;
    assert_eq!(scene.events(id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_phone_is_unlinked_and_reported() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;

    client.answer("5521888880000").await;
    client.tell(Signal::Opened(account("5521888880000"))).await;

    let wrong = failed_with(CloseReason::WrongPhone);
    until(&mut watcher, |pairing| pairing.outcome == wrong).await;
    scene.until_closed(id, CloseReason::WrongPhone).await;
    let epoch = client.epoch;
    let did = [Did::Open(Mode::Pair, epoch), Did::Logout(true), Did::Close(epoch)];
    assert_eq!(scene.script.journal(id), did);
    assert_eq!(scene.row(id).await.unwrap().identity.jid, None);
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.events(id).await, [EventKind::NumberWrongPhone]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_phone_is_unlinked_also_after_a_restart_in_between() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    client.answer("5521888880000").await;
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Paired).await;
    scene.eventually("the account's being noted", has_jid(id)).await;

    scene.restart().await;
    let client = scene.client_of(id).await;
    client.tell(Signal::Opened(account("5521888880000"))).await;

    scene.until_closed(id, CloseReason::WrongPhone).await;
    assert!(scene.script.journal(id).contains(&Did::Logout(true)));
    assert_eq!(scene.events(id).await, [EventKind::NumberWrongPhone]);
}

fn has_jid(id: ramal_domain::NumberId) -> impl AsyncFn(&Scene) -> bool {
    async move |scene: &Scene| scene.row(id).await.unwrap().identity.jid.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_phone_that_could_not_be_unlinked_is_tried_again() {
    let mut scene = Scene::start().await;
    let (id, first, mut watcher) = scene.pairing().await;
    scene.script.answer_logouts([false]);

    first.answer("5521888880000").await;
    first.tell(Signal::Opened(account("5521888880000"))).await;
    let wrong = failed_with(CloseReason::WrongPhone);
    until(&mut watcher, |pairing| pairing.outcome == wrong).await;
    let second = scene.client_of(id).await;
    second.tell(Signal::Opened(account("5521888880000"))).await;

    scene.until_closed(id, CloseReason::WrongPhone).await;
    scene.eventually("the unlinking", async |scene| !scene.has_state(id).await).await;
    assert_eq!(second.mode, Mode::Resume);
    assert!(scene.script.journal(id).contains(&Did::Logout(true)));
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.events(id).await, [EventKind::NumberWrongPhone]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_dials_after_the_phone_has_answered_cost_the_client_and_not_the_pairing() {
    let mut scene = Scene::start().await;
    let (id, mut client, _watcher) = scene.pairing().await;
    client.answer(client.phone.digits()).await;

    // The client of the attempt, then one that resumes it.
    for _ in 0..2 {
        client.tell(Signal::DialFailed { timed_out: false }).await;
        client.tell(Signal::DialFailed { timed_out: false }).await;
        client = scene.client_of(id).await;
        assert_eq!(client.mode, Mode::Resume);
    }
    client.end(CloseReason::Network).await;
    client = scene.client_of(id).await;
    client.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.events(id).await, [EventKind::NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn brazils_ninth_digit_makes_no_phone_wrong() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    assert_eq!(client.phone.digits(), "5511999990001");

    client.answer("551199990001").await;
    client.tell(Signal::Opened(account("551199990001"))).await;

    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    scene.until_link(id, Link::Open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_supersedes_the_first() {
    let mut scene = Scene::start().await;
    let (id, first, mut watcher) = scene.pairing().await;
    show_qr(&first, "2@one").await;

    let mut second_watcher = scene.sessions.pair(id).await.unwrap();
    let second = scene.client_of(id).await;
    show_qr(&second, "2@two").await;

    let superseded = Outcome::Failed(PairingFailure::Superseded);
    until(&mut watcher, |pairing| pairing.outcome == superseded).await;
    let pairing = until(&mut second_watcher, |pairing| pairing.qr.is_some()).await;
    assert_eq!(pairing.qr.unwrap().sequence, 1);
    let (old, new) = (first.epoch, second.epoch);
    assert!(new > old);
    let did = [Did::Open(Mode::Pair, old), Did::Close(old), Did::Open(Mode::Pair, new)];
    assert_eq!(scene.script.journal(id), did);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_superseded_client_still_writes_or_reports_is_without_effect() {
    let mut scene = Scene::start().await;
    let (id, first, _watcher) = scene.pairing().await;
    let mut watcher = scene.sessions.pair(id).await.unwrap();
    let second = scene.client_of(id).await;

    let written = first.store_credentials().await;
    first.open().await;
    show_qr(&second, "2@two").await;
    until(&mut watcher, |pairing| pairing.qr.is_some()).await;

    assert!(!written);
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.link(id).await, Link::Pairing);
    assert_eq!(scene.events(id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_number_refuses_to_pair_and_is_left_alone() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    let refused = scene.sessions.pair(id).await;

    assert!(matches!(refused, Err(StartError::AlreadyOpen)), "{refused:?}");
    assert_eq!(scene.sessions.probe(id).await, Some(true));
    assert!(!client.gone.is_cancelled());
    assert!(scene.has_state(id).await);
    assert_eq!(scene.script.journal(id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_reconnects_refuses_to_pair_and_is_left_alone() {
    let mut scene = Scene::with(patient()).await;
    let (id, client) = scene.connected(1).await;
    client.tell(Signal::Lost).await;
    scene.until_link(id, Link::Resuming { reported: false }).await;

    let refused = scene.sessions.pair(id).await;
    client.open().await;

    assert!(matches!(refused, Err(StartError::Reconnecting)), "{refused:?}");
    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.script.journal(id).len(), 1);
    assert!(scene.has_state(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_has_answered_is_not_cut_off_by_a_second_attempt() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scene.pairing().await;
    client.answer(client.phone.digits()).await;
    scene.eventually("the account's being noted", has_jid(id)).await;

    let refused = scene.sessions.pair(id).await;
    client.open().await;

    assert!(matches!(refused, Err(StartError::Reconnecting)), "{refused:?}");
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    assert_eq!(scene.script.journal(id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_does_not_exist_cannot_pair() {
    let scene = Scene::start().await;

    let refused = scene.sessions.pair(ramal_domain::NumberId::mint()).await;

    assert!(matches!(refused, Err(StartError::Gone)), "{refused:?}");
}
