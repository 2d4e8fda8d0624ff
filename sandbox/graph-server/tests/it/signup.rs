//! Codes, and the dialog that hands them over.

use serde_json::{Value, json};

use crate::{
    callback::{Callback, VERIFY_TOKEN},
    world::{World, answer, code_of},
};

async fn exchange(world: &World, secret: &str, code: &str, more: &str) -> (u16, Value) {
    let url = format!(
        "{}/v25.0/oauth/access_token?client_id={}&client_secret={secret}&code={code}{more}",
        world.server.graph_url(),
        world.app
    );
    let (status, body) = answer(world.client.get(url)).await;
    (status.as_u16(), body)
}

async fn new_code(world: &World) -> String {
    let wish = json!({ "appId": world.app, "wabaIds": [world.waba], "tokenExpiresIn": 60 });
    let made = world.tell("/codes", wish).await;
    made["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn a_code_is_exchanged_once_within_thirty_seconds() {
    let world = World::start().await;
    let code = new_code(&world).await;

    assert_eq!(code_of(&exchange(&world, "wrong", &code, "").await.1).0, 1);
    let (_, uri) = exchange(&world, &world.secret, &code, "&redirect_uri=https://x").await;
    assert_eq!(code_of(&uri), (100, Some(36_008)));
    let (status, made) = exchange(&world, &world.secret, &code, "").await;
    assert_eq!(
        (status, &made["token_type"], &made["expires_in"]),
        (200, &json!("bearer"), &json!(60))
    );
    let (_, again) = exchange(&world, &world.secret, &code, "").await;
    assert_eq!(code_of(&again), (100, Some(36_009)));
    assert_eq!(code_of(&exchange(&world, &world.secret, "AQnonsense", "").await.1), (100, None));

    let late = new_code(&world).await;
    world.tell("/clock", json!({ "advanceSeconds": 31 })).await;
    let (_, late) = exchange(&world, &world.secret, &late, "").await;
    assert_eq!(code_of(&late), (100, Some(36_007)));
    let read = |token: &Value| {
        let url = format!("{}/v25.0/{}", world.server.graph_url(), world.waba);
        answer(world.client.get(url).bearer_auth(token.as_str().expect("a token")))
    };
    assert_eq!(read(&made["access_token"]).await.0, 200);
    world.tell("/clock", json!({ "advanceSeconds": 31 })).await;
    assert_eq!(code_of(&read(&made["access_token"]).await.1), (190, Some(463)));
    world.end().await;
}

#[tokio::test]
async fn an_app_gets_a_token_of_its_own() {
    let world = World::start().await;
    let more = "&grant_type=client_credentials";

    let (_, made) = exchange(&world, &world.secret, "", more).await;
    let token = made["access_token"].as_str().expect("a token");
    assert!(token.starts_with(&format!("{}|", world.app)));
    let path = format!("{}/v25.0/{}/subscriptions", world.server.graph_url(), world.app);
    assert_eq!(answer(world.client.get(path).bearer_auth(token)).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn the_dialog_grants_what_was_chosen() {
    let callback = Callback::start().await;
    let app = json!({ "callbackUrl": callback.url, "verifyToken": VERIFY_TOKEN });
    let world = World::start_with(json!({ "app": app })).await;
    let base = world.server.graph_url();
    let (_, script) = answer(world.client.get(world.server.sdk_url())).await;
    assert!(script.as_str().is_some_and(|script| script.contains("window.FB = {")));
    let dialog = |config: &str| format!("{base}/dialog?app_id={}&config_id={config}", world.app);
    assert_eq!(answer(world.client.get(dialog("404"))).await.0, 400);
    let (status, page) = answer(world.client.get(dialog(&world.config))).await;
    assert_eq!(status, 200);
    for id in ["finish", "finish-waba", "coexistence", "cancel", "error", "close"] {
        assert!(page.as_str().is_some_and(|page| page.contains(&format!("id=\"{id}\""))), "{id}");
    }
    let (_, shown) = answer(world.client.get(format!("{base}/dialog/businesses"))).await;
    assert_eq!(shown["wabas"][0]["numbers"][0]["id"], world.phone);

    let choice = json!({ "appId": world.app, "wabaId": world.waba, "numbers": [world.phone],
        "coexistence": true });
    let granted = world.client.post(format!("{base}/dialog/finish")).body(choice.to_string());
    let (_, granted) = answer(granted).await;
    let (status, made) =
        exchange(&world, &world.secret, granted["code"].as_str().expect("a code"), "").await;
    assert_eq!(status, 200);
    assert!(made["expires_in"].is_null());
    let shown = world.get(&format!("{}?fields=is_on_biz_app,platform_type", world.phone)).await;
    assert_eq!(
        (&shown["is_on_biz_app"], &shown["platform_type"]),
        (&json!(true), &json!("CLOUD_API"))
    );
    // The app hears of it without being subscribed to the account.
    let told = callback.changes(1).await;
    assert_eq!(told[0]["value"]["event"], "PARTNER_ADDED");
    assert_eq!(told[0]["value"]["waba_info"]["partner_app_id"], world.app);
    world.end().await;
}
