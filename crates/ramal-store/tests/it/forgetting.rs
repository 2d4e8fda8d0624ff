//! What must not stay: media, answers and events of what is forgotten or deleted, and what was deleted
//! before it came.

use ramal_domain::{
    Content, CorrelationId, EventKind, MediaSource, MessageId, MessageStatus, NumberId, Peer,
    Place, Timestamp, WireId,
};
use ramal_store::{
    Amendment, Author, Change, Draft, InboundMedia, InboundMessage, PastMessage, Receipt,
    RemoteMedia, Schedule, Store, StoredMedia, Verdict,
};

use crate::{
    correspondence::{Desk, bodies, delivered, desk, friend},
    db::Db,
    scene::{at, committed, phone, read, webhook},
};

on_both_databases! {
    relayed_media_stay_as_long_as_their_link,
    media_that_nobody_hears_of_are_not_relayed,
    what_a_receiver_repeats_is_forgotten,
    why_there_was_no_answer_is_not_forgotten,
    what_is_forgotten_or_deleted_is_not_filled_in,
    media_of_the_past_are_told_when_they_come,
    a_deleted_message_leaves_its_events,
    a_deleted_message_that_waits_is_sent_and_then_erased,
    what_was_deleted_before_it_came_says_nothing,
    what_was_edited_before_it_came_says_so,
    early_amendments_do_not_wait_for_ever,
    an_old_message_is_not_kept_by_new_events,
    days_are_counted_from_when_a_message_was_sent,
}

const DAY: i64 = 24 * 60 * 60;

fn image(message: InboundMessage, link_hash: &str, link_until: Timestamp) -> InboundMessage {
    let remote = RemoteMedia { key: "secret key".to_owned(), ..RemoteMedia::default() };
    let media = StoredMedia { remote: Some(remote), ..StoredMedia::default() };
    let media = InboundMedia { media, link_hash: link_hash.to_owned(), link_until };
    InboundMessage { kind: "image", media: Some(media), ..message }
}

fn placeholder(message: InboundMessage) -> InboundMessage {
    InboundMessage { kind: "unsupported", content: None, ..message }
}

async fn import(store: &Store, message: &InboundMessage, told: bool) -> bool {
    let past = PastMessage { message: message.clone(), sent: None, told };
    committed!(store, |tx| tx.messages().import(&past, at(9)))
}

async fn is_fetched(store: &Store, link_hash: &str, now: Timestamp) -> bool {
    read!(store, |tx| tx.messages().find_media(link_hash, now)).is_some()
}

async fn forget(store: &Store, now: Timestamp) -> u64 {
    committed!(store, |tx| tx.messages().forget_due(now, 99))
}

async fn kinds(store: &Store, number: NumberId) -> Vec<EventKind> {
    read!(store, |tx| tx.events().kinds_of(number))
}

async fn amend(
    store: &Store,
    desk: &Desk,
    wire: &str,
    (author, change): (Author, Change),
    at: Timestamp,
) -> bool {
    let wire_id = WireId::from_text(wire);
    let (number, place, told) = (desk.number, Place::Direct, true);
    let amendment = Amendment { number, place, wire_id, author, change, at, told };
    committed!(store, |tx| tx.messages().amend(&amendment))
}

fn them() -> Author {
    Author::Them(vec![friend(), Peer::Jid("900@lid".to_owned())])
}

fn edited(text: &str) -> Change {
    Change::Edited(Some(text.to_owned()))
}

async fn find(store: &Store, desk: &Desk, wire: &str) -> ramal_store::Message {
    read!(store, |tx| tx.messages().find(desk.tenant, desk.number, wire)).unwrap()
}

