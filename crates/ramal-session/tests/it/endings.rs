use std::time::Duration;

use ramal_domain::{
    CloseReason,
    EventKind::{NumberConnected, NumberDisconnected},
    Link, MessageStatus,
};
use ramal_session::{Mode, Signal, StartError};

use crate::{
    scene::{NOW, Scene, soon},
    script::Did,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_out_number_is_closed_and_its_credentials_are_dropped() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    client.end(CloseReason::LoggedOut).await;

    scene.until_closed(id, CloseReason::LoggedOut).await;
    assert_eq!(scene.row(id).await.unwrap().identity.jid, None);
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected]);
    assert!(client.gone.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_that_is_logged_out_before_its_login_drops_the_credentials_too() {
    let mut scene = Scene::start().await;
    let (id, client, _watcher) = scene.pairing().await;
    client.answer(client.phone.digits()).await;

    client.end(CloseReason::LoggedOut).await;

    scene.until_closed(id, CloseReason::LoggedOut).await;
    assert_eq!(scene.row(id).await.unwrap().identity.jid, None);
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.events(id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_endings_close_the_number_and_keep_its_credentials() {
    let mut scene = Scene::start().await;
    let others = CloseReason::ALL
        .into_iter()
        .filter(|reason| !matches!(reason, CloseReason::LoggedOut | CloseReason::Network));
    for (last, reason) in (1..).zip(others) {
        let (id, client) = scene.connected(last).await;

        client.end(reason).await;

        scene.until_closed(id, reason).await;
        assert!(scene.has_state(id).await, "{reason:?}");
        assert!(scene.row(id).await.unwrap().identity.jid.is_some(), "{reason:?}");
        let told = scene.events(id).await;
        assert_eq!(told[..2], [NumberConnected, NumberDisconnected], "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_number_stays_closed_after_a_restart_until_it_is_paired() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    client.end(CloseReason::Replaced).await;
    scene.until_closed(id, CloseReason::Replaced).await;

    scene.restart().await;
    // The reconciler has looked at all rows once it starts this one's client.
    let (other, client) = scene.connected(2).await;
    drop(client);
    scene.client_of(other).await;
    assert_eq!(scene.link(id).await, Link::Closed(CloseReason::Replaced));
    scene.sessions.pair(id).await.unwrap();

    assert_eq!(scene.client_of(id).await.mode, Mode::Pair);
    assert!(!scene.has_state(id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_row_without_credentials_is_closed_as_not_paired() {
    let mut scene = Scene::start().await;
    let (id, _client) = scene.connected(1).await;
    scene.shut_down().await;
    let mut tx = scene.store.begin().await.unwrap();
    tx.numbers().unlinked(id).await.unwrap();
    tx.commit().await.unwrap();

    scene.restart().await;

    scene.until_closed(id, CloseReason::NotPaired).await;
    assert_eq!(scene.events(id).await, [NumberConnected, NumberDisconnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_of_life_is_noted() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    scene.clock.advance(Duration::from_secs(30));

    client.tell(Signal::Alive).await;

    let at = NOW.after(Duration::from_secs(30));
    let noted = async |scene: &Scene| scene.row(id).await.unwrap().checked_at == Some(at);
    scene.eventually("the note", noted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_supervisor_has_closed_every_client_and_starts_none() {
    let mut scene = Scene::start().await;
    let (open, _client) = scene.connected(1).await;
    let pairing = scene.number(2).await;
    scene.sessions.pair(pairing).await.unwrap();

    scene.shut_down().await;

    for id in [open, pairing] {
        assert_eq!(scene.script.live(id), 0);
        assert!(matches!(scene.script.journal(id).last(), Some(Did::Close(_))));
    }
    assert_eq!(scene.sessions.running_count(), 0);
    assert_eq!(scene.link(open).await, Link::Open, "it is resumed by the next process");
    let refused = scene.sessions.pair(pairing).await;
    assert!(matches!(refused, Err(StartError::Stopping)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_returns_only_after_a_send_in_flight_is_settled() {
    let mut scene = Scene::start().await;
    let (id, mut client) = scene.connected(1).await;
    let (_idle, idle_client) = scene.connected(2).await;
    let (message, _wire_id) = scene.queue(id, "hello").await;
    let sending = scene.sending(&mut client).await;

    scene.begin_shutdown();
    soon("the idle session's end", idle_client.gone.cancelled()).await;
    assert!(!scene.has_returned());
    assert!(!client.gone.is_cancelled(), "the client is needed until the send is settled");
    sending.answer(Ok(()));
    scene.returned().await;

    assert_eq!(scene.message(id, message).await.status, MessageStatus::Sent);
    assert_eq!(scene.script.live(id), 0);
}
