//! The product dies at bad moments.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ramal_tests::{Api, Official, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{FRIEND, FRIEND_ID, NUMBER, friend_writes, send, wait_for_status};

/// What is lost is given up soon.
const IMPATIENT: [(&str, &str); 2] = [("META__TIMEOUT", "500ms"), ("META__CONFIRM_WITHIN", "1s")];
const BURST: usize = 50;

/// Waits until a message has an end; returns its status.
async fn end_of(api: &Api, id: &str) -> Value {
    eventually(&format!("{id} has an end"), async || {
        let message = api.get(&format!("/v1/messages/{id}")).await.expect(200);
        (message["status"] != "QUEUED").then_some(message)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_burst_no_message_arrives_twice_and_each_has_an_end() {
    let mut world = Official::with(&IMPATIENT).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    // The first one waits a little, and all others behind it.
    world.graph.fault(json!({"route": "messages", "code": 131_016})).await;
    let mut ids = Vec::new();
    for index in 0..BURST {
        let wish = json!({"text": format!("number {index:02}"), "markRead": false});
        ids.push(send(&line.api, wish).await);
    }

    for enough in [3, 20, 35] {
        eventually("the burst is under way", async || {
            (world.graph.received(FRIEND_ID).await.len() >= enough).then_some(())
        })
        .await;
        world.kill_9();
        world.start_again().await;
    }

    let own = world.api().with_key(&world.api().key_of(&line.id).await);
    let mut arrived = HashMap::new();
    for text in world.graph.received(FRIEND_ID).await {
        *arrived.entry(text).or_insert(0) += 1;
    }
    assert!(arrived.values().all(|&times| times == 1), "twice: {arrived:?}");
    for (index, id) in ids.iter().enumerate() {
        let end = end_of(&own, id).await;
        let times = world.graph.received(FRIEND_ID).await;
        let times = times.iter().filter(|text| **text == format!("number {index:02}")).count();
        match end["status"].as_str().expect("a status") {
            "FAILED" => {
                assert_eq!(end["errorCode"], "DELIVERED_NOT_CONFIRMED", "{end}");
                assert!(times <= 1, "{end}");
            }
            _ => assert_eq!(times, 1, "{end}"),
        }
    }
    let received = world.graph.received(FRIEND_ID).await;
    assert!(received.is_sorted(), "in order: {received:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_deliveries_it_misses_nothing_that_people_write() {
    let mut world = Official::start().await;
    let line = world.line(NUMBER).await;
    // Meta repeats, only sooner than it does.
    let delays: Vec<u32> = vec![0, 100, 200];
    world.graph.tell("/settings", json!({"retryDelaysMs": delays, "duplicate": true})).await;

    let mut texts = Vec::new();
    for round in 0..3 {
        for index in 0..10 {
            let text = format!("{round}-{index}");
            world.graph.write(&line.phone, json!({"from": FRIEND, "text": text})).await;
            texts.push(text);
        }
        world.kill_9();
        let text = format!("{round}-while it was dead");
        world.graph.write(&line.phone, json!({"from": FRIEND, "text": text})).await;
        texts.push(text);
        world.start_again().await;
    }

    for text in &texts {
        let is_it = |data: &Value| data["content"] == text.as_str();
        world.receiver.wait_for("line", "message.received", is_it).await;
    }
    world.graph.settled().await;
    let stored = world.product.database().count("messages where direction = 'in'").await;
    assert_eq!(usize::try_from(stored).expect("a count"), texts.len(), "each once");
    let mut ids = HashMap::new();
    for event in world.receiver.events("line", "message.received") {
        ids.insert(event.data()["messageId"].to_string(), event.id().to_owned());
    }
    assert_eq!(ids.len(), texts.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_waits_for_metas_answer_the_status_tells_what_became_of_the_message() {
    let mut world = Official::with(&[("META__CONFIRM_WITHIN", "60s")]).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    // Statuses come later than the death.
    world.graph.tell("/settings", json!({"statusDelayMs": 600, "retryDelaysMs": [200]})).await;
    let id = send(&line.api, json!({"text": "taken"})).await;
    eventually("Meta has it", async || {
        (!world.graph.received(FRIEND_ID).await.is_empty()).then_some(())
    })
    .await;

    world.kill_9();
    world.start_again().await;

    let own = world.api().with_key(&world.api().key_of(&line.id).await);
    wait_for_status(&own, &id, "DELIVERED").await;
    assert_eq!(world.graph.received(FRIEND_ID).await, ["taken"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_number_is_created_nothing_is_left_of_it() {
    let mut world = Official::start().await;
    let wish = json!({"number": NUMBER, "registered": false});
    let business = world.graph.business(wish).await;
    world.graph.fault(json!({"route": "register", "hang": true})).await;
    let (api, body) = (world.api().clone(), business.credentials(&json!({})));
    let mut asking = JoinSet::new();
    asking.spawn(async move { api.try_call(Method::POST, "/v1/numbers/meta", Some(&body)).await });
    eventually("it is half way", async || {
        (!world.graph.calls("POST", "register").await.is_empty()).then_some(())
    })
    .await;

    world.kill_9();
    let answer = asking.join_next().await.expect("one").expect("no panic");
    assert!(answer.is_err(), "{answer:?}");
    world.start_again().await;

    assert_eq!(world.api().numbers().await, [] as [Value; 0]);
    eventually("its callback is taken back", async || {
        world.graph.number(&business.phone).await["callback"].is_null().then_some(())
    })
    .await;
    let line = world.connect(&business).await;
    assert_eq!(line.body["instance"]["state"], "OPEN");
    let asked = world.graph.calls("POST", "register").await;
    assert_eq!(asked[0]["body"]["pin"], asked[1]["body"]["pin"], "Meta may have had it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_leaves_a_number_leaves_meta_all_the_same() {
    let mut world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.fault(json!({"route": "deregister", "hang": true})).await;
    world.api().delete(&format!("/v1/numbers/{}", line.id)).await.expect(200);
    eventually("it is half way", async || {
        (!world.graph.calls("POST", "deregister").await.is_empty()).then_some(())
    })
    .await;

    world.kill_9();
    world.start_again().await;

    eventually("it has left", async || {
        let number = world.graph.number(&line.phone).await;
        (number["node"]["platform_type"] == "NOT_APPLICABLE").then_some(())
    })
    .await;
    assert_eq!(world.graph.number(&line.phone).await["callback"], Value::Null);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_for_longer_than_it_waits_it_hears_what_became_of_a_message() {
    let waits = Duration::from_secs(2);
    let mut world =
        Official::with(&[("META__TIMEOUT", "1s"), ("META__CONFIRM_WITHIN", "2s")]).await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    // Meta repeats what nobody has heard, long enough.
    let delays: Vec<u32> = vec![300; 50];
    world.graph.tell("/settings", json!({"statusDelayMs": 600, "retryDelaysMs": delays})).await;
    let id = send(&line.api, json!({"text": "taken", "markRead": false})).await;
    eventually("Meta has it", async || {
        (!world.graph.received(FRIEND_ID).await.is_empty()).then_some(())
    })
    .await;
    world.kill_9();
    let died = Instant::now();
    eventually("it is long dead", async || (died.elapsed() > waits).then_some(())).await;

    world.start_again().await;

    let own = world.api().with_key(&world.api().key_of(&line.id).await);
    wait_for_status(&own, &id, "DELIVERED").await;
    assert!(world.receiver.events("line", "message.failed").is_empty());
    assert_eq!(world.graph.received(FRIEND_ID).await, ["taken"]);
    world.end().await;
}
