//! What is scheduled, taken back, amended, looked back at and forgotten.

use std::time::Duration;

use ramal_domain::{
    Content, CorrelationId, EventKind, MessageId, MessageStatus, NumberId, Peer, Place, TenantId,
    Timestamp, WireId,
};
use ramal_store::{
    Amendment, AttemptRecord, Author, Canceled, Change, Choice, Draft, InboundMedia,
    InboundMessage, LeaseLimits, Message, MessageFilter, MessagePage, Schedule, Store, StoreError,
    StoredMedia, Tried, Verdict,
};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, tenant, webhook},
};

on_both_databases! {
    what_is_scheduled_waits_for_its_time_and_holds_nobody_up,
    what_comes_too_late_is_given_up,
    what_has_not_begun_can_be_taken_back,
    a_group_is_written_to_under_its_own_name,
    only_its_author_amends_a_message,
    an_edited_caption_is_the_same_everywhere,
    what_was_forgotten_is_not_kept_again_by_an_edit,
    what_was_said_within_one_second_is_in_the_order_in_which_it_came,
    what_was_begun_in_time_is_finished,
    pages_go_back_and_can_be_narrowed_down,
    what_waits_is_listed_in_the_order_in_which_it_leaves,
    what_nobody_can_read_is_given_up_alone,
    a_number_that_relays_keeps_no_contents,
    contents_are_forgotten_after_their_days,
}

pub(crate) struct Desk {
    pub(crate) tenant: TenantId,
    pub(crate) number: NumberId,
}

pub(crate) async fn desk(store: &Store, last: u32) -> Desk {
    let tenant = tenant(store).await;
    let (number, _) = number(store, tenant, last).await;
    Desk { tenant, number }
}

pub(crate) fn friend() -> Peer {
    Peer::Phone(phone(9_999))
}

impl Desk {
    pub(crate) async fn accept(&self, store: &Store, text: &str, now: Timestamp) -> MessageId {
        self.accept_at(store, &friend(), text, Schedule::default(), now).await
    }

    pub(crate) async fn accept_at(
        &self,
        store: &Store,
        to: &Peer,
        text: &str,
        schedule: Schedule,
        now: Timestamp,
    ) -> MessageId {
        let wire_id = WireId::mint();
        let labels = [format!("label {text}")];
        let draft = Draft {
            id: MessageId::mint(),
            tenant: self.tenant,
            number: self.number,
            wire_id: &wire_id,
            correlation: CorrelationId::mint(),
            to,
            content: &Content::Text { body: text.to_owned() },
            bytes: None,
            mark_read: false,
            origin: "API",
            schedule,
            template: Some("greeting"),
            labels: &labels,
        };
        committed!(store, |tx| tx.messages().accept(&draft, now)).id
    }

    pub(crate) async fn find(&self, store: &Store, id: MessageId) -> Message {
        read!(store, |tx| tx.messages().find(self.tenant, self.number, &id.to_string())).unwrap()
    }

    async fn next(&self, store: &Store, now: Timestamp) -> Option<MessageId> {
        read!(store, |tx| tx.messages().next_queued(self.number, &[], now)).map(|head| head.id)
    }

    async fn receive_picture(&self, store: &Store, wire: &str, caption: &str, now: Timestamp) {
        let media = StoredMedia {
            link: Some("https://wa.example.com/media/1".to_owned()),
            mime: Some("image/jpeg".to_owned()),
            caption: Some(caption.to_owned()),
            ..StoredMedia::default()
        };
        let (link_hash, link_until) = (format!("hash of {wire}"), at(9_999_999));
        let media = Some(InboundMedia { media, link_hash, link_until });
        let heard = self.inbound(wire, caption, now);
        let inbound = InboundMessage { kind: "image", media, ..heard };
        assert!(committed!(store, |tx| tx.messages().receive(&inbound, now)));
    }

