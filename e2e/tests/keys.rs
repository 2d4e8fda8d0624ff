//! API keys: which number they belong to, who sees them, when they die (contract B.5, C.16 to C.18).

use ramal_tests::{Api, Created, World};
use serde_json::{Value, json};

const FIRST: &str = "+5511999990001";
const SECOND: &str = "+5511999990002";

/// The one row of a number in the tenant's list of keys.
async fn row(api: &Api, number: &str) -> Value {
    let keys = api.get("/v1/api-keys").await.expect(200);
    let rows = keys.as_array().expect("an array");
    let own: Vec<&Value> = rows.iter().filter(|row| row["numberId"] == number).collect();
    assert_eq!(own.len(), 1, "every number has one key: {keys}");
    own.first().map(|row| (*row).clone()).expect("a row")
}

/// The number that a key acts on.
async fn number_of(api: &Api) -> Value {
    let keys = api.get("/v1/api-keys").await.expect(200);
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "a number's key sees itself only");
    keys[0]["whatsappInstanceId"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_key_that_creates_a_number_moves_to_it_by_default() {
    let world = World::start().await;
    let tenant = world.api();
    let first = tenant.create(FIRST).await;
    assert_eq!(first.body.get("linkedApiKeyId"), Some(&Value::Null));
    let before = row(tenant, &first.id).await;
    let key = tenant.with_key(before["key"].as_str().expect("a key"));
    assert_eq!(number_of(&key).await, json!(first.id));

    let body = json!({"name": "second", "number": SECOND});
    let second = Created::read(key.post("/v1/numbers", body).await.expect(201));

    assert_eq!(second.body["linkedApiKeyId"], before["keyId"]);
    assert_eq!(number_of(&key).await, json!(second.id), "the key acts on the new number now");
    let moved = row(tenant, &second.id).await;
    assert_eq!((&moved["keyId"], &moved["key"]), (&before["keyId"], &before["key"]));
    let fresh = row(tenant, &first.id).await;
    assert_ne!(fresh["keyId"], before["keyId"]);
    let replacement = tenant.with_key(fresh["key"].as_str().expect("a key"));
    assert_eq!(number_of(&replacement).await, json!(first.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_key_that_does_not_link_stays_where_it_is() {
    let world = World::start().await;
    let tenant = world.api();
    let first = tenant.create(FIRST).await;
    let before = row(tenant, &first.id).await;
    let key = tenant.with_key(before["key"].as_str().expect("a key"));

    let body = json!({"name": "second", "number": SECOND, "linkToApiKey": false});
    let second = Created::read(key.post("/v1/numbers", body).await.expect(201));

    assert_eq!(second.body.get("linkedApiKeyId"), Some(&Value::Null));
    assert_eq!(number_of(&key).await, json!(first.id));
    assert_eq!(row(tenant, &first.id).await["keyId"], before["keyId"]);
    assert_ne!(row(tenant, &second.id).await["keyId"], before["keyId"]);
    // With the same key, the number that it created can be connected and deleted (H3).
    let path = format!("/v1/numbers/{}", second.id);
    key.get(&format!("{path}/connect")).await.expect(200);
    key.delete(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_fails_moves_no_key() {
    let world = World::start().await;
    let tenant = world.api();
    let first = tenant.create(FIRST).await;
    let before = tenant.get("/v1/api-keys").await.expect(200);
    let key = tenant.with_key(&tenant.key_of(&first.id).await);

    world.phones().network(json!({"refuse": true})).await;
    let body = json!({"name": "second", "number": SECOND});
    key.post("/v1/numbers", body).await.refused(503, "UPSTREAM_ERROR");

    assert_eq!(tenant.get("/v1/api-keys").await.expect(200), before);
    assert_eq!(number_of(&key).await, json!(first.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_regenerated_by_its_tenant_and_by_itself() {
    let world = World::start().await;
    let tenant = world.api();
    let number = tenant.create(FIRST).await;
    let old = tenant.with_key(&tenant.key_of(&number.id).await);

    let by_tenant = tenant.post("/v1/api-keys", json!({"whatsappNumberId": number.id})).await;
    let new = by_tenant.expect(201);
    old.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    let raw = new["key"].as_str().expect("the raw key");
    assert_eq!(new["numberId"], json!(number.id));
    assert!(raw.starts_with(new["keyPrefix"].as_str().expect("a prefix")));
    assert!(raw.ends_with(new["keyLast4"].as_str().expect("an end")));
    assert_eq!(row(tenant, &number.id).await["key"], new["key"]);

    let own = tenant.with_key(raw);
    let by_itself = own.post("/v1/api-keys/regenerate", json!({})).await.expect(201);
    own.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    assert_eq!(
        (&by_itself["scope"], &by_itself["whatsappNumberId"]),
        (&json!("number"), &json!(number.id))
    );
    let newest = tenant.with_key(by_itself["key"].as_str().expect("the raw key"));
    assert_eq!(number_of(&newest).await, json!(number.id));

    // An SDK sends no body at all here.
    let rotated = tenant.call(reqwest::Method::POST, "/v1/api-keys/regenerate", None).await;
    let rotated = rotated.expect(201);
    tenant.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    assert_eq!((&rotated["scope"], &rotated["whatsappNumberId"]), (&json!("tenant"), &Value::Null));
    let again = tenant.with_key(rotated["key"].as_str().expect("the raw key"));
    assert_eq!(again.numbers().await.len(), 1);
    newest.get("/v1/numbers").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_where_they_must_be_and_nowhere_else() {
    let world = World::start().await;
    let tenant = world.api();
    let number = tenant.create(FIRST).await;
    let raw = tenant.key_of(&number.id).await;
    let own = tenant.with_key(&raw);
    let (hook, secret) = tenant.webhook(&number.id, "https://example.com/hook", &["*"]).await;

    let listed = tenant.numbers().await;
    let shown = &listed[0]["apiKeys"][0];
    assert_eq!(shown["keyLast4"], raw[raw.len() - 4..]);
    assert_eq!(shown["keyPrefix"], raw[..7]);
    assert_eq!(shown.as_object().map(serde_json::Map::len), Some(3), "no key id: {shown}");
    let id = &number.id;
    for api in [tenant, &own] {
        for path in [
            "/v1/numbers".to_owned(),
            format!("/v1/numbers/{id}"),
            format!("/v1/numbers/{id}/status"),
            "/v1/webhooks".to_owned(),
            format!("/v1/webhooks/{hook}"),
            format!("/v1/webhooks/{hook}/logs"),
            "/v1/projects".to_owned(),
        ] {
            let answer = api.get(&path).await;
            answer.expect(200);
            assert!(!answer.text.contains(&raw), "{path} shows the key");
            assert!(!answer.text.contains(&secret), "{path} shows the webhook's secret");
        }
    }
    let masked = own.get("/v1/api-keys").await;
    let item = &masked.expect(200)[0];
    assert!(!masked.text.contains(&raw), "a number's key does not see itself whole");
    assert_eq!(item["keyLast4"], raw[raw.len() - 4..]);
    assert_eq!(item["whatsappInstance"]["id"], json!(id));
    let revealed = row(tenant, id).await;
    assert_eq!((&revealed["revealable"], &revealed["key"]), (&json!(true), &json!(raw)));
    let logs = world.product.log();
    assert!(!logs.contains(&raw) && !logs.contains(&secret), "a secret is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_deleted_number_die_with_it() {
    let world = World::start().await;
    let tenant = world.api();
    let (first, second) = (tenant.create(FIRST).await, tenant.create(SECOND).await);
    let (one, other) = (
        tenant.with_key(&tenant.key_of(&first.id).await),
        tenant.with_key(&tenant.key_of(&second.id).await),
    );

    other.delete(&format!("/v1/numbers/{}", first.id)).await.expect(200);

    one.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    one.post("/v1/api-keys/regenerate", json!({})).await.refused(401, "UNAUTHORIZED");
    other.get("/v1/numbers").await.expect(200);
    let keys = tenant.get("/v1/api-keys").await.expect(200);
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "{keys}");
    let dead = json!({"whatsappNumberId": first.id});
    tenant.post("/v1/api-keys", dead).await.refused(404, "NUMBER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_key_is_listed_masked_and_rotated_from_the_command_line() {
    let world = World::start().await;
    let old = world.api().clone();

    let listed = world.product.run(&["keys", "list"]);
    let printed = world.product.run(&["keys", "rotate"]);

    assert!(listed.contains("tenant") && listed.contains('\u{2026}'), "{listed}");
    old.get("/v1/numbers").await.refused(401, "UNAUTHORIZED");
    let key = printed.split_whitespace().find(|word| word.starts_with("ps_")).expect("a key");
    assert!(old.with_key(key).numbers().await.is_empty());
}
