use std::time::Duration;

use ramal_domain::{
    CloseReason,
    EventKind::{NumberConnected, NumberRemoved},
    Link, NumberId,
};
use ramal_session::{Mode, Options, UnlinkError};

use crate::{
    scene::{Scene, brisk, soon},
    script::Did,
};

fn logouts(scene: &Scene, id: NumberId) -> Vec<bool> {
    let journal = scene.script.journal(id).into_iter();
    journal
        .filter_map(|did| match did {
            Did::Logout(confirmed) => Some(confirmed),
            Did::Open(..) | Did::Close(_) | Did::Passkey(_) | Did::Confirm => None,
        })
        .collect()
}

async fn until_unlinked(scene: &Scene, id: NumberId) {
    let unlinked = async |scene: &Scene| !scene.row(id).await.unwrap().unlink_pending;
    scene.eventually("the unlinking", unlinked).await;
    scene.until_ended(id).await;
    assert!(!scene.has_state(id).await);
    assert_eq!(scene.row(id).await.unwrap().identity.jid, None);
    assert_eq!(scene.script.live(id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlinking_is_confirmed_drops_the_credentials_and_stops_the_session() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    scene.remove(id).await;

    let done = scene.sessions.unlink(id).await;

    assert!(done.is_ok(), "{done:?}");
    assert!(client.gone.is_cancelled());
    until_unlinked(&scene, id).await;
    assert_eq!(scene.events(id).await, [NumberConnected, NumberRemoved]);
    assert!(logouts(&scene, id).contains(&true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_unlinking_is_tried_again_until_it_is_confirmed() {
    let stop_timeout = Duration::from_millis(150);
    let mut scene = Scene::with(Options { stop_timeout, ..brisk() }).await;
    let (id, client) = scene.connected(1).await;
    // A client has time for two or three tries; then its place is taken by a new one.
    let refusals = [false; 8];
    scene.script.answer_logouts(refusals);
    let done = scene.sessions.unlink(id).await;
    assert!(matches!(done, Err(UnlinkError::Unconfirmed)), "{done:?}");
    assert!(client.gone.is_cancelled());

    scene.remove(id).await;

    until_unlinked(&scene, id).await;
    assert_eq!(logouts(&scene, id), [refusals.as_slice(), &[true]].concat());
    assert_eq!(scene.script.live_max(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_number_is_unlinked_also_after_a_restart() {
    let mut scene = Scene::start().await;
    let (id, first) = scene.connected(1).await;
    scene.shut_down().await;
    scene.remove(id).await;

    scene.restart().await;

    until_unlinked(&scene, id).await;
    let second = scene.client_of(id).await;
    let (old, new) = (first.epoch, second.epoch);
    let did = [
        Did::Open(Mode::Pair, old),
        Did::Close(old),
        Did::Open(Mode::Resume, new),
        Did::Logout(true),
        Did::Close(new),
    ];
    assert_eq!(scene.script.journal(id), did);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_number_whose_session_still_runs_is_unlinked() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;

    // As when the process that removed it was cut off before it could unlink.
    scene.remove(id).await;

    until_unlinked(&scene, id).await;
    assert!(client.gone.is_cancelled());
    assert_eq!(logouts(&scene, id), [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_unlinked_on_the_phone_meanwhile_is_not_waited_for() {
    let mut scene = Scene::start().await;
    let (id, client) = scene.connected(1).await;
    scene.shut_down().await;
    drop(client);
    scene.remove(id).await;
    scene.script.answer_logouts([false]);

    scene.restart().await;
    let client = scene.client_of(id).await;
    client.end(CloseReason::LoggedOut).await;

    until_unlinked(&scene, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unlinking_a_number_that_has_no_device_is_done_at_once() {
    let scene = Scene::start().await;
    let id = scene.number(1).await;

    let done = soon("the answer", scene.sessions.unlink(id)).await;

    assert!(done.is_ok(), "{done:?}");
    assert_eq!(scene.script.journal(id), []);
    assert_eq!(scene.link(id).await, Link::Closed(CloseReason::CodesExpired));
}