    async fn edit(&self, store: &Store, wire: &str, text: &str, now: Timestamp) -> bool {
        let amendment = Amendment {
            number: self.number,
            place: Place::Direct,
            wire_id: WireId::from_text(wire),
            author: Author::Them(vec![friend()]),
            change: Change::Edited(Some(text.to_owned())),
            at: now,
            told: true,
        };
        committed!(store, |tx| tx.messages().amend(&amendment))
    }

    pub(crate) fn inbound(&self, wire: &str, text: &str, at: Timestamp) -> InboundMessage {
        InboundMessage {
            tenant: self.tenant,
            number: self.number,
            wire_id: WireId::from_text(wire),
            from: friend(),
            lid: None,
            place: Place::Direct,
            kind: "text",
            content: Some(text.to_owned()),
            sender_name: Some("Ana".to_owned()),
            at,
            quoted: None,
            media: None,
        }
    }

    pub(crate) async fn receive(&self, store: &Store, wire: &str, text: &str, now: Timestamp) {
        let inbound = self.inbound(wire, text, now);
        assert!(committed!(store, |tx| tx.messages().receive(&inbound, now)));
    }

    async fn page(&self, store: &Store, filter: &MessageFilter, size: u32) -> MessagePage {
        read!(store, |tx| tx.messages().page(self.tenant, self.number, filter, (0, size)))
    }

    pub(crate) async fn keep(&self, store: &Store, pii_mode: &str, days: Option<i64>) {
        let choice = Choice { settings: "{}", pii_mode, pii_retention_days: days };
        committed!(store, |tx| tx.numbers().change(self.number, &choice, NOW));
    }
}

async fn what_is_scheduled_waits_for_its_time_and_holds_nobody_up(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let later = Schedule { not_before: Some(at(60)), until: None };
    let scheduled = desk.accept_at(&store, &friend(), "later", later, at(1)).await;
    let first = desk.accept(&store, "now", at(2)).await;

    assert_eq!(desk.next(&store, at(3)).await, Some(first));
    committed!(store, |tx| tx.messages().sent(first, at(3)));
    assert_eq!(desk.next(&store, at(4)).await, None);
    assert_eq!(read!(store, |tx| tx.messages().next_due(desk.number, at(4))), Some(at(60)));
    // A login hurries what failed, not what is scheduled.
    committed!(store, |tx| tx.messages().hurry(desk.number));
    assert_eq!(desk.next(&store, at(59)).await, None);
    assert_eq!(desk.next(&store, at(60)).await, Some(scheduled));
    assert_eq!(desk.find(&store, scheduled).await.not_before, Some(at(60)));
    // It is young, however long ago it was accepted.
    let next_year = at(400 * 24 * 60 * 60);
    let far = Schedule { not_before: Some(next_year), until: None };
    let far = desk.accept_at(&store, &friend(), "far", far, at(5)).await;
    committed!(store, |tx| tx.messages().sent(scheduled, at(61)));
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(next_year, 500)), 0);
    assert_eq!(desk.next(&store, next_year).await, Some(far));
}

async fn what_waits_is_listed_in_the_order_in_which_it_leaves(Db { store, .. }: Db) {
    let (desk, other) = (desk(&store, 1).await, desk(&store, 2).await);
    let later = Schedule { not_before: Some(at(60)), until: None };
    let scheduled = desk.accept_at(&store, &friend(), "later", later, at(1)).await;
    let second = desk.accept(&store, "second", at(3)).await;
    let first = desk.accept(&store, "first", at(2)).await;
    let sent = desk.accept(&store, "sent", at(1)).await;
    committed!(store, |tx| tx.messages().sent(sent, at(4)));
    desk.receive(&store, "W1", "heard", at(5)).await;

    let (store, desk) = (&store, &desk);
    let page = |page| async move {
        let MessagePage { messages, total } =
            read!(store, |tx| tx.messages().waiting(desk.tenant, desk.number, (page, 2)));
        (messages.into_iter().map(|message| message.id).collect::<Vec<_>>(), total)
    };
    assert_eq!(page(0).await, (vec![first, second], 3));
    assert_eq!(page(1).await, (vec![scheduled], 3));
    let strangers = read!(store, |tx| tx.messages().waiting(other.tenant, desk.number, (0, 9)));
    assert_eq!((strangers.messages.len(), strangers.total), (0, 0));
}

