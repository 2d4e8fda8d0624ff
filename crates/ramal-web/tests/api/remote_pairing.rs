//! Pairing links: creation, and what their token opens.

use serde_json::{Value, json};

use crate::scene::{Account, Ask, Scene};

const PHONE: &str = "+5511999990123";

async fn create(scene: &Scene, key: &str, body: Value) -> crate::scene::Answer {
    scene.ask(&Ask::new("POST", "/v1/numbers/remote-pairing").key(key).body(body)).await
}

fn public(token: &str, tail: &str) -> Ask {
    Ask::new("GET", format!("/v1/remote-pairing/{token}{tail}"))
}

#[tokio::test]
async fn a_link_pairs_its_number_without_a_key_and_shows_it_masked() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let wish = json!({"name": "Maria", "number": PHONE, "externalRef": "order 7"});

    let created = create(&scene, &ours.tenant_key, wish).await;

    assert_eq!(created.status, 201, "{}", created.text);
    let created = created.json();
    let token = created["remotePairingToken"].as_str().unwrap();
    assert_eq!(created["remotePairingUrl"], format!("https://wa.acme.com/connect/{token}"));
    assert_eq!(created["instance"]["state"], "CLOSE");
    assert_eq!(created["instance"]["id"], created["numberId"]);
    assert_eq!(created["maskedNumber"], "+551199****0123");
    assert_eq!((&created["messageSent"], &created["messageError"]), (&json!(false), &Value::Null));
    assert_eq!(created["externalRef"], "order 7");
    assert_eq!(created["linkedApiKeyId"], Value::Null);

    // As a browser asks: without a key, with an origin.
    let info = scene.ask(&public(token, "").header("origin", "https://wa.acme.com")).await;
    assert_eq!(info.status, 200, "{}", info.text);
    assert_eq!((&info.json()["valid"], &info.json()["name"]), (&json!(true), &json!("Maria")));
    let status = scene.ask(&public(token, "/status")).await;
    assert_eq!(status.json()["state"], "CLOSE");
    let path = format!("/v1/remote-pairing/{token}/connect");
    let codes = scene.ask(&Ask::new("POST", &path)).await;
    assert_eq!(codes.status, 200, "{}", codes.text);
    assert!(codes.json()["qrcodeBase64"].as_str().unwrap().starts_with("data:image/png;base64,"));
    assert_eq!(codes.json()["pairingCode"], "ABCD-1234");
    for answer in [info, status, codes] {
        assert!(!answer.text.contains("5511999990123"), "{}", answer.text);
    }
    scene.open(created["numberId"].as_str().unwrap()).await;
    let status = scene.ask(&public(token, "/status")).await;
    assert_eq!(status.json()["isFullyConnected"], true, "for a while after success");
    assert_eq!(scene.ask(&Ask::new("POST", &path)).await.code(), "NUMBER_ALREADY_CONNECTED");
}

#[tokio::test]
async fn a_dead_link_says_why() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let created = create(&scene, &ours.tenant_key, json!({"name": "M", "number": PHONE})).await;
    let created = created.json();
    let token = created["remotePairingToken"].as_str().unwrap();
    let path = format!("/v1/numbers/{}", created["numberId"].as_str().unwrap());
    let removed = scene.ask(&Ask::new("DELETE", path).key(&ours.tenant_key)).await;
    assert_eq!(removed.status, 200);

    for tail in ["", "/status", "/events"] {
        let answer = scene.ask(&public(token, tail)).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "REMOTE_PAIRING_INVALID"));
        let body = answer.json();
        assert_eq!((&body["valid"], &body["reason"]), (&json!(false), &json!("unknown")));
    }
}

