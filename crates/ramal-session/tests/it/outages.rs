use std::time::Duration;

use ramal_domain::{
    CloseReason,
    EventKind::{NumberConnected, NumberDisconnected},
    Link,
};
use ramal_session::{Mode, Options, Signal};

use crate::{
    scene::{Scene, brisk, patient},
    script::{Call, Did},
};

const SOON: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_hours(1);
const REPORTED: Link = Link::Resuming { reported: true };
const UNREPORTED: Link = Link::Resuming { reported: false };

#[tokio::test(flavor = "multi_thread")]
async fn a_session_resumed_after_a_restart_opens_without_an_event() {
    let mut scene = Scene::with(patient()).await;
    let (id, first) = scene.connected(1).await;

    scene.restart().await;
    let second = scene.client_of(id).await;
    scene.until_link(id, UNREPORTED).await;
    second.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(second.mode, Mode::Resume);
    assert!(second.epoch > first.epoch);
    assert!(first.gone.is_cancelled());
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flap_is_told_to_nobody() {
    let mut scene = Scene::with(patient()).await;
    let (id, client) = scene.connected(1).await;

    client.tell(Signal::Lost).await;
    scene.until_link(id, UNREPORTED).await;
    client.open().await;
    scene.until_link(id, Link::Open).await;

    assert_eq!(scene.events(id).await, [NumberConnected]);
    assert_eq!(scene.script.journal(id).len(), 1, "the client reconnects by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_ends_its_watch_when_the_socket_is_back() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    // Both are handled before the outage could be confirmed, unless the machine sleeps: then it is
    // told twice, once for each side.
    client.tell(Signal::Lost).await;
    client.open().await;
    scene.eventually("both reports' end", async |scene| scene.link(id).await == Link::Open).await;
    let told = scene.events(id).await.len();
    let other = scene.connected(2).await;
    other.1.tell(Signal::Lost).await;
    scene.until_link(other.0, REPORTED).await;

    assert_eq!(scene.events(id).await.len(), told);
    assert_eq!(scene.link(id).await, Link::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_outage_is_told_once_and_so_is_its_end() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    client.tell(Signal::Lost).await;
    scene.until_link(id, REPORTED).await;
    client.tell(Signal::Lost).await;
    client.tell(Signal::Alive).await;
    client.open().await;
    scene.until_link(id, Link::Open).await;

    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected, NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_an_outage_survives_a_restart() {
    let mut scene = Scene::with(Options { confirm_outage: HOUR, ..brisk() }).await;
    let (id, client) = scene.connected(1).await;
    client.tell(Signal::Lost).await;
    scene.until_link(id, UNREPORTED).await;

    scene.clock.advance(HOUR);
    scene.restart().await;

    scene.until_link(id, REPORTED).await;
    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_outage_is_not_reported_again_after_a_restart() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    client.tell(Signal::Lost).await;
    scene.until_link(id, REPORTED).await;

    scene.restart().await;
    let client = scene.client_of(id).await;
    client.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected, NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_dial_is_replaced_by_a_new_one() {
    let mut scene = Scene::with(patient()).await;
    let (id, first) = scene.connected(1).await;
    first.tell(Signal::Lost).await;

    first.tell(Signal::DialFailed { timed_out: false }).await;
    first.tell(Signal::DialFailed { timed_out: true }).await;
    let second = scene.client_of(id).await;
    assert_eq!(scene.link(id).await, UNREPORTED);
    second.open().await;

    scene.until_link(id, Link::Open).await;
    let (old, new) = (first.epoch, second.epoch);
    let did = [Did::Open(Mode::Pair, old), Did::Close(old), Did::Open(Mode::Resume, new)];
    assert_eq!(scene.script.journal(id), did);
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_confirmed_also_when_clients_are_replaced_in_it() {
    let mut scene = Scene::with(Options { confirm_outage: HOUR, ..brisk() }).await;
    let (id, first) = scene.connected(1).await;
    first.tell(Signal::Lost).await;
    scene.until_link(id, UNREPORTED).await;

    scene.clock.advance(HOUR);
    first.tell(Signal::DialFailed { timed_out: false }).await;
    first.tell(Signal::DialFailed { timed_out: false }).await;

    scene.until_link(id, REPORTED).await;
    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_task_died_is_replaced_by_a_new_one() {
    let mut scene = Scene::with(patient()).await;
    let (id, first) = scene.connected(1).await;

    drop(first);
    let second = scene.client_of(id).await;
    assert_eq!(scene.link(id).await, UNREPORTED);
    second.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.script.live_max(), 1);
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ended_for_the_network_is_replaced_by_a_new_one() {
    let mut scene = Scene::with(patient()).await;
    let (id, first) = scene.connected(1).await;

    first.end(CloseReason::Network).await;
    let second = scene.client_of(id).await;
    assert_eq!(second.mode, Mode::Resume);
    assert!(scene.has_state(id).await);
    second.open().await;

    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_left_and_made_anew() {
    let mut scene = Scene::with(Options { probe_after: SOON, ..patient() }).await;
    let (id, first) = scene.connected(1).await;

    scene.script.silence(&first);

    let second = scene.client_of(id).await;
    assert_eq!(scene.link(id).await, UNREPORTED);
    assert!(first.gone.is_cancelled());
    assert_eq!(second.mode, Mode::Resume);
    second.open().await;
    scene.until_link(id, Link::Open).await;
    assert_eq!(scene.events(id).await, [NumberConnected], "a flap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_panics_proves_nothing() {
    let mut scene = Scene::with(Options { probe_after: SOON, ..patient() }).await;
    let (id, _first) = scene.connected(1).await;

    scene.script.panic_at(id, Call::Probe);

    let second = scene.client_of(id).await;
    second.open().await;
    scene.until_link(id, Link::Open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_answers_stays() {
    let mut scene = Scene::with(Options { probe_after: SOON, ..patient() }).await;
    let (id, client) = scene.connected(1).await;

    // Time for several probes; each proves life anew.
    tokio::time::sleep(SOON * 10).await;

    assert_eq!(scene.link(id).await, Link::Open);
    assert!(!client.gone.is_cancelled());
    assert_eq!(scene.script.journal(id).len(), 1);
}
