//! Who may call what: one row per operation of the `OpenAPI` document, each of them executed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    graph,
    scene::{Account, Answer, Ask, Scene},
};

/// What an operation acts on, and so what a stranger gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// Only what the caller's own tenant has: a stranger sees nothing of ours.
    Own,
    /// A number in the path or body: a stranger gets 404.
    Number,
    /// A webhook in the path: a stranger gets 404.
    Webhook,
    /// A webhook in the path and a delivery of it that is not there: everybody gets 404.
    Delivery,
    /// A pairing link's token in the path: public, and one that is not there gives everybody 404.
    Link,
    /// A pairing link in the path that is not there: everybody gets 404.
    PairingLink,
    /// A message in the path, of the number that the key acts on: a stranger gets 404.
    Message,
    /// A message in the path, as before, in which no media came: everybody gets 404.
    Media,
    /// A template in the path: a stranger gets 404.
    Template,
    /// The number that the key acts on; the tenant's key needs the header.
    Scope,
}

/// Whether a number's key may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberKey {
    May,
    /// 403 `NUMBER_SCOPE_NOT_ALLOWED`.
    MayNot,
}

use NumberKey::{May, MayNot};
use On::{Delivery, Link, Media, Message, Number, Own, PairingLink, Scope, Template, Webhook};

/// The table. An operation of the document without a row fails the test, and so does a row without
/// an operation. Operations that destroy what later rows need come last.
const TABLE: [(&str, &str, On, NumberKey); 68] = [
    ("get", "/v1/numbers", Own, May),
    ("post", "/v1/numbers", Own, May),
    ("get", "/v1/numbers/{id}", Number, May),
    ("get", "/v1/numbers/{id}/status", Number, May),
    ("patch", "/v1/numbers/{id}", Number, May),
    ("get", "/v1/numbers/{id}/connect", Number, May),
    ("get", "/v1/numbers/{id}/pairing", Number, May),
    ("get", "/v1/numbers/{id}/pairing/events", Number, May),
    ("post", "/v1/numbers/{id}/pairing/passkey", Number, May),
    ("post", "/v1/numbers/{id}/pairing/passkey/confirm", Number, May),
    ("post", "/v1/numbers/{id}/pairing/wrong-phone", Number, May),
    ("post", "/v1/numbers/{id}/remote-pairing", Number, May),
    ("get", "/v1/remote-pairing-links", Own, May),
    ("delete", "/v1/remote-pairing-links/{id}", PairingLink, May),
    ("post", "/v1/numbers/check", Scope, May),
    ("post", "/v1/numbers/remote-pairing", Own, May),
    ("get", "/v1/remote-pairing/{token}", Link, May),
    ("get", "/v1/remote-pairing/{token}/status", Link, May),
    ("get", "/v1/remote-pairing/{token}/events", Link, May),
    ("post", "/v1/remote-pairing/{token}/connect", Link, May),
    ("post", "/v1/remote-pairing/{token}/wrong-phone", Link, May),
    ("post", "/v1/remote-pairing/{token}/passkey", Link, May),
    ("post", "/v1/remote-pairing/{token}/passkey/confirm", Link, May),
    ("post", "/v1/remote-pairing/{token}/helper", Link, May),
    ("post", "/v1/remote-pairing/{token}/meta/start", Link, May),
    ("post", "/v1/remote-pairing/{token}/meta/embedded", Link, May),
    ("post", "/v1/remote-pairing/{token}/meta/choose", Link, May),
    ("post", "/v1/remote-pairing/{token}/meta/credentials", Link, May),
    ("post", "/v1/numbers/meta", Own, May),
    ("post", "/v1/numbers/{id}/meta/reconnect", Number, May),
    ("post", "/v1/numbers/{id}/migrate", Number, May),
    ("post", "/v1/numbers/{id}/pay", Number, MayNot),
    ("post", "/v1/numbers/{id}/upgrade-to-dual", Number, May),
    ("get", "/v1/projects", Own, May),
    ("post", "/v1/projects", Own, MayNot),
    ("get", "/v1/branding", Own, MayNot),
    ("put", "/v1/branding", Own, MayNot),
    ("get", "/v1/api-keys", Own, May),
    ("get", "/v1/webhooks", Own, May),
    ("post", "/v1/webhooks", Number, May),
    ("get", "/v1/webhooks/{id}", Webhook, May),
    ("patch", "/v1/webhooks/{id}", Webhook, May),
    ("get", "/v1/webhooks/{id}/logs", Webhook, May),
    ("post", "/v1/webhooks/{id}/test", Webhook, May),
    ("post", "/v1/webhooks/{id}/replay", Webhook, May),
    ("post", "/v1/webhooks/{id}/rotate-secret", Webhook, May),
    ("post", "/v1/webhooks/{id}/logs/{delivery}/redeliver", Delivery, May),
    ("post", "/v1/messages/send", Scope, May),
    ("post", "/v1/messages/typing", Scope, May),
    ("get", "/v1/messages/{id}", Message, May),
    ("get", "/v1/messages", Scope, May),
    ("get", "/v1/messages/history", Scope, May),
    ("delete", "/v1/messages/cancel", Scope, May),
    ("get", "/v1/groups", Scope, May),
    ("get", "/v1/newsletters", Scope, May),
    ("get", "/v1/media/{id}", Media, May),
    ("get", "/v1/templates", Own, May),
    ("post", "/v1/templates", Own, MayNot),
    ("get", "/v1/templates/{id}", Template, May),
    ("patch", "/v1/templates/{id}", Template, MayNot),
    ("delete", "/v1/templates/{id}", Template, MayNot),
    ("get", "/v1/events/stream", Own, May),
    ("delete", "/v1/webhooks/{id}", Webhook, May),
    ("post", "/v1/api-keys", Number, MayNot),
    ("post", "/v1/api-keys/regenerate", Own, May),
    ("delete", "/v1/numbers/{id}", Number, May),
    ("post", "/v1/numbers/{id}/restore", Number, May),
    ("delete", "/v1/numbers/{id}/purge", Number, MayNot),
];