#[tokio::test]
async fn the_page_speaks_three_languages_and_hides_what_it_must() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let branding = json!({"companyName": "Acme <b>", "primaryColor": "#1fd286"});
    let wish = json!({"name": "Maria", "number": PHONE, "branding": branding,
                      "redirectUrl": "https://acme.com/done"});
    let created = create(&scene, &ours.tenant_key, wish).await.json();
    let path = format!("/connect/{}", created["remotePairingToken"].as_str().unwrap());
    let page = |language: &str| Ask::new("GET", &path).header("accept-language", language);

    for (language, sentence) in [
        ("en-GB,en;q=0.9", "How do you want to connect?"),
        ("es", "¿Cómo quiere conectar?"),
        ("de", "Como você quer conectar?"),
    ] {
        let answer = scene.ask(&page(language)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.contains(sentence), "{language}: {}", answer.text);
        assert!(answer.text.contains("Acme &#60;b&#62;"), "{}", answer.text);
        assert!(answer.text.contains("+551199****0123"), "{}", answer.text);
        assert!(!answer.text.contains("5511999990123"), "{}", answer.text);
        assert!(answer.text.contains("data-state=\"choose\""), "{}", answer.text);
        assert!(answer.head.contains("script-src 'self';"), "{}", answer.head);
        assert!(!answer.head.contains("unsafe-inline"), "{}", answer.head);
    }
    // Without JavaScript: a form begins the attempt, and the page shows it.
    let begun = scene.ask(&Ask::new("POST", &path)).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let shown = scene.ask(&page("en")).await;
    assert!(shown.text.contains("data-state=\"codes\""), "{}", shown.text);
    assert!(shown.text.contains("src=\"data:image/png;base64,"), "{}", shown.text);
    assert!(shown.text.contains("ABCD-1234"), "{}", shown.text);
    assert!(shown.text.contains("http-equiv=\"refresh\""), "{}", shown.text);
    scene.open(created["numberId"].as_str().unwrap()).await;
    let done = scene.ask(&page("en")).await;
    assert!(done.text.contains("data-state=\"already\""), "{}", done.text);
    assert!(done.text.contains("href=\"https://acme.com/done\""), "{}", done.text);
    let dead = scene.ask(&Ask::new("GET", "/connect/none").header("accept-language", "en")).await;
    assert_eq!(dead.status, 404);
    assert!(dead.text.contains("This link is not valid any more"), "{}", dead.text);
}

#[tokio::test]
async fn a_wrong_wish_creates_nothing() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    for (extra, code) in [
        (json!({"language": "tlh"}), "VALIDATION_ERROR"),
        (json!({"redirectUrl": "http://acme.com"}), "VALIDATION_ERROR"),
        (json!({"redirectUrl": "javascript:alert(1)"}), "VALIDATION_ERROR"),
        (json!({"branding": {"primaryColor": "red"}}), "VALIDATION_ERROR"),
        (json!({"brandingOverride": {"companyName": 1}}), "VALIDATION_ERROR"),
        (json!({"branding": []}), "VALIDATION_ERROR"),
        (json!({"externalRef": "x".repeat(256)}), "VALIDATION_ERROR"),
        (json!({"sendViaWhatsApp": "yes"}), "VALIDATION_ERROR"),
        (json!({"provider": "FAX"}), "VALIDATION_ERROR"),
        (json!({"provider": "META"}), "PROVIDER_NOT_CONFIGURED"),
        (json!({"number": "123"}), "VALIDATION_ERROR"),
        (json!({"number": ours.phone}), "NUMBER_ALREADY_ACTIVE"),
    ] {
        let mut wish = json!({"name": "Maria", "number": PHONE});
        let fields = wish.as_object_mut().unwrap();
        fields.extend(extra.as_object().unwrap().clone());
        let answer = create(&scene, &ours.tenant_key, wish).await;
        assert_eq!(answer.code(), code, "{extra}: {}", answer.text);
    }
    let list = scene.ask(&Ask::new("GET", "/v1/numbers").key(&ours.tenant_key)).await;
    assert_eq!(list.json().as_array().unwrap().len(), 1, "{}", list.text);
}

