//! What a tenant chooses for its pages (contract C.20).

use serde_json::{Value, json};

use crate::scene::{Account, Answer, Ask, Scene};

async fn get(scene: &Scene, key: &str) -> Answer {
    scene.ask(&Ask::new("GET", "/v1/branding").key(key)).await
}

async fn put(scene: &Scene, account: &Account, body: Value) -> Answer {
    let ask = Ask::new("PUT", "/v1/branding").key(&account.tenant_key);
    scene.ask(&ask.body(body)).await
}

#[tokio::test]
async fn all_fields_are_there_before_anything_is_chosen() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;

    let answer = get(&scene, &ours.tenant_key).await;

    assert_eq!(answer.status, 200);
    let expected = json!({
        "branding": {
            "logoUrl": null, "primaryColor": null, "backgroundColor": null, "companyName": null,
            "subtitle": null, "supportUrl": null, "defaultRedirectUrl": null,
            "hidePilotStatusBranding": false
        },
        "wrongPhonePolicy": "reject", "allowedOrigins": [], "officialUrl": null
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_null_clears() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let first = json!({
        "companyName": "Acme", "primaryColor": "#1fd286", "hidePilotStatusBranding": true,
        "wrongPhonePolicy": "ask", "allowedOrigins": ["https://app.acme.com/"],
        "officialUrl": "https://acme.com/official", "fieldOfTomorrow": 1
    });
    let answer = put(&scene, &ours, first).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    let second = json!({"primaryColor": null, "subtitle": "Connect", "officialUrl": null});
    let answer = put(&scene, &ours, second).await;

    let body = answer.json();
    assert_eq!(body["branding"]["companyName"], "Acme");
    assert_eq!(body["branding"]["primaryColor"], Value::Null);
    assert_eq!(body["branding"]["subtitle"], "Connect");
    assert_eq!(body["branding"]["hidePilotStatusBranding"], true);
    assert_eq!(body["wrongPhonePolicy"], "ask");
    assert_eq!(body["allowedOrigins"], json!(["https://app.acme.com"]));
    assert_eq!(body["officialUrl"], Value::Null);
    assert_eq!(get(&scene, &ours.tenant_key).await.json(), body);
    let again = put(&scene, &ours, body.clone()).await;
    assert_eq!(again.json(), body, "an answer can be sent back as it is");
}

#[tokio::test]
async fn wrong_values_are_named_and_change_nothing() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;

    for (field, value) in [
        ("logoUrl", json!("http://acme.com/logo.png")),
        ("primaryColor", json!("green")),
        ("backgroundColor", json!("#fff")),
        ("companyName", json!("A".repeat(61))),
        ("subtitle", json!("line\nbreak")),
        ("supportUrl", json!("javascript:alert(1)")),
        ("defaultRedirectUrl", json!(7)),
        ("hidePilotStatusBranding", json!("yes")),
        ("wrongPhonePolicy", json!("shrug")),
        ("allowedOrigins", json!("https://acme.com")),
        ("officialUrl", json!("ftp://acme.com")),
    ] {
        let mut wish = json!({"companyName": "Acme"});
        wish[field] = value;
        let answer = put(&scene, &ours, wish).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "VALIDATION_ERROR"), "{field}");
        assert!(answer.text.contains(field), "{field}: {}", answer.text);
    }
    let answer = get(&scene, &ours.tenant_key).await;
    assert_eq!(answer.json()["branding"]["companyName"], Value::Null);
}

#[tokio::test]
async fn each_tenant_has_its_own_and_a_number_s_key_none() {
    let scene = Scene::start().await;
    let (ours, theirs) = (scene.account(1).await, scene.account(2).await);
    put(&scene, &ours, json!({"companyName": "Acme"})).await;

    let seen = get(&scene, &theirs.tenant_key).await.json();
    assert_eq!(seen["branding"]["companyName"], Value::Null);
    let refused = get(&scene, &ours.number_key).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "NUMBER_SCOPE_NOT_ALLOWED"));
}
