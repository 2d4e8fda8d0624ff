//! What a caller wants to send (contract C.21), made into what is sent: one destination, one mode, and
//! nothing that WhatsApp would refuse.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use ramal_domain::{
    Button, Buttons, Content, Header, Media, MediaKind, MediaSource, Menu, Peer, PhoneNumber,
    Place, Provider, Timestamp,
};
use ramal_meta::compose;
use ramal_store::Schedule;
use serde_json::Value;

use crate::{AppError, Refusal};

/// Longest text on a QR-paired number, in characters: what WhatsApp's own apps allow.
const WEB_TEXT_MAX: usize = 65_536;
/// Most bytes of media that a caller hands in with a message from a QR-paired number. What is larger is
/// fetched from an address.
const WEB_DATA_MAX: u64 = 16 * 1024 * 1024;
/// How far ahead a message may be scheduled.
const AHEAD_MAX: Duration = Duration::from_hours(366 * 24);
/// Most labels of a message, and most characters of one.
const LABELS_MAX: usize = 20;
pub(crate) const LABEL_MAX: usize = 64;
/// Most characters of a file's name.
const FILE_NAME_MAX: usize = 240;
/// Longest address of media.
const LINK_MAX: usize = 2_000;

/// A message that a caller wants to send.
#[derive(Clone, Debug, Default)]
pub struct OutgoingMessage {
    /// The recipient.
    pub to: Destination,
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
    /// Not before this moment, as written.
    pub deliver_at: Option<String>,
    /// Not after this moment, as written.
    pub deliver_until: Option<String>,
    /// What the caller calls it.
    pub labels: Vec<String>,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A person: E.164 with or without `+`, or, from an official number, the id that Meta gives a
    /// business for a user.
    Person(String),
    /// A group that the number is in: `…@g.us`.
    Group(String),
    /// A channel that the number owns: `…@newsletter`.
    Newsletter(String),
}

