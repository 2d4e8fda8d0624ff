//! What each call asks for, and what it makes of the answer.

use std::time::Duration;

use ramal_domain::Timestamp;
use ramal_meta::{Access, AppData, Subscription, appsecret_proof};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::scripted::{APP, PHONE, PROOF, SECRET, Scripted, TOKEN, WABA, access, phone, waba};

const VERIFY: &str = "hush-verify";
const CALLBACK: &str = "https://ramal.example.com/webhooks/meta/num_1";

#[test]
fn the_vector_of_the_proof() {
    assert_eq!(appsecret_proof(&TOKEN.into(), &SECRET.into()), PROOF);
}

#[tokio::test]
async fn a_token_travels_in_a_header_and_the_proof_in_the_query() {
    let meta = Scripted::start().await;
    meta.answers(200, json!({"id": PHONE}));

    meta.graph.phone(&access(), &phone()).await.unwrap();

    let request = meta.request();
    assert_eq!(request.line(), format!("GET /v25.0/{PHONE}"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.query["appsecret_proof"], PROOF);
    assert!(request.query["fields"].contains("is_on_biz_app"), "{:?}", request.query);
    assert!(!request.query.contains_key("access_token"));
    // Without the secret there is nothing to prove.
    let access = Access { app_secret: None, ..access() };
    meta.graph.phone(&access, &phone()).await.unwrap();
    assert!(!meta.request().query.contains_key("appsecret_proof"));
}

#[tokio::test]
async fn calls_that_change_something() {
    let meta = Scripted::start().await;
    let (graph, access, phone, waba) = (&meta.graph, access(), phone(), waba());
    let verify = VERIFY.into();
    let callback = Some((CALLBACK, &verify));
    let override_json = json!({"override_callback_uri": CALLBACK, "verify_token": VERIFY});

    graph.register(&access, &phone, &"123456".into()).await.unwrap();
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{PHONE}/register"));
    assert_eq!(request.json(), json!({"messaging_product": "whatsapp", "pin": "123456"}));
    assert_eq!(request.header("content-type"), Some("application/json"));

    graph.deregister(&access, &phone).await.unwrap();
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{PHONE}/deregister"));
    assert!(request.body.is_empty());

    graph.subscribe(&access, &waba, callback).await.unwrap();
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{WABA}/subscribed_apps"));
    assert_eq!(request.json(), override_json);

    // Without a body the override is taken back.
    graph.subscribe(&access, &waba, None).await.unwrap();
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{WABA}/subscribed_apps"));
    assert!(request.body.is_empty());

    graph.unsubscribe(&access, &waba).await.unwrap();
    assert_eq!(meta.request().line(), format!("DELETE /v25.0/{WABA}/subscribed_apps"));

    graph.set_callback(&access, &phone, callback).await.unwrap();
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{PHONE}"));
    assert_eq!(request.json(), json!({"webhook_configuration": override_json}));

    graph.set_callback(&access, &phone, None).await.unwrap();
    let taken_back = json!({"webhook_configuration": {"override_callback_uri": ""}});
    assert_eq!(meta.request().json(), taken_back);

    for (what, name) in [(AppData::State, "smb_app_state_sync"), (AppData::History, "history")] {
        graph.sync_app_data(&access, &phone, what).await.unwrap();
        let request = meta.request();
        assert_eq!(request.line(), format!("POST /v25.0/{PHONE}/smb_app_data"));
        assert_eq!(request.json(), json!({"messaging_product": "whatsapp", "sync_type": name}));
    }
}

#[tokio::test]
async fn a_token_is_inspected_as_the_app_when_that_is_known() {
    let meta = Scripted::start().await;
    let inspected = json!({"data": {"app_id": APP, "type": "SYSTEM_USER", "is_valid": true,
        "expires_at": 1_800_000_000, "scopes": ["whatsapp_business_management", "public_profile"],
        "granular_scopes": [
            {"scope": "whatsapp_business_management", "target_ids": [WABA]},
            {"scope": "whatsapp_business_messaging"}]}});
    meta.answers(200, inspected.clone());

    let info = meta.graph.inspect_token(&access(), Some(&APP.parse().unwrap())).await.unwrap();

    assert!(info.valid);
    assert_eq!(info.app_id.as_deref(), Some(APP));
    assert_eq!(info.expires_at, Some(Timestamp::from_secs(1_800_000_000)));
    assert_eq!(info.wabas_of("whatsapp_business_management"), Some(&[WABA.to_owned()][..]));
    assert_eq!(info.wabas_of("whatsapp_business_messaging"), None);
    assert!(info.has_scope("whatsapp_business_messaging"));
    assert!(!info.has_scope("business_management"));
    let request = meta.request();
    assert_eq!(request.line(), "GET /v25.0/debug_token");
    assert_eq!(request.query["input_token"], TOKEN);
    assert_eq!(request.header("authorization"), Some(format!("Bearer {APP}|{SECRET}").as_str()));

    // Otherwise it inspects itself.
    let invalid = json!({"data": {"is_valid": false, "scopes": [], "expires_at": 0,
        "error": {"code": 190, "message": "Session has expired", "subcode": 463}}});
    meta.answers(200, invalid);
    let info = meta.graph.inspect_token(&access(), None).await.unwrap();
    assert!(!info.valid);
    assert_eq!((info.error.as_deref(), info.expires_at), (Some("Session has expired"), None));
    let request = meta.request();
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.query["appsecret_proof"], PROOF);
}

