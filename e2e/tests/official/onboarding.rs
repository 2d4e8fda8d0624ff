//! Numbers of people who bring their own credentials (contract C.12), and how far their onboarding is.

use ramal_tests::{Official, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    FRIEND, NUMBER, OTHER, ask_meta, fault_later, send, step, wait_for_status,
    when_the_callback_is_tried,
};

#[tokio::test(flavor = "multi_thread")]
async fn with_good_credentials_a_number_is_open_at_once() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER, "name": "Acme"})).await;

    let created = world.create(&business, json!({"metaAppId": business.app})).await.expect(201);

    let id = created["numberId"].as_str().expect("an id");
    let instance = &created["instance"];
    assert_eq!(instance["id"], id);
    assert_eq!(instance["provider"], "META");
    assert_eq!(instance["state"], "OPEN");
    assert_eq!(instance["name"], "Support");
    assert_eq!(instance["number"], "5511999990001");
    assert_eq!(created["webhookUrl"], format!("{}/webhooks/meta/{id}", world.callback.url()));
    assert!(created["verifyToken"].as_str().is_some_and(|token| token.len() >= 32));
    assert_eq!(created["linkedApiKeyId"], Value::Null);
    let steps = created["onboarding"].as_array().expect("a list");
    let names: Vec<&Value> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(names, ["validate", "waba", "register", "subscribe", "verify"]);
    assert_eq!(
        ["validate", "waba", "subscribe", "verify"].map(|it| step(&created, it)),
        ["done"; 4]
    );
    assert_eq!(step(&created, "register"), "skipped", "it was registered already: {created}");
    let mut keys: Vec<&str> =
        created.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected =
        ["instance", "linkedApiKeyId", "numberId", "onboarding", "verifyToken", "webhookUrl"];
    assert_eq!(keys, expected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_detail_and_status_say_what_it_is_at_meta() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    let status = world.api().get(&format!("/v1/numbers/{}/status", line.id)).await.expect(200);
    assert_eq!(status["state"], "OPEN");
    assert_eq!(status["isFullyConnected"], true);
    assert_eq!(status["stale"], false);
    assert!(status.get("checkedAt").is_none() && status.get("lastKnownAt").is_none(), "{status}");

    let path = format!("/v1/numbers/{}?refresh=1", line.id);
    let detail = world.api().get(&path).await.expect(200);
    assert_eq!(detail["provider"], "META");
    assert_eq!(detail["meta"]["phone"]["platformType"], "CLOUD_API");
    assert_eq!(detail["meta"]["phone"]["isOnBizApp"], false);
    assert_eq!(detail["meta"]["phone"]["verifiedName"], "Demo Shop");
    assert_eq!(detail["meta"]["waba"]["name"], "Demo Shop");
    assert!(detail["meta"]["profile"].is_object(), "{detail}");
    let health = &detail["health"];
    assert_eq!(health["qualityRating"], "GREEN");
    assert_eq!(health["messagingLimitTier"], "TIER_2K");
    assert_eq!(health["portfolioMessagingLimitTier"], "TIER_2K");
    assert_eq!(health["metaStatus"], "CONNECTED");
    assert_eq!(health["sendable"], true);
    assert_eq!((&health["code"], &health["reason"]), (&Value::Null, &Value::Null));
    assert_eq!(detail["coexistence"]["status"], "NO");
    assert_eq!(detail["settings"]["appliesTo"]["advanced"], "none");
    assert_eq!(detail["settings"]["appliesTo"]["sending"], "meta");
    assert_eq!(step(&detail, "subscribe"), "done");

    let listed = world.api().numbers().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["provider"], "META");
    assert_eq!(listed[0]["state"], "OPEN");
    assert_eq!(listed[0]["coexistence"]["status"], "NO", "{}", listed[0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_asks_meta_and_is_remembered() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;
    let plain = format!("/v1/numbers/{}", line.id);
    eventually("it is described", async || {
        world.detail(&line.id).await["meta"]["waba"].is_object().then_some(())
    })
    .await;
    let change = json!({"quality_rating": "YELLOW"});
    world.graph.tell(&format!("/numbers/{}", line.phone), change).await;

    let before = world.api().get(&plain).await.expect(200);
    assert_eq!(before["health"]["qualityRating"], "GREEN");
    let refreshed = world.api().get(&format!("{plain}?refresh=1")).await.expect(200);
    assert_eq!(refreshed["health"]["qualityRating"], "YELLOW");
    let after = world.api().get(&plain).await.expect(200);
    assert_eq!(after["health"]["qualityRating"], "YELLOW");
    assert_eq!(after["meta"]["phone"]["qualityRating"], "YELLOW");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_of_the_tenant_hear_of_the_creation_and_those_of_the_number_of_the_connection() {
    let world = Official::start().await;
    let first = world.line(NUMBER).await;
    let business = world.graph.business(json!({"number": OTHER, "name": "Acme Ltd"})).await;

    let second = world.connect(&business).await;

    let is_second = |data: &Value| data["numberId"] == second.id.as_str();
    let told = world.receiver.wait_for("line", "number.created", is_second).await.data();
    assert_eq!(told["phone"], OTHER);
    assert_eq!(told["displayName"], "Support");
    // Its own webhooks hear of connections from now on.
    world.api().webhook(&second.id, &world.receiver.url("second"), &["*"]).await;
    let url = format!("/v1/numbers/{}/meta/reconnect", second.id);
    world.graph.tell("/tokens/revoke", json!({"token": business.token})).await;
    world.api().get(&format!("/v1/numbers/{}?refresh=1", second.id)).await.expect(200);
    world.receiver.wait_for("second", "number.disconnected", is_second).await;
    let token = world
        .graph
        .tell("/tokens", json!({"appId": business.app, "wabaIds": [business.waba]}))
        .await;
    world.api().post(&url, json!({"metaAccessToken": token["token"]})).await.expect(200);
    let told = world.receiver.wait_for("second", "number.connected", is_second).await.data();
    assert_eq!(told["profileName"], "Acme Ltd", "what Meta calls it");
    assert_ne!(first.id, second.id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_for_official_numbers_nor_is_the_check_of_phones() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    let connect = world.api().get(&format!("/v1/numbers/{}/connect", line.id)).await;
    connect.refused(400, "NOT_SUPPORTED_FOR_META");
    let pairing = format!("/v1/numbers/{}/remote-pairing", line.id);
    let paired = world.api().post(&pairing, json!({})).await;
    paired.refused(400, "NOT_SUPPORTED_FOR_META");
    let check = line.api.post("/v1/numbers/check", json!({"numbers": [FRIEND]})).await;
    check.refused(400, "NOT_SUPPORTED_FOR_META");
    let group = json!({"groupId": "120363000@g.us", "text": "x"});
    line.api.post("/v1/messages/send", group).await.refused(400, "NOT_SUPPORTED_FOR_META");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calling_numbers_key_moves_to_the_new_number() {
    let world = Official::start().await;
    let first = world.line(NUMBER).await;
    let business = world.graph.business(json!({"number": OTHER})).await;

    let key = world.api().key_of(&first.id).await;

    let created = world.create_by(&first.api, &business, json!({})).await.expect(201);

    assert!(created["linkedApiKeyId"].is_string(), "{created}");
    let id = created["numberId"].as_str().expect("an id");
    assert_eq!(world.api().key_of(id).await, key, "it moved");
    assert_ne!(world.api().key_of(&first.id).await, key, "the old number has a fresh one");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_registered_is_registered_with_its_pin() {
    let world = Official::start().await;
    let wish = json!({"number": NUMBER, "registered": false, "pin": "481516"});
    let business = world.graph.business(wish).await;

    let created = world.create(&business, json!({"metaPin": "481516"})).await.expect(201);

    assert_eq!(step(&created, "register"), "done");
    assert_eq!(created["instance"]["state"], "OPEN");
    let calls = world.graph.calls("POST", "register").await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["body"], json!({"messaging_product": "whatsapp", "pin": "481516"}));
    assert_eq!(world.graph.number(&business.phone).await["node"]["status"], "CONNECTED");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_a_pin_gets_one_that_is_remembered() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;

    let line = world.connect(&business).await;

    assert_eq!(step(&line.body, "register"), "done");
    let pin = world.graph.number(&line.phone).await["pin"].clone();
    assert!(pin.as_str().is_some_and(|pin| pin.len() == 6), "{pin}");
    // Somebody deregisters it; registering again needs the same PIN.
    let lost = json!({"platform_type": "NOT_APPLICABLE", "status": "DISCONNECTED"});
    world.graph.tell(&format!("/numbers/{}", line.phone), lost).await;
    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    let again = world.api().post(&path, json!({})).await.expect(200);
    assert_eq!(step(&again, "register"), "done");
    assert_eq!(world.graph.calls("POST", "register").await[1]["body"]["pin"], pin);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_the_business_app_is_never_registered() {
    let world = Official::start().await;
    let wish = json!({"number": NUMBER, "phone": {"is_on_biz_app": true}});
    let business = world.graph.business(wish).await;

    let line = world.connect(&business).await;

    assert_eq!(step(&line.body, "register"), "skipped");
    assert!(world.graph.calls("POST", "register").await.is_empty());
    let detail = world.detail(&line.id).await;
    assert_eq!(
        detail["coexistence"],
        json!({"status": "CONFIRMED", "evidence": "meta_is_on_biz_app"})
    );
    let shared = world.graph.calls("POST", "smb_app_data").await;
    let kinds: Vec<&Value> = shared.iter().map(|call| &call["body"]["sync_type"]).collect();
    assert_eq!(kinds, ["smb_app_state_sync", "history"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_meta_cannot_reach_is_told_and_tried_again() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    world.reachable(false);

    let line = world.connect(&business).await;

    assert_eq!(line.body["instance"]["state"], "OPEN", "sending works without");
    assert_eq!(step(&line.body, "subscribe"), "failed");
    let detail = world.detail(&line.id).await;
    assert_eq!(detail["health"]["code"], "META_CALLBACK_UNREACHABLE");
    assert!(detail["health"]["reason"].as_str().is_some_and(|it| it.contains("public_url")));
    world.api().webhook(&line.id, &world.receiver.url("line"), &["*"]).await;
    let id = send(&line.api, json!({"templateId": "hello_world"})).await;
    wait_for_status(&line.api, &id, "SENT").await;

    world.reachable(true);

    let is_it = |data: &Value| data["numberId"] == line.id.as_str();
    world.receiver.wait_for("line", "number.recovered", is_it).await;
    let detail = world.detail(&line.id).await;
    assert_eq!(detail["health"]["code"], Value::Null);
    assert_eq!(step(&detail, "subscribe"), "done");
    world.graph.write(&line.phone, json!({"from": FRIEND, "text": "heard"})).await;
    world.receiver.wait_for("line", "message.received", |it| it["content"] == "heard").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_review_is_connecting_not_disconnected() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let wish = json!({"number": NUMBER, "phone": {"status": "PENDING"}});
    let business = world.graph.business(wish).await;

    let line = world.connect(&business).await;
    world.api().webhook(&line.id, &world.receiver.url("line"), &["*"]).await;

    assert_eq!(line.body["instance"]["state"], "CONNECTING");
    assert_eq!(step(&line.body, "verify"), "pending");
    let id = send(&line.api, json!({"templateId": "hello_world"})).await;
    let waits = line.api.get(&format!("/v1/messages/{id}")).await.expect(200);
    assert_eq!(waits["status"], "QUEUED");

    let decided = json!({"status": "CONNECTED"});
    world.graph.tell(&format!("/numbers/{}", line.phone), decided).await;

    world.api().wait_until_open(&line.id).await;
    world.receiver.wait_for("line", "number.connected", |_| true).await;
    assert!(world.receiver.events("line", "number.disconnected").is_empty());
    assert_eq!(step(&world.detail(&line.id).await, "verify"), "done");
    wait_for_status(&line.api, &id, "DELIVERED").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_is_there_even_if_meta_describes_it_no_more() {
    let world = Official::with(&[("META__POLL_EVERY", "500ms")]).await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let silent = json!({"route": "phone", "method": "GET", "status": 503, "times": 3});
    let _door = when_the_callback_is_tried(&world, fault_later(&world, silent)).await;

    let line = world.connect(&business).await;

    assert_eq!((step(&line.body, "register"), step(&line.body, "verify")), ("done", "pending"));
    assert_eq!(line.body["instance"]["state"], "OPEN");
    world.reachable(true);
    eventually("it is described", async || {
        (step(&world.detail(&line.id).await, "verify") == "done").then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_known_before_meta_hears_of_it() {
    let world = Official::with(&[("META__TIMEOUT", "2s")]).await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    // Meta does it, and its answer is lost.
    world.graph.fault(json!({"route": "register", "drop": "after"})).await;

    world.create(&business, json!({})).await.refused(503, "UPSTREAM_TIMEOUT");

    assert_eq!(world.api().numbers().await, [] as [Value; 0]);
    let number = world.graph.number(&business.phone).await;
    assert_eq!(number["callback"], Value::Null, "nothing is delivered to nobody");
    let lost = json!({"platform_type": "NOT_APPLICABLE", "status": "DISCONNECTED"});
    world.graph.tell(&format!("/numbers/{}", business.phone), lost).await;
    let line = world.connect(&business).await;
    assert_eq!(step(&line.body, "register"), "done", "with the PIN that it has: {}", line.body);
    assert_eq!(world.graph.number(&business.phone).await["pin"], number["pin"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_is_lost_leaves_no_callback_at_meta() {
    let world = Official::with(&[("META__TIMEOUT", "2s")]).await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    // Once at once, and once when it is taken back: that is tried again, too.
    let lost = json!({"route": "phone", "method": "POST", "drop": "after", "times": 1});
    world.graph.fault(lost).await;
    let busy = json!({"route": "phone", "method": "POST", "code": 2, "times": 1});
    world.graph.fault(busy).await;

    world.create(&business, json!({})).await.refused(503, "UPSTREAM_TIMEOUT");

    eventually("it is taken back", async || {
        world.graph.number(&business.phone).await["callback"].is_null().then_some(())
    })
    .await;
    assert_eq!(world.graph.calls("POST", "phone").await.len(), 3);
    eventually("nothing is left of it", async || {
        let left = world.product.database().count("official_numbers where leaving = 2").await;
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(world.connect(&business).await.body["instance"]["state"], "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_app_is_not_known_takes_nothing_of_the_owners_back() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    ask_meta(&world, &business, &format!("{}/subscribed_apps", business.waba), Value::Null).await;
    let unknown = json!({"route": "debug_token", "code": 100, "times": 9});
    world.graph.fault(unknown).await;

    let refused = world.create(&business, json!({})).await;
    refused.refused(400, "VALIDATION_ERROR");
    assert!(refused.text.contains("metaAppId is required"), "{}", refused.text);
    let state = world.graph.ask("/state").await;
    let apps = &state["wabas"][&business.waba]["subscriptions"];
    assert!(apps.as_object().is_some_and(|apps| apps.contains_key(&business.app)), "{apps}");
    assert_eq!(world.graph.calls("POST", "subscribed_apps").await.len(), 1, "the owner's");
    assert_eq!(world.graph.number(&business.phone).await["callback"], Value::Null);

    let created = world.create(&business, json!({"metaAppId": business.app})).await.expect(201);
    assert_eq!(created["instance"]["state"], "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_app_of_an_account_is_the_one_that_we_have_just_subscribed() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    world.graph.fault(json!({"route": "debug_token", "code": 100, "times": 9})).await;

    let line = world.connect(&business).await;

    let path = format!("/v1/numbers/{}/meta/reconnect", line.id);
    let again = world.api().post(&path, json!({})).await.expect(200);
    assert_eq!(step(&again, "subscribe"), "skipped", "it is known by now: {again}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_a_number_of_metas_once() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    // The same line, written without the ninth digit.
    let again = world.create(&line.business, json!({"number": "+551199990001"})).await;

    again.refused(409, "NUMBER_ALREADY_ACTIVE");
    let number = world.graph.number(&line.phone).await;
    assert_eq!(number["callback"][1]["url"], line.body["webhookUrl"], "{number}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_idempotency_key_is_one_number_and_one_link() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    let link = json!({"provider": "META", "metaFlow": "credentials"});
    for (path, body, id) in [
        ("/v1/numbers/meta", business.credentials(&json!({})), "numberId"),
        ("/v1/numbers/remote-pairing", link, "linkId"),
    ] {
        let headers = [("idempotency-key", "order 7")];
        let ask = async || {
            let answer = world.api().ask(Method::POST, path, &headers, Some(&body)).await;
            answer.expect("an answer").expect(201)[id].clone()
        };
        let first = ask().await;
        assert!(first.is_string());
        assert_eq!(ask().await, first, "{path}");
    }
    world.end().await;
}
