//! A: QR codes are there, and say how long. B: pairing codes.

use std::time::{Duration, Instant};

use ramal_tests::{Answer, Receiver, World, decode_qr, eventually};
use serde_json::{Value, json};

use crate::{FRIEND, NUMBER};

/// How soon there is a code, or a reason why there is none: below the SDK's patience of 30 s.
const ANSWERED: Duration = Duration::from_secs(30);

/// There is a QR code that can be read, or an error with a code; nothing else.
fn has_a_code_or_a_reason(answer: &Answer) {
    match answer.status {
        200 | 201 => {
            let body = answer.json();
            let picture = body["qrcodeBase64"].as_str().expect("a QR code");
            assert_eq!(decode_qr(picture), body["pairing"]["qrText"].as_str().expect("its text"));
        }
        _ => assert!(answer.code().is_some(), "{}", answer.text),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a1_create_and_connect_never_answer_200_with_an_empty_qr() {
    let settings = [("NUMBERS__QR_DEADLINE", "2s"), ("WHATSAPP__CLOSE_TIMEOUT", "1s")];
    let world = World::with(&settings).await;
    let api = world.api();
    let number = api.create("+5511999990003").await;
    let connect = format!("/v1/numbers/{}/connect", number.id);
    let body = json!({"name": "sales", "number": NUMBER});

    for (fault, status) in [
        (json!({"refuse": true, "dropConnections": true}), 503),
        (json!({"refuse": false, "silent": true, "dropConnections": true}), 503),
        (json!({"silent": false, "delayMs": 60_000}), 503),
        (json!({"delayMs": 0, "dropConnections": true}), 0),
    ] {
        world.phones().network(fault.clone()).await;
        let started = Instant::now();
        let created = api.post("/v1/numbers", body.clone()).await;
        let connected = api.get(&connect).await;
        assert!(started.elapsed() < ANSWERED * 2, "{fault}");
        for answer in [&created, &connected] {
            has_a_code_or_a_reason(answer);
        }
        let good = (created.status, connected.status) == (201, 200);
        assert!(if status == 0 { good } else { created.status == status }, "{}", created.text);
    }
    // Every further attempt, too.
    for _ in 0..5 {
        let again = api.get(&connect).await;
        assert_eq!(again.status, 200, "{}", again.text);
        has_a_code_or_a_reason(&again);
    }
}

fn moment(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no moment: {value}"));
    let digits = |range: std::ops::Range<usize>| -> i64 {
        text.get(range).and_then(|part| part.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    // Within one test the date matters only at midnight: count days of the month as well.
    let (day, hour, minute) = (digits(8..10), digits(11..13), digits(14..16));
    ((day * 24 + hour) * 60 + minute) * 60 + digits(17..19)
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_qr_answer_carries_issued_at_expires_at_sequence_and_window_end() {
    let world = World::start().await;
    let created = world.api().create(NUMBER).await;
    let path = format!("/v1/numbers/{}/connect", created.id);
    let connected = world.api().get(&path).await.expect(200);

    for body in [&created.body, &connected] {
        let pairing = &body["pairing"];
        let issued = moment(&pairing["issuedAt"]);
        assert_eq!(pairing["sequence"], 1);
        assert_eq!(moment(&pairing["expiresAt"]) - issued, 60, "the first code: {pairing}");
        let window = moment(&pairing["windowEndsAt"]) - issued;
        assert!((160..=190).contains(&window), "60 s + 5 x 20 s, or the pairing code: {pairing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_version_drift_is_one_alarm() {
    const N: usize = 3;
    let world = World::start().await;
    let mut ids = Vec::new();
    for index in 0..N {
        ids.push(world.open_number(&format!("+55119999901{index:02}")).await.id);
    }
    let ready = async || world.api().anonymous().get("/readyz").await.expect(200);
    assert_eq!(ready().await["clientOutdated"], false);

    world.phones().post("/faults", json!({"failure": 405})).await.expect(200);
    world.phones().network(json!({"dropConnections": true})).await;

    for id in &ids {
        world.api().wait_for_state(id, "CLOSE").await;
        let status = world.api().get(&format!("/v1/numbers/{id}/status")).await.expect(200);
        assert_eq!(status["stateReason"], "CLIENT_OUTDATED", "not: the QR code does not work");
    }
    assert_eq!(ready().await["clientOutdated"], true);
    let log = world.product.log();
    assert_eq!(log.matches("no longer accepts the version").count(), 1, "one alarm for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_515_is_success_then_reconnect() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let created = world.api().create(NUMBER).await;
    world.api().webhook(&created.id, &receiver.url("number"), &["*"]).await;

    // The phone's answer is followed by stream error 515, as WhatsApp does.
    let code = created.pairing_code.as_deref().expect("a pairing code");
    world.phones().enter_code(NUMBER, code).await.expect(200);

    world.api().wait_until_open(&created.id).await;
    receiver.wait_for("number", "number.connected", |_| true).await;
    // So is one in the middle of a session, at which the server restarts.
    let fault = json!({"streamError": 515, "now": true});
    world.phones().post(&format!("/phones/{NUMBER}/faults"), fault).await.expect(200);
    world.phones().send(FRIEND, NUMBER, "still there?").await;
    receiver.wait_for("number", "message.received", |_| true).await;

    assert_eq!(receiver.names("number"), ["number.connected", "message.received"]);
    assert_eq!(world.phones().companions(NUMBER).await.len(), 1);
    let path = format!("/v1/numbers/{}/pairing", created.id);
    let attempts = world.api().get(&path).await.expect(200);
    assert_eq!(attempts["attempts"][0]["outcome"], "open", "{attempts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_refusal_is_a_typed_error() {
    let world = World::start().await;
    let created = world.api().create(NUMBER).await;
    let path = format!("/v1/numbers/{}", created.id);
    let is_refused = async |reason: &str| {
        world.api().wait_for_state(&created.id, "CLOSE").await;
        let status = world.api().get(&format!("{path}/status")).await.expect(200);
        assert_eq!(status["stateReason"], reason, "{status}");
        let attempts = world.api().get(&format!("{path}/pairing")).await.expect(200);
        let attempt = &attempts["attempts"][0];
        assert_eq!((&attempt["outcome"], &attempt["reason"]), (&json!("refused"), &json!(reason)));
        assert!(attempt["explanation"].is_string(), "what to do: {attempt}");
    };

    // Another phone than the number's own is refused by us.
    world.phones().scan(FRIEND, &created.qrcode).await.expect(200);
    is_refused("WRONG_PHONE").await;

    // A client that WhatsApp does not let in is refused before there is a code.
    let fault = world.phones().post("/faults", json!({"failure": 405})).await;
    assert!(fault.status < 300, "{}", fault.text);
    let connected = world.api().get(&format!("{path}/connect")).await;
    assert_eq!(connected.status, 503, "{}", connected.text);
    has_a_code_or_a_reason(&connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_the_qr_is_always_offered_next_to_the_code() {
    let world = World::start().await;
    let created = world.api().create(NUMBER).await;
    let path = format!("/v1/numbers/{}/connect", created.id);

    for body in [created.body, world.api().get(&path).await.expect(200)] {
        assert!(body["pairingCode"].is_string(), "{body}");
        decode_qr(body["qrcodeBase64"].as_str().expect("a QR code"));
    }
    // Either will do, whatever happened to the other.
    world.phones().enter_code(NUMBER, "ABCD-1234").await;
    let codes = world.api().get(&path).await.expect(200);
    let picture = codes["qrcodeBase64"].as_str().expect("a QR code");
    world.phones().scan(NUMBER, picture).await.expect(200);
    world.api().wait_until_open(&created.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_the_companion_platform_name_is_fixed_and_known_good() {
    // Whatever the operator calls it.
    for name in ["Ramal", "My company's gateway"] {
        let world = World::with(&[("WHATSAPP__DEVICE_NAME", name)]).await;
        let created = world.api().create(NUMBER).await;
        let code = created.pairing_code.as_deref().expect("a pairing code");
        world.phones().enter_code(NUMBER, code).await.expect(200);
        world.api().wait_until_open(&created.id).await;

        let companion =
            eventually("a companion", async || world.phones().companions(NUMBER).await.pop());
        assert_eq!(companion.await["platform"], "chrome", "{name}");
    }
}
