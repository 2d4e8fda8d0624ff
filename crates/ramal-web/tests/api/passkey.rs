//! The passkey gate through HTTP: what is asked for, and what may answer it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ramal_domain::Clock as _;
use ramal_domain::{CloseReason, Input, NumberId, SystemClock};
use serde_json::{Value, json};

use crate::{
    scene::{Account, Ask, Scene},
    whatsapp::{BAD, CHALLENGE, GATED, IGNORED},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// An assertion of a credential, as a browser prints it.
pub(crate) fn assertion(credential: &[u8], challenge: &str) -> Value {
    let id = URL_SAFE_NO_PAD.encode(credential);
    let signed = json!({
        "type": "webauthn.get", "challenge": challenge, "origin": "https://web.whatsapp.com",
    });
    json!({
        "id": id, "rawId": id, "type": "public-key",
        "authenticatorAttachment": "platform", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(signed.to_string()),
            "authenticatorData": "ZGF0YQ", "signature": "c2ln", "userHandle": null,
        },
    })
}

pub(crate) fn answer(ours: &Account, number: NumberId, body: Value) -> Ask {
    let path = format!("/v1/numbers/{number}/pairing/passkey");
    Ask::new("POST", path).key(&ours.tenant_key).body(body)
}

fn confirm(ours: &Account, number: NumberId) -> Ask {
    Ask::new("POST", format!("/v1/numbers/{number}/pairing/passkey/confirm")).key(&ours.tenant_key)
}

/// A number whose pairing waits for a passkey.
pub(crate) async fn gated(scene: &Scene, ours: &Account) -> NumberId {
    let number = scene.number(ours.tenant, GATED, "{}").await;
    at_the_gate(scene, number).await;
    number
}

async fn at_the_gate(scene: &Scene, number: NumberId) {
    let mut watcher = scene.app().sessions().pair(number).await.unwrap();
    let asked = watcher.wait_for(|pairing| pairing.action.is_some());
    drop(tokio::time::timeout(DEADLINE, asked).await.unwrap().unwrap());
}

async fn get(scene: &Scene, ours: &Account, path: &str) -> Value {
    scene.ask(&Ask::new("GET", path).key(&ours.tenant_key)).await.json()
}

#[tokio::test]
async fn a_pairing_says_what_it_waits_for_until_it_is_done() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let number = gated(&scene, &ours).await;
    let (detail, status) =
        (format!("/v1/numbers/{number}"), format!("/v1/numbers/{number}/status"));

    for path in [&detail, &status] {
        let shown = get(&scene, &ours, path).await;
        assert_eq!(shown["state"], "CONNECTING");
        assert_eq!(shown["actionRequired"]["type"], "PASSKEY");
        assert_eq!(shown["actionRequired"]["publicKey"]["challenge"], CHALLENGE);
        assert!(shown["actionRequired"]["expiresAt"].is_string());
    }
    let answered = scene.ask(&answer(&ours, number, assertion(b"good", CHALLENGE))).await;
    assert_eq!((answered.status, answered.json()), (202, json!({"ok": true})));
    let mut watcher = scene.app().sessions().pairing(number).unwrap();
    let compared = watcher.wait_for(|pairing| {
        pairing.action.as_ref().is_some_and(|action| action.step.name() == "PASSKEY_CONFIRMATION")
    });
    drop(tokio::time::timeout(DEADLINE, compared).await.unwrap().unwrap());
    let shown = get(&scene, &ours, &detail).await;
    assert_eq!(shown["actionRequired"]["code"], "WXYZ-5678");
    assert_eq!(shown["actionRequired"].get("publicKey"), None);
    assert_eq!(scene.ask(&confirm(&ours, number)).await.status, 202);
    let open = watcher.wait_for(|pairing| pairing.outcome == ramal_session::Outcome::Open);
    drop(tokio::time::timeout(DEADLINE, open).await.unwrap().unwrap());

    let shown = get(&scene, &ours, &detail).await;
    assert_eq!((&shown["state"], shown.get("actionRequired")), (&json!("OPEN"), None));
    let attempts = get(&scene, &ours, &format!("/v1/numbers/{number}/pairing")).await;
    assert!(attempts["attempts"][0]["actionRequiredAt"].is_string(), "{attempts}");
    assert_eq!(attempts["attempts"][0]["outcome"], "open");
}