impl Default for Destination {
    fn default() -> Self {
        Self::Person(String::new())
    }
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
        let crowd = |field: &str, text: &str| match Place::read(text, None) {
            _ if !is_crowd_id(text) => None,
            Some(Place::Group { .. }) if field == "groupId" => Some(Peer::Jid(text.to_owned())),
            Some(Place::Newsletter { .. }) if field == "newsletterId" => {
                Some(Peer::Jid(text.to_owned()))
            }
            _ => None,
        };
        let missing = |field: &str, ending: &str| {
            AppError::invalid(format!("{field} is digits followed by {ending}"))
        };
        match &self.to {
            Destination::Group(_) | Destination::Newsletter(_) if provider == Provider::Meta => {
                let sentence = "an official number writes to people, not to groups or channels";
                Err(Refusal::NotSupportedForMeta(sentence).into())
            }
            Destination::Group(id) => {
                crowd("groupId", id).ok_or_else(|| missing("groupId", "@g.us"))
            }
            Destination::Newsletter(id) => {
                crowd("newsletterId", id).ok_or_else(|| missing("newsletterId", "@newsletter"))
            }
            Destination::Person(to) if provider == Provider::Meta && is_user_id(to) => {
                Ok(Peer::Jid(to.clone()))
            }
            Destination::Person(to) => {
                let phone = PhoneNumber::of_provider(provider, to)
                    .map_err(|error| AppError::invalid(format!("destinationNumber: {error}")))?;
                Ok(Peer::Phone(phone))
            }
        }
    }

    /// When it may leave.
    pub(crate) fn schedule(&self, now: Timestamp) -> Result<Schedule, AppError> {
        let time = |field: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
            parsed.map_err(|error| AppError::invalid(format!("{field}: {error}")))
        };
        let not_before = time("deliverAt", &self.deliver_at)?;
        let until = time("deliverUntil", &self.deliver_until)?;
        if not_before.is_some_and(|at| at > now.after(AHEAD_MAX)) {
            return Err(AppError::invalid("deliverAt is at most a year ahead"));
        }
        if until.is_some_and(|until| until <= now.max(not_before.unwrap_or(now))) {
            return Err(AppError::invalid("deliverUntil lies in the future, and after deliverAt"));
        }
        Ok(Schedule { not_before: not_before.filter(|at| *at > now), until })
    }

    /// What the caller calls it.
    pub(crate) fn checked_labels(&self) -> Result<&[String], AppError> {
        if self.labels.len() > LABELS_MAX || !self.labels.iter().all(|label| is_label(label)) {
            let sentence =
                format!("labels has at most {LABELS_MAX} items of 1 to {LABEL_MAX} characters");
            return Err(AppError::invalid(sentence));
        }
        Ok(&self.labels)
    }

    /// What is sent from a number of `provider`.
    pub(crate) fn ready(&self, provider: Provider) -> Result<Ready, AppError> {
        self.check_modes()?;
        let ready = match (provider, &self.template) {
            (_, Some(name)) => self.template(provider, name)?,
            (Provider::Web, None) => self.web()?,
            (Provider::Meta, None) => self.meta()?,
        };
        if let Ready::Content(content, _) = &ready {
            check(content, provider, &self.to)?;
        }
        Ok(ready)
    }

    fn check_modes(&self) -> Result<(), AppError> {
        self.kind()?;
        if self.file_name.as_deref().is_some_and(|name| !is_file_name(name)) {
            let sentence = format!(
                "fileName has 1 to {FILE_NAME_MAX} characters, without slashes and line breaks"
            );
            return Err(AppError::invalid(sentence));
        }
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

    /// A QR-paired number sends texts and media.
    fn web(&self) -> Result<Ready, AppError> {
        let more = [("buttons", !self.buttons.is_empty()), ("list", self.list.is_some())];
        if let Some((field, _)) = more.into_iter().find(|(_, sent)| *sent) {
            let sentence = format!(
                "{field}: WhatsApp delivers it from official numbers only; a QR-paired number sends \
                 texts and media"
            );
            return Err(Refusal::NotSupported(sentence).into());
        }
        let Some(media) = &self.media else {
            let body = self.text()?;
            check_words(&body)?;
            return Ok(Ready::Content(Content::Text { body }, None));
        };
        let (media, bytes) = self.read_media(Provider::Web, media)?;
        let caption = self.text.clone().filter(|text| !text.is_empty());
        if let Some(caption) = &caption {
            check_words(caption)?;
            let kind = media.kind;
            if matches!(kind, MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker) {
                let sentence = format!("there are no words below media of type {}", kind.name());
                return Err(AppError::invalid(sentence));
            }
        }
        Ok(Ready::Content(Content::Media(Media { caption, ..media }), bytes))
    }

    /// A template is filled in by whoever can look it up; the media are for its place for them.
    fn template(&self, provider: Provider, name: &str) -> Result<Ready, AppError> {
        let header = self.media.as_deref().map(|media| self.read_media(provider, media));
        let header = header.transpose()?;
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
        let (media, bytes) = self.read_media(Provider::Meta, media)?;
        let caption = self.text.clone();
        Ok(Ready::Content(Content::Media(Media { caption, ..media }), bytes))
    }

    fn buttons(&self) -> Result<Ready, AppError> {
        let (header, bytes) = match (&self.header, &self.media) {
            (Some(_), Some(_)) => return Err(AppError::invalid("send header or media, not both")),
            (None, None) => (None, None),
            (None, Some(media)) => {
                let (media, bytes) = self.read_media(Provider::Meta, media)?;
                (Some(Header::Media(media)), bytes)
            }
            (Some((kind, text)), None) if kind == "text" => {
                (Some(Header::Text(text.clone())), None)
            }
            (Some((kind, media)), None) => {
                let kind = MediaKind::named(kind).filter(|kind| {
                    matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document)
                });
                let kind = kind.ok_or_else(|| {
                    AppError::invalid("header.type is text, image, video or document")
                })?;
                let (media, bytes) =
                    read_media("header.content", media, kind, None, compose::size_max(kind))?;
                (Some(Header::Media(media)), bytes)
            }
        };
        let buttons = self.buttons.iter().map(WishedButton::ready).collect::<Result<_, _>>()?;
        let footer = self.footer.clone();
        let content = Content::Buttons(Buttons { header, body: self.text()?, footer, buttons });
        Ok(Ready::Content(content, bytes))
    }

    fn kind(&self) -> Result<MediaKind, AppError> {
        self.media_type.as_deref().map_or(Ok(MediaKind::Image), media_kind)
    }

    fn read_media(
        &self,
        provider: Provider,
        media: &str,
    ) -> Result<(Media, Option<Bytes>), AppError> {
        let kind = self.kind()?;
        let max = match provider {
            Provider::Web => WEB_DATA_MAX,
            Provider::Meta => compose::size_max(kind),
        };
        read_media("media", media, kind, self.file_name.clone(), max)
    }
}

fn check_words(words: &str) -> Result<(), AppError> {
    let length = words.chars().count();
    if length == 0 || length > WEB_TEXT_MAX {
        return Err(AppError::invalid(format!("text has 1 to {WEB_TEXT_MAX} characters")));
    }
    if words.trim().is_empty() {
        return Err(AppError::invalid("text is nothing but spaces"));
    }
    Ok(())
}

/// Digits, of old groups with a dash, before what kind of crowd it is.
fn is_crowd_id(text: &str) -> bool {
    let user = text.split('@').next().unwrap_or_default();
    (1..=64).contains(&user.len()) && user.chars().all(|c| c.is_ascii_digit() || c == '-')
}

