//! What a phone's user sees of a message's plaintext.

use buffa::{Message as _, MessageField};
use wacore::download::Downloadable;
use waproto::whatsapp::{self as wa, message, message::protocol_message::Type as Protocol};

use super::details::{Contact, Details, Location, Media, MediaState, Quoted};
use crate::{media::Attachment, number::PhoneNumber};

/// Messages are wrapped in one another, but never deeply.
const MAX_WRAPPINGS: usize = 8;

/// What a phone's user sees of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) details: Details,
    /// What has to be fetched from the media host.
    pub(crate) attachment: Option<Attachment>,
    /// The message itself, as it was encoded.
    pub(crate) body: Vec<u8>,
    /// Set on copies of what another device of the own account sent.
    pub(crate) sent_to: Option<PhoneNumber>,
    pub(crate) asks_for_app_state_key: bool,
}

impl Content {
    /// Reads a decrypted message; `None` when the bytes are no message.
    pub(crate) fn decode(plain: &[u8]) -> Option<Self> {
        let outer = wa::Message::decode_from_slice(plain).ok()?;
        let copy = outer.device_sent_message.as_option();
        let sent_to = copy
            .and_then(|copy| copy.destination_jid.as_deref())
            .and_then(|jid| jid.parse().ok())
            .and_then(|jid| PhoneNumber::of_jid(&jid));
        let inner = copy.and_then(|copy| copy.message.as_option()).unwrap_or(&outer);
        Some(Self { sent_to, ..Self::of(inner) })
    }

    /// Reads a message as its writer has it.
    pub(crate) fn of(message: &wa::Message) -> Self {
        let asks_for_app_state_key = message
            .protocol_message
            .as_option()
            .is_some_and(|protocol| protocol.app_state_sync_key_request.as_option().is_some());
        let Reading { kind, text, details, attachment } = read(unwrapped(message));
        let body = message.encode_to_vec();
        Self { kind, text, details, attachment, body, sent_to: None, asks_for_app_state_key }
    }
}

/// Takes off what only says how a message is to be shown.
fn unwrapped(mut message: &wa::Message) -> &wa::Message {
    for _ in 0..MAX_WRAPPINGS {
        let wrappings = [
            &message.ephemeral_message,
            &message.view_once_message,
            &message.view_once_message_v2,
            &message.view_once_message_v2_extension,
            &message.document_with_caption_message,
            &message.edited_message,
            &message.group_mentioned_message,
            &message.lottie_sticker_message,
            &message.associated_child_message,
        ];
        let inside = |wrapping: &&MessageField<message::FutureProofMessage>| {
            wrapping.as_option().is_some_and(|wrapping| wrapping.message.is_set())
        };
        let Some(wrapping) = wrappings.into_iter().find(inside) else { return message };
        let Some(inner) = wrapping.as_option().and_then(|outer| outer.message.as_option()) else {
            return message;
        };
        message = inner;
    }
    message
}

struct Reading {
    kind: &'static str,
    text: String,
    details: Details,
    attachment: Option<Attachment>,
}

impl Reading {
    fn new(kind: &'static str, text: Option<&str>) -> Self {
        let text = text.unwrap_or_default().to_owned();
        Self { kind, text, details: Details::default(), attachment: None }
    }

    fn answering(mut self, context: &MessageField<wa::ContextInfo>) -> Self {
        self.details.quoted = context.as_option().and_then(quoted);
        self
    }

    fn aimed_at(mut self, key: &MessageField<wa::MessageKey>) -> Self {
        self.details.target = key.as_option().and_then(|key| key.id.clone());
        self
    }

    fn with(mut self, media: &dyn Downloadable, shown: Media) -> Self {
        self.details.media = Some(Media {
            size: media.file_length(),
            sha256: hex::encode(media.file_sha256().unwrap_or_default()),
            direct_path: media.direct_path().unwrap_or_default().to_owned(),
            ..shown
        });
        self.attachment = Some(Attachment::of(media));
        self
    }

    fn offering(mut self, choices: impl IntoIterator<Item = Option<String>>) -> Self {
        self.details.choices = choices.into_iter().flatten().collect();
        self
    }
}

fn shown(mime: Option<&String>) -> Media {
    Media {
        mime: mime.cloned(),
        file_name: None,
        size: None,
        seconds: None,
        sha256: String::new(),
        direct_path: String::new(),
        state: MediaState::Pending,
        error: None,
    }
}

