use std::time::Duration;

use ramal_domain::{
    Ailment, CloseReason,
    EventKind::{
        self, NumberConnected, NumberDisconnected, NumberHealthBlocked, NumberHealthDegraded,
        NumberRecovered,
    },
    Illness, Link, NumberId,
};
use ramal_session::{Options, Signal};

use crate::{
    scene::{NOW, Scene, brisk, patient},
    script::Client,
};

const SOON: Duration = Duration::from_millis(30);
const HOUR: Duration = Duration::from_hours(1);

async fn illness(scene: &Scene, id: NumberId) -> Option<Illness> {
    scene.row(id).await.unwrap().illness
}

/// Everything told but that the number was connected.
async fn told(scene: &Scene, id: NumberId) -> Vec<EventKind> {
    let mut told = scene.events(id).await;
    told.retain(|kind| *kind != NumberConnected);
    told
}

/// Loses the socket, and gets it back.
async fn flap(scene: &Scene, id: NumberId, client: &Client) {
    client.tell(Signal::Lost).await;
    scene.until_link(id, Link::Resuming { reported: false }).await;
    client.open().await;
    scene.until_link(id, Link::Open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_ban_blocks_the_number_until_whatsapp_lifts_it() {
    let mut scene = Scene::with(Options { recover_after: SOON, ..brisk() }).await;
    let (id, client) = scene.connected(1).await;

    client.tell(Signal::Restricted { lasts: HOUR }).await;
    client.end(CloseReason::Restricted).await;
    scene.until_closed(id, CloseReason::Restricted).await;

    let until = Some(NOW.after(HOUR));
    let restricted = Illness { ailment: Ailment::Restricted, since: NOW, until };
    assert_eq!(illness(&scene, id).await, Some(restricted));
    assert_eq!(told(&scene, id).await, [NumberDisconnected, NumberHealthBlocked]);
    assert!(scene.has_state(id).await, "a ban is no logout");
    scene.restart().await;
    assert_eq!(illness(&scene, id).await, Some(restricted));
    let mut watcher = scene.sessions.pair(id).await.unwrap();
    let client = scene.client_of(id).await;
    client.pair().await;
    crate::scene::until(&mut watcher, |p| p.outcome == ramal_session::Outcome::Open).await;
    scene.clock.advance(SOON);
    scene.eventually("the recovery", async |scene| illness(scene, id).await.is_none()).await;
    let all = [NumberDisconnected, NumberHealthBlocked, NumberRecovered];
    assert_eq!(told(&scene, id).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ailment_is_told_by_its_event() {
    let mut scene = Scene::start().await;
    for (last, reason, event) in [
        (1, CloseReason::Banned, NumberHealthBlocked),
        (2, CloseReason::Restricted, NumberHealthBlocked),
        (3, CloseReason::ClientOutdated, NumberHealthDegraded),
    ] {
        let (id, client) = scene.connected(last).await;

        client.end(reason).await;

        scene.until_closed(id, reason).await;
        assert_eq!(illness(&scene, id).await.map(|ill| ill.ailment), Ailment::of(reason));
        assert_eq!(told(&scene, id).await, [NumberDisconnected, event], "{reason:?}");
    }
    let (id, client) = scene.connected(4).await;
    client.end(CloseReason::LoggedOut).await;
    scene.until_closed(id, CloseReason::LoggedOut).await;
    assert_eq!(illness(&scene, id).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_that_meets_a_ban_blocks_the_number_too() {
    let mut scene = Scene::start().await;
    let (id, client, _watcher) = scene.pairing().await;

    client.end(CloseReason::Banned).await;

    scene.until_closed(id, CloseReason::Banned).await;
    assert_eq!(told(&scene, id).await, [NumberHealthBlocked]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_loss_within_the_window_degrades_the_number_once() {
    let mut scene = Scene::with(patient()).await;
    let (id, client) = scene.connected(1).await;

    flap(&scene, id, &client).await;
    flap(&scene, id, &client).await;
    assert_eq!(illness(&scene, id).await, None);
    flap(&scene, id, &client).await;
    flap(&scene, id, &client).await;

    let ill = illness(&scene, id).await.unwrap();
    assert_eq!(ill.ailment, Ailment::Unstable);
    assert_eq!(told(&scene, id).await, [NumberHealthDegraded]);
    // New clients of the same number, and a new process, count on.
    scene.restart().await;
    let client = scene.client_of(id).await;
    client.open().await;
    scene.until_link(id, Link::Open).await;
    assert_eq!(illness(&scene, id).await, Some(ill));
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_far_apart_are_no_illness() {
    let mut scene = Scene::with(patient()).await;
    let (id, client) = scene.connected(1).await;

    for _ in 0..6 {
        flap(&scene, id, &client).await;
        scene.clock.advance(Duration::from_mins(6));
    }

    assert_eq!(illness(&scene, id).await, None);
    assert_eq!(told(&scene, id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_are_counted_over_clients_and_processes() {
    let mut scene = Scene::with(patient()).await;
    let (id, first) = scene.connected(1).await;
    flap(&scene, id, &first).await;
    drop(first);
    let second = scene.client_of(id).await;
    second.open().await;
    scene.until_link(id, Link::Open).await;
    scene.restart().await;
    let third = scene.client_of(id).await;
    third.open().await;
    scene.until_link(id, Link::Open).await;
    assert_eq!(illness(&scene, id).await, None, "our own restart is no loss");

    flap(&scene, id, &third).await;

    assert_eq!(illness(&scene, id).await.map(|ill| ill.ailment), Some(Ailment::Unstable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stable_number_recovers_and_its_old_losses_are_forgiven() {
    let mut scene = Scene::with(Options { recover_after: SOON, ..patient() }).await;
    let (id, client) = scene.connected(1).await;
    for _ in 0..3 {
        flap(&scene, id, &client).await;
    }

    scene.clock.advance(SOON);
    scene.eventually("the recovery", async |scene| illness(scene, id).await.is_none()).await;
    flap(&scene, id, &client).await;

    assert_eq!(illness(&scene, id).await, None);
    assert_eq!(told(&scene, id).await, [NumberHealthDegraded, NumberRecovered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alarm_says_that_the_client_is_outdated_until_a_number_logs_in() {
    let mut scene = Scene::start().await;
    let (_one, first) = scene.connected(1).await;
    let (_two, second) = scene.connected(2).await;
    assert!(!scene.sessions.is_outdated());

    first.end(CloseReason::ClientOutdated).await;
    let alarm = async |scene: &Scene| scene.sessions.is_outdated();
    scene.eventually("the alarm", alarm).await;
    second.open().await;

    scene.eventually("its end", async |scene| !scene.sessions.is_outdated()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reported_outage_a_logout_is_told_as_well() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    client.tell(Signal::Lost).await;
    scene.until_link(id, Link::Resuming { reported: true }).await;

    client.end(CloseReason::LoggedOut).await;

    scene.until_closed(id, CloseReason::LoggedOut).await;
    assert_eq!(told(&scene, id).await, [NumberDisconnected, NumberDisconnected]);
}
