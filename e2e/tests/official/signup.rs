//! Hosted links by which a person connects an official number, as their page talks to us.

use ramal_tests::{Answer, Business, Official};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{NUMBER, OTHER, step, when_the_callback_is_tried};

/// A link; its token.
async fn link(world: &Official, flow: &str, changes: Value) -> String {
    let mut wish = json!({"provider": "META", "metaFlow": flow});
    for (field, value) in changes.as_object().expect("an object") {
        wish[field] = value.clone();
    }
    let created = world.api().post("/v1/numbers/remote-pairing", wish).await.expect(201);
    assert_eq!((&created["provider"], &created["numberId"]), (&json!("META"), &Value::Null));
    let token = created["remotePairingToken"].as_str().expect("a token").to_owned();
    let url = created["remotePairingUrl"].as_str().expect("an address");
    assert!(url.ends_with(&format!("/connect/{token}")), "{url}");
    token
}

async fn page(world: &Official, token: &str, step: &str, body: Value) -> Answer {
    world.api().post(&format!("/v1/remote-pairing/{token}/meta/{step}"), body).await
}

async fn start(world: &Official, token: &str) -> String {
    let start = page(world, token, "start", json!({})).await.expect(200);
    start["state"].as_str().expect("a state").to_owned()
}

/// A code as Meta's dialog hands it over.
async fn code(world: &Official, wabas: &[&str]) -> String {
    let app = world.operator.as_ref().expect("an operator")["id"].clone();
    let code = world.graph.tell("/codes", json!({"appId": app, "wabaIds": wabas})).await;
    code["code"].as_str().expect("a code").to_owned()
}

