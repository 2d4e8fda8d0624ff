//! Each kind of bad credential: a typed refusal, and nothing stored.

use std::time::{Duration, Instant};

use ramal_tests::{Answer, Business, Official, eventually};
use serde_json::{Value, json};

use crate::{NUMBER, OTHER, step};

/// Asks with `changes`, expects the refusal, and that nothing is left of it: nothing is listed, and the
/// number can be created with what is right.
async fn refused(world: &Official, business: &Business, changes: Value, code: &str) -> Answer {
    let answer = world.create(business, changes).await;
    answer.refused(400, code);
    nothing_stored(world).await;
    answer
}

async fn nothing_stored(world: &Official) {
    assert_eq!(world.api().numbers().await, [] as [Value; 0]);
    let database = world.product.database();
    assert_eq!(database.count("official_numbers").await, 0);
    assert_eq!(database.count("numbers").await, 0);
    assert_eq!(database.count("events").await, 0);
}

fn sentence_names(answer: &Answer, words: &[&str]) {
    let error = answer.json()["error"].as_str().expect("a sentence").to_owned();
    for word in words {
        assert!(error.contains(word), "{error:?} names {word}");
    }
}

async fn good(world: &Official, business: &Business, changes: Value) {
    let created = world.create(business, changes).await.expect(201);
    assert_eq!(created["instance"]["state"], "OPEN");
}