async fn what_comes_too_late_is_given_up(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let until = Schedule { not_before: None, until: Some(at(10)) };
    let (late, begun) = (
        desk.accept_at(&store, &friend(), "late", until, at(1)).await,
        desk.accept_at(&store, &Peer::Phone(phone(8)), "begun", until, at(1)).await,
    );
    assert!(committed!(store, |tx| tx.messages().begin(begun, at(2))));
    assert_eq!(desk.next(&store, at(9)).await, Some(late));
    assert_eq!(desk.next(&store, at(10)).await, Some(begun), "it may have been sent in time");

    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(9), 500)), 0);
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(10), 500)), 1);
    let failed = desk.find(&store, late).await;
    assert_eq!(failed.status, MessageStatus::Failed);
    assert_eq!(failed.failure.unwrap().code, "MESSAGE_EXPIRED");
    assert_eq!(desk.find(&store, begun).await.status, MessageStatus::Queued);
}

async fn what_has_not_begun_can_be_taken_back(Db { store, .. }: Db) {
    let (home, other) = (desk(&store, 1).await, desk(&store, 2).await);
    let message = home.accept(&store, "a", at(1)).await;
    let text = message.to_string();
    let cancel = async |desk: &Desk| {
        committed!(store, |tx| tx.messages().cancel(desk.tenant, desk.number, &text))
    };
    assert_eq!(cancel(&other).await, Canceled::Unknown);
    assert!(committed!(store, |tx| tx.messages().begin(message, at(2))));
    assert_eq!(cancel(&home).await, Canceled::Sending);
    committed!(store, |tx| tx.messages().tried(message, Tried::InDoubt, at(9), at(3)));
    assert_eq!(cancel(&home).await, Canceled::Sending, "WhatsApp may have it");
    committed!(store, |tx| tx.messages().tried(message, Tried::InVain, at(9), at(3)));
    assert_eq!(cancel(&home).await, Canceled::Done);
    assert_eq!(cancel(&home).await, Canceled::Late(MessageStatus::Canceled));

    assert!(!committed!(store, |tx| tx.messages().begin(message, at(4))));
    assert!(!committed!(store, |tx| tx.messages().sent(message, at(4))));
    assert_eq!(home.next(&store, at(99)).await, None);
    assert_eq!(home.find(&store, message).await.status, MessageStatus::Canceled);
    assert_eq!(read!(store, |tx| tx.events().kinds_of(home.number)), []);
}

async fn what_nobody_can_read_is_given_up_alone(db: Db) {
    let store = &db.store;
    let desk = desk(store, 1).await;
    let whole = desk.accept(store, "first", at(1)).await;
    let spoilt =
        desk.accept_at(store, &Peer::Phone(phone(8)), "x", Schedule::default(), at(2)).await;
    db.execute(&format!("update messages set payload = '{{' where id = '{spoilt}'")).await;
    let give_up = async |busy: &[Peer]| {
        committed!(store, |tx| tx.messages().give_up_unreadable(desk.number, busy, at(3)))
    };

    assert_eq!(desk.next(store, at(3)).await, Some(whole));
    assert!(!give_up(&[]).await, "the head can be read");
    let busy = [friend()];
    let mut tx = store.read().await.unwrap();
    let unread = tx.messages().next_queued(desk.number, &busy, at(3)).await;
    assert!(matches!(unread, Err(StoreError::Inconsistent { .. })), "{unread:?}");
    drop(tx);
    assert!(give_up(&busy).await);
    assert_eq!(desk.find(store, spoilt).await.failure.unwrap().code, "CONTENT_UNREADABLE");
    assert_eq!(read!(store, |tx| tx.messages().next_queued(desk.number, &busy, at(3))), None);
    assert_eq!(desk.next(store, at(3)).await, Some(whole));
}

