//! What WhatsApp gives us: contacts with two names, places, the past.

use ramal_domain::{
    Content, CorrelationId, Direction, EventKind, MessageId, MessageStatus, NumberId, Peer, Place,
    TenantId, WireId,
};
use ramal_store::{Draft, InboundMessage, Message, PastMessage, Schedule, Store};

use crate::{
    db::Db,
    scene::{NOW, at, committed, number, phone, read, tenant},
};

on_both_databases! {
    one_contact_is_one_peer_under_either_name,
    what_was_kept_under_a_lid_moves_to_its_phone_number,
    a_message_that_comes_under_both_names_at_once_is_one,
    a_lid_of_another_number_says_nothing,
    a_changed_phone_number_is_learned,
    a_purge_forgets_who_its_contacts_are,
    the_same_id_in_another_place_is_another_message,
    each_place_has_its_event_and_a_status_post_has_none,
    the_past_is_stored_once_and_told_only_when_asked,
    what_the_number_sent_in_the_past_keeps_its_status,
    what_we_sent_is_not_taken_for_the_past,
    an_answer_is_accepted_once,
    an_answer_repeats_what_was_said_in_its_own_chat,
    a_removed_number_receives_nothing,
}

const LID: &str = "900100200300@lid";

struct Home {
    tenant: TenantId,
    number: NumberId,
}

async fn home(store: &Store, last: u32) -> Home {
    let tenant = tenant(store).await;
    let (number, _) = number(store, tenant, last).await;
    Home { tenant, number }
}

impl Home {
    /// From the contact with [`LID`], by the names that are given.
    fn inbound(&self, wire_id: &str, phone_last: Option<u32>, lid: Option<&str>) -> InboundMessage {
        let jid = || Peer::Jid(lid.unwrap_or_default().to_owned());
        InboundMessage {
            tenant: self.tenant,
            number: self.number,
            wire_id: WireId::from_text(wire_id),
            from: phone_last.map_or_else(jid, |last| Peer::Phone(phone(last))),
            lid: lid.map(str::to_owned),
            place: Place::Direct,
            kind: "text",
            content: Some("Oi".to_owned()),
            sender_name: None,
            at: at(-60),
            quoted: None,
            media: None,
        }
    }

    async fn receive(&self, store: &Store, inbound: &InboundMessage) -> bool {
        committed!(store, |tx| tx.messages().receive(inbound, NOW))
    }

    async fn send(&self, store: &Store, to: &Peer, wire_id: &str, text: &str) {
        let (wire_id, content) =
            (WireId::from_text(wire_id), Content::Text { body: text.to_owned() });
        let draft = draft(self, &wire_id, to, &content);
        committed!(store, |tx| tx.messages().accept(&draft, NOW));
    }

    async fn find(&self, store: &Store, wire_id: &str) -> Option<Message> {
        read!(store, |tx| tx.messages().find(self.tenant, self.number, wire_id))
    }

    async fn events(&self, store: &Store) -> Vec<EventKind> {
        read!(store, |tx| tx.events().kinds_of(self.number))
    }
}

/// The gap of a crash: stored under the LID, not acknowledged, the phone number is learned, and
/// WhatsApp delivers again.
async fn one_contact_is_one_peer_under_either_name(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let under_lid = home.inbound("3A", None, Some(LID));
    assert!(home.receive(&store, &under_lid).await);
    assert_eq!(home.find(&store, "3A").await.unwrap().peer, Peer::Jid(LID.to_owned()));

    let under_both = home.inbound("3A", Some(9_999), Some(LID));
    assert!(!home.receive(&store, &under_both).await, "delivered again");

    // After another crash, the client may have forgotten one name or the other.
    assert!(!home.receive(&store, &under_lid).await);
    assert!(!home.receive(&store, &home.inbound("3A", Some(9_999), None)).await);
    let peer = home.find(&store, "3A").await.unwrap().peer;
    assert_eq!(peer, Peer::Phone(phone(9_999)));
    assert_eq!(home.events(&store).await, [EventKind::MessageReceived]);
    // What comes later under the LID alone is of the same peer.
    assert!(home.receive(&store, &home.inbound("3B", None, Some(LID))).await);
    assert_eq!(home.find(&store, "3B").await.unwrap().peer, peer);
}

