//! Webhooks on their way.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

use super::bytes::encode;
use crate::{
    clock::Millis,
    graph::hmac_hex,
    state::{Settings, SignatureMode, State},
};

/// So many are remembered.
const LIMIT: usize = 5_000;
/// So long Meta tries.
const LIFETIME: Millis = 7 * 24 * 60 * 60 * 1000;

/// One change of one account.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) entry_id: String,
    pub(crate) field: String,
    pub(crate) value: Value,
}

/// Whose webhook it is, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) app_id: String,
    /// `number`, `waba` or `app`: which callback it is.
    pub(crate) via: &'static str,
    pub(crate) url: String,
}

/// A webhook and its tries.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) app_id: String,
    pub(crate) via: &'static str,
    pub(crate) url: String,
    pub(crate) fields: Vec<String>,
    /// The exact bytes; they are ASCII.
    pub(crate) body: String,
    pub(crate) signature: Option<String>,
    pub(crate) at: Millis,
    pub(crate) due: Millis,
    pub(crate) state: Progress,
    pub(crate) attempts: Vec<Attempt>,
}

/// How far a webhook is.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Progress {
    /// Waits for another one, which goes first.
    Held,
    /// Waits until it is due.
    Pending,
    /// Is being posted.
    Posting,
    /// Was answered with 200.
    Delivered,
    /// Was tried for seven days.
    Dropped,
}

/// One try.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attempt {
    pub(crate) at: Millis,
    /// The HTTP status, or nothing when there was no answer.
    pub(crate) status: Option<u16>,
}

/// All webhooks, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    deliveries: VecDeque<Delivery>,
    batches: BTreeMap<Target, (Millis, Vec<Change>)>,
    next: u64,
}

impl State {
    /// Collects a change for a target; posts the batch once it is full.
    pub(crate) fn tell(&mut self, target: &Target, change: Change, due: Millis) {
        let (batch_due, changes) = self.outbox.batches.entry(target.clone()).or_default();
        *batch_due = due.max(*batch_due);
        changes.push(change);
        if changes.len() >= self.settings.batch.max(1) {
            self.post_batch(target);
        }
    }

    /// Posts what is collected and what is held back.
    pub(crate) fn flush(&mut self) {
        let targets: Vec<Target> = self.outbox.batches.keys().cloned().collect();
        for target in targets {
            self.post_batch(&target);
        }
        for delivery in &mut self.outbox.deliveries {
            if delivery.state == Progress::Held {
                delivery.state = Progress::Pending;
            }
        }
    }

    fn post_batch(&mut self, target: &Target) {
        let Some((due, mut changes)) = self.outbox.batches.remove(target) else { return };
        let Some(app) = self.apps.get(&target.app_id) else { return };
        if self.settings.reorder {
            changes.reverse();
        }
        let seconds = self.clock.seconds();
        let body = encode(&payload(&changes, seconds));
        let signature = sign(&self.settings, &app.secret, &body);
        let mut fields: Vec<String> = changes.into_iter().map(|change| change.field).collect();
        fields.dedup();
        let delivery = Delivery {
            id: 0,
            app_id: target.app_id.clone(),
            via: target.via,
            url: target.url.clone(),
            fields,
            body,
            signature,
            at: self.clock.millis(),
            due,
            state: Progress::Pending,
            attempts: Vec::new(),
        };
        if self.settings.duplicate {
            self.outbox.push(delivery.clone(), false);
        }
        self.outbox.push(delivery, self.settings.reorder);
    }
}

impl Outbox {
    /// With `reorder`, every other one waits until the next one of its address is posted.
    fn push(&mut self, mut delivery: Delivery, reorder: bool) {
        self.next += 1;
        delivery.id = self.next;
        if reorder {
            let earlier = self
                .deliveries
                .iter_mut()
                .find(|it| it.state == Progress::Held && it.url == delivery.url);
            match earlier {
                None => delivery.state = Progress::Held,
                // In the list it stays before the later one, so it is made due after it.
                Some(earlier) => {
                    earlier.state = Progress::Pending;
                    earlier.due = delivery.due + 1;
                }
            }
        }
        if self.deliveries.len() == LIMIT {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    /// What is to be posted now: of one address one at a time.
    pub(super) fn take_due(&mut self, now: Millis) -> Vec<Delivery> {
        let mut busy: Vec<String> = self
            .deliveries
            .iter()
            .filter(|it| it.state == Progress::Posting)
            .map(|it| it.url.clone())
            .collect();
        let mut due: Vec<&mut Delivery> = self
            .deliveries
            .iter_mut()
            .filter(|it| it.state == Progress::Pending && it.due <= now)
            .collect();
        due.sort_by_key(|it| it.due);
        let mut taken = Vec::new();
        for delivery in due {
            if !busy.contains(&delivery.url) {
                busy.push(delivery.url.clone());
                delivery.state = Progress::Posting;
                taken.push(delivery.clone());
            }
        }
        taken
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Millis> {
        let pending = self.deliveries.iter().filter(|it| it.state == Progress::Pending);
        pending.map(|it| it.due).min()
    }

    /// Notes the outcome of a try; plans the next one.
    pub(super) fn settle(&mut self, id: u64, status: Option<u16>, now: Millis, delays: &[u64]) {
        let Some(delivery) = self.deliveries.iter_mut().find(|it| it.id == id) else { return };
        let tries = delivery.attempts.len();
        delivery.attempts.push(Attempt { at: now, status });
        let delay = delays.get(tries).or_else(|| delays.last()).copied().unwrap_or_default();
        delivery.due = now.saturating_add(i64::try_from(delay).unwrap_or(i64::MAX));
        delivery.state = if status == Some(200) {
            Progress::Delivered
        } else if delivery.due - delivery.at > LIFETIME {
            Progress::Dropped
        } else {
            Progress::Pending
        };
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter()
    }

    /// Forgets everything, also what is on its way.
    pub(crate) fn clear(&mut self) {
        self.deliveries.clear();
        self.batches.clear();
    }
}

/// The envelope: changes that follow one another on one account share an entry.
fn payload(changes: &[Change], seconds: i64) -> Value {
    let mut entries: Vec<(&str, Vec<Value>)> = Vec::new();
    for change in changes {
        let shown = json!({ "field": change.field, "value": change.value });
        match entries.last_mut() {
            Some((id, list)) if *id == change.entry_id => list.push(shown),
            _ => entries.push((&change.entry_id, vec![shown])),
        }
    }
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(id, changes)| {
            // Messages and statuses have times of their own.
            if changes.iter().all(|change| change.get("field") == Some(&json!("messages"))) {
                json!({ "id": id, "changes": changes })
            } else {
                json!({ "id": id, "time": seconds, "changes": changes })
            }
        })
        .collect();
    json!({ "object": "whatsapp_business_account", "entry": entries })
}

fn sign(settings: &Settings, secret: &str, body: &str) -> Option<String> {
    let signed = |secret: &str| format!("sha256={}", hmac_hex(secret, body.as_bytes()));
    match settings.signature {
        SignatureMode::Good => Some(signed(secret)),
        SignatureMode::Bad => Some(signed("somebody else's secret")),
        SignatureMode::Missing => None,
    }
}
