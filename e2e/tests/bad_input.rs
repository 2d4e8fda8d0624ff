//! Requests that are wrong are refused with the right status and code, and change nothing.

use ramal_tests::{Answer, Api, Receiver, World};
use reqwest::Method;
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";

/// Everything that a bad request might have changed.
async fn everything(api: &Api) -> [Value; 3] {
    let mut all = [Value::Null, Value::Null, Value::Null];
    for (slot, path) in all.iter_mut().zip(["/v1/numbers", "/v1/api-keys", "/v1/webhooks"]) {
        *slot = api.get(path).await.expect(200);
    }
    all
}

/// Sends raw bodies to one address; each must be refused as expected and change nothing.
async fn refuses(api: &Api, path: &str, cases: &[(&str, &str)]) {
    let before = everything(api).await;
    for (body, code) in cases {
        let answer = api.raw(Method::POST, path, &[], (*body).to_owned()).await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some(*code)), "{path} {shown}");
        let sentence = answer.json().get("error").and_then(Value::as_str).map(str::len);
        assert!(sentence.is_some_and(|length| length > 0), "{shown}");
    }
    assert_eq!(everything(api).await, before, "a refused request changed something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_created_from_a_sound_body_only() {
    let world = World::start().await;
    let with = |name: &str, number: &str| json!({"name": name, "number": number}).to_string();
    let mut bodies = vec![
        String::new(),
        "{".to_owned(),
        "nonsense".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "[]".to_owned(),
        json!(["name", NUMBER]).to_string(),
        json!([{"name": "x", "number": NUMBER}]).to_string(),
        "{}".to_owned(),
        json!({"number": NUMBER}).to_string(),
        json!({"name": "x"}).to_string(),
        json!({"name": null, "number": NUMBER}).to_string(),
        json!({"name": 5, "number": NUMBER}).to_string(),
        json!({"name": ["x"], "number": NUMBER}).to_string(),
        json!({"name": "x", "number": 5_511_999_990_001_u64}).to_string(),
        json!({"name": "x", "number": null}).to_string(),
        json!({"name": "x", "number": NUMBER, "linkToApiKey": "k1"}).to_string(),
        json!({"name": "x", "number": NUMBER, "linkToApiKey": 1}).to_string(),
        json!({"name": "x", "number": NUMBER, "settings": "all"}).to_string(),
        json!({"name": "x", "number": NUMBER, "settings": []}).to_string(),
        json!({"name": "x", "number": NUMBER, "settings": {"rejectCall": "yes"}}).to_string(),
        json!({"name": "x", "number": NUMBER, "settings": {"ignoreNewsletters": 1}}).to_string(),
        with("", NUMBER),
        with("   ", NUMBER),
        with(&"x".repeat(101), NUMBER),
        with(&"\u{1f44b}".repeat(101), NUMBER),
        with("two\nlines", NUMBER),
        with("a\u{0}b", NUMBER),
        with("a\u{7f}b", NUMBER),
        format!("{{\"name\":\"x\",\"number\":\"{NUMBER}\"}} trailing"),
    ];
    for number in [
        "",
        "+",
        "5511",
        "+551199",
        "+55119999900011234",
        "++5511999990001",
        "+55 11 99999-0001",
        "+55119999a0001",
        "5511999990001@s.whatsapp.net",
        "+0011999990001",
        "-5511999990001",
        "+\u{0665}\u{0665}11999990001",
        "tel:+5511999990001",
    ] {
        bodies.push(with("x", number));
    }
    let cases: Vec<(&str, &str)> =
        bodies.iter().map(|body| (body.as_str(), "VALIDATION_ERROR")).collect();

    refuses(world.api(), "/v1/numbers", &cases).await;

    assert!(world.api().numbers().await.is_empty());
    let not_utf8 = world.api().raw(Method::POST, "/v1/numbers", &[], vec![0xff, 0xfe]).await;
    not_utf8.refused(400, "VALIDATION_ERROR");
    assert_eq!(world.phones().connections().await, 0, "WhatsApp was not even asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_created_from_an_unusual_but_sound_body() {
    let world = World::start().await;
    let longest = "\u{1f44b}".repeat(100);
    let body = json!({
        "name": longest,
        "number": "5511999990001",
        "linkMode": "DUAL",
        "fromTheFuture": {"deep": [1, 2, 3]},
        "settings": {"rejectCall": true, "alsoFromTheFuture": 1},
    });

    let created = world.api().post("/v1/numbers", body).await.expect(201);

    let id = created["instance"]["id"].as_str().expect("an id");
    let detail = world.api().get(&format!("/v1/numbers/{id}")).await.expect(200);
    assert_eq!((&detail["name"], &detail["number"]), (&json!(longest), &json!("5511999990001")));
    assert_eq!(detail["settings"]["rejectCall"], true);
    let same_with_plus = json!({"name": "x", "number": NUMBER});
    let again = world.api().post("/v1/numbers", same_with_plus).await;
    again.refused(409, "NUMBER_ALREADY_ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_sent_from_a_sound_body_only() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let api = world.api().with_key(&world.api().key_of(&number.id).await);
    let to = |field: &str, value: Value| {
        let mut body = json!({"destinationNumber": FRIEND, "text": "x"});
        body[field] = value;
        body.to_string()
    };
    let wrong = [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        json!({"text": "x"}).to_string(),
        json!({"destinationNumber": FRIEND}).to_string(),
        to("text", json!("")),
        to("text", json!(5)),
        // No database of ours keeps it.
        to("text", json!("a\u{0}b")),
        to("text", json!("x".repeat(65_537))),
        to("destinationNumber", json!("")),
        to("destinationNumber", json!("12345")),
        to("destinationNumber", json!("not a number")),
        to("destinationNumber", json!(5_511_999_990_002_u64)),
        to("markRead", json!("yes")),
        to("templateId", json!("tpl_1")),
        // One destination.
        to("groupId", json!("1@g.us")),
        to("newsletterId", json!("1@newsletter")),
        json!({"groupId": "1@newsletter", "text": "x"}).to_string(),
        to("media", json!("ftp://example.com/x.png")),
        to("media", json!("data:nothing;base64,AAEC")),
        to("mediaType", json!("hologram")),
        to("fileName", json!("../x")),
        to("deliverAt", json!("tomorrow")),
        to("deliverAt", json!("2130-01-01T00:00:00.000Z")),
        to("deliverUntil", json!("2020-01-01T00:00:00.000Z")),
        to("labels", json!(["x".repeat(65)])),
        to("labels", json!("vip")),
    ];
    let unsupported = [
        to("buttons", json!([{"type": "reply", "label": "Yes"}])),
        to("list", json!({"buttonText": "Choose", "sections": [
            {"title": "Sizes", "rows": [{"rowId": "s", "title": "Small"}]}
        ]})),
    ];

    for body in &wrong {
        let answer = api.raw(Method::POST, "/v1/messages/send", &[], body.clone()).await;
        answer.refused(400, "VALIDATION_ERROR");
    }
    for body in &unsupported {
        let answer = api.raw(Method::POST, "/v1/messages/send", &[], body.clone()).await;
        answer.refused(400, "FEATURE_NOT_SUPPORTED");
    }

    api.send_text(FRIEND, "the only one").await;
    world.phones().wait_for_text(FRIEND, "the only one").await;
    assert_eq!(world.phones().received(FRIEND).await, ["the only one"]);
    api.get("/v1/messages/msg_nothing").await.refused(404, "MESSAGE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_somebody_without_whatsapp_or_to_odd_numbers_does_no_harm() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let api = world.api().on_number(&number.id);
    let text = "line one\nline two\t\u{1}end \u{202e}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";

    api.send_text(NUMBER, "to myself").await;
    api.send_text(FRIEND, text).await;
    api.send_text("5511999990002", &"y".repeat(60_000)).await;

    world.phones().wait_for_text(FRIEND, text).await;
    world.phones().wait_for_text(FRIEND, &"y".repeat(60_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_authenticate_is_refused_everywhere() {
    let world = World::start().await;
    let number = world.api().create(NUMBER).await;
    let before = everything(world.api()).await;
    let unknown = format!("ps_{}", "0".repeat(64));
    let long = "x".repeat(5_000);
    let mut strangers = vec![world.api().anonymous()];
    for key in [unknown.as_str(), "", " ", "ps_", "x", "Bearer x", &long, "ps_\u{e9}"] {
        strangers.push(world.api().with_key(key));
    }
    let id = number.id;
    let addresses = [
        (Method::GET, "/v1/numbers".to_owned()),
        (Method::POST, "/v1/numbers".to_owned()),
        (Method::GET, format!("/v1/numbers/{id}")),
        (Method::GET, format!("/v1/numbers/{id}/status")),
        (Method::GET, format!("/v1/numbers/{id}/connect")),
        (Method::DELETE, format!("/v1/numbers/{id}")),
        (Method::DELETE, format!("/v1/numbers/{id}/purge")),
        (Method::GET, "/v1/api-keys".to_owned()),
        (Method::POST, "/v1/api-keys".to_owned()),
        (Method::POST, "/v1/api-keys/regenerate".to_owned()),
        (Method::GET, "/v1/webhooks".to_owned()),
        (Method::POST, "/v1/webhooks".to_owned()),
        (Method::POST, "/v1/messages/send".to_owned()),
        (Method::GET, "/v1/messages/msg_1".to_owned()),
        (Method::GET, "/v1/projects".to_owned()),
    ];

    for stranger in &strangers {
        for (method, path) in &addresses {
            let body = json!({"name": "x", "number": FRIEND});
            let body = (*method == Method::POST).then_some(&body);
            stranger.call(method.clone(), path, body).await.refused(401, "UNAUTHORIZED");
        }
    }

    assert_eq!(everything(world.api()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_wrong_scope_is_refused() {
    let world = World::start().await;
    let number = world.api().create(NUMBER).await;
    let tenant = world.api();
    let own = tenant.with_key(&tenant.key_of(&number.id).await);
    let before = everything(tenant).await;
    let text = json!({"destinationNumber": FRIEND, "text": "x"});

    tenant.post("/v1/messages/send", text.clone()).await.refused(403, "TENANT_SCOPE_NOT_ALLOWED");
    tenant.get("/v1/messages/msg_1").await.refused(403, "TENANT_SCOPE_NOT_ALLOWED");
    let purge = format!("/v1/numbers/{}/purge", number.id);
    let regenerate = json!({"whatsappNumberId": number.id});
    let tenant_only = [
        own.delete(&purge).await,
        own.post(&format!("/v1/numbers/{}/pay", number.id), json!({})).await,
        own.post("/v1/api-keys", regenerate).await,
    ];
    for answer in &tenant_only {
        answer.refused(403, "NUMBER_SCOPE_NOT_ALLOWED");
    }
    for header in ["wa_nothing", "no id at all", &"x".repeat(3_000)] {
        let lost = tenant.on_number(header);
        lost.post("/v1/messages/send", text.clone()).await.refused(404, "NUMBER_NOT_FOUND");
    }
    // A number's key acts on its own number, whatever the header says.
    let ignored = own.on_number("wa_nothing").post("/v1/messages/send", text).await;
    assert_eq!(ignored.expect(202)["sourceNumber"], "5511999990001");
    let paid = tenant.post(&format!("/v1/numbers/{}/pay", number.id), json!({})).await;
    assert_eq!(paid.expect(200)["status"], "not_required");

    let mut after = everything(tenant).await;
    assert_eq!(after[0][0]["id"], before[0][0]["id"]);
    // The key was used meanwhile; nothing else may differ.
    after[0][0]["updatedAt"] = before[0][0]["updatedAt"].clone();
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found() {
    let world = World::start().await;
    let api = world.api();
    let never = ["wa_nothing", "wa_01m87we8aeekmav2fqv50yve7m", "x", "..%2f..", "%00", "'--"];

    for id in never {
        let path = format!("/v1/numbers/{id}");
        let status = api.get(&format!("{path}/status")).await;
        let body = status.expect(404);
        assert!(body["error"].is_string() && body.get("code").is_none(), "{body}");
        api.get(&path).await.refused(404, "NUMBER_NOT_FOUND");
        api.get(&format!("{path}/connect")).await.refused(404, "NUMBER_NOT_FOUND");
        api.delete(&path).await.refused(404, "NUMBER_NOT_FOUND");
        api.delete(&format!("{path}/purge")).await.refused(404, "NUMBER_NOT_FOUND");
        api.get(&format!("/v1/webhooks/{id}")).await.refused(404, "WEBHOOK_NOT_FOUND");
        api.delete(&format!("/v1/webhooks/{id}")).await.refused(404, "WEBHOOK_NOT_FOUND");
        api.get(&format!("/v1/webhooks/{id}/logs")).await.refused(404, "WEBHOOK_NOT_FOUND");
        let key = json!({"whatsappNumberId": id});
        api.post("/v1/api-keys", key).await.refused(404, "NUMBER_NOT_FOUND");
    }
    api.post("/v1/api-keys", json!({})).await.refused(400, "VALIDATION_ERROR");
    for path in ["/v1/nothing", "/v2/numbers", "/nothing", "/v1", "/sandbox/phones"] {
        api.get(path).await.refused(404, "NOT_FOUND");
    }
    for (method, path) in [
        (Method::PUT, "/v1/numbers"),
        (Method::DELETE, "/v1/numbers"),
        (Method::POST, "/v1/numbers/wa_1/status"),
        (Method::GET, "/v1/messages/send/x"),
        (Method::PUT, "/v1/webhooks/wh_1"),
    ] {
        let answer = api.call(method.clone(), path, None).await;
        assert!(matches!(answer.status, 404 | 405), "{method} {path}: {}", answer.status);
        let code = if answer.status == 405 { "METHOD_NOT_ALLOWED" } else { "NOT_FOUND" };
        answer.refused(answer.status, code);
    }
    api.call(Method::PUT, "/v1/numbers", None).await.refused(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::start().await;
    let body = json!({"name": "x".repeat(3 * 1024 * 1024), "number": NUMBER}).to_string();

    let answer = world.api().raw(Method::POST, "/v1/numbers", &[], body).await;

    answer.refused(413, "BODY_TOO_LARGE");
    assert!(world.api().numbers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_repeats_the_answer_and_not_the_deed() {
    let world = World::start().await;
    let number = world.open_number(NUMBER).await;
    let api = world.api().on_number(&number.id);
    let body = |text: &str| json!({"destinationNumber": FRIEND, "text": text}).to_string();
    let send = async |key: &str, text: &str| -> Answer {
        let headers = [("idempotency-key", key)];
        api.raw(Method::POST, "/v1/messages/send", &headers, body(text)).await
    };

    let first = send("one", "hello").await;
    let again = send("one", "hello").await;

    let accepted = first.expect(202);
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.expect(202), accepted);
    let replayed = again.headers.get("idempotent-replayed").expect("the header");
    assert_eq!(replayed, "true");
    send("one", "other").await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    for bad in ["", &"k".repeat(256), "tab\there"] {
        send(bad, "hello").await.refused(400, "IDEMPOTENCY_KEY_INVALID");
    }
    // Only successes are remembered.
    send("two", "").await.refused(400, "VALIDATION_ERROR");
    send("two", "now right").await.expect(202);
    let longest = "k".repeat(255);
    send(&longest, "longest key").await.expect(202);

    world.phones().wait_for_text(FRIEND, "longest key").await;
    assert_eq!(world.phones().received(FRIEND).await, ["hello", "now right", "longest key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_with_an_idempotency_key_is_done_once() {
    let world = World::start().await;
    let body = json!({"name": "x", "number": NUMBER}).to_string();
    let headers = [("idempotency-key", "create")];

    let first = world.api().raw(Method::POST, "/v1/numbers", &headers, body.clone()).await;
    let again = world.api().raw(Method::POST, "/v1/numbers", &headers, body).await;

    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(world.api().numbers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_created_from_a_sound_body_only() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let number = world.api().create(NUMBER).await;
    let other = world.api().create(FRIEND).await;
    let own = world.api().with_key(&world.api().key_of(&number.id).await);
    let with = |field: &str, value: Value| {
        let mut body = json!({"url": "https://example.com/hook", "whatsappNumberId": number.id});
        body[field] = value;
        body.to_string()
    };
    let bodies = [
        ("{}".to_owned(), "VALIDATION_ERROR"),
        ("[]".to_owned(), "VALIDATION_ERROR"),
        (json!({"url": "https://example.com/"}).to_string(), "NUMBER_REQUIRED"),
        (with("url", json!("")), "VALIDATION_ERROR"),
        (with("url", json!("example.com")), "VALIDATION_ERROR"),
        (with("url", json!("ftp://example.com/")), "VALIDATION_ERROR"),
        (with("url", json!("file:///etc/passwd")), "VALIDATION_ERROR"),
        (with("url", json!("javascript:alert(1)")), "VALIDATION_ERROR"),
        (
            with("url", json!(format!("https://example.com/{}", "x".repeat(2_100)))),
            "VALIDATION_ERROR",
        ),
        (with("url", json!(5)), "VALIDATION_ERROR"),
        (with("name", json!("")), "VALIDATION_ERROR"),
        (with("name", json!("x".repeat(101))), "VALIDATION_ERROR"),
        (with("events", json!("*")), "VALIDATION_ERROR"),
        (with("events", json!(["number.exploded"])), "VALIDATION_ERROR"),
        (with("events", json!([5])), "VALIDATION_ERROR"),
        (with("active", json!("yes")), "VALIDATION_ERROR"),
        (with("secret", json!("short")), "VALIDATION_ERROR"),
    ];
    let cases: Vec<(&str, &str)> =
        bodies.iter().map(|(body, code)| (body.as_str(), *code)).collect();

    refuses(world.api(), "/v1/webhooks", &cases).await;

    let foreign = json!({"url": receiver.url("x"), "whatsappNumberId": "wa_nothing"});
    world.api().post("/v1/webhooks", foreign).await.refused(404, "NUMBER_NOT_FOUND");
    let mismatch = json!({"url": receiver.url("x"), "whatsappNumberId": other.id});
    own.post("/v1/webhooks", mismatch).await.refused(400, "NUMBER_MISMATCH");
    assert_eq!(world.api().get("/v1/webhooks").await.expect(200), json!([]));

    // The contract's other provider's events are taken and dropped.
    let sound = json!({"url": receiver.url("x"), "events": ["*", "lead.received", "*"]});
    let hook = own.post("/v1/webhooks", sound).await.expect(201);
    assert_eq!(hook["events"], json!(["*"]));
    assert_eq!(hook["whatsappNumberIds"], json!([number.id]));
    let path = format!("/v1/webhooks/{}", hook["id"].as_str().expect("an id"));
    own.patch(&path, json!({})).await.refused(400, "EMPTY_PATCH");
    own.patch(&path, json!({"url": "nonsense"})).await.refused(400, "VALIDATION_ERROR");
    for limit in ["0", "51", "-1", "x"] {
        let log = own.get(&format!("{path}/logs?limit={limit}")).await;
        log.refused(400, "VALIDATION_ERROR");
    }
    let paused = own.patch(&path, json!({"active": false})).await.expect(200);
    assert_eq!(paused["active"], false);
    assert!(paused.get("secret").is_none(), "the secret is shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_operators_leave_no_webhook_points_into_the_machines_own_network() {
    let world = World::with(&[("WEBHOOKS__ALLOW_PRIVATE", "false")]).await;
    let number = world.api().create(NUMBER).await;

    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://192.168.0.1:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://user:secret@127.0.0.1/",
    ] {
        let body = json!({"url": url, "whatsappNumberId": number.id});
        let answer = world.api().post("/v1/webhooks", body).await;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
        answer.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(world.api().get("/v1/webhooks").await.expect(200), json!([]));
}
