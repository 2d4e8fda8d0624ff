//! Webhooks: Meta's own examples, the dossier's, and nonsense.

use proptest::prelude::*;
use ramal_domain::{MediaKind, MessageStatus, Timestamp};
use ramal_meta::{
    appsecret_proof,
    webhook::{
        Change, ContactCard, ContactChange, Incoming, IncomingKind, News, StatusError, is_signed,
        parse,
    },
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    openapi::description,
    scripted::{PHONE, SECRET, WABA},
};

/// The 427 bytes of the dossier's vector, as Meta escapes them.
const VECTOR: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Zo\u00eb"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.TEST","timestamp":"1749416383","type":"text","text":{"body":"caf\u00e9 \/ ok"}}]},"field":"messages"}]}]}"#;
const VECTOR_SIGNATURE: &str =
    "sha256=e56a58beaef11f034c733ef34e2492f60fc8f7d75aae11a789c7d295acad2379";

/// The same HMAC under another name.
fn sign(body: &str) -> String {
    format!("sha256={}", appsecret_proof(&body.into(), &SECRET.into()))
}

#[test]
fn the_vector_is_signed_as_it_came() {
    let secret = SecretString::from(SECRET);
    let raw = VECTOR.as_bytes();
    assert_eq!(raw.len(), 427);
    assert!(is_signed(raw, Some(VECTOR_SIGNATURE), &secret));

    let written_again = serde_json::from_str::<Value>(VECTOR).unwrap().to_string();
    assert!(!is_signed(written_again.as_bytes(), Some(VECTOR_SIGNATURE), &secret));
    assert!(!is_signed(raw, Some(VECTOR_SIGNATURE), &"another secret".into()));
    let bare = VECTOR_SIGNATURE.trim_start_matches("sha256=");
    for header in
        [None, Some(""), Some("sha256="), Some(bare), Some("sha1=e56a58be"), Some("sha256=é")]
    {
        assert!(!is_signed(raw, header, &secret), "{header:?}");
    }
    let cut = VECTOR_SIGNATURE.get(..VECTOR_SIGNATURE.len() - 2);
    assert!(!is_signed(raw, cut, &secret));

    // Anybody can sign with no secret.
    let unsigned = format!("sha256={}", appsecret_proof(&VECTOR.into(), &"".into()));
    assert!(!is_signed(raw, Some(&unsigned), &"".into()));

    let changes = parse(raw).unwrap();
    let News::Message(incoming) = &changes[0].news else { panic!("{changes:?}") };
    assert_eq!(incoming.name.as_deref(), Some("Zoë"));
    assert_eq!(incoming.kind, IncomingKind::Text { body: "café / ok".to_owned() });
    assert_eq!(changes[0].waba.as_deref(), Some(WABA));
    assert_eq!(changes[0].phone.as_deref(), Some(PHONE));
    assert_eq!(changes[0].display_phone.as_deref(), Some("15550783881"));
    assert_eq!(changes[0].at, Timestamp::from_secs(1_749_416_383));
}

proptest! {
    #[test]
    fn any_flipped_bit_breaks_a_signature(at in 0..427_usize, bit in 0..8_u32) {
        let mut raw = VECTOR.as_bytes().to_vec();
        raw[at] ^= 1 << bit;
        prop_assert!(!is_signed(&raw, Some(VECTOR_SIGNATURE), &SECRET.into()));
    }
}

