use std::time::Duration;

use ramal_domain::{EventKind::NumberConnected, Link, NodeId};
use ramal_session::{Mode, Options, Outcome, StartError};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    recovery::answered,
    scene::{Scene, patient, soon},
    script::{Call, Client, Did, Script},
};

/// Opened and closed in turns, under growing epochs.
pub(crate) fn assert_one_at_a_time(script: &Script, id: ramal_domain::NumberId) {
    let mut open = None;
    let mut last = None;
    for did in script.journal(id) {
        match did {
            Did::Open(_, epoch) => {
                assert_eq!(open, None, "opened while another was open");
                assert!(last < Some(epoch), "epochs grow");
                (open, last) = (Some(epoch), Some(epoch));
            }
            Did::Close(epoch) => {
                assert_eq!(open, Some(epoch), "closed what was not open");
                open = None;
            }
            Did::Logout(_) | Did::Passkey(_) | Did::Confirm => {}
        }
    }
    assert_eq!(open, None, "left open");
}

/// Lets every second client pair, and keeps them all.
async fn pair_every_second(mut opened: mpsc::Receiver<Client>) {
    let mut clients = Vec::new();
    while let Some(client) = opened.recv().await {
        if clients.len() % 2 == 0 {
            client.pair().await;
        }
        clients.push(client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_at_once_never_leave_two_clients_of_one_number() {
    let mut scene = Scene::start().await;
    let id = scene.number(1).await;
    let mut host = JoinSet::new();
    host.spawn(pair_every_second(scene.take_clients()));

    let mut commands = JoinSet::new();
    for turn in 0..90 {
        let sessions = scene.sessions.clone();
        commands.spawn(async move {
            match turn % 3 {
                0 => drop(sessions.pair(id).await),
                1 => sessions.stop(id).await,
                _ => drop(sessions.unlink(id).await),
            }
        });
    }
    soon("the commands' end", async {
        while let Some(done) = commands.join_next().await {
            done.unwrap();
        }
    })
    .await;
    scene.shut_down().await;

    assert!(host.try_join_next().is_none(), "the host died");
    assert_eq!(scene.script.live_max(), 1);
    assert_one_at_a_time(&scene.script, id);
    assert_eq!(scene.sessions.running_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_crosses_a_new_attempt_either_stands_or_is_superseded() {
    let mut scene = Scene::with(patient()).await;
    let mut clients = Vec::new();
    for last in 1..=16 {
        let id = scene.number(last).await;
        scene.sessions.pair(id).await.unwrap();
        let first = scene.client_of(id).await;
        first.answer(first.phone.digits()).await;

        let (again, ()) = tokio::join!(scene.sessions.pair(id), first.open());

        match again {
            Ok(_watcher) => {
                assert_eq!(scene.client_of(id).await.mode, Mode::Pair);
                assert_eq!(scene.link(id).await, Link::Pairing);
                assert_eq!(scene.events(id).await, []);
            }
            Err(StartError::AlreadyOpen | StartError::Reconnecting) => {
                assert!(scene.has_state(id).await, "the login was wiped");
                if first.gone.is_cancelled() {
                    let second = scene.client_of(id).await;
                    assert_eq!(second.mode, Mode::Resume);
                    second.open().await;
                    // Dropping a client ends it.
                    clients.push(second);
                }
                scene.until_link(id, Link::Open).await;
                assert_eq!(scene.events(id).await, [NumberConnected]);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_attempt_waits_until_the_client_before_it_is_closed() {
    let mut scene = Scene::start().await;
    let (id, _client, _watcher) = scene.pairing().await;
    scene.script.hold_up(id, Call::Close);
    let sessions = scene.sessions.clone();
    let mut pairs = JoinSet::new();
    pairs.spawn(async move { sessions.pair(id).await.map(drop) });
    soon("the closing", scene.script.is_held_up()).await;

    let early = tokio::time::timeout(Duration::from_millis(100), pairs.join_next()).await;
    assert!(early.is_err(), "the attempt waits for the client's end");
    scene.script.release();
    let paired = soon("the answer", pairs.join_next()).await;

    assert!(paired.unwrap().unwrap().is_ok());
    assert_eq!(scene.script.live_max(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_being_noted_while_a_new_attempt_stops_it_stands() {
    let mut scene = Scene::with(patient()).await;
    let (id, client, _watcher) = scene.pairing().await;
    client.store_credentials().await;
    // Whoever writes now waits; whoever reads does not.
    let writer = scene.store.begin().await.unwrap();
    client.open().await;
    scene.eventually("the login's being heard", async |_| client.is_heard()).await;

    let sessions = scene.sessions.clone();
    let mut again = Box::pin(sessions.pair(id));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut again).await;
    assert!(early.is_err(), "the attempt waits for the session's end");
    drop(writer);
    let refused = soon("the answer", again).await;

    assert!(matches!(refused, Err(StartError::AlreadyOpen)), "{refused:?}");
    assert!(scene.has_state(id).await, "the login was wiped");
    assert_eq!(scene.client_of(id).await.mode, Mode::Resume);
    assert_eq!(scene.events(id).await, [NumberConnected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_asks_again_before_it_resumes() {
    let resume_pace = Duration::from_millis(300);
    let mut scene = Scene::dormant(Options { resume_pace, ..patient() }).await;
    let (first, _epoch) = answered(&scene, 1).await;
    let (id, _epoch) = scene.number_of(2, NodeId::mint()).await;
    let (last, _epoch) = answered(&scene, 3).await;

    // All three are to be resumed, in this order; the second is paired anew while it is not yet.
    scene.boot();
    let _first = scene.client_of(first).await;
    let watcher = scene.sessions.pair(id).await.unwrap();
    let _last = scene.client_of(last).await;

    assert_eq!(watcher.borrow().outcome, Outcome::Waiting);
    let opened = scene.script.journal(id).into_iter().filter(|did| matches!(did, Did::Open(..)));
    assert_eq!(opened.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_does_not_replace_an_attempt_that_was_faster() {
    let mut scene = Scene::with(patient()).await;
    let (bystander, mut client_of_bystander) = scene.connected(99).await;
    for last in 1..=8 {
        let id = scene.number(last).await;
        scene.sessions.pair(id).await.unwrap();

        // The row still says that a pairing is under way, and nothing runs.
        scene.sessions.stop(id).await;
        scene.sessions.reconcile_soon();
        let watcher = scene.sessions.pair(id).await.unwrap();

        // The reconciler has looked at every row once it has replaced the bystander's client.
        drop(client_of_bystander);
        client_of_bystander = scene.client_of(bystander).await;
        assert_eq!(watcher.borrow().outcome, Outcome::Waiting);
        assert_eq!(scene.link(id).await, Link::Pairing);
        assert!(scene.sessions.pairing(id).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_opens_while_the_supervisor_stops_is_closed_before_it_returns() {
    let mut scene = Scene::start().await;
    let (_idle, idle_client) = scene.connected(1).await;
    let id = scene.number(2).await;
    scene.script.hold_up(id, Call::Open);
    let sessions = scene.sessions.clone();
    let mut pairs = JoinSet::new();
    pairs.spawn(async move { drop(sessions.pair(id).await) });
    soon("the opening", scene.script.is_held_up()).await;

    scene.begin_shutdown();
    soon("the idle session's end", idle_client.gone.cancelled()).await;
    let other = scene.number(3).await;
    let refused = scene.sessions.pair(other).await;
    assert!(matches!(refused, Err(StartError::Stopping)), "{refused:?}");
    assert!(!scene.has_returned());
    scene.script.release();
    scene.returned().await;

    assert_eq!(scene.script.live(id), 0);
    assert_one_at_a_time(&scene.script, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_starts_while_the_supervisor_stops_is_waited_for() {
    for _ in 0..8 {
        let mut scene = Scene::start().await;
        let mut ids = Vec::new();
        for last in 1..=4 {
            ids.push(scene.number(last).await);
        }
        let mut pairs = JoinSet::new();
        for &id in &ids {
            let sessions = scene.sessions.clone();
            pairs.spawn(async move { drop(sessions.pair(id).await) });
        }

        scene.begin_shutdown();
        scene.returned().await;

        for &id in &ids {
            assert_eq!(scene.script.live(id), 0);
        }
        while let Some(done) = pairs.join_next().await {
            done.unwrap();
        }
        for &id in &ids {
            assert_one_at_a_time(&scene.script, id);
        }
    }
}