async fn a_group_is_written_to_under_its_own_name(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let group = Peer::Jid("120363@g.us".to_owned());
    let message = desk.accept_at(&store, &group, "all", Schedule::default(), at(1)).await;

    let found = desk.find(&store, message).await;
    assert_eq!((found.place.id(), &found.peer), ("120363@g.us", &group));
    assert_eq!(found.template.as_deref(), Some("greeting"));
    let head = read!(store, |tx| tx.messages().next_queued(desk.number, &[], at(1))).unwrap();
    assert_eq!(head.to, group);
}

async fn only_its_author_amends_a_message(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.receive(&store, "A", "Oi", at(1)).await;
    let amend = async |author: Author, change: Change, now: Timestamp| {
        let wire_id = WireId::from_text("A");
        let (place, told) = (Place::Direct, true);
        let amendment =
            Amendment { number: desk.number, place, wire_id, author, change, at: now, told };
        committed!(store, |tx| tx.messages().amend(&amendment))
    };
    let edited = |text: &str| Change::Edited(Some(text.to_owned()));
    let them = || Author::Them(vec![Peer::Jid("900@lid".to_owned()), friend()]);
    let stranger = Author::Them(vec![Peer::Phone(phone(8))]);
    let text = async || {
        read!(store, |tx| tx.messages().find(desk.tenant, desk.number, "A")).unwrap().content
    };

    assert!(!amend(stranger, edited("forged"), at(2)).await);
    assert!(!amend(Author::Us, Change::Deleted, at(2)).await);
    assert_eq!(text().await.as_deref(), Some("Oi"));
    let place = Place::Group { id: "1@g.us".to_owned(), name: None };
    let elsewhere = Amendment {
        told: true,
        number: desk.number,
        place,
        wire_id: WireId::from_text("A"),
        author: them(),
        change: Change::Deleted,
        at: at(2),
    };
    assert!(!committed!(store, |tx| tx.messages().amend(&elsewhere)), "it was not said there");
    assert!(amend(them(), edited("Olá"), at(5)).await);
    assert!(!amend(them(), edited("Olá"), at(5)).await, "again");
    assert!(!amend(them(), edited("old"), at(4)).await, "overtaken");
    assert_eq!(text().await.as_deref(), Some("Olá"));
    assert!(amend(them(), Change::Deleted, at(6)).await);
    assert!(!amend(them(), edited("back"), at(7)).await);
    assert_eq!(text().await, None);
    let told = read!(store, |tx| tx.events().kinds_of(desk.number));
    let expected =
        [EventKind::MessageReceived, EventKind::MessageEdited, EventKind::MessageDeleted];
    assert_eq!(told, expected);
}

async fn an_edited_caption_is_the_same_everywhere(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.receive_picture(&store, "A", "a cat", at(1)).await;

    assert!(desk.edit(&store, "A", "two cats", at(2)).await);

    let found = read!(store, |tx| tx.messages().find(desk.tenant, desk.number, "A")).unwrap();
    let media = found.media.unwrap();
    assert_eq!(found.content.as_deref(), Some("two cats"));
    assert_eq!(media.caption.as_deref(), Some("two cats"));
    assert!(media.link.is_some(), "the picture stays");
    let hash = "hash of A";
    assert!(read!(store, |tx| tx.messages().find_media(hash, at(3))).is_some());
    let told = bodies(&store, &desk).await;
    assert_eq!(told.matches("\"mediaCaption\":\"a cat\"").count(), 1, "{told}");
    assert_eq!(told.matches("\"mediaCaption\":\"two cats\"").count(), 1, "{told}");
}

async fn what_was_forgotten_is_not_kept_again_by_an_edit(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.receive_picture(&store, "A", "secret", at(0)).await;
    desk.keep(&store, "STORE_X_DAYS", Some(1)).await;
    let two_days = at(2 * 24 * 60 * 60);
    assert!(committed!(store, |tx| tx.messages().forget_due(two_days, 9)) > 0);

    assert!(desk.edit(&store, "A", "another secret", two_days).await);

    let found = read!(store, |tx| tx.messages().find(desk.tenant, desk.number, "A")).unwrap();
    let media = found.media.unwrap();
    assert_eq!((found.content, media.caption, found.redacted), (None, None, true));
}

