//! Numbers that people sign up with the operator's app: its one callback, its one secret.

use ramal_tests::{Business, Official};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER, send, wait_for_status};

/// Signs a business up by a link; returns the number's id.
async fn signed_up(world: &Official, business: &Business) -> String {
    let wish = json!({"provider": "META", "metaFlow": "embedded"});
    let link = world.api().post("/v1/numbers/remote-pairing", wish).await.expect(201);
    let token = link["remotePairingToken"].as_str().expect("a token");
    world.unlog(token);
    let path = format!("/v1/remote-pairing/{token}/meta");
    let start = world.api().post(&format!("{path}/start"), json!({})).await.expect(200);
    let operator = world.operator.as_ref().expect("an operator");
    assert_eq!(start["embedded"]["appId"], operator["id"]);
    assert_eq!(start["embedded"]["configId"], operator["configId"]);
    assert!(start["embedded"].get("appSecret").is_none());
    let code = json!({"appId": operator["id"], "wabaIds": [business.waba]});
    let code = world.graph.tell("/codes", code).await["code"].clone();
    let body = json!({"state": start["state"], "code": code, "wabaId": business.waba});
    let done = world.api().post(&format!("{path}/embedded"), body).await.expect(200);
    assert_eq!(done["status"], "connected", "{done}");
    let id = done["numberId"].as_str().expect("an id").to_owned();
    world.api().webhook(&id, &world.receiver.url("line"), &["*"]).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_up_number_sends_receives_and_hears_of_its_account() {
    let world = Official::with_operator(&[]).await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let id = signed_up(&world, &business).await;
    let api = world.api().with_key(&world.api().key_of(&id).await);

    world.graph.write(&business.phone, json!({"from": FRIEND, "text": "hello"})).await;
    world.receiver.wait_for("line", "message.received", |data| data["content"] == "hello").await;
    let sent = send(&api, json!({"text": "hi"})).await;
    wait_for_status(&api, &sent, "DELIVERED").await;

    // Account news comes to the app's own callback.
    let removed = json!({"event": "PARTNER_REMOVED"});
    world.graph.tell(&format!("/wabas/{}/account-update", business.waba), removed).await;
    world.api().wait_for_state(&id, "CLOSE").await;
    let gone = world.receiver.wait_for("line", "number.disconnected", |_| true).await.data();
    assert_eq!(gone["errorCode"], "META_DISCONNECTED");
    let hooks = world.graph.list("/webhooks").await;
    assert!(hooks.iter().any(|hook| hook["via"] == "app" && hook["state"] == "delivered"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_callback_knows_its_token_and_takes_no_other_signature() {
    let world = Official::with_operator(&[]).await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let id = signed_up(&world, &business).await;
    let api = world.api().anonymous();

    let ask = |token: &str| {
        format!("/webhooks/meta?hub.mode=subscribe&hub.challenge=4711&hub.verify_token={token}")
    };
    let right = api.get(&ask("the-operators-verify-token")).await;
    assert_eq!((right.status, right.text.as_str()), (200, "4711"));
    api.get(&ask("wrong")).await.refused(403, "META_VERIFY_TOKEN_INVALID");
    let unsigned = api.call(Method::POST, "/webhooks/meta", Some(&json!({}))).await;
    unsigned.refused(401, "META_SIGNATURE_INVALID");
    world
        .graph
        .tell("/settings", json!({"signature": "bad", "retryDelaysMs": [0, 50, 60_000]}))
        .await;
    let removed = json!({"event": "PARTNER_REMOVED"});
    world.graph.tell(&format!("/wabas/{}/account-update", business.waba), removed).await;
    ramal_tests::eventually("it was refused", async || {
        let hooks = world.graph.list("/webhooks").await;
        let refused = |hook: &Value| hook["attempts"][0]["status"] == 401;
        hooks.iter().any(refused).then_some(())
    })
    .await;
    assert_eq!(world.api().state(&id).await, "OPEN");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_too_old_or_was_used_connects_nothing() {
    let world = Official::with_operator(&[]).await;
    let business = world.graph.business(json!({"number": NUMBER, "registered": false})).await;
    let wish = json!({"provider": "META", "metaFlow": "embedded"});
    let link = world.api().post("/v1/numbers/remote-pairing", wish).await.expect(201);
    let path = format!(
        "/v1/remote-pairing/{}/meta",
        link["remotePairingToken"].as_str().expect("a token")
    );
    let start = world.api().post(&format!("{path}/start"), json!({})).await.expect(200);
    let app = world.operator.as_ref().expect("an operator")["id"].clone();
    let wish = json!({"appId": app, "wabaIds": [business.waba]});
    let code = world.graph.tell("/codes", wish).await["code"].clone();

    world.graph.tell("/clock", json!({"advanceSeconds": 40})).await;
    let late = json!({"state": start["state"], "code": code});
    let answer = world.api().post(&format!("{path}/embedded"), late).await;

    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.code().is_some_and(|code| code.starts_with("META_")), "{}", answer.text);
    assert_eq!(world.api().numbers().await, [] as [Value; 0]);
    world.end().await;
}