#[tokio::test]
async fn a_code_is_changed_into_a_token_without_one() {
    let meta = Scripted::start().await;
    meta.answers(
        200,
        json!({"access_token": "EAAnew", "token_type": "bearer", "expires_in": 5_184_000}),
    );

    let app = APP.parse().unwrap();
    let token = meta.graph.exchange_code(&app, &SECRET.into(), "hush-code").await.unwrap();

    assert_eq!(token.token.expose_secret(), "EAAnew");
    assert_eq!(token.expires_in, Some(Duration::from_hours(60 * 24)));
    let request = meta.request();
    assert_eq!(request.line(), "GET /v25.0/oauth/access_token");
    assert_eq!(request.header("authorization"), None);
    let mut names: Vec<_> = request.query.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "client_secret", "code"]);
}

#[tokio::test]
async fn a_number_is_described_whatever_meta_adds() {
    let meta = Scripted::start().await;
    meta.answers(
        200,
        json!({"id": PHONE, "display_phone_number": "+1 631-555-5555", "verified_name": "Jasper's",
            "status": "SOMETHING_NEW", "quality_rating": "GREEN", "is_on_biz_app": true,
            "platform_type": "CLOUD_API", "messaging_limit_tier": "TIER_1K",
            "webhook_configuration": {"phone_number": CALLBACK, "application": "https://a.example.com"}}),
    );

    let number = meta.graph.phone(&access(), &phone()).await.unwrap();

    assert_eq!(number.digits().as_deref(), Some("16315555555"));
    assert_eq!(number.status.as_deref(), Some("SOMETHING_NEW"));
    assert_eq!(number.messaging_limit.as_deref(), Some("TIER_1K"));
    assert_eq!(number.callback_number.as_deref(), Some(CALLBACK));
    assert!(number.is_on_biz_app);
    assert_eq!(number.raw["verified_name"], "Jasper's");

    meta.answers(
        200,
        json!({"id": PHONE, "messaging_limit_tier": "TIER_250",
        "whatsapp_business_manager_messaging_limit": "TIER_2K", "is_on_biz_app": null}),
    );
    let number = meta.graph.phone(&access(), &phone()).await.unwrap();
    assert_eq!(number.messaging_limit.as_deref(), Some("TIER_2K"));
    assert!(number.digits().is_none() && !number.is_on_biz_app);
}

#[tokio::test]
async fn a_profile_is_flat_even_when_it_comes_nested() {
    let meta = Scripted::start().await;
    let profile = json!({"about": "Succulents", "vertical": "RETAIL"});
    for data in [json!([profile]), json!([{"business_profile": profile, "id": "1"}])] {
        meta.answers(200, json!({"data": data}));
        assert_eq!(meta.graph.profile(&access(), &phone()).await.unwrap(), profile);
    }
    let line = format!("GET /v25.0/{PHONE}/whatsapp_business_profile");
    assert!(meta.requests().iter().all(|request| request.line() == line));
}

