//! Several clients race on one number: create, connect, scan, delete, restore, purge, with random
//! timing, and in some rounds the product is killed meanwhile. Whatever the order, nothing is left
//! that nobody owns, and the phone number can be used again.
//!
//! `RAMAL_INTERLEAVINGS_ROUNDS` asks for more rounds, `RAMAL_INTERLEAVINGS_SEED` repeats choices.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::future_not_send,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use ramal_tests::{Answer, Mortal, asked_for, within};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

const PHONE: &str = "+5511999990001";
const ROUNDS: u64 = 8;
const CLIENTS: usize = 6;
/// Requests of one client in one round.
const REQUESTS: usize = 6;
/// How long a client hesitates at most between two of its requests, in milliseconds.
const HESITATION: u64 = 150;
/// How long it may take until everything has come to rest.
const REST: Duration = Duration::from_mins(1);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the seed is needed to play a round again")]
async fn whatever_races_on_a_number_nothing_is_left_that_nobody_owns() {
    let seed =
        asked_for("RAMAL_INTERLEAVINGS_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("RAMAL_INTERLEAVINGS_SEED={seed}");
    let rounds = asked_for("RAMAL_INTERLEAVINGS_ROUNDS").unwrap_or(ROUNDS);
    LocalSet::new().run_until(play(StdRng::seed_from_u64(seed), rounds)).await;
}

async fn play(mut rng: StdRng, rounds: u64) {
    let settings = [
        ("NUMBERS__SWEEP_EVERY", "300ms"),
        ("SESSIONS__RECONCILE", "300ms"),
        ("SESSIONS__RETRY_BASE", "100ms"),
        ("SESSIONS__RETRY_CAP", "1s"),
        ("LIMITS__PAIRING_BURST", "0"),
        ("LIMITS__KEY_BURST", "0"),
    ];
    let mortal = Rc::new(Mortal::start(&settings).await);
    for round in 0..rounds {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let rng = StdRng::seed_from_u64(rng.next_u64());
            clients.spawn_local(race(Rc::clone(&mortal), rng));
        }
        if rng.random_bool(0.4) {
            let moment = Duration::from_millis(rng.random_range(0..2_000));
            tokio::time::sleep(moment).await;
            mortal.die_and_come_back().await;
        }
        clients.join_all().await;

        come_to_rest(&mortal, round).await;
        if rng.random() {
            // The next round begins with what this one has left.
            continue;
        }
        purge(&mortal).await;
        pair_afresh(&mortal).await;
    }
    purge(&mortal).await;
    pair_afresh(&mortal).await;
}

/// One client: what it asks for must be answered sensibly, or not at all by a product that dies.
async fn race(mortal: Rc<Mortal>, mut rng: StdRng) {
    for _ in 0..REQUESTS {
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..HESITATION))).await;
        let id = some_id(&mortal, &mut rng).await;
        let path = format!("/v1/numbers/{id}");
        let (method, path, body) = match rng.random_range(0..10) {
            0..=2 => {
                let body = json!({"name": "raced", "number": PHONE});
                (Method::POST, "/v1/numbers".to_owned(), Some(body))
            }
            3..=4 => (Method::GET, format!("{path}/connect"), None),
            5..=6 => (Method::DELETE, path, None),
            7 => (Method::POST, format!("{path}/restore"), None),
            8 => (Method::DELETE, format!("{path}/purge"), None),
            _ => (Method::GET, format!("{path}/status"), None),
        };
        let Ok(answer) = mortal.api().await.ask(method, &path, &[], body.as_ref()).await else {
            continue;
        };
        is_sensible(&answer, &path);
        // Most codes are scanned.
        if let Some(code) = qr(&answer).filter(|_| rng.random_bool(0.8)) {
            let scanned = mortal.phones().scan(PHONE, &code).await;
            assert!(scanned.status < 500 || scanned.status == 504, "{}", scanned.text);
        }
    }
}

/// A number of this phone, there or removed, or one that never was.
async fn some_id(mortal: &Mortal, rng: &mut StdRng) -> String {
    let mut ids = ids(mortal).await;
    if ids.is_empty() {
        return "wa_00000000000000000000000000".to_owned();
    }
    ids.swap_remove(rng.random_range(0..ids.len()))
}

