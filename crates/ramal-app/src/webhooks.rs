//! Webhooks: create, look at, change, delete (contract C.19).

use ramal_domain::{EventKind, KeyScope, NumberId, Timestamp, WebhookId, WebhookSecret};
use ramal_store::{LoggedAttempt, NewWebhook, StoreError, Tx, Webhook, WebhookChange};

use crate::{
    App, AppError, Caller, Refusal, audit,
    auth::parse_number_id,
    names::{NAME_MAX, check_name},
};

/// Longest address, in characters.
const URL_MAX: usize = 2_048;
/// Subscribes to everything.
pub(crate) const EVERYTHING: &str = "*";
/// Most log rows in one answer.
const LOG_MAX: u32 = 50;

/// Events that customers may name although no number of ours emits them (yet): of the other
/// provider, or of later versions. They are dropped silently (contract C.19).
pub(crate) const NOT_EMITTED: [&str; 7] = [
    "lead.received",
    "flow.response_received",
    "call.incoming",
    "call.answered",
    "call.ended",
    "call.missed",
    "calls",
];

/// What a caller says of a webhook to be created.
#[derive(Clone, Debug, Default)]
pub struct WebhookDraft {
    /// Where to post.
    pub url: String,
    /// Its name; the address's host when absent.
    pub name: Option<String>,
    /// The events; none when absent.
    pub events: Vec<String>,
    /// The number, when neither the key nor the header names it.
    pub number_id: Option<String>,
    /// Whether it is delivered to from the start.
    pub active: bool,
    /// The caller's own signing secret; one is made when absent.
    pub secret: Option<String>,
}

/// A change of a webhook; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new address.
    pub url: Option<String>,
    /// A new list of events, in place of the old.
    pub events: Option<Vec<String>>,
    /// Pause or resume.
    pub active: Option<bool>,
}

/// A webhook that was just created.
#[derive(Clone, Debug)]
pub struct CreatedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What signs its deliveries: shown once.
    pub secret: WebhookSecret,
}

