//! What an inbound message says, in our vocabulary.

use wacore::proto_helpers::MessageExt as _;
use whatsapp_rust::waproto::{buffa::MessageField, whatsapp as wa};

/// A message, as far as customers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// A name of contract E.3, or `unknown`.
    pub(crate) kind: &'static str,
    /// Text, caption, emoji. Never empty.
    pub(crate) text: Option<String>,
}

/// Wrappers inside wrappers that are still looked into; real ones have two or three.
const MAX_DEPTH: usize = 8;

/// Reads a decrypted message. `None`: nothing that a person wrote, such as key shares, revocations,
/// edits and receipts of votes.
pub(crate) fn read(message: &wa::Message) -> Option<Content> {
    let message = unwrap(message);
    if message.protocol_message.is_set() {
        return None;
    }
    let found = text(message).or_else(|| media(message)).or_else(|| other(message));
    match found {
        Some((kind, text)) => {
            let text = text.filter(|text| !text.is_empty()).map(str::to_owned);
            Some(Content { kind, text })
        }
        None if is_bare(message) => None,
        None => Some(Content { kind: "unknown", text: None }),
    }
}

type Found<'a> = Option<(&'static str, Option<&'a str>)>;

/// Takes off what is wrapped around a message: disappearing, view once, sent by another device.
fn unwrap(message: &wa::Message) -> &wa::Message {
    let mut message = message;
    for _ in 0..MAX_DEPTH {
        // The library's helper knows one order of wrappers; peers may choose another.
        let inner = message.get_base_message();
        let inner = [
            &inner.group_mentioned_message,
            &inner.lottie_sticker_message,
            &inner.spoiler_message,
            &inner.question_message,
            &inner.bot_forwarded_message,
        ]
        .into_iter()
        .find_map(|wrapper| wrapper.as_option()?.message.as_option())
        .unwrap_or(inner);
        if std::ptr::eq(inner, message) {
            break;
        }
        message = inner;
    }
    message
}

fn text(message: &wa::Message) -> Found<'_> {
    if let Some(text) = message.conversation.as_deref()
        && !text.is_empty()
    {
        return Some(("text", Some(text)));
    }
    let extended = message.extended_text_message.as_option()?;
    Some(("text", extended.text.as_deref()))
}

fn media(message: &wa::Message) -> Found<'_> {
    if let Some(image) = message.image_message.as_option() {
        return Some(("image", image.caption.as_deref()));
    }
    if let Some(video) = message.video_message.as_option() {
        return Some(("video", video.caption.as_deref()));
    }
    if message.ptv_message.is_set() {
        return Some(("video", None));
    }
    if message.audio_message.is_set() {
        return Some(("audio", None));
    }
    if let Some(document) = message.document_message.as_option() {
        return Some(("document", document.caption.as_deref()));
    }
    if message.sticker_message.is_set() {
        return Some(("sticker", None));
    }
    None
}

fn other(message: &wa::Message) -> Found<'_> {
    if let Some(location) = message.location_message.as_option() {
        return Some(("location", location.name.as_deref().or(location.address.as_deref())));
    }
    if let Some(location) = message.live_location_message.as_option() {
        return Some(("location", location.caption.as_deref()));
    }
    if let Some(contact) = message.contact_message.as_option() {
        return Some(("contacts", contact.display_name.as_deref()));
    }
    if let Some(contacts) = message.contacts_array_message.as_option() {
        return Some(("contacts", contacts.display_name.as_deref()));
    }
    // An empty emoji takes a reaction back: the customer is told, without content.
    let reaction = message.reaction_message.as_option()?;
    Some(("reaction", reaction.text.as_deref()))
}

/// Whether a message is only an envelope: keys and context, or votes on an earlier message.
fn is_bare(message: &wa::Message) -> bool {
    let mut rest = message.clone();
    rest.conversation = None;
    rest.message_context_info = MessageField::none();
    rest.sender_key_distribution_message = MessageField::none();
    rest.fast_ratchet_key_sender_key_distribution_message = MessageField::none();
    rest.keep_in_chat_message = MessageField::none();
    rest.pin_in_chat_message = MessageField::none();
    rest.poll_update_message = MessageField::none();
    rest == wa::Message::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_proof(message: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
        MessageField::some(wa::message::FutureProofMessage { message: MessageField::some(message) })
    }

    fn plain(text: &str) -> wa::Message {
        wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
    }

    fn image(caption: Option<&str>) -> wa::Message {
        wa::Message {
            image_message: MessageField::some(wa::message::ImageMessage {
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
            extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
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
        let once = wa::Message {
            view_once_message_v2: future_proof(image(Some("x"))),
            ..Default::default()
        };
        let twice = wa::Message { ephemeral_message: future_proof(once), ..Default::default() };
        let thrice = wa::Message { view_once_message: future_proof(twice), ..Default::default() };
        check(&thrice, "image", Some("x"));
    }

    #[test]
    fn a_tower_of_wrappers_ends() {
        let mut message = plain("deep");
        for _ in 0..64 {
            message =
                wa::Message { ephemeral_message: future_proof(message), ..Default::default() };
        }
        assert_eq!(read(&message).map(|content| content.kind), Some("unknown"));
    }

    #[test]
    fn what_nobody_wrote_is_not_told() {
        let revocation = wa::Message {
            protocol_message: MessageField::some(wa::message::ProtocolMessage::default()),
            ..Default::default()
        };
        let keys = wa::Message {
            sender_key_distribution_message: MessageField::some(
                wa::message::SenderKeyDistributionMessage::default(),
            ),
            ..Default::default()
        };
        let edit =
            wa::Message { edited_message: future_proof(revocation.clone()), ..Default::default() };
        for message in [wa::Message::default(), plain(""), revocation, keys, edit] {
            assert_eq!(read(&message), None);
        }
    }

    #[test]
    fn what_we_do_not_know_is_told_as_unknown() {
        let poll = wa::Message {
            poll_creation_message: MessageField::some(wa::message::PollCreationMessage {
                name: Some("Which day?".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        check(&poll, "unknown", None);
    }

    #[test]
    fn a_withdrawn_reaction_has_no_content() {
        let reaction = |text: &str| wa::Message {
            reaction_message: MessageField::some(wa::message::ReactionMessage {
                text: Some(text.to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        check(&reaction("👍"), "reaction", Some("👍"));
        check(&reaction(""), "reaction", None);
    }
}