async fn ids(mortal: &Mortal) -> Vec<String> {
    let rows: Vec<(String,)> = mortal.database().rows("select id from numbers order by id").await;
    rows.into_iter().map(|(id,)| id).collect()
}

/// No answer is a bug's.
fn is_sensible(answer: &Answer, path: &str) {
    let text = &answer.text;
    let refusals = [
        "NUMBER_NOT_FOUND",
        "NUMBER_ALREADY_ACTIVE",
        "NUMBER_SOFT_DELETED",
        "NUMBER_ALREADY_CONNECTED",
        "UPSTREAM_ERROR",
        "UPSTREAM_TIMEOUT",
    ];
    match answer.status {
        200 | 201 => {}
        404 if path.ends_with("/status") => {}
        404 | 409 | 503 => {
            let code = answer.code().unwrap_or_default();
            assert!(refusals.contains(&code.as_str()), "{path}: {text}");
        }
        status => panic!("{path}: {status} {text}"),
    }
}

fn qr(answer: &Answer) -> Option<String> {
    let body = (answer.status < 300).then(|| answer.json())?;
    body["qrcodeBase64"].as_str().map(str::to_owned)
}

/// Waits until rows, sessions and the phone agree.
async fn come_to_rest(mortal: &Mortal, round: u64) {
    let deadline = Instant::now() + REST;
    loop {
        let (state, agrees) = survey(mortal).await;
        if agrees {
            break;
        }
        assert!(Instant::now() < deadline, "no rest after round {round}: {state:?}");
        tokio::time::sleep(LOOK).await;
    }
    let listed = mortal.api().await.numbers().await;
    assert!(listed.len() <= 1, "one number of a phone: {listed:?}");
}

/// The rows (stage, link, jid, whether a device is to be unlinked), the phone's companions and the
/// open sockets; and whether they agree.
type State = (Vec<(String, String, Option<String>, i64)>, Vec<Value>, u64);

async fn survey(mortal: &Mortal) -> (State, bool) {
    let sql = "select stage, link, jid, unlink_pending from numbers order by id";
    let rows: Vec<(String, String, Option<String>, i64)> = mortal.database().rows(sql).await;
    let companions = mortal.phones().companions(PHONE).await;
    let sockets = mortal.phones().connections().await;

    let pending = rows
        .iter()
        .any(|(stage, link, _, unlink)| *unlink == 1 || stage == "reserved" || link == "resuming");
    let live: Vec<_> = rows.iter().filter(|(stage, ..)| stage == "live").collect();
    let open = live.iter().filter(|(_, link, ..)| link == "open");
    let owned: Vec<&str> = open.filter_map(|(_, _, jid, _)| jid.as_deref()).collect();
    let linked: Vec<&str> = companions.iter().filter_map(|one| one["jid"].as_str()).collect();
    let running = live.iter().filter(|(_, link, ..)| link == "open" || link == "pairing").count();
    let agrees = !pending && owned == linked && u64::try_from(running) == Ok(sockets);
    ((rows, companions, sockets), agrees)
}

/// Every row can be deleted, and nothing remains of it anywhere.
async fn purge(mortal: &Mortal) {
    for id in ids(mortal).await {
        let path = format!("/v1/numbers/{id}/purge");
        let answer = mortal.insist(Method::DELETE, &path, None).await.answer;
        if answer.status != 200 {
            answer.refused(404, "NUMBER_NOT_FOUND");
        }
    }
    within(REST, "nothing is left", async || {
        for what in
            ["numbers", "session_state", "pairing_attempts", "api_keys where number_id <> ''"]
        {
            if mortal.database().count(what).await > 0 {
                return None;
            }
        }
        let companions = mortal.phones().companions(PHONE).await.len();
        (companions == 0 && mortal.phones().connections().await == 0).then_some(())
    })
    .await;
}

async fn pair_afresh(mortal: &Mortal) {
    let created = mortal.api().await.create(PHONE).await;
    mortal.pair(&created.id, PHONE, Some(created.qrcode)).await;
    assert_eq!(mortal.phones().companions(PHONE).await.len(), 1);
}