/// The token of no link.
const NO_TOKEN: &str = "0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11";

/// What belongs to one account.
struct Things {
    account: Account,
    webhook: String,
    message: String,
    template: String,
}

impl Things {
    async fn of(scene: &Scene, last: u32) -> Self {
        let account = scene.account(last).await;
        scene.open(&account.number).await;
        let webhook = scene.webhook(&account).await;
        let message = scene.message(&account).await;
        let template = scene.template(&account, &format!("hello-{last}")).await;
        Self { account, webhook, message, template }
    }

    /// The request of a row, on these things, without a key.
    fn request(&self, method: &str, path: &str, on: On) -> Ask {
        let id = match on {
            Webhook | Delivery => &self.webhook,
            Message | Media => &self.message,
            Template => &self.template,
            Own | Number | Link | PairingLink | Scope => &self.account.number,
        };
        let method = match method {
            "get" => "GET",
            "post" => "POST",
            "patch" => "PATCH",
            "put" => "PUT",
            "delete" => "DELETE",
            other => panic!("{other}: add it here"),
        };
        let delivery = "dlv_01h455vb4pex5vsknk084sn02q";
        let path_of_ours = path.replace("{id}", id).replace("{delivery}", delivery);
        let path_of_ours = path_of_ours.replace("{token}", NO_TOKEN);
        let ask = Ask::new(method, path_of_ours);
        match (method, path) {
            // Of a phone that the tenant has already: 409 shows that the caller was let in.
            ("POST", "/v1/numbers" | "/v1/numbers/remote-pairing") => {
                ask.body(json!({"name": "Sales", "number": self.account.phone}))
            }
            ("POST", path) if path.contains("/meta") || path.ends_with("/migrate") => {
                ask.body(self.body_for_meta(path))
            }
            ("POST", "/v1/templates") => ask.body(json!({"name": "news", "text": "Hi"})),
            ("PATCH", "/v1/templates/{id}") => ask.body(json!({"text": "Hi {{name}}"})),
            ("POST", "/v1/projects") => ask.body(json!({"name": "Sales"})),
            ("POST", "/v1/webhooks") => ask.body(json!({
                "url": "https://93.184.216.34/", "whatsappNumberId": self.account.number
            })),
            (
                "POST",
                "/v1/numbers/{id}/pairing/wrong-phone" | "/v1/remote-pairing/{token}/wrong-phone",
            ) => ask.body(json!({"use": true})),
            ("POST", "/v1/numbers/{id}/remote-pairing") => ask.body(json!({})),
            ("POST", "/v1/numbers/{id}/pairing/passkey" | "/v1/remote-pairing/{token}/passkey") => {
                ask.body(crate::passkey::assertion(b"good", "Y2hhbGxlbmdl"))
            }
            ("PATCH", "/v1/numbers/{id}") => ask.body(json!({"settings": {"rejectCall": true}})),
            ("POST", "/v1/numbers/check") => ask.body(json!({"number": "+5511988887777"})),
            ("POST", "/v1/webhooks/{id}/replay") => {
                ask.body(json!({"since": "2026-01-01T00:00:00.000Z"}))
            }
            ("PUT", "/v1/branding") => ask.body(json!({"companyName": "Acme"})),
            ("PATCH", _) => ask.body(json!({"active": true})),
            ("POST", "/v1/api-keys") => ask.body(json!({"whatsappNumberId": self.account.number})),
            ("POST", "/v1/messages/typing") => {
                ask.body(json!({"destinationNumber": "+5511988887777"}))
            }
            ("POST", "/v1/messages/send") => {
                ask.body(json!({"destinationNumber": "+5511988887777", "text": "Hello"}))
            }
            ("DELETE", "/v1/messages/cancel") => ask.body(json!({"messageIds": [self.message]})),
            _ => ask,
        }
    }