async fn relayed_media_stay_as_long_as_their_link(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.keep(&store, "RELAY_ONLY", None).await;
    webhook(&store, desk.tenant, desk.number, &["*"]).await;
    for (wire, hash, until) in [("A", "a", at(100)), ("B", "b", at(200))] {
        let message = image(desk.inbound(wire, "secret", at(1)), hash, until);
        assert!(committed!(store, |tx| tx.messages().receive(&message, at(1))));
    }
    while delivered(&store, Verdict::Done).await > 0 {}

    assert_eq!(forget(&store, at(99)).await, 0);
    assert!(is_fetched(&store, "a", at(99)).await, "its link is good");
    assert_eq!(forget(&store, at(100)).await, 1);
    assert!(find(&store, &desk, "A").await.media.is_none(), "the key is gone");
    assert!(is_fetched(&store, "b", at(100)).await);
    assert!(find(&store, &desk, "B").await.media.is_some());
}

async fn media_that_nobody_hears_of_are_not_relayed(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.keep(&store, "RELAY_ONLY", None).await;
    let message = |wire, hash| image(desk.inbound(wire, "secret", at(1)), hash, at(100));
    assert!(import(&store, &message("A", "a"), false).await);
    assert!(import(&store, &message("B", "b"), true).await);
    let status = InboundMessage { place: Place::Status, ..message("C", "c") };
    assert!(committed!(store, |tx| tx.messages().receive(&status, at(1))));

    for (wire, hash, kept) in [("A", "a", false), ("B", "b", true), ("C", "c", false)] {
        assert_eq!(find(&store, &desk, wire).await.media.is_some(), kept, "{wire}");
        assert_eq!(is_fetched(&store, hash, at(2)).await, kept, "{wire}");
    }
    // Whoever keeps messages keeps those of the past as well.
    desk.keep(&store, "STORE_INDEFINITE", None).await;
    assert!(import(&store, &message("D", "d"), false).await);
    assert!(is_fetched(&store, "d", at(2)).await);
}

async fn responses(store: &Store, hook: ramal_domain::WebhookId) -> Vec<String> {
    let log = read!(store, |tx| tx.deliveries().log(hook, None, 99));
    log.into_iter().map(|line| line.response).collect()
}

async fn what_a_receiver_repeats_is_forgotten(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let hook = webhook(&store, desk.tenant, desk.number, &["*"]).await;
    desk.receive(&store, "A", "kept", at(1)).await;
    delivered(&store, Verdict::Done).await;
    desk.keep(&store, "RELAY_ONLY", None).await;
    desk.receive(&store, "B", "secret", at(2)).await;
    delivered(&store, Verdict::RetryAt(at(9))).await;
    assert!(responses(&store, hook).await[0].contains("secret"), "it will be told again");

    delivered(&store, Verdict::Done).await;

    let responses = responses(&store, hook).await;
    assert_eq!(responses.len(), 3);
    assert_eq!(responses[..2], ["", ""]);
    assert!(responses[2].contains("kept"), "another event's: {responses:?}");
}

async fn why_there_was_no_answer_is_not_forgotten(db: Db) {
    let store = &db.store;
    let desk = desk(store, 1).await;
    let hook = webhook(store, desk.tenant, desk.number, &["*"]).await;
    desk.receive(store, "A", "secret", at(1)).await;
    delivered(store, Verdict::Dead).await;
    db.execute("update delivery_attempts set status_code = null, response = 'refused'").await;
    desk.keep(store, "RELAY_ONLY", None).await;

    assert_eq!(forget(store, at(9)).await, 2, "a message and its event");
    assert_eq!(responses(store, hook).await, ["refused"]);
}

async fn what_is_forgotten_or_deleted_is_not_filled_in(Db { store, .. }: Db) {
    let (old, deleted, relayed) =
        (desk(&store, 1).await, desk(&store, 2).await, desk(&store, 3).await);
    let message = |desk: &Desk| desk.inbound("A", "secret", at(1));
    relayed.keep(&store, "RELAY_ONLY", None).await;
    for desk in [&old, &deleted, &relayed] {
        assert!(import(&store, &placeholder(message(desk)), false).await);
    }
    old.keep(&store, "STORE_X_DAYS", Some(1)).await;
    assert_eq!(forget(&store, at(DAY + 2)).await, 1);
    assert!(amend(&store, &deleted, "A", (them(), Change::Deleted), at(2)).await);

    // A relay stores nothing of which nobody hears.
    for (desk, hash, told) in
        [(&old, "old", true), (&deleted, "deleted", true), (&relayed, "relayed", false)]
    {
        assert!(!import(&store, &image(message(desk), hash, at(99)), told).await, "{hash}");
        let found = find(&store, desk, "A").await;
        assert_eq!((found.kind.as_str(), found.content), ("unsupported", None), "{hash}");
        assert!(!is_fetched(&store, hash, at(9)).await, "{hash}");
    }
}

