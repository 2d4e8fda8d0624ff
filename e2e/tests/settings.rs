//! Settings of a connected number: each by its effect on a phone or on a webhook, on and off, at
//! once after a change and after a reconnection.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

use std::time::Duration;

use ramal_tests::{Created, Receiver, Sandbox, eventually};
use serde_json::{Value, json};

const NUMBER: &str = "+5511999990001";
const FRIEND: &str = "+5511999990009";
const OTHER: &str = "+5511999990008";
/// How long something is watched that must not happen.
const WATCH: Duration = Duration::from_secs(1);

/// A connected number with a webhook for everything.
struct Scene {
    sandbox: Sandbox,
    receiver: Receiver,
    id: String,
}

impl Scene {
    async fn start() -> Self {
        Self::with(json!({}), json!([])).await
    }

    /// With settings from the start, on a phone with old messages.
    async fn with(settings: Value, chats: Value) -> Self {
        let (sandbox, receiver) = (Sandbox::start().await, Receiver::start().await);
        let history = format!("/phones/{NUMBER}/history");
        sandbox.phones.post(&history, json!({"chats": chats})).await.expect(200);
        let body = json!({"name": "Sales", "number": NUMBER, "settings": settings});
        let created = Created::read(sandbox.api.post("/v1/numbers", body).await.expect(201));
        sandbox.api.webhook(&created.id, &receiver.url("number"), &["*"]).await;
        sandbox.phones.scan(NUMBER, &created.qrcode).await.expect(200);
        sandbox.api.wait_until_open(&created.id).await;
        Self { sandbox, receiver, id: created.id }
    }

    /// Changes settings; returns what the answer says of their being in effect.
    async fn set(&self, settings: Value) -> Value {
        let path = format!("/v1/numbers/{}", self.id);
        let body = json!({"settings": settings});
        self.sandbox.api.patch(&path, body).await.expect(200)["settingsSync"].clone()
    }

    /// Changes a setting that concerns the connection: it is in effect at once.
    async fn apply(&self, settings: Value) {
        let sync = self.set(settings).await;
        assert_eq!(sync, json!({"applied": 1, "failed": 0, "skipped": 0}));
    }

    /// Cuts the connection, and waits for the next one.
    async fn reconnect(&self) {
        self.sandbox.phones.network(json!({"refuse": true, "dropConnections": true})).await;
        self.sandbox.api.wait_for_state(&self.id, "CONNECTING").await;
        self.sandbox.phones.network(json!({"refuse": false})).await;
        self.sandbox.api.wait_until_open(&self.id).await;
    }

    async fn received(&self, event: &str, text: &str) -> Value {
        self.receiver.wait_for("number", event, |data| data["content"] == text).await.data()
    }

    /// Everything that was told and said `text`.
    fn told(&self, text: &str) -> Vec<String> {
        let all = self.receiver.accepted("number");
        let about = all.iter().filter(|one| one.data()["content"] == text);
        about.map(ramal_tests::Delivery::event).collect()
    }

    /// The status of looking a message up by WhatsApp's id.
    async fn row(&self, message: &Value) -> u16 {
        let id = message["id"].as_str().expect("an id");
        let api = self.sandbox.api.on_number(&self.id);
        api.get(&format!("/v1/messages/{id}")).await.status
    }

    async fn until_stored(&self, message: &Value) {
        eventually("the message is stored", async || {
            (self.row(message).await == 200).then_some(())
        })
        .await;
    }

    /// Has a direct message come in after whatever was sent before.
    async fn sentinel(&self, text: &str) {
        self.sandbox.phones.send(FRIEND, NUMBER, text).await;
        self.received("message.received", text).await;
        tokio::time::sleep(WATCH).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.sandbox.phones.post(path, body).await.expect(201)
    }

    async fn call(&self, video: bool) -> String {
        let path = format!("/phones/{FRIEND}/calls");
        let call = self.post(&path, json!({"to": NUMBER, "video": video})).await;
        call["id"].as_str().expect("an id").to_owned()
    }

    async fn call_state(&self, id: &str) -> Value {
        let calls = self.sandbox.phones.get(&format!("/phones/{FRIEND}/calls")).await.expect(200);
        let calls = calls.as_array().expect("calls").clone();
        calls.into_iter().find(|call| call["id"] == id).expect("the call")["state"].clone()
    }

