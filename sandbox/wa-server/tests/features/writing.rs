//! All that phones and clients say to each other besides texts and attachments.

use serde_json::{Value, json};
use wa_server::{Addressing, WaServer};
use whatsapp_rust::{
    RevokeType,
    buffa::MessageField,
    prelude::Jid,
    waproto::whatsapp::{self as wa, message, message::protocol_message::Type as Protocol},
};

use super::media::{bytes, fetched};
use crate::{
    ALICE, BOB,
    support::{Phone, control, created, jid, number, seen, server, text},
};

const CAROL: &str = "5511900000003";

async fn says(server: &WaServer, what: Value) -> String {
    let sent = created(server, &format!("/phones/{BOB}/messages"), what).await;
    sent["id"].as_str().unwrap().to_owned()
}

fn key(message: &wa::MessageKey) -> (Option<&str>, Option<bool>) {
    (message.id.as_deref(), message.from_me)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_answers_reacts_edits_and_deletes() {
    let server = server().await;
    let bob = number(BOB);
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let question = phone.client.send_message(jid(&bob), text("how are you?")).await.unwrap();
    let question = question.message_id;
    seen(&server, &bob, "the question", |message| message["id"] == question).await;

    let answer = says(&server, json!({ "to": ALICE, "text": "well", "quote": question })).await;
    let context = phone
        .message("the answer", |message, _| {
            let extended = message.extended_text_message.as_option()?;
            assert_eq!(extended.text.as_deref(), Some("well"));
            extended.context_info.as_option().cloned()
        })
        .await;
    assert_eq!(context.stanza_id, Some(question.clone()));
    let quoted = context.quoted_message.as_option().unwrap();
    assert_eq!(quoted.conversation.as_deref(), Some("how are you?"));
    let author: Jid = context.participant.unwrap().parse().unwrap();
    assert_eq!(author.server.as_str(), "lid");

    for emoji in ["👍", ""] {
        let reaction = json!({ "to": question, "emoji": emoji });
        says(&server, json!({ "to": ALICE, "reaction": reaction })).await;
        let reaction = phone
            .message("the reaction", |message, _| message.reaction_message.as_option().cloned())
            .await;
        assert_eq!(reaction.text.as_deref(), Some(emoji));
        assert_eq!(key(reaction.key.as_option().unwrap()), (Some(question.as_str()), Some(false)));
    }

    says(&server, json!({ "to": ALICE, "edit": { "of": answer, "text": "very well" } })).await;
    let edit =
        phone.message("the edit", |message, _| message.protocol_message.as_option().cloned()).await;
    assert_eq!(edit.r#type, Some(Protocol::MESSAGE_EDIT));
    assert_eq!(key(edit.key.as_option().unwrap()), (Some(answer.as_str()), Some(true)));
    let edited = edit.edited_message.as_option().unwrap();
    assert_eq!(edited.conversation.as_deref(), Some("very well"));

    says(&server, json!({ "to": ALICE, "delete": answer })).await;
    let deletion = phone
        .message("the deletion", |message, _| message.protocol_message.as_option().cloned())
        .await;
    assert_eq!(deletion.r#type, Some(Protocol::REVOKE));
    assert_eq!(key(deletion.key.as_option().unwrap()).0, Some(answer.as_str()));

    let own = seen(&server, &bob, "the answer", |message| message["id"] == answer).await;
    assert_eq!((&own["edited"], &own["revoked"]), (&json!("very well"), &json!(true)));
    assert_eq!(own["quoted"]["text"], "how are you?");
    for what in [json!({ "delete": question }), json!({ "quote": "none", "text": "x" })] {
        let mut body = what;
        body["to"] = json!(ALICE);
        let path = format!("/phones/{BOB}/messages");
        let (status, answer) = control(&server, "POST", &path, Some(body)).await;
        assert_eq!((status.as_u16(), &answer["code"]), (404, &json!("UNKNOWN_MESSAGE")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_sends_places_and_contacts() {
    let server = server().await;
    let mut phone = Phone::linked(&server, &number(ALICE)).await;
    let place = json!({ "latitude": -23.5, "longitude": -46.6, "name": "Sé", "address": "Praça" });
    says(&server, json!({ "to": ALICE, "location": place })).await;
    let location = phone
        .message("the place", |message, _| message.location_message.as_option().cloned())
        .await;
    assert_eq!(location.degrees_latitude, Some(-23.5));
    assert_eq!(location.name.as_deref(), Some("Sé"));

    let one = json!([{ "name": "Ana" }]);
    says(&server, json!({ "to": ALICE, "contacts": one })).await;
    let contact = phone
        .message("the contact", |message, _| message.contact_message.as_option().cloned())
        .await;
    assert!(contact.vcard.unwrap().contains("FN:Ana"));
    let two = json!([{ "name": "Ana" }, { "name": "Rui", "vcard": "BEGIN:VCARD" }]);
    says(&server, json!({ "to": ALICE, "contacts": two })).await;
    let contacts = phone
        .message("the contacts", |message, _| message.contacts_array_message.as_option().cloned())
        .await;
    assert_eq!(contacts.contacts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_on_the_phone_reaches_its_companion() {
    let server = server().await;
    let (alice, bob) = (number(ALICE), number(BOB));
    let mut phone = Phone::linked(&server, &alice).await;
    let path = format!("/phones/{ALICE}/messages");
    created(&server, &path, json!({ "to": BOB, "text": "typed" })).await;
    let source = phone.text("typed").await.source.clone();
    assert!(source.is_from_me);
    assert_eq!(source.chat, jid(&bob));

    let image = json!({ "size": 3_000, "seed": 1, "caption": "seen" });
    created(&server, &path, json!({ "to": BOB, "image": image })).await;
    let (image, own) = phone
        .message("the image", |message, info| {
            Some((message.image_message.as_option()?.clone(), info.source.is_from_me))
        })
        .await;
    assert!(own);
    assert_eq!(phone.client.download(&image).await.unwrap().len(), 3_000);

    let group = server.create_group(&alice, "Two", &[bob], Addressing::Lid).unwrap();
    created(&server, &path, json!({ "to": group.id, "text": "to all" })).await;
    let source = phone.text("to all").await.source.clone();
    assert!(source.is_group && source.is_from_me);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused() {
    let server = server().await;
    let path = format!("/phones/{BOB}/messages");
    for body in [
        json!({ "to": ALICE }),
        json!({ "text": "x" }),
        json!({ "to": ALICE, "text": "x", "delete": "y" }),
        json!({ "to": ALICE, "text": "x", "other": 1 }),
        json!({ "to": ALICE, "image": {} }),
        json!({ "to": ALICE, "image": { "data": "AA==", "size": 3 } }),
        json!({ "to": ALICE, "image": { "data": "?" } }),
    ] {
        let (status, answer) = control(&server, "POST", &path, Some(body.clone())).await;
        assert_eq!((status.as_u16(), &answer["code"]), (400, &json!("INVALID_BODY")), "{body}");
    }
}

/// What Bob's phone shows of a message of Alice's client.
async fn shown(server: &WaServer, phone: &Phone, message: wa::Message) -> Value {
    let sent = phone.client.send_message(jid(&number(BOB)), message).await.unwrap();
    seen(server, &number(BOB), "the message", |seen| seen["id"] == sent.message_id).await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one message of each kind")]
async fn a_phone_shows_whatever_a_client_sends() {
    let server = server().await;
    let bob = number(BOB);
    let phone = Phone::linked(&server, &number(ALICE)).await;
    let place = message::LocationMessage {
        degrees_latitude: Some(1.5),
        degrees_longitude: Some(2.5),
        name: Some("here".to_owned()),
        ..Default::default()
    };
    let place = wa::Message { location_message: MessageField::some(place), ..Default::default() };
    let place = shown(&server, &phone, place).await;
    assert_eq!(place["type"], "location");
    assert_eq!(place["location"], json!({ "latitude": 1.5, "longitude": 2.5, "name": "here" }));

    let card = message::ContactMessage {
        display_name: Some("Ana".to_owned()),
        vcard: Some("BEGIN:VCARD".to_owned()),
        ..Default::default()
    };
    let card = wa::Message { contact_message: MessageField::some(card), ..Default::default() };
    let card = shown(&server, &phone, card).await;
    assert_eq!(card["contacts"], json!([{ "name": "Ana", "vcard": "BEGIN:VCARD" }]));

    let button = message::buttons_message::Button {
        button_text: MessageField::some(message::buttons_message::button::ButtonText {
            display_text: Some("Yes".to_owned()),
        }),
        ..Default::default()
    };
    let buttons = message::ButtonsMessage {
        content_text: Some("Agreed?".to_owned()),
        buttons: vec![button],
        ..Default::default()
    };
    let buttons =
        wa::Message { buttons_message: MessageField::some(buttons), ..Default::default() };
    let buttons = shown(&server, &phone, buttons).await;
    assert_eq!((&buttons["type"], &buttons["text"]), (&json!("buttons"), &json!("Agreed?")));
    assert_eq!(buttons["choices"], json!(["Yes"]));

    let row = message::list_message::Row { title: Some("One".to_owned()), ..Default::default() };
    let section = message::list_message::Section { rows: vec![row], ..Default::default() };
    let list = message::ListMessage {
        description: Some("Choose".to_owned()),
        sections: vec![section],
        ..Default::default()
    };
    let list = wa::Message { list_message: MessageField::some(list), ..Default::default() };
    let list = shown(&server, &phone, list).await;
    assert_eq!((&list["type"], &list["choices"]), (&json!("list"), &json!(["One"])));

    let first = shown(&server, &phone, text("first")).await;
    let id = first["id"].as_str().unwrap();
    let context = wa::ContextInfo {
        stanza_id: Some(id.to_owned()),
        participant: Some(jid(&number(ALICE)).to_string()),
        quoted_message: MessageField::some(text("first")),
        ..Default::default()
    };
    let answer = message::ExtendedTextMessage {
        text: Some("second".to_owned()),
        context_info: MessageField::some(context),
        ..Default::default()
    };
    let answer =
        wa::Message { extended_text_message: MessageField::some(answer), ..Default::default() };
    let answer = shown(&server, &phone, answer).await;
    let from = format!("+{ALICE}");
    let quoted = json!({ "id": id, "from": from, "type": "text", "text": "first" });
    assert_eq!(answer["quoted"], quoted);

    let target = wa::MessageKey {
        remote_jid: Some(jid(&bob).to_string()),
        from_me: Some(true),
        id: Some(id.to_owned()),
        participant: None,
    };
    phone.client.send_reaction(jid(&bob), target, "👍").await.unwrap();
    phone.client.edit_message(jid(&bob), id, text("first, edited")).await.unwrap();
    phone.client.revoke_message(jid(&bob), id, RevokeType::Sender).await.unwrap();
    let first = seen(&server, &bob, "the deletion", |message| {
        message["id"] == id && message["revoked"] == true
    })
    .await;
    assert_eq!(first["edited"], "first, edited");
    assert_eq!(first["reactions"], json!({ from: "👍" }));
    for kind in ["reaction", "edit", "revoke"] {
        let news = seen(&server, &bob, kind, |message| message["type"] == kind).await;
        assert_eq!(news["target"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_see_everything_too() {
    let server = server().await;
    let (alice, bob, carol) = (number(ALICE), number(BOB), number(CAROL));
    let mut phone = Phone::linked(&server, &alice).await;
    let group = server.create_group(&bob, "All", &[alice, carol.clone()], Addressing::Lid).unwrap();
    let chat: Jid = group.id.parse().unwrap();

    let path = format!("/groups/{}/messages", group.id);
    let voice = json!({ "size": 2_000, "seed": 2, "seconds": 3 });
    let sent = created(&server, &path, json!({ "from": BOB, "voice": voice })).await;
    let id = sent["id"].as_str().unwrap();
    let audio =
        phone.message("the voice", |message, _| message.audio_message.as_option().cloned()).await;
    assert_eq!(phone.client.download(&audio).await.unwrap().len(), 2_000);
    assert_eq!(fetched(&server, &carol, id).await["media"]["state"], "ready");

    let reaction = json!({ "to": id, "emoji": "👍" });
    created(&server, &path, json!({ "from": CAROL, "reaction": reaction })).await;
    let reaction = phone
        .message("the reaction", |message, _| message.reaction_message.as_option().cloned())
        .await;
    let participant = reaction.key.as_option().unwrap().participant.clone().unwrap();
    assert_eq!(participant, format!("9{BOB:0>14}@lid"));
    created(&server, &path, json!({ "from": BOB, "text": "why", "quote": id })).await;
    phone
        .message("the answer", |message, _| {
            let extended = message.extended_text_message.as_option()?;
            (extended.context_info.stanza_id.as_deref() == Some(id)).then_some(())
        })
        .await;
    created(&server, &path, json!({ "from": BOB, "delete": id })).await;
    phone
        .message("the deletion", |message, _| message.protocol_message.as_option().map(|_| ()))
        .await;

    let options = whatsapp_rust::UploadOptions::default();
    let kind = whatsapp_rust::download::MediaType::Image;
    let upload = phone.client.upload(bytes(4_000), kind, options).await.unwrap();
    let sent = phone.client.send_message(chat.clone(), super::media::image(&upload)).await.unwrap();
    for member in [&bob, &carol] {
        let received = fetched(&server, member, &sent.message_id).await;
        assert_eq!(received["media"]["state"], "ready", "{received}");
        assert_eq!(received["chat"], group.id);
    }
    phone.client.edit_message(chat.clone(), &sent.message_id, text("new")).await.unwrap();
    phone.client.revoke_message(chat, &sent.message_id, RevokeType::Sender).await.unwrap();
    seen(&server, &carol, "the deletion", |message| {
        message["id"] == sent.message_id && message["revoked"] == true
    })
    .await;
}
