use whatsapp_rust::waproto::whatsapp::{
    AIRichResponseMessage, AIRichResponseSubMessage,
    message::{
        self, buttons_message, buttons_response_message, interactive_message,
        interactive_response_message, list_response_message, poll_creation_message,
        product_message, template_message,
    },
};

use super::*;

fn future_proof(message: wa::Message) -> MessageField<message::FutureProofMessage> {
    MessageField::some(message::FutureProofMessage { message: MessageField::some(message) })
}

fn plain(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

fn image(caption: Option<&str>) -> wa::Message {
    wa::Message {
        image_message: MessageField::some(message::ImageMessage {
            caption: caption.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[track_caller]
fn check(message: &wa::Message, kind: &str, text: Option<&str>) {
    let content = read(message).expect("something to tell");
    assert_eq!((content.kind, content.text.as_deref()), (kind, text));
}

#[test]
fn text_is_found_in_both_places() {
    check(&plain("olá"), "text", Some("olá"));
    let extended = wa::Message {
        extended_text_message: MessageField::some(message::ExtendedTextMessage {
            text: Some("see https://example.com".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    check(&extended, "text", Some("see https://example.com"));
}

#[test]
fn captions_are_content_and_empty_ones_are_none() {
    check(&image(Some("a cat")), "image", Some("a cat"));
    check(&image(Some("")), "image", None);
    check(&image(None), "image", None);
}

#[test]
fn wrappers_come_off_in_any_order() {
    let once =
        wa::Message { view_once_message_v2: future_proof(image(Some("x"))), ..Default::default() };
    let twice = wa::Message { ephemeral_message: future_proof(once), ..Default::default() };
    let thrice = wa::Message { view_once_message: future_proof(twice), ..Default::default() };
    check(&thrice, "image", Some("x"));
}

#[test]
fn a_tower_of_wrappers_ends() {
    let mut message = plain("deep");
    for _ in 0..64 {
        message = wa::Message { ephemeral_message: future_proof(message), ..Default::default() };
    }
    assert_eq!(read(&message).map(|content| content.kind), Some("unknown"));
}

#[test]
fn what_nobody_wrote_is_not_told() {
    let revocation = wa::Message {
        protocol_message: MessageField::some(message::ProtocolMessage::default()),
        ..Default::default()
    };
    let keys = wa::Message {
        sender_key_distribution_message: MessageField::some(
            message::SenderKeyDistributionMessage::default(),
        ),
        ..Default::default()
    };
    let edit =
        wa::Message { edited_message: future_proof(revocation.clone()), ..Default::default() };
    for message in [wa::Message::default(), plain(""), revocation, keys, edit] {
        assert_eq!(read(&message), None);
    }
}

/// A message with one field, and the name of that.
macro_rules! only {
    ($field:ident: $kind:ident { $($name:ident: $value:expr),* $(,)? }) => {{
        let inner = message::$kind { $($name: $value,)* ..Default::default() };
        let message = wa::Message { $field: MessageField::some(inner), ..Default::default() };
        (stringify!($field), message)
    }};
}

#[expect(clippy::unnecessary_wraps, reason = "all fields of messages are optional")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn field<T: Default>(value: T) -> MessageField<T> {
    MessageField::some(value)
}

type Sample = ((&'static str, wa::Message), &'static str, &'static str);

fn choices() -> Vec<Sample> {
    let response = buttons_response_message::Response::SelectedDisplayText("Yes".to_owned());
    let body = interactive_response_message::Body { text: some("Blue"), ..Default::default() };
    vec![
        (
            only!(buttons_response_message: ButtonsResponseMessage { response: Some(response) }),
            "text",
            "Yes",
        ),
        (
            only!(list_response_message: ListResponseMessage {
                title: some("Large"),
                description: some("40 cm"),
                single_select_reply: field(list_response_message::SingleSelectReply {
                    selected_row_id: some("row"),
                }),
            }),
            "text",
            "Large",
        ),
        (
            only!(template_button_reply_message: TemplateButtonReplyMessage {
                selected_id: some("id"),
                selected_display_text: some("Stop"),
            }),
            "text",
            "Stop",
        ),
        (
            only!(interactive_response_message: InteractiveResponseMessage { body: field(body) }),
            "text",
            "Blue",
        ),
        (
            only!(question_response_message: QuestionResponseMessage { text: some("Because") }),
            "text",
            "Because",
        ),
        (
            only!(status_question_answer_message: StatusQuestionAnswerMessage { text: some("Me") }),
            "text",
            "Me",
        ),
        (only!(status_quoted_message: StatusQuotedMessage { text: some("Wow") }), "text", "Wow"),
    ]
}

fn hydrated() -> message::TemplateMessage {
    let title =
        template_message::hydrated_four_row_template::Title::HydratedTitleText("A".to_owned());
    let rows = template_message::HydratedFourRowTemplate {
        title: Some(title),
        hydrated_content_text: some("B"),
        hydrated_footer_text: some("C"),
        ..Default::default()
    };
    message::TemplateMessage { hydrated_template: field(rows), ..Default::default() }
}

fn interactive(text: &str) -> message::InteractiveMessage {
    let body = interactive_message::Body { text: some(text) };
    message::InteractiveMessage { body: field(body), ..Default::default() }
}

fn of_businesses() -> Vec<Sample> {
    use interactive_message::InteractiveMessage as Kind;
    let rich = AIRichResponseSubMessage { message_text: some("Sure."), ..Default::default() };
    let carousel = interactive_message::CarouselMessage {
        cards: vec![interactive("B"), interactive("C")],
        ..Default::default()
    };
    let rich = wa::Message {
        rich_response_message: field(AIRichResponseMessage {
            submessages: vec![rich],
            ..Default::default()
        }),
        ..Default::default()
    };
    vec![
        (
            only!(template_message: TemplateMessage { hydrated_template: hydrated().hydrated_template }),
            "text",
            "A\nB\nC",
        ),
        (
            only!(interactive_message: InteractiveMessage {
                header: field(interactive_message::Header { title: some("A"), ..Default::default() }),
                body: interactive("body").body,
                footer: field(interactive_message::Footer { text: some(" "), ..Default::default() }),
                interactive_message: Some(Kind::CarouselMessage(Box::new(carousel))),
            }),
            "text",
            "A\nbody\nB\nC",
        ),
        (
            only!(buttons_message: ButtonsMessage {
                header: Some(buttons_message::Header::Text("A".to_owned())),
                content_text: some("B"),
                footer_text: some("C"),
            }),
            "text",
            "A\nB\nC",
        ),
        (
            only!(list_message: ListMessage {
                title: some("A"),
                description: some("B"),
                button_text: some("open"),
                footer_text: some("C"),
            }),
            "text",
            "A\nB\nC",
        ),
        (
            only!(highly_structured_message: HighlyStructuredMessage { hydrated_hsm: field(hydrated()) }),
            "text",
            "A\nB\nC",
        ),
        (("rich_response_message", rich), "text", "Sure."),
    ]
}

fn poll(name: &str) -> message::PollCreationMessage {
    let option = |name: &str| poll_creation_message::Option {
        option_name: some(name),
        ..Default::default()
    };
    message::PollCreationMessage {
        name: some(name),
        options: vec![option("Mon"), option("Tue")],
        ..Default::default()
    }
}

macro_rules! polls {
    ($($field:ident),*) => {
        vec![$({
            let message = wa::Message { $field: field(poll("When?")), ..Default::default() };
            ((stringify!($field), message), "unknown", "When?\nMon\nTue")
        }),*]
    };
}

fn of_groups() -> Vec<Sample> {
    let place = message::LocationMessage {
        name: some("MASP"),
        degrees_latitude: Some(-23.5),
        degrees_longitude: Some(-46.5),
        ..Default::default()
    };
    let added = poll_creation_message::Option { option_name: some("Wed"), ..Default::default() };
    let mut samples: Vec<Sample> = polls![
        poll_creation_message,
        poll_creation_message_v2,
        poll_creation_message_v3,
        poll_creation_message_v5,
        poll_creation_message_v6
    ];
    samples.extend([
        (only!(poll_add_option_message: PollAddOptionMessage { add_option: field(added) }), "unknown", "Wed"),
        (
            only!(event_message: EventMessage {
                name: some("Party"),
                description: some("Bring cake"),
                location: field(place),
                join_link: some("https://call.example.com"),
            }),
            "unknown",
            "Party\nBring cake\nMASP (-23.5, -46.5)\nhttps://call.example.com",
        ),
        (
            only!(event_invite_message: EventInviteMessage { event_title: some("A"), caption: some("B") }),
            "unknown",
            "A\nB",
        ),
        (
            only!(group_invite_message: GroupInviteMessage {
                group_name: some("Family"),
                caption: some("Join us"),
                invite_code: some("secret"),
            }),
            "unknown",
            "Family\nJoin us",
        ),
        (
            only!(newsletter_admin_invite_message: NewsletterAdminInviteMessage { newsletter_name: some("A") }),
            "unknown",
            "A",
        ),
        (
            only!(newsletter_follower_invite_message_v2: NewsletterFollowerInviteMessage {
                newsletter_name: some("A"),
                caption: some("B"),
            }),
            "unknown",
            "A\nB",
        ),
        (
            only!(scheduled_call_creation_message: ScheduledCallCreationMessage { title: some("A") }),
            "unknown",
            "A",
        ),
        (
            only!(sticker_pack_message: StickerPackMessage { name: some("Cats"), caption: some("B") }),
            "unknown",
            "Cats\nB",
        ),
    ]);
    samples
}

fn of_trade() -> Vec<Sample> {
    let product = product_message::ProductSnapshot {
        title: some("Cake"),
        description: some("Sweet"),
        ..Default::default()
    };
    vec![
        (
            only!(product_message: ProductMessage { product: field(product), body: some("For you") }),
            "unknown",
            "Cake\nSweet\nFor you",
        ),
        (
            only!(order_message: OrderMessage { order_title: some("Shop"), message: some("Two, please") }),
            "unknown",
            "Shop\nTwo, please",
        ),
        (
            only!(send_payment_message: SendPaymentMessage { note_message: field(plain("rent")) }),
            "unknown",
            "rent",
        ),
        (
            only!(request_payment_message: RequestPaymentMessage { note_message: field(plain("pizza")) }),
            "unknown",
            "pizza",
        ),
        (only!(invoice_message: InvoiceMessage { note: some("May") }), "unknown", "May"),
        (
            only!(payment_reminder_message: PaymentReminderMessage { description: some("due") }),
            "unknown",
            "due",
        ),
        (
            only!(split_payment_message: SplitPaymentMessage { description: some("dinner") }),
            "unknown",
            "dinner",
        ),
    ]
}

fn places_and_people() -> Vec<Sample> {
    let card = |name: &str, phone: &str| message::ContactMessage {
        display_name: some(name),
        vcard: Some(format!("BEGIN:VCARD\nFN:{name}\nTEL;waid={phone}:+{phone}\nEND:VCARD")),
        ..Default::default()
    };
    let several = vec![card("Ana", "5511999990004"), card("Bia", "5511999990005")];
    vec![
        (
            only!(location_message: LocationMessage {
                degrees_latitude: Some(-23.561),
                degrees_longitude: Some(-46.656),
                name: some("MASP"),
                address: some("Av. Paulista"),
            }),
            "location",
            "MASP (-23.561, -46.656)",
        ),
        (
            only!(live_location_message: LiveLocationMessage {
                degrees_latitude: Some(-23.5),
                degrees_longitude: Some(-46.5),
            }),
            "location",
            "-23.5,-46.5",
        ),
        (
            only!(contact_message: ContactMessage { vcard: card("Ana", "5511999990004").vcard }),
            "contacts",
            "+5511999990004",
        ),
        (
            only!(contacts_array_message: ContactsArrayMessage {
                display_name: some("2 contacts"),
                contacts: several,
            }),
            "contacts",
            "Ana (+5511999990004), Bia (+5511999990005)",
        ),
    ]
}

fn samples() -> Vec<Sample> {
    [choices(), of_businesses(), of_groups(), of_trade(), places_and_people()].concat()
}

#[test]
fn whatever_has_words_is_told_with_them() {
    for ((name, message), kind, text) in samples() {
        let content = read(&message).expect(name);
        assert_eq!((content.kind, content.text.as_deref()), (kind, Some(text)), "{name}");
    }
}

#[test]
fn a_place_without_degrees_is_only_named() {
    let (_, named) = only!(location_message: LocationMessage {
        name: some(""),
        address: some("Av. Paulista"),
        degrees_latitude: Some(f64::NAN),
    });
    check(&named, "location", Some("Av. Paulista"));
    let (_, live) = only!(live_location_message: LiveLocationMessage {
        caption: some("on my way"),
        degrees_latitude: Some(1.5),
        degrees_longitude: Some(2.5),
    });
    check(&live, "location", Some("on my way (1.5, 2.5)"));
    let (_, nowhere) = only!(location_message: LocationMessage { is_live: Some(true) });
    check(&nowhere, "location", None);
}

#[test]
fn what_we_do_not_know_is_told_as_unknown() {
    let (_, call) = only!(bcall_message: BCallMessage { session_id: some("1") });
    check(&call, "unknown", None);
    assert_eq!(read(&call), Some(Content::UNKNOWN));
}

#[test]
fn envelopes_are_not_told_whatever_is_in_them() {
    let key = || field(wa::MessageKey { id: some("A"), ..Default::default() });
    for (name, message) in [
        only!(album_message: AlbumMessage { expected_image_count: Some(2) }),
        only!(enc_reaction_message: EncReactionMessage { target_message_key: key() }),
        only!(secret_encrypted_message: SecretEncryptedMessage { target_message_key: key() }),
        only!(enc_event_response_message: EncEventResponseMessage {
            event_creation_message_key: key(),
        }),
        only!(poll_result_snapshot_message: PollResultSnapshotMessage { name: some("A") }),
        only!(call_log_messsage: CallLogMessage { is_video: Some(true) }),
        only!(poll_update_message: PollUpdateMessage { poll_creation_message_key: key() }),
    ] {
        assert!(ENVELOPES.contains(&name), "{name}");
        assert_eq!(read(&message), None, "{name}");
    }
}

#[test]
fn each_wrapper_comes_off() {
    let inner = || field(plain("x"));
    let (_, sent) = only!(device_sent_message: DeviceSentMessage { message: inner() });
    let (_, comment) = only!(comment_message: CommentMessage { message: inner() });
    let child =
        wa::Message { associated_child_message: future_proof(plain("x")), ..Default::default() };
    let poll = wa::Message { poll_creation_message: field(poll("When?")), ..Default::default() };
    let wrapped =
        wa::Message { poll_creation_message_v4: future_proof(poll), ..Default::default() };
    for message in [sent, comment, child] {
        check(&message, "text", Some("x"));
    }
    check(&wrapped, "unknown", Some("When?\nMon\nTue"));
}

/// A new version of the library may know more kinds: then this says which.
#[test]
fn every_kind_of_message_is_decided_upon() {
    /// Read elsewhere, and tested above.
    const READ: [&str; 10] = [
        "conversation",
        "extended_text_message",
        "image_message",
        "video_message",
        "ptv_message",
        "audio_message",
        "document_message",
        "sticker_message",
        "reaction_message",
        "protocol_message",
    ];
    /// Told, though they say nothing in words.
    const WORDLESS: [&str; 12] = [
        "bcall_message",
        "call",
        "cancel_payment_request_message",
        "chat",
        "conditional_reveal_message",
        "decline_payment_request_message",
        "enc_comment_message",
        "payment_invite_message",
        "request_phone_number_message",
        "scheduled_call_edit_message",
        "status_notification_message",
        "status_sticker_interaction_message",
    ];
    let shown = format!("{:#?}", wa::Message::default());
    let fields =
        shown.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let mut fields: Vec<&str> = fields.collect();
    let samples = samples();
    let worded = samples.iter().map(|((name, _), ..)| *name);
    let mut decided: Vec<&str> = worded.chain(READ).chain(WORDLESS).collect();
    decided.extend(WRAPPERS.iter().chain(ENVELOPES));
    fields.sort_unstable();
    decided.sort_unstable();

    assert_eq!(decided, fields);
}

#[test]
fn answers_name_what_they_answer_whatever_they_are() {
    let question = || field(wa::ContextInfo { stanza_id: some("Q"), ..Default::default() });
    for (name, message) in [
        only!(buttons_response_message: ButtonsResponseMessage { context_info: question() }),
        only!(list_response_message: ListResponseMessage { context_info: question() }),
        only!(template_button_reply_message: TemplateButtonReplyMessage { context_info: question() }),
        only!(interactive_response_message: InteractiveResponseMessage { context_info: question() }),
        only!(template_message: TemplateMessage { context_info: question() }),
        only!(poll_creation_message_v3: PollCreationMessage { context_info: question() }),
        only!(event_message: EventMessage { context_info: question() }),
    ] {
        let content = read(&message).expect(name);
        assert_eq!(content.quoted.as_deref(), Some("Q"), "{name}");
    }
}

#[test]
fn a_withdrawn_reaction_has_no_content() {
    let reaction = |text: &str| wa::Message {
        reaction_message: MessageField::some(message::ReactionMessage {
            text: Some(text.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    check(&reaction("👍"), "reaction", Some("👍"));
    check(&reaction(""), "reaction", None);
}
