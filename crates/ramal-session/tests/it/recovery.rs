use ramal_domain::{CloseReason, EventKind::NumberConnected, Link, NodeId, NumberId};
use ramal_session::{Mode, Outcome, Signal};
use ramal_store::{Epoch, Identity, StateWrite};

use crate::{
    scene::{Scene, brisk, patient, phone, until},
    script::{SPACE, account},
};

#[tokio::test(flavor = "multi_thread")]
async fn reservations_of_a_dead_process_are_deleted_and_our_own_are_kept() {
    let mut scene = Scene::dormant(brisk()).await;
    let (foreign, _epoch) = scene.reserve(1, NodeId::mint()).await;
    let (own, _epoch) = scene.reserve(2, scene.sessions.node()).await;

    scene.boot();

    scene.eventually("the deletion", async |scene| scene.row(foreign).await.is_none()).await;
    assert!(scene.row(own).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_that_a_dead_process_abandoned_is_closed() {
    let mut scene = Scene::dormant(brisk()).await;
    let (id, _epoch) = scene.number_of(1, NodeId::mint()).await;

    scene.boot();

    scene.until_closed(id, CloseReason::CodesExpired).await;
    assert_eq!(scene.events(id).await, []);
    assert_eq!(scene.script.journal(id), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_of_this_process_is_left_alone() {
    let mut scene = Scene::dormant(brisk()).await;
    let (abandoned, _epoch) = scene.number_of(2, NodeId::mint()).await;
    let (id, client, mut watcher) = scene.pairing().await;

    scene.boot();
    scene.until_closed(abandoned, CloseReason::CodesExpired).await;
    client.pair().await;

    until(&mut watcher, |pairing| pairing.outcome == Outcome::Open).await;
    assert_eq!(scene.link(id).await, Link::Open);
}

/// A number whose phone had answered when its process died.
pub(crate) async fn answered(scene: &Scene, last: u32) -> (NumberId, Epoch) {
    let (id, epoch) = scene.number_of(last, NodeId::mint()).await;
    let jid = account(phone(last).digits()).jid;
    let mut tx = scene.store.begin().await.unwrap();
    let identity = Identity { jid, ..Identity::default() };
    tx.numbers().identify(id, epoch, &identity).await.unwrap();
    tx.commit().await.unwrap();
    let state = scene.store.session_state(id, epoch);
    state.apply(&[StateWrite::put(SPACE, "credentials", b"secret")]).await.unwrap();
    (id, epoch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_whose_phone_had_answered_is_resumed() {
    let mut scene = Scene::dormant(brisk()).await;
    let (id, epoch) = answered(&scene, 1).await;

    scene.boot();
    let client = scene.client_of(id).await;
    client.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(client.mode, Mode::Resume);
    assert!(client.epoch > epoch);
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_that_was_connected_is_resumed() {
    let mut scene = Scene::with(patient()).await;
    let mut numbers = Vec::new();
    for last in 1..=5 {
        let (id, client) = scene.connected(last).await;
        if last % 2 == 0 {
            client.tell(Signal::Lost).await;
            scene.until_link(id, Link::Resuming { reported: false }).await;
        }
        numbers.push((id, client));
    }

    scene.restart().await;

    for (id, _old) in numbers {
        let client = scene.client_of(id).await;
        client.open().await;
        scene.until_link(id, Link::Open).await;
        assert_eq!(scene.events(id).await, [NumberConnected]);
    }
}
