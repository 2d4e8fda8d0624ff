//! What customers do with a webhook that is there: rotate its secret, try it, deliver again what it
//! has missed. Extensions of the contract.

use std::time::Duration;

use ramal_domain::{
    DeliveryId, EventId, EventKind, Timestamp, WebhookId, WebhookSecret, WebhookTest,
};
use ramal_store::{Missed, Redelivery, Replayed};

use crate::{
    App, AppError, Caller, Refusal,
    webhooks::{EVERYTHING, NOT_EMITTED, active_webhook, note},
};

/// Most events that one request replays; the answer says whether there are more.
const REPLAY_MAX: u32 = 1_000;
/// And how many of them one transaction writes.
const REPLAY_BATCH: usize = 200;
/// A replay that has not ended by then has died.
const REPLAY_TIME_MAX: Duration = Duration::from_mins(1);
/// When it is worth asking again while one is running.
const REPLAY_RETRY_SECONDS: u64 = 1;
/// Old events that one transaction of the sweep deletes: requests must not wait for it long.
const PURGE_BATCH: u32 = 500;
/// Transactions of one sweep: the rest waits for the next.
const PURGE_BATCHES_MAX: u32 = 400;

/// A secret that was just rotated.
#[derive(Clone, Debug)]
pub struct RotatedSecret {
    /// The webhook.
    pub webhook: WebhookId,
    /// What signs its deliveries from now on: shown once.
    pub secret: WebhookSecret,
    /// Until when the one before signs as well.
    pub old_until: Timestamp,
}

/// What to deliver again.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Events that happened at or after this moment.
    pub since: String,
    /// And before this one; now when absent.
    pub until: Option<String>,
    /// Of these names; those that the webhook subscribes to when absent.
    pub events: Option<Vec<String>>,
}

impl App {
    /// Gives a webhook another secret. For a while the old one signs beside it.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`].
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<RotatedSecret, AppError> {
        let webhook = self.get_webhook(caller, id).await?;
        let (secret, now) = (WebhookSecret::mint(), self.clock.now());
        let old_until = now.after(self.webhooks.secret_overlap);
        let mut tx = self.store.begin().await?;
        let tenant = caller.tenant();
        if !tx.webhooks().rotate_secret(tenant, webhook.id, &secret, old_until, now).await? {
            return Err(Refusal::WebhookNotFound.into());
        }
        note(&mut tx, caller, "webhook.rotate_secret", &webhook, now).await?;
        tx.commit().await?;
        Ok(RotatedSecret { webhook: webhook.id, secret, old_until })
    }

