//! Messages: the queue, the statuses, the inbound record.

use std::time::Duration;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use ramal_domain::{
    Content, CorrelationId, Direction, EventKind, MessageId, MessageStatus, NumberId, Peer, Place,
    TenantId, Timestamp, WireId,
};
use ramal_store::{Draft, Failure, InboundMessage, Message, Receipt, Schedule, Store, Tried};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, tenant, webhook},
};

on_both_databases! {
    a_message_is_found_by_any_of_its_ids,
    a_message_is_invisible_to_other_tenants_and_numbers,
    a_queue_is_worked_off_in_order,
    a_failed_try_holds_up_its_recipient_only,
    a_chat_keeps_its_order_whatever_the_ids_say,
    what_waits_is_due_at_its_time_or_at_once,
    what_was_tried_too_often_is_given_up,
    a_try_of_what_is_no_longer_queued_changes_nothing,
    a_removed_number_s_queue_is_given_up,
    what_is_left_of_a_removed_number_s_queue_is_given_up_before_the_number_goes,
    nothing_is_accepted_into_a_number_that_is_being_removed,
    a_purge_deletes_every_message_of_its_number,
    a_receipt_that_overtook_tells_what_it_overtook,
    receipts_touch_only_outbound_messages_of_their_number,
    a_failure_is_stored_and_told,
    what_whatsapp_delivers_again_is_ignored,
    an_unknown_kind_and_an_unknown_sender_are_kept,
    what_waited_too_long_is_given_up,
    what_waited_too_long_is_given_up_bit_by_bit,
    a_try_under_way_is_not_too_old,
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
        self.accept_as(store, MessageId::mint(), 9_999, text, now).await
    }

    async fn accept_as(
        &self,
        store: &Store,
        id: MessageId,
        to: u32,
        text: &str,
        now: Timestamp,
    ) -> (MessageId, WireId) {
        let (wire_id, to) = (WireId::mint(), Peer::Phone(phone(to)));
        let content = Content::Text { body: text.to_owned() };
        let draft = self.draft(id, &wire_id, &to, &content);
        let accepted = committed!(store, |tx| tx.messages().accept(&draft, now));
        assert_eq!((accepted.id, accepted.created_at), (id, now));
        assert_eq!(accepted.correlation, draft.correlation);
        (id, wire_id)
    }

    fn draft<'a>(
        &self,
        id: MessageId,
        wire_id: &'a WireId,
        to: &'a Peer,
        content: &'a Content,
    ) -> Draft<'a> {
        Draft {
            id,
            tenant: self.tenant,
            number: self.number,
            wire_id,
            correlation: CorrelationId::mint(),
            to,
            content,
            bytes: None,
            mark_read: false,
            origin: "API",
            schedule: Schedule::default(),
            template: None,
            labels: &[],
        }
    }

    async fn find(&self, store: &Store, id: &str) -> Option<Message> {
        read!(store, |tx| tx.messages().find(self.tenant, self.number, id))
    }

    /// What the head of the queue says.
    async fn head(&self, store: &Store, now: Timestamp) -> Option<String> {
        read!(store, |tx| tx.messages().next_queued(self.number, &[], now))
            .map(|head| head.content.words().unwrap_or_default().to_owned())
    }

    async fn next_due(&self, store: &Store, now: Timestamp) -> Option<Timestamp> {
        read!(store, |tx| tx.messages().next_due(self.number, now))
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
            lid: None,
            place: Place::Direct,
            kind: "text",
            content: Some("Oi 👋".to_owned()),
            sender_name: Some("Ana".to_owned()),
            at: at(-60),
            quoted: None,
            media: None,
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
        let head = read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(5))).unwrap();
        assert_eq!((head.content.words(), head.id, head.wire_id), (Some(*text), id, wire_id));
        assert_eq!((head.to, head.tries), (Peer::Phone(phone(9_999)), 0));
        assert!(committed!(store, |tx| tx.messages().sent(id, at(5))));
    }
    assert_eq!(read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(5))), None);
}

