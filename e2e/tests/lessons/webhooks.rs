//! F: webhooks are neither lost, nor late, nor doubled.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ramal_tests::{Delivery, Receiver, World, eventually, within};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER, OTHER};

#[tokio::test(flavor = "multi_thread")]
async fn f1_the_event_row_is_written_with_the_state_change() {
    const N: usize = 6;
    let world = World::start().await;
    let database = world.product.database();
    // One statement sees one moment: the state and the record of it, or neither.
    let sql = "select
        (select count(*) from numbers where link = 'open'),
        (select count(*) from events where kind = 'number.connected'),
        (select count(*) from messages where direction = 'in'),
        (select count(*) from events where kind = 'message.received')";
    let mut looks = 0;
    let mut look = async || {
        let seen: Vec<(i64, i64, i64, i64)> = database.rows(sql).await;
        let (open, connected, inbound, received) = seen[0];
        assert_eq!((open, inbound), (connected, received), "half a fact");
        looks += 1;
        (open, inbound)
    };

    let mut numbers = Vec::new();
    for index in 0..N {
        numbers.push(world.api().create(&format!("+55119999901{index:02}")).await);
    }
    for (index, number) in numbers.iter().enumerate() {
        let phone = format!("+55119999901{index:02}");
        world.phones().scan(&phone, &number.qrcode).await.expect(200);
        let connected = i64::try_from(index).expect("a small number") + 1;
        eventually("it is open", async || (look().await.0 >= connected).then_some(())).await;
        world.phones().send(FRIEND, &phone, "hello").await;
    }
    let all = i64::try_from(N).expect("a small number");
    eventually("all has come in", async || (look().await == (all, all)).then_some(())).await;
    assert!(looks > N);
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_kill_9_between_commit_and_delivery_still_delivers() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    let (_, secret) = world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    receiver.answer_with(503);
    world.phones().send(FRIEND, NUMBER, "hold this").await;
    let refused = eventually("a first attempt", async || receiver.all("number").pop()).await;
    let id = refused.id().to_owned();

    world.product.kill_9();
    world.product.start_again().await;
    receiver.answer_with(200);

    let delivered = receiver.wait_for("number", "message.received", |_| true).await;
    assert_eq!(delivered.id(), id);
    assert_eq!(delivered.body, refused.body);
    delivered.verify(&secret);
    let log = eventually("the log has the success", async || {
        let hooks = world.api().get("/v1/webhooks").await.expect(200);
        let path = format!("/v1/webhooks/{}/logs", hooks[0]["id"].as_str()?);
        let log = world.api().get(&path).await.expect(200);
        log.as_array()?.iter().any(|row| row["status"] == "SUCCESS").then_some(log)
    })
    .await;
    let failed = |row: &Value| row["status"] == "FAILED" && row["statusCode"] == 503;
    assert!(log.as_array().expect("an array").iter().any(failed), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_the_event_id_is_stable_across_retries() {
    const TRIES: usize = 4;
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    receiver.answer_with(500);
    world.phones().send(FRIEND, NUMBER, "again and again").await;
    eventually("some attempts", async || (receiver.all("number").len() >= TRIES).then_some(()))
        .await;
    receiver.answer_with(200);
    receiver.wait_for("number", "message.received", |_| true).await;

    let all = receiver.all("number");
    let ids: BTreeSet<&str> = all.iter().map(Delivery::id).collect();
    let bodies: BTreeSet<&[u8]> = all.iter().map(|one| one.body.as_ref()).collect();
    assert_eq!((ids.len(), bodies.len()), (1, 1), "one event, one body");
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_a_slow_receiver_neither_blocks_other_numbers_nor_gets_a_second_concurrent_send() {
    const SLOW: Duration = Duration::from_secs(4);
    const TEXTS: usize = 3;
    // One slow address answers within the limit, the other does not.
    let settings = [
        ("WEBHOOKS__ATTEMPT_TIMEOUT", "6s"),
        ("WEBHOOKS__LEASE", "12s"),
        ("WEBHOOKS__RETRY_BASE", "100ms"),
    ];
    let (world, receiver) = (World::with(&settings).await, Receiver::start().await);
    let (slow, quick) = (world.open_number(NUMBER).await, world.open_number(OTHER).await);
    for (number, path) in [(&slow, "slow"), (&slow, "too-slow"), (&quick, "quick")] {
        world.api().webhook(&number.id, &receiver.url(path), &["message.received"]).await;
    }
    receiver.answer_after("slow", SLOW);
    receiver.answer_after("too-slow", SLOW * 5);

    for index in 0..TEXTS {
        world.phones().send(FRIEND, NUMBER, &format!("slow {index}")).await;
    }
    eventually("the slow ones are at it", async || {
        let at_it = |path| !receiver.all(path).is_empty();
        (at_it("slow") && at_it("too-slow")).then_some(())
    })
    .await;
    let started = Instant::now();
    for index in 0..TEXTS {
        let text = format!("quick {index}");
        world.phones().send(FRIEND, OTHER, &text).await;
        receiver.wait_for("quick", "message.received", |data| data["content"] == text).await;
    }
    assert!(started.elapsed() < SLOW, "the others wait for nobody: {:?}", started.elapsed());

    let all_slow = SLOW * u32::try_from(TEXTS).expect("a small number") + Duration::from_secs(20);
    within(all_slow, "the slow one has all", async || {
        (receiver.all("slow").len() == TEXTS).then_some(())
    })
    .await;
    // The first send to it was cut off, and followed by another.
    let repeated = async || {
        let all = receiver.all("too-slow");
        let ids: BTreeSet<&str> = all.iter().map(Delivery::id).collect();
        (all.len() > ids.len()).then_some(())
    };
    within(all_slow, "a repeat after the limit", repeated).await;
    assert_eq!(receiver.overlaps(), 0, "never two sends of one event at a time");
    let contents: Vec<Value> =
        receiver.all("slow").iter().map(|one| one.data()["content"].clone()).collect();
    assert_eq!(contents, ["slow 0", "slow 1", "slow 2"], "each once, in order");
}

/// Every event that the API document names and a webhook of `number` can have: some names are the
/// original provider's, and dropped, because nothing here can cause them.
async fn declared(world: &World, number: &str) -> BTreeSet<String> {
    let document = world.api().anonymous().get("/openapi.json").await.expect(200);
    let mut named = BTreeSet::new();
    collect(&document, &mut named);
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let (hook, _) = world.api().webhook(number, "http://127.0.0.1:1/", &named).await;
    let path = format!("/v1/webhooks/{hook}");
    let kept = world.api().get(&path).await.expect(200)["events"].clone();
    world.api().delete(&path).await.expect(200);
    let kept = kept.as_array().expect("an array");
    kept.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// The event names in a part of the API document.
fn collect(part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            let names = fields.get("enum").and_then(Value::as_array);
            let names: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
            if names.contains(&"number.created") {
                let names = names.iter().filter(|&&name| name != "*");
                found.extend(names.map(|&name| name.to_owned()));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Seen by tests of their own, which need more of the world than this one: `settings.rs`,
/// `passkey.rs`, `health.rs` and `official/`.
const ELSEWHERE: [&str; 7] = [
    "message.group",
    "message.newsletter",
    "message.reply",
    "number.action_required",
    "number.health_blocked",
    "number.health_degraded",
    "number.recovered",
];

#[tokio::test(flavor = "multi_thread")]
async fn f5_every_declared_event_type_has_a_contract_test_that_sees_it() {
    let settings = [("SESSIONS__CONFIRM_OUTAGE", "1s")];
    let (world, receiver) = (World::with(&settings).await, Receiver::start().await);
    let (api, phones) = (world.api(), world.phones());
    let number = api.create(NUMBER).await;
    let (hook, secret) = api.webhook(&number.id, &receiver.url("number"), &["*"]).await;
    let seen = async |event: &str| {
        receiver.wait_for("number", event, |_| true).await.verify(&secret);
    };

    api.create(OTHER).await;
    seen("number.created").await;
    phones.scan(NUMBER, &number.qrcode).await.expect(200);
    seen("number.connected").await;
    let own = api.on_number(&number.id);
    own.send_text(FRIEND, "hello").await;
    let arrived = phones.wait_for_text(FRIEND, "hello").await;
    seen("message.sent").await;
    seen("message.delivered").await;
    phones.read(FRIEND, &arrived).await;
    seen("message.read").await;
    phones.send(FRIEND, NUMBER, "hello yourself").await;
    seen("message.received").await;
    phones.post("/phones/+5511999990777/absent", json!({"absent": true})).await;
    own.send_text("+5511999990777", "nobody there").await;
    seen("message.failed").await;
    api.post(&format!("/v1/webhooks/{hook}/test"), json!({})).await.expect(202);
    seen("webhook.test").await;
    phones.network(json!({"refuse": true, "dropConnections": true})).await;
    seen("number.disconnected").await;
    phones.network(json!({"refuse": false})).await;
    let path = format!("/v1/numbers/{}", number.id);
    api.delete(&path).await.expect(200);
    seen("number.removed").await;
    api.post(&format!("{path}/restore"), json!({})).await.expect(200);
    seen("number.restored").await;

    let found: BTreeSet<String> = receiver.names("number").into_iter().collect();
    let declared = declared(&world, &number.id).await;
    let unseen: Vec<&String> =
        declared.difference(&found).filter(|name| !ELSEWHERE.contains(&name.as_str())).collect();
    assert!(declared.len() >= 10, "{declared:?}");
    assert_eq!(unseen, Vec::<&String>::new(), "declared, and seen by no test");
    let strangers: Vec<&String> = found.difference(&declared).collect();
    assert_eq!(strangers, ["webhook.test"], "told without being declared");
}