async fn media_of_the_past_are_told_when_they_come(Db { store, .. }: Db) {
    for (last, mode) in [(1, "STORE_INDEFINITE"), (2, "RELAY_ONLY")] {
        let desk = desk(&store, last).await;
        desk.keep(&store, mode, None).await;
        webhook(&store, desk.tenant, desk.number, &["*"]).await;
        let message = desk.inbound("A", "secret", at(1));
        import(&store, &placeholder(message.clone()), false).await;
        assert_eq!(kinds(&store, desk.number).await, []);

        let hash = format!("hash {last}");
        assert!(import(&store, &image(message.clone(), &hash, at(99)), true).await);
        assert!(!import(&store, &image(message, "again", at(99)), true).await, "once");

        assert_eq!(kinds(&store, desk.number).await, [EventKind::MessageReceived]);
        assert!(is_fetched(&store, &hash, at(9)).await);
        let found = find(&store, &desk, "A").await;
        assert_eq!(found.redacted, mode == "RELAY_ONLY");
        assert_eq!(found.content.is_some(), mode != "RELAY_ONLY");
        let told = bodies(&store, &desk).await;
        assert!(told.contains("\"content\":\"secret\""), "{told}");
        while delivered(&store, Verdict::Done).await > 0 {}
        assert_eq!(bodies(&store, &desk).await.contains("secret\""), mode != "RELAY_ONLY");
    }
}

async fn a_deleted_message_leaves_its_events(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    let hook = webhook(&store, desk.tenant, desk.number, &["*"]).await;
    desk.receive(&store, "A", "secret 1", at(1)).await;
    desk.receive(&store, "B", "kept", at(1)).await;
    assert!(amend(&store, &desk, "A", (them(), edited("secret 2")), at(2)).await);
    while delivered(&store, Verdict::Done).await > 0 {}
    assert!(amend(&store, &desk, "A", (them(), edited("secret 3")), at(3)).await);
    delivered(&store, Verdict::RetryAt(at(9))).await;

    assert!(amend(&store, &desk, "A", (them(), Change::Deleted), at(4)).await);

    let left = bodies(&store, &desk).await;
    assert!(!left.contains("secret 1") && !left.contains("secret 2"), "{left}");
    assert!(left.contains("secret 3"), "somebody waits for it: {left}");
    while delivered(&store, Verdict::Done).await > 0 {}
    let left = bodies(&store, &desk).await + &responses(&store, hook).await.join(" ");
    assert!(!left.contains("secret") && left.contains("kept"), "{left}");
    let deletion = left.lines().find(|line| line.contains("message.deleted")).unwrap();
    assert!(deletion.contains(&phone(9_999).e164()), "who did it is told: {deletion}");

    // What was given up is found by the sweep.
    desk.receive(&store, "C", "secret 4", at(5)).await;
    assert!(amend(&store, &desk, "C", (them(), Change::Deleted), at(6)).await);
    committed!(store, |tx| tx.webhooks().delete(desk.tenant, hook, at(7)));
    committed!(store, |tx| tx.deliveries().sweep_deleted(99));
    assert!(bodies(&store, &desk).await.contains("secret 4"));
    assert_eq!(forget(&store, at(8)).await, 1);
    assert!(!bodies(&store, &desk).await.contains("secret"));
}

