//! Rotate, test, redeliver and replay; and who may not.

use std::time::Duration;

use ramal_domain::{Clock as _, EventKind, KeyScope, NumberEvent, SystemClock, Timestamp};
use ramal_store::{AttemptRecord, DueDelivery, LeaseLimits, Verdict};
use serde_json::{Value, json};

use crate::scene::{Account, Answer, Ask, Scene};

/// A webhook for everything that happens to a number.
struct Tools {
    scene: Scene,
    owner: Account,
    webhook: String,
}

impl Tools {
    async fn start() -> Self {
        let scene = Scene::start().await;
        let owner = scene.account(1).await;
        let wish = json!({"url": "https://93.184.216.34/hook", "events": ["*"]});
        let made = Ask::new("POST", "/v1/webhooks").key(&owner.number_key).body(wish);
        let created = scene.ask(&made).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let webhook = created.json()["id"].as_str().unwrap().to_owned();
        Self { scene, owner, webhook }
    }

    fn path(&self, tail: &str) -> String {
        format!("/v1/webhooks/{}{tail}", self.webhook)
    }

    async fn post(&self, tail: &str, body: Value) -> Answer {
        let ask = Ask::new("POST", self.path(tail)).key(&self.owner.number_key);
        self.scene.ask(&ask.body(body)).await
    }

    async fn set_active(&self, active: bool) {
        let change = Ask::new("PATCH", self.path("")).key(&self.owner.tenant_key);
        let answer = self.scene.ask(&change.body(json!({"active": active}))).await;
        assert_eq!(answer.status, 200);
    }

