//! Tenants, API keys and webhooks.

use std::time::Duration;

use ramal_domain::{ApiToken, KeyId, KeyScope, TenantId, WebhookId};
use ramal_store::WebhookChange;

use crate::{
    db::Db,
    scene::{NOW, at, committed, key, number, phone, read, reserve, tenant, webhook},
};

on_both_databases! {
    a_tenant_is_found_and_listed,
    the_database_answers,
    a_key_is_found_by_its_hash_until_it_is_revoked,
    only_number_keys_are_revealed_and_only_to_their_tenant,
    a_key_is_invisible_to_other_tenants,
    a_repointed_key_acts_on_the_other_number,
    a_number_s_keys_die_together,
    a_key_acts_only_while_its_number_is_live,
    a_key_is_revoked_once,
    of_two_concurrent_revocations_one_ends_the_key,
    a_found_key_is_not_changed_meanwhile,
    the_last_use_is_noted_once_a_minute,
    another_master_key_opens_nothing,
    a_webhook_is_stored_and_changed_in_part,
    a_webhook_is_invisible_to_other_tenants,
    of_a_webhook_one_replay_runs_at_a_time,
    webhooks_are_listed_by_number,
    webhooks_of_removed_numbers_are_not_seen,
}

async fn the_database_answers(db: Db) {
    db.store.ping().await.unwrap();
    db.store.close().await;
    assert!(db.store.ping().await.is_err());
}

async fn a_tenant_is_found_and_listed(Db { store, .. }: Db) {
    let (one, two) = (tenant(&store).await, tenant(&store).await);

    let found = read!(store, |tx| tx.tenants().find(one)).unwrap();
    assert_eq!((found.id, found.name.as_str(), found.created_at), (one, "Acme", NOW));
    let listed: Vec<_> = read!(store, |tx| tx.tenants().list()).iter().map(|t| t.id).collect();
    assert_eq!(listed, [one, two]);
    assert_eq!(read!(store, |tx| tx.tenants().find(TenantId::mint())), None);
}

async fn a_key_is_found_by_its_hash_until_it_is_revoked(Db { store, .. }: Db) {
    let tenant = tenant(&store).await;
    let (id, token) = key(&store, tenant, KeyScope::Tenant, NOW).await;

    let found = read!(store, |tx| tx.keys().find_by_hash(token.hash())).unwrap();
    assert_eq!((found.id, found.tenant, found.scope), (id, tenant, KeyScope::Tenant));
    assert_eq!((found.prefix, found.last4), (token.prefix(), token.last4()));
    assert_eq!((found.last_used_at, found.created_at), (None, NOW));
    let stranger = ApiToken::mint().hash();
    assert_eq!(read!(store, |tx| tx.keys().find_by_hash(stranger)), None);

    committed!(store, |tx| tx.keys().revoke(tenant, id, at(1)));
    assert_eq!(read!(store, |tx| tx.keys().find_by_hash(token.hash())), None);
    assert_eq!(read!(store, |tx| tx.keys().find_for_update(tenant, id)), None);
    assert_eq!(read!(store, |tx| tx.keys().list(tenant)), []);
}

async fn only_number_keys_are_revealed_and_only_to_their_tenant(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (number, _) = number(&store, owner, 1).await;
    let (all, _) = key(&store, owner, KeyScope::Tenant, NOW).await;
    let (one, token) = key(&store, owner, KeyScope::Number(number), NOW).await;

    let revealed = read!(store, |tx| tx.keys().reveal(owner, one)).unwrap();
    assert_eq!(revealed.expose(), token.expose());
    assert!(read!(store, |tx| tx.keys().reveal(owner, all)).is_none());
    assert!(read!(store, |tx| tx.keys().reveal(other, one)).is_none());

    committed!(store, |tx| tx.keys().revoke(owner, one, at(1)));
    assert!(read!(store, |tx| tx.keys().reveal(owner, one)).is_none());
}

async fn a_key_is_invisible_to_other_tenants(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, token) = key(&store, owner, KeyScope::Tenant, NOW).await;

    assert_eq!(read!(store, |tx| tx.keys().find_for_update(other, id)), None);
    assert_eq!(read!(store, |tx| tx.keys().list(other)), []);
    committed!(store, |tx| tx.keys().revoke(other, id, at(1)));
    assert!(read!(store, |tx| tx.keys().find_by_hash(token.hash())).is_some());
    assert_eq!(read!(store, |tx| tx.keys().list(owner)).len(), 1);
}

