//! Messages: the queue, the statuses, the inbound record.

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use ramal_domain::{
    CorrelationId, Direction, EventKind, MessageId, MessageStatus, NumberId, Peer, TenantId,
    Timestamp, WireId,
};
use ramal_store::{Draft, Failure, InboundMessage, Message, Receipt, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, tenant, webhook},
};

on_both_databases! {
    a_message_is_found_by_any_of_its_ids,
    a_message_is_invisible_to_other_tenants_and_numbers,
    a_queue_is_worked_off_in_order,
    a_failed_try_keeps_the_head_of_the_queue,
    a_receipt_that_overtook_tells_what_it_overtook,
    receipts_touch_only_outbound_messages_of_their_number,
    a_failure_is_stored_and_told,
    what_whatsapp_delivers_again_is_ignored,
    an_unknown_kind_and_an_unknown_sender_are_kept,
    what_waited_too_long_is_given_up,
    in_any_order_a_status_only_moves_forward,
}

struct Sender {
    tenant: TenantId,
    number: NumberId,
}

async fn sender(store: &Store, last: u32) -> Sender {
    let tenant = tenant(store).await;
    let (number, _) = number(store, tenant, last).await;
    Sender { tenant, number }
}

impl Sender {
    async fn accept(&self, store: &Store, text: &str, now: Timestamp) -> (MessageId, WireId) {
        let (id, wire_id) = (MessageId::mint(), WireId::mint());
        let draft = Draft {
            id,
            tenant: self.tenant,
            number: self.number,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to: &phone(9_999),
            text,
            origin: "API",
        };
        let accepted = committed!(store, |tx| tx.messages().accept(&draft, now));
        assert_eq!((accepted.id, accepted.created_at), (id, now));
        assert_eq!(accepted.correlation, draft.correlation);
        (id, wire_id)
    }

    async fn find(&self, store: &Store, id: &str) -> Option<Message> {
        read!(store, |tx| tx.messages().find(self.tenant, self.number, id))
    }

    async fn status(&self, store: &Store, id: MessageId) -> MessageStatus {
        self.find(store, &id.to_string()).await.unwrap().status
    }

    fn inbound(&self, wire_id: &str) -> InboundMessage {
        InboundMessage {
            tenant: self.tenant,
            number: self.number,
            wire_id: WireId::from_text(wire_id),
            from: Peer::Phone(phone(9_999)),
            kind: "text",
            content: Some("Oi 👋".to_owned()),
            sender_name: Some("Ana".to_owned()),
            at: at(-60),
        }
    }
}

async fn receipt(
    store: &Store,
    number: NumberId,
    wire_id: &WireId,
    receipt: Receipt,
    now: Timestamp,
) -> u64 {
    let wire_ids = [wire_id.clone(), WireId::from_text("unknown")];
    committed!(store, |tx| tx.messages().receipt(number, &wire_ids, receipt, now))
}

async fn a_message_is_found_by_any_of_its_ids(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let (id, wire_id) = sender.accept(&store, "Olá", NOW).await;

    let found = sender.find(&store, &id.to_string()).await.unwrap();
    assert_eq!((found.id, found.tenant, found.number), (id, sender.tenant, sender.number));
    assert_eq!((found.direction, found.status), (Direction::Outbound, MessageStatus::Queued));
    assert_eq!((&found.wire_id, found.peer.clone()), (&wire_id, Peer::Phone(phone(9_999))));
    assert_eq!((found.kind.as_str(), found.content.as_deref()), ("text", Some("Olá")));
    assert_eq!((found.origin.as_deref(), found.created_at), (Some("API"), NOW));
    assert_eq!(sender.find(&store, wire_id.as_str()).await.as_ref(), Some(&found));
    let correlation = found.correlation.to_string();
    assert_eq!(sender.find(&store, &correlation).await, Some(found));
    assert_eq!(sender.find(&store, "nothing").await, None);
}

async fn a_message_is_invisible_to_other_tenants_and_numbers(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 1).await);
    let (sibling, _) = number(&store, sender.tenant, 2).await;
    let (id, wire_id) = sender.accept(&store, "Olá", NOW).await;

    for any_id in [id.to_string(), wire_id.to_string()] {
        for (tenant, number) in
            [(other.tenant, other.number), (other.tenant, sender.number), (sender.tenant, sibling)]
        {
            let found = read!(store, |tx| tx.messages().find(tenant, number, &any_id));
            assert_eq!(found, None);
        }
    }
}

