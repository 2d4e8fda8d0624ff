//! Events: who is told, and that telling and doing are one.

use std::time::Duration;

use ramal_domain::{EventKind, NumberId, TenantId, WebhookId};
use ramal_store::{Store, WebhookChange};

use crate::{
    db::Db,
    scene::{NOW, at, committed, event, happen, number, read, tenant, webhook},
};

on_both_databases! {
    a_dropped_unit_of_work_leaves_neither_event_nor_delivery,
    an_event_goes_to_its_number_s_subscribers_only,
    a_creation_goes_to_the_whole_tenant,
    a_creation_is_not_told_to_removed_numbers,
    events_are_listed_in_the_order_in_which_they_happened,
    an_event_is_recorded_once,
    a_webhook_that_is_deleted_meanwhile_fails_no_event,
}

async fn pending(store: &Store, webhook: WebhookId) -> u64 {
    read!(store, |tx| tx.deliveries().pending(webhook))
}

async fn a_dropped_unit_of_work_leaves_neither_event_nor_delivery(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let hook = webhook(&store, owner, id, &["*"]).await;
    let connected = event(owner, id, EventKind::NumberConnected, NOW);

    let mut tx = store.begin().await.unwrap();
    tx.events().record(&connected).await.unwrap();
    assert_eq!(tx.deliveries().pending(hook).await.unwrap(), 1, "inside, both are there");
    drop(tx);

    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), []);
    assert_eq!(pending(&store, hook).await, 0);
    committed!(store, |tx| tx.events().record(&connected));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)), [EventKind::NumberConnected]);
    assert_eq!(pending(&store, hook).await, 1);
}

/// Two tenants; the first has two numbers with webhooks, the second has one.
struct Audience {
    owner: TenantId,
    number: NumberId,
    all: WebhookId,
    picky: WebhookId,
    deaf: WebhookId,
    paused: WebhookId,
    sibling: WebhookId,
    stranger: WebhookId,
}

impl Audience {
    async fn gather(store: &Store) -> Self {
        let (owner, other) = (tenant(store).await, tenant(store).await);
        let (first, _) = number(store, owner, 1).await;
        let (second, _) = number(store, owner, 2).await;
        let (foreign, _) = number(store, other, 1).await;
        let paused = webhook(store, owner, first, &["*"]).await;
        let pause = WebhookChange { active: Some(false), ..WebhookChange::default() };
        committed!(store, |tx| tx.webhooks().change(owner, paused, &pause, NOW));
        Self {
            owner,
            number: first,
            all: webhook(store, owner, first, &["*"]).await,
            picky: webhook(store, owner, first, &["message.sent", "number.created"]).await,
            deaf: webhook(store, owner, first, &[]).await,
            paused,
            sibling: webhook(store, owner, second, &["*"]).await,
            stranger: webhook(store, other, foreign, &["*"]).await,
        }
    }

    /// Deliveries to each, in the order of the fields.
    async fn reached(&self, store: &Store) -> [u64; 6] {
        let mut reached = [0; 6];
        let everyone = [self.all, self.picky, self.deaf, self.paused, self.sibling, self.stranger];
        for (count, webhook) in reached.iter_mut().zip(everyone) {
            *count = pending(store, webhook).await;
        }
        reached
    }
}

async fn an_event_goes_to_its_number_s_subscribers_only(Db { store, .. }: Db) {
    let audience = Audience::gather(&store).await;

    happen(&store, audience.owner, audience.number, EventKind::NumberConnected, NOW).await;
    assert_eq!(audience.reached(&store).await, [1, 0, 0, 0, 0, 0]);
    happen(&store, audience.owner, audience.number, EventKind::MessageSent, NOW).await;
    assert_eq!(audience.reached(&store).await, [2, 1, 0, 0, 0, 0]);
    // `message.sent` is not `message.sent.…` and not the other way round.
    happen(&store, audience.owner, audience.number, EventKind::MessageDelivered, NOW).await;
    assert_eq!(audience.reached(&store).await, [3, 1, 0, 0, 0, 0]);
}

async fn a_creation_goes_to_the_whole_tenant(Db { store, .. }: Db) {
    let audience = Audience::gather(&store).await;
    let (new, _) = number(&store, audience.owner, 3).await;

    // Contract H9: the new number itself cannot have a webhook yet.
    happen(&store, audience.owner, new, EventKind::NumberCreated, NOW).await;

    assert_eq!(audience.reached(&store).await, [1, 1, 0, 0, 1, 0]);
}

async fn a_creation_is_not_told_to_removed_numbers(Db { store, .. }: Db) {
    let audience = Audience::gather(&store).await;
    let (owner, removed) = (audience.owner, audience.number);
    committed!(store, |tx| tx.numbers().remove(owner, removed, at(100), at(1)));
    let before = audience.reached(&store).await;
    assert_eq!(before, [1, 0, 0, 0, 0, 0], "the removal itself is told");
    let (new, _) = number(&store, owner, 3).await;

    happen(&store, owner, new, EventKind::NumberCreated, at(2)).await;

    assert_eq!(audience.reached(&store).await, [1, 0, 0, 0, 1, 0]);
}

async fn events_are_listed_in_the_order_in_which_they_happened(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    for kind in EventKind::ALL {
        happen(&store, owner, one, *kind, NOW).await;
    }
    happen(&store, owner, two, EventKind::NumberCreated, NOW).await;

    assert_eq!(read!(store, |tx| tx.events().kinds_of(one)), EventKind::ALL);
}

async fn a_webhook_that_is_deleted_meanwhile_fails_no_event(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let doomed = webhook(&store, owner, id, &["*"]).await;
    let other = webhook(&store, owner, id, &["*"]).await;
    let mut deleting = store.begin().await.unwrap();
    assert!(deleting.webhooks().delete(owner, doomed, NOW).await.unwrap());
    deleting.deliveries().sweep_deleted(9).await.unwrap();

    let connected = event(owner, id, EventKind::NumberConnected, NOW);
    let recording = async {
        let mut tx = store.begin().await.unwrap();
        tx.events().record(&connected).await.unwrap();
        tx.commit().await.unwrap();
    };
    let commit = async {
        // Time for the record to be made, as far as it gets.
        tokio::time::sleep(Duration::from_millis(200)).await;
        deleting.commit().await.unwrap();
    };
    tokio::join!(recording, commit);

    assert_eq!((pending(&store, doomed).await, pending(&store, other).await), (0, 1));
}

async fn an_event_is_recorded_once(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = number(&store, owner, 1).await;
    let event = happen(&store, owner, id, EventKind::NumberConnected, NOW).await;

    let mut tx = store.begin().await.unwrap();
    assert!(tx.events().record(&event).await.is_err());
    drop(tx);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(id)).len(), 1);
}
