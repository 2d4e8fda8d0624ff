//! What a caller wants to send (contract C.21), made into what is sent: one destination, one mode, and
//! nothing that WhatsApp would refuse.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use ramal_domain::{
    Button, Buttons, Content, Header, Media, MediaKind, MediaSource, Menu, Peer, PhoneNumber,
    Provider,
};
use ramal_meta::compose;
use serde_json::Value;

use crate::{AppError, Refusal};

/// Longest text on a QR-paired number, in characters: what WhatsApp's own apps allow.
const WEB_TEXT_MAX: usize = 65_536;
/// Longest address of media.
const LINK_MAX: usize = 2_000;

/// A message that a caller wants to send.
#[derive(Clone, Debug, Default)]
pub struct OutgoingMessage {
    /// The recipient: E.164 with or without `+`, or, from an official number, the id that Meta gives a
    /// business for a user.
    pub to: String,
    /// The text, or the words below media.
    pub text: Option<String>,
    /// An address, or a data URI in base64.
    pub media: Option<String>,
    /// `image`, `video`, `document`, `audio`, `voice`, `sticker`; `image` when absent.
    pub media_type: Option<String>,
    /// What a document is called. An extension of ours.
    pub file_name: Option<String>,
    /// A template's id or name, or `name:language`.
    pub template: Option<String>,
    /// What the template is filled in with.
    pub variables: BTreeMap<String, String>,
    /// What stands above buttons: `text`, `image`, `video` or `document`, and what it is.
    pub header: Option<(String, String)>,
    /// What stands below buttons or a menu.
    pub footer: Option<String>,
    /// The buttons below the text.
    pub buttons: Vec<WishedButton>,
    /// The menu below the text.
    pub list: Option<Menu>,
    /// Whether what this answers is marked as read; as the number's settings say when absent.
    pub mark_read: Option<bool>,
}

/// A button that a caller wants.
#[derive(Clone, Debug)]
pub struct WishedButton {
    /// `reply`, `url`, `call` or `copy`.
    pub kind: String,
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub url: Option<String>,
}

/// What is sent, but for templates, which must be looked up.
#[derive(Debug)]
pub(crate) enum Ready {
    Content(Content, Option<Bytes>),
    Template { name: String, header: Option<(Media, Option<Bytes>)> },
}

impl OutgoingMessage {
    /// The recipient.
    pub(crate) fn recipient(&self, provider: Provider) -> Result<Peer, AppError> {
        if provider == Provider::Meta && is_user_id(&self.to) {
            return Ok(Peer::Jid(self.to.clone()));
        }
        let phone: PhoneNumber = self
            .to
            .parse()
            .map_err(|error| AppError::invalid(format!("destinationNumber: {error}")))?;
        Ok(Peer::Phone(phone))
    }

    /// What is sent from a number of `provider`.
    pub(crate) fn ready(&self, provider: Provider) -> Result<Ready, AppError> {
        self.check_modes()?;
        let ready = match (provider, &self.template) {
            (_, Some(name)) => self.template(name)?,
            (Provider::Web, None) => Ready::Content(self.web()?, None),
            (Provider::Meta, None) => self.meta()?,
        };
        if let Ready::Content(content, _) = &ready {
            let written = serde_json::to_value(content);
            if written.map_or(true, |written| has_nul(&written)) {
                return Err(AppError::invalid("texts have no NUL characters"));
            }
            if provider == Provider::Meta {
                check_meta(content)?;
            }
        }
        Ok(ready)
    }

    fn check_modes(&self) -> Result<(), AppError> {
        let modes = [
            ("templateId", self.template.is_some()),
            ("buttons", !self.buttons.is_empty()),
            ("list", self.list.is_some()),
        ];
        let mut chosen = modes.iter().filter(|(_, is)| *is);
        if let (Some((first, _)), Some((second, _))) = (chosen.next(), chosen.next()) {
            return Err(AppError::invalid(format!("send {first} or {second}, not both")));
        }
        if self.list.is_some() && (self.media.is_some() || self.header.is_some()) {
            return Err(AppError::invalid("a list goes with text and footer only"));
        }
        if self.template.is_some() && self.text.is_some() {
            return Err(AppError::invalid("send templateId or text, not both"));
        }
        if self.buttons.is_empty() && self.header.is_some() {
            return Err(AppError::invalid("header goes with buttons"));
        }
        if self.buttons.is_empty() && self.list.is_none() && self.footer.is_some() {
            return Err(AppError::invalid("footer goes with buttons or a list"));
        }
        Ok(())
    }

