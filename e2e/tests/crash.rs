//! The product dies at bad moments.

use std::{collections::BTreeSet, time::Duration};

use ramal_tests::{Mortal, Receiver, World, asked_for, eventually, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";

/// The ids of the received messages with this text: repeats of one delivery count once, as they do
/// for a receiver that keeps to the contract.
fn received(receiver: &Receiver, text: &str) -> BTreeSet<String> {
    let events = receiver.events("number", "message.received");
    let data = events.iter().map(ramal_tests::Delivery::data);
    data.filter(|data| data.get("content").is_some_and(|content| content == text))
        .filter_map(|data| data.get("id").map(Value::to_string))
        .collect()
}

async fn wait_for_content(receiver: &Receiver, text: &str) {
    receiver.wait_for("number", "message.received", |data| data["content"] == text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_open_it_is_open_again_and_misses_nothing() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    let companions = world.phones().companions(NUMBER).await;

    world.product.kill_9();
    world.phones().send(FRIEND, NUMBER, "while you were dead").await;
    world.product.start_again().await;

    world.api().wait_until_open(&number.id).await;
    wait_for_content(&receiver, "while you were dead").await;
    world.phones().send(FRIEND, NUMBER, "after the crash").await;
    wait_for_content(&receiver, "after the crash").await;

    world.product.kill_9();
    world.product.start_again().await;
    world.api().wait_until_open(&number.id).await;
    world.phones().send(FRIEND, NUMBER, "after another crash").await;
    wait_for_content(&receiver, "after another crash").await;

    for text in ["while you were dead", "after the crash", "after another crash"] {
        assert_eq!(received(&receiver, text).len(), 1, "{text}");
    }
    let ids: BTreeSet<String> = receiver
        .events("number", "message.received")
        .iter()
        .map(|one| one.id().to_owned())
        .collect();
    assert_eq!(ids.len(), 3, "one event each");
    assert!(receiver.events("number", "number.disconnected").is_empty());
    let now = eventually("the companion is connected", async || {
        let now = world.phones().companions(NUMBER).await;
        now.iter().all(|one| one["connected"] == true).then_some(now)
    });
    assert_eq!(now.await, companions, "the same device, not paired anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_moment_a_text_comes_in_it_has_it_once() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["message.received"]).await;

    for round in 0..6_u64 {
        let text = format!("round {round}");
        world.phones().send(FRIEND, NUMBER, &text).await;
        // A different moment each time, from at once to a little later.
        tokio::time::sleep(Duration::from_millis(round * 4)).await;
        world.product.kill_9();
        world.product.start_again().await;
        wait_for_content(&receiver, &text).await;
    }
    world.phones().send(FRIEND, NUMBER, "last").await;
    wait_for_content(&receiver, "last").await;

    for round in 0..6_u64 {
        assert_eq!(received(&receiver, &format!("round {round}")).len(), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_moment_a_receipt_comes_in_it_hears_of_it() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["message.read"]).await;

    for round in 0..8_u64 {
        let text = format!("round {round}");
        world.api().on_number(&number.id).send_text(FRIEND, &text).await;
        let message = world.phones().wait_for_text(FRIEND, &text).await;
        if round == 0 {
            // It comes while nobody is there.
            world.product.kill_9();
            world.phones().read(FRIEND, &message).await;
        } else {
            world.phones().read(FRIEND, &message).await;
            // A different moment each time, from at once to a little later.
            tokio::time::sleep(Duration::from_millis(round)).await;
            world.product.kill_9();
        }
        world.product.start_again().await;
        receiver.wait_for("number", "message.read", |data| data["content"] == text).await;
    }
}

/// Dying over the keys of a conversation makes texts unreadable that are on their way; they are asked
/// for again, and it dies over that as well.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_in_a_conversation_it_has_every_text_once() {
    let kills = asked_for("RAMAL_CRASH_KILLS").unwrap_or(8);
    let mortal = Mortal::start(&[("SESSIONS__RECONCILE", "500ms")]).await;
    let number = mortal.api().await.create(NUMBER).await;
    mortal.pair(&number.id, NUMBER, Some(number.qrcode)).await;

    let mut written = Vec::new();
    let talk = async {
        for index in 0.. {
            let text = format!("in {index:04}");
            mortal.phones().send(FRIEND, NUMBER, &text).await;
            written.push(text);
            let text = format!("out {index:04}");
            let body = json!({"destinationNumber": FRIEND, "text": text});
            let headers =
                [("x-whatsapp-number-id", number.id.as_str()), ("idempotency-key", &text)];
            let sent = mortal.insist_with(Method::POST, "/v1/messages/send", &headers, Some(&body));
            sent.await.answer.expect(202);
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..40))).await;
        }
    };
    let inbound = "select content from messages where direction = 'in' order by content";
    let die = async {
        for kill in 0..kills {
            if kill % 2 == 0 {
                // Right in the conversation.
                let before = mortal.database().count("messages where direction = 'in'").await;
                eventually("the conversation goes on", async || {
                    let now = mortal.database().count("messages where direction = 'in'").await;
                    (now > before + 3).then_some(())
                })
                .await;
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..30))).await;
                // What it asks for in its next life is on its way for a while.
                mortal.phones().network(json!({"delayMs": 60})).await;
            } else {
                // Over the first steps of a life.
                tokio::time::sleep(Duration::from_millis(rand::random_range(100..700))).await;
                mortal.phones().network(json!({"delayMs": 0})).await;
            }
            mortal.die_and_come_back().await;
        }
    };
    // Cut off between two texts or within one, which then was not noted: it must come all the same.
    tokio::select! {
        () = talk => {}
        () = die => {}
    }

    let limit = Duration::from_mins(1);
    within(limit, "every text has come in", async || {
        let rows: Vec<(String,)> = mortal.database().rows(inbound).await;
        (rows.len() >= written.len()).then_some(())
    })
    .await;
    let rows: Vec<(String,)> = mortal.database().rows(inbound).await;
    let mut rows: Vec<String> = rows.into_iter().map(|(content,)| content).collect();
    rows.truncate(written.len());
    assert_eq!(rows, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_pairing_attempt_the_number_can_be_connected_again() {
    let mut world = World::start().await;
    let number = world.api().create(NUMBER).await;

    world.product.kill_9();
    world.product.start_again().await;

    assert_eq!(world.api().numbers().await.len(), 1);
    assert_ne!(world.api().state(&number.id).await, "OPEN");
    assert_eq!(world.phones().scan(NUMBER, &number.qrcode).await.status, 409, "its client is gone");
    let codes = world.api().get(&format!("/v1/numbers/{}/connect", number.id)).await.expect(200);
    let qr = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, qr).await.expect(200);
    world.api().wait_until_open(&number.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_burst_it_sends_everything_accepted_once_and_in_order() {
    const BURST: usize = 40;
    const BEFORE_THE_CRASH: usize = 5;
    let mut world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let api = world.api().on_number(&number.id);

    let mut sender = JoinSet::new();
    sender.spawn(async move {
        let mut accepted = Vec::new();
        for index in 0..BURST {
            let text = format!("burst {index:02}");
            let body = json!({"destinationNumber": FRIEND, "text": text});
            let answer = api.try_call(Method::POST, "/v1/messages/send", Some(&body));
            match answer.await {
                Ok(answer) => {
                    answer.expect(202);
                    accepted.push(text);
                }
                // It is unknown whether this one was accepted.
                Err(_gone) => break,
            }
        }
        accepted
    });
    within(Duration::from_secs(20), "the first few have arrived", async || {
        (world.phones().received(FRIEND).await.len() >= BEFORE_THE_CRASH).then_some(())
    })
    .await;
    world.product.kill_9();
    let accepted = sender.join_all().await.remove(0);
    world.product.start_again().await;

    let api = world.api().on_number(&number.id);
    api.send_text(FRIEND, "after the crash").await;
    world.phones().wait_for_text(FRIEND, "after the crash").await;
    let mut arrived = world.phones().received(FRIEND).await;
    assert_eq!(arrived.pop().as_deref(), Some("after the crash"), "order");
    if arrived.len() == accepted.len() + 1 {
        let unanswered = format!("burst {:02}", accepted.len());
        assert_eq!(arrived.pop(), Some(unanswered), "the one whose answer was cut off");
    }
    assert_eq!(arrived, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_create_waits_for_its_qr_code_no_trace_is_left() {
    let mut world = World::start().await;
    world.phones().network(json!({"delayMs": 10_000})).await;
    let (api, body) = (world.api().clone(), json!({"name": "half", "number": NUMBER}));
    let mut creation = JoinSet::new();
    let half = body.clone();
    creation.spawn(
        async move { api.try_call(Method::POST, "/v1/numbers", Some(&half)).await.is_err() },
    );
    eventually("the create has reached WhatsApp", async || {
        (world.phones().connections().await > 0).then_some(())
    })
    .await;

    world.product.kill_9();
    assert_eq!(creation.join_all().await, [true], "the create was not answered");
    world.phones().network(json!({"delayMs": 0, "dropConnections": true})).await;
    world.product.start_again().await;

    assert!(world.api().numbers().await.is_empty());
    assert_eq!(world.api().get("/v1/api-keys").await.expect(200), json!([]));
    let created =
        ramal_tests::Created::read(world.api().post("/v1/numbers", body).await.expect(201));
    world.phones().scan(NUMBER, &created.qrcode).await.expect(200);
    world.api().wait_until_open(&created.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_scan_and_the_login_the_number_is_open_after_all_or_can_be_paired() {
    let mut world = World::start().await;
    let number = world.api().create(NUMBER).await;
    world.phones().scan(NUMBER, &number.qrcode).await.expect(200);

    world.product.kill_9();
    world.product.start_again().await;

    let state = eventually("the number is settled", async || {
        let state = world.api().state(&number.id).await;
        (state != "CONNECTING").then_some(state)
    })
    .await;
    if state != "OPEN" {
        let path = format!("/v1/numbers/{}/connect", number.id);
        let codes = world.api().get(&path).await.expect(200);
        let qr = codes["qrcodeBase64"].as_str().expect("a QR code");
        world.phones().scan(NUMBER, qr).await.expect(200);
        world.api().wait_until_open(&number.id).await;
    }
    world.api().on_number(&number.id).send_text(FRIEND, "alive").await;
    world.phones().wait_for_text(FRIEND, "alive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_stops_with_success_and_starts_where_it_was() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    let pairing = world.api().create("+5511999990003").await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;

    let status = world.product.stop().await;

    assert_eq!(status.code(), Some(0), "{}", world.product.log());
    world.phones().send(FRIEND, NUMBER, "while you were out").await;
    world.product.start_again().await;
    world.api().wait_until_open(&number.id).await;
    wait_for_content(&receiver, "while you were out").await;
    assert!(receiver.events("number", "number.disconnected").is_empty(), "a stop is no outage");
    assert_ne!(world.api().state(&pairing.id).await, "OPEN");
}
