//! Who may do what.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    callback::hmac_hex,
    world::{World, answer, code_of},
};

async fn read_with(world: &World, token: &str, more: &str) -> (u16, Value) {
    let url = format!("{}/v25.0/{}?fields=id{more}", world.server.graph_url(), world.phone);
    let (status, body) = answer(world.client.get(url).bearer_auth(token)).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn a_token_must_be_there_known_and_in_force() {
    let world = World::start().await;
    let url = format!("{}/v25.0/{}", world.server.graph_url(), world.phone);

    let (_, none) = answer(world.client.get(&url)).await;
    assert_eq!(code_of(&none).0, 104);
    let (status, unknown) = read_with(&world, "EAAnonsense", "").await;
    assert_eq!((status, code_of(&unknown).0), (401, 190));
    let query = format!("{url}?access_token={}", world.token);
    assert_eq!(answer(world.client.get(query)).await.0, 200);

    world.tell("/tokens/expire", json!({ "token": world.token, "expiresIn": 60 })).await;
    assert_eq!(read_with(&world, &world.token, "").await.0, 200);
    world.tell("/clock", json!({ "advanceSeconds": 61 })).await;
    let (status, expired) = read_with(&world, &world.token, "").await;
    assert_eq!((status, code_of(&expired)), (401, (190, Some(463))));

    let fresh = world.tell("/tokens", json!({ "appId": world.app })).await;
    let fresh = fresh["token"].as_str().expect("a token").to_owned();
    assert_eq!(read_with(&world, &fresh, "").await.0, 200);
    world.tell("/tokens/revoke", json!({ "token": fresh, "subcode": 458 })).await;
    let (_, revoked) = read_with(&world, &fresh, "").await;
    assert_eq!(code_of(&revoked), (190, Some(458)));
    world.end().await;
}

#[tokio::test]
async fn scopes_and_targets_must_cover_the_object() {
    let world = World::start().await;
    let other = world.tell("/businesses", json!({})).await;
    let token = |scopes: Value, wabas: Value| json!({ "appId": world.app, "scopes": scopes, "wabaIds": wabas });

    let messaging = token(json!(["whatsapp_business_messaging"]), json!([]));
    let messaging = world.tell("/tokens", messaging).await;
    let (status, body) = read_with(&world, messaging["token"].as_str().expect("a token"), "").await;
    assert_eq!((status, code_of(&body).0), (403, 200));

    let management = token(json!(["whatsapp_business_management"]), json!([]));
    let management = world.tell("/tokens", management).await;
    let url = format!("{}/v25.0/{}/messages", world.server.graph_url(), world.phone);
    let (status, body) =
        answer(world.client.post(url).bearer_auth(management["token"].as_str().expect("a token")))
            .await;
    assert_eq!((status.as_u16(), code_of(&body).0), (403, 10));

    // Somebody else's, unknown, and not an id: all the same.
    let others = other["phoneId"].as_str().expect("an id");
    for id in [others, "123456", "me"] {
        assert_eq!(world.refused(Method::GET, id, Value::Null).await, (100, Some(33)));
    }
    let all = world.tell("/tokens", json!({ "appId": world.app })).await;
    let url = format!("{}/v25.0/{others}", world.server.graph_url());
    let read = world.client.get(url).bearer_auth(all["token"].as_str().expect("a token"));
    assert_eq!(answer(read).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn a_proof_must_match_and_may_be_demanded() {
    let secret = "614fc2afde15eee07a26b2fe3eaee9b9";
    let world = World::start_with(json!({ "app": { "secret": secret } })).await;
    let proof = |message: &str| hmac_hex(secret, message.as_bytes());
    let good = format!("&appsecret_proof={}", proof(&world.token));

    assert_eq!(read_with(&world, &world.token, &good).await.0, 200);
    let (_, wrong) = read_with(&world, &world.token, "&appsecret_proof=00").await;
    assert_eq!(code_of(&wrong), (100, None));
    assert_eq!(wrong["error"]["type"], "GraphMethodException");

    world.tell(&format!("/apps/{}", world.app), json!({ "requireProof": true })).await;
    let (_, without) = read_with(&world, &world.token, "").await;
    assert_eq!(
        without["error"]["message"],
        "API calls from the server require an appsecret_proof argument"
    );
    assert_eq!(read_with(&world, &world.token, &good).await.0, 200);
    let now = world.control(Method::GET, "/clock", json!({})).await["now"].as_i64().expect("now");
    let timed = |time: i64| {
        format!(
            "&appsecret_proof={}&appsecret_time={time}",
            proof(&format!("{}|{time}", world.token))
        )
    };
    assert_eq!(read_with(&world, &world.token, &timed(now)).await.0, 200);
    assert_eq!(read_with(&world, &world.token, &timed(now - 400)).await.0, 400);
    world.end().await;
}

#[tokio::test]
async fn versions_edges_and_fields_must_exist() {
    let world = World::start().await;
    let base = world.server.graph_url();

    for path in [format!("/{}", world.phone), format!("/v25/{}", world.phone)] {
        let (_, body) = answer(world.client.get(format!("{base}{path}"))).await;
        assert_eq!(code_of(&body).0, 2500, "{path}");
    }
    let old = format!("{base}/v20.0/{}", world.phone);
    let (_, old) = answer(world.client.get(old).bearer_auth(&world.token)).await;
    assert_eq!(code_of(&old).0, 2635);
    let path = format!("{}/nonsense", world.phone);
    assert_eq!(world.refused(Method::GET, &path, Value::Null).await.0, 2500);
    let path = format!("{}?fields=id,nonsense", world.phone);
    assert_eq!(world.refused(Method::GET, &path, Value::Null).await.0, 100);
    let shown = world.get(&format!("{}?fields=status,throughput{{level}}", world.phone)).await;
    assert_eq!(
        shown,
        json!({ "id": world.phone, "status": "CONNECTED", "throughput": { "level": "STANDARD" } })
    );
    world.end().await;
}

#[tokio::test]
async fn a_token_can_be_looked_into_by_its_app_only() {
    let world = World::start().await;
    let stranger = world.tell("/apps", json!({})).await;
    let inspect = |bearer: String, token: String| {
        let url = format!("{}/v25.0/debug_token?input_token={token}", world.server.graph_url());
        answer(world.client.get(url).bearer_auth(bearer))
    };
    let pair = format!("{}|{}", world.app, world.secret);

    let (_, by_app) = inspect(pair.clone(), world.token.clone()).await;
    let data = &by_app["data"];
    assert_eq!((&data["app_id"], &data["is_valid"]), (&json!(world.app), &json!(true)));
    assert_eq!(data["granular_scopes"][0]["target_ids"], json!([world.waba]));
    let (_, by_itself) = inspect(world.token.clone(), world.token.clone()).await;
    assert_eq!(by_itself["data"]["is_valid"], true);
    world.tell("/settings", json!({ "selfInspection": false })).await;
    let (_, by_itself) = inspect(world.token.clone(), world.token.clone()).await;
    assert_eq!(code_of(&by_itself).0, 100);
    let other = format!(
        "{}|{}",
        stranger["id"].as_str().expect("an id"),
        stranger["secret"].as_str().expect("a secret")
    );
    let (_, by_stranger) = inspect(other, world.token.clone()).await;
    assert_eq!(code_of(&by_stranger).0, 100);
    let (status, unknown) = inspect(pair.clone(), "EAAnonsense".to_owned()).await;
    assert_eq!((status.as_u16(), &unknown["data"]["is_valid"]), (200, &json!(false)));
    world.tell("/tokens/revoke", json!({ "token": world.token })).await;
    let (_, revoked) = inspect(pair, world.token.clone()).await;
    assert_eq!(revoked["data"]["error"]["code"], 190);
    world.end().await;
}
