//! What happens to official numbers and their accounts, and how the customer hears of it.

use std::time::{Duration, Instant};

use ramal_tests::{Line, Official, eventually};
use serde_json::{Value, json};

use crate::{
    FRIEND_ID, NUMBER, OTHER, callback_taken_back, friend_writes, send, step, wait_for_status,
};

/// A number whose owner has made its address the callback of the app, too: account news comes there
/// only.
async fn told_of_accounts(settings: &[(&str, &str)]) -> (Official, Line) {
    let world = Official::with(settings).await;
    let line = world.line(NUMBER).await;
    let callback = json!({
        "callbackUrl": line.body["webhookUrl"],
        "verifyToken": line.body["verifyToken"],
    });
    world.graph.tell(&format!("/apps/{}", line.app), callback).await;
    (world, line)
}

async fn account_update(world: &Official, line: &Line, value: Value) {
    let told = world.graph.tell(&format!("/wabas/{}/account-update", line.waba), value).await;
    assert_eq!(told["webhooks"], 1, "it was told");
}

/// Another token of the same app.
async fn fresh_token(world: &Official, line: &Line) -> Value {
    let wish = json!({"appId": line.app, "wabaIds": [line.waba]});
    world.graph.tell("/tokens", wish).await["token"].clone()
}

async fn reconnect(world: &Official, line: &Line, fresh: Value) -> Value {
    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    world.api().post(&path, fresh).await.expect(200)
}