/// A picture of ours that is to be sent: what it says is in its payload as well.
async fn accept_picture(store: &Store, desk: &Desk, wire_id: &WireId) -> MessageId {
    let media = ramal_domain::Media {
        kind: ramal_domain::MediaKind::Image,
        source: MediaSource::Link("https://acme.example/secret.png".to_owned()),
        caption: Some("secret".to_owned()),
        file_name: None,
    };
    let draft = Draft {
        id: MessageId::mint(),
        tenant: desk.tenant,
        number: desk.number,
        wire_id,
        correlation: CorrelationId::mint(),
        to: &friend(),
        content: &Content::Media(media),
        bytes: None,
        mark_read: false,
        origin: "API",
        schedule: Schedule::default(),
        template: None,
        labels: &[],
    };
    committed!(store, |tx| tx.messages().accept(&draft, at(1))).id
}

async fn a_deleted_message_that_waits_is_sent_and_then_erased(db: Db) {
    let store = &db.store;
    let desk = desk(store, 1).await;
    let wire_id = WireId::mint();
    let id = accept_picture(store, &desk, &wire_id).await;
    let delete = (Author::Us, Change::Deleted);
    assert!(amend(store, &desk, wire_id.as_str(), delete, at(2)).await);

    let shown = desk.find(store, id).await;
    assert_eq!((shown.content, shown.media), (None, None));
    let head = read!(store, |tx| tx.messages().next_queued(desk.number, &[], at(3))).unwrap();
    assert_eq!(head.content.words(), Some("secret"), "its try may have to be repeated");
    committed!(store, |tx| tx.messages().sent(id, at(4)));

    assert!(!bodies(store, &desk).await.contains("secret"));
    // As an older version of ours has it, the payload would still say it.
    db.execute("update messages set status = 'QUEUED', revoked_at_ms = null").await;
    let head = read!(store, |tx| tx.messages().next_queued(desk.number, &[], at(5))).unwrap();
    assert_eq!(head.content, Content::Text { body: String::new() });
}

async fn what_was_deleted_before_it_came_says_nothing(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    for wire in ["A", "lid"] {
        assert!(!amend(&store, &desk, wire, (them(), edited("secret 2")), at(3)).await);
        assert!(!amend(&store, &desk, wire, (them(), Change::Deleted), at(4)).await);
        assert!(!amend(&store, &desk, wire, (them(), edited("secret 3")), at(5)).await);
    }
    let stranger = Author::Them(vec![Peer::Phone(phone(8))]);
    assert!(!amend(&store, &desk, "B", (stranger, Change::Deleted), at(4)).await);
    assert!(!amend(&store, &desk, "B", (Author::Us, Change::Deleted), at(4)).await);

    let first = image(desk.inbound("A", "secret 1", at(1)), "a", at(99));
    assert!(committed!(store, |tx| tx.messages().receive(&first, at(6))));
    let lid = Some("900@lid".to_owned());
    let from = Peer::Jid("900@lid".to_owned());
    let by_lid = InboundMessage { from, lid, ..desk.inbound("lid", "secret 1", at(1)) };
    assert!(committed!(store, |tx| tx.messages().receive(&by_lid, at(6))));
    desk.receive(&store, "B", "said", at(6)).await;

    for wire in ["A", "lid"] {
        let found = find(&store, &desk, wire).await;
        assert_eq!((found.content, found.media, found.revoked_at), (None, None, Some(at(4))));
    }
    assert!(!is_fetched(&store, "a", at(9)).await);
    assert_eq!(find(&store, &desk, "B").await.content.as_deref(), Some("said"));
    assert_eq!(kinds(&store, desk.number).await, [EventKind::MessageReceived], "of B only");
    assert!(!bodies(&store, &desk).await.contains("secret"));
    assert!(!amend(&store, &desk, "A", (them(), Change::Deleted), at(4)).await, "again");
    assert!(!committed!(store, |tx| tx.messages().receive(&first, at(7))), "again");
}

