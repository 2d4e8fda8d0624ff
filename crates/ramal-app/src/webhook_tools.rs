//! What customers do with a webhook that is there: rotate its secret, try it, deliver again what it
//! has missed. Extensions of the contract.

use ramal_domain::{
    DeliveryId, EventId, EventKind, Timestamp, WebhookId, WebhookSecret, WebhookTest,
};
use ramal_store::{Missed, Redelivery, Replayed};

use crate::{App, AppError, Caller, Refusal, webhooks::EVERYTHING};

/// Most events that one request replays; the answer says whether there are more.
const REPLAY_MAX: u32 = 1_000;
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
        let webhook = self.get_webhook(caller, id).await?.id;
        let (secret, now) = (WebhookSecret::mint(), self.clock.now());
        let old_until = now.after(self.webhooks.secret_overlap);
        let mut tx = self.store.begin().await?;
        let tenant = caller.tenant();
        if !tx.webhooks().rotate_secret(tenant, webhook, &secret, old_until, now).await? {
            return Err(Refusal::WebhookNotFound.into());
        }
        tx.commit().await?;
        Ok(RotatedSecret { webhook, secret, old_until })
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
        let webhook = self.active_webhook(caller, id).await?;
        let test =
            WebhookTest { tenant: webhook.tenant, number: webhook.number, webhook: webhook.id };
        let event = test.build(self.clock.now());
        let mut tx = self.store.begin().await?;
        let delivery = tx.events().record_for(&event, webhook.id).await?;
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
        let webhook = self.active_webhook(caller, id).await?;
        let delivery = parse_delivery(delivery)?;
        let mut tx = self.store.begin().await?;
        match tx.deliveries().redeliver(webhook.id, delivery, self.clock.now()).await? {
            Redelivery::Due => tx.commit().await?,
            Redelivery::Pending => return Err(Refusal::DeliveryPending.into()),
            Redelivery::Unknown => return Err(Refusal::DeliveryNotFound.into()),
        }
        self.wake.notify_one();
        Ok(delivery)
    }

    /// Delivers, oldest first, events of a webhook's number that it has missed: those that were
    /// given up, and those that happened while it was inactive, not subscribed or not there.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`], [`Refusal::WebhookInactive`] and [`Refusal::Validation`].
    pub async fn replay(
        &self,
        caller: &Caller,
        id: &str,
        replay: Replay,
    ) -> Result<Replayed, AppError> {
        let webhook = self.active_webhook(caller, id).await?;
        let now = self.clock.now();
        let since = parse_time("since", &replay.since)?;
        let until = replay.until.map_or(Ok(now), |text| parse_time("until", &text))?;
        if since >= until {
            return Err(AppError::invalid("since must lie before until"));
        }
        let kinds = kinds(&replay.events.unwrap_or(webhook.events))?;
        let missed = Missed {
            webhook: webhook.id,
            tenant: webhook.tenant,
            number: webhook.number,
            kinds: &kinds,
            since,
            until,
        };
        let mut tx = self.store.begin().await?;
        let replayed = tx.deliveries().replay(&missed, REPLAY_MAX, now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(replayed)
    }

    /// Gives up what waits for inactive webhooks, forgets old secrets, events and logs.
    pub(crate) async fn sweep_webhooks(&self, now: Timestamp) -> Result<(), AppError> {
        let mut tx = self.store.begin().await?;
        tx.deliveries().give_up_inactive(now.before(self.webhooks.give_up_after)).await?;
        tx.webhooks().forget_old_secrets(now).await?;
        tx.commit().await?;
        let before = now.before(self.webhooks.retention);
        for _ in 0..PURGE_BATCHES_MAX {
            let mut tx = self.store.begin().await?;
            let purged = tx.deliveries().purge(before, PURGE_BATCH).await?;
            tx.commit().await?;
            if purged < u64::from(PURGE_BATCH) {
                break;
            }
        }
        Ok(())
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

/// Tests are never replayed: nobody has missed them.
fn kinds(names: &[String]) -> Result<Vec<EventKind>, AppError> {
    let mut kinds = Vec::new();
    for name in names {
        if name == EVERYTHING {
            kinds = EventKind::ALL.to_vec();
            break;
        }
        let kind: EventKind =
            name.parse().map_err(|error| AppError::invalid(format!("events: {error}")))?;
        if !kind.is_selectable() && kind != EventKind::WebhookTest {
            return Err(AppError::invalid(format!("events: `{name}` comes with `*` only")));
        }
        kinds.push(kind);
    }
    kinds.retain(|kind| *kind != EventKind::WebhookTest);
    kinds.dedup();
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
        assert!(kinds(&["number.exploded".to_owned()]).is_err());
        assert!(kinds(&["number.recovered".to_owned()]).is_err());
    }
}