    /// Sends an event that reports nothing to one webhook, whatever it subscribes to.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`] and [`Refusal::WebhookInactive`].
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(DeliveryId, EventId), AppError> {
        let mut tx = self.store.begin().await?;
        let webhook = active_webhook(&mut tx, caller, id).await?;
        let test =
            WebhookTest { tenant: webhook.tenant, number: webhook.number, webhook: webhook.id };
        let now = self.clock.now();
        let event = test.build(now);
        let delivery = tx.events().record_for(&event, webhook.id).await?;
        note(&mut tx, caller, "webhook.test", &webhook, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok((delivery, event.id))
    }

    /// Delivers once more what was delivered or given up. `delivery` is a delivery's id, or that of
    /// a line in its log.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`], [`Refusal::WebhookInactive`], [`Refusal::DeliveryNotFound`] and
    /// [`Refusal::DeliveryPending`].
    pub async fn redeliver(
        &self,
        caller: &Caller,
        id: &str,
        delivery: &str,
    ) -> Result<DeliveryId, AppError> {
        let mut tx = self.store.begin().await?;
        let webhook = active_webhook(&mut tx, caller, id).await?;
        let delivery = parse_delivery(delivery)?;
        let now = self.clock.now();
        match tx.deliveries().redeliver(webhook.id, delivery, now).await? {
            Redelivery::Due => {}
            Redelivery::Pending => return Err(Refusal::DeliveryPending.into()),
            Redelivery::Unknown => return Err(Refusal::DeliveryNotFound.into()),
        }
        note(&mut tx, caller, "webhook.redeliver", &webhook, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(delivery)
    }

    /// Delivers, oldest first, events of a webhook's number that it has missed: those that were
    /// given up, and those that happened while it was inactive, not subscribed or not there.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`], [`Refusal::WebhookInactive`], [`Refusal::Validation`], and
    /// [`Refusal::RateLimited`] while another replay of the webhook is running.
    pub async fn replay(
        &self,
        caller: &Caller,
        id: &str,
        replay: Replay,
    ) -> Result<Replayed, AppError> {
        let now = self.clock.now();
        let since = parse_time("since", &replay.since)?;
        let until = replay.until.map_or(Ok(now), |text| parse_time("until", &text))?;
        if since >= until {
            return Err(AppError::invalid("since must lie before until"));
        }
        let named = replay.events.as_deref().map(kinds).transpose()?;
        let lasts_until = now.after(REPLAY_TIME_MAX);
        let mut tx = self.store.begin().await?;
        let webhook = active_webhook(&mut tx, caller, id).await?;
        let kinds = named.map_or_else(|| kinds(&webhook.events), Ok)?;
        // Each goes through history: no more than one of a webhook at a time.
        if !tx.webhooks().begin_replay(webhook.id, lasts_until, now).await? {
            return Err(Refusal::RateLimited { retry_after_seconds: REPLAY_RETRY_SECONDS }.into());
        }
        note(&mut tx, caller, "webhook.replay", &webhook, now).await?;
        tx.commit().await?;
        let missed = Missed {
            webhook: webhook.id,
            tenant: webhook.tenant,
            number: webhook.number,
            kinds: &kinds,
            since,
            until,
        };
        let replayed = self.bring_back(caller, id, &missed).await;
        let mut tx = self.store.begin().await?;
        tx.webhooks().end_replay(webhook.id, lasts_until).await?;
        tx.commit().await?;
        replayed
    }

    /// Finds what was missed, which may take long, and then writes it, which must not.
    async fn bring_back(
        &self,
        caller: &Caller,
        id: &str,
        missed: &Missed<'_>,
    ) -> Result<Replayed, AppError> {
        let found = self.store.read().await?.deliveries().missed(missed, REPLAY_MAX).await?;
        let mut replayed = Replayed { count: 0, more: found.more };
        for batch in found.events.chunks(REPLAY_BATCH) {
            let mut tx = self.store.begin().await?;
            let webhook = active_webhook(&mut tx, caller, id).await?;
            let now = self.clock.now();
            replayed.count += tx.deliveries().replay(webhook.id, batch, now).await?;
            tx.commit().await?;
            self.wake.notify_one();
        }
        Ok(replayed)
    }

    /// Gives up messages that waited too long or whose number was removed, and what waits for inactive
    /// webhooks; forgets old secrets, deleted webhooks, events and logs, what was said to numbers that are
    /// gone, contents, and session state; each in batches.
    pub(crate) async fn sweep_in_batches(&self, now: Timestamp) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.webhooks().forget_old_secrets(now).await?;
        tx.commit().await?;
        for step in Sweep::ALL {
            for _ in 0..PURGE_BATCHES_MAX {
                let swept = self.sweep_batch(step, now).await?;
                if swept > 0 && step.tells() {
                    self.wake.notify_one();
                }
                if swept < u64::from(PURGE_BATCH) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sweep_batch(&self, step: Sweep, now: Timestamp) -> Result<u64, AppError> {
        let mut tx = self.store.begin().await?;
        let swept = match step {
            Sweep::Expired => tx.messages().expire_queued(now, PURGE_BATCH).await?,
            Sweep::Removed => tx.messages().fail_removed(PURGE_BATCH, now).await?,
            Sweep::Inactive => {
                let since = now.before(self.webhooks.give_up_after);
                tx.deliveries().give_up_inactive(since, PURGE_BATCH).await?
            }
            Sweep::Deleted => tx.deliveries().sweep_deleted(PURGE_BATCH).await?,
            Sweep::Old => {
                let old = now.before(self.webhooks.retention);
                tx.deliveries().purge(old, PURGE_BATCH).await?
            }
            Sweep::Gone => tx.numbers().purge_events_due(now, PURGE_BATCH).await?,
            Sweep::Forgotten => tx.messages().forget_due(now, PURGE_BATCH).await?,
            Sweep::State => tx.numbers().expire_state(now, PURGE_BATCH).await?,
        };
        tx.commit().await?;
        Ok(swept)
    }
}

/// What is swept, one after another.
#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// Messages that waited too long.
    Expired,
    /// What removed numbers had to send.
    Removed,
    /// What waits for inactive webhooks.
    Inactive,
    /// Deliveries to deleted webhooks.
    Deleted,
    /// Events.
    Old,
    /// What was said to numbers that are to be deleted for good.
    Gone,
    /// Contents of messages that their numbers do not keep, or not any longer.
    Forgotten,
    /// Session state that its client would have removed, did it run.
    State,
}

impl Sweep {
    const ALL: [Self; 8] = [
        Self::Expired,
        Self::Removed,
        Self::Inactive,
        Self::Deleted,
        Self::Old,
        Self::Gone,
        Self::Forgotten,
        Self::State,
    ];

    /// Whether webhooks are told of it.
    const fn tells(self) -> bool {
        matches!(self, Self::Expired | Self::Removed)
    }
}

/// `dlv_…`, or a log line's `dlv_…_3`.
fn parse_delivery(text: &str) -> Result<DeliveryId, Refusal> {
    let of_line = text.rsplit_once('_').and_then(|(delivery, _attempt)| delivery.parse().ok());
    of_line.or_else(|| text.parse().ok()).ok_or(Refusal::DeliveryNotFound)
}

fn parse_time(field: &str, text: &str) -> Result<Timestamp, AppError> {
    text.parse().map_err(|error| AppError::invalid(format!("{field}: {error}")))
}

/// Each kind once. Tests are never replayed: nobody has missed them. What is never emitted is never
/// missed.
fn kinds(names: &[String]) -> Result<Vec<EventKind>, AppError> {
    let mut kinds: Vec<EventKind> = Vec::new();
    for name in names.iter().filter(|name| !NOT_EMITTED.contains(&name.as_str())) {
        if name == EVERYTHING {
            kinds = EventKind::ALL.to_vec();
            break;
        }
        let kind: EventKind =
            name.parse().map_err(|error| AppError::invalid(format!("events: {error}")))?;
        if !kind.is_selectable() && kind != EventKind::WebhookTest {
            return Err(AppError::invalid(format!("events: `{name}` comes with `*` only")));
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.retain(|kind| *kind != EventKind::WebhookTest);
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_named_by_its_id_or_a_line_of_its_log() {
        let id = DeliveryId::mint();

        assert_eq!(parse_delivery(&id.to_string()), Ok(id));
        assert_eq!(parse_delivery(&format!("{id}_12")), Ok(id));
        for text in ["", "dlv_", "evt_01", "dlv_é_1"] {
            assert_eq!(parse_delivery(text), Err(Refusal::DeliveryNotFound), "{text}");
        }
    }

    #[test]
    fn everything_but_tests_can_be_replayed() {
        let kinds_of = |names: &[&str]| {
            kinds(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
        };

        assert_eq!(kinds_of(&["*"]).len(), EventKind::ALL.len() - 1);
        assert_eq!(kinds_of(&["message.sent", "webhook.test"]), [EventKind::MessageSent]);
        assert_eq!(kinds_of(&["lead.received", "calls"]), []);
        let twice = ["message.sent", "message.read", "message.sent", "message.read"];
        assert_eq!(kinds_of(&twice), [EventKind::MessageSent, EventKind::MessageRead]);
        assert!(kinds(&["number.exploded".to_owned()]).is_err());
        assert!(kinds(&["number.recovered".to_owned()]).is_err());
    }
}
