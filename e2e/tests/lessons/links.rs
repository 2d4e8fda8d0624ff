//! C: what was connected comes back by itself. D: the status does not lie.

use std::time::{Duration, Instant};

use ramal_tests::{Receiver, World, eventually, within};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER};

/// How soon all are open again after a crash: what docs/operations.md promises.
const ALL_OPEN: Duration = Duration::from_secs(30);
/// How soon an unlinking on the phone is told.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn c1_kill_9_with_n_paired_numbers_all_open_again_without_a_human() {
    const N: usize = 12;
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let mut numbers = Vec::new();
    for index in 0..N {
        let phone = format!("+55119999901{index:02}");
        let created = world.open_number(&phone).await;
        let companions = world.phones().companions(&phone).await;
        numbers.push((phone, created.id, companions[0]["jid"].clone()));
    }
    world.api().webhook(&numbers[0].1, &receiver.url("number"), &["*"]).await;

    world.product.kill_9();
    world.product.start_again().await;

    let started = Instant::now();
    for (phone, id, jid) in &numbers {
        let left = ALL_OPEN.saturating_sub(started.elapsed());
        within(left, &format!("{phone} is open"), async || {
            (world.api().state(id).await == "OPEN").then_some(())
        })
        .await;
        let companions = world.phones().companions(phone).await;
        assert_eq!(companions.len(), 1);
        assert_eq!(companions[0]["jid"], *jid, "the same device");
    }
    world.phones().send(FRIEND, &numbers[0].0, "hello").await;
    receiver.wait_for("number", "message.received", |_| true).await;
    assert_eq!(receiver.names("number"), ["message.received"], "a restart is no event");
}