async fn a_failed_try_holds_up_its_recipient_only(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let to =
        async |to, text, now| sender.accept_as(&store, MessageId::mint(), to, text, now).await.0;
    let zero = to(1_111, "zero", NOW).await;
    let one = to(1_111, "one", at(1)).await;
    to(1_111, "two", at(2)).await;
    let three = to(2_222, "three", at(3)).await;

    committed!(store, |tx| tx.messages().tried(one, Tried::InVain, at(30), at(5)));
    assert_eq!(sender.head(&store, at(29)).await.as_deref(), Some("zero"), "not behind it");
    committed!(store, |tx| tx.messages().sent(zero, at(6)));
    assert_eq!(sender.head(&store, at(29)).await.as_deref(), Some("three"));
    committed!(store, |tx| tx.messages().sent(three, at(6)));
    assert_eq!(sender.head(&store, at(29)).await, None);

    let head = read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(30))).unwrap();
    assert_eq!((head.id, head.tries, head.created_at), (one, 1, at(1)));
    committed!(store, |tx| tx.messages().sent(one, at(31)));
    assert_eq!(sender.head(&store, at(31)).await.as_deref(), Some("two"));
}

/// Ids are minted before their messages are accepted, so two may come in the other order.
async fn a_chat_keeps_its_order_whatever_the_ids_say(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let (early, late) = (MessageId::mint(), MessageId::mint());
    sender.accept_as(&store, late, 1_111, "one", NOW).await;
    sender.accept_as(&store, early, 1_111, "two", at(1)).await;
    assert_eq!(sender.head(&store, at(2)).await.as_deref(), Some("one"));

    committed!(store, |tx| tx.messages().tried(late, Tried::InVain, at(30), at(2)));

    assert_eq!(sender.head(&store, at(3)).await, None, "the second waits for the first");
    assert_eq!(sender.head(&store, at(30)).await.as_deref(), Some("one"));
}

async fn what_waits_is_due_at_its_time_or_at_once(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let mut ids = Vec::new();
    for to in [1, 2, 3] {
        ids.push(sender.accept_as(&store, MessageId::mint(), to, "Olá", NOW).await.0);
    }
    let (foreign, _) = other.accept(&store, "Olá", NOW).await;
    assert_eq!(sender.next_due(&store, NOW).await, None, "nothing was tried");
    for (id, due) in [(ids[0], 30), (ids[1], 20), (ids[2], 25), (foreign, 10)] {
        committed!(store, |tx| tx.messages().tried(id, Tried::InVain, at(due), at(1)));
    }
    committed!(store, |tx| tx.messages().sent(ids[2], at(2)));

    assert_eq!(sender.next_due(&store, at(2)).await, Some(at(20)));
    assert_eq!(sender.next_due(&store, at(20)).await, Some(at(30)));
    assert_eq!(sender.next_due(&store, at(30)).await, None);
    assert_eq!(sender.head(&store, at(19)).await, None);

    committed!(store, |tx| tx.messages().hurry(sender.number));

    assert_eq!(sender.next_due(&store, at(2)).await, None);
    let head = read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(2))).unwrap();
    assert_eq!((head.id, head.tries), (ids[0], 1), "what was tried stays counted");
    assert_eq!(other.next_due(&store, at(2)).await, Some(at(10)));
}

async fn what_was_tried_too_often_is_given_up(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let hook = webhook(&store, sender.tenant, sender.number, &["message.failed"]).await;
    let (id, _) = sender.accept(&store, "one", NOW).await;
    sender.accept(&store, "two", at(1)).await;
    for seconds in 1..20 {
        committed!(store, |tx| tx.messages().tried(
            id,
            Tried::InVain,
            at(seconds + 1),
            at(seconds)
        ));
    }
    let head = read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(20))).unwrap();
    assert_eq!((head.id, head.tries), (id, 19));
    assert_eq!(read!(store, |tx| tx.events().kinds_of(sender.number)), []);

    committed!(store, |tx| tx.messages().tried(id, Tried::InVain, at(60), at(20)));

    let given_up = sender.find(&store, &id.to_string()).await.unwrap();
    assert_eq!(given_up.status, MessageStatus::Failed);
    assert_eq!(given_up.failure.unwrap().code, "EXPIRED_AFTER_ATTEMPTS");
    assert_eq!(read!(store, |tx| tx.events().kinds_of(sender.number)), [EventKind::MessageFailed]);
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 1);
    assert_eq!(sender.head(&store, at(20)).await.as_deref(), Some("two"), "it holds up nobody");
    assert_eq!(sender.next_due(&store, at(20)).await, None);
}