    async fn until_rejected(&self, id: &str) {
        eventually("the call is rejected", async || {
            (self.call_state(id).await == "rejected").then_some(())
        })
        .await;
    }

    async fn rings_on(&self, id: &str) {
        tokio::time::sleep(WATCH).await;
        assert_eq!(self.call_state(id).await, "ringing");
        let path = format!("/phones/{FRIEND}/calls/{id}/hang-up");
        self.sandbox.phones.post(&path, json!({})).await.expect(200);
    }

    async fn until_available(&self, available: bool) {
        eventually(&format!("available: {available}"), async || {
            let companions = self.sandbox.phones.companions(NUMBER).await;
            let shown = &companions.first().expect("a companion")["available"];
            (*shown == available).then_some(())
        })
        .await;
    }

    /// How far a message of the friend has got, as the friend's phone shows it.
    async fn status(&self, message: &Value) -> Value {
        let all = self.sandbox.phones.messages(FRIEND).await;
        let found = all.into_iter().find(|one| one["id"] == message["id"]);
        found.expect("the message")["status"].clone()
    }

    async fn until_read(&self, message: &Value) {
        eventually("the message is read", async || {
            (self.status(message).await == "read").then_some(())
        })
        .await;
    }

    async fn group(&self) -> String {
        let members = json!([NUMBER, OTHER]);
        let body = json!({"subject": "Família", "creator": FRIEND, "members": members});
        let group = self.post("/groups", body).await;
        group["id"].as_str().expect("an id").to_owned()
    }

    async fn write_to(&self, group: &str, text: &str) -> Value {
        let path = format!("/groups/{group}/messages");
        self.post(&path, json!({"from": FRIEND, "text": text})).await
    }

    async fn post_status(&self, text: &str) -> Value {
        let path = format!("/phones/{FRIEND}/status");
        self.post(&path, json!({"text": text, "to": [NUMBER]})).await
    }

    async fn channel(&self) -> String {
        let channel = self.post("/channels", json!({"name": "News", "owner": OTHER})).await;
        let id = channel["id"].as_str().expect("an id").to_owned();
        let path = format!("/channels/{id}/followers");
        self.sandbox.phones.post(&path, json!({"number": NUMBER})).await.expect(200);
        id
    }

