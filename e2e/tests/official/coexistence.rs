//! Numbers that the WhatsApp Business app has as well: what happens there is known here.

use ramal_tests::{Line, Official, eventually};
use serde_json::{Value, json};

use crate::{FRIEND, FRIEND_ID, NUMBER, friend_writes, send, step, wait_for_status};

/// Such a number, connected, whose app shares these threads; with a webhook at `/line`.
async fn shared(threads: Value) -> (Official, Line) {
    shared_with(threads, json!({})).await
}

/// The same with a wish for how it is created.
async fn shared_with(threads: Value, changes: Value) -> (Official, Line) {
    let world = Official::start().await;
    // What it shares at once, it may share before the number is listed: Meta repeats it.
    world.graph.tell("/settings", json!({"retryDelaysMs": [100]})).await;
    let wish = json!({"number": NUMBER, "phone": {"is_on_biz_app": true}});
    let business = world.graph.business(wish).await;
    let path = format!("/numbers/{}/history", business.phone);
    world.graph.tell(&path, json!({ "threads": threads })).await;
    let body = world.create_by(world.api(), &business, changes).await.expect(201);
    let id = body["numberId"].as_str().expect("an id").to_owned();
    let key = world.api().key_of(&id).await;
    let line = Line { id, api: world.api().with_key(&key), body, business };
    world.api().webhook(&line.id, &world.receiver.url("line"), &["*"]).await;
    (world, line)
}

