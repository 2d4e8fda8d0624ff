//! Many at once.

use std::time::{Duration, Instant};

use ramal_tests::{Answer, Created, World, decode_qr};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const MANY: usize = 20;
const CROWD: usize = 50;
/// The client's patience; how fast it really is, benchmarks say.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "timings are of interest to whoever runs this")]
async fn twenty_numbers_are_created_at_once_each_with_its_own_codes() {
    let world = World::start().await;
    let mut creations = JoinSet::new();

    for index in 0..MANY {
        let api = world.api().clone();
        creations.spawn(async move {
            let number = format!("+55119999901{index:02}");
            let started = Instant::now();
            let created = api.create(&number).await;
            (number, created, started.elapsed())
        });
    }
    let created: Vec<(String, Created, Duration)> = creations.join_all().await;

    let slowest = created.iter().map(|(_, _, took)| *took).max().unwrap();
    println!("slowest of {MANY} parallel creates: {slowest:?}");
    assert!(slowest < LIMIT, "{slowest:?}");
    let mut texts: Vec<String> =
        created.iter().map(|(_, created, _)| decode_qr(&created.qrcode)).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), MANY, "every number has its own QR code");
    assert!(created.iter().all(|(_, created, _)| created.pairing_code.is_some()));
    assert_eq!(world.api().numbers().await.len(), MANY);

    // Every one of them works.
    for (number, created, _) in &created {
        world.phones().scan(number, &created.qrcode).await.expect(200);
    }
    for (_, created, _) in &created {
        world.api().wait_until_open(&created.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_creates_of_the_same_number_one_wins() {
    let world = World::start().await;
    let mut creations = JoinSet::new();

    for _ in 0..CROWD {
        let api = world.api().clone();
        let body = json!({"name": "one", "number": "+5511999990001"});
        creations.spawn(async move { api.post("/v1/numbers", body).await });
    }
    let answers: Vec<Answer> = creations.join_all().await;

    let (won, lost): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
    for answer in lost {
        answer.refused(409, "NUMBER_ALREADY_ACTIVE");
    }
    assert_eq!(world.api().numbers().await.len(), 1);
    assert_eq!(world.product.database().count("numbers").await, 1);
    assert_eq!(world.phones().connections().await, 1, "one session");
    let created = Created::read(won[0].json());
    world.phones().scan("+5511999990001", &created.qrcode).await.expect(200);
    world.api().wait_until_open(&created.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_creates_with_one_idempotency_key_are_one() {
    let world = World::start().await;
    let body = json!({"name": "one", "number": "+5511999990001"}).to_string();
    let mut creations = JoinSet::new();

    for _ in 0..CROWD {
        let (api, body) = (world.api().clone(), body.clone());
        creations.spawn(async move {
            let headers = [("idempotency-key", "one")];
            api.raw(Method::POST, "/v1/numbers", &headers, body).await
        });
    }
    let answers: Vec<Answer> = creations.join_all().await;

    let mut created = Vec::new();
    for answer in answers {
        match answer.status {
            201 => created.push(answer.json()),
            _ => answer.refused(409, "IDEMPOTENCY_KEY_IN_USE"),
        }
    }
    created.dedup();
    assert_eq!(created.len(), 1, "the same answer each time");
    assert_eq!(world.api().numbers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_sends_with_one_idempotency_key_one_is_done() {
    let world = World::start().await;
    let number = world.open_number("+5511999990001").await;
    let api = world.api().on_number(&number.id);
    let body = json!({"destinationNumber": "+5511999990002", "text": "once"}).to_string();
    let mut sends = JoinSet::new();

    for _ in 0..MANY {
        let (api, body) = (api.clone(), body.clone());
        sends.spawn(async move {
            let headers = [("idempotency-key", "one")];
            api.raw(Method::POST, "/v1/messages/send", &headers, body).await
        });
    }
    let answers: Vec<Answer> = sends.join_all().await;

    let mut ids = Vec::new();
    for answer in answers {
        match answer.status {
            202 => ids.push(answer.json()["id"].clone()),
            _ => answer.refused(409, "IDEMPOTENCY_KEY_IN_USE"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    api.send_text("+5511999990002", "last").await;
    world.phones().wait_for_text("+5511999990002", "last").await;
    assert_eq!(world.phones().received("+5511999990002").await, ["once", "last"]);
}