    async fn happen(&self) {
        let event = NumberEvent {
            tenant: self.owner.tenant,
            number: self.owner.number.parse().unwrap(),
            phone: self.owner.phone.parse().unwrap(),
            display_name: "Sales".to_owned(),
            profile_name: None,
            reason: None,
        }
        .build(EventKind::NumberConnected, SystemClock.now());
        let mut tx = self.scene.store().begin().await.unwrap();
        tx.events().record(&event).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn lease(&self) -> Vec<DueDelivery> {
        let mut tx = self.scene.store().begin().await.unwrap();
        let lease = Duration::from_mins(1);
        let limits = LeaseLimits { lease, runs: 9, unproven: 9, per_webhook: 9, run_length: 9 };
        let due = tx.deliveries().lease_due(SystemClock.now(), &limits).await.unwrap();
        tx.commit().await.unwrap();
        due.concat()
    }

    async fn settle(&self, due: &DueDelivery, verdict: Verdict) {
        let record = AttemptRecord {
            delivery: due.id,
            attempt: due.attempt,
            webhook: due.webhook,
            kind: due.kind.clone(),
            url: due.url.clone(),
            success: verdict == Verdict::Done,
            status: None,
            response: String::new(),
            duration: Duration::ZERO,
            at: SystemClock.now(),
        };
        let mut tx = self.scene.store().begin().await.unwrap();
        tx.deliveries().settle(&[(record, verdict)], Duration::from_hours(120)).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_sibling_s_key_reaches_no_tool_of_a_webhook() {
    let tools = Tools::start().await;
    let tenant = tools.owner.tenant;
    let sibling = tools.scene.number(tenant, "+5511999990111", "{}").await;
    let key = tools.scene.key(tenant, KeyScope::Number(sibling)).await;
    let since = json!({"since": "2026-01-01T00:00:00Z"});

    for (tail, body) in [
        ("/rotate-secret", json!({})),
        ("/test", json!({})),
        ("/logs/dlv_01h455vb4pex5vsknk084sn02q/redeliver", json!({})),
        ("/replay", since),
    ] {
        let ask = Ask::new("POST", tools.path(tail)).key(&key).body(body);
        let answer = tools.scene.ask(&ask).await;
        assert_eq!(code(&answer), refused(404, "WEBHOOK_NOT_FOUND"), "{tail}");
    }
    assert!(tools.lease().await.is_empty(), "and nothing was sent");
}

#[tokio::test]
async fn a_rotated_secret_is_told_once_and_the_old_one_lasts_a_day() {
    let tools = Tools::start().await;
    let before = SystemClock.now();

    let rotated = tools.post("/rotate-secret", json!({})).await;

    assert_eq!(rotated.status, 200);
    let rotated = rotated.json();
    let secret = rotated["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let until: Timestamp = rotated["previousSecretValidUntil"].as_str().unwrap().parse().unwrap();
    let day = Duration::from_hours(24);
    assert!((before.after(day)..=SystemClock.now().after(day)).contains(&until), "{until}");
    tools.happen().await;
    let due = tools.lease().await.remove(0);
    assert_eq!(due.secret.expose(), secret);
    assert!(due.old_secret.is_some());
    let shown =
        tools.scene.ask(&Ask::new("GET", tools.path("")).key(&tools.owner.tenant_key)).await;
    assert!(!shown.text.contains("whsec_"), "{}", shown.text);
}

#[tokio::test]
async fn a_test_event_goes_through_the_outbox() {
    let tools = Tools::start().await;

    let sent = tools.post("/test", json!({})).await;

    assert_eq!(sent.status, 202);
    let due = tools.lease().await.remove(0);
    assert_eq!(sent.json()["deliveryId"], due.id.to_string());
    assert_eq!(sent.json()["eventId"], due.event.to_string());
    let body: Value = serde_json::from_str(&due.body).unwrap();
    assert_eq!(body["event"], "webhook.test");
    assert_eq!(body["data"]["webhookId"], tools.webhook.as_str());
    tools.set_active(false).await;
    assert_eq!(code(&tools.post("/test", json!({})).await), refused(409, "WEBHOOK_INACTIVE"));
}

#[tokio::test]
async fn a_delivery_is_sent_again_by_its_id_or_its_line_in_the_log() {
    let tools = Tools::start().await;
    tools.happen().await;
    let due = tools.lease().await.remove(0);
    let again = format!("/logs/{}/redeliver", due.id);
    assert_eq!(code(&tools.post(&again, json!({})).await), refused(409, "DELIVERY_PENDING"));
    tools.settle(&due, Verdict::Done).await;
    let log = Ask::new("GET", tools.path("/logs")).key(&tools.owner.number_key);
    let log = tools.scene.ask(&log).await.json();
    assert_eq!(log[0]["deliveryId"], due.id.to_string());
    assert_eq!(log[0]["note"], Value::Null);

    let line = format!("/logs/{}/redeliver", log[0]["id"].as_str().unwrap());
    let answer = tools.post(&line, json!({})).await;

    assert_eq!((answer.status, &answer.json()["deliveryId"]), (202, &log[0]["deliveryId"]));
    let redelivered = tools.lease().await.remove(0);
    assert_eq!((redelivered.event, redelivered.attempt), (due.event, 2));
    for unknown in ["dlv_01h455vb4pex5vsknk084sn02q", "nonsense"] {
        let tail = format!("/logs/{unknown}/redeliver");
        let answer = tools.post(&tail, json!({})).await;
        assert_eq!(code(&answer), refused(404, "DELIVERY_NOT_FOUND"));
    }
}

#[tokio::test]
async fn what_was_missed_is_replayed() {
    let tools = Tools::start().await;
    let replay = || json!({"since": "2026-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"});
    tools.set_active(false).await;
    tools.happen().await;
    assert_eq!(code(&tools.post("/replay", replay()).await), refused(409, "WEBHOOK_INACTIVE"));
    tools.set_active(true).await;
    assert!(tools.lease().await.is_empty());

    let answer = tools.post("/replay", replay()).await;

    assert_eq!((answer.status, answer.json()), (202, json!({"replayed": 1, "more": false})));
    assert_eq!(tools.lease().await.len(), 1);
    let answer = tools.post("/replay", replay()).await;
    assert_eq!(answer.json()["replayed"], 0, "it is on its way");
}

#[tokio::test]
async fn a_replay_says_what_is_wrong_with_it() {
    let tools = Tools::start().await;
    for body in [
        json!({}),
        json!({"since": 5}),
        json!({"since": "yesterday"}),
        json!({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        json!({"since": "2026-01-01T00:00:00Z", "until": "soon"}),
        json!({"since": "2026-01-01T00:00:00Z", "events": ["number.exploded"]}),
        json!([]),
        Value::Null,
    ] {
        let answer = tools.post("/replay", body.clone()).await;
        assert_eq!(code(&answer), refused(400, "VALIDATION_ERROR"), "{body}");
    }
}

#[tokio::test]
async fn many_names_and_names_that_are_never_emitted_are_as_good_as_none() {
    let tools = Tools::start().await;
    let names: Vec<_> = ["message.read", "message.sent"].into_iter().cycle().take(40_000).collect();
    let replay = json!({"since": "2026-01-01T00:00:00Z", "events": names});
    let answer = tools.post("/replay", replay).await;
    assert_eq!((answer.status, answer.json()["replayed"].clone()), (202, json!(0)));

    tools.happen().await;
    let replay = json!({"since": "2026-01-01T00:00:00Z", "events": ["message.reply", "calls"]});
    assert_eq!(tools.post("/replay", replay).await.json(), json!({"replayed": 0, "more": false}));
    let due = tools.lease().await.remove(0);
    tools.settle(&due, Verdict::Done).await;
    for (event, status, lines) in [
        ("message.reply", 200, 0),
        ("message.read", 200, 0),
        ("number.connected", 200, 1),
        ("number.exploded", 400, 0),
    ] {
        let path = tools.path(&format!("/logs?event={event}"));
        let answer = tools.scene.ask(&Ask::new("GET", path).key(&tools.owner.number_key)).await;
        assert_eq!(answer.status, status, "{event}");
        assert_eq!(answer.json().as_array().map_or(0, Vec::len), lines, "{event}");
    }
}

#[tokio::test]
async fn one_replay_of_a_webhook_runs_at_a_time() {
    let tools = Tools::start().await;
    let (webhook, now) = (tools.webhook.parse().unwrap(), SystemClock.now());
    let until = now.after(Duration::from_mins(1));
    let mut tx = tools.scene.store().begin().await.unwrap();
    assert!(tx.webhooks().begin_replay(webhook, until, now).await.unwrap());
    tx.commit().await.unwrap();
    let replay = async || tools.post("/replay", json!({"since": "2026-01-01T00:00:00Z"})).await;

    assert_eq!(code(&replay().await), refused(429, "RATE_LIMITED"));
    let mut tx = tools.scene.store().begin().await.unwrap();
    tx.webhooks().end_replay(webhook, until).await.unwrap();
    tx.commit().await.unwrap();

    for _ in 0..2 {
        assert_eq!(replay().await.status, 202, "each ends what it began");
    }
}

/// The requests are let in, and then wait for a deletion that is being written.
#[tokio::test]
async fn a_webhook_that_is_deleted_meanwhile_is_not_found() {
    let tools = Tools::start().await;
    tools.happen().await;
    let due = tools.lease().await.remove(0);
    tools.settle(&due, Verdict::Done).await;
    let mut deleting = tools.scene.store().begin().await.unwrap();
    let (tenant, webhook) = (tools.owner.tenant, tools.webhook.parse().unwrap());
    assert!(deleting.webhooks().delete(tenant, webhook, SystemClock.now()).await.unwrap());
    deleting.deliveries().sweep_deleted(9).await.unwrap();

    let again = format!("/logs/{}/redeliver", due.id);
    let commit = async {
        // Time for the requests to get as far as they can.
        tokio::time::sleep(Duration::from_millis(300)).await;
        deleting.commit().await.unwrap();
    };
    let (test, redeliver, replay, ()) = tokio::join!(
        tools.post("/test", json!({})),
        tools.post(&again, json!({})),
        tools.post("/replay", json!({"since": "2026-01-01T00:00:00Z"})),
        commit,
    );

    for answer in [test, redeliver, replay] {
        assert_eq!(code(&answer), refused(404, "WEBHOOK_NOT_FOUND"));
    }
}

#[tokio::test]
async fn no_webhook_is_stored_for_a_number_that_is_removed_meanwhile() {
    let tools = Tools::start().await;
    let number = tools.owner.number.parse().unwrap();
    let now = SystemClock.now();
    let until = now.after(Duration::from_hours(1));
    let mut removing = tools.scene.store().begin().await.unwrap();
    let removed = removing.numbers().remove(tools.owner.tenant, number, until, now).await.unwrap();
    assert!(removed.is_some());

    let wish = json!({
        "url": "https://93.184.216.34:8443/late", "events": ["*"], "whatsappNumberId": tools.owner.number,
    });
    let create = Ask::new("POST", "/v1/webhooks").key(&tools.owner.tenant_key).body(wish);
    let commit = async {
        // Time for the request to get as far as it can.
        tokio::time::sleep(Duration::from_millis(300)).await;
        removing.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(tools.scene.ask(&create), commit);

    assert_eq!(code(&answer), refused(404, "NUMBER_NOT_FOUND"));
    let mut tx = tools.scene.store().begin().await.unwrap();
    tx.numbers().restore(tools.owner.tenant, number, now).await.unwrap();
    let webhooks = tx.webhooks().list(tools.owner.tenant, None).await.unwrap();
    assert_eq!(webhooks.len(), 1, "the one from before");
}

#[tokio::test]
async fn a_webhook_is_named_after_its_host_without_the_port() {
    let scene = Scene::start().await;
    let owner = scene.account(1).await;
    let create = async |url: &str| {
        let made = Ask::new("POST", "/v1/webhooks").key(&owner.number_key);
        scene.ask(&made.body(json!({"url": url, "events": []}))).await
    };

    assert_eq!(create("https://93.184.216.34:8443/hook").await.json()["name"], "93.184.216.34");
    let nowhere = create("https://93.184.216.34:0/hook").await;
    assert_eq!(code(&nowhere), refused(400, "VALIDATION_ERROR"));
}