/// What is expected of each of Meta's examples.
fn is_understood(name: &str, news: &News) -> bool {
    let News::Message(incoming) = news else {
        return name.starts_with("Group") && matches!(news, News::Other { .. });
    };
    let kind = &incoming.kind;
    match name {
        "Text Message"
        | "Text Message with Context (Product Inquiry)"
        | "Text Message from Click to WhatsApp Ad" => {
            matches!(kind, IncomingKind::Text { .. })
        }
        "Reaction Message" => matches!(kind, IncomingKind::Reaction { emoji: Some(_), .. }),
        "Image Message" => {
            matches!(kind, IncomingKind::Media { kind: MediaKind::Image, caption: Some(_), .. })
        }
        "Location Message" => matches!(kind, IncomingKind::Location { name: Some(_), .. }),
        "Contact Sharing Message" => {
            matches!(kind, IncomingKind::Contacts(cards) if cards.len() == 1)
        }
        "Unsupported Message" => {
            matches!(kind, IncomingKind::Unsupported { reason } if reason.contains("not supported"))
        }
        "Button Message" => matches!(kind, IncomingKind::Button { payload: Some(_), .. }),
        "Interactive List Reply Message" => {
            matches!(kind, IncomingKind::Reply { description: Some(_), .. })
        }
        "Interactive Button Reply Message" => {
            matches!(kind, IncomingKind::Reply { description: None, .. })
        }
        "Order Message" => *kind == IncomingKind::Order,
        "System Message" => {
            matches!(kind, IncomingKind::System { new_wa_id: Some(digits), .. } if digits == "12195555358")
        }
        _ => panic!("an example that this test does not know: {name}"),
    }
}

#[test]
fn every_example_of_meta_is_accepted_and_understood() {
    let Some(description) = description() else { return };
    let examples = description.webhooks();
    assert!(examples.len() >= 16, "{}", examples.len());

    for (name, example) in examples {
        // As Meta escapes it.
        let body = example.to_string().replace('/', "\\/");
        assert!(is_signed(body.as_bytes(), Some(&sign(&body)), &SECRET.into()), "{name}");
        let changes = parse(body.as_bytes()).unwrap();
        assert_eq!(changes.len(), 1, "{name}: {changes:?}");
        let change = &changes[0];
        assert!(is_understood(&name, &change.news), "{name}: {change:?}");
        assert_eq!(change.phone.as_deref(), Some(PHONE), "{name}");
        if let News::Message(incoming) = &change.news {
            assert_eq!(incoming.from.as_deref(), Some("16505551234"), "{name}");
            assert!(incoming.wamid.starts_with("wamid.") && incoming.at > Timestamp::default());
        }
    }
}

fn envelope(field: &str, value: &Value) -> Value {
    let mut value = value.clone();
    value["messaging_product"] = "whatsapp".into();
    value["metadata"] = json!({"display_phone_number": "15550783881", "phone_number_id": PHONE});
    json!({"object": "whatsapp_business_account",
        "entry": [{"id": WABA, "changes": [{"field": field, "value": value}]}]})
}

fn changes(field: &str, value: &Value) -> Vec<Change> {
    parse(envelope(field, value).to_string().as_bytes()).unwrap()
}

fn incoming(message: &Value) -> Incoming {
    let mut message = message.clone();
    for (name, value) in [("from", "16505551234"), ("id", "wamid.a"), ("timestamp", "1749416383")] {
        message[name] = value.into();
    }
    let contacts =
        json!([{"profile": {"name": "Sheena"}, "wa_id": "16505551234", "user_id": "US.1"}]);
    let mut found = changes("messages", &json!({"contacts": contacts, "messages": [message]}));
    assert_eq!(found.len(), 1);
    match found.remove(0).news {
        News::Message(incoming) => incoming,
        other => panic!("{other:?}"),
    }
}

fn kind(message: &Value) -> IncomingKind {
    incoming(message).kind
}

#[test]
fn users_without_numbers_have_ids() {
    let value = json!({
        "contacts": [{"profile": {"name": "Sheena", "username": "she"}, "user_id": "US.1349"}],
        "messages": [{"from_user_id": "US.1349", "id": "wamid.a", "timestamp": "1",
            "type": "text", "text": {"body": "x"}, "context": {"from": "1", "id": "wamid.z"}}]});
    if let Some(description) = description() {
        description.judge("WebhookPayload", &envelope("messages", &value));
    }
    let changes = changes("messages", &value);
    let News::Message(incoming) = &changes[0].news else { panic!("{changes:?}") };
    assert_eq!(incoming.from, None);
    assert_eq!(incoming.user_id.as_deref(), Some("US.1349"));
    assert_eq!(incoming.name.as_deref(), Some("Sheena"));
    assert_eq!(incoming.quoted.as_deref(), Some("wamid.z"));
}