#[tokio::test]
async fn a_link_is_sent_by_a_connected_number_or_the_answer_says_why_not() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let wish = |number: &str| json!({"name": "M", "number": number, "sendViaWhatsApp": true});

    let unsent = create(&scene, &ours.tenant_key, wish(PHONE)).await.json();
    scene.open(&ours.number).await;
    let sent = create(&scene, &ours.tenant_key, wish("+5511999990124")).await.json();

    assert_eq!(unsent["messageSent"], false);
    assert!(unsent["messageError"].is_string(), "{unsent}");
    assert_eq!((&sent["messageSent"], &sent["messageError"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_repeated_creation_gives_the_same_link() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let ask = Ask::new("POST", "/v1/numbers/remote-pairing")
        .key(&ours.tenant_key)
        .header("idempotency-key", "order-7")
        .body(json!({"name": "Maria", "number": PHONE}));

    let first = scene.ask(&ask).await;
    let again = scene.ask(&ask).await;

    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json()["remotePairingUrl"], again.json()["remotePairingUrl"]);
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
}

/// A link's token, and its helper's.
pub(crate) async fn helper(scene: &Scene, ours: &Account, phone: &str) -> (String, String) {
    let created =
        create(scene, &ours.tenant_key, json!({"name": "M", "number": phone})).await.json();
    let token = created["remotePairingToken"].as_str().unwrap().to_owned();
    let made = scene.ask(&Ask::new("POST", format!("/v1/remote-pairing/{token}/helper"))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let helper = made["helperToken"].as_str().unwrap().to_owned();
    assert_eq!(made["helperUrl"], format!("https://wa.acme.com/connect/{helper}"));
    (token, helper)
}

#[tokio::test]
async fn a_helper_may_follow_and_sign_and_dies_with_its_link() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let (token, helper) = helper(&scene, &ours, PHONE).await;

    for (token, role) in [(&token, "person"), (&helper, "helper")] {
        let info = scene.ask(&public(token, "")).await.json();
        assert_eq!((&info["role"], &info["wrongPhonePolicy"]), (&json!(role), &json!("reject")));
        assert_eq!(scene.ask(&public(token, "/events")).await.status, 200);
    }
    let post = |tail: &str| Ask::new("POST", format!("/v1/remote-pairing/{helper}/{tail}"));
    for ask in [post("connect"), post("helper"), post("wrong-phone").body(json!({"use": true}))] {
        assert_eq!(scene.ask(&ask).await.code(), "HELPER_NOT_ALLOWED");
    }
    assert_eq!(scene.ask(&post("passkey/confirm")).await.code(), "PASSKEY_NOT_REQUESTED");
    let links = Ask::new("GET", "/v1/remote-pairing-links").key(&ours.tenant_key);
    let listed = scene.ask(&links).await;
    assert!(!listed.text.contains(&token) && !listed.text.contains(&helper), "{}", listed.text);
    let row = listed.json()[0].clone();
    assert_eq!(
        (&row["state"], &row["maskedNumber"]),
        (&json!("waiting"), &json!("+551199****0123"))
    );
    let path = format!("/v1/remote-pairing-links/{}", row["id"].as_str().unwrap());
    let stranger = scene.account(2).await;
    let revoke = |key: &str| Ask::new("DELETE", &path).key(key);
    assert_eq!(scene.ask(&revoke(&stranger.tenant_key)).await.code(), "PAIRING_LINK_NOT_FOUND");
    assert_eq!(scene.ask(&revoke(&ours.tenant_key)).await.status, 200);

    for token in [&token, &helper] {
        let dead = scene.ask(&public(token, "")).await;
        assert_eq!((dead.status, dead.json()["reason"].as_str()), (404, Some("revoked")));
    }
    assert_eq!(scene.ask(&links).await.json()[0]["state"], "revoked");
}

#[tokio::test]
async fn a_new_link_takes_the_place_of_the_old_one() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let (old, _) = helper(&scene, &ours, PHONE).await;
    let links = Ask::new("GET", "/v1/remote-pairing-links").key(&ours.tenant_key);
    let number = scene.ask(&links).await.json()[0]["numberId"].as_str().unwrap().to_owned();
    let renew = |body: Value| {
        Ask::new("POST", format!("/v1/numbers/{number}/remote-pairing"))
            .key(&ours.tenant_key)
            .body(body)
    };

    let wrong = scene.ask(&renew(json!({"wrongPhonePolicy": "maybe"}))).await;
    assert_eq!(wrong.code(), "VALIDATION_ERROR", "{}", wrong.text);
    assert_eq!(scene.ask(&public(&old, "")).await.status, 200, "nothing has changed");
    let new = scene.ask(&renew(json!({"wrongPhonePolicy": "ask", "externalRef": "7"}))).await;
    assert_eq!(new.status, 201, "{}", new.text);
    let new = new.json();
    let token = new["remotePairingToken"].as_str().unwrap();
    assert_eq!(scene.ask(&public(token, "")).await.json()["wrongPhonePolicy"], "ask");
    assert_eq!(scene.ask(&public(&old, "")).await.json()["reason"], "revoked");
    let connect = Ask::new("POST", format!("/v1/remote-pairing/{token}/connect"));
    assert_eq!(scene.ask(&connect).await.status, 200);
    scene.open(&number).await;
    assert_eq!(scene.ask(&renew(json!({}))).await.code(), "NUMBER_ALREADY_CONNECTED");
    assert_eq!(scene.ask(&public(token, "")).await.status, 200, "its page may say so");
    assert_eq!(scene.ask(&public(&old, "")).await.json()["reason"], "revoked", "for good");
    scene.unlink(&number).await;
    for dead in [token, &old] {
        let again = Ask::new("POST", format!("/v1/remote-pairing/{dead}/connect"));
        assert_eq!(scene.ask(&again).await.code(), "REMOTE_PAIRING_INVALID", "it pairs once");
    }
    let listed = scene.ask(&links).await.json();
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("used"), &json!("revoked")));
    assert_eq!(listed[0]["externalRef"], "7");
}