async fn what_was_kept_under_a_lid_moves_to_its_phone_number(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let group = Place::Group { id: "120363@g.us".to_owned(), name: None };
    let in_group = InboundMessage { place: group, ..home.inbound("3B", None, Some(LID)) };
    for inbound in [&home.inbound("3A", None, Some(LID)), &in_group] {
        assert!(home.receive(&store, inbound).await);
    }
    let other = home.inbound("3A", None, Some("111@lid"));
    assert!(home.receive(&store, &other).await, "somebody else's");

    assert!(home.receive(&store, &home.inbound("3C", Some(9_999), Some(LID))).await);

    for wire_id in ["3B", "3C"] {
        assert_eq!(home.find(&store, wire_id).await.unwrap().peer, Peer::Phone(phone(9_999)));
    }
    for inbound in [home.inbound("3A", Some(9_999), None), other] {
        assert!(!home.receive(&store, &inbound).await, "both are here already");
    }
}

async fn a_message_that_comes_under_both_names_at_once_is_one(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let (lid, both) =
        (home.inbound("3A", None, Some(LID)), home.inbound("3A", Some(9_999), Some(LID)));

    let (first, second) = tokio::join!(home.receive(&store, &lid), home.receive(&store, &both));

    assert!(first != second, "one is news: {first} {second}");
    assert_eq!(home.find(&store, "3A").await.unwrap().peer, Peer::Phone(phone(9_999)));
    assert_eq!(home.events(&store).await, [EventKind::MessageReceived]);
}

async fn a_lid_of_another_number_says_nothing(Db { store, .. }: Db) {
    let (one, other) = (home(&store, 1).await, home(&store, 2).await);
    assert!(one.receive(&store, &one.inbound("3A", Some(9_999), Some(LID))).await);

    assert!(other.receive(&store, &other.inbound("3A", None, Some(LID))).await);

    assert_eq!(other.find(&store, "3A").await.unwrap().peer, Peer::Jid(LID.to_owned()));
}

async fn a_changed_phone_number_is_learned(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    assert!(home.receive(&store, &home.inbound("3A", Some(9_999), Some(LID))).await);

    assert!(home.receive(&store, &home.inbound("3B", Some(8_888), Some(LID))).await);

    assert_eq!(home.find(&store, "3A").await.unwrap().peer, Peer::Phone(phone(9_999)));
    assert!(home.receive(&store, &home.inbound("3C", None, Some(LID))).await);
    assert_eq!(home.find(&store, "3C").await.unwrap().peer, Peer::Phone(phone(8_888)));
}

async fn a_purge_forgets_who_its_contacts_are(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    assert!(home.receive(&store, &home.inbound("3A", Some(9_999), Some(LID))).await);

    assert_eq!(committed!(store, |tx| tx.messages().delete_all(home.number)), 1);

    assert!(home.receive(&store, &home.inbound("3B", None, Some(LID))).await);
    assert_eq!(home.find(&store, "3B").await.unwrap().peer, Peer::Jid(LID.to_owned()));
}

fn group(id: &str, name: Option<&str>) -> Place {
    Place::Group { id: id.to_owned(), name: name.map(str::to_owned) }
}

async fn the_same_id_in_another_place_is_another_message(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let direct = home.inbound("3A", Some(9_999), None);
    let placed = |id: &str| InboundMessage { place: group(id, None), ..direct.clone() };

    for inbound in [&direct, &placed("1@g.us"), &placed("2@g.us")] {
        assert!(home.receive(&store, inbound).await);
        assert!(!home.receive(&store, inbound).await);
    }
    let from_other = InboundMessage { from: Peer::Phone(phone(8_888)), ..placed("1@g.us") };
    assert!(home.receive(&store, &from_other).await);
    // A group that is renamed meanwhile is the same place.
    let renamed = InboundMessage { place: group("1@g.us", Some("New")), ..direct };
    assert!(!home.receive(&store, &renamed).await);
}