fn quoted(context: &wa::ContextInfo) -> Option<Quoted> {
    let id = context.stanza_id.clone()?;
    let from = context.participant.as_deref().and_then(|jid| jid.parse().ok());
    let from = from.and_then(|jid| PhoneNumber::of_jid(&jid));
    let (kind, text) = match context.quoted_message.as_option() {
        Some(message) => {
            let Reading { kind, text, .. } = read(unwrapped(message));
            (kind, text)
        }
        None => ("other", String::new()),
    };
    Some(Quoted { id, from, kind: kind.to_owned(), text })
}

fn read(message: &wa::Message) -> Reading {
    written(message)
        .or_else(|| attached(message))
        .or_else(|| placed(message))
        .or_else(|| interactive(message))
        .or_else(|| chosen(message))
        .or_else(|| about_another(message))
        .unwrap_or_else(|| Reading::new("other", None))
}

fn written(message: &wa::Message) -> Option<Reading> {
    if let Some(text) = &message.conversation {
        return Some(Reading::new("text", Some(text)));
    }
    let extended = message.extended_text_message.as_option()?;
    Some(Reading::new("text", extended.text.as_deref()).answering(&extended.context_info))
}

fn attached(message: &wa::Message) -> Option<Reading> {
    if let Some(image) = message.image_message.as_option() {
        let reading = Reading::new("image", image.caption.as_deref());
        return Some(
            reading.answering(&image.context_info).with(image, shown(image.mimetype.as_ref())),
        );
    }
    let videos = [(&message.video_message, "video"), (&message.ptv_message, "ptv")];
    for (video, kind) in videos {
        if let Some(video) = video.as_option() {
            let media = Media { seconds: video.seconds, ..shown(video.mimetype.as_ref()) };
            let reading = Reading::new(kind, video.caption.as_deref());
            return Some(reading.answering(&video.context_info).with(video, media));
        }
    }
    if let Some(audio) = message.audio_message.as_option() {
        let kind = if audio.ptt == Some(true) { "voice" } else { "audio" };
        let media = Media { seconds: audio.seconds, ..shown(audio.mimetype.as_ref()) };
        return Some(Reading::new(kind, None).answering(&audio.context_info).with(audio, media));
    }
    if let Some(document) = message.document_message.as_option() {
        let file_name = document.file_name.clone().or_else(|| document.title.clone());
        let media = Media { file_name, ..shown(document.mimetype.as_ref()) };
        let reading = Reading::new("document", document.caption.as_deref());
        return Some(reading.answering(&document.context_info).with(document, media));
    }
    let sticker = message.sticker_message.as_option()?;
    let media = shown(sticker.mimetype.as_ref());
    Some(Reading::new("sticker", None).answering(&sticker.context_info).with(sticker, media))
}

fn placed(message: &wa::Message) -> Option<Reading> {
    if let Some(place) = message.location_message.as_option() {
        let mut reading = Reading::new("location", place.comment.as_deref());
        reading.details.location = Some(Location {
            latitude: place.degrees_latitude.unwrap_or_default(),
            longitude: place.degrees_longitude.unwrap_or_default(),
            name: place.name.clone(),
            address: place.address.clone(),
        });
        return Some(reading.answering(&place.context_info));
    }
    if let Some(place) = message.live_location_message.as_option() {
        let mut reading = Reading::new("location", place.caption.as_deref());
        reading.details.location = Some(Location {
            latitude: place.degrees_latitude.unwrap_or_default(),
            longitude: place.degrees_longitude.unwrap_or_default(),
            name: None,
            address: None,
        });
        return Some(reading.answering(&place.context_info));
    }
    if let Some(contact) = message.contact_message.as_option() {
        let mut reading = Reading::new("contacts", contact.display_name.as_deref());
        reading.details.contacts = vec![card(contact)];
        return Some(reading.answering(&contact.context_info));
    }
    let contacts = message.contacts_array_message.as_option()?;
    let mut reading = Reading::new("contacts", contacts.display_name.as_deref());
    reading.details.contacts = contacts.contacts.iter().map(card).collect();
    Some(reading.answering(&contacts.context_info))
}

fn card(contact: &message::ContactMessage) -> Contact {
    Contact {
        name: contact.display_name.clone().unwrap_or_default(),
        vcard: contact.vcard.clone().unwrap_or_default(),
    }
}

