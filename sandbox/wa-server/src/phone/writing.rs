//! What a phone's user writes, as plaintext.

use buffa::{Message as _, MessageField};
use serde::Deserialize;
use wacore::download::MediaType;
use wacore_binary::Jid;
use waproto::whatsapp::{self as wa, message, message::protocol_message::Type as Protocol};

use super::{
    content::{protocol, text},
    details::{Contact, Location},
};
use crate::{
    clock,
    media::{self, Sealed},
};

/// A kind of attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound file.
    Audio,
    /// A voice message.
    Voice,
    /// Any other file.
    Document,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    /// Whose keys encrypt it.
    pub(crate) fn media_type(self) -> MediaType {
        match self {
            Self::Image => MediaType::Image,
            Self::Video => MediaType::Video,
            Self::Audio | Self::Voice => MediaType::Audio,
            Self::Document => MediaType::Document,
            Self::Sticker => MediaType::Sticker,
        }
    }

    fn usual_mime(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg",
            Self::Video => "video/mp4",
            Self::Audio => "audio/mpeg",
            Self::Voice => "audio/ogg; codecs=opus",
            Self::Document => "application/octet-stream",
            Self::Sticker => "image/webp",
        }
    }
}

/// What a user says about an attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "`fileName` is what the control API calls it")]
pub struct File {
    /// Its bytes, as base64; else `size` is given.
    pub data: Option<String>,
    /// How many bytes to make up.
    pub size: Option<u64>,
    /// What to make them up from: the same seed gives the same bytes.
    pub seed: u64,
    /// Its media type; the usual one of its kind unless given.
    pub mime: Option<String>,
    /// The text below it.
    pub caption: Option<String>,
    /// Its name.
    pub file_name: Option<String>,
    /// How long it plays.
    pub seconds: Option<u32>,
}

/// Something to send, with its attachment in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Media { kind: MediaKind, file: File, sealed: Box<Sealed> },
    Location(Location),
    Contacts(Vec<Contact>),
    Reaction { to: String, emoji: String },
    Edit { of: String, text: String },
    Delete { id: String },
}

impl Piece {
    /// The message that this one is about.
    pub(crate) fn target(&self) -> Option<&str> {
        match self {
            Self::Reaction { to, .. } => Some(to),
            Self::Edit { of, .. } => Some(of),
            Self::Delete { id } => Some(id),
            Self::Text(_) | Self::Media { .. } | Self::Location(_) | Self::Contacts(_) => None,
        }
    }

    /// Whether only one's own messages can be its target.
    pub(crate) fn wants_own_target(&self) -> bool {
        matches!(self, Self::Edit { .. } | Self::Delete { .. })
    }
}

/// Another message that a new one answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) id: String,
    pub(crate) author: Jid,
    pub(crate) body: Vec<u8>,
}

impl Quote {
    fn context(&self) -> wa::ContextInfo {
        let quoted = wa::Message::decode_from_slice(&self.body).unwrap_or_default();
        wa::ContextInfo {
            stanza_id: Some(self.id.clone()),
            participant: Some(self.author.to_string()),
            quoted_message: MessageField::some(quoted),
            ..Default::default()
        }
    }
}

/// Writes a message. `key` names the message that it is about.
pub(crate) fn compose(
    piece: &Piece,
    key: Option<wa::MessageKey>,
    quote: Option<&Quote>,
) -> wa::Message {
    let context_info =
        quote.map(Quote::context).map_or_else(MessageField::none, MessageField::some);
    let key = key.map_or_else(MessageField::none, MessageField::some);
    match piece {
        Piece::Text(body) if quote.is_none() => text(body),
        Piece::Text(body) => wa::Message {
            extended_text_message: MessageField::some(message::ExtendedTextMessage {
                text: Some(body.clone()),
                context_info,
                ..Default::default()
            }),
            ..Default::default()
        },
        Piece::Media { kind, file, sealed } => attached(*kind, file, sealed, context_info),
        Piece::Location(place) => located(place, context_info),
        Piece::Contacts(contacts) => introduced(contacts, context_info),
        Piece::Reaction { emoji, .. } => wa::Message {
            reaction_message: MessageField::some(message::ReactionMessage {
                key,
                text: Some(emoji.clone()),
                sender_timestamp_ms: Some(clock::unix_millis()),
                ..Default::default()
            }),
            ..Default::default()
        },
        Piece::Edit { text: body, .. } => protocol(message::ProtocolMessage {
            key,
            r#type: Some(Protocol::MESSAGE_EDIT),
            edited_message: MessageField::some(text(body)),
            timestamp_ms: Some(clock::unix_millis()),
            ..Default::default()
        }),
        Piece::Delete { .. } => protocol(message::ProtocolMessage {
            key,
            r#type: Some(Protocol::REVOKE),
            ..Default::default()
        }),
    }
}

