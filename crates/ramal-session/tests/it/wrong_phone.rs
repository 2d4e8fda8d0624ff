//! Another phone than the expected one: the policies `adopt` and `ask`. `reject` is in `pairing`.

use std::time::Duration;

use ramal_domain::{
    ActionStep, CloseReason,
    EventKind::{NumberActionRequired, NumberConnected, NumberWrongPhone},
    Link, NumberId, WrongPhoneOutcome, WrongPhonePolicy,
};
use ramal_session::{Options, Outcome, Pairing, Signal, WrongPhoneError};
use ramal_store::TenantSettings;
use tokio::sync::watch;

use crate::{
    scene::{NOW, Scene, brisk, until},
    script::{Client, Did, account},
};

const STRANGER: &str = "5521988880000";

async fn choose(scene: &Scene, wrong_phone: WrongPhonePolicy) {
    let settings = TenantSettings { wrong_phone, ..TenantSettings::default() };
    let mut tx = scene.store.begin().await.unwrap();
    tx.tenant_settings().put(scene.tenant, &settings, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

/// The client of a stranger's phone has logged in.
async fn scanned(
    scene: &mut Scene,
    policy: WrongPhonePolicy,
) -> (NumberId, Client, watch::Receiver<Pairing>) {
    choose(scene, policy).await;
    let (id, client, watcher) = scene.pairing().await;
    client.answer(STRANGER).await;
    client.tell(Signal::Opened(account(STRANGER))).await;
    (id, client, watcher)
}

async fn asked(watcher: &mut watch::Receiver<Pairing>) {
    let pairing = until(watcher, |pairing| pairing.action.is_some()).await;
    assert!(matches!(pairing.action.unwrap().step, ActionStep::WrongPhone { .. }));
    assert_eq!(pairing.outcome, Outcome::Paired);
}

async fn is_adopted(scene: &Scene, id: NumberId) {
    scene.until_link(id, Link::Open).await;
    let row = scene.row(id).await.unwrap();
    assert_eq!(row.phone.digits(), STRANGER);
    assert_eq!(row.identity.profile_name.as_deref(), Some("Ana"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_phone_is_the_numbers_own() {
    let mut scene = Scene::start().await;
    let (id, _client, mut watcher) = scanned(&mut scene, WrongPhonePolicy::Adopt).await;

    let open = until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;

    assert_eq!(open.wrong_phone.unwrap().outcome, WrongPhoneOutcome::Adopted);
    is_adopted(&scene, id).await;
    assert_eq!(scene.events(id).await, [NumberWrongPhone, NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_another_number_has_is_not_adopted() {
    let mut scene = Scene::start().await;
    let (other, _client) = scene.connected(2).await;
    let theirs = scene.row(other).await.unwrap().phone;
    choose(&scene, WrongPhonePolicy::Adopt).await;
    let (id, client, mut watcher) = scene.pairing().await;
    // In its other spelling, with the ninth digit or without.
    let spelling = theirs.spellings().pop().unwrap();

    client.answer(spelling.digits()).await;
    client.tell(Signal::Opened(account(spelling.digits()))).await;

    let failed = until(&mut watcher, |pairing| matches!(pairing.outcome, Outcome::Failed(_))).await;
    assert_eq!(failed.wrong_phone.unwrap().outcome, WrongPhoneOutcome::Taken);
    scene.until_closed(id, CloseReason::WrongPhone).await;
    assert_eq!(scene.events(id).await, [NumberWrongPhone]);
    assert_eq!(scene.row(other).await.unwrap().phone, theirs);
    assert!(scene.script.journal(id).contains(&Did::Logout(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_asked_about_is_used_when_a_person_says_so() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scanned(&mut scene, WrongPhonePolicy::Ask).await;
    asked(&mut watcher).await;
    let row = scene.row(id).await.unwrap();
    assert_eq!((row.link, row.phone.digits()), (Link::Pairing, client.phone.digits()));
    assert_eq!(row.identity.profile_name, None, "nothing of the stranger is kept");
    // A lost socket and a login change nothing.
    client.tell(Signal::Lost).await;
    client.tell(Signal::Opened(account(STRANGER))).await;
    scene.eventually("the signals being heard", async |_| client.is_heard()).await;

    scene.sessions.answer_wrong_phone(id, true).await.unwrap();

    is_adopted(&scene, id).await;
    let told = [NumberActionRequired, NumberWrongPhone, NumberWrongPhone, NumberConnected];
    assert_eq!(scene.events(id).await, told);
    let again = scene.sessions.answer_wrong_phone(id, false).await;
    assert_eq!(again, Err(WrongPhoneError::NotAsked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_adopted_without_a_socket_opens_with_the_next_login() {
    let mut scene = Scene::start().await;
    let (id, client, mut watcher) = scanned(&mut scene, WrongPhonePolicy::Ask).await;
    asked(&mut watcher).await;
    client.tell(Signal::Lost).await;
    scene.eventually("the loss being heard", async |_| client.is_heard()).await;

    scene.sessions.answer_wrong_phone(id, true).await.unwrap();
    client.tell(Signal::Opened(account(STRANGER))).await;

    is_adopted(&scene, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_and_silence_unlink_the_phone() {
    for silent in [false, true] {
        let patience = Duration::from_millis(if silent { 50 } else { 60_000 });
        let mut scene = Scene::with(Options { wrong_phone_timeout: patience, ..brisk() }).await;
        let (id, _client, mut watcher) = scanned(&mut scene, WrongPhonePolicy::Ask).await;
        if !silent {
            asked(&mut watcher).await;
            scene.sessions.answer_wrong_phone(id, false).await.unwrap();
            assert_eq!(scene.link(id).await, Link::Closed(CloseReason::WrongPhone), "stored");
        }

        scene.until_closed(id, CloseReason::WrongPhone).await;
        assert!(scene.script.journal(id).contains(&Did::Logout(true)));
        assert!(!scene.has_state(id).await);
        let told = [NumberActionRequired, NumberWrongPhone, NumberWrongPhone];
        assert_eq!(scene.events(id).await, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_it_is_asked_again() {
    let mut scene = Scene::start().await;
    let (id, _client, mut watcher) = scanned(&mut scene, WrongPhonePolicy::Ask).await;
    asked(&mut watcher).await;

    scene.restart().await;
    let client = scene.client_of(id).await;
    client.tell(Signal::Opened(account(STRANGER))).await;

    let mut watcher = scene.sessions.pairing(id).unwrap();
    asked(&mut watcher).await;
    assert_eq!(scene.link(id).await, Link::Pairing);
    assert!(!scene.events(id).await.contains(&NumberConnected));
    scene.sessions.answer_wrong_phone(id, true).await.unwrap();
    is_adopted(&scene, id).await;
}
