//! A connected number with a webhook, and the phones around it: where most stories about messages
//! begin.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Api, Delivery, PATIENCE, Receiver, World, eventually, within};

/// A number that hears everything.
#[derive(Debug)]
pub struct Chat {
    /// The product and WhatsApp.
    pub world: World,
    /// Has the number's webhook at [`Chat::PATH`].
    pub receiver: Receiver,
    /// The number's id.
    pub id: String,
    /// The API with the number's own key.
    pub own: Api,
    /// The webhook's secret.
    pub secret: String,
}

impl Chat {
    /// The number.
    pub const NUMBER: &str = "+5511999990002";
    /// Somebody it talks to.
    pub const FRIEND: &str = "+5511999990003";
    /// The receiver's path of its webhook.
    pub const PATH: &str = "number";

    /// Connects the number.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Connects the number to a product with these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::prepared(settings, async |_| {}).await
    }

    /// Connects the number once its phone is prepared.
    pub async fn prepared(settings: &[(&str, &str)], prepare: impl AsyncFnOnce(&World)) -> Self {
        let (world, receiver) = (World::with(settings).await, Receiver::start().await);
        prepare(&world).await;
        let created = world.api().create(Self::NUMBER).await;
        let url = receiver.url(Self::PATH);
        let (_, secret) = world.api().webhook(&created.id, &url, &["*"]).await;
        world.phones().scan(Self::NUMBER, &created.qrcode).await.expect(200);
        world.api().wait_until_open(&created.id).await;
        let own = world.api().with_key(&world.api().key_of(&created.id).await);
        Self { world, receiver, id: created.id, own, secret }
    }

    /// Sends a message; returns our id of it.
    pub async fn send(&self, body: Value) -> String {
        let sent = self.own.post("/v1/messages/send", body).await.expect(202);
        sent["id"].as_str().expect("an id").to_owned()
    }

    /// A message as `GET /v1/messages/{id}` tells it.
    pub async fn message(&self, id: &str) -> Value {
        self.own.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    /// Waits until a message is in this state.
    pub async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        eventually(&format!("{id} is {status}"), async || {
            Some(self.message(id).await).filter(|message| message["status"] == status)
        })
        .await
    }

    /// Waits until a message of ours is on the phone of `to`, attachment included, and returns it.
    pub async fn arrives(&self, id: &str, to: &str) -> Value {
        self.arrives_within(PATIENCE, id, to).await
    }

    /// The same with another patience.
    pub async fn arrives_within(&self, limit: Duration, id: &str, to: &str) -> Value {
        within(limit, &format!("{id} reaches {to}"), async || {
            let wire_id = self.message(id).await["externalMessageId"].as_str()?.to_owned();
            let log = self.world.phones().messages(to).await;
            let ours = |one: &&Value| one["direction"] == "in" && one["id"] == wire_id.as_str();
            let message = log.iter().find(ours)?.clone();
            (message["media"]["state"] != "pending").then_some(message)
        })
        .await
    }

    /// The friend's phone sends something to the number; returns the phone's view of it.
    pub async fn hear(&self, mut body: Value) -> Value {
        body["to"] = json!(Self::NUMBER);
        self.world.phones().write(Self::FRIEND, body).await
    }

    /// Waits for the one event `name` about the phone's message `sent`, checks its signature, and
    /// returns its data.
    pub async fn told(&self, name: &str, sent: &Value) -> Value {
        let delivery = self.told_delivery(name, sent).await;
        delivery.verify(&self.secret);
        delivery.data()
    }

    /// The same, as it was delivered.
    pub async fn told_delivery(&self, name: &str, sent: &Value) -> Delivery {
        let id = &sent["id"];
        assert!(id.is_string(), "a phone's message has an id: {sent}");
        self.receiver.wait_for(Self::PATH, name, |data| data["messageId"] == *id).await
    }

    /// The names of the events about a message, by our id, in order of arrival.
    pub fn names_about(&self, id: &str) -> Vec<String> {
        let all = self.receiver.accepted(Self::PATH);
        let about = all.iter().filter(|one| one.data()["id"] == id);
        about.map(Delivery::event).collect()
    }

    /// The path and query of a link of the product's: its port changes when it starts again.
    #[track_caller]
    pub fn path_of(link: &Value) -> String {
        let link = link.as_str().unwrap_or_else(|| panic!("no link: {link}"));
        let rest = link.strip_prefix("http://").expect("a link of the product's");
        rest.split_at(rest.find('/').expect("a path")).1.to_owned()
    }

    /// The history, newest first.
    pub async fn history(&self) -> Vec<Value> {
        let page = self.own.get("/v1/messages/history?pageSize=100").await.expect(200);
        page["messages"].as_array().expect("an array").clone()
    }
}