impl WishedButton {
    /// What is sent.
    pub(crate) fn ready(&self) -> Result<Button, AppError> {
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

/// Whether a number of `provider` sends this there.
pub(crate) fn check(
    content: &Content,
    provider: Provider,
    to: &Destination,
) -> Result<(), AppError> {
    let written = serde_json::to_value(content);
    if written.map_or(true, |written| has_nul(&written)) {
        return Err(AppError::invalid("texts have no NUL characters"));
    }
    match provider {
        Provider::Web => check_web(content, to),
        Provider::Meta => {
            compose::check(content).map_err(|error| AppError::invalid(error.to_string()))
        }
    }
}

fn check_web(content: &Content, to: &Destination) -> Result<(), AppError> {
    let sentence = match (content, to) {
        (Content::Buttons(_) | Content::List(_) | Content::Template(_), _) => {
            "WhatsApp delivers buttons and lists from official numbers only; a QR-paired number sends \
             texts and media"
        }
        (Content::Media(_), Destination::Newsletter(_)) => {
            "channels get texts only from this server"
        }
        (Content::Text { .. } | Content::Media(_), _) => return Ok(()),
    };
    Err(Refusal::NotSupported(sentence.to_owned()).into())
}

/// Reads `mediaType`.
pub(crate) fn media_kind(name: &str) -> Result<MediaKind, AppError> {
    MediaKind::named(name).ok_or_else(|| {
        let kinds = MediaKind::ALL.map(MediaKind::name).join(", ");
        AppError::invalid(format!("mediaType is one of {kinds}"))
    })
}

fn read_media(
    field: &str,
    media: &str,
    kind: MediaKind,
    file_name: Option<String>,
    max: u64,
) -> Result<(Media, Option<Bytes>), AppError> {
    let media_of = |source| Media { kind, source, caption: None, file_name };
    let Some(data) = without_scheme(media, "data:") else {
        let address = ["https://", "http://"].into_iter();
        let address = address.into_iter().any(|scheme| without_scheme(media, scheme).is_some());
        if !address || media.len() > LINK_MAX || media.contains(char::is_whitespace) {
            let sentence = format!("{field} is an http(s) address or a data URI in base64");
            return Err(AppError::invalid(sentence));
        }
        return Ok((media_of(MediaSource::Link(media.to_owned())), None));
    };
    let wrong = || AppError::invalid(format!("{field} is no data URI in base64"));
    let (mime, base64) = data.split_once(";base64,").ok_or_else(wrong)?;
    if !is_media_type(mime) {
        let sentence = format!("{field}: a data URI begins with a media type, such as image/png");
        return Err(AppError::invalid(sentence));
    }
    if !kind.may_be(mime) {
        let sentence = format!("{field}: {mime} is no {}: see mediaType", kind.name());
        return Err(AppError::invalid(sentence));
    }
    let bytes = BASE64.decode(base64).map_err(|_malformed| wrong())?;
    if bytes.is_empty() || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        let sentence = format!("{field}: a file of this type has 1 to {max} bytes");
        return Err(AppError::invalid(sentence));
    }
    let source = MediaSource::Stored { mime: mime.to_owned() };
    Ok((media_of(source), Some(bytes.into())))
}

/// Whether a message can be called so.
pub(crate) fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.chars().count()) && !label.contains('\0')
}

/// What follows a scheme, which may be written in any case.
fn without_scheme<'a>(address: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = address.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Whether this is a name that files have, and no path.
fn is_file_name(name: &str) -> bool {
    let fits = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    (1..=FILE_NAME_MAX).contains(&name.chars().count()) && name.chars().all(fits)
}

/// Whether this is a media type, with parameters or without (RFC 2045, section 5.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(fits)
    };
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let whole = kind.split_once('/').is_some_and(|(top, sub)| is_token(top) && is_token(sub));
    whole && text.len() <= 128 && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
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
            to: Destination::Person("+5511999999999".to_owned()),
            text: Some(body.to_owned()),
            ..OutgoingMessage::default()
        }
    }

    #[test]
    fn media_types_are_read_as_they_are_written() {
        for good in ["image/png", "audio/ogg; codecs=opus", "application/vnd.ms-excel"] {
            assert!(is_media_type(good), "{good}");
        }
        for wrong in
            ["", "png", "image/", "/png", "a\nb", "image/p\0g", "image/png;\r\nx: y", "a b/c"]
        {
            assert!(!is_media_type(wrong), "{wrong:?}");
        }
        assert_eq!(without_scheme("DATA:x", "data:"), Some("x"));
        assert_eq!(without_scheme("dat\u{e9}:", "data:"), None);
        assert!(is_file_name("bill.pdf") && is_file_name(&"x".repeat(240)));
        for wrong in ["", "../x", "a\\b", "a\nb", &"x".repeat(241)] {
            assert!(!is_file_name(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_user_id_of_metas_is_a_recipient_of_official_numbers_only() {
        for id in ["BR.13491208655302741918", "US.ENT.abc123"] {
            let message = OutgoingMessage { to: Destination::Person(id.to_owned()), ..text("x") };
            assert_eq!(message.recipient(Provider::Meta).unwrap(), Peer::Jid(id.to_owned()));
            assert!(message.recipient(Provider::Web).is_err(), "{id}");
        }
        for id in ["br.1", "BRA.1", "BR.", "BR.a b"] {
            let message = OutgoingMessage { to: Destination::Person(id.to_owned()), ..text("x") };
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