async fn a_repointed_key_acts_on_the_other_number(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let ((old, _), (new, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    let (id, _) = key(&store, owner, KeyScope::Number(old), NOW).await;
    let (all, _) = key(&store, owner, KeyScope::Tenant, NOW).await;

    committed!(store, |tx| tx.keys().repoint(other, id, new));
    let kept = read!(store, |tx| tx.keys().find_for_update(owner, id)).unwrap();
    assert_eq!(kept.scope, KeyScope::Number(old));

    committed!(store, |tx| tx.keys().repoint(owner, id, new));
    committed!(store, |tx| tx.keys().repoint(owner, all, new));
    let moved = read!(store, |tx| tx.keys().find_for_update(owner, id)).unwrap();
    assert_eq!(moved.scope, KeyScope::Number(new));
    let kept = read!(store, |tx| tx.keys().find_for_update(owner, all)).unwrap();
    assert_eq!(kept.scope, KeyScope::Tenant, "a tenant key is never narrowed");
}

async fn a_number_s_keys_die_together(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    key(&store, owner, KeyScope::Number(one), NOW).await;
    key(&store, owner, KeyScope::Number(one), NOW).await;
    let (kept, _) = key(&store, owner, KeyScope::Number(two), NOW).await;

    committed!(store, |tx| tx.keys().revoke_of_number(one, at(1)));

    let listed = read!(store, |tx| tx.keys().list(owner));
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), [kept]);
}

async fn a_key_acts_only_while_its_number_is_live(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = reserve(&store, owner, &phone(1), NOW).await;
    let (_, token) = key(&store, owner, KeyScope::Number(id), NOW).await;
    let (_, all) = key(&store, owner, KeyScope::Tenant, NOW).await;
    let acts =
        async |token: &ApiToken| read!(store, |tx| tx.keys().find_by_hash(token.hash())).is_some();

    assert!(!acts(&token).await, "only reserved");
    committed!(store, |tx| tx.numbers().publish(id, NOW));
    assert!(acts(&token).await);
    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(1)));
    // Made by a request that the removal overtook.
    let (_, late) = key(&store, owner, KeyScope::Number(id), at(2)).await;
    assert!(!acts(&token).await);
    assert!(!acts(&late).await);
    assert!(acts(&all).await);
}

async fn a_key_is_revoked_once(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = key(&store, owner, KeyScope::Tenant, NOW).await;

    assert!(!committed!(store, |tx| tx.keys().revoke(other, id, at(1))), "someone else's");
    assert!(!committed!(store, |tx| tx.keys().revoke(owner, KeyId::mint(), at(1))));
    assert!(committed!(store, |tx| tx.keys().revoke(owner, id, at(1))));
    assert!(!committed!(store, |tx| tx.keys().revoke(owner, id, at(2))));
}

async fn of_two_concurrent_revocations_one_ends_the_key(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = key(&store, owner, KeyScope::Tenant, NOW).await;
    let revoke = async || committed!(store, |tx| tx.keys().revoke(owner, id, at(1)));

    let (one, two) = tokio::join!(revoke(), revoke());

    assert_eq!(u8::from(one) + u8::from(two), 1);
}

async fn a_found_key_is_not_changed_meanwhile(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (number, _) = number(&store, owner, 1).await;
    let (id, _) = key(&store, owner, KeyScope::Number(number), NOW).await;

    let mut tx = store.begin().await.unwrap();
    assert!(tx.keys().find_for_update(owner, id).await.unwrap().is_some());
    let revocation = async { committed!(store, |tx| tx.keys().revoke(owner, id, at(1))) };
    let mut revocation = Box::pin(revocation);
    let waits = tokio::time::timeout(Duration::from_millis(200), &mut revocation).await;
    assert!(waits.is_err(), "it waits for the unit of work");
    assert!(tx.keys().find_for_update(owner, id).await.unwrap().is_some());
    tx.commit().await.unwrap();

    assert!(revocation.await);
    assert_eq!(read!(store, |tx| tx.keys().find_for_update(owner, id)), None);
}

async fn the_last_use_is_noted_once_a_minute(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (id, _) = key(&store, owner, KeyScope::Tenant, NOW).await;
    assert!(read!(store, |tx| tx.keys().find_for_update(owner, id)).unwrap().wants_touch(NOW));

    for (seconds, noted) in [(10, 10), (69, 10), (71, 71)] {
        committed!(store, |tx| tx.keys().touch(id, at(seconds)));
        let key = read!(store, |tx| tx.keys().find_for_update(owner, id)).unwrap();
        assert_eq!(key.last_used_at, Some(at(noted)), "{seconds}");
        assert!(!key.wants_touch(at(noted + 59)));
        assert!(key.wants_touch(at(noted + 60)));
    }
}

async fn another_master_key_opens_nothing(db: Db) {
    let owner = tenant(&db.store).await;
    let (number, _) = number(&db.store, owner, 1).await;
    let (id, _) = key(&db.store, owner, KeyScope::Number(number), NOW).await;
    let stranger = db.with_another_key().await;

    let mut tx = stranger.read().await.unwrap();
    let refused = tx.keys().reveal(owner, id).await;
    assert!(matches!(refused, Err(ramal_store::StoreError::Sealed(_))), "{refused:?}");
}