#[test]
fn a_name_belongs_to_whom_it_is_said_of() {
    let value = json!({
        "contacts": [{"profile": {"name": "A"}, "wa_id": "111111"}, {"profile": {"name": "B"}, "wa_id": "222222", "user_id": "US.B"}],
        "messages": [
            {"from": "222222", "id": "wamid.b", "timestamp": "1", "type": "text", "text": {"body": "x"}, "group_id": "G"},
            {"from": "333333", "id": "wamid.c", "timestamp": "1", "type": "text", "text": {"body": "x"}}]});
    let changes = changes("messages", &value);
    let names: Vec<_> = changes
        .iter()
        .map(|change| match &change.news {
            News::Message(one) => {
                (one.name.as_deref(), one.user_id.as_deref(), one.group_id.as_deref())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [(Some("B"), Some("US.B"), Some("G")), (None, None, None)]);
}

#[test]
fn every_kind_of_message_is_read() {
    let media = |name: &str, more: Value| {
        let mut said = json!({"id": "10", "mime_type": "a/b", "sha256": "s"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match kind(&json!({"type": name, name: said})) {
            IncomingKind::Media { kind, id, caption, file_name, .. } => {
                assert_eq!(id, "10");
                (kind, caption, file_name)
            }
            other => panic!("{other:?}"),
        }
    };
    let plain = |kind| (kind, None, None);
    assert_eq!(media("image", json!({"url": "https://x.example/"})), plain(MediaKind::Image));
    assert_eq!(media("video", json!({})), plain(MediaKind::Video));
    assert_eq!(media("sticker", json!({"animated": true})), plain(MediaKind::Sticker));
    assert_eq!(media("audio", json!({"voice": false})), plain(MediaKind::Audio));
    assert_eq!(media("audio", json!({"voice": true})), plain(MediaKind::Voice));
    assert_eq!(
        media("document", json!({"caption": "c", "filename": "a.pdf"})),
        (MediaKind::Document, Some("c".to_owned()), Some("a.pdf".to_owned()))
    );

    let cases = [
        (
            json!({"type": "location", "location": {"latitude": 1.5, "longitude": "-2.5"}}),
            "location",
            "1.5,-2.5",
        ),
        (
            json!({"type": "location", "location": {"latitude": 1, "longitude": 2, "address": "A St"}}),
            "location",
            "A St (1, 2)",
        ),
        (
            json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana"}}, {"phones": [{"phone": "+1 2"}]}, {"name": {"formatted_name": "Bia"}, "phones": [{"phone": "+1 3"}, {"wa_id": "14"}]}]}),
            "contacts",
            "Ana, +1 2, Bia (+1 3, 14)",
        ),
        (
            json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}),
            "reaction",
            "👍",
        ),
        (json!({"type": "button", "button": {"text": "Stop"}}), "text", "Stop"),
        (
            json!({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"}}}),
            "text",
            "Sent",
        ),
    ];
    for (message, event_type, words) in cases {
        let kind = kind(&message);
        assert_eq!(kind.event_type(), Some(event_type), "{message}");
        assert_eq!(kind.words().as_deref(), Some(words), "{message}");
    }
    let removed = kind(&json!({"type": "reaction", "reaction": {"message_id": "wamid.x"}}));
    assert_eq!(removed, IncomingKind::Reaction { emoji: None, message_id: "wamid.x".to_owned() });
    let edit = json!({"type": "edit", "edit": {"original_message_id": "wamid.o",
        "message": {"type": "text", "text": {"body": "new"}}}});
    let (original, text) = ("wamid.o".to_owned(), Some("new".to_owned()));
    assert_eq!(kind(&edit), IncomingKind::Edited { original: original.clone(), text });
    let revoke = json!({"type": "revoke", "revoke": {"original_message_id": "wamid.o"}});
    assert_eq!(kind(&revoke), IncomingKind::Revoked { original });
    let card = json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana"},
        "phones": [{"phone": "+1 (983) 555-2319", "wa_id": "19835552319"}]}]});
    let phones = vec!["+1 (983) 555-2319".to_owned()];
    assert_eq!(
        kind(&card),
        IncomingKind::Contacts(vec![ContactCard { name: "Ana".to_owned(), phones }])
    );
}

