//! Templates: made, changed, looked at, filled in; those of an official number.

use serde_json::{Value, json};

use crate::{
    graph,
    scene::{Account, Answer, Ask, Scene},
};

fn ask(method: &'static str, path: &str, account: &Account) -> Ask {
    Ask::new(method, format!("/v1/templates{path}")).key(&account.tenant_key)
}

async fn made(scene: &Scene, account: &Account, body: Value) -> Value {
    let answer = scene.ask(&ask("POST", "", account).body(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn names(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_template_has_versions_and_is_known_by_id_and_name() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    let body = json!({
        "name": "order-update", "category": "MARKETING", "language": "pt_BR",
        "text": "Oi {{name}}, {{order}}", "footer": "{{name}} @ Acme",
    });
    let first = made(&scene, &ours, body).await;
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("tpl_"), "{id}");
    assert_eq!(
        (&first["provider"], &first["category"]),
        (&json!("PILOT_STATUS"), &json!("MARKETING"))
    );
    let latest = &first["latestVersion"];
    assert_eq!((&latest["version"], &latest["variables"]), (&json!(1), &json!(["name", "order"])));

    let change = json!({"text": "Olá {{name}}", "footer": null, "category": "OTP"});
    let changed = scene.ask(&ask("PATCH", "/order-update", &ours).body(change.clone())).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let changed = changed.json();
    let latest = &changed["latestVersion"];
    assert_eq!((&latest["version"], &latest["footer"]), (&json!(2), &Value::Null));
    assert_eq!((&latest["language"], &changed["category"]), (&json!("pt_BR"), &json!("OTP")));
    // What changes nothing makes no version, and another name alone neither.
    let again = scene.ask(&ask("PATCH", &format!("/{id}"), &ours).body(change)).await;
    assert_eq!(again.json(), changed);
    let renamed =
        scene.ask(&ask("PATCH", &format!("/{id}"), &ours).body(json!({"name": "order"}))).await;
    assert_eq!(renamed.json()["latestVersion"]["version"], 2);

    for known_by in [id, "order", "order:pt_BR"] {
        let found = scene.ask(&ask("GET", &format!("/{known_by}"), &ours)).await;
        assert_eq!(found.json(), renamed.json(), "{known_by}");
    }
    for unknown in ["order-update", "order:en", "tpl_none", "%00", "a%20b", "%ff"] {
        let answer = scene.ask(&ask("GET", &format!("/{unknown}"), &ours)).await;
        assert_eq!(answer.status, 404, "{unknown}: {}", answer.text);
    }
    assert_eq!(scene.ask(&ask("DELETE", "/order", &ours)).await.status, 200);
    assert_eq!(scene.ask(&ask("DELETE", &format!("/{id}"), &ours)).await.status, 404);
    assert_eq!(names(&scene.ask(&ask("GET", "", &ours)).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_template_cannot_be_is_refused_with_the_field() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    scene.template(&ours, "taken").await;
    for (body, begins) in [
        (json!({"text": "x"}), "a template's name"),
        (json!({"name": "a b", "text": "x"}), "a template's name"),
        (json!({"name": "tpl_x", "text": "x"}), "a template's name"),
        (json!({"name": "a"}), "text"),
        (json!({"name": "a", "text": "{{"}), "text: {{ is never closed"),
        (json!({"name": "a", "text": "x", "footer": "{{a b}}"}), "footer: \"a b\""),
        (json!({"name": "a", "text": 5}), "text: invalid type"),
        (json!({"name": "a", "text": "x", "category": "SPAM"}), "category"),
        (json!({"name": "a", "text": "x", "language": "p t"}), "language"),
        (json!({"name": "a", "media": "file:///etc/passwd"}), "media"),
        (json!({"name": "a", "text": "x", "mediaType": "image"}), "mediaType"),
        (json!({"name": "a", "media": "https://x.example", "mediaType": "gif"}), "mediaType"),
        (
            json!({"name": "a", "text": "x", "buttons": [{"type": "call", "label": "x"}]}),
            "a template's buttons",
        ),
    ] {
        let answer = scene.ask(&ask("POST", "", &ours).body(body.clone())).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "VALIDATION_ERROR"), "{body}");
        let sentence = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(sentence.starts_with(begins), "{body}: {sentence}");
    }
    let own = scene.template(&ours, "own").await;
    let change = |body| ask("PATCH", &format!("/{own}"), &ours).body(body);
    assert_eq!(scene.ask(&change(json!({}))).await.code(), "EMPTY_PATCH");
    assert_eq!(scene.ask(&change(json!({"name": "taken"}))).await.code(), "TEMPLATE_NAME_TAKEN");
    assert_eq!(scene.ask(&change(json!({"text": null}))).await.code(), "VALIDATION_ERROR");
    let still = scene.ask(&ask("GET", "/own", &ours)).await.json();
    assert_eq!(still["latestVersion"]["version"], 1);
}

#[tokio::test]
async fn two_tenants_have_templates_of_the_same_name() {
    let scene = Scene::start().await;
    let (ours, theirs) = (scene.account(1).await, scene.account(2).await);
    let mine = made(&scene, &ours, json!({"name": "hello", "text": "mine"})).await;
    let other = made(&scene, &theirs, json!({"name": "hello", "text": "theirs"})).await;

    for (account, own) in [(&ours, &mine), (&theirs, &other)] {
        assert_eq!(&scene.ask(&ask("GET", "/hello", account)).await.json(), own);
        assert_eq!(names(&scene.ask(&ask("GET", "", account)).await), ["hello"]);
    }
    let id = mine["id"].as_str().unwrap();
    let body = json!({"destinationNumber": "+5511988887777", "templateId": id});
    let stolen = Ask::new("POST", "/v1/messages/send").key(&theirs.number_key).body(body.clone());
    assert_eq!(scene.ask(&stolen).await.code(), "TEMPLATE_NOT_FOUND");
    let own = Ask::new("POST", "/v1/messages/send").key(&ours.number_key).body(body);
    assert_eq!(scene.ask(&own).await.status, 202);
}

#[tokio::test]
async fn an_official_number_has_those_that_meta_has_approved() {
    let scene = Scene::start().await;
    let ours = scene.account(1).await;
    scene.template(&ours, "own").await;
    let created = scene.ask(&graph::create(&ours, "+5511999991003", graph::GOOD)).await;
    let number = created.json()["numberId"].as_str().unwrap().to_owned();
    let there = |path: &str| ask("GET", path, &ours).header("x-whatsapp-number-id", &number);

    let list = scene.ask(&there("")).await.json();
    let expected = json!([{
        "id": "hello:en", "name": "hello", "category": "UTILITY", "provider": "META",
        "createdAt": null, "updatedAt": null,
        "latestVersion": {
            "version": 1, "language": "en", "text": "Hello {{1}}", "footer": null, "media": null,
            "mediaType": null, "fileName": null, "buttons": [], "variables": ["1"], "createdAt": null,
        },
    }]);
    assert_eq!(list, expected);
    for known_by in ["/hello", "/hello:en"] {
        assert_eq!(scene.ask(&there(known_by)).await.json(), expected[0], "{known_by}");
    }
    assert_eq!(scene.ask(&there("/own")).await.code(), "TEMPLATE_NOT_FOUND");
    // A QR-paired number has the tenant's own, by its key or by the header.
    let by_key = Ask::new("GET", "/v1/templates").key(&ours.number_key);
    let by_header = ask("GET", "", &ours).header("x-whatsapp-number-id", &ours.number);
    for own in [by_key, by_header, ask("GET", "", &ours)] {
        assert_eq!(names(&scene.ask(&own).await), ["own"]);
    }
    let foreign = ask("GET", "", &ours).header("x-whatsapp-number-id", "wa_none");
    assert_eq!(scene.ask(&foreign).await.code(), "NUMBER_NOT_FOUND");
}