async fn a_try_of_what_is_no_longer_queued_changes_nothing(Db { store, .. }: Db) {
    let sender = sender(&store, 1).await;
    let (id, _) = sender.accept(&store, "Olá", NOW).await;
    committed!(store, |tx| tx.messages().sent(id, at(1)));
    let before = sender.find(&store, &id.to_string()).await;

    for _ in 0..21 {
        committed!(store, |tx| tx.messages().tried(id, Tried::InVain, at(9), at(2)));
    }
    committed!(store, |tx| tx.messages().tried(MessageId::mint(), Tried::InVain, at(9), at(2)));

    assert_eq!(sender.find(&store, &id.to_string()).await, before);
    assert_eq!(sender.next_due(&store, at(2)).await, None);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(sender.number)), [EventKind::MessageSent]);
}

async fn a_removed_number_s_queue_is_given_up(Db { store, .. }: Db) {
    use EventKind::{MessageFailed, MessageReceived, MessageSent, NumberRemoved};
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let hook = webhook(&store, sender.tenant, sender.number, &["message.failed"]).await;
    let (sent, _) = sender.accept(&store, "sent", NOW).await;
    committed!(store, |tx| tx.messages().sent(sent, at(1)));
    let (fresh, _) = sender.accept(&store, "fresh", NOW).await;
    let (waiting, _) = sender.accept(&store, "waiting", NOW).await;
    committed!(store, |tx| tx.messages().tried(waiting, Tried::InVain, at(99), at(1)));
    committed!(store, |tx| tx.messages().receive(&sender.inbound("3EB0IN"), NOW));
    let (foreign, _) = other.accept(&store, "foreign", NOW).await;
    assert!(committed!(store, |tx| tx.messages().begin(fresh, at(1))));
    let give_up =
        async || committed!(store, |tx| tx.messages().fail_queued(sender.number, 2, at(2)));

    assert_eq!(give_up().await, 0, "it is not removed");
    committed!(store, |tx| tx.numbers().remove(sender.tenant, sender.number, at(100), at(2)));
    assert_eq!(sender.head(&store, at(3)).await, None, "a removed number sends nothing");
    assert_eq!(give_up().await, 2);

    for (id, code) in [(fresh, "DELIVERED_NOT_CONFIRMED"), (waiting, "NUMBER_NOT_FOUND_REMOVED")] {
        let failed = sender.find(&store, &id.to_string()).await.unwrap();
        assert_eq!(
            (failed.status, failed.failure.unwrap().code.as_str()),
            (MessageStatus::Failed, code)
        );
    }
    assert_eq!(sender.status(&store, sent).await, MessageStatus::Sent);
    assert_eq!(other.status(&store, foreign).await, MessageStatus::Queued);
    assert_eq!(
        read!(store, |tx| tx.events().kinds_of(sender.number)),
        [MessageSent, MessageReceived, NumberRemoved, MessageFailed, MessageFailed]
    );
    assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), 2);
    assert_eq!(give_up().await, 0);
}

/// Whoever removed it died, or left the rest to others.
async fn what_is_left_of_a_removed_number_s_queue_is_given_up_before_the_number_goes(
    Db { store, .. }: Db,
) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let hook = webhook(&store, sender.tenant, sender.number, &["message.failed"]).await;
    for text in ["one", "two", "three"] {
        sender.accept(&store, text, NOW).await;
    }
    let (foreign, _) = other.accept(&store, "foreign", NOW).await;
    committed!(store, |tx| tx.numbers().remove(sender.tenant, sender.number, at(1), at(1)));

    for (expected, pending) in [(2, 2), (1, 3), (0, 3)] {
        assert_eq!(committed!(store, |tx| tx.numbers().purge_due(at(9))), 0, "not told yet");
        assert_eq!(committed!(store, |tx| tx.messages().fail_removed(2, at(9))), expected);
        assert_eq!(read!(store, |tx| tx.deliveries().pending(hook)), pending);
    }
    assert_eq!(other.status(&store, foreign).await, MessageStatus::Queued);
}