#[tokio::test]
async fn the_stream_of_a_pairing_asks_for_the_passkey_and_tells_its_refusal() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let number = gated(&scene, &ours).await;
    let events = Ask::new("GET", format!("/v1/numbers/{number}/pairing/events"));
    let events = events.key(&ours.tenant_key);
    let (stream, refused) = tokio::join!(scene.ask(&events), async {
        // The present state comes first, whenever the stream begins.
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.ask(&answer(&ours, number, assertion(BAD, CHALLENGE))).await
    });

    assert_eq!((refused.status, refused.code().as_str()), (409, "PASSKEY_REFUSED"));
    let asked = stream.text.find("event: action_required").unwrap();
    let failed = stream.text.find("event: failed").unwrap();
    assert!(asked < failed && stream.text.contains(CHALLENGE), "{}", stream.text);
    assert!(stream.text.split_at(failed).1.contains("PASSKEY_REFUSED"), "{}", stream.text);
    // The stream may be a moment ahead of the record.
    let recorded = async {
        let path = format!("/v1/numbers/{number}/pairing");
        while get(&scene, &ours, &path).await["attempts"][0]["reason"] != "PASSKEY_REFUSED" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, recorded).await.unwrap();
}

#[tokio::test]
async fn an_assertion_of_the_wrong_shape_is_refused_by_its_field() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let number = gated(&scene, &ours).await;
    let changed = |change: fn(&mut Value)| {
        let mut body = assertion(b"good", CHALLENGE);
        change(&mut body);
        body
    };
    for (body, field) in [
        (json!({}), "id"),
        (changed(|body| body["type"] = json!("password")), "type"),
        (changed(|body| body["rawId"] = json!("b3RoZXI")), "id"),
        (changed(|body| body["response"]["signature"] = json!("?")), "response.signature"),
        (changed(|body| body["response"] = json!("none")), "response"),
        (assertion(b"good", "b3RoZXI"), "response.clientDataJSON"),
    ] {
        let answered = scene.ask(&answer(&ours, number, body)).await;
        assert_eq!((answered.status, answered.code().as_str()), (400, "VALIDATION_ERROR"));
        assert!(answered.text.contains(field), "{}", answered.text);
    }
    let silent = scene.ask(&answer(&ours, number, assertion(IGNORED, CHALLENGE))).await;
    assert_eq!((silent.status, silent.code().as_str()), (503, "UPSTREAM_TIMEOUT"));
    let good = scene.ask(&answer(&ours, number, assertion(b"good", CHALLENGE))).await;
    assert_eq!(good.status, 202, "none of these has ended the attempt: {}", good.text);
}

#[tokio::test]
async fn health_outlives_the_link_and_says_until_when() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    scene.open(&ours.number).await;
    let detail = format!("/v1/numbers/{}", ours.number);
    let well = get(&scene, &ours, &detail).await["health"].clone();
    assert_eq!((&well["code"], &well["sendable"]), (&Value::Null, &json!(true)));

    let id: NumberId = ours.number.parse().unwrap();
    let now = SystemClock.now();
    let mut tx = scene.store().begin().await.unwrap();
    let number = tx.numbers().get(id).await.unwrap().unwrap();
    let ailment = ramal_domain::Ailment::Restricted;
    let until = now.after(Duration::from_hours(1));
    let illness = ramal_domain::Illness { ailment, since: now, until: Some(until) };
    tx.numbers().fall_ill(&number, illness).await.unwrap();
    tx.commit().await.unwrap();
    let ill = get(&scene, &ours, &detail).await["health"].clone();
    assert_eq!((&ill["code"], &ill["sendable"]), (&json!("RESTRICTED_UNTIL"), &json!(true)));
    assert_eq!(ill["restrictedUntil"], until.to_string());

    let mut tx = scene.store().begin().await.unwrap();
    let revoked = Input::Revoked(CloseReason::LoggedOut);
    tx.numbers().step(id, number.epoch, revoked, now).await.unwrap();
    tx.commit().await.unwrap();
    let closed = get(&scene, &ours, &detail).await["health"].clone();
    assert_eq!((&closed["code"], &closed["sendable"]), (&json!("LOGGED_OUT"), &json!(false)));
}