fn jids(companions: &[Value]) -> Vec<&Value> {
    companions.iter().map(|one| &one["jid"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_short_reconnect_raises_no_event() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let numbers = ["+5511999990001", "+5511999990002", "+5511999990003"];
    let mut open = Vec::new();
    for number in numbers {
        let created = world.open_number(number).await;
        world
            .api()
            .webhook(&created.id, &receiver.url(number.trim_start_matches('+')), &["*"])
            .await;
        open.push((number, created.id, world.phones().companions(number).await));
    }

    for round in ["first", "second"] {
        world.phones().network(json!({"dropConnections": true})).await;
        for number in numbers {
            world.phones().send(FRIEND, number, round).await;
        }
        // What was cut is back when what was sent afterwards has come in.
        for number in numbers {
            let arrived = |data: &Value| data["content"] == round;
            receiver.wait_for(number.trim_start_matches('+'), "message.received", arrived).await;
        }
    }

    for (number, id, companions) in open {
        world.api().wait_until_open(&id).await;
        let same = eventually("the companion is connected", async || {
            let now = world.phones().companions(number).await;
            now.iter().all(|one| one["connected"] == true).then_some(now)
        });
        assert_eq!(jids(&same.await), jids(&companions), "the same device, no new one");
        let mut told = receiver.names(number.trim_start_matches('+'));
        // The numbers that were created after this one.
        told.retain(|name| name != "number.created");
        assert_eq!(told, ["message.received", "message.received"], "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_credentials_are_wiped_only_after_a_confirmed_logout() {
    let settings = [("SESSIONS__RECONCILE", "500ms"), ("SESSIONS__RETRY_BASE", "200ms")];
    let world = World::with(&settings).await;
    let number = world.open_number(NUMBER).await;
    let database = world.product.database();
    let faults = format!("/phones/{NUMBER}/faults");
    // A session ends, and the login after it is refused, in ways that confirm no logout.
    for (refused, ended) in [(None, 500), (None, 503), (None, 403), (Some(500), 503)] {
        let fault = json!({"streamError": ended, "now": true});
        if let Some(refused) = refused {
            let refusal = json!({"failure": refused, "times": 1});
            world.phones().post(&faults, refusal).await.expect(200);
        }
        world.phones().post(&faults, fault).await.expect(200);
        let text = format!("after {refused:?} {ended}");
        world.phones().send(FRIEND, NUMBER, &text).await;
        let inbound = format!("messages where content = '{text}'");
        within(ALL_OPEN, &format!("open again {text}"), async || {
            (database.count(&inbound).await == 1).then_some(())
        })
        .await;
        assert!(database.count("session_state").await > 0, "{text}");
        assert_eq!(database.count("numbers where jid is not null").await, 1, "{text}");
    }
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "never paired anew");

    world.phones().unlink(NUMBER, 1).await;

    world.api().wait_for_state(&number.id, "CLOSE").await;
    eventually("the credentials are gone", async || {
        (database.count("session_state").await == 0).then_some(())
    })
    .await;
    assert_eq!(database.count("numbers where jid is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_black_holed_socket_is_stale_within_t_and_close_plus_webhook_within_2t() {
    /// `probe_after` + `answer_timeout` of silence, with room for a busy machine.
    const T: Duration = Duration::from_secs(6);
    let settings = [
        ("SESSIONS__PROBE_AFTER", "2s"),
        ("WHATSAPP__ANSWER_TIMEOUT", "2s"),
        ("SESSIONS__CONFIRM_OUTAGE", "4s"),
        ("SESSIONS__RECONCILE", "500ms"),
    ];
    let (world, receiver) = (World::with(&settings).await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    let path = format!("/v1/numbers/{}/status", number.id);
    let before = world.api().get(&path).await.expect(200);
    assert_eq!((&before["state"], &before["stale"]), (&json!("OPEN"), &json!(false)));
    assert!(before["checkedAt"].is_string() && before["lastKnownAt"].is_null(), "{before}");

    let silence = Instant::now();
    world.phones().network(json!({"silent": true})).await;

    let proven = within(T, "stale", async || {
        let status = world.api().get(&path).await.expect(200);
        (status["stale"] == true).then_some(status)
    })
    .await;
    assert!(proven["checkedAt"].is_null() && proven["lastKnownAt"].is_string(), "{proven}");
    let proven = proven["lastKnownAt"].clone();
    let closed = within((2 * T).saturating_sub(silence.elapsed()), "CLOSE", async || {
        let status = world.api().get(&path).await.expect(200);
        assert!(status["state"] != "OPEN" || status["stale"] == true, "a lie: {status}");
        (status["state"] == "CLOSE").then_some(status)
    })
    .await;
    assert_eq!(closed["stateReason"], "NETWORK");
    let told = receiver.wait_for("number", "number.disconnected", |_| true).await;
    assert!(silence.elapsed() < 2 * T + SOON, "{:?}", silence.elapsed());
    assert_eq!(told.data()["errorCode"], "NETWORK");

    // What was the last proof stays the last proof, and one webhook is enough.
    let rows: Vec<(i64,)> =
        world.product.database().rows("select checked_at_ms < link_since_ms from numbers").await;
    assert_eq!(rows, [(1,)], "proven before it was lost: {proven}");
    world.phones().network(json!({"silent": false, "dropConnections": true})).await;
    receiver.wait_for("number", "number.connected", |_| true).await;
    assert_eq!(receiver.names("number"), ["number.disconnected", "number.connected"]);
    world.api().wait_until_open(&number.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_unlinking_on_the_phone_is_reported_within_seconds() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;

    world.phones().unlink(NUMBER, 1).await;

    let told = within(SOON, "the webhook", async || {
        receiver.events("number", "number.disconnected").pop()
    })
    .await;
    assert_eq!(told.data()["errorCode"], "LOGGED_OUT");
    assert_eq!(told.data()["phone"], NUMBER);
    assert_eq!(world.api().state(&number.id).await, "CLOSE");

    let codes = world.api().get(&format!("/v1/numbers/{}/connect", number.id)).await.expect(200);
    let qr = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, qr).await.expect(200);
    world.api().wait_until_open(&number.id).await;
    receiver.wait_for("number", "number.connected", |_| true).await;

    world.phones().send(FRIEND, NUMBER, "are you back?").await;
    receiver.wait_for("number", "message.received", |_| true).await;
    let names = receiver.names("number");
    assert_eq!(names, ["number.disconnected", "number.connected", "message.received"]);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1);
}