/// However removal and acceptance meet: what is accepted is sent or given up.
async fn nothing_is_accepted_into_a_number_that_is_being_removed(db: Db) {
    let store = &db.store;
    let sender = sender(store, 1).await;
    let mut accepting = store.begin().await.unwrap();
    let usable = accepting.numbers().find_to_use(sender.tenant, sender.number).await.unwrap();
    assert!(usable.is_some());

    let removal = async {
        let mut tx = store.begin().await.unwrap();
        tx.numbers().remove(sender.tenant, sender.number, at(9), at(2)).await.unwrap();
        tx.commit().await.unwrap();
    };
    let acceptance = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (wire_id, to) = (WireId::mint(), Peer::Phone(phone(9_999)));
        let content = Content::Text { body: "late".to_owned() };
        let draft = sender.draft(MessageId::mint(), &wire_id, &to, &content);
        accepting.messages().accept(&draft, at(1)).await.unwrap();
        accepting.commit().await.unwrap();
    };
    tokio::join!(removal, acceptance);

    let mut tx = store.begin().await.unwrap();
    let usable = tx.numbers().find_to_use(sender.tenant, sender.number).await.unwrap();
    assert_eq!(usable, None);
    assert_eq!(tx.messages().fail_queued(sender.number, 9, at(3)).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn a_purge_deletes_every_message_of_its_number(Db { store, .. }: Db) {
    let (sender, other) = (sender(&store, 1).await, sender(&store, 2).await);
    let (queued, _) = sender.accept(&store, "queued", NOW).await;
    let (sent, _) = sender.accept(&store, "sent", NOW).await;
    committed!(store, |tx| tx.messages().sent(sent, at(1)));
    committed!(store, |tx| tx.messages().receive(&sender.inbound("3EB0IN"), NOW));
    let (foreign, _) = other.accept(&store, "foreign", NOW).await;

    assert_eq!(committed!(store, |tx| tx.messages().delete_all(sender.number)), 3);

    for id in [queued.to_string(), sent.to_string(), "3EB0IN".to_owned()] {
        assert_eq!(sender.find(&store, &id).await, None);
    }
    assert_eq!(other.status(&store, foreign).await, MessageStatus::Queued);
    assert_eq!(committed!(store, |tx| tx.messages().delete_all(sender.number)), 0);
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
    assert_eq!(read!(store, |tx| tx.messages().next_queued(sender.number, &[], at(5))), None);
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

    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(DAYS_7), 500)), 0);
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(DAYS_7 + 1), 500)), 1);

    let given_up = sender.find(&store, &old.to_string()).await.unwrap();
    assert_eq!(given_up.status, MessageStatus::Failed);
    assert_eq!(given_up.failure.unwrap().code, "NEVER_ATTEMPTED_MAX_AGE_EXCEEDED");
    assert_eq!(sender.status(&store, young).await, MessageStatus::Queued);
    assert_eq!(sender.status(&store, sent).await, MessageStatus::Sent);
}

async fn what_waited_too_long_is_given_up_bit_by_bit(Db { store, .. }: Db) {
    const DAYS_8: i64 = 8 * 24 * 60 * 60;
    let senders = [sender(&store, 1).await, sender(&store, 2).await];
    for sender in &senders {
        sender.accept(&store, "old", NOW).await;
        sender.accept(&store, "old", at(1)).await;
    }

    for expected in [3, 1, 0] {
        let given_up = committed!(store, |tx| tx.messages().expire_queued(at(DAYS_8), 3));
        assert_eq!(given_up, expected);
    }
}

async fn a_try_under_way_is_not_too_old(Db { store, .. }: Db) {
    const DAYS_8: i64 = 8 * 24 * 60 * 60;
    let sender = sender(&store, 1).await;
    let (id, _) = sender.accept(&store, "old", NOW).await;
    assert!(committed!(store, |tx| tx.messages().begin(id, at(DAYS_8))));

    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(DAYS_8 + 1), 500)), 0);
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(2 * DAYS_8), 500)), 1);
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