/// A business that has shared its account with the operator's app.
async fn customer(world: &Official, number: &str) -> Business {
    world.graph.business(json!({"number": number, "registered": false})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_embedded_signup_gives_becomes_a_number() {
    let world = Official::with_operator(&[]).await;
    let business = customer(&world, NUMBER).await;
    let redirect = json!({"redirectUrl": "https://acme.example/done?x=1", "externalRef": "cust 42", "name": "Loja"});
    let token = link(&world, "embedded", redirect).await;
    let info = world.api().get(&format!("/v1/remote-pairing/{token}")).await.expect(200);
    assert_eq!((&info["provider"], &info["metaFlow"]), (&json!("META"), &json!("embedded")));
    world
        .api()
        .post(&format!("/v1/remote-pairing/{token}/connect"), json!({}))
        .await
        .refused(400, "NOT_SUPPORTED_FOR_META");

    let state = start(&world, &token).await;
    let code = code(&world, &[&business.waba]).await;
    let body = json!({"state": state, "code": code, "wabaId": business.waba, "phoneNumberId": business.phone});
    let done = page(&world, &token, "embedded", body.clone()).await.expect(200);

    assert_eq!(done["status"], "connected", "{done}");
    assert_eq!(step(&done, "register"), "done", "a PIN was made up");
    let id = done["numberId"].as_str().expect("an id");
    let expected = format!("https://acme.example/done?x=1&numberId={id}&externalRef=cust+42");
    assert_eq!(done["redirectUrl"], expected.as_str());
    let detail = world.detail(id).await;
    assert_eq!((&detail["name"], &detail["state"]), (&json!("Loja"), &json!("OPEN")));
    let status = world.api().get(&format!("/v1/remote-pairing/{token}/status")).await.expect(200);
    assert_eq!((&status["state"], &status["isFullyConnected"]), (&json!("OPEN"), &json!(true)));
    page(&world, &token, "embedded", body).await.refused(409, "NUMBER_ALREADY_CONNECTED");
    page(&world, &token, "start", json!({})).await.refused(409, "NUMBER_ALREADY_CONNECTED");
    let links = world.api().get("/v1/remote-pairing-links").await.expect(200);
    assert_eq!((&links[0]["provider"], &links[0]["state"]), (&json!("META"), &json!("used")));
    assert_eq!(links[0]["numberId"], id);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_numbers_the_person_chooses() {
    let world = Official::with_operator(&[]).await;
    let business = customer(&world, NUMBER).await;
    let second = json!({"wabaId": business.waba, "number": OTHER, "registered": false});
    let second = world.graph.tell("/numbers", second).await;
    let token = link(&world, "embedded", json!({})).await;
    let state = start(&world, &token).await;
    let code = code(&world, &[&business.waba]).await;

    let body = json!({"state": state, "code": code});
    let choose = page(&world, &token, "embedded", body).await.expect(200);
    assert_eq!(choose["status"], "choose", "{choose}");
    assert_eq!(choose["numbers"].as_array().map(Vec::len), Some(2));
    assert_eq!(world.api().numbers().await.len(), 0, "nothing is connected yet");
    let wrong = json!({"state": state, "phoneNumberId": "999999999"});
    page(&world, &token, "choose", wrong).await.refused(400, "VALIDATION_ERROR");
    let phone = second["id"].as_str().or_else(|| second["phoneId"].as_str()).expect("an id");
    let chosen = json!({"state": state, "phoneNumberId": phone});
    let done = page(&world, &token, "choose", chosen).await.expect(200);
    assert_eq!(done["status"], "connected", "{done}");
    let numbers = world.api().numbers().await;
    assert_eq!(numbers.len(), 1);
    assert_eq!(numbers[0]["number"], OTHER.trim_start_matches('+'));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_page_goes_on_and_what_a_page_claims_is_checked() {
    let world = Official::with_operator(&[]).await;
    let (business, foreign) = (customer(&world, NUMBER).await, customer(&world, OTHER).await);
    let token = link(&world, "embedded", json!({})).await;
    let old = start(&world, &token).await;
    let state = start(&world, &token).await;

    let spare = code(&world, &[&business.waba]).await;
    let outdated = json!({"state": old, "code": spare, "wabaId": business.waba});
    page(&world, &token, "embedded", outdated).await.refused(409, "META_SIGNUP_STATE_INVALID");
    let claim = json!({"state": state, "code": spare, "wabaId": foreign.waba});
    page(&world, &token, "embedded", claim).await.refused(400, "META_PERMISSION_MISSING");
    let again = json!({"state": state, "code": spare, "wabaId": business.waba});
    let reused = page(&world, &token, "embedded", again).await;
    assert_eq!(reused.status, 400, "{}", reused.text);
    page(&world, &token, "choose", json!({"state": state, "phoneNumberId": business.phone}))
        .await
        .refused(409, "META_SIGNUP_STATE_INVALID");
    assert_eq!(world.api().numbers().await.len(), 0);

    let links = world.api().get("/v1/remote-pairing-links").await.expect(200);
    let path = format!("/v1/remote-pairing-links/{}", links[0]["id"].as_str().expect("an id"));
    world.api().delete(&path).await.expect(200);
    let revoked = page(&world, &token, "start", json!({})).await;
    revoked.refused(404, "REMOTE_PAIRING_INVALID");
    assert_eq!(revoked.json()["reason"], "revoked");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_type_the_credentials_of_their_own_app() {
    let world = Official::start().await;
    let business = customer(&world, NUMBER).await;
    let wish = json!({"provider": "META", "metaFlow": "embedded"});
    let refused = world.api().post("/v1/numbers/remote-pairing", wish).await;
    refused.refused(503, "PROVIDER_NOT_CONFIGURED");
    for bad in [
        json!({"metaFlow": "magic"}),
        json!({"redirectUrl": "http://acme.example"}),
        json!({"redirectUrl": "javascript:alert(1)"}),
        json!({"sendViaWhatsApp": true}),
    ] {
        let mut wish = json!({"provider": "META", "metaFlow": "credentials"});
        for (field, value) in bad.as_object().expect("an object") {
            wish[field] = value.clone();
        }
        let refused = world.api().post("/v1/numbers/remote-pairing", wish).await;
        refused.refused(400, "VALIDATION_ERROR");
    }
    let token = link(&world, "credentials", json!({})).await;
    let state = start(&world, &token).await;
    let mut typed = business.credentials(&json!({}));
    typed["state"] = json!(state);
    typed["metaAccessToken"] = json!("garbage");
    let refused = page(&world, &token, "credentials", typed.clone()).await;
    refused.refused(400, "META_CREDENTIALS_INVALID");
    typed["metaAccessToken"] = business.credentials(&json!({}))["metaAccessToken"].clone();
    let done = page(&world, &token, "credentials", typed).await.expect(200);
    assert_eq!(done["status"], "connected", "{done}");
    assert_eq!(world.api().numbers().await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_revoked_meanwhile_connects_nothing_and_leaves_nothing_at_meta() {
    let world = Official::start().await;
    let business = world.graph.business(json!({"number": NUMBER})).await;
    let token = link(&world, "credentials", json!({})).await;
    let state = start(&world, &token).await;
    let links = world.api().get("/v1/remote-pairing-links").await.expect(200);
    let path = format!("/v1/remote-pairing-links/{}", links[0]["id"].as_str().expect("an id"));
    let api = world.api().clone();
    let revoked = async move {
        api.delete(&path).await.expect(200);
    };
    let _door = when_the_callback_is_tried(&world, revoked).await;

    let mut typed = business.credentials(&json!({"name": null}));
    typed["state"] = json!(state);
    let refused = page(&world, &token, "credentials", typed).await;

    refused.refused(404, "REMOTE_PAIRING_INVALID");
    assert_eq!(world.api().numbers().await.len(), 0);
    assert_eq!(world.graph.number(&business.phone).await["callback"], Value::Null);
    assert_eq!(world.product.database().count("official_numbers").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_connects_one_number_however_often_it_is_used_at_once() {
    let world = Official::start().await;
    let token = link(&world, "credentials", json!({})).await;
    let state = start(&world, &token).await;
    let mut asking = JoinSet::new();
    for number in [NUMBER, OTHER] {
        let business = world.graph.business(json!({ "number": number })).await;
        let mut typed = business.credentials(&json!({}));
        typed["state"] = json!(state);
        let (api, token) = (world.api().clone(), token.clone());
        asking.spawn(async move {
            let path = format!("/v1/remote-pairing/{token}/meta/credentials");
            let status = api.post(&path, typed).await.status;
            (status, business)
        });
    }
    let (mut connected, mut refused) = (0, 0);
    while let Some(ended) = asking.join_next().await {
        let (status, business) = ended.expect("no panic");
        let callback = world.graph.number(&business.phone).await["callback"].clone();
        match status {
            200 => connected += 1,
            _ => refused += 1,
        }
        assert_eq!(callback.is_null(), status == 409, "{status}: {callback}");
    }
    assert_eq!((connected, refused), (1, 1));
    assert_eq!(world.api().numbers().await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_person_types_stays_whole() {
    let world = Official::start().await;
    let business = customer(&world, NUMBER).await;
    let token = link(&world, "credentials", json!({})).await;
    let name = "L".repeat(90);
    let mut typed = business.credentials(&json!({ "name": name }));
    typed["state"] = json!(start(&world, &token).await);

    let done = page(&world, &token, "credentials", typed).await.expect(200);

    let detail = world.detail(done["numberId"].as_str().expect("an id")).await;
    assert_eq!(detail["name"], name);
    world.end().await;
}
