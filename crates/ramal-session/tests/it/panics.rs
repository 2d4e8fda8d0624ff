use ramal_domain::{CloseReason, EventKind::NumberConnected, Link, MessageStatus, NumberId};
use ramal_session::{Outcome, Signal, StartError};

use crate::{
    scene::{Scene, patient, soon, until},
    script::{Call, Client, account},
};

/// The bystander's session goes on: it sends, and nobody has touched its client.
async fn goes_on(scene: &Scene, (id, client): &mut (NumberId, Client)) {
    let (message, _wire_id) = scene.queue(*id, "still here").await;
    scene.sending(client).await.answer(Ok(()));
    scene.until_status(*id, message, MessageStatus::Sent).await;
    assert!(!client.gone.is_cancelled());
    assert_eq!(scene.script.journal(*id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_resuming_is_survived_and_tried_again() {
    let mut scene = Scene::with(patient()).await;
    let mut bystander = scene.connected(1).await;
    let (id, client) = scene.connected(2).await;
    scene.script.panic_at(id, Call::Open);

    drop(client);
    let client = scene.client_of(id).await;
    client.open().await;

    scene.until_link(id, Link::Open).await;
    assert!(scene.script.has_panicked(id, Call::Open));
    assert_eq!(scene.events(id).await, [NumberConnected]);
    goes_on(&scene, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_pairing_starts_is_an_error_and_the_next_attempt_works() {
    let mut scene = Scene::start().await;
    let mut bystander = scene.connected(1).await;
    let id = scene.number(2).await;
    scene.script.panic_at(id, Call::Open);

    let failed = scene.sessions.pair(id).await;
    let mut watcher = scene.sessions.pair(id).await.unwrap();
    let client = scene.client_of(id).await;
    client.pair().await;

    assert!(matches!(failed, Err(StartError::Open(_))), "{failed:?}");
    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    goes_on(&scene, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_sending_costs_a_try_and_not_the_message() {
    let mut scene = Scene::start().await;
    let mut bystander = scene.connected(1).await;
    let (id, mut client) = scene.connected(2).await;
    scene.script.panic_at(id, Call::SendText);

    let (message, wire_id) = scene.queue(id, "hello").await;
    let again = scene.sending(&mut client).await;

    assert!(scene.script.has_panicked(id, Call::SendText));
    assert_eq!(again.wire_id, wire_id);
    again.answer(Ok(()));
    scene.until_status(id, message, MessageStatus::Sent).await;
    goes_on(&scene, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_probe_is_no_answer() {
    let mut scene = Scene::start().await;
    let mut bystander = scene.connected(1).await;
    let (id, _client) = scene.connected(2).await;
    scene.script.panic_at(id, Call::Probe);

    assert_eq!(scene.sessions.probe(id).await, Some(false));
    assert_eq!(scene.sessions.probe(id).await, Some(true));
    goes_on(&scene, &mut bystander).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_closing_leaves_no_client_behind_and_no_session_stuck() {
    let mut scene = Scene::with(patient()).await;
    let mut bystander = scene.connected(1).await;
    let (id, first) = scene.connected(2).await;
    scene.script.panic_at(id, Call::Close);

    first.end(CloseReason::Network).await;
    let second = scene.client_of(id).await;
    second.open().await;

    scene.until_link(id, Link::Open).await;
    assert!(first.gone.is_cancelled());
    assert_eq!(scene.script.live_max(), 1);
    goes_on(&scene, &mut bystander).await;
    scene.script.panic_at(id, Call::Close);
    scene.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_wrong_phone_is_unlinked_leads_to_a_second_try() {
    let mut scene = Scene::start().await;
    let (id, first, _watcher) = scene.pairing().await;
    scene.script.panic_at(id, Call::Logout);

    first.answer("5521888880000").await;
    first.tell(Signal::Opened(account("5521888880000"))).await;
    soon("the first client's end", first.gone.cancelled()).await;
    let second = scene.client_of(id).await;
    second.tell(Signal::Opened(account("5521888880000"))).await;

    scene.until_closed(id, CloseReason::WrongPhone).await;
    assert_eq!(scene.script.live_max(), 1);
    scene.eventually("the end of its state", async |scene| !scene.has_state(id).await).await;
}