async fn pages_go_back_and_can_be_narrowed_down(Db { store, .. }: Db) {
    let (home, other) = (desk(&store, 1).await, desk(&store, 2).await);
    home.accept(&store, "100%_a", at(1)).await;
    home.receive(&store, "A", "in", at(2)).await;
    let later = Schedule { not_before: Some(at(60)), until: None };
    home.accept_at(&store, &Peer::Phone(phone(8)), "b", later, at(3)).await;
    other.accept(&store, "not yours", at(4)).await;
    let texts = async |filter: MessageFilter| {
        let page = home.page(&store, &filter, 2).await;
        let texts = page.messages.into_iter().filter_map(|message| message.content);
        (texts.collect::<Vec<_>>().join(","), page.total)
    };
    let all = MessageFilter::default;
    let requested = || MessageFilter { requested: true, ..all() };

    let said = MessageFilter { said: true, ..all() };
    assert_eq!(texts(said).await, ("in".to_owned(), 1), "what waits was not said yet");
    assert_eq!(texts(all()).await, ("b,in".to_owned(), 3));
    assert_eq!(texts(requested()).await, ("b,100%_a".to_owned(), 2));
    let between = MessageFilter { from: Some(at(2)), to: Some(at(2)), ..all() };
    assert_eq!(texts(between).await, ("in".to_owned(), 1));
    let with = MessageFilter { peer: Some(friend()), ..all() };
    assert_eq!(texts(with).await, ("in,100%_a".to_owned(), 2));
    let queued = MessageFilter { status: Some(MessageStatus::Queued), ..requested() };
    assert_eq!(texts(queued).await.1, 2);
    let scheduled = MessageFilter { scheduled_at: Some(at(5)), ..requested() };
    assert_eq!(texts(scheduled).await, ("b".to_owned(), 1));
    let label = |label: &str| MessageFilter { label: Some(label.to_owned()), ..requested() };
    assert_eq!(texts(label("label 100%_a")).await, ("100%_a".to_owned(), 1));
    assert_eq!(texts(label("label 100_%a")).await.1, 0);
    assert_eq!(texts(label("LABEL 100%_a")).await.1, 0, "as it is written");
    assert_eq!(texts(label("label")).await.1, 0);
    // Another tenant's number has none of them.
    let foreign = read!(store, |tx| tx.messages().page(other.tenant, home.number, &all(), (0, 9)));
    assert_eq!(foreign.total, 0);
}

async fn what_was_said_within_one_second_is_in_the_order_in_which_it_came(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let ours = desk.accept(&store, "Shall we?", at(1)).await;
    let sent = Timestamp::from_millis(at(1).as_millis() + 700);
    committed!(store, |tx| tx.messages().sent(ours, sent));
    // WhatsApp tells whole seconds: it seems to be older.
    desk.receive(&store, "A", "Yes", at(1)).await;

    let page = desk.page(&store, &MessageFilter::default(), 9).await;
    let texts: Vec<_> = page.messages.into_iter().filter_map(|message| message.content).collect();
    assert_eq!(texts, ["Yes", "Shall we?"]);
    let from = MessageFilter { from: Some(sent), ..MessageFilter::default() };
    assert_eq!(desk.page(&store, &from, 9).await.total, 1, "by when it was sent");
}

async fn what_was_begun_in_time_is_finished(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let schedule = Schedule { not_before: None, until: Some(at(5)) };
    let id = desk.accept_at(&store, &friend(), "hurry", schedule, at(1)).await;
    let head = async |now| read!(store, |tx| tx.messages().next_queued(desk.number, &[], now));
    assert_eq!(head(at(2)).await.unwrap().id, id);
    assert!(committed!(store, |tx| tx.messages().begin(id, at(2))));

    // The server was killed here.
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(9), 500)), 0);
    assert_eq!(head(at(9)).await.unwrap().id, id);
    committed!(store, |tx| tx.messages().tried(id, Tried::InVain, at(10), at(9)));
    assert!(head(at(10)).await.is_none());
    assert_eq!(committed!(store, |tx| tx.messages().expire_queued(at(10), 500)), 1);
}