impl App {
    /// Creates a webhook for one number: the key's own, else the one that `header` names, else the
    /// one that the body names.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`], [`Refusal::NumberRequired`], [`Refusal::NumberMismatch`] and
    /// [`Refusal::NumberNotFound`].
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        header: Option<&str>,
        draft: WebhookDraft,
    ) -> Result<CreatedWebhook, AppError> {
        let number = webhook_number(caller, header, draft.number_id.as_deref())?;
        // Whose number it is comes before what is wrong with the rest.
        self.find_number(caller, number).await?;
        let url = self.check_url(&draft.url)?;
        let name = match draft.name {
            Some(name) => check_name(&name)?,
            None => host_of(&url),
        };
        let events = check_events(draft.events)?;
        let secret = match draft.secret {
            Some(text) => {
                text.parse().map_err(|error| AppError::invalid(format!("secret: {error}")))?
            }
            None => WebhookSecret::mint(),
        };
        let id = WebhookId::mint();
        let new = NewWebhook {
            id,
            tenant: caller.tenant(),
            number,
            name: &name,
            url: &url,
            events: &events,
            active: draft.active,
            secret: &secret,
        };
        let mut tx = self.store.begin().await?;
        // Held until the webhook is stored: it may be removed at this moment.
        let held = tx.numbers().find_to_change(caller.tenant(), number).await?;
        held.ok_or(Refusal::NumberNotFound)?;
        let now = self.clock.now();
        tx.webhooks().create(&new, now).await?;
        let webhook = tx.webhooks().find(caller.tenant(), id).await?;
        audit::record(&mut tx, caller, "webhook.create", &id.to_string(), &name, now).await?;
        tx.commit().await?;
        Ok(CreatedWebhook { webhook: webhook.ok_or(Refusal::WebhookNotFound)?, secret })
    }

    /// The webhooks that the caller sees: a number key its number's, the tenant's key all, or those
    /// of the number that `header` names.
    ///
    /// # Errors
    ///
    /// [`Refusal::NumberNotFound`] when the header names no number of the tenant.
    pub async fn list_webhooks(
        &self,
        caller: &Caller,
        header: Option<&str>,
    ) -> Result<Vec<Webhook>, AppError> {
        let number = match (caller.scope(), header) {
            (KeyScope::Number(own), _) => Some(own),
            (KeyScope::Tenant, Some(text)) => {
                Some(self.find_number(caller, parse_number_id(text)?).await?.id)
            }
            (KeyScope::Tenant, None) => None,
        };
        Ok(self.store.read().await?.webhooks().list(caller.tenant(), number).await?)
    }

    /// One webhook that the caller sees.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`].
    pub async fn get_webhook(&self, caller: &Caller, id: &str) -> Result<Webhook, AppError> {
        let id = parse_webhook(id)?;
        let found = self.store.read().await?.webhooks().find(caller.tenant(), id).await?;
        Ok(visible(caller, found)?)
    }

    /// Changes a webhook; its number stays.
    ///
    /// # Errors
    ///
    /// [`Refusal::EmptyPatch`], [`Refusal::Validation`] and [`Refusal::WebhookNotFound`].
    pub async fn change_webhook(
        &self,
        caller: &Caller,
        id: &str,
        patch: WebhookPatch,
    ) -> Result<Webhook, AppError> {
        let webhook = self.get_webhook(caller, id).await?;
        let change = WebhookChange {
            name: patch.name.as_deref().map(check_name).transpose()?,
            url: patch.url.as_deref().map(|url| self.check_url(url)).transpose()?,
            events: patch.events.map(check_events).transpose()?,
            active: patch.active,
        };
        let WebhookChange { name, url, events, active } = &change;
        if name.is_none() && url.is_none() && events.is_none() && active.is_none() {
            return Err(Refusal::EmptyPatch.into());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let before = tx.webhooks().find_to_use(caller.tenant(), webhook.id).await?;
        let before = before.ok_or(Refusal::WebhookNotFound)?;
        tx.webhooks().change(caller.tenant(), webhook.id, &change, now).await?;
        note_change(&mut tx, caller, &before, &change, now).await?;
        let changed = tx.webhooks().find(caller.tenant(), webhook.id).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(changed.ok_or(Refusal::WebhookNotFound)?)
    }

    /// Deletes a webhook and its delivery log.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`].
    pub async fn delete_webhook(&self, caller: &Caller, id: &str) -> Result<(), AppError> {
        let webhook = self.get_webhook(caller, id).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !tx.webhooks().delete(caller.tenant(), webhook.id, now).await? {
            return Err(Refusal::WebhookNotFound.into());
        }
        note(&mut tx, caller, "webhook.delete", &webhook, now).await?;
        Ok(tx.commit().await?)
    }

    /// The newest attempts to deliver to a webhook, at most 50.
    ///
    /// # Errors
    ///
    /// [`Refusal::WebhookNotFound`] and [`Refusal::Validation`].
    pub async fn webhook_log(
        &self,
        caller: &Caller,
        id: &str,
        event: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Vec<LoggedAttempt>, AppError> {
        let webhook = self.get_webhook(caller, id).await?;
        let limit = limit.unwrap_or(LOG_MAX);
        if limit == 0 || limit > LOG_MAX {
            return Err(AppError::invalid(format!("limit is 1 to {LOG_MAX}")));
        }
        if event.is_some_and(|name| NOT_EMITTED.contains(&name)) {
            return Ok(Vec::new());
        }
        let kind: Option<EventKind> = event
            .map(|name| name.parse().map_err(|error| AppError::invalid(format!("event: {error}"))))
            .transpose()?;
        Ok(self.store.read().await?.deliveries().log(webhook.id, kind, limit).await?)
    }

    fn check_url(&self, url: &str) -> Result<String, AppError> {
        if url.chars().count() > URL_MAX {
            return Err(AppError::invalid(format!("url has at most {URL_MAX} characters")));
        }
        let url = ramal_webhooks::check_target(url, &self.webhooks)
            .map_err(|error| AppError::invalid(format!("url: {error}")))?;
        Ok(url.into())
    }
}

/// A line of the audit log about a webhook.
pub(crate) async fn note(
    tx: &mut Tx,
    caller: &Caller,
    action: &str,
    webhook: &Webhook,
    now: Timestamp,
) -> Result<(), StoreError> {
    audit::record(tx, caller, action, &webhook.id.to_string(), &webhook.name, now).await
}

/// What a change did to the webhook as it was `before`: pausing and resuming have lines of their own.
async fn note_change(
    tx: &mut Tx,
    caller: &Caller,
    before: &Webhook,
    change: &WebhookChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let switched = change.active.filter(|active| *active != before.active);
    if change.name.is_some() || change.url.is_some() || change.events.is_some() {
        note(tx, caller, "webhook.update", before, now).await?;
    }
    match switched {
        Some(true) => note(tx, caller, "webhook.resume", before, now).await,
        Some(false) => note(tx, caller, "webhook.pause", before, now).await,
        None => Ok(()),
    }
}

/// As [`App::get_webhook`], for what needs it to be delivered to. It is not deleted until the unit of
/// work ends.
pub(crate) async fn active_webhook(
    tx: &mut Tx,
    caller: &Caller,
    id: &str,
) -> Result<Webhook, AppError> {
    let found = tx.webhooks().find_to_use(caller.tenant(), parse_webhook(id)?).await?;
    let webhook = visible(caller, found)?;
    if webhook.active { Ok(webhook) } else { Err(Refusal::WebhookInactive.into()) }
}

fn parse_webhook(id: &str) -> Result<WebhookId, Refusal> {
    id.parse().map_err(|_malformed| Refusal::WebhookNotFound)
}

/// What a key sees: a number's key its number's webhooks only.
fn visible(caller: &Caller, found: Option<Webhook>) -> Result<Webhook, Refusal> {
    let visible = found.filter(|webhook| match caller.scope() {
        KeyScope::Tenant => true,
        KeyScope::Number(own) => webhook.number == own,
    });
    visible.ok_or(Refusal::WebhookNotFound)
}

/// Number resolution order of contract C.19: key, header, body.
fn webhook_number(
    caller: &Caller,
    header: Option<&str>,
    body: Option<&str>,
) -> Result<NumberId, AppError> {
    match (caller.scope(), header, body) {
        (KeyScope::Number(own), _, Some(text)) if text != own.to_string() => {
            Err(Refusal::NumberMismatch.into())
        }
        (KeyScope::Number(own), _, _) => Ok(own),
        (KeyScope::Tenant, Some(text), _) | (KeyScope::Tenant, None, Some(text)) => {
            Ok(parse_number_id(text)?)
        }
        (KeyScope::Tenant, None, None) => Err(Refusal::NumberRequired.into()),
    }
}

/// The host, without a port, of an address that was checked before.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => host,
        Some(_) | None => authority,
    };
    host.chars().take(NAME_MAX).collect()
}

