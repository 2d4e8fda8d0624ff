//! I: what is deleted leaves no ghost.

use std::{collections::BTreeSet, path::Path, time::Duration};

use ramal_tests::{Created, Receiver, World, eventually, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{FRIEND, NUMBER, OTHER};

/// Deletes for good at once, and looks often whether it can.
const AT_ONCE: [(&str, &str); 5] = [
    ("NUMBERS__RESTORE_WINDOW", "0s"),
    ("NUMBERS__SWEEP_EVERY", "500ms"),
    ("SESSIONS__RECONCILE", "500ms"),
    ("SESSIONS__RETRY_BASE", "200ms"),
    ("SESSIONS__RETRY_CAP", "1s"),
];
/// How long unlinking may take once WhatsApp is back: a client may first have to notice.
const GONE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn i1_ids_are_opaque_and_generated() {
    let world = World::start().await;
    let api = world.api();
    // What has made numbers of others impossible to remove: names as ids.
    let names = ["trailing space ", "a/b?c#d", "..", "\u{1f600}", "%2e%2e"];
    let mut ids = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let body = json!({"name": name, "number": format!("+55119999901{index:02}")});
        let created = Created::read(api.post("/v1/numbers", body).await.expect(201));
        let (prefix, rest) = created.id.split_once('_').expect("a prefix");
        let plain = rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        assert!(prefix == "wa" && rest.len() == 26 && plain, "{}", created.id);
        ids.insert(created.id);
    }
    assert_eq!(ids.len(), names.len());

    let (removed, kept): (Vec<&String>, Vec<&String>) =
        ids.iter().partition(|id| id.ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e', 'g']));
    for id in &removed {
        api.delete(&format!("/v1/numbers/{id}")).await.expect(200);
    }
    let listed = api.numbers().await;
    let listed: BTreeSet<&str> = listed.iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(listed, kept.iter().map(|id| id.as_str()).collect(), "those, and no others");
    for id in &ids {
        api.call(Method::DELETE, &format!("/v1/numbers/{id}/purge"), None).await.expect(200);
    }
    eventually("all are gone", async || {
        (world.product.database().count("numbers").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_delete_resumes_after_a_crash() {
    let (mut world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.open_number(NUMBER).await;
    let other = world.open_number(OTHER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    world.phones().network(json!({"refuse": true, "dropConnections": true})).await;

    for id in [&number.id, &other.id] {
        world.api().delete(&format!("/v1/numbers/{id}")).await.expect(200);
    }

    receiver.wait_for("number", "number.removed", |_| true).await;
    assert!(world.api().numbers().await.is_empty());
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "not reachable yet");
    // Not even a crash makes it forget.
    world.product.kill_9();
    world.product.start_again().await;
    world.phones().network(json!({"refuse": false})).await;
    for phone in [NUMBER, OTHER] {
        eventually("the device is unlinked", async || {
            world.phones().companions(phone).await.is_empty().then_some(())
        })
        .await;
    }
    assert_eq!(receiver.names("number"), ["number.removed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_the_companion_is_matched_by_its_full_device_jid() {
    let world = World::start().await;
    let second = world.product.second_tenant();
    // The same phone, linked by two tenants: two devices of one account.
    let ours = world.open_number(NUMBER).await;
    let theirs = second.create(NUMBER).await;
    world.phones().scan(NUMBER, &theirs.qrcode).await.expect(200);
    second.wait_until_open(&theirs.id).await;
    let companions = world.phones().companions(NUMBER).await;
    assert_eq!(companions.len(), 2);

    world.api().delete(&format!("/v1/numbers/{}", ours.id)).await.expect(200);

    let left = eventually("one device is gone", async || {
        let left = world.phones().companions(NUMBER).await;
        (left.len() == 1).then_some(left)
    });
    assert_eq!(left.await[0]["jid"], companions[1]["jid"], "the deleted number's own");
    assert_eq!(second.state(&theirs.id).await, "OPEN", "nobody else is disturbed");
    second.on_number(&theirs.id).send_text(FRIEND, "still here").await;
    world.phones().wait_for_text(FRIEND, "still here").await;
}

/// Every file of the data folder but the database's own.
fn files(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).expect("the data folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("ramal.db"))
        .collect()
}

/// Where the database still speaks of a number: tables that have a column for it.
async fn traces(world: &World, id: &str) -> Vec<String> {
    let database = world.product.database();
    let columns: Vec<(String, String)> = database
        .rows(
            "select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c
             where m.type = 'table' and (c.name like '%number_id' or
                   (m.name = 'numbers' and c.name = 'id'))
               and m.name <> 'events'",
        )
        .await;
    assert!(columns.len() >= 5, "{columns:?}");
    let mut found = Vec::new();
    for (table, column) in columns {
        if database.count(&format!("{table} where {column} = '{id}'")).await > 0 {
            found.push(table);
        }
    }
    found
}

/// What each of these tests ends with.
async fn nothing_is_left(world: &World, created: &Created, key: &str) {
    within(GONE, "the device is unlinked", async || {
        world.phones().companions(NUMBER).await.is_empty().then_some(())
    })
    .await;
    let mut left = Vec::new();
    let gone = within(GONE, "nothing in the database", async || {
        left = traces(world, &created.id).await;
        left.is_empty().then_some(())
    });
    gone.await;
    within(GONE, "no socket", async || (world.phones().connections().await == 0).then_some(()))
        .await;
    let kept = ["master.key", "tmp"].map(str::to_owned);
    assert_eq!(files(&world.product.data()), BTreeSet::from(kept));
    assert_eq!(files(&world.product.data().join("tmp")), BTreeSet::new(), "no file on its way");
    let path = format!("/v1/numbers/{}", created.id);
    world.api().get(&path).await.refused(404, "NUMBER_NOT_FOUND");
    world.api().post(&format!("{path}/restore"), json!({})).await.refused(404, "NUMBER_NOT_FOUND");
    world.api().with_key(key).get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    // The phone number is free, and its next life is not haunted.
    let again = world.open_number(NUMBER).await;
    assert_ne!(again.id, created.id);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1);
}

/// A connected number that has lived: messages, a webhook, a key.
async fn lived(world: &World, receiver: &Receiver) -> (Created, String) {
    let number = world.open_number(NUMBER).await;
    world.api().webhook(&number.id, &receiver.url("number"), &["*"]).await;
    world.phones().send(FRIEND, NUMBER, "hello").await;
    receiver.wait_for("number", "message.received", |_| true).await;
    let key = world.api().key_of(&number.id).await;
    (number, key)
}

async fn delete(world: &World, number: &Created) {
    let path = format!("/v1/numbers/{}", number.id);
    let deleted = world.api().delete(&path).await.expect(200);
    assert_eq!(deleted["ok"], Value::Bool(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_after_a_delete_no_socket_file_row_key_or_linked_device_remains() {
    let (world, receiver) = (World::with(&AT_ONCE).await, Receiver::start().await);
    let (number, key) = lived(&world, &receiver).await;

    delete(&world, &number).await;

    receiver.wait_for("number", "number.removed", |_| true).await;
    nothing_is_left(&world, &number, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_whatsapp_refuses_connections_nothing_is_left_in_the_end() {
    let (mut world, receiver) = (World::with(&AT_ONCE).await, Receiver::start().await);
    let (number, key) = lived(&world, &receiver).await;
    world.phones().network(json!({"refuse": true, "dropConnections": true})).await;

    delete(&world, &number).await;

    assert!(world.api().numbers().await.is_empty(), "it is gone at once for those who look");
    world.product.kill_9();
    world.product.start_again().await;
    receiver.wait_for("number", "number.removed", |_| true).await;
    world.phones().network(json!({"refuse": false})).await;
    nothing_is_left(&world, &number, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_whatsapp_is_a_black_hole_nothing_is_left_in_the_end() {
    let settings = [&AT_ONCE[..], &[("WHATSAPP__ANSWER_TIMEOUT", "2s")]].concat();
    let (mut world, receiver) = (World::with(&settings).await, Receiver::start().await);
    let (number, key) = lived(&world, &receiver).await;
    world.phones().network(json!({"silent": true})).await;

    delete(&world, &number).await;

    receiver.wait_for("number", "number.removed", |_| true).await;
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1, "nobody confirmed it");
    world.product.kill_9();
    world.product.start_again().await;
    world.phones().network(json!({"silent": false, "dropConnections": true})).await;
    nothing_is_left(&world, &number, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_delete_nothing_is_left_in_the_end() {
    let (mut world, receiver) = (World::with(&AT_ONCE).await, Receiver::start().await);
    for delay in [0, 3, 9, 27] {
        let (number, key) = lived(&world, &receiver).await;
        let (api, path) = (world.api().clone(), format!("/v1/numbers/{}", number.id));
        let mut deleting = JoinSet::new();
        deleting.spawn(async move { api.ask(Method::DELETE, &path, &[], None).await });
        // A different moment each time, from at once to a little later.
        tokio::time::sleep(Duration::from_millis(delay)).await;

        world.product.kill_9();
        let _answered_or_not = deleting.join_all().await;
        world.product.start_again().await;

        // Whoever got no answer asks again.
        let again = world.api().delete(&format!("/v1/numbers/{}", number.id)).await;
        assert!(matches!(again.status, 200 | 404), "{}", again.text);
        nothing_is_left(&world, &number, &key).await;
        let listed = world.api().numbers().await;
        let id = listed[0]["id"].as_str().expect("an id");
        world.api().delete(&format!("/v1/numbers/{id}")).await.expect(200);
        within(GONE, "the next round's phone is free", async || {
            let linked = world.phones().companions(NUMBER).await.len();
            let rows = world.product.database().count("numbers").await;
            (linked == 0 && rows == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paired_anew_after_a_ban_the_old_device_is_no_ghost() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let faults = format!("/phones/{NUMBER}/faults");
    world.phones().post(&faults, json!({"failure": 403})).await.expect(200);
    world.phones().network(json!({"dropConnections": true})).await;
    world.api().wait_for_state(&number.id, "CLOSE").await;
    world.phones().call(Method::DELETE, &faults, None).await.expect(200);

    let path = format!("/v1/numbers/{}/connect", number.id);
    let codes = world.api().get(&path).await.expect(200);
    let picture = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, picture).await.expect(200);
    world.api().wait_until_open(&number.id).await;

    let linked = world.phones().companions(NUMBER).await;
    assert_eq!(linked.len(), 1, "{linked:?}");
}
