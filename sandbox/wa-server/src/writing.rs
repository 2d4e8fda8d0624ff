//! What a phone's user sends, as the control API says it, and how it becomes a message.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::{
    control::ControlError,
    hub::Draft,
    media::{Source, Store},
    number::PhoneNumber,
    phone::{Contact, File, Location, MediaKind, Piece},
};

/// Larger files than WhatsApp's limit for documents are not made up.
const MAX_SIZE: u64 = 2 * 1024 * 1024 * 1024;

/// Where a phone writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// One number.
    Number(PhoneNumber),
    /// A group that the phone is in, by its JID.
    Group(String),
    /// A channel, by its JID; its owner posts.
    Channel(String),
    /// A status that these contacts see.
    Status(Vec<PhoneNumber>),
}

impl Recipient {
    /// Reads a number, or the JID of a group or channel.
    ///
    /// # Errors
    /// [`ControlError`] when it is none of them.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        if text.ends_with("@g.us") {
            return Ok(Self::Group(text.to_owned()));
        }
        if text.ends_with("@newsletter") {
            return Ok(Self::Channel(text.to_owned()));
        }
        Ok(Self::Number(PhoneNumber::parse(text)?))
    }

    /// Attachments in channels are not encrypted.
    fn is_public(&self) -> bool {
        matches!(self, Self::Channel(_))
    }
}

/// What to send: exactly one of all but `quote` and `viewOnce`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Writing {
    /// A text.
    pub text: Option<String>,
    /// A picture.
    pub image: Option<File>,
    /// A film.
    pub video: Option<File>,
    /// A sound file.
    pub audio: Option<File>,
    /// A voice message.
    pub voice: Option<File>,
    /// Any other file.
    pub document: Option<File>,
    /// A sticker.
    pub sticker: Option<File>,
    /// A place.
    pub location: Option<Location>,
    /// Contact cards.
    pub contacts: Option<Vec<Contact>>,
    /// A reaction to a message.
    pub reaction: Option<Reaction>,
    /// A new text for an own message.
    pub edit: Option<Edit>,
    /// The id of an own message that everybody is to lose.
    pub delete: Option<String>,
    /// The id of the message that this one answers.
    pub quote: Option<String>,
    /// Whether it may be seen once only, and on phones only.
    pub view_once: bool,
}

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reaction {
    /// The message's id.
    pub to: String,
    /// The emoji; empty takes the reaction back.
    #[serde(default)]
    pub emoji: String,
}

/// A new text for a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Edit {
    /// The message's id.
    pub of: String,
    /// The new text.
    pub text: String,
}

impl From<&str> for Writing {
    fn from(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }
}

/// One thing to send, before its attachment is in place.
enum Wish {
    Ready(Piece),
    Attachment(MediaKind, File),
}

impl Writing {
    /// Puts the attachment on the media host, if there is one.
    pub(crate) async fn prepare(
        self,
        recipient: &Recipient,
        store: &Arc<Store>,
    ) -> Result<Draft, ControlError> {
        let (quote, once) = (self.quote.clone(), self.view_once);
        let piece = match self.wish()? {
            Wish::Ready(piece) => piece,
            Wish::Attachment(kind, file) => {
                let source = source(&file)?;
                let (store, public) = (Arc::clone(store), recipient.is_public());
                let stored = spawn_blocking(move || {
                    if public {
                        store.publish(&source)
                    } else {
                        store.seal(&source, kind.media_type())
                    }
                });
                let sealed = stored.await.map_err(ControlError::internal)?;
                let sealed = sealed.map_err(ControlError::internal)?;
                // Neither is needed any more, and a message is kept for long.
                let file = File { data: None, ..file };
                Piece::Media { kind, file, sealed: Box::new(sealed) }
            }
        };
        Ok(Draft { piece, quote, once })
    }

    fn wish(self) -> Result<Wish, ControlError> {
        let attachments = [
            (MediaKind::Image, self.image),
            (MediaKind::Video, self.video),
            (MediaKind::Audio, self.audio),
            (MediaKind::Voice, self.voice),
            (MediaKind::Document, self.document),
            (MediaKind::Sticker, self.sticker),
        ];
        let attachments = attachments
            .into_iter()
            .filter_map(|(kind, file)| file.map(|file| Wish::Attachment(kind, file)));
        let pieces = [
            self.text.map(Piece::Text),
            self.location.map(Piece::Location),
            self.contacts.map(|contacts| Piece::Contacts(with_cards(contacts))),
            self.reaction.map(|Reaction { to, emoji }| Piece::Reaction { to, emoji }),
            self.edit.map(|Edit { of, text }| Piece::Edit { of, text }),
            self.delete.map(|id| Piece::Delete { id }),
        ];
        let pieces = pieces.into_iter().flatten().map(Wish::Ready);
        let mut wishes: Vec<Wish> = attachments.chain(pieces).collect();
        match (wishes.pop(), wishes.is_empty()) {
            (Some(wish), true) => Ok(wish),
            _ => Err(ControlError::Body("give exactly one thing to send".to_owned())),
        }
    }
}

fn source(file: &File) -> Result<Source, ControlError> {
    match (&file.data, file.size) {
        (Some(data), None) => STANDARD
            .decode(data)
            .map(Source::Bytes)
            .map_err(|error| ControlError::Body(format!("data is no base64: {error}"))),
        (None, Some(size)) if size <= MAX_SIZE => Ok(Source::Generated { size, seed: file.seed }),
        (None, Some(_)) => Err(ControlError::Body(format!("size is at most {MAX_SIZE}"))),
        (Some(_), Some(_)) | (None, None) => {
            Err(ControlError::Body("a file has either data or size".to_owned()))
        }
    }
}

/// Makes a card for whoever has only a name.
fn with_cards(contacts: Vec<Contact>) -> Vec<Contact> {
    let complete = |contact: Contact| {
        if !contact.vcard.is_empty() {
            return contact;
        }
        let name = &contact.name;
        let vcard = format!("BEGIN:VCARD\nVERSION:3.0\nN:;{name};;;\nFN:{name}\nEND:VCARD");
        Contact { vcard, ..contact }
    };
    contacts.into_iter().map(complete).collect()
}