async fn a_queue_is_worked_off_in_order(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    other.accept(&store, "someone else's", at(-9)).await;
    let mut accepted = Vec::new();
    // Two in the same millisecond: their ids decide.
    for (text, seconds) in [("one", 0), ("two", 0), ("three", 1)] {
        accepted.push(sender.accept(&store, text, at(seconds)).await);
    }

    for (text, (id, wire_id)) in ["one", "two", "three"].iter().zip(accepted) {
        let head = read!(store, |tx| tx.messages().next_queued(sender.number)).unwrap();
        assert_eq!((head.text.as_str(), head.id, head.wire_id), (*text, id, wire_id));
        assert_eq!((head.to, head.tries), (phone(9_999), 0));
        assert!(committed!(store, |tx| tx.messages().sent(id, at(5))));
    }
    assert_eq!(read!(store, |tx| tx.messages().next_queued(sender.number)), None);
}

async fn a_failed_try_keeps_the_head_of_the_queue(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let (first, _) = sender.accept(&store, "one", NOW).await;
    sender.accept(&store, "two", at(1)).await;

    committed!(store, |tx| tx.messages().tried(first));
    committed!(store, |tx| tx.messages().tried(first));

    let head = read!(store, |tx| tx.messages().next_queued(sender.number)).unwrap();
    assert_eq!((head.id, head.tries), (first, 2));
}

async fn a_receipt_that_overtook_tells_what_it_overtook(Db { store, .. }: Db) {
    use EventKind::{MessageDelivered, MessageRead, MessageSent};
    let sender = sender(&store, 1).await;
    let hook = webhook(&store, sender.tenant, sender.number, &["*"]).await;
    let (id, wire_id) = sender.accept(&store, "Olá", NOW).await;

    assert_eq!(receipt(&store, sender.number, &wire_id, Receipt::Read, at(7)).await, 1);

    let read = sender.find(&store, &id.to_string()).await.unwrap();
    assert_eq!(read.status, MessageStatus::Read);
    assert_eq!(
        (read.sent_at, read.delivered_at, read.read_at),
        (Some(at(7)), Some(at(7)), Some(at(7)))
    );
    assert_eq!(
        read!(store, |tx| tx.events().kinds_of(sender.number)),
        [MessageSent, MessageDelivered, MessageRead]
    );
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 3);
    // The slow ones come to nothing.
    assert!(!committed!(store, |tx| tx.messages().sent(id, at(8))));
    assert_eq!(receipt(&store, sender.number, &wire_id, Receipt::Delivered, at(9)).await, 0);
    assert_eq!(receipt(&store, sender.number, &wire_id, Receipt::Read, at(9)).await, 0);
    assert_eq!(sender.find(&store, &id.to_string()).await, Some(read));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(sender.number)).len(), 3);
}

async fn receipts_touch_only_outbound_messages_of_their_number(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let (id, wire_id) = sender.accept(&store, "Olá", NOW).await;
    let inbound = sender.inbound("3EB0IN");
    committed!(store, |tx| tx.messages().receive(&inbound, NOW));

    assert_eq!(receipt(&store, other.number, &wire_id, Receipt::Read, at(1)).await, 0);
    let in_id = WireId::from_text("3EB0IN");
    assert_eq!(receipt(&store, sender.number, &in_id, Receipt::Read, at(1)).await, 0);
    assert_eq!(sender.status(&store, id).await, MessageStatus::Queued);
    let received = sender.find(&store, "3EB0IN").await.unwrap();
    assert!(!committed!(store, |tx| tx.messages().sent(received.id, at(1))));
    assert!(!committed!(store, |tx| tx.messages().sent(MessageId::mint(), at(1))));
}

async fn a_failure_is_stored_and_told(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let (id, wire_id) = sender.accept(&store, "Olá", NOW).await;
    let failure =
        Failure { code: "NOT_ON_WHATSAPP".to_owned(), message: "no such number".to_owned() };

    assert!(committed!(store, |tx| tx.messages().failed(id, &failure, at(1))));

    let failed = sender.find(&store, &id.to_string()).await.unwrap();
    assert_eq!((failed.status, failed.failure), (MessageStatus::Failed, Some(failure.clone())));
    assert_eq!(read!(store, |tx| tx.messages().next_queued(sender.number)), None);
    assert!(!committed!(store, |tx| tx.messages().failed(id, &failure, at(2))));
    assert_eq!(receipt(&store, sender.number, &wire_id, Receipt::Read, at(2)).await, 0);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(sender.number)), [EventKind::MessageFailed]);
}