async fn business(world: &Official) -> Business {
    world.graph.business(json!({ "number": NUMBER })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let garbage = "EAAGnobodyeverissuedthistoken";
    world.hide(garbage);

    let answer =
        refused(&world, &business, json!({"metaAccessToken": garbage}), "META_CREDENTIALS_INVALID")
            .await;

    sentence_names(&answer, &["token"]);
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let token = world.graph.tell("/tokens", json!({"appId": business.app})).await["token"].clone();
    world.graph.tell("/tokens/expire", json!({"token": token})).await;

    let wish = json!({"metaAccessToken": token});
    let answer = refused(&world, &business, wish, "META_CREDENTIALS_INVALID").await;

    sentence_names(&answer, &["expired"]);
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let token = world.graph.tell("/tokens", json!({"appId": business.app})).await["token"].clone();
    world.graph.tell("/tokens/revoke", json!({"token": token})).await;

    let wish = json!({"metaAccessToken": token});
    refused(&world, &business, wish, "META_CREDENTIALS_INVALID").await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_permission_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    for missing in ["whatsapp_business_management", "whatsapp_business_messaging"] {
        let mut scopes = vec!["whatsapp_business_management", "whatsapp_business_messaging"];
        scopes.retain(|scope| *scope != missing);
        let wish = json!({"appId": business.app, "wabaIds": [business.waba], "scopes": scopes});
        let token = world.graph.tell("/tokens", wish).await["token"].clone();

        let wish = json!({"metaAccessToken": token});
        let answer = refused(&world, &business, wish, "META_PERMISSION_MISSING").await;
        sentence_names(&answer, &[missing]);
    }
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_account_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let other = world.graph.business(json!({"appId": business.app, "number": OTHER})).await;

    let wish = json!({"metaAccessToken": other.token});
    let answer = refused(&world, &business, wish, "META_PERMISSION_MISSING").await;

    sentence_names(&answer, &[&business.waba]);
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_app_secret_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let wrong = "0123456789abcdef0123456789abcdef";
    world.hide(wrong);

    let wish = json!({"metaAppSecret": wrong});
    let answer = refused(&world, &business, wish, "META_CREDENTIALS_INVALID").await;

    sentence_names(&answer, &["app secret"]);
    // Likewise when the app says which it is, and tokens may not inspect themselves.
    let wish = json!({"metaAppSecret": wrong, "metaAppId": business.app});
    refused(&world, &business, wish, "META_CREDENTIALS_INVALID").await;
    world.graph.tell("/settings", json!({"selfInspection": false})).await;
    refused(&world, &business, json!({"metaAppSecret": wrong}), "META_CREDENTIALS_INVALID").await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_app_than_the_tokens_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let other = world.graph.tell("/apps", json!({})).await;

    let wish = json!({"metaAppId": other["id"]});
    refused(&world, &business, wish, "META_CREDENTIALS_INVALID").await;
    good(&world, &business, json!({"metaAppId": business.app})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_id_of_another_account_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;
    let other = world.graph.business(json!({"appId": business.app, "number": OTHER})).await;
    // A token for both accounts, so that only the belonging is wrong.
    let token = world.graph.tell("/tokens", json!({"appId": business.app})).await["token"].clone();

    let wish = json!({"metaAccessToken": token, "metaPhoneId": other.phone, "number": OTHER});
    let answer = refused(&world, &business, wish, "META_NUMBER_MISMATCH").await;

    sentence_names(&answer, &[&other.phone, &business.waba]);
    good(&world, &business, json!({"metaAccessToken": token})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_phone_id_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;

    let wish = json!({"metaPhoneId": "999999999999999"});
    refused(&world, &business, wish, "META_NUMBER_MISMATCH").await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_than_the_phone_ids_is_refused() {
    let world = Official::start().await;
    let business = business(&world).await;

    let wish = json!({"number": OTHER});
    let answer = refused(&world, &business, wish, "META_NUMBER_MISMATCH").await;

    sentence_names(&answer, &["5511999990001"]);
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_refused() {
    let world = Official::start().await;
    let wish = json!({"number": NUMBER, "registered": false, "pin": "481516"});
    let business = world.graph.business(wish).await;

    refused(&world, &business, json!({"metaPin": "234200"}), "META_PIN_MISMATCH").await;
    assert!(subscriptions(&world, &business).await.is_empty(), "nothing is left at Meta either");
    good(&world, &business, json!({"metaPin": "481516"})).await;
    world.end().await;
}

async fn subscriptions(world: &Official, business: &Business) -> Vec<String> {
    let state = world.graph.ask("/state").await;
    let waba = state["wabas"][&business.waba]["subscriptions"].as_object().expect("a map").clone();
    let own = &state["numbers"][&business.phone]["callback"];
    waba.keys().cloned().chain((!own.is_null()).then(|| own.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_verified_is_refused() {
    let world = Official::start().await;
    let phone = json!({"code_verification_status": "NOT_VERIFIED"});
    let wish = json!({"number": NUMBER, "registered": false, "phone": phone});
    let business = world.graph.business(wish).await;

    refused(&world, &business, json!({}), "META_NUMBER_NOT_VERIFIED").await;
    let verified = json!({"code_verification_status": "VERIFIED"});
    world.graph.tell(&format!("/numbers/{}", business.phone), verified).await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_fails_at_any_call_nothing_is_stored_and_it_can_be_tried_again() {
    let world = Official::start().await;
    let business = business(&world).await;
    for wish in [
        json!({"route": "debug_token", "status": 503}),
        json!({"route": "phone", "status": 500}),
        json!({"route": "phone", "code": 2}),
        json!({"route": "phone_numbers", "drop": "before"}),
        json!({"route": "subscribed_apps", "code": 131_016}),
    ] {
        // More often than a read is tried again.
        let mut fault = wish.clone();
        fault["times"] = json!(9);
        world.graph.fault(fault).await;
        let answer = world.create(&business, json!({})).await;
        assert_eq!(answer.status, 503, "{wish}: {}", answer.text);
        assert!(answer.code().is_some_and(|code| code.starts_with("UPSTREAM_")), "{}", answer.text);
        nothing_stored(&world).await;
        world.graph.control(reqwest::Method::DELETE, "/faults", None).await;
    }
    // What may have been done is taken back, as soon as Meta answers.
    let lost = json!({"route": "phone", "method": "POST", "drop": "after", "times": 9});
    world.graph.fault(lost).await;
    world.create(&business, json!({})).await.refused(503, "UPSTREAM_TIMEOUT");
    assert_eq!(world.api().numbers().await, [] as [Value; 0]);
    assert_eq!(world.product.database().count("events").await, 0);
    world.graph.control(reqwest::Method::DELETE, "/faults", None).await;
    eventually("Meta delivers to nobody", async || {
        world.graph.number(&business.phone).await["callback"].is_null().then_some(())
    })
    .await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_hangs_the_answer_is_a_timeout_and_nothing_is_stored() {
    let world = Official::with(&[("META__TIMEOUT", "500ms")]).await;
    let business = business(&world).await;
    world.graph.fault(json!({"route": "phone", "hang": true, "times": 9})).await;

    let started = Instant::now();
    let answer = world.create(&business, json!({})).await;

    answer.refused(503, "UPSTREAM_TIMEOUT");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    nothing_stored(&world).await;
    world.graph.control(reqwest::Method::DELETE, "/faults", None).await;
    good(&world, &business, json!({})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_meta_is_down_the_answer_says_so_and_nothing_is_stored() {
    let world = Official::with(&[("META__GRAPH_URL", "http://127.0.0.1:9")]).await;
    let business = business(&world).await;

    let answer = world.create(&business, json!({})).await;

    answer.refused(503, "UPSTREAM_ERROR");
    nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_named_and_meta_is_not_asked() {
    let world = Official::start().await;
    let business = business(&world).await;
    for (changes, word) in [
        (json!({"metaPhoneId": null}), "metaPhoneId"),
        (json!({"metaWabaId": null}), "metaWabaId"),
        (json!({"metaAccessToken": null}), "metaAccessToken"),
        (json!({"metaAppSecret": null}), "metaAppSecret"),
        (json!({"metaPhoneId": "12/../34"}), "metaPhoneId"),
        (json!({"metaWabaId": "x"}), "metaWabaId"),
        (json!({"metaAccessToken": "a b"}), "metaAccessToken"),
        (json!({"metaAppSecret": ""}), "metaAppSecret"),
        (json!({"metaAppId": "1"}), "metaAppId"),
        (json!({"metaPin": "12345"}), "metaPin"),
        (json!({"metaPin": "12345x"}), "metaPin"),
        (json!({"number": "123"}), "number"),
        (json!({"name": ""}), "name"),
    ] {
        let answer = refused(&world, &business, changes, "VALIDATION_ERROR").await;
        sentence_names(&answer, &[word]);
    }
    assert!(world.graph.list("/calls").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_creation_of_the_same_number_is_refused_and_harms_nothing() {
    let world = Official::start().await;
    let line = world.line(NUMBER).await;

    world.create(&line, json!({})).await.refused(409, "NUMBER_ALREADY_ACTIVE");

    assert_eq!(world.api().numbers().await.len(), 1);
    assert_eq!(step(&world.detail(&line.id).await, "subscribe"), "done");
    assert_eq!(world.api().state(&line.id).await, "OPEN");
    world.end().await;
}