    /// The body of a row on official numbers.
    fn body_for_meta(&self, path: &str) -> Value {
        let mut body = graph::credentials(&self.account.phone, graph::GOOD);
        match path {
            "/v1/numbers/meta" => {
                body["name"] = "Sales".into();
                body["number"] = self.account.phone.clone().into();
            }
            // With another number's id: 400 shows that the caller was let in, and nothing moves.
            "/v1/numbers/{id}/migrate" => {
                body = graph::credentials("+5511999990000", graph::GOOD);
                body["to"] = "META".into();
            }
            "/v1/remote-pairing/{token}/meta/embedded" => {
                body = json!({"state": "none", "code": "none"});
            }
            "/v1/remote-pairing/{token}/meta/choose" => {
                body = json!({"state": "none", "phoneNumberId": "106540352242922"});
            }
            "/v1/remote-pairing/{token}/meta/credentials" => {
                body["state"] = "none".into();
                body["number"] = self.account.phone.clone().into();
            }
            // To start takes no body, and to reconnect an empty one.
            _ => body = json!({}),
        }
        body
    }

    /// Everything that must never be shown to a stranger.
    fn secrets(&self) -> [&str; 5] {
        let account = &self.account;
        [&account.number, &account.number_key, &self.webhook, &self.message, &self.template]
    }
}

fn documented() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&ramal_web::openapi_document()).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.insert((method.clone(), path.clone()));
        }
    }
    operations
}

#[test]
fn every_operation_of_the_document_has_a_row() {
    let rows: BTreeSet<_> =
        TABLE.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();

    assert_eq!(rows, documented());
}

#[tokio::test]
async fn nobody_is_let_in_without_a_key() {
    let scene = Scene::start().await;
    let ours = Things::of(&scene, 1).await;

    for (method, path, on, _) in TABLE {
        for ask in [
            ours.request(method, path, on),
            ours.request(method, path, on).key("ps_0000000000000000000000000000000000000000000"),
        ] {
            let answer = scene.ask(&ask).await;
            let expected =
                if on == Link { (404, "REMOTE_PAIRING_INVALID") } else { (401, "UNAUTHORIZED") };
            assert_eq!((answer.status, answer.code().as_str()), expected, "{path}");
        }
    }
}

#[tokio::test]
async fn a_stranger_finds_nothing_of_ours() {
    let scene = Scene::start().await;
    let ours = Things::of(&scene, 1).await;
    let strangers = Things::of(&scene, 2).await;

    for (method, path, on, number_key) in TABLE {
        let stranger = &strangers.account;
        for (key, is_number_key) in [(&stranger.tenant_key, false), (&stranger.number_key, true)] {
            if path == "/v1/api-keys/regenerate" {
                continue; // The stranger's own key: nothing of ours is named.
            }
            let mut ask = ours.request(method, path, on).key(key);
            if matches!(on, Scope | Message | Media) {
                ask = ask.header("x-whatsapp-number-id", &ours.account.number);
            }
            let answer = scene.ask(&ask).await;
            check_stranger(path, on, number_key, is_number_key, &answer);
            if path == "/v1/messages/cancel" && is_number_key {
                // It says of every id that it was given what came of it.
                assert_eq!(answer.json()["cancelled"], json!([]), "{}", answer.text);
                continue;
            }
            for secret in ours.secrets() {
                assert!(!answer.text.contains(secret), "{method} {path} shows {secret}");
            }
        }
    }
}