/// Waits until the number is closed for this reason, and checks everything that says so.
async fn closed(world: &Official, line: &Line, reason: &str) {
    world.api().wait_for_state(&line.id, "CLOSE").await;
    let gone = world.receiver.wait_for("line", "number.disconnected", |_| true).await.data();
    assert_eq!(gone["errorCode"], reason, "{gone}");
    assert!(gone["error"].as_str().is_some_and(|sentence| sentence.len() > 20), "{gone}");
    let is_it = |data: &Value| data["errorCode"] == reason;
    world.receiver.wait_for("line", "number.health_blocked", is_it).await;
    let detail = world.detail(&line.id).await;
    assert_eq!((&detail["state"], &detail["stateReason"]), (&json!("CLOSE"), &json!(reason)));
    assert_eq!(detail["health"]["code"], reason);
    assert_eq!(detail["health"]["sendable"], false);
    assert!(detail["health"]["reason"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_the_number_and_messages_wait_for_another_one() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    friend_writes(&world, &line, "hello?").await;
    world.graph.tell("/tokens/revoke", json!({"token": line.token})).await;

    let first = send(&line.api, json!({"text": "first"})).await;
    closed(&world, &line, "META_TOKEN_INVALID").await;
    let second = send(&line.api, json!({"text": "second"})).await;
    for id in [&first, &second] {
        let waits = line.api.get(&format!("/v1/messages/{id}")).await.expect(200);
        assert_eq!((&waits["status"], &waits["errorCode"]), (&json!("QUEUED"), &Value::Null));
    }
    // Without another token nothing changes.
    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    let refused = world.api().post(&path, json!({})).await;
    refused.refused(400, "META_CREDENTIALS_INVALID");
    assert_eq!(world.api().state(&line.id).await, "CLOSE");
    assert_eq!(step(&world.detail(&line.id).await, "validate"), "failed");

    let token = fresh_token(&world, &line).await;
    let again = reconnect(&world, &line, json!({"metaAccessToken": token})).await;

    assert_eq!(again["instance"]["state"], "OPEN");
    assert_eq!(again["numberId"], line.id.as_str());
    assert_eq!(again["verifyToken"], line.body["verifyToken"], "Meta knows it already");
    world.receiver.wait_for("line", "number.connected", |_| true).await;
    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    wait_for_status(&line.api, &second, "DELIVERED").await;
    wait_for_status(&line.api, &first, "DELIVERED").await;
    assert_eq!(world.graph.received(FRIEND_ID).await, ["first", "second"]);
    assert_eq!(world.receiver.events("line", "number.disconnected").len(), 1);
    assert_eq!(world.receiver.events("line", "number.health_blocked").len(), 1);
    let detail = world.detail(&line.id).await;
    assert_eq!((&detail["health"]["code"], &detail["stateReason"]), (&Value::Null, &Value::Null));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_found_out_without_a_message() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let line = world.line(NUMBER).await;
    world.graph.tell("/tokens/expire", json!({"token": line.token})).await;

    closed(&world, &line, "META_TOKEN_INVALID").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_finds_a_revoked_token_and_says_so() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    world.graph.tell("/tokens/revoke", json!({"token": line.token, "subcode": 458})).await;

    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    let detail = world.api().get(&path).await.expect(200);

    assert_eq!(detail["stateReason"], "META_TOKEN_INVALID");
    closed(&world, &line, "META_TOKEN_INVALID").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn low_quality_is_told_and_so_is_its_end() {
    let (world, line) = told_of_accounts(&[]).await;
    let path = format!("/numbers/{}/quality", line.phone);

    world.graph.tell(&path, json!({"rating": "RED"})).await;

    let ill = world.receiver.wait_for("line", "number.health_degraded", |_| true).await.data();
    assert_eq!(ill["errorCode"], "META_QUALITY_LOW", "{ill}");
    let detail = eventually("the rating is known", async || {
        let detail = world.detail(&line.id).await;
        (detail["health"]["qualityRating"] == "RED").then_some(detail)
    })
    .await;
    assert_eq!(detail["health"]["code"], "META_QUALITY_LOW");
    assert_eq!(detail["health"]["metaStatus"], "FLAGGED");
    assert_eq!(detail["state"], "OPEN", "it works, but badly");

    world.graph.tell(&path, json!({"rating": "GREEN"})).await;

    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    assert_eq!(world.detail(&line.id).await["health"]["code"], Value::Null);
    assert_eq!(world.receiver.events("line", "number.health_degraded").len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn low_quality_is_found_out_where_meta_does_not_tell() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let line = world.line(NUMBER).await;
    let path = format!("/numbers/{}", line.phone);

    world.graph.tell(&path, json!({"quality_rating": "RED"})).await;
    world.receiver.wait_for("line", "number.health_degraded", |_| true).await;
    world.graph.tell(&path, json!({"quality_rating": "YELLOW"})).await;
    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_closes_the_number_until_it_is_reinstated() {
    let (world, line) = told_of_accounts(&[]).await;
    let path = format!("/numbers/{}", line.phone);
    // What Meta tells, it tells twice.
    world.graph.tell("/settings", json!({"duplicate": true})).await;

    world.graph.tell(&path, json!({"status": "BANNED"})).await;
    let ban = json!({"waba_ban_state": "DISABLE", "waba_ban_date": "November 27, 2026"});
    account_update(&world, &line, json!({"event": "DISABLED_UPDATE", "ban_info": ban})).await;
    closed(&world, &line, "META_ACCOUNT_DISABLED").await;

    world.graph.tell(&path, json!({"status": "CONNECTED"})).await;
    let ban = json!({"waba_ban_state": "REINSTATE", "waba_ban_date": "November 28, 2026"});
    account_update(&world, &line, json!({"event": "DISABLED_UPDATE", "ban_info": ban})).await;

    world.api().wait_until_open(&line.id).await;
    world.receiver.wait_for("line", "number.connected", |_| true).await;
    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    world.graph.settled().await;
    assert_eq!(world.receiver.events("line", "number.disconnected").len(), 1);
    assert_eq!(world.receiver.events("line", "number.health_blocked").len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_is_told_with_its_end() {
    let (world, line) = told_of_accounts(&[]).await;
    let restriction = json!([{
        "restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING",
        "expiration": 4_000_000_000_u32,
    }]);
    let value = json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": restriction});

    account_update(&world, &line, value).await;

    let ill = world.receiver.wait_for("line", "number.health_degraded", |_| true).await.data();
    assert_eq!(ill["errorCode"], "META_RESTRICTED");
    let detail = world.detail(&line.id).await;
    assert_eq!(
        (&detail["state"], &detail["health"]["code"]),
        (&json!("OPEN"), &json!("META_RESTRICTED"))
    );
    let end = detail["health"]["restrictedUntil"].clone();
    assert!(end.is_string(), "{detail}");

    // What comes without an end takes none away.
    let violation = json!({"violation_type": "SPAM"});
    let value = json!({"event": "ACCOUNT_VIOLATION", "violation_info": violation});
    account_update(&world, &line, value).await;
    world.graph.settled().await;
    assert_eq!(world.detail(&line.id).await["health"]["restrictedUntil"], end);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_disconnects_closes_the_number_and_what_is_queued_waits() {
    let (world, line) = told_of_accounts(&[]).await;
    friend_writes(&world, &line, "hello?").await;

    account_update(&world, &line, json!({"event": "PARTNER_REMOVED"})).await;

    closed(&world, &line, "META_DISCONNECTED").await;
    let id = send(&line.api, json!({"text": "patience"})).await;
    assert_eq!(world.graph.received(FRIEND_ID).await, [] as [String; 0]);
    // Meta took its right away with it.
    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    let refused = world.api().post(&path, json!({})).await;
    refused.refused(400, "META_CREDENTIALS_INVALID");
    let token = fresh_token(&world, &line).await;
    let again = reconnect(&world, &line, json!({"metaAccessToken": token})).await;
    assert_eq!(again["instance"]["state"], "OPEN");
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_deregistered_elsewhere_says_so_and_is_registered_by_a_reconnect() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let line = world.connect(&business).await;
    world.api().webhook(&line.id, &world.receiver.url("line"), &["*"]).await;
    let lost = json!({"platform_type": "NOT_APPLICABLE", "status": "DISCONNECTED"});
    world.graph.tell(&format!("/numbers/{}", line.phone), lost).await;

    let id = send(&line.api, json!({"templateId": "hello_world"})).await;

    closed(&world, &line, "META_NOT_REGISTERED").await;
    let again = reconnect(&world, &line, json!({})).await;
    assert_eq!(step(&again, "register"), "done");
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_that_fails_leaves_the_number_as_it_was() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    let wrong = "EAAGnobodyeverissuedthistoken";
    world.hide(wrong);

    let refused = world.api().post(&path, json!({"metaAccessToken": wrong})).await;
    refused.refused(400, "META_CREDENTIALS_INVALID");
    let malformed = world.api().post(&path, json!({"metaPin": "1"})).await;
    malformed.refused(400, "VALIDATION_ERROR");

    assert_eq!(world.api().state(&line.id).await, "OPEN");
    assert_eq!(step(&world.detail(&line.id).await, "validate"), "done", "of what it lives by");
    let id = send(&line.api, json!({"templateId": "hello_world"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_meta_does_not_answer_about_holds_up_no_other() {
    let world = Official::with(&[
        ("META__POLL_EVERY", "200ms"),
        ("META__TIMEOUT", "30s"),
        ("META__CONFIRM_WITHIN", "60s"),
    ])
    .await;
    let line = world.line(NUMBER).await;
    let business = world.graph.business(json!({"number": OTHER})).await;
    let other = world.connect(&business).await;
    let hangs = json!({"route": "phone", "id": other.phone, "hang": true, "times": 99});
    world.graph.fault(hangs).await;
    let looks = async || world.graph.calls("GET", "phone").await.len();
    let before = looks().await;
    eventually("it is being looked at", async || (looks().await > before + 1).then_some(())).await;

    let started = Instant::now();
    let id = send(&line.api, json!({"templateId": "hello_world"})).await;
    wait_for_status(&line.api, &id, "DELIVERED").await;
    let change = json!({"quality_rating": "RED"});
    world.graph.tell(&format!("/numbers/{}", line.phone), change).await;

    // It is not only sent for, it is also looked at.
    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    let detail = world.api().get(&path).await.expect(200);
    assert_eq!(detail["health"]["qualityRating"], "RED");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_gone_at_meta_is_closed_once_meta_has_said_so_twice() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let line = world.line(NUMBER).await;
    // One answer may be a mistake.
    let once = json!({"route": "phone", "method": "GET", "code": 33});
    world.graph.fault(once).await;
    eventually("it has been answered", async || {
        let faults = world.graph.list("/faults").await;
        faults.is_empty().then_some(())
    })
    .await;
    eventually("it is there after all", async || {
        (step(&world.detail(&line.id).await, "verify") == "done").then_some(())
    })
    .await;
    assert_eq!(world.api().state(&line.id).await, "OPEN");

    let gone = json!({"status": "DELETED"});
    world.graph.tell(&format!("/numbers/{}", line.phone), gone).await;

    closed(&world, &line, "META_DISCONNECTED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_of_a_closed_number_does_not_say_that_it_is_well() {
    let (world, line) = told_of_accounts(&[]).await;
    account_update(&world, &line, json!({"event": "PARTNER_REMOVED"})).await;
    closed(&world, &line, "META_DISCONNECTED").await;

    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    let detail = world.api().get(&path).await.expect(200);

    assert_eq!(
        (&detail["state"], &detail["health"]["code"]),
        (&json!("CLOSE"), &json!("META_DISCONNECTED"))
    );
    assert!(world.receiver.events("line", "number.recovered").is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_meta_refuses_shows_the_number_as_it_is() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    eventually("it is described", async || {
        world.detail(&line.id).await["meta"]["waba"].is_object().then_some(())
    })
    .await;
    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    for code in [100, 33] {
        world.graph.fault(json!({"route": "phone", "method": "GET", "code": code})).await;
        let detail = world.api().get(&path).await.expect(200);
        assert_eq!(detail["state"], "OPEN", "{code}");
    }
    world.graph.fault(json!({"route": "phone", "method": "GET", "code": 2, "times": 3})).await;
    world.api().get(&path).await.refused(503, "UPSTREAM_ERROR");
    world.graph.fault(json!({"route": "phone", "method": "GET", "code": 368})).await;
    let detail = world.api().get(&path).await.expect(200);
    assert_eq!(detail["stateReason"], "META_ACCOUNT_DISABLED");
    assert_eq!(step(&detail, "verify"), "failed");
    let detail = world.api().get(&path).await.expect(200);
    assert_eq!(detail["state"], "OPEN", "that has passed: {detail}");
    assert_eq!(step(&detail, "verify"), "done");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_a_look_found_banned_comes_back_by_itself() {
    let world = Official::with(&[("META__POLL_EVERY", "300ms")]).await;
    let line = world.line(NUMBER).await;
    let path = format!("/numbers/{}", line.phone);

    world.graph.tell(&path, json!({"status": "BANNED"})).await;
    closed(&world, &line, "META_ACCOUNT_DISABLED").await;
    world.graph.tell(&path, json!({"status": "CONNECTED"})).await;

    world.api().wait_until_open(&line.id).await;
    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_a_ban_is_not_undone_by_a_look() {
    let (world, line) = told_of_accounts(&[]).await;
    let ban = json!({"waba_ban_state": "DISABLE", "waba_ban_date": "November 27, 2026"});
    account_update(&world, &line, json!({"event": "DISABLED_UPDATE", "ban_info": ban})).await;
    closed(&world, &line, "META_ACCOUNT_DISABLED").await;

    // The number itself looks well: the account is not.
    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    let detail = world.api().get(&path).await.expect(200);

    assert_eq!(detail["stateReason"], "META_ACCOUNT_DISABLED");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_its_owner_changes_is_noticed_and_set_again() {
    let world = Official::with(&[("META__POLL_EVERY", "300ms")]).await;
    let line = world.line(NUMBER).await;
    world.reachable(false);

    callback_taken_back(&world, &line.business).await;

    let ill = world.receiver.wait_for("line", "number.health_degraded", |_| true).await.data();
    assert_eq!(ill["errorCode"], "META_CALLBACK_UNREACHABLE", "{ill}");
    let detail = world.detail(&line.id).await;
    assert_eq!((step(&detail, "subscribe"), step(&detail, "verify")), ("failed", "failed"));

    world.reachable(true);

    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    let detail = world.detail(&line.id).await;
    assert_eq!((step(&detail, "subscribe"), step(&detail, "verify")), ("done", "done"));
    let number = world.graph.number(&line.phone).await;
    assert_eq!(number["callback"][1]["url"], line.body["webhookUrl"], "{number}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ailments_do_not_take_turns() {
    let world = Official::with(&[("META__POLL_EVERY", "200ms")]).await;
    let line = world.line(NUMBER).await;
    world.reachable(false);
    callback_taken_back(&world, &line.business).await;
    let path = format!("/numbers/{}", line.phone);
    world.graph.tell(&path, json!({"quality_rating": "RED"})).await;
    let is_deaf = |data: &Value| data["errorCode"] == "META_CALLBACK_UNREACHABLE";
    world.receiver.wait_for("line", "number.health_degraded", is_deaf).await;
    let told = world.receiver.events("line", "number.health_degraded").len();
    let looks = async || world.graph.calls("GET", "phone").await.len();
    let before = looks().await;

    eventually("it is looked at", async || (looks().await > before + 3).then_some(())).await;

    assert_eq!(world.receiver.events("line", "number.health_degraded").len(), told);
    world.reachable(true);
    let is_low = |data: &Value| data["errorCode"] == "META_QUALITY_LOW";
    world.receiver.wait_for("line", "number.health_degraded", is_low).await;
    world.graph.tell(&path, json!({"quality_rating": "GREEN"})).await;
    eventually("it is well", async || {
        world.detail(&line.id).await["health"]["code"].is_null().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_without_an_end_ends_when_the_account_is_reinstated() {
    let (world, line) = told_of_accounts(&[]).await;
    let violation = json!({"violation_type": "SPAM"});
    let value = json!({"event": "ACCOUNT_VIOLATION", "violation_info": violation});
    account_update(&world, &line, value).await;
    let ill = world.receiver.wait_for("line", "number.health_degraded", |_| true).await.data();
    assert_eq!(ill["errorCode"], "META_RESTRICTED");

    let ban = json!({"waba_ban_state": "REINSTATE", "waba_ban_date": "November 28, 2026"});
    account_update(&world, &line, json!({"event": "DISABLED_UPDATE", "ban_info": ban})).await;

    world.receiver.wait_for("line", "number.recovered", |_| true).await;
    assert_eq!(world.detail(&line.id).await["health"]["code"], Value::Null);
    world.end().await;
}