    async fn post_to(&self, channel: &str, text: &str) -> Value {
        self.post(&format!("/channels/{channel}/posts"), json!({"text": text})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_rejected_while_the_setting_says_so_and_the_caller_gets_one_text() {
    let scene = Scene::start().await;
    let answers = async || scene.sandbox.phones.received(FRIEND).await;
    scene.rings_on(&scene.call(false).await).await;

    scene.apply(json!({"rejectCall": true, "msgRejectCall": "no calls, please"})).await;
    scene.until_rejected(&scene.call(false).await).await;
    scene.sandbox.phones.wait_for_text(FRIEND, "no calls, please").await;
    let sent = scene.received("message.sent", "no calls, please").await;
    assert_eq!((&sent["to"], &sent["fromMe"]), (&json!(FRIEND), &json!(true)));

    scene.reconnect().await;
    scene.until_rejected(&scene.call(true).await).await;
    eventually("a second text", async || (answers().await.len() == 2).then_some(())).await;

    // Without a text, and then not at all.
    scene.apply(json!({"msgRejectCall": null})).await;
    scene.until_rejected(&scene.call(false).await).await;
    scene.apply(json!({"rejectCall": false, "msgRejectCall": "no calls, please"})).await;
    scene.rings_on(&scene.call(false).await).await;
    scene.apply(json!({"rejectCall": null})).await;
    scene.rings_on(&scene.call(false).await).await;
    assert_eq!(answers().await, ["no calls, please", "no calls, please"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_shown_online_or_offline_as_set_after_a_reconnection_too() {
    let scene = Scene::start().await;

    scene.apply(json!({"alwaysOnline": false})).await;
    scene.until_available(false).await;
    scene.apply(json!({"alwaysOnline": true})).await;
    scene.until_available(true).await;
    scene.reconnect().await;
    scene.until_available(true).await;
    scene.apply(json!({"alwaysOnline": false})).await;
    scene.until_available(false).await;
    scene.reconnect().await;
    // The client shows itself when it logs in, and is corrected.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.until_available(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_marked_as_read_while_the_setting_says_so() {
    let scene = Scene::start().await;
    let phones = &scene.sandbox.phones;
    let unread = phones.send(FRIEND, NUMBER, "unread").await;
    scene.sentinel("also unread").await;
    assert_eq!(scene.status(&unread).await, "delivered");

    scene.apply(json!({"readMessages": true})).await;
    scene.until_read(&phones.send(FRIEND, NUMBER, "read").await).await;
    let group = scene.group().await;
    scene.until_read(&scene.write_to(&group, "read in a group").await).await;
    scene.reconnect().await;
    scene.until_read(&phones.send(FRIEND, NUMBER, "read again").await).await;

    scene.apply(json!({"readMessages": null})).await;
    let late = phones.send(FRIEND, NUMBER, "late").await;
    scene.sentinel("later").await;
    assert_eq!(scene.status(&late).await, "delivered");
    assert_eq!(scene.status(&unread).await, "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn group_messages_are_told_with_their_group_unless_groups_are_ignored() {
    let scene = Scene::start().await;
    let group = scene.group().await;

    let wrote = scene.write_to(&group, "Boa").await;
    let data = scene.received("message.group", "Boa").await;
    assert_eq!((&data["from"], &data["to"]), (&json!(FRIEND), &json!(NUMBER)));
    assert_eq!((&data["groupId"], &data["type"]), (&json!(group), &json!("text")));
    assert_eq!((&data["messageId"], &data["fromMe"]), (&wrote["id"], &json!(false)));
    assert_eq!(data["groupName"], "Família");
    assert!(data["participantName"].is_string() && data.get("newsletterId").is_none(), "{data}");
    assert_eq!(scene.row(&wrote).await, 200);
    assert_eq!(scene.told("Boa"), ["message.group"], "and nothing else");

    scene.apply(json!({"ignoreGroups": true})).await;
    let ignored = scene.write_to(&group, "ignored").await;
    scene.sentinel("after it").await;
    scene.reconnect().await;
    let ignored_again = scene.write_to(&group, "ignored again").await;
    scene.sentinel("after that").await;
    for message in [ignored, ignored_again] {
        assert_eq!(scene.row(&message).await, 404);
    }

    scene.apply(json!({"ignoreGroups": false})).await;
    scene.write_to(&group, "heard").await;
    scene.received("message.group", "heard").await;
    assert!(scene.told("ignored").is_empty() && scene.told("ignored again").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn status_posts_are_kept_and_not_told_unless_they_are_ignored() {
    let scene = Scene::start().await;

    let kept = scene.post_status("on the beach").await;
    scene.until_stored(&kept).await;

    scene.apply(json!({"ignoreStatus": true})).await;
    let ignored = scene.post_status("ignored").await;
    scene.sentinel("after it").await;
    assert_eq!(scene.row(&ignored).await, 404);
    scene.reconnect().await;
    let ignored = scene.post_status("ignored again").await;
    scene.sentinel("after that").await;
    assert_eq!(scene.row(&ignored).await, 404);

    scene.apply(json!({"ignoreStatus": null})).await;
    scene.until_stored(&scene.post_status("back home").await).await;
    assert_eq!(scene.told("on the beach"), [""; 0], "there is no event for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_of_channels_are_told_with_their_channel_unless_they_are_ignored() {
    let scene = Scene::start().await;
    let channel = scene.channel().await;

    let post = scene.post_to(&channel, "news").await;
    let data = scene.received("message.newsletter", "news").await;
    assert_eq!((&data["newsletterId"], &data["to"]), (&json!(channel), &json!(NUMBER)));
    assert_eq!((&data["messageId"], &data["fromMe"]), (&post["id"], &json!(false)));
    assert!(data["from"].is_string() && data.get("groupId").is_none(), "{data}");
    assert_eq!(scene.row(&post).await, 200);

    // Not one of the settings that are pushed to a connection (contract C.5), and in effect at once.
    assert_eq!(scene.set(json!({"ignoreNewsletters": true})).await, Value::Null);
    let ignored = scene.post_to(&channel, "ignored").await;
    scene.sentinel("after it").await;
    assert_eq!(scene.row(&ignored).await, 404);
    scene.reconnect().await;
    let ignored = scene.post_to(&channel, "ignored again").await;
    scene.sentinel("after that").await;
    assert_eq!(scene.row(&ignored).await, 404);

    scene.set(json!({"ignoreNewsletters": false})).await;
    scene.post_to(&channel, "heard").await;
    scene.received("message.newsletter", "heard").await;
    assert!(scene.told("ignored").is_empty() && scene.told("ignored again").is_empty());
}

/// Old messages of a phone: with a friend, and in a group.
fn old_chats() -> Value {
    json!([
        {"with": FRIEND, "name": "Bob", "messages": [
            {"text": "are you there?", "at": 1_700_000_000, "id": "OLD1"},
            {"text": "yes", "at": 1_700_000_060, "id": "OLD2", "fromMe": true}]},
        {"with": "120363000000000001@g.us", "name": "Família", "messages": [
            {"text": "bom dia", "at": 1_700_000_120, "id": "OLD3", "from": OTHER}]}
    ])
}

impl Scene {
    async fn until_imported(&self) {
        for id in ["OLD1", "OLD2", "OLD3"] {
            self.until_stored(&json!({"id": id})).await;
        }
    }

    /// Unlinks the device on the phone, and links a new one: the phone shares its history again.
    async fn link_again(&self) {
        let device = self.sandbox.phones.companions(NUMBER).await;
        let device = device.first().expect("a companion")["device"].as_u64().expect("a number");
        self.sandbox.phones.unlink(NUMBER, device).await;
        self.sandbox.api.wait_for_state(&self.id, "CLOSE").await;
        let codes = self.sandbox.api.get(&format!("/v1/numbers/{}/connect", self.id)).await;
        let picture = codes.expect(200)["qrcodeBase64"].as_str().expect("a QR code").to_owned();
        self.sandbox.phones.scan(NUMBER, &picture).await.expect(200);
        self.sandbox.api.wait_until_open(&self.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_stored_by_default_and_nobody_is_told() {
    let scene = Scene::with(json!({}), old_chats()).await;
    scene.until_imported().await;

    let own = scene.sandbox.api.on_number(&scene.id);
    let sent = own.get("/v1/messages/OLD2").await.expect(200);
    assert_eq!(
        (&sent["status"], &sent["externalMessageId"]),
        (&json!("DELIVERED"), &json!("OLD2"))
    );
    assert_eq!(sent["createdAt"], "2023-11-14T22:14:20.000Z");
    let before = own.get("/v1/messages/OLD1").await.expect(200);

    scene.link_again().await;
    scene.sentinel("after the second import").await;
    let after = own.get("/v1/messages/OLD1").await.expect(200);
    assert_eq!(after["id"], before["id"], "the same row");
    for text in ["are you there?", "yes", "bom dia"] {
        assert_eq!(scene.told(text), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_told_once_when_asked_for() {
    let settings = json!({"webhookHistoricalMessages": true});
    let scene = Scene::with(settings, old_chats()).await;

    let received = scene.received("message.received", "are you there?").await;
    assert_eq!((&received["from"], &received["messageId"]), (&json!(FRIEND), &json!("OLD1")));
    assert_eq!(received["createdAt"], "2023-11-14T22:13:20.000Z");
    let sent = scene.received("message.sent", "yes").await;
    assert_eq!((&sent["from"], &sent["to"]), (&json!(NUMBER), &json!(FRIEND)));
    let group = scene.received("message.group", "bom dia").await;
    assert_eq!(group["groupId"], "120363000000000001@g.us");
    assert_eq!(group["groupName"], "Família");
    // The writer's phone number is not known: this number has never had to do with them.
    let from = group["from"].as_str().expect("a sender");
    assert!(from.ends_with("@lid"), "{from}");

    scene.link_again().await;
    scene.sentinel("after the second import").await;
    for text in ["are you there?", "yes", "bom dia"] {
        assert_eq!(scene.told(text).len(), 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_skipped_unless_wanted_at_the_time_of_linking() {
    let settings = json!({"historyImportEnabled": false, "webhookHistoricalMessages": true});
    let scene = Scene::with(settings, old_chats()).await;
    scene.sentinel("long after the login").await;
    assert_eq!(scene.row(&json!({"id": "OLD1"})).await, 404);
    assert!(scene.told("are you there?").is_empty());

    let quiet = json!({"historyImportEnabled": true, "webhookHistoricalMessages": false});
    scene.set(quiet).await;
    scene.link_again().await;
    scene.until_imported().await;
    assert!(scene.told("are you there?").is_empty());
}