#[test]
fn a_kind_that_is_not_known_is_a_message_still() {
    for (message, said) in [
        (json!({"type": "hologram", "hologram": {"x": 1}}), "hologram"),
        (json!({"type": "image", "image": {}}), "image"),
        (json!({"type": "text"}), "text"),
        (json!({"type": 5}), "5"),
        (
            json!({"type": "unsupported", "errors": [{"code": 131_051, "title": "Message type unknown"}]}),
            "Message type unknown",
        ),
        (
            json!({"type": "interactive", "interactive": {"type": "call_permission_reply"}}),
            "interactive",
        ),
    ] {
        let kind = kind(&message);
        assert_eq!(kind, IncomingKind::Unsupported { reason: said.to_owned() }, "{message}");
        assert_eq!((kind.event_type(), kind.words()), (None, None));
    }
}

#[test]
fn statuses_are_read() {
    let statuses = json!({"statuses": [
        {"id": "wamid.a", "status": "sent", "timestamp": "1750030073", "recipient_id": "16505551234",
            "recipient_user_id": "US.1", "biz_opaque_callback_data": "msg_1",
            "pricing": {"billable": true, "pricing_model": "PMP", "type": "regular", "category": "utility"}},
        {"id": "wamid.a", "status": "delivered", "timestamp": "1750030074", "recipient_id": "16505551234"},
        {"id": "wamid.a", "status": "played", "timestamp": "1750030075", "recipient_id": "16505551234"},
        {"id": "wamid.b", "status": "failed", "timestamp": "1750030076", "recipient_id": "16505551234",
            "errors": [{"code": 131_047, "title": "Re-engagement message", "message": "Re-engagement message",
                "error_data": {"details": "More than 24 hours"}, "href": "/x"}]},
        {"id": "wamid.c", "status": "pondered", "timestamp": "1"}, {"status": "sent"}, 7]});
    let changes = changes("messages", &statuses);
    let read: Vec<_> = changes
        .iter()
        .filter_map(|change| match &change.news {
            News::Status(status) => Some(status),
            _ => None,
        })
        .collect();
    let steps: Vec<_> = read.iter().map(|status| status.status).collect();
    assert_eq!(
        steps,
        [MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read, MessageStatus::Failed]
    );
    assert_eq!(read[0].tag.as_deref(), Some("msg_1"));
    assert_eq!(read[0].recipient.as_deref(), Some("16505551234"));
    assert_eq!(read[0].recipient_user_id.as_deref(), Some("US.1"));
    assert_eq!(read[0].pricing.as_ref().unwrap()["category"], "utility");
    assert_eq!(read[0].at, Timestamp::from_secs(1_750_030_073));
    assert_eq!(
        read[3].error,
        Some(StatusError {
            code: 131_047,
            title: Some("Re-engagement message".to_owned()),
            details: Some("More than 24 hours".to_owned())
        })
    );
    assert_eq!(changes.len(), 7, "nothing is dropped");

    let mut keys: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 7, "each is another thing");
}