/// Every name that a webhook may subscribe to, for the OpenAPI document.
pub fn event_names() -> Vec<&'static str> {
    let emitted = EventKind::ALL.iter().filter(|kind| kind.is_selectable());
    let emitted = emitted.map(|kind| kind.name());
    std::iter::once(EVERYTHING).chain(emitted).chain(NOT_EMITTED).collect()
}

fn check_events(names: Vec<String>) -> Result<Vec<String>, AppError> {
    let mut kept = Vec::new();
    for name in names {
        if name == EventKind::WebhookTest.name() {
            // It comes when it is asked for, and needs no subscription.
            continue;
        }
        let kind = name.parse::<EventKind>().ok();
        if kind.is_some_and(|kind| !kind.is_selectable()) {
            return Err(AppError::invalid(format!("events: `{name}` comes with `*` only")));
        }
        if name == EVERYTHING || kind.is_some() {
            if !kept.contains(&name) {
                kept.push(name);
            }
        } else if !NOT_EMITTED.contains(&name.as_str()) {
            let shown: String = name.chars().take(40).collect();
            return Err(AppError::invalid(format!("events: `{shown}` is not an event name")));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_not_emitted_are_dropped_and_unknown_ones_refused() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();

        let kept = check_events(names(&["number.created", "lead.received", "number.created"]));
        assert_eq!(kept.unwrap(), ["number.created"]);
        assert!(check_events(names(&["number.exploded"])).is_err());
        for only_with_everything in ["number.action_required", "number.recovered"] {
            assert!(check_events(names(&[only_with_everything])).is_err());
            assert!(!event_names().contains(&only_with_everything));
        }
        assert_eq!(check_events(names(&["*"])).unwrap(), ["*"]);
    }

    #[test]
    fn the_default_name_is_the_host() {
        for (url, host) in [
            ("https://hooks.acme.com/whatsapp?x=1", "hooks.acme.com"),
            ("https://hooks.acme.com:8443/whatsapp:1", "hooks.acme.com"),
            ("https://93.184.216.34:8443/", "93.184.216.34"),
            ("https://[2606:4700::1111]/", "[2606:4700::1111]"),
            ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
