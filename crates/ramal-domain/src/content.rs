//! What an outbound message says, in the words of contract C.21. Kept as JSON with the message until it
//! is sent, so that every try says the same.

use serde::{Deserialize, Serialize};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Content {
    /// A text.
    Text {
        /// The text.
        body: String,
    },
    /// A picture, a film, a sound, a file.
    Media(Media),
    /// A template that Meta has approved, filled in.
    Template(FilledTemplate),
    /// A text with buttons.
    Buttons(Buttons),
    /// A text with a menu.
    List(Menu),
}

impl Content {
    /// The kind of message, in contract E.3's words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } | Self::Template(_) | Self::Buttons(_) | Self::List(_) => "text",
            Self::Media(media) => media.kind.event_type(),
        }
    }

    /// The words in it, as events and logs show them.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text { body } => Some(body),
            Self::Media(media) => media.caption.as_deref(),
            Self::Template(template) => Some(&template.preview),
            Self::Buttons(buttons) => Some(&buttons.body),
            Self::List(menu) => Some(&menu.body),
        }
    }

    /// Its media, if it has any.
    pub const fn media(&self) -> Option<&Media> {
        match self {
            Self::Media(media)
            | Self::Buttons(Buttons { header: Some(Header::Media(media)), .. }) => Some(media),
            Self::Template(template) => template.header.as_ref(),
            Self::Text { .. } | Self::Buttons(_) | Self::List(_) => None,
        }
    }
}

/// What kind of media: contract C.21's `mediaType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A file.
    Document,
    /// A sound; shown as a voice message.
    Audio,
    /// A voice message.
    Voice,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Image, Self::Video, Self::Document, Self::Audio, Self::Voice, Self::Sticker];

    /// The name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Sticker => "sticker",
        }
    }

    /// The kind that has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether media that call themselves `mime` can be shown as this. Containers go by several names, and
    /// some servers call everything an octet stream.
    pub fn may_be(self, mime: &str) -> bool {
        let essence = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let unnamed = ["application/octet-stream", "binary/octet-stream"].contains(&&*essence);
        let top = essence.split('/').next().unwrap_or_default();
        let container =
            ["application/ogg", "application/mp4", "video/ogg", "video/mp4", "video/webm"]
                .contains(&&*essence);
        unnamed
            || match self {
                Self::Document => true,
                Self::Image | Self::Sticker => top == "image",
                Self::Video => top == "video" || container,
                Self::Audio | Self::Voice => top == "audio" || container,
            }
    }

    /// The `type` of events: a voice message is `audio` there.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Voice => Self::Audio.name(),
            Self::Image | Self::Video | Self::Document | Self::Audio | Self::Sticker => self.name(),
        }
    }
}

/// Media of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: MediaSource,
    /// The words below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What a document is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

/// Where the bytes of media are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MediaSource {
    /// At an address that can be fetched.
    Link(String),
    /// In our database, beside the message.
    Stored {
        /// Their media type, such as `image/png`.
        mime: String,
    },
}

/// A template of Meta's, filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilledTemplate {
    /// Its name.
    pub name: String,
    /// Its language, such as `pt_BR`.
    pub language: String,
    /// The media of its header, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Media>,
    /// What its header's text is filled in with.
    #[serde(default)]
    pub header_values: Vec<TemplateValue>,
    /// What its body is filled in with, in the order of its variables.
    #[serde(default)]
    pub body_values: Vec<TemplateValue>,
    /// What the addresses of its buttons end with: index of the button, and the ending.
    #[serde(default)]
    pub button_values: Vec<(u32, String)>,
    /// Its body with the values in it, for people.
    pub preview: String,
}

/// One filled-in variable of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateValue {
    /// The variable's name, of templates that name them; `None` where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value.
    pub value: String,
}

/// A text with buttons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "buttons are called so in the contract")]
pub struct Buttons {
    /// What stands above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The text.
    pub body: String,
    /// What stands below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// The buttons.
    pub buttons: Vec<Button>,
}

/// What stands above a text with buttons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Header {
    /// A line.
    Text(String),
    /// A picture, film or document.
    Media(Media),
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Button {
    /// Answers with its label.
    Reply {
        /// What the answer is known by.
        id: String,
        /// What it says.
        label: String,
    },
    /// Opens an address.
    Url {
        /// What it says.
        label: String,
        /// The address.
        url: String,
    },
}

/// A text with a menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Menu {
    /// The text.
    pub body: String,
    /// What stands below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// What the button that opens the menu says.
    pub button_text: String,
    /// The groups of rows.
    pub sections: Vec<MenuSection>,
}

/// A group of rows of a menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuSection {
    /// What stands above the group.
    pub title: String,
    /// The rows.
    pub rows: Vec<MenuRow>,
}

/// A row of a menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MenuRow {
    /// What the answer is known by.
    pub id: String,
    /// What it says.
    pub title: String,
    /// More words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_what_they_call_themselves_or_nothing_in_particular() {
        use MediaKind::{Audio, Document, Image, Sticker, Video, Voice};
        for (kind, mime) in [
            (Image, "image/png"),
            (Sticker, "Image/WebP"),
            (Video, "video/quicktime"),
            (Audio, "video/mp4"),
            (Voice, "audio/ogg; codecs=opus"),
            (Voice, "application/ogg"),
            (Image, "application/octet-stream"),
            (Document, "text/html"),
        ] {
            assert!(kind.may_be(mime), "{kind:?} {mime}");
        }
        for (kind, mime) in [
            (Image, "text/html; charset=utf-8"),
            (Image, "application/pdf"),
            (Video, "image/png"),
            (Sticker, "text/plain"),
            (Audio, "image/png"),
            (Voice, "application/json"),
        ] {
            assert!(!kind.may_be(mime), "{kind:?} {mime}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let media = Media {
            kind: MediaKind::Voice,
            source: MediaSource::Link("https://example.com/a.ogg".to_owned()),
            caption: None,
            file_name: None,
        };
        let button = Button::Reply { id: "1".to_owned(), label: "Yes".to_owned() };
        let contents = [
            Content::Text { body: "Oi".to_owned() },
            Content::Media(media.clone()),
            Content::Buttons(Buttons {
                header: Some(Header::Media(media)),
                body: "Sure?".to_owned(),
                footer: None,
                buttons: vec![button],
            }),
        ];
        for content in contents {
            let text = serde_json::to_string(&content).unwrap();
            assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content, "{text}");
        }
    }

    #[test]
    fn a_voice_message_is_told_as_audio() {
        assert_eq!(MediaKind::Voice.event_type(), "audio");
        for kind in MediaKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