async fn what_whatsapp_delivers_again_is_ignored(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let hook = webhook(&store, sender.tenant, sender.number, &["message.received"]).await;
    let inbound = sender.inbound("3EB0IN");

    assert!(committed!(store, |tx| tx.messages().receive(&inbound, NOW)));
    assert!(!committed!(store, |tx| tx.messages().receive(&inbound, at(1))));

    let received = sender.find(&store, "3EB0IN").await.unwrap();
    assert_eq!(
        (received.direction, received.status),
        (Direction::Inbound, MessageStatus::Delivered)
    );
    assert_eq!(received.content.as_deref(), Some("Oi 👋"));
    assert_eq!((received.peer_name.as_deref(), received.created_at), (Some("Ana"), at(-60)));
    assert_eq!(received.delivered_at, Some(NOW));
    assert_eq!(
        read!(store, |tx| tx.events().kinds_of(sender.number)),
        [EventKind::MessageReceived]
    );
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 1);
    // The same id from someone else, or to another number, is another message.
    let elsewhere = InboundMessage { from: Peer::Phone(phone(8_888)), ..inbound.clone() };
    assert!(committed!(store, |tx| tx.messages().receive(&elsewhere, NOW)));
    let other = other.inbound("3EB0IN");
    assert!(committed!(store, |tx| tx.messages().receive(&other, NOW)));
}

async fn an_unknown_kind_and_an_unknown_sender_are_kept(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let inbound = InboundMessage {
        from: Peer::Jid("123456789012345@lid".to_owned()),
        kind: "poll",
        content: None,
        sender_name: None,
        ..sender.inbound("3EB0POLL")
    };

    assert!(committed!(store, |tx| tx.messages().receive(&inbound, NOW)));

    let kept = sender.find(&store, "3EB0POLL").await.unwrap();
    assert_eq!((kept.peer, kept.kind.as_str(), kept.content), (inbound.from, "poll", None));
}

async fn what_waited_too_long_is_given_up(Db { store, .. }: Db) {
    const DAYS_7: i64 = 7 * 24 * 60 * 60;
    let sender = sender(&store, 1).await;
    let (old, _) = sender.accept(&store, "old", NOW).await;
    let (young, _) = sender.accept(&store, "young", at(10)).await;
    let (sent, _) = sender.accept(&store, "sent", NOW).await;
    committed!(store, |tx| tx.messages().sent(sent, at(1)));

    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(DAYS_7))), 0);
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(DAYS_7 + 1))), 1);

    let given_up = sender.find(&store, &old.to_string()).await.unwrap();
    assert_eq!(given_up.status, MessageStatus::Failed);
    assert_eq!(given_up.failure.unwrap().code, "NEVER_ATTEMPTED_MAX_AGE_EXCEEDED");
    assert_eq!(sender.status(&store, young).await, MessageStatus::Queued);
    assert_eq!(sender.status(&store, sent).await, MessageStatus::Sent);
}

/// Something that may happen to an outbound message.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Sent,
    Failed,
    Receipt(Receipt),
}

async fn apply(store: &Store, number: NumberId, message: &(MessageId, WireId), what: Happening) {
    let (id, wire_id) = message;
    match what {
        Happening::Sent => {
            committed!(store, |tx| tx.messages().sent(*id, at(1)));
        }
        Happening::Failed => {
            let failure = Failure { code: "X".to_owned(), message: "x".to_owned() };
            committed!(store, |tx| tx.messages().failed(*id, &failure, at(1)));
        }
        Happening::Receipt(which) => {
            receipt(store, number, wire_id, which, at(1)).await;
        }
    }
}

async fn in_any_order_a_status_only_moves_forward(Db { store, .. }: Db) {
    let any = prop::sample::select(vec![
        Happening::Sent,
        Happening::Failed,
        Happening::Receipt(Receipt::Delivered),
        Happening::Receipt(Receipt::Read),
    ]);
    let any_history = prop::collection::vec(any, 1..6);
    let mut runner = TestRunner::deterministic();
    for last in 0..24 {
        let history = any_history.new_tree(&mut runner).unwrap().current();
        let sender = sender(&store, last).await;
        let message = sender.accept(&store, "Olá", NOW).await;
        let mut before = MessageStatus::Queued;
        let mut told = 0;
        for what in &history {
            apply(&store, sender.number, &message, *what).await;
            let after = sender.status(&store, message.0).await;
            assert!(
                after == before || before.may_become(after),
                "{history:?}: {before:?} {after:?}"
            );
            let kinds = read!(store, |tx| tx.events().kinds_of(sender.number));
            // A change is told, a repetition is not.
            assert_eq!(kinds.len() > told, after != before, "{history:?}: {kinds:?}");
            (before, told) = (after, kinds.len());
        }
        let mut kinds = read!(store, |tx| tx.events().kinds_of(sender.number));
        let count = kinds.len();
        kinds.dedup();
        assert_eq!(kinds.len(), count, "{history:?}");
    }
}