/// Settles what is due, and returns how many there were.
pub(crate) async fn delivered(store: &Store, verdict: Verdict) -> usize {
    let lease = Duration::from_mins(1);
    let limits = LeaseLimits { lease, runs: 9, unproven: 9, per_webhook: 9, run_length: 9 };
    let due = committed!(store, |tx| tx.deliveries().lease_due(at(9), &limits)).concat();
    let settled = due.len();
    for due in due {
        let record = AttemptRecord {
            delivery: due.id,
            attempt: due.attempt,
            webhook: due.webhook,
            kind: due.kind.clone(),
            url: due.url.clone(),
            success: verdict == Verdict::Done,
            status: Some(200),
            // Some receivers repeat what they got.
            response: due.body.clone(),
            duration: Duration::ZERO,
            at: at(9),
        };
        committed!(store, |tx| tx.deliveries().settle(&[(record, verdict)], lease));
    }
    settled
}

pub(crate) async fn bodies(store: &Store, desk: &Desk) -> String {
    let page = desk.page(store, &MessageFilter::default(), 9).await;
    let mut all: Vec<String> = page.messages.iter().map(|it| format!("{it:?}")).collect();
    let (tenant, number) = (desk.tenant, desk.number);
    let past = read!(store, |tx| tx.events().bodies_of(tenant, number));
    all.extend(past);
    all.join("\n")
}

async fn a_number_that_relays_keeps_no_contents(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.keep(&store, "RELAY_ONLY", None).await;
    // Nobody listens: what came in is gone at once.
    desk.receive(&store, "A", "secret 1", at(1)).await;
    assert!(!bodies(&store, &desk).await.contains("secret"));

    webhook(&store, desk.tenant, desk.number, &["*"]).await;
    desk.receive(&store, "B", "secret 2", at(2)).await;
    assert!(bodies(&store, &desk).await.contains("secret 2"), "it is still to be told");
    let waiting = desk.accept(&store, "secret 3", at(3)).await;
    let head = read!(store, |tx| tx.messages().next_queued(desk.number, &[], at(3))).unwrap();
    assert_eq!(head.content.words(), Some("secret 3"));
    committed!(store, |tx| tx.messages().sent(waiting, at(4)));
    let sent = desk.find(&store, waiting).await;
    assert_eq!((sent.redacted, sent.content), (true, None));

    delivered(&store, Verdict::RetryAt(at(9))).await;
    assert!(bodies(&store, &desk).await.contains("secret 2"), "it will be told again");
    while delivered(&store, Verdict::Done).await > 0 {}
    // What the caller calls it is no content.
    let kept = bodies(&store, &desk).await.replace("label secret", "label");
    assert!(!kept.contains("secret") && !kept.contains("Ana"), "{kept}");
    assert!(kept.contains("message.received") && kept.contains("message.sent"));
}

async fn contents_are_forgotten_after_their_days(Db { store, .. }: Db) {
    let (home, other) = (desk(&store, 1).await, desk(&store, 2).await);
    let day = 24 * 60 * 60;
    for desk in [&home, &other] {
        desk.receive(&store, "A", "secret old", at(0)).await;
        desk.receive(&store, "B", "secret new", at(day)).await;
        desk.accept(&store, "secret waits", at(0)).await;
    }
    home.keep(&store, "STORE_X_DAYS", Some(2)).await;
    let forget = async |now| committed!(store, |tx| tx.messages().forget_due(now, 9));

    assert_eq!(forget(at(2 * day)).await, 0);
    assert_eq!(forget(at(2 * day + 1)).await, 2, "a message and its event");
    assert_eq!(forget(at(2 * day + 1)).await, 0);
    let kept = bodies(&store, &home).await;
    assert!(!kept.contains("secret old") && kept.contains("secret new"), "{kept}");
    assert!(kept.contains("secret waits"), "it is still to be sent");
    assert!(bodies(&store, &other).await.contains("secret old"));
}