async fn a_webhook_is_stored_and_changed_in_part(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (number, _) = number(&store, owner, 1).await;
    let id = webhook(&store, owner, number, &["message.sent", "*"]).await;

    let stored = read!(store, |tx| tx.webhooks().find(owner, id)).unwrap();
    assert_eq!(stored.events, ["message.sent", "*"]);
    assert_eq!((stored.active, stored.last_triggered_at), (true, None));
    assert_eq!((stored.created_at, stored.updated_at), (NOW, NOW));

    let rename = WebhookChange { name: Some("zap".to_owned()), ..WebhookChange::default() };
    assert!(committed!(store, |tx| tx.webhooks().change(owner, id, &rename, at(1))));
    let renamed = read!(store, |tx| tx.webhooks().find(owner, id)).unwrap();
    assert_eq!((renamed.name.as_str(), renamed.updated_at), ("zap", at(1)));
    assert_eq!((&renamed.url, &renamed.events), (&stored.url, &stored.events));

    let rest = WebhookChange {
        name: None,
        url: Some("https://other.example.com/".to_owned()),
        events: Some(Vec::new()),
        active: Some(false),
    };
    assert!(committed!(store, |tx| tx.webhooks().change(owner, id, &rest, at(2))));
    let changed = read!(store, |tx| tx.webhooks().find(owner, id)).unwrap();
    assert_eq!((changed.name.as_str(), changed.active), ("zap", false));
    assert_eq!((changed.url.as_str(), changed.events.len()), ("https://other.example.com/", 0));

    assert!(committed!(store, |tx| tx.webhooks().delete(owner, id, at(3))));
    assert!(!committed!(store, |tx| tx.webhooks().delete(owner, id, at(3))));
    assert!(!committed!(store, |tx| tx.webhooks().change(owner, id, &rest, at(3))));
    assert_eq!(read!(store, |tx| tx.webhooks().find(owner, id)), None);
    assert_eq!(committed!(store, |tx| tx.webhooks().find_to_use(owner, id)), None);
    assert_eq!(read!(store, |tx| tx.webhooks().list(owner, None)), []);
}

async fn of_a_webhook_one_replay_runs_at_a_time(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let (number, _) = number(&store, owner, 1).await;
    let (one, other) =
        (webhook(&store, owner, number, &[]).await, webhook(&store, owner, number, &[]).await);
    let begin =
        async |id, until, now| committed!(store, |tx| tx.webhooks().begin_replay(id, until, now));

    assert!(begin(one, at(60), NOW).await);
    assert!(!begin(one, at(61), at(1)).await);
    assert!(begin(other, at(61), at(1)).await, "it has its own");
    committed!(store, |tx| tx.webhooks().end_replay(one, at(60)));
    assert!(begin(one, at(62), at(2)).await);
    assert!(begin(one, at(122), at(62)).await, "the one before has died");
    committed!(store, |tx| tx.webhooks().end_replay(one, at(62)));
    assert!(!begin(one, at(123), at(63)).await, "the dead one ends nothing");
}

async fn a_webhook_is_invisible_to_other_tenants(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (number, _) = number(&store, owner, 1).await;
    let id = webhook(&store, owner, number, &["*"]).await;
    let change = WebhookChange { active: Some(false), ..WebhookChange::default() };

    assert_eq!(read!(store, |tx| tx.webhooks().find(other, id)), None);
    assert_eq!(read!(store, |tx| tx.webhooks().find(owner, WebhookId::mint())), None);
    assert_eq!(read!(store, |tx| tx.webhooks().list(other, None)), []);
    assert_eq!(read!(store, |tx| tx.webhooks().list(other, Some(number))), []);
    assert!(!committed!(store, |tx| tx.webhooks().change(other, id, &change, at(1))));
    assert!(!committed!(store, |tx| tx.webhooks().delete(other, id, at(1))));
    assert!(read!(store, |tx| tx.webhooks().find(owner, id)).unwrap().active);
}

async fn webhooks_are_listed_by_number(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    let (a, b) = (webhook(&store, owner, one, &[]).await, webhook(&store, owner, two, &[]).await);

    let all = read!(store, |tx| tx.webhooks().list(owner, None));
    assert_eq!(all.iter().map(|webhook| webhook.id).collect::<Vec<_>>(), [a, b]);
    let of_two = read!(store, |tx| tx.webhooks().list(owner, Some(two)));
    assert_eq!(of_two.iter().map(|webhook| webhook.id).collect::<Vec<_>>(), [b]);
}

async fn webhooks_of_removed_numbers_are_not_seen(Db { store, .. }: Db) {
    let owner = tenant(&store).await;
    let ((one, _), (two, _)) = (number(&store, owner, 1).await, number(&store, owner, 2).await);
    let (a, b) =
        (webhook(&store, owner, one, &["*"]).await, webhook(&store, owner, two, &[]).await);

    committed!(store, |tx| tx.numbers().remove(owner, one, at(100), at(1)));

    assert_eq!(read!(store, |tx| tx.webhooks().find(owner, a)), None);
    assert!(read!(store, |tx| tx.webhooks().find(owner, b)).is_some());
    let all = read!(store, |tx| tx.webhooks().list(owner, None));
    assert_eq!(all.iter().map(|webhook| webhook.id).collect::<Vec<_>>(), [b]);
    assert_eq!(read!(store, |tx| tx.webhooks().list(owner, Some(one))), []);
    assert_eq!(read!(store, |tx| tx.deliveries().pending(a)), 1, "but it hears of the removal");
}