#[tokio::test]
async fn lists_are_read_by_cursor_and_their_addresses_are_not_visited() {
    let meta = Scripted::start().await;
    let page = |id: &str, after: Option<&str>| {
        let next = after.map(|_| "https://evil.example.com/?access_token=x");
        json!({"data": [{"id": id, "display_phone_number": "+1 631-555-5555"}],
            "paging": {"cursors": {"before": "b", "after": after.unwrap_or("end")}, "next": next}})
    };
    meta.answers(200, page("1", Some("c1")));
    meta.answers(200, page("2", Some("c2")));
    let mut last = page("3", None);
    last["paging"].as_object_mut().unwrap().remove("next");
    meta.answers(200, last);

    let phones = meta.graph.phones_of(&access(), &waba()).await.unwrap();

    let ids: Vec<_> = phones.iter().map(|phone| phone.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(phones[0].digits().as_deref(), Some("16315555555"));
    let requests = meta.requests();
    let cursors: Vec<_> =
        requests.iter().map(|request| request.query.get("after").map(String::as_str)).collect();
    assert_eq!(cursors, [None, Some("c1"), Some("c2")]);
    assert!(
        requests.iter().all(|request| request.line() == format!("GET /v25.0/{WABA}/phone_numbers"))
    );

    // A list that never ends does, and so does one that goes in circles.
    for number in 0..30 {
        meta.answers(200, page(&number.to_string(), Some(&format!("c{number}"))));
    }
    assert_eq!(meta.graph.phones_of(&access(), &waba()).await.unwrap().len(), 20);
    assert_eq!(meta.requests().len(), 20);
}

#[tokio::test]
async fn subscriptions_are_read() {
    let meta = Scripted::start().await;
    let link = "https://www.facebook.com/games/?app_id=1";
    meta.answers(
        200,
        json!({"data": [
            {"whatsapp_business_api_data": {"id": APP, "name": "n", "link": link}, "override_callback_uri": CALLBACK},
            {"whatsapp_business_api_data": {"id": "22222", "name": "n", "link": link}}, {"x": 1}]}),
    );

    let subscriptions = meta.graph.subscriptions(&access(), &waba()).await.unwrap();

    assert_eq!(
        subscriptions,
        [
            Subscription { app_id: APP.to_owned(), callback: Some(CALLBACK.to_owned()) },
            Subscription { app_id: "22222".to_owned(), callback: None },
        ]
    );
}

#[tokio::test]
async fn templates_are_found_by_their_whole_name() {
    let meta = Scripted::start().await;
    let template = |name: &str, format: &str| {
        json!({"id": "1", "name": name, "language": "pt_BR", "status": "APPROVED",
            "category": "UTILITY", "parameter_format": format,
            "components": [{"type": "BODY", "text": "Hi {{name}}"}]})
    };
    meta.answers(
        200,
        json!({"data": [template("order", "NAMED"), template("order_sent", "NAMED"), template("order", "POSITIONAL")]}),
    );

    let templates = meta.graph.templates(&access(), &waba(), "order").await.unwrap();

    assert_eq!(templates.iter().map(|one| one.named).collect::<Vec<_>>(), [true, false]);
    assert_eq!(templates[0].components.len(), 1);
    let request = meta.request();
    assert_eq!(request.line(), format!("GET /v25.0/{WABA}/message_templates"));
    assert_eq!(request.query["name"], "order");
}

#[tokio::test]
async fn approved_templates_are_listed() {
    let meta = Scripted::start().await;
    let template = |name: &str, status: &str| {
        json!({"id": "1", "name": name, "language": "pt_BR", "status": status,
            "category": "UTILITY", "components": []})
    };
    meta.answers(200, json!({"data": [template("a", "APPROVED"), template("b", "REJECTED")]}));

    let templates = meta.graph.approved_templates(&access(), &waba()).await.unwrap();

    assert_eq!(templates.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let request = meta.request();
    assert_eq!(request.line(), format!("GET /v25.0/{WABA}/message_templates"));
    assert_eq!(request.query["status"], "APPROVED");
}

#[tokio::test]
async fn an_account_is_described() {
    let meta = Scripted::start().await;
    meta.answers(200, json!({"id": WABA, "name": "Jasper's", "account_review_status": "APPROVED"}));

    assert_eq!(meta.graph.waba(&access(), &waba()).await.unwrap()["name"], "Jasper's");
    assert_eq!(meta.request().line(), format!("GET /v25.0/{WABA}"));
}

#[tokio::test]
async fn a_message_is_sent_and_known_by_its_id() {
    let meta = Scripted::start().await;
    let body = json!({"messaging_product": "whatsapp", "to": "+16505551234", "type": "text",
        "text": {"body": "hi"}});
    meta.answers(200, json!({"messaging_product": "whatsapp",
        "contacts": [{"input": "+16505551234", "wa_id": "16505551234"}], "messages": [{"id": "wamid.A"}]}));
    let receipt = meta.graph.send(&access(), &phone(), &body).await.unwrap();
    assert_eq!(
        (receipt.wamid.as_str(), receipt.wa_id.as_deref()),
        ("wamid.A", Some("16505551234"))
    );
    let request = meta.request();
    assert_eq!(request.line(), format!("POST /v25.0/{PHONE}/messages"));
    assert_eq!(request.json(), body);

    meta.answers(
        200,
        json!({"messaging_product": "whatsapp",
        "contacts": [{"input": "US.1349", "user_id": "US.1349"}], "messages": [{"id": "wamid.B"}]}),
    );
    let receipt = meta.graph.send(&access(), &phone(), &body).await.unwrap();
    assert_eq!((receipt.wamid.as_str(), receipt.wa_id), ("wamid.B", None));
    drop(meta.requests());

    meta.graph.mark_read(&access(), &phone(), "wamid.IN", false).await.unwrap();
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN"});
    assert_eq!(meta.request().json(), read);
    meta.graph.mark_read(&access(), &phone(), "wamid.IN", true).await.unwrap();
    assert_eq!(meta.request().json()["typing_indicator"], json!({"type": "text"}));
}