async fn each_place_has_its_event_and_a_status_post_has_none(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let channel = Place::Newsletter { id: "7@newsletter".to_owned(), name: None };
    let named = group("1@g.us", Some("Família"));
    let places = [("3A", named.clone()), ("3B", channel), ("3C", Place::Status)];
    for (wire_id, place) in places {
        let inbound = InboundMessage {
            place: place.clone(),
            ..home.inbound(wire_id, Some(9_999), Some(LID))
        };
        assert!(home.receive(&store, &inbound).await);
        assert_eq!(home.find(&store, wire_id).await.unwrap().place, place);
    }

    let told = [EventKind::MessageGroup, EventKind::MessageNewsletter];
    assert_eq!(home.events(&store).await, told);
}

async fn the_past_is_stored_once_and_told_only_when_asked(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let past = |wire_id: &str, told| PastMessage {
        message: home.inbound(wire_id, Some(9_999), Some(LID)),
        sent: None,
        told,
    };
    let import = async |past: &PastMessage| committed!(store, |tx| tx.messages().import(past, NOW));

    assert!(import(&past("3A", false)).await);
    assert!(!import(&past("3A", true)).await, "shared again, and not told for that");
    let found = home.find(&store, "3A").await.unwrap();
    assert_eq!((found.direction, found.status), (Direction::Inbound, MessageStatus::Delivered));
    assert_eq!(found.created_at, at(-60));
    assert_eq!(home.events(&store).await, []);

    assert!(import(&past("3B", true)).await);
    assert_eq!(home.events(&store).await, [EventKind::MessageReceived]);
    // What was live before the phone shared it, and the other way round.
    assert!(home.receive(&store, &home.inbound("3C", None, Some(LID))).await);
    assert!(!import(&past("3C", true)).await);
    assert!(!home.receive(&store, &home.inbound("3A", Some(9_999), None)).await);
}

async fn what_the_number_sent_in_the_past_keeps_its_status(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let past = |wire_id: &str, status, told| PastMessage {
        message: home.inbound(wire_id, Some(9_999), None),
        sent: Some(status),
        told,
    };
    for past in [past("3A", MessageStatus::Read, false), past("3B", MessageStatus::Sent, true)] {
        assert!(committed!(store, |tx| tx.messages().import(&past, NOW)));
        assert!(!committed!(store, |tx| tx.messages().import(&past, NOW)));
    }

    let read = home.find(&store, "3A").await.unwrap();
    assert_eq!((read.direction, read.status), (Direction::Outbound, MessageStatus::Read));
    assert_eq!((read.sent_at, read.origin), (Some(at(-60)), None));
    assert_eq!(home.events(&store).await, [EventKind::MessageSent]);
    assert_eq!(read!(store, |tx| tx.messages().next_queued(home.number, &[], at(9))), None);
}

fn no_calls() -> Content {
    Content::Text { body: "no calls, please".to_owned() }
}

fn draft<'a>(home: &Home, wire_id: &'a WireId, to: &'a Peer, content: &'a Content) -> Draft<'a> {
    Draft {
        id: MessageId::mint(),
        tenant: home.tenant,
        number: home.number,
        wire_id,
        correlation: CorrelationId::mint(),
        to,
        content,
        bytes: None,
        mark_read: false,
        origin: "SYSTEM",
        schedule: Schedule::default(),
        template: None,
        labels: &[],
    }
}

async fn what_we_sent_is_not_taken_for_the_past(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let (wire_id, to) = (WireId::mint(), Peer::Phone(phone(9_999)));
    let content = no_calls();
    let draft = draft(&home, &wire_id, &to, &content);
    committed!(store, |tx| tx.messages().accept(&draft, NOW));
    // As the phone has it: perhaps without the ninth digit.
    let past = PastMessage {
        message: home.inbound(wire_id.as_str(), Some(1), None),
        sent: Some(MessageStatus::Sent),
        told: true,
    };

    assert!(!committed!(store, |tx| tx.messages().import(&past, NOW)));
    assert_eq!(home.events(&store).await, []);
}