async fn what_was_edited_before_it_came_says_so(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    for (text, now) in [("second", at(3)), ("third", at(4)), ("overtaken", at(2))] {
        assert!(!amend(&store, &desk, "A", (them(), edited(text)), now).await);
    }
    desk.receive(&store, "A", "first", at(1)).await;

    let found = find(&store, &desk, "A").await;
    assert_eq!((found.content.as_deref(), found.edited_at), (Some("third"), Some(at(4))));
    assert_eq!(kinds(&store, desk.number).await, [EventKind::MessageReceived]);
    assert!(bodies(&store, &desk).await.contains("third"));
    // What the owner wrote elsewhere has no other author.
    assert!(!amend(&store, &desk, "mine", (Author::Us, Change::Deleted), at(2)).await);
    let message = desk.inbound("mine", "secret", at(1));
    let past = PastMessage { message, sent: Some(MessageStatus::Sent), told: true };
    assert!(committed!(store, |tx| tx.messages().import(&past, at(9))));
    assert_eq!(find(&store, &desk, "mine").await.revoked_at, Some(at(2)));
    assert_eq!(kinds(&store, desk.number).await.len(), 1);
}

async fn early_amendments_do_not_wait_for_ever(Db { store, .. }: Db) {
    let (whole, days, relay) =
        (desk(&store, 1).await, desk(&store, 2).await, desk(&store, 3).await);
    days.keep(&store, "STORE_X_DAYS", Some(2)).await;
    relay.keep(&store, "RELAY_ONLY", None).await;
    for desk in [&whole, &days, &relay] {
        let author = || Author::Them(vec![friend()]);
        amend(&store, desk, "A", (author(), edited("secret")), at(0)).await;
        amend(&store, desk, "B", (author(), Change::Deleted), at(0)).await;
    }
    let purge = async |now| committed!(store, |tx| tx.messages().purge_early(now));

    assert_eq!(purge(at(2 * DAY)).await, 0, "a relay keeps no text in the first place");
    assert_eq!(purge(at(2 * DAY + 1)).await, 1, "no longer than a message");
    assert_eq!(purge(at(30 * DAY)).await, 0);
    committed!(store, |tx| tx.messages().delete_all(relay.number));
    assert_eq!(purge(at(30 * DAY + 1)).await, 3, "two of the first, one of the second");
}

async fn an_old_message_is_not_kept_by_new_events(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.keep(&store, "STORE_X_DAYS", Some(2)).await;
    webhook(&store, desk.tenant, desk.number, &["*"]).await;
    let id = desk.accept(&store, "secret", at(0)).await;
    committed!(store, |tx| tx.messages().sent(id, at(0)));
    let wire_id = desk.find(&store, id).await.wire_id;
    committed!(store, |tx| tx.messages().receipt(
        desk.number,
        std::slice::from_ref(&wire_id),
        Receipt::Read,
        at(2 * DAY)
    ));
    while delivered(&store, Verdict::Done).await > 0 {}

    assert_eq!(forget(&store, at(2 * DAY)).await, 0);
    assert_eq!(forget(&store, at(2 * DAY + 1)).await, 4, "a message and its three events");
    let kept = bodies(&store, &desk).await.replace("label secret", "label");
    assert!(kept.contains("message.read") && !kept.contains("secret"), "{kept}");
}

async fn days_are_counted_from_when_a_message_was_sent(Db { store, .. }: Db) {
    let desk = desk(&store, 1).await;
    desk.keep(&store, "STORE_X_DAYS", Some(2)).await;
    let later = Schedule { not_before: Some(at(9 * DAY)), until: None };
    let id = desk.accept_at(&store, &friend(), "secret", later, at(0)).await;
    committed!(store, |tx| tx.messages().sent(id, at(9 * DAY)));

    assert_eq!(forget(&store, at(11 * DAY)).await, 0);
    assert_eq!(desk.find(&store, id).await.content.as_deref(), Some("secret"));
    assert_eq!(forget(&store, at(11 * DAY + 1)).await, 2);
    assert_eq!(desk.find(&store, id).await.content, None);
}