    fn text(&self) -> Result<String, AppError> {
        self.text.clone().ok_or_else(|| AppError::invalid("text is required"))
    }

    /// A QR-paired number sends texts, so far.
    fn web(&self) -> Result<Content, AppError> {
        let more = [
            ("media", self.media.is_some()),
            ("buttons", !self.buttons.is_empty()),
            ("list", self.list.is_some()),
        ];
        if let Some((field, _)) = more.into_iter().find(|(_, sent)| *sent) {
            let sentence = format!("{field} is not supported yet on QR-paired numbers: send text");
            return Err(Refusal::NotSupported(sentence).into());
        }
        let body = self.text()?;
        let length = body.chars().count();
        if length == 0 || length > WEB_TEXT_MAX {
            return Err(AppError::invalid(format!("text has 1 to {WEB_TEXT_MAX} characters")));
        }
        Ok(Content::Text { body })
    }

    /// A template is filled in by whoever can look it up; the media are for its place for them.
    fn template(&self, name: &str) -> Result<Ready, AppError> {
        let header = self.media.as_deref().map(|media| self.read_media(media)).transpose()?;
        Ok(Ready::Template { name: name.to_owned(), header })
    }

    fn meta(&self) -> Result<Ready, AppError> {
        if let Some(menu) = &self.list {
            let menu = Menu { body: self.text()?, footer: self.footer.clone(), ..menu.clone() };
            return Ok(Ready::Content(Content::List(menu), None));
        }
        if !self.buttons.is_empty() {
            return self.buttons();
        }
        let Some(media) = &self.media else {
            return Ok(Ready::Content(Content::Text { body: self.text()? }, None));
        };
        let (media, bytes) = self.read_media(media)?;
        let caption = self.text.clone();
        Ok(Ready::Content(Content::Media(Media { caption, ..media }), bytes))
    }

    fn buttons(&self) -> Result<Ready, AppError> {
        let (header, bytes) = match (&self.header, &self.media) {
            (Some(_), Some(_)) => return Err(AppError::invalid("send header or media, not both")),
            (None, None) => (None, None),
            (None, Some(media)) => {
                let (media, bytes) = self.read_media(media)?;
                (Some(Header::Media(media)), bytes)
            }
            (Some((kind, text)), None) if kind == "text" => {
                (Some(Header::Text(text.clone())), None)
            }
            (Some((kind, media)), None) => {
                let kind = media_kind(kind).filter(|kind| {
                    matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document)
                });
                let kind = kind.ok_or_else(|| {
                    AppError::invalid("header.type is text, image, video or document")
                })?;
                let (media, bytes) = read_media("header.content", media, kind, None)?;
                (Some(Header::Media(media)), bytes)
            }
        };
        let buttons = self.buttons.iter().map(WishedButton::ready).collect::<Result<_, _>>()?;
        let footer = self.footer.clone();
        let content = Content::Buttons(Buttons { header, body: self.text()?, footer, buttons });
        Ok(Ready::Content(content, bytes))
    }

    fn read_media(&self, media: &str) -> Result<(Media, Option<Bytes>), AppError> {
        let kind = match &self.media_type {
            None => MediaKind::Image,
            Some(name) => media_kind(name).ok_or_else(|| {
                let kinds = MediaKind::ALL.map(MediaKind::name).join(", ");
                AppError::invalid(format!("mediaType is one of {kinds}"))
            })?,
        };
        read_media("media", media, kind, self.file_name.clone())
    }
}

impl WishedButton {
    fn ready(&self) -> Result<Button, AppError> {
        let label = self.label.clone();
        match (self.kind.as_str(), &self.url) {
            // What comes back names the button by what it says.
            ("reply", _) => Ok(Button::Reply { id: label.clone(), label }),
            ("url", Some(url)) => Ok(Button::Url { label, url: url.clone() }),
            ("url", None) => Err(AppError::invalid("a button of type url needs url")),
            ("call" | "copy", _) => {
                let sentence = "Meta has call and copy buttons in templates only";
                Err(Refusal::NotSupported(sentence.to_owned()).into())
            }
            _ => Err(AppError::invalid("a button's type is reply, url, call or copy")),
        }
    }
}