fn interactive(message: &wa::Message) -> Option<Reading> {
    if let Some(buttons) = message.buttons_message.as_option() {
        let labels = buttons.buttons.iter().map(|button| {
            button.button_text.as_option().and_then(|text| text.display_text.clone())
        });
        let reading = Reading::new("buttons", buttons.content_text.as_deref());
        return Some(reading.offering(labels).answering(&buttons.context_info));
    }
    if let Some(list) = message.list_message.as_option() {
        let rows = list.sections.iter().flat_map(|section| &section.rows);
        let text = list.description.as_deref().or(list.title.as_deref());
        let reading = Reading::new("list", text).offering(rows.map(|row| row.title.clone()));
        return Some(reading.answering(&list.context_info));
    }
    if let Some(template) = message.template_message.as_option() {
        let hydrated = template.hydrated_template.as_option();
        let text = hydrated.and_then(|hydrated| hydrated.hydrated_content_text.as_deref());
        return Some(Reading::new("template", text).answering(&template.context_info));
    }
    if let Some(flow) = message.interactive_message.as_option() {
        let text = flow.body.as_option().and_then(|body| body.text.as_deref());
        return Some(Reading::new("interactive", text).answering(&flow.context_info));
    }
    if let Some(event) = message.event_message.as_option() {
        return Some(Reading::new("event", event.name.as_deref()).answering(&event.context_info));
    }
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
    ];
    let poll = polls.into_iter().find_map(|poll| poll.as_option())?;
    let options = poll.options.iter().map(|option| option.option_name.clone());
    let reading = Reading::new("poll", poll.name.as_deref()).offering(options);
    Some(reading.answering(&poll.context_info))
}

/// Answers to what [`interactive`] reads.
fn chosen(message: &wa::Message) -> Option<Reading> {
    if let Some(button) = message.buttons_response_message.as_option() {
        let reading = Reading::new("buttonsResponse", button.selected_button_id.as_deref());
        return Some(reading.answering(&button.context_info));
    }
    if let Some(row) = message.list_response_message.as_option() {
        let reading = Reading::new("listResponse", row.title.as_deref());
        return Some(reading.answering(&row.context_info));
    }
    if let Some(button) = message.template_button_reply_message.as_option() {
        let reading = Reading::new("templateReply", button.selected_display_text.as_deref());
        return Some(reading.answering(&button.context_info));
    }
    let vote = message.poll_update_message.as_option()?;
    Some(Reading::new("vote", None).aimed_at(&vote.poll_creation_message_key))
}

fn about_another(message: &wa::Message) -> Option<Reading> {
    if let Some(reaction) = message.reaction_message.as_option() {
        return Some(Reading::new("reaction", reaction.text.as_deref()).aimed_at(&reaction.key));
    }
    if let Some(pin) = message.pin_in_chat_message.as_option() {
        return Some(Reading::new("pin", None).aimed_at(&pin.key));
    }
    let protocol = message.protocol_message.as_option()?;
    let reading = if protocol.r#type == Some(Protocol::MESSAGE_EDIT) {
        let edited = protocol.edited_message.as_option();
        let text = edited.map(|edited| read(unwrapped(edited)).text);
        Reading::new("edit", text.as_deref()).aimed_at(&protocol.key)
    } else if protocol.r#type == Some(Protocol::REVOKE) {
        Reading::new("revoke", None).aimed_at(&protocol.key)
    } else {
        Reading::new("protocol", None)
    };
    Some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{device_sent, text};

    #[test]
    fn a_copy_names_its_chat() {
        let to = PhoneNumber::parse("5511999990000").unwrap();
        let plain = device_sent(&to.pn_jid(0), text("hello")).encode_to_vec();
        let content = Content::decode(&plain).unwrap();
        assert_eq!((content.kind, content.text.as_str()), ("text", "hello"));
        assert_eq!(content.sent_to, Some(to));
        assert_eq!(content.body, text("hello").encode_to_vec());
    }

    #[test]
    fn wrappings_are_taken_off() {
        let wrap = |message| message::FutureProofMessage { message: MessageField::some(message) };
        let once = wa::Message {
            view_once_message_v2: MessageField::some(wrap(text("inside"))),
            ..Default::default()
        };
        let twice =
            wa::Message { ephemeral_message: MessageField::some(wrap(once)), ..Default::default() };
        assert_eq!(Content::of(&twice).text, "inside");
    }
}