#[test]
fn the_same_message_has_the_same_key_whatever_comes_with_it() {
    let message = json!({"from": "16505551234", "id": "wamid.a", "timestamp": "1", "type": "text", "text": {"body": "x"}});
    let alone = changes("messages", &json!({"messages": [message]}));
    let other = json!({"from": "16505551234", "id": "wamid.b", "timestamp": "1", "type": "order"});
    let batch = changes("messages", &json!({"contacts": [], "messages": [other, message]}));

    assert_eq!(alone[0].key, batch[1].key);
    assert_ne!(alone[0].key, batch[0].key);
}

#[test]
fn what_the_business_app_shares_is_read() {
    let text = |from: &str, to: &str, id: &str| {
        json!({"from": from, "to": to, "id": id, "timestamp": "1750000000", "type": "text",
            "text": {"body": "x"}, "history_context": {"status": "READ"}})
    };
    let (own, user) = ("15550783881", "16505551234");
    let echoes =
        changes("smb_message_echoes", &json!({"message_echoes": [text(own, user, "wamid.e")]}));
    let News::Echo(echo) = &echoes[0].news else { panic!("{echoes:?}") };
    assert_eq!(echo.from.as_deref(), Some(user));

    let history = json!({"history": [{"metadata": {"phase": 0, "chunk_order": 1, "progress": 55},
        "threads": [{"id": user, "messages": [text(own, user, "wamid.1"), text(user, own, "wamid.2"),
            {"from": user, "id": "wamid.3", "timestamp": "1", "type": "media_placeholder"}]}]}]});
    let past: Vec<_> = changes("history", &history)
        .into_iter()
        .map(|change| match change.news {
            News::Past(item) => {
                (item.incoming.wamid, item.incoming.from, item.from_me, item.status)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = |wamid: &str, from_me, status: Option<&str>| {
        (wamid.to_owned(), Some(user.to_owned()), from_me, status.map(str::to_owned))
    };
    assert_eq!(
        past,
        [
            expected("wamid.1", true, Some("READ")),
            expected("wamid.2", false, Some("READ")),
            expected("wamid.3", false, None)
        ]
    );
    // The media follow, and are another thing than their place.
    let image = json!({"from": user, "id": "wamid.3", "timestamp": "1", "type": "image", "image": {"id": "10"}});
    let media = changes("history", &json!({"messages": [image]}));
    let News::Past(item) = &media[0].news else { panic!("{media:?}") };
    assert!(matches!(item.incoming.kind, IncomingKind::Media { .. }) && !item.from_me);
    assert_ne!(media[0].key, changes("history", &history)[2].key);

    let declined =
        json!({"history": [{"errors": [{"code": 2_593_109, "title": "History not shared"}]}]});
    assert_eq!(changes("history", &declined)[0].news, News::HistoryDeclined);

    let contacts = json!({"state_sync": [
        {"type": "contact", "contact": {"full_name": "Ana Sá", "first_name": "Ana", "phone_number": "+16505551234"},
            "action": "add", "metadata": {"timestamp": "1750000000"}},
        {"type": "contact", "contact": {"phone_number": "16505551234"}, "action": "remove",
            "metadata": {"timestamp": "1750000001"}}]});
    let contacts = changes("smb_app_state_sync", &contacts);
    let contact = |name: Option<&str>, removed| {
        News::Contact(ContactChange {
            phone: user.to_owned(),
            name: name.map(str::to_owned),
            removed,
        })
    };
    assert_eq!(contacts[0].news, contact(Some("Ana Sá"), false));
    assert_eq!(contacts[1].news, contact(None, true));
    assert_eq!(contacts[1].at, Timestamp::from_secs(1_750_000_001));
}

#[test]
fn one_bad_apple_does_not_spoil_the_batch() {
    let body = json!({"object": "whatsapp_business_account", "entry": [
        7, {"id": 5}, {"id": WABA, "changes": "?"},
        {"id": WABA, "changes": [
            null, {"field": "messages"}, {"field": "messages", "value": 5},
            {"field": "messages", "value": {"errors": [{"code": 131_000, "title": "x"}]}},
            {"field": "messages", "value": {"messages": [null, {"type": "text"},
                {"id": "wamid.ok", "type": "text", "text": {"body": "here"}}]}},
            {"field": "future", "value": {"x": [1]}}]}]});

    let changes = parse(body.to_string().as_bytes()).unwrap();

    let others = changes.iter().filter(|change| matches!(change.news, News::Other { .. })).count();
    assert_eq!((changes.len(), others), (6, 5), "{changes:#?}");
    assert!(
        changes
            .iter()
            .any(|change| matches!(&change.news, News::Message(one) if one.wamid == "wamid.ok"))
    );
}

#[test]
fn a_batch_of_many_people_is_read_in_no_time() {
    let numbers: Vec<_> = (0..20_000).map(|number| (1_000_000 + number).to_string()).collect();
    let contacts: Vec<_> =
        numbers.iter().map(|n| json!({"profile": {"name": n}, "wa_id": n})).collect();
    let messages: Vec<_> = numbers
        .iter()
        .map(|n| json!({"from": n, "id": n, "timestamp": "1", "type": "text", "text": {"body": n}}))
        .collect();

    let started = std::time::Instant::now();
    let changes = changes("messages", &json!({"contacts": contacts, "messages": messages}));

    let is_named =
        |change: &Change| matches!(&change.news, News::Message(one) if one.name == one.from);
    assert!(changes.len() == 20_000 && changes.iter().all(is_named));
    // Looking for each among all would take minutes.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// JSON made of the words that Meta uses, in places where it does not.
fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "messages",
        "statuses",
        "contacts",
        "history",
        "threads",
        "errors",
        "state_sync",
        "contact",
        "message_echoes",
        "id",
        "from",
        "to",
        "type",
        "text",
        "body",
        "image",
        "audio",
        "voice",
        "reaction",
        "interactive",
        "button_reply",
        "nfm_reply",
        "edit",
        "message",
        "original_message_id",
        "system",
        "location",
        "latitude",
        "status",
        "sent",
        "failed",
        "timestamp",
        "code",
        "event",
        "waba_info",
        "restriction_info",
        "ban_info",
        "phone_number",
        "context",
        "metadata",
        "profile",
        "name",
        "wa_id",
        "DISABLED_UPDATE",
        "ACCOUNT_RESTRICTION",
        "PARTNER_REMOVED",
        "history_context",
        "1749416383",
        "US.1",
    ];
    let word = prop::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(word.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let secret = SecretString::from(SECRET);
        let header = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(!is_signed(&bytes, Some(&header), &secret));
        drop(parse(&bytes));
    }

    #[test]
    fn a_damaged_webhook_never_panics(cuts in prop::collection::vec((0..427_usize, any::<u8>()), 0..6)) {
        let mut raw = VECTOR.as_bytes().to_vec();
        for (at, byte) in cuts {
            raw[at] = byte;
        }
        drop(parse(&raw));
    }

    #[test]
    fn escapes_never_panic(text in "(\\\\|u|d|8|3|e|f|0|\"|x){0,40}") {
        let body = VECTOR.replace("caf", &text);
        drop(parse(body.as_bytes()));
    }

    #[test]
    fn whatever_stands_in_a_change_is_news(value in any_json(), field in 0..8_usize) {
        const FIELDS: [&str; 8] = ["messages", "history", "smb_message_echoes", "smb_app_state_sync",
            "account_update", "phone_number_quality_update", "account_alerts", "?"];
        let body = json!({"object": "whatsapp_business_account", "entry": [
            {"id": WABA, "time": 1, "changes": [{"field": FIELDS[field], "value": value}]}]});
        let changes = parse(body.to_string().as_bytes()).unwrap();
        prop_assert!(!changes.is_empty());
        for change in changes {
            prop_assert_eq!(change.key.len(), 64);
        }
    }
}