pub(crate) fn check_meta(content: &Content) -> Result<(), AppError> {
    compose::check(content).map_err(|error| AppError::invalid(error.to_string()))
}

/// Whether a QR-paired number sends what a template came to.
pub(crate) fn check_web(content: &Content) -> Result<(), AppError> {
    if matches!(content, Content::Text { .. }) {
        return Ok(());
    }
    let sentence = "templates with media or buttons are not supported yet on QR-paired numbers";
    Err(Refusal::NotSupported(sentence.to_owned()).into())
}

fn media_kind(name: &str) -> Option<MediaKind> {
    MediaKind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn read_media(
    field: &str,
    media: &str,
    kind: MediaKind,
    file_name: Option<String>,
) -> Result<(Media, Option<Bytes>), AppError> {
    let media_of = |source| Media { kind, source, caption: None, file_name };
    let Some(data) = media.strip_prefix("data:") else {
        let address = media.starts_with("https://") || media.starts_with("http://");
        if !address || media.len() > LINK_MAX || media.contains(char::is_whitespace) {
            let sentence = format!("{field} is an http(s) address or a data URI in base64");
            return Err(AppError::invalid(sentence));
        }
        return Ok((media_of(MediaSource::Link(media.to_owned())), None));
    };
    let wrong = || AppError::invalid(format!("{field} is no data URI in base64"));
    let (mime, base64) = data.split_once(";base64,").ok_or_else(wrong)?;
    let bytes = BASE64.decode(base64).map_err(|_malformed| wrong())?;
    let max = compose::size_max(kind);
    if bytes.is_empty() || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        let sentence = format!("{field}: a file of this type has 1 to {max} bytes");
        return Err(AppError::invalid(sentence));
    }
    let source = MediaSource::Stored { mime: mime.to_owned() };
    Ok((media_of(source), Some(bytes.into())))
}

/// What Meta calls a business-scoped user id (BSUID), such as `BR.13491208655302741918`.
fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text in it has a NUL, which PostgreSQL does not take.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> OutgoingMessage {
        OutgoingMessage {
            to: "+5511999999999".to_owned(),
            text: Some(body.to_owned()),
            ..OutgoingMessage::default()
        }
    }

    #[test]
    fn a_user_id_of_metas_is_a_recipient_of_official_numbers_only() {
        for id in ["BR.13491208655302741918", "US.ENT.abc123"] {
            let message = OutgoingMessage { to: id.to_owned(), ..text("x") };
            assert_eq!(message.recipient(Provider::Meta).unwrap(), Peer::Jid(id.to_owned()));
            assert!(message.recipient(Provider::Web).is_err(), "{id}");
        }
        for id in ["br.1", "BRA.1", "BR.", "BR.a b"] {
            let message = OutgoingMessage { to: id.to_owned(), ..text("x") };
            assert!(message.recipient(Provider::Meta).is_err(), "{id}");
        }
    }

    #[test]
    fn media_are_an_address_or_bytes() {
        let bytes = "data:image/png;base64,AAEC";
        let message = OutgoingMessage { media: Some(bytes.to_owned()), ..text("caption") };
        let Ready::Content(Content::Media(media), Some(bytes)) =
            message.ready(Provider::Meta).unwrap()
        else {
            panic!("no media");
        };
        assert_eq!((media.caption.as_deref(), bytes.as_ref()), (Some("caption"), &[0, 1, 2][..]));
        for wrong in ["data:image/png,abc", "data:image/png;base64,***", "ftp://x/y", "C:\\a.png"] {
            let message = OutgoingMessage { media: Some(wrong.to_owned()), ..text("x") };
            assert!(message.ready(Provider::Meta).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_mode_at_a_time_and_no_nul() {
        let both = OutgoingMessage { template: Some("hello".to_owned()), ..text("x") };
        assert!(both.ready(Provider::Meta).is_err());
        let header = OutgoingMessage { header: Some(("text".into(), "x".into())), ..text("x") };
        assert!(header.ready(Provider::Meta).is_err());
        for provider in [Provider::Meta, Provider::Web] {
            assert!(text("a\0b").ready(provider).is_err());
            assert!(text("\\u0000 is no NUL").ready(provider).is_ok(), "only a real one");
        }
    }
}