/// The owner does something in the app.
async fn echo(world: &Official, line: &Line, id: &str, said: Value) {
    let mut echo = json!({
        "from": NUMBER.trim_start_matches('+'), "to": FRIEND_ID, "id": id,
        "timestamp": "1780000000",
    });
    for (key, value) in said.as_object().expect("fields") {
        echo[key] = value.clone();
    }
    let value = json!({"field": "smb_message_echoes", "value": {"message_echoes": [echo]}});
    world.graph.tell(&format!("/numbers/{}/webhooks", line.phone), value).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_is_kept_and_told_to_nobody() {
    let past = |id: &str, from: &str, text: &str, status: &str| {
        json!({
            "id": id, "from": from, "timestamp": "1780000000", "type": "text",
            "text": {"body": text}, "history_context": {"status": status},
        })
    };
    let own = NUMBER.trim_start_matches('+');
    // Its place is told first, and then the picture.
    let mut picture = past("wamid.picture", FRIEND_ID, "", "READ");
    picture["type"] = json!("image");
    picture["image"] =
        json!({"id": "77777", "mime_type": "image/png", "sha256": "aGVsbG8=", "caption": "us"});
    let messages = json!([
        past("wamid.in", FRIEND_ID, "long ago", "READ"),
        past("wamid.out", own, "answered", "READ"),
        picture,
    ]);

    let (world, line) = shared(json!([{"id": FRIEND_ID, "messages": messages}])).await;

    let found = async |id: &str| {
        let answer = line.api.get(&format!("/v1/messages/{id}")).await;
        (answer.status == 200).then(|| answer.json())
    };
    eventually("what came in is known", async || found("wamid.in").await).await;
    let sent = eventually("what went out is known", async || found("wamid.out").await).await;
    assert_eq!((&sent["status"], &sent["destinationNumber"]), (&json!("READ"), &json!(FRIEND)));
    eventually("the picture is known", async || found("wamid.picture").await).await;
    let kept = "messages where wire_id = 'wamid.picture' and kind = 'image' and content = 'us'";
    assert_eq!(world.product.database().count(kept).await, 1, "it is the picture, not its place");
    friend_writes(&world, &line, "and now").await;
    world.graph.settled().await;
    assert_eq!(world.receiver.events("line", "message.received").len(), 1, "the new one only");
    assert!(world.receiver.events("line", "message.sent").is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_shares_no_history_is_connected_all_the_same() {
    let (world, line) = shared(Value::Null).await;

    assert_eq!(step(&line.body, "verify"), "done");
    friend_writes(&world, &line, "hello").await;
    let id = send(&line.api, json!({"text": "hi"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.graph.settled().await;
    assert_eq!(world.api().state(&line.id).await, "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_in_the_app_is_told_as_sent() {
    let (world, line) = shared(json!([])).await;
    let said = json!({"type": "text", "text": {"body": "typed on the phone"}});

    for _repeat in 0..2 {
        echo(&world, &line, "wamid.echo", said.clone()).await;
    }

    let told = world.receiver.wait_for("line", "message.sent", |_| true).await.data();
    assert_eq!((&told["content"], &told["to"]), (&json!("typed on the phone"), &json!(FRIEND)));
    assert_eq!((&told["fromMe"], &told["messageId"]), (&json!(true), &json!("wamid.echo")));
    world.graph.settled().await;
    assert_eq!(world.receiver.events("line", "message.sent").len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_changes_in_the_app_is_no_message() {
    let (world, line) = shared(json!([])).await;
    let text = |body: &str| json!({"type": "text", "text": {"body": body}});
    let revoke = |id: &str| json!({"type": "revoke", "revoke": {"original_message_id": id}});
    let edit = json!({"type": "edit", "edit": {"original_message_id": "wamid.echo",
        "message": {"type": "text", "text": {"body": "typed well"}}}});
    let system = json!({"type": "system", "system": {"body": "Your security code has changed"}});

    echo(&world, &line, "wamid.echo", text("typde")).await;
    world.receiver.wait_for("line", "message.sent", |_| true).await;
    echo(&world, &line, "wamid.edit", edit).await;
    let edited = world.receiver.wait_for("line", "message.edited", |_| true).await.data();
    echo(&world, &line, "wamid.system", system).await;
    echo(&world, &line, "wamid.revoke", revoke("wamid.echo")).await;
    let deleted = world.receiver.wait_for("line", "message.deleted", |_| true).await.data();
    // Meta repeats what was not taken: the deletion may come first.
    echo(&world, &line, "wamid.sooner", revoke("wamid.later")).await;
    echo(&world, &line, "wamid.later", text("a secret")).await;
    echo(&world, &line, "wamid.last", text("last")).await;
    world.receiver.wait_for("line", "message.sent", |data| data["content"] == "last").await;
    world.graph.settled().await;

    assert_eq!(edited["content"], "typed well");
    for data in [&edited, &deleted] {
        assert_eq!((&data["messageId"], &data["fromMe"]), (&json!("wamid.echo"), &json!(true)));
    }
    assert_eq!(world.receiver.events("line", "message.sent").len(), 2);
    let page = line.api.get("/v1/messages/history").await.expect(200);
    assert_eq!(page["total"], 3, "{page}");
    assert_eq!(world.product.database().count("messages where content is not null").await, 1);
    assert_eq!(world.product.database().count("early_amendments").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_of_the_past_are_told_when_they_come() {
    let picture = json!({
        "id": "wamid.picture", "from": FRIEND_ID, "timestamp": "1780000000", "type": "image",
        "image": {"id": "77777", "mime_type": "image/png", "sha256": "aGVsbG8=", "caption": "us"},
        "history_context": {"status": "READ"},
    });
    let threads = json!([{"id": FRIEND_ID, "messages": [picture]}]);

    let wish = json!({"settings": {"webhookHistoricalMessages": true}});
    let (world, _line) = shared_with(threads, wish).await;

    // It may be shared before there is a webhook.
    let told = async |what: &str| {
        let condition = format!("events where kind = 'message.received' {what}");
        world.product.database().count(&condition).await
    };
    eventually("the picture is told", async || {
        (told("and body like '%\"mediaCaption\":\"us\"%'").await == 1).then_some(())
    })
    .await;
    world.graph.settled().await;
    assert_eq!(told("").await, 1, "once, and not what stood for it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_unsubscribes_it_but_leaves_the_registration_to_the_app() {
    let (world, line) = shared(json!([])).await;

    world.api().delete(&format!("/v1/numbers/{}", line.id)).await.expect(200);

    eventually("it has left", async || {
        let left = world.product.database().count("official_numbers where leaving = 1").await == 0;
        left.then_some(())
    })
    .await;
    let number = world.graph.number(&line.phone).await;
    assert_eq!(
        (&number["callback"], &number["node"]["status"]),
        (&Value::Null, &json!("CONNECTED"))
    );
    assert!(world.graph.calls("POST", "deregister").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_signs_up_by_embedded_signup_without_being_registered() {
    let world = Official::with_operator(&[]).await;
    let wish = json!({"number": NUMBER, "phone": {"is_on_biz_app": true}});
    let business = world.graph.business(wish).await;
    let wish = json!({"provider": "META", "metaFlow": "embedded"});
    let link = world.api().post("/v1/numbers/remote-pairing", wish).await.expect(201);
    let token = link["remotePairingToken"].as_str().expect("a token");
    let path = format!("/v1/remote-pairing/{token}/meta");
    let start = world.api().post(&format!("{path}/start"), json!({})).await.expect(200);
    let app = world.operator.as_ref().expect("an operator")["id"].clone();
    let code = world.graph.tell("/codes", json!({"appId": app, "wabaIds": [business.waba]})).await;

    // The dialog's finish event of this kind names the account only.
    let body = json!({"state": start["state"], "code": code["code"], "wabaId": business.waba});
    let done = world.api().post(&format!("{path}/embedded"), body).await.expect(200);

    assert_eq!(step(&done, "register"), "skipped");
    let detail = world.detail(done["numberId"].as_str().expect("an id")).await;
    assert_eq!(detail["coexistence"]["status"], "CONFIRMED");
    assert_eq!(detail["state"], "OPEN");
    assert!(world.graph.calls("POST", "register").await.is_empty());
    world.end().await;
}
