//! What happens to one number, as its customer means it, and what its customer knows of it.

use std::{sync::Arc, time::Duration};

use ramal_tests::Insisted;
use rand::{RngExt as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Town;

/// Texts in each direction.
const TEXTS: usize = 6;
/// How long something may take to begin after what came before it, in milliseconds.
const PAUSE: u64 = 900;
/// Lives begin at different times, in milliseconds.
const BIRTHS: u64 = 12_000;

/// What becomes of a number once it has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    /// Can be restored, if the restore window is not 0.
    Deleted,
    Purged,
    /// Not connected again.
    Restored,
    RestoredAndPaired,
}

impl Fate {
    /// Whether the number is listed at the end.
    pub(crate) const fn listed(self) -> bool {
        matches!(self, Self::Stays | Self::Restored | Self::RestoredAndPaired)
    }

    /// Whether it is connected at the end.
    pub(crate) const fn connected(self) -> bool {
        matches!(self, Self::Stays | Self::RestoredAndPaired)
    }
}

/// What will happen.
pub(crate) struct Life {
    index: usize,
    fate: Fate,
    rng: StdRng,
}

/// What has happened.
pub(crate) struct Story {
    pub(crate) id: String,
    pub(crate) phone: String,
    /// Who writes to it and is written to.
    pub(crate) friend: String,
    pub(crate) fate: Fate,
    /// The path of its webhook.
    pub(crate) path: String,
    /// What its friend wrote while it was connected.
    pub(crate) received: Vec<String>,
    /// What it was asked to send, each accepted once.
    pub(crate) sent: Vec<String>,
}

/// The path of a number's webhook.
pub(crate) fn path(index: usize) -> String {
    format!("number-{index}")
}

impl Life {
    pub(crate) fn plan(index: usize, restorable: bool, mut rng: StdRng) -> Self {
        let fate = match rng.random_range(0..8) {
            0..=2 => Fate::Stays,
            3 => Fate::Purged,
            4 if restorable => Fate::Restored,
            5 if restorable => Fate::RestoredAndPaired,
            _ => Fate::Deleted,
        };
        Self { index, fate, rng }
    }

    pub(crate) async fn live(mut self, town: Arc<Town>) -> Story {
        let mut story = Story {
            id: String::new(),
            phone: format!("+55119999901{:02}", self.index),
            friend: format!("+55119999902{:02}", self.index),
            fate: self.fate,
            path: path(self.index),
            received: Vec::new(),
            sent: Vec::new(),
        };
        self.wait(BIRTHS).await;
        let (id, qr) = self.create(&town, &story.phone).await;
        story.id = id;
        hook(&town, &story).await;
        self.wait(PAUSE).await;
        town.mortal.pair(&story.id, &story.phone, qr).await;
        self.talk(&town, &mut story).await;
        self.end(&town, &story).await;
        story
    }

    async fn wait(&mut self, at_most: u64) {
        tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..at_most))).await;
    }

    /// Half of the customers make a repeat safe by a key, the others look whether it was done.
    async fn create(&mut self, town: &Town, phone: &str) -> (String, Option<String>) {
        let body = json!({"name": format!("Number {phone}"), "number": phone});
        let key = format!("create-{phone}");
        let headers =
            if self.rng.random() { vec![("idempotency-key", key.as_str())] } else { vec![] };
        loop {
            let asked = town.mortal.insist_with(Method::POST, "/v1/numbers", &headers, Some(&body));
            let Insisted { answer, asked_before } = asked.await;
            if answer.status == 201 {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let id = text(&answer.json()["instance"]["id"]).expect("an id");
                return (id, text(&answer.json()["qrcodeBase64"]));
            }
            answer.refused(409, "NUMBER_ALREADY_ACTIVE");
            assert!(asked_before && headers.is_empty(), "somebody else created {phone}");
            // Done before it died, or, as a reservation, about to be undone.
            let list =
                town.mortal.insist(Method::GET, "/v1/numbers", None).await.answer.expect(200);
            let own = |row: &&Value| row["number"] == phone.trim_start_matches('+');
            if let Some(row) = list.as_array().expect("an array").iter().find(own) {
                return (row["id"].as_str().expect("an id").to_owned(), None);
            }
        }
    }

    async fn talk(&mut self, town: &Town, story: &mut Story) {
        for index in 0..TEXTS {
            self.wait(PAUSE).await;
            let text = format!("{} in {index}", story.path);
            town.mortal.phones().send(&story.friend, &story.phone, &text).await;
            story.received.push(text);

            let text = format!("{} out {index}", story.path);
            let body = json!({"destinationNumber": story.friend, "text": text});
            let headers = [("x-whatsapp-number-id", story.id.as_str()), ("idempotency-key", &text)];
            let sent =
                town.mortal.insist_with(Method::POST, "/v1/messages/send", &headers, Some(&body));
            sent.await.answer.expect(202);
            story.sent.push(text);
        }
    }

    async fn end(&mut self, town: &Town, story: &Story) {
        let path = format!("/v1/numbers/{}", story.id);
        self.wait(PAUSE).await;
        match story.fate {
            Fate::Stays => return,
            Fate::Purged => return once(town, Method::DELETE, &format!("{path}/purge")).await,
            Fate::Deleted | Fate::Restored | Fate::RestoredAndPaired => {}
        }
        once(town, Method::DELETE, &path).await;
        if story.fate == Fate::Deleted {
            return;
        }
        self.wait(PAUSE).await;
        once(town, Method::POST, &format!("{path}/restore")).await;
        if story.fate == Fate::RestoredAndPaired {
            town.mortal.pair(&story.id, &story.phone, None).await;
        }
    }
}

/// Done, or done by a request that was not answered.
async fn once(town: &Town, method: Method, path: &str) {
    let Insisted { answer, asked_before } = town.mortal.insist(method, path, None).await;
    if asked_before && answer.status != 200 {
        answer.refused(404, "NUMBER_NOT_FOUND");
    } else {
        answer.expect(200);
    }
}

/// Creates the number's webhook, once.
async fn hook(town: &Town, story: &Story) {
    let url = town.receiver.url(&story.path);
    let body = json!({"url": url, "events": ["*"], "whatsappNumberId": story.id});
    loop {
        let list = town.mortal.insist(Method::GET, "/v1/webhooks", None).await.answer.expect(200);
        if list.as_array().expect("an array").iter().any(|row| row["url"] == url.as_str()) {
            return;
        }
        // It may die over it: then it is looked at again.
        let api = town.mortal.api().await;
        if let Ok(answer) = api.ask(Method::POST, "/v1/webhooks", &[], Some(&body)).await {
            answer.expect(201);
        }
    }
}
