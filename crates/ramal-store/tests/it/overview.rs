//! What a number's page shows.

use ramal_domain::{
    Content, CorrelationId, EventKind, MessageId, NumberId, Peer, TenantId, Timestamp, WireId,
};
use ramal_store::{Draft, Number, PastEvent, Schedule, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, event, number, phone, read, tenant},
};

on_both_databases! {
    removed_numbers_are_listed_while_they_can_be_restored,
    a_number_is_renamed_by_its_tenant,
    a_timeline_has_what_happened_to_the_number_itself,
    the_last_messages_come_first,
}

async fn removed(store: &Store, owner: TenantId, now: Timestamp) -> Vec<NumberId> {
    let numbers: Vec<Number> = read!(store, |tx| tx.numbers().list_removed(owner, now));
    numbers.iter().map(|number| number.id).collect()
}

async fn removed_numbers_are_listed_while_they_can_be_restored(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (first, _) = number(&store, owner, 1).await;
    let (second, _) = number(&store, owner, 2).await;
    number(&store, owner, 3).await;
    for (id, when) in [(first, at(1)), (second, at(2))] {
        committed!(store, |tx| tx.numbers().remove(owner, id, at(100), when)).unwrap();
    }

    assert_eq!(removed(&store, owner, at(99)).await, [second, first]);
    assert_eq!(removed(&store, owner, at(100)).await, []);
    assert_eq!(removed(&store, other, at(99)).await, []);
}

async fn a_number_is_renamed_by_its_tenant(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;

    assert!(committed!(store, |tx| tx.numbers().rename(owner, id, "Support", at(5))));
    assert!(!committed!(store, |tx| tx.numbers().rename(other, id, "Mine", at(6))));
    let found = read!(store, |tx| tx.numbers().get(id)).unwrap();
    assert_eq!((found.name.as_str(), found.updated_at), ("Support", at(5)));

    committed!(store, |tx| tx.numbers().remove(owner, id, at(100), at(7))).unwrap();
    assert!(!committed!(store, |tx| tx.numbers().rename(owner, id, "Gone", at(8))));
}

async fn a_timeline_has_what_happened_to_the_number_itself(Db { store, .. }: Db) {
    use EventKind as K;
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;
    let (sibling, _) = number(&store, owner, 2).await;
    for (number, kind, when) in [
        (id, K::NumberCreated, NOW),
        (id, K::MessageSent, at(1)),
        (sibling, K::NumberConnected, at(2)),
        (id, K::WebhookTest, at(3)),
        (id, K::NumberConnected, at(4)),
    ] {
        committed!(store, |tx| tx.events().record(&event(owner, number, kind, when)));
    }

    let told: Vec<PastEvent> = read!(store, |tx| tx.events().timeline(owner, id, 10));
    let kinds: Vec<_> = told.iter().map(|event| (event.kind, event.at)).collect();
    assert_eq!(kinds, [(K::NumberConnected, at(4)), (K::NumberCreated, NOW)]);
    assert_eq!(read!(store, |tx| tx.events().timeline(owner, id, 1)).len(), 1);
    assert_eq!(read!(store, |tx| tx.events().timeline(other, id, 10)), []);
}

async fn the_last_messages_come_first(Db { store, .. }: Db) {
    let (owner, other) = (tenant(&store).await, tenant(&store).await);
    let (id, _) = number(&store, owner, 1).await;
    for (text, when) in [("one", at(1)), ("two", at(2)), ("three", at(3))] {
        let wire_id = WireId::mint();
        let draft = Draft {
            id: MessageId::mint(),
            tenant: owner,
            number: id,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to: &Peer::Phone(phone(9)),
            content: &Content::Text { body: text.to_owned() },
            bytes: None,
            mark_read: false,
            origin: "API",
            schedule: Schedule::default(),
            template: None,
            labels: &[],
        };
        committed!(store, |tx| tx.messages().accept(&draft, when));
    }

    let recent = read!(store, |tx| tx.messages().recent(owner, id, 2));
    let texts: Vec<_> = recent.iter().filter_map(|message| message.content.as_deref()).collect();
    assert_eq!(texts, ["three", "two"]);
    assert_eq!(read!(store, |tx| tx.messages().recent(other, id, 2)), []);
}
