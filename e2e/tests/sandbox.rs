//! The sandbox itself: its files, its control API, its refusals.

use std::{collections::BTreeSet, process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ramal_tests::{Process, Sandbox, World, binary, decode_qr};
use reqwest::Method;
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990002";

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_has_its_keys_and_all_addresses_are_on_this_machine() {
    let sandbox = Sandbox::start().await;

    let ready = sandbox.ready.as_object().expect("an object");
    let keys: BTreeSet<&str> = ready.keys().map(String::as_str).collect();
    let expected = [
        "apiUrl",
        "dashboardUrl",
        "graphControlUrl",
        "graphUrl",
        "meta",
        "sandboxUrl",
        "tenantKey",
        "whatsappUrl",
    ];
    assert_eq!(keys, BTreeSet::from(expected));
    for url in ["apiUrl", "dashboardUrl", "graphControlUrl", "graphUrl", "sandboxUrl"] {
        let value = ready[url].as_str().expect("a text");
        assert!(value.starts_with("http://127.0.0.1:"), "{url}: {value}");
    }
    assert!(ready["whatsappUrl"].as_str().is_some_and(|url| url.starts_with("ws://127.0.0.1:")));
    assert!(ready["tenantKey"].as_str().is_some_and(|key| key.starts_with("ps_")));
    for path in ["/healthz", "/readyz"] {
        sandbox.api.anonymous().get(path).await.expect(200);
    }
    let metrics = sandbox.api.anonymous().get("/metrics").await;
    assert!(metrics.status == 200 && metrics.text.contains("http_requests_total"));
    assert_eq!(sandbox.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_data_folder_a_restart_keeps_everything() {
    let data = tempfile::tempdir().unwrap();
    let args = ["--data", data.path().to_str().unwrap()];
    let sandbox = Sandbox::with(&args).await;
    let key = sandbox.ready["tenantKey"].clone();
    let number = sandbox.open_number(NUMBER).await;
    let companions = sandbox.phones.companions(NUMBER).await;
    sandbox.api.on_number(&number.id).send_text(FRIEND, "before").await;
    sandbox.phones.wait_for_text(FRIEND, "before").await;

    assert_eq!(sandbox.stop().await.code(), Some(0));
    let sandbox = Sandbox::with(&args).await;

    assert_eq!(sandbox.ready["tenantKey"], key);
    sandbox.api.wait_until_open(&number.id).await;
    let now = sandbox.phones.companions(NUMBER).await;
    assert_eq!(now.len(), 1);
    assert_eq!(now[0]["jid"], companions[0]["jid"]);
    sandbox.api.on_number(&number.id).send_text(FRIEND, "after").await;
    sandbox.phones.wait_for_text(FRIEND, "after").await;
    assert_eq!(sandbox.phones.received(FRIEND).await, ["before", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_that_it_prints_work_as_printed() {
    let sandbox = Sandbox::start().await;
    let log = sandbox.log();
    let lines: Vec<&str> =
        log.lines().map(str::trim).filter(|line| line.contains("curl -s")).collect();
    assert_eq!(lines.len(), 5, "create, scan, send, read; create an official one: {log}");
    let curl = Command::new("/bin/sh").args(["-c", "command -v curl"]).output();
    assert!(curl.is_ok_and(|output| output.status.success()), "the lines need curl; install it");

    for line in &lines {
        // The file that they share must not be another run's.
        let line = line.replace("/tmp/", &format!("{}/", sandbox.dir.path().display()));
        let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !printed.contains("\"error\""), "{line}\n{printed}");
    }

    let numbers = sandbox.api.numbers().await;
    assert_eq!(numbers.len(), 2, "a QR-paired one and an official one");
    for number in &numbers {
        sandbox.api.wait_until_open(number["id"].as_str().expect("an id")).await;
    }
    sandbox.phones.wait_for_text("+5511999990002", "Hello!").await;
    let drawn = sandbox.log();
    assert!(drawn.contains('\u{2588}') && drawn.contains("Pairing code:"), "no QR code is drawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_refuses_what_makes_no_sense() {
    let sandbox = Sandbox::start().await;
    let phones = &sandbox.phones;
    let number = sandbox.api.create(NUMBER).await;
    let not_a_png = format!("data:image/png;base64,{}", BASE64.encode("no picture"));
    let scan = format!("/phones/{NUMBER}/scan");
    let code = format!("/phones/{NUMBER}/pairing-code");
    let messages = format!("/phones/{NUMBER}/messages");

    for (path, body) in [
        (&scan, json!({})),
        (&scan, json!([])),
        (&scan, json!({"qr": ""})),
        (&scan, json!({"qr": "hello"})),
        (&scan, json!({"qr": "1,2,3,4,5"})),
        (&scan, json!({"qr": 5})),
        (&scan, json!({"qrcodeBase64": "not base64"})),
        (&scan, json!({"qrcodeBase64": not_a_png})),
        (&scan, json!({"qr": "a", "qrcodeBase64": "b"})),
        (&code, json!({})),
        (&code, json!({"code": ""})),
        (&code, json!({"code": "ABC"})),
        (&code, json!({"code": "ABCD-123!"})),
        (&messages, json!({"to": "nobody", "text": "x"})),
        (&messages, json!({"to": FRIEND})),
        (&"/phones".to_owned(), json!({"number": "x"})),
        (&"/network".to_owned(), json!({"refuse": "yes"})),
    ] {
        let answer = phones.post(path, body.clone()).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
        assert!(answer.json()["error"].is_string() && answer.code().is_some());
    }
    phones.get("/phones/12x/messages").await.refused(400, "INVALID_NUMBER");
    phones.get("/nothing").await.expect(404);
    phones.call(Method::DELETE, &format!("/phones/{NUMBER}/companions/1"), None).await.expect(404);
    phones.post(&format!("{messages}/nothing/read"), json!({})).await.expect(404);

    // A code that is well-formed, but of nobody, or used, or of another number.
    assert_eq!(phones.enter_code(FRIEND, "ABCD-1234").await.status, 409);
    let text = decode_qr(&number.qrcode);
    let parts: Vec<&str> = text.split(',').collect();
    let forged = ["2@forged", parts[1], parts[2], parts[3], parts[4]].join(",");
    let stale = phones.post(&scan, json!({"qr": forged})).await;
    assert_eq!(stale.status, 409, "{}", stale.text);
    phones.post(&scan, json!({"qr": text})).await.expect(200);
    assert_eq!(phones.post(&scan, json!({"qr": text})).await.status, 409);
    assert_eq!(phones.scan(FRIEND, &number.qrcode).await.status, 409);
    sandbox.api.wait_until_open(&number.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_mistyped_pairing_code_fresh_codes_pair() {
    let sandbox = Sandbox::start().await;
    let number = sandbox.api.create(NUMBER).await;

    assert_eq!(sandbox.phones.enter_code(NUMBER, "ABCD-1234").await.status, 409);

    let path = format!("/v1/numbers/{}/connect", number.id);
    let codes = sandbox.api.get(&path).await.expect(200);
    let qr = codes["qrcodeBase64"].as_str().expect("a QR code");
    sandbox.phones.scan(NUMBER, qr).await.expect(200);
    sandbox.api.wait_until_open(&number.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_exists_as_soon_as_it_is_mentioned_and_only_once() {
    let sandbox = Sandbox::start().await;
    let phones = &sandbox.phones;

    let first = phones.post("/phones", json!({"number": NUMBER})).await;
    let again = phones.post("/phones", json!({"number": NUMBER})).await;
    phones.send(FRIEND, "+5511999990003", "hi").await;

    assert!(matches!(first.status, 200 | 201) && again.status == 200);
    assert_eq!(phones.received("+5511999990003").await, ["hi"]);
    let all = phones.get("/phones").await.expect(200);
    let numbers: BTreeSet<&str> =
        all.as_array().unwrap().iter().filter_map(|phone| phone["number"].as_str()).collect();
    assert_eq!(numbers, BTreeSet::from([NUMBER, FRIEND, "+5511999990003"]));
    assert_eq!(phones.companions(NUMBER).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_build_that_skips_whatsapps_certificate_talks_to_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let version = ("RAMAL__WHATSAPP__APP_VERSION".to_owned(), "[2,3000,1]".to_owned());
    let data = ("RAMAL__DATA_DIR".to_owned(), dir.path().join("data").display().to_string());

    for url in ["wss://web.whatsapp.com/ws/chat", "ws://10.0.0.1/", "ws://127.0.0.1.example.com/"] {
        let url = ("RAMAL__WHATSAPP__URL".to_owned(), url.to_owned());
        let env = [version.clone(), data.clone(), url];
        let mut process = Process::spawn(&binary("ramal-e2e"), &["serve"], &env, dir.path());
        let status = process.wait(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(2), "{}", process.log());
        assert!(process.log().contains("loopback"), "{}", process.log());
    }
    assert!(!dir.path().join("data").exists(), "nothing was even started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_ends_with_code_two_and_names_the_fault() {
    let dir = tempfile::tempdir().unwrap();
    let base = [
        ("RAMAL__WHATSAPP__URL".to_owned(), "ws://127.0.0.1:1/".to_owned()),
        ("RAMAL__WHATSAPP__APP_VERSION".to_owned(), "[2,3000,1]".to_owned()),
    ];

    for (key, value, named) in [
        ("RAMAL__SERVER__LISTEN", "nonsense", "listen"),
        ("RAMAL__SERVER__UNKNOWN", "1", "unknown"),
        ("RAMAL__WEBHOOKS__LEASE", "1s", "webhooks.lease"),
        ("RAMAL__DATABASE__URL", "mysql://x", "database.url"),
        ("RAMAL__NUMBERS__QR_DEADLINE", "0s", "numbers.qr_deadline"),
    ] {
        let mut env = base.to_vec();
        env.push((key.to_owned(), value.to_owned()));
        let mut process =
            Process::spawn(&binary("ramal-e2e"), &["config", "check"], &env, dir.path());
        let status = process.wait(Duration::from_secs(10)).await;
        assert_eq!(status.code(), Some(2), "{key}={value}: {}", process.log());
        let complaint = process.log().to_lowercase();
        assert!(complaint.contains(named), "{key}: {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_layered_over_the_defaults() {
    let world = World::with(&[("SESSIONS__CONFIRM_OUTAGE", "7s")]).await;

    let shown = world.product.run(&["config", "show"]);

    for line in [
        "sessions.confirm_outage = \"7s\"  # environment",
        "whatsapp.app_version = [2, 3000, 1035194821]  # environment",
        "webhooks.allow_private = true  # environment",
        "webhooks.retry_cap = \"2h\"  # default",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line} in\n{shown}");
    }
}