/// Writes the fields that all attachments have, for types that share no trait to write them.
macro_rules! attachment {
    ($kind:ident, $file:expr, $sealed:expr, $usual:expr, $context:expr, { $($more:tt)* }) => {
        message::$kind {
            url: Some(media::url(&$sealed.direct_path)),
            direct_path: Some($sealed.direct_path.clone()),
            mimetype: Some($file.mime.clone().unwrap_or_else(|| $usual.to_owned())),
            file_sha256: Some($sealed.sha256.to_vec()),
            file_enc_sha256: $sealed.enc_sha256.map(|hash| hash.to_vec()),
            file_length: Some($sealed.size),
            media_key: $sealed.key.map(|key| key.to_vec()),
            media_key_timestamp: $sealed.key.map(|_key| clock::unix_millis() / 1_000),
            context_info: $context,
            $($more)*
            ..Default::default()
        }
    };
}

fn attached(
    kind: MediaKind,
    file: &File,
    sealed: &Sealed,
    context: MessageField<wa::ContextInfo>,
) -> wa::Message {
    let usual = kind.usual_mime();
    let mut message = wa::Message::default();
    match kind {
        MediaKind::Image => {
            message.image_message =
                MessageField::some(attachment!(ImageMessage, file, sealed, usual, context, {
                    caption: file.caption.clone(),
                }));
        }
        MediaKind::Video => {
            message.video_message =
                MessageField::some(attachment!(VideoMessage, file, sealed, usual, context, {
                    caption: file.caption.clone(),
                    seconds: file.seconds,
                }));
        }
        MediaKind::Audio | MediaKind::Voice => {
            message.audio_message =
                MessageField::some(attachment!(AudioMessage, file, sealed, usual, context, {
                    seconds: file.seconds,
                    ptt: Some(kind == MediaKind::Voice),
                }));
        }
        MediaKind::Document => {
            message.document_message =
                MessageField::some(attachment!(DocumentMessage, file, sealed, usual, context, {
                    caption: file.caption.clone(),
                    file_name: file.file_name.clone(),
                    title: file.file_name.clone(),
                }));
        }
        MediaKind::Sticker => {
            message.sticker_message =
                MessageField::some(attachment!(StickerMessage, file, sealed, usual, context, {}));
        }
    }
    message
}

fn located(place: &Location, context_info: MessageField<wa::ContextInfo>) -> wa::Message {
    wa::Message {
        location_message: MessageField::some(message::LocationMessage {
            degrees_latitude: Some(place.latitude),
            degrees_longitude: Some(place.longitude),
            name: place.name.clone(),
            address: place.address.clone(),
            context_info,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// One card as such, several as a stack of them, as phones do.
fn introduced(contacts: &[Contact], context_info: MessageField<wa::ContextInfo>) -> wa::Message {
    let card = |contact: &Contact| message::ContactMessage {
        display_name: Some(contact.name.clone()),
        vcard: Some(contact.vcard.clone()),
        ..Default::default()
    };
    if let [contact] = contacts {
        let card = message::ContactMessage { context_info, ..card(contact) };
        return wa::Message { contact_message: MessageField::some(card), ..Default::default() };
    }
    wa::Message {
        contacts_array_message: MessageField::some(message::ContactsArrayMessage {
            display_name: Some(format!("{} contacts", contacts.len())),
            contacts: contacts.iter().map(card).collect(),
            context_info,
        }),
        ..Default::default()
    }
}