fn check_stranger(path: &str, on: On, allowed: NumberKey, is_number_key: bool, answer: &Answer) {
    let expected: &[u16] = match (on, is_number_key) {
        (_, true) if allowed == MayNot => &[403],
        // That we have a phone already is no conflict for others: the second try meets their own.
        (Own, _) if path.starts_with("/v1/numbers") => &[200, 201, 409],
        // A number's key ignores the header and acts on its own number, which is not connected here.
        (Own, _) | (Scope, true) => &[200, 201, 202, 409],
        // A body that names another number than the key's.
        (Number, true) if path == "/v1/webhooks" => &[400],
        (
            Number | Webhook | Delivery | Link | PairingLink | Message | Media | Template | Scope,
            _,
        ) => &[404],
    };
    assert!(expected.contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
}

#[tokio::test]
async fn each_scope_may_do_what_the_table_says() {
    for is_number_key in [true, false] {
        let scene = Scene::start().await;
        let ours = Things::of(&scene, 1).await;
        for (method, path, on, number_key) in TABLE {
            let key =
                if is_number_key { &ours.account.number_key } else { &ours.account.tenant_key };
            let dies = matches!(path, "/v1/api-keys/regenerate" | "/v1/numbers/{id}/restore")
                || (method == "delete" && path == "/v1/numbers/{id}");
            if is_number_key && dies {
                continue; // The key dies with its number; the tenant's run shows that it works.
            }
            if !is_number_key && path == "/v1/api-keys/regenerate" {
                continue;
            }
            let answer = scene.ask(&ours.request(method, path, on).key(key)).await;
            let shown = format!("{method} {path}: {} {}", answer.status, answer.text);
            if is_number_key && number_key == MayNot {
                assert_eq!(answer.status, 403, "{shown}");
                assert_eq!(answer.code(), "NUMBER_SCOPE_NOT_ALLOWED", "{shown}");
            } else if !is_number_key && matches!(on, Scope | Message | Media) {
                assert_eq!(answer.status, 403, "{shown}");
                assert_eq!(answer.code(), "TENANT_SCOPE_NOT_ALLOWED", "{shown}");
                let named = ours.request(method, path, on).key(key);
                let named = named.header("x-whatsapp-number-id", &ours.account.number);
                let answer = scene.ask(&named).await;
                // 409: the number of this scene has no connection to ask through; 400: it is no
                // official one.
                let let_in = matches!(answer.status, 200..=299 | 400 | 409)
                    || (on == Media && answer.code() == "MEDIA_NOT_FOUND");
                assert!(let_in, "{path}: {}", answer.text);
            } else {
                // 400: not offered; 409: exists or is connected already; 404: the delivery that
                // is not there. The caller was let in.
                let let_in = matches!(answer.status, 200..=299 | 400 | 409)
                    || (on == Delivery && answer.code() == "DELIVERY_NOT_FOUND")
                    || (on == Media && answer.code() == "MEDIA_NOT_FOUND")
                    || (on == PairingLink && answer.code() == "PAIRING_LINK_NOT_FOUND")
                    || (on == Link && answer.code() == "REMOTE_PAIRING_INVALID");
                assert!(let_in, "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_rotated_key_dies_and_its_successor_lives() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;

    for key in [&ours.number_key, &ours.tenant_key] {
        let rotated = scene.ask(&Ask::new("POST", "/v1/api-keys/regenerate").key(key)).await;
        assert_eq!(rotated.status, 201, "{}", rotated.text);
        let new = rotated.json()["key"].as_str().unwrap().to_owned();
        let list = |key: &str| Ask::new("GET", "/v1/numbers").key(key);
        assert_eq!(scene.ask(&list(key)).await.status, 401);
        assert_eq!(scene.ask(&list(&new)).await.status, 200);
    }
}
