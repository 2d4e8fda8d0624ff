//! Accounts, numbers and webhooks for cases to play with.

use ramal_domain::{
    ApiToken, Event, EventKind, KeyId, KeyScope, NodeId, NumberEvent, NumberId, PhoneNumber,
    TenantId, Timestamp, WebhookId, WebhookSecret,
};
use ramal_store::{Epoch, NewKey, NewNumber, NewWebhook, Reservation, Store, Tenant};

/// When cases begin.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// `seconds` into the case.
pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1_000)
}

/// Runs `$body` with `$tx` in a unit of work and commits.
macro_rules! committed {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let mut $tx = $store.begin().await.unwrap();
        let value = $body.await.unwrap();
        $tx.commit().await.unwrap();
        value
    }};
}
/// Runs `$body` with `$tx` in a unit of work that reads.
macro_rules! read {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let mut $tx = $store.read().await.unwrap();
        $body.await.unwrap()
    }};
}
pub(crate) use {committed, read};

pub(crate) fn phone(last: u32) -> PhoneNumber {
    format!("+551199999{last:04}").parse().unwrap()
}

pub(crate) async fn tenant(store: &Store) -> TenantId {
    let tenant = Tenant { id: TenantId::mint(), name: "Acme".to_owned(), created_at: NOW };
    committed!(store, |tx| tx.tenants().create(&tenant));
    tenant.id
}

/// Reserves a number, and says how that went.
pub(crate) async fn reserve(
    store: &Store,
    tenant: TenantId,
    phone: &PhoneNumber,
    now: Timestamp,
) -> (NumberId, Reservation) {
    let id = NumberId::mint();
    let new = NewNumber {
        id,
        tenant,
        phone,
        name: "Sales",
        settings: "{}",
        provider: ramal_domain::Provider::Web,
    };
    (id, committed!(store, |tx| tx.numbers().reserve(&new, NodeId::mint(), now)))
}

/// A listed number, being paired.
pub(crate) async fn number(store: &Store, tenant: TenantId, last: u32) -> (NumberId, Epoch) {
    let (id, reservation) = reserve(store, tenant, &phone(last), NOW).await;
    let epoch = epoch_of(&reservation).unwrap();
    committed!(store, |tx| tx.numbers().publish(id, NOW)).unwrap();
    (id, epoch)
}

pub(crate) fn epoch_of(reservation: &Reservation) -> Option<Epoch> {
    match reservation {
        Reservation::Reserved(epoch) => Some(*epoch),
        Reservation::AlreadyActive | Reservation::SoftDeleted => None,
    }
}

pub(crate) async fn webhook(
    store: &Store,
    tenant: TenantId,
    number: NumberId,
    events: &[&str],
) -> WebhookId {
    let (id, secret) = (WebhookId::mint(), SECRET.parse::<WebhookSecret>().unwrap());
    let events: Vec<String> = events.iter().map(|&name| name.to_owned()).collect();
    let webhook = NewWebhook {
        id,
        tenant,
        number,
        name: "n8n",
        url: "https://hooks.example.com/",
        events: &events,
        active: true,
        secret: &secret,
    };
    committed!(store, |tx| tx.webhooks().create(&webhook, NOW));
    id
}

pub(crate) async fn key(
    store: &Store,
    tenant: TenantId,
    scope: KeyScope,
    now: Timestamp,
) -> (KeyId, ApiToken) {
    let (id, token) = (KeyId::mint(), ApiToken::mint());
    let key = NewKey { id, tenant, scope, name: "Default", token: &token };
    committed!(store, |tx| tx.keys().create(&key, now));
    (id, token)
}

pub(crate) fn event(tenant: TenantId, number: NumberId, kind: EventKind, at: Timestamp) -> Event {
    NumberEvent {
        tenant,
        number,
        phone: phone(1),
        display_name: "Sales".to_owned(),
        profile_name: None,
        reason: None,
    }
    .build(kind, at)
}

/// Records an event and returns it.
pub(crate) async fn happen(
    store: &Store,
    tenant: TenantId,
    number: NumberId,
    kind: EventKind,
    at: Timestamp,
) -> Event {
    let event = event(tenant, number, kind, at);
    committed!(store, |tx| tx.events().record(&event));
    event
}
