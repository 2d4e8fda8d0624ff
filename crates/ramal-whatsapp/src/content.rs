//! What an inbound message says, in our vocabulary.

use ramal_store::RemoteMedia;
use wacore::{download::Downloadable, proto_helpers::MessageExt as _};
use whatsapp_rust::waproto::{
    buffa::MessageField,
    whatsapp::{self as wa, message::protocol_message::Type as ProtocolType},
};

/// A message, as far as customers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// A name of contract E.3, or `unknown`.
    pub(crate) kind: &'static str,
    /// Text, caption, emoji, the name of a place or of people. Never empty.
    pub(crate) text: Option<String>,
    /// The media in it, with what WhatsApp needs to give them.
    pub(crate) media: Option<Part>,
    /// WhatsApp's id of the message that it answers or that it is a reaction to.
    pub(crate) quoted: Option<String>,
}

/// Media in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) remote: RemoteMedia,
    pub(crate) mime: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) file_name: Option<String>,
}

/// What an author does to an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amendment {
    /// WhatsApp's id of that message.
    pub(crate) of: String,
    /// What it says now; `None` when it is deleted for everybody.
    pub(crate) now: Option<Content>,
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
    let quoted = quoted(message);
    let found = text(message).or_else(|| media(message)).or_else(|| other(message));
    let (kind, text, media) = match found {
        Some(found) => found,
        None if is_bare(message) => return None,
        None => ("unknown", None, None),
    };
    let text = text.filter(|text| !text.is_empty());
    Some(Content { kind, text, media, quoted })
}

/// Reads what an author does to an earlier message, if that is what a message is.
pub(crate) fn amendment(message: &wa::Message) -> Option<Amendment> {
    let protocol = unwrap(message).protocol_message.as_option()?;
    let of = protocol.key.as_option()?.id.clone().filter(|id| !id.is_empty())?;
    let kind = protocol.r#type?;
    if kind == ProtocolType::REVOKE {
        return Some(Amendment { of, now: None });
    }
    let now = protocol.edited_message.as_option().filter(|_| kind == ProtocolType::MESSAGE_EDIT)?;
    Some(Amendment { of, now: Some(read(now)?) })
}

type Found = Option<(&'static str, Option<String>, Option<Part>)>;

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

fn text(message: &wa::Message) -> Found {
    if let Some(text) = message.conversation.as_deref()
        && !text.is_empty()
    {
        return Some(("text", Some(text.to_owned()), None));
    }
    let extended = message.extended_text_message.as_option()?;
    Some(("text", extended.text.clone(), None))
}

fn media(message: &wa::Message) -> Found {
    let kept = |kind, caption: Option<&String>, part| Some((kind, caption.cloned(), part));
    if let Some(image) = message.image_message.as_option() {
        return kept(
            "image",
            image.caption.as_ref(),
            part("image", image, image.mimetype.as_ref(), image.caption.as_ref()),
        );
    }
    if let Some(video) = message.video_message.as_option() {
        return kept(
            "video",
            video.caption.as_ref(),
            part("video", video, video.mimetype.as_ref(), video.caption.as_ref()),
        );
    }
    if let Some(video) = message.ptv_message.as_option() {
        return kept("video", None, part("video", video, video.mimetype.as_ref(), None));
    }
    if let Some(audio) = message.audio_message.as_option() {
        return kept("audio", None, part("audio", audio, audio.mimetype.as_ref(), None));
    }
    if let Some(document) = message.document_message.as_option() {
        let part =
            part("document", document, document.mimetype.as_ref(), document.caption.as_ref());
        let file_name = document.file_name.clone().or_else(|| document.title.clone());
        let part = part.map(|part| Part { file_name, ..part });
        return kept("document", document.caption.as_ref(), part);
    }
    if let Some(sticker) = message.sticker_message.as_option() {
        return kept("sticker", None, part("sticker", sticker, sticker.mimetype.as_ref(), None));
    }
    None
}

/// What is needed to fetch media; `None` if the sender has left it out.
fn part(
    kind: &str,
    media: &dyn Downloadable,
    mime: Option<&String>,
    caption: Option<&String>,
) -> Option<Part> {
    let written = |bytes: Option<&[u8]>| bytes.map(hex::encode).unwrap_or_default();
    let remote = RemoteMedia {
        kind: kind.to_owned(),
        path: media.direct_path().filter(|path| path.starts_with('/'))?.to_owned(),
        key: written(media.media_key()),
        sha256: written(media.file_sha256()),
        enc_sha256: written(media.file_enc_sha256()),
        length: media.file_length().unwrap_or_default(),
    };
    let (mime, caption) = (mime.cloned(), caption.cloned().filter(|text| !text.is_empty()));
    Some(Part { remote, mime, caption, file_name: None })
}

fn other(message: &wa::Message) -> Found {
    let said = |kind, text: Option<String>| Some((kind, text, None));
    if let Some(location) = message.location_message.as_option() {
        let named = location.name.clone().or_else(|| location.address.clone());
        let named = named.filter(|name| !name.is_empty());
        let text = named.or_else(|| {
            Some(format!("{},{}", location.degrees_latitude?, location.degrees_longitude?))
        });
        return said("location", text);
    }
    if let Some(location) = message.live_location_message.as_option() {
        return said("location", location.caption.clone());
    }
    if let Some(contact) = message.contact_message.as_option() {
        return said("contacts", contact.display_name.clone());
    }
    if let Some(contacts) = message.contacts_array_message.as_option() {
        return said("contacts", contacts.display_name.clone());
    }
    // An empty emoji takes a reaction back: the customer is told, without content.
    let reaction = message.reaction_message.as_option()?;
    said("reaction", reaction.text.clone())
}

/// WhatsApp's id of the message that this one answers, or reacts to.
fn quoted(message: &wa::Message) -> Option<String> {
    let stanza = |context: &MessageField<wa::ContextInfo>| context.as_option()?.stanza_id.clone();
    macro_rules! of {
        ($($field:ident),*) => {
            None$(.or_else(|| stanza(&message.$field.as_option()?.context_info)))*
        };
    }
    let answered: Option<String> = of!(
        extended_text_message,
        image_message,
        video_message,
        ptv_message,
        audio_message,
        document_message,
        sticker_message,
        location_message,
        live_location_message,
        contact_message,
        contacts_array_message
    );
    let reacted = || message.reaction_message.as_option()?.key.as_option()?.id.clone();
    answered.or_else(reacted).filter(|id| !id.is_empty())
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
