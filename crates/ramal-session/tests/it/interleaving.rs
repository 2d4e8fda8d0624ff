//! Commands and signals at random: whatever the order, the invariants hold.

use std::time::Duration;

use ramal_domain::{CloseReason, EventKind, Link, NumberId};
use ramal_session::{Mode, Signal};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    races::assert_one_at_a_time,
    scene::{Scene, soon},
    script::{Call, Client, offline},
};

const SEEDS: u64 = 6;
const COMMANDS: usize = 60;
/// How many things a client does before it only behaves.
const WHIMS: usize = 12;
const POINTS: [Call; 5] = [Call::Open, Call::SendText, Call::Probe, Call::Logout, Call::Close];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_the_invariants_hold() {
    for seed in 0..SEEDS {
        play(seed).await;
    }
}

async fn play(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::start().await;
    let calm = CancellationToken::new();
    let mut host = JoinSet::new();
    host.spawn(host_clients(scene.take_clients(), rng.next_u64(), calm.clone()));
    let mut ids = Vec::new();
    for last in 1..=3 {
        ids.push(scene.number(last).await);
    }

    let mut commands = JoinSet::new();
    for _ in 0..COMMANDS {
        let id = ids.get(rng.random_range(0..ids.len())).copied().unwrap();
        command(&scene, id, &mut rng, &mut commands).await;
    }
    while let Some(done) = soon("the commands' end", commands.join_next()).await {
        done.unwrap();
    }
    calm.cancel();

    for &id in &ids {
        let what = format!("consistency (seed {seed})");
        scene.eventually(&what, async |scene| is_consistent(scene, id).await).await;
        check_events(&scene, id, seed).await;
    }
    scene.shut_down().await;
    assert!(host.try_join_next().is_none(), "a client's play failed (seed {seed})");
    assert!(scene.script.live_max() <= 1, "seed {seed}");
    assert_eq!(scene.sessions.running_count(), 0);
    for &id in &ids {
        assert_one_at_a_time(&scene.script, id);
    }
}

/// Does something to a number; what takes time is not waited for.
async fn command(scene: &Scene, id: NumberId, rng: &mut StdRng, commands: &mut JoinSet<()>) {
    let sessions = scene.sessions.clone();
    match rng.random_range(0..10) {
        0..=2 => drop(commands.spawn(async move { drop(sessions.pair(id).await) })),
        3 => drop(commands.spawn(async move { drop(sessions.unlink(id).await) })),
        4 => drop(commands.spawn(async move { sessions.stop(id).await })),
        5 => drop(commands.spawn(async move {
            let _answer = sessions.probe(id).await;
        })),
        6 => {
            let point = POINTS.get(rng.random_range(0..POINTS.len())).copied().unwrap();
            scene.script.panic_at(id, point);
        }
        7 => scene.clock.advance(Duration::from_millis(rng.random_range(0..200))),
        8 => sessions.reconcile_soon(),
        _ => drop(scene.queue(id, "hello").await),
    }
    // Lets the others come to some point of theirs.
    for _ in 0..rng.random_range(0..4) {
        drop(scene.row(id).await);
    }
}

/// Once everybody behaves, the row and what runs agree.
async fn is_consistent(scene: &Scene, id: NumberId) -> bool {
    scene.clock.advance(Duration::from_millis(5));
    let before = scene.link(id).await;
    let (live, running) = (scene.script.live(id), scene.sessions.pairing(id).is_some());
    if scene.link(id).await != before {
        return false;
    }
    match before {
        Link::Closed(_) => live == 0 && !running,
        // Codes may be shown, or a stop has left the row for its caller to close.
        Link::Pairing => live == u32::from(running),
        Link::Open => {
            let next = scene
                .store
                .read()
                .await
                .unwrap()
                .messages()
                .next_queued(id, &[], ramal_domain::Timestamp::from_millis(i64::MAX))
                .await
                .unwrap();
            live == 1 && running && next.is_none()
        }
        // Every client logs in when it behaves.
        Link::Resuming { .. } => false,
    }
}

/// What customers are told makes sense to them.
async fn check_events(scene: &Scene, id: NumberId, seed: u64) {
    let told: Vec<EventKind> = scene.events(id).await;
    let mut links = told
        .iter()
        .copied()
        .filter(|kind| matches!(kind, EventKind::NumberConnected | EventKind::NumberDisconnected));
    let all: Vec<EventKind> = links.by_ref().collect();

    assert_ne!(all.first(), Some(&EventKind::NumberDisconnected), "seed {seed}: {all:?}");
    for three in all.windows(3) {
        // An outage, then the end: two, with two reasons. Never more.
        let silent = three.iter().all(|kind| *kind == EventKind::NumberDisconnected);
        assert!(!silent, "seed {seed}: {all:?}");
    }
    if scene.link(id).await == Link::Open {
        assert_eq!(all.last(), Some(&EventKind::NumberConnected), "seed {seed}: {all:?}");
    }
}

/// Plays every client that is opened.
async fn host_clients(mut opened: mpsc::Receiver<Client>, seed: u64, calm: CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut players = JoinSet::new();
    loop {
        // Both are cancel-safe by their contract.
        tokio::select! {
            Some(client) = opened.recv() => {
                players.spawn(perform(client, rng.next_u64(), calm.clone()));
            }
            Some(done) = players.join_next() => done.unwrap(),
        }
    }
}

async fn perform(mut client: Client, seed: u64, calm: CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut paired = client.mode == Mode::Resume;
    for _ in 0..rng.random_range(0..WHIMS) {
        if client.gone.is_cancelled() || calm.is_cancelled() {
            break;
        }
        match rng.random_range(0..14) {
            0..=3 if !paired => {
                client.pair().await;
                paired = true;
            }
            0..=3 => client.open().await,
            4 => client.tell(Signal::Lost).await,
            5 => return,
            6 => {
                let reason = CloseReason::ALL
                    .get(rng.random_range(0..CloseReason::ALL.len()))
                    .copied()
                    .unwrap();
                return client.end(reason).await;
            }
            7 if !paired => client.tell(Signal::CodesExhausted).await,
            8..=10 => {
                if let Ok(sending) = client.sends.try_recv() {
                    sending.answer(if rng.random() { Ok(()) } else { Err(offline()) });
                }
            }
            kind => client.tell(small_talk(kind)).await,
        }
    }
    behave(client, paired).await;
}

fn small_talk(kind: u32) -> Signal {
    let valid_for = Duration::from_mins(1);
    match kind {
        11 => Signal::Qr { text: "2@code".to_owned(), valid_for },
        12 => Signal::PairingCode { code: "ABCD-1234".to_owned(), valid_for },
        13 => Signal::DialFailed { timed_out: false },
        _ => Signal::Alive,
    }
}

/// Logs in, if a phone has answered, and takes every message.
async fn behave(mut client: Client, paired: bool) {
    if paired {
        client.open().await;
    }
    let gone = client.gone.clone();
    loop {
        // Both are cancel-safe by their contract.
        tokio::select! {
            () = gone.cancelled() => return,
            Some(sending) = client.sends.recv() => sending.answer(Ok(())),
        }
    }
}