async fn an_answer_is_accepted_once(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let (wire_id, to) = (WireId::derived("call 1"), Peer::Phone(phone(9_999)));
    let content = no_calls();

    for news in [true, false] {
        let draft = draft(&home, &wire_id, &to, &content);
        assert_eq!(committed!(store, |tx| tx.messages().accept_once(&draft, NOW)), news);
    }

    let queued = home.find(&store, wire_id.as_str()).await.unwrap();
    assert_eq!((queued.status, queued.origin.as_deref()), (MessageStatus::Queued, Some("SYSTEM")));
    committed!(store, |tx| tx.messages().sent(queued.id, NOW));
    let again = draft(&home, &wire_id, &to, &content);
    assert!(!committed!(store, |tx| tx.messages().accept_once(&again, NOW)), "sent already");
    assert_eq!(read!(store, |tx| tx.messages().next_queued(home.number, &[], at(9))), None);
}

async fn an_answer_repeats_what_was_said_in_its_own_chat(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    // Our customer writes a Brazilian number with its ninth digit, WhatsApp knows it without.
    let friend = || Peer::Phone("+551199990009".parse().unwrap());
    let ours = Peer::Phone("+5511999990009".parse().unwrap());
    let said = |wire: &str, text: &str, place: &Place| InboundMessage {
        content: Some(text.to_owned()),
        place: place.clone(),
        ..home.inbound(wire, Some(7), None)
    };
    let group = Place::Group { id: "1@g.us".to_owned(), name: None };
    let stranger = said("Q", "a stranger's", &Place::Direct);
    let in_group = said("G", "the group's", &group);
    for message in [&stranger, &in_group] {
        assert!(committed!(store, |tx| tx.messages().receive(message, at(0))));
    }
    home.send(&store, &ours, "Q", "ours").await;

    let answers = async |wire: &str, from: Peer, lid: Option<&str>, quoted: &str, place: &Place| {
        let answer = InboundMessage {
            from,
            lid: lid.map(str::to_owned),
            quoted: Some(WireId::from_text(quoted)),
            // In a group, only reactions are told with what they are about.
            kind: if *place == Place::Direct { "text" } else { "reaction" },
            ..said(wire, "yes", place)
        };
        assert!(committed!(store, |tx| tx.messages().receive(&answer, at(1))));
        let bodies = read!(store, |tx| tx.events().bodies_of(home.tenant, home.number));
        let body = bodies.iter().find(|body| body.contains(&format!("\"messageId\":\"{wire}\"")));
        let body: serde_json::Value = serde_json::from_str(body.unwrap()).unwrap();
        body["data"]["contentReplied"].as_str().map(str::to_owned)
    };
    let direct = &Place::Direct;
    assert_eq!(answers("1", friend(), Some(LID), "Q", direct).await.as_deref(), Some("ours"));
    let other = Peer::Phone(phone(7));
    assert_eq!(answers("2", other, None, "Q", direct).await.as_deref(), Some("a stranger's"));
    assert_eq!(answers("3", Peer::Phone(phone(8)), None, "Q", direct).await, None);
    assert_eq!(answers("4", friend(), None, "G", direct).await, None, "said elsewhere");
    assert_eq!(answers("5", friend(), None, "G", &group).await.as_deref(), Some("the group's"));
    // To the same contact, by its other name.
    home.send(&store, &Peer::Jid(LID.to_owned()), "L", "by LID").await;
    assert_eq!(answers("6", friend(), None, "L", direct).await.as_deref(), Some("by LID"));
}

/// Until its device is unlinked, WhatsApp may deliver: what a purge deleted comes once more.
async fn a_removed_number_receives_nothing(Db { store, .. }: Db) {
    let home = home(&store, 1).await;
    let message = home.inbound("3A", Some(2), None);
    assert!(home.receive(&store, &message).await);
    committed!(store, |tx| tx.numbers().remove(home.tenant, home.number, at(100), at(1)));
    committed!(store, |tx| tx.messages().delete_all(home.number));
    let told = home.events(&store).await;

    assert!(!home.receive(&store, &message).await);

    assert_eq!(home.find(&store, "3A").await, None);
    assert_eq!(home.events(&store).await, told);
}
