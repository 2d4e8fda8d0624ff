//! The box that sends a message: what it is filled in with, and what it offers for the number's kind.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher as _},
};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, Multipart, Request, multipart::MultipartError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{StatusCode, header::CONTENT_TYPE};
use ramal_app::{
    AnyTemplate, AppError, Crowd, Destination, Language, OutgoingMessage, Refusal, Scoped,
};
use ramal_domain::{CorrelationId, Link, MediaKind, Provider, Timestamp};

use super::MessagesTexts;
use crate::{
    Web,
    dashboard::{
        answer::{PageError, sentence},
        session::{FORM_TOKEN, Posted, SignedIn, check_upload},
        templates::{Choice, TemplateTexts},
    },
};

/// Most bytes of a file.
const FILE_MAX: usize = 16 * 1024 * 1024;
/// More than a form may have, so that whoever chose a large file is told instead of cut off.
pub(super) const FORM_MAX: usize = 32 * 1024 * 1024;
/// Longest name of a file that is kept, in characters.
const FILE_NAME_MAX: usize = 240;
/// What the names of fields for a template's variables begin with.
const VARIABLE: &str = "var.";

/// What the form sends.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Given {
    /// Another one for each form that is shown: the same form twice is one message.
    pub(super) once: String,
    pub(super) to: String,
    /// A group or channel, where the form asks for one.
    pub(super) crowd: Option<String>,
    pub(super) text: String,
    /// A template, where the form asks for one.
    pub(super) template: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) media: String,
    pub(super) media_type: String,
    pub(super) file_name: String,
    pub(super) deliver_at: String,
    file: Option<File>,
    /// Whether a file was cut off, because it is too large.
    cut_off: bool,
    /// Whether only the fields of a template are asked for.
    pub(super) choosing: bool,
}

/// A file of the person's.
#[derive(Clone, Debug, Hash)]
struct File {
    name: String,
    mime: String,
    bytes: Bytes,
}

/// The form, as an owner has sent it from a page of ours.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) by: SignedIn,
    pub(super) given: Given,
}

impl FromRequest<Web> for Composed {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let posted = Posted::<Vec<(String, String)>>::from_request(request, web).await?;
            let mut given = Given::default();
            for (name, value) in posted.form {
                given.set(&name, value);
            }
            return Ok(Self { by: posted.by, given });
        }
        let (mut parts, body) = request.into_parts();
        let by = SignedIn::from_request_parts(&mut parts, web).await?;
        let headers = parts.headers.clone();
        let form = Multipart::from_request(Request::from_parts(parts, body), web).await;
        let mut form = form.map_err(|rejection| PageError::BadForm(rejection.body_text()))?;
        let mut proven = headers.contains_key(FORM_TOKEN);
        if proven {
            check_upload(&by, &headers, web, None)?;
        }
        let mut given = Given::default();
        while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "form_token" {
                let token = field.text().await.map_err(|error| unreadable(&error))?;
                check_upload(&by, &headers, web, Some(&token))?;
                proven = true;
                continue;
            }
            // Nothing is read of a form that has not proven first where it comes from.
            if !proven {
                return Err(PageError::ForeignForm);
            }
            if name != "file" {
                given.set(&name, field.text().await.map_err(|error| unreadable(&error))?);
                continue;
            }
            let called = field.file_name().unwrap_or_default();
            let called = called.chars().filter(|letter| !letter.is_control()).take(FILE_NAME_MAX);
            let (called, mime) = (called.collect(), field.content_type().unwrap_or_default());
            let mime = mime.to_owned();
            match field.bytes().await {
                Ok(bytes) => given.attach(File { name: called, mime, bytes }),
                Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    // The file is the form's last field.
                    given.cut_off = true;
                    break;
                }
                Err(error) => return Err(unreadable(&error)),
            }
        }
        if proven { Ok(Self { by, given }) } else { Err(PageError::ForeignForm) }
    }
}

fn unreadable(error: &MultipartError) -> PageError {
    PageError::BadForm(error.body_text())
}

impl Given {
    /// An empty form for what an address asks for.
    pub(super) fn asked(crowd: bool, template: Option<&str>) -> Self {
        Self {
            crowd: crowd.then(String::new),
            template: template.map(str::to_owned),
            ..Self::default()
        }
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "once" => self.once = value,
            "to" => self.to = value,
            "crowd" => self.crowd = Some(value),
            // Browsers send two characters for the end of a line.
            "text" => self.text = value.replace("\r\n", "\n"),
            "template" => self.template = Some(value),
            "media" => self.media = value,
            "mediaType" => self.media_type = value,
            "fileName" => self.file_name = value,
            "deliverAt" => self.deliver_at = value,
            "choose" => self.choosing = true,
            name => {
                if let Some(variable) = name.strip_prefix(VARIABLE) {
                    self.variables.insert(variable.to_owned(), value);
                }
            }
        }
    }

    /// A form in which no file was chosen has one without a name.
    fn attach(&mut self, file: File) {
        if !file.name.is_empty() || !file.bytes.is_empty() {
            self.file = Some(file);
        }
    }

    /// What tells this message from all others: the form, and what it says.
    pub(super) fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("dashboard.{}.{:016x}", self.once, hasher.finish())
    }

    /// Whether something is said of media.
    pub(super) fn has_media(&self) -> bool {
        let fields = [&self.media, &self.media_type, &self.file_name];
        self.file.is_some() || self.cut_off || fields.iter().any(|field| !field.is_empty())
    }

    /// Whether it is to wait for its time.
    pub(super) fn is_scheduled(&self) -> bool {
        !self.deliver_at.trim().is_empty()
    }

    /// The moment in a field without a zone, in UTC; where the script knew the zone, there is the instant.
    pub(super) fn deliver_at_field(&self) -> (String, String) {
        let instant = self.deliver_at.parse::<Timestamp>().map(|at| at.to_string());
        let shown = instant.clone().unwrap_or_else(|_as_typed| self.deliver_at.clone());
        (shown.chars().take(16).collect(), instant.unwrap_or_default())
    }

    /// The message that is asked for, or what is wrong with the form.
    pub(super) fn wish(
        &self,
        now: Timestamp,
        texts: &MessagesTexts,
    ) -> Result<OutgoingMessage, &'static str> {
        let deliver_at = self.moment(now, texts)?;
        let (media, media_type, file_name) = self.attachment(texts)?;
        let template = match self.template.as_deref().map(str::trim) {
            Some("") => return Err(texts.no_template),
            template => template.map(str::to_owned),
        };
        if template.is_none() && media.is_none() && self.text.trim().is_empty() {
            return Err(texts.text_needed);
        }
        let text = Some(self.text.clone())
            .filter(|text| template.is_none() && (media.is_none() || !text.is_empty()));
        Ok(OutgoingMessage {
            to: self.destination(texts)?,
            text,
            media,
            media_type,
            file_name,
            template,
            variables: self.variables.clone(),
            deliver_at: deliver_at.map(|at| at.to_string()),
            ..OutgoingMessage::default()
        })
    }

    fn destination(&self, texts: &MessagesTexts) -> Result<Destination, &'static str> {
        match self.crowd.as_deref().map(str::trim) {
            Some("") => Err(texts.no_crowd),
            Some(id) if id.ends_with("@newsletter") => Ok(Destination::Newsletter(id.to_owned())),
            Some(id) => Ok(Destination::Group(id.to_owned())),
            None => {
                // As people write phone numbers.
                let to: String =
                    self.to.chars().filter(|sign| !" -()\u{a0}".contains(*sign)).collect();
                if to.is_empty() { Err(texts.no_person) } else { Ok(Destination::Person(to)) }
            }
        }
    }

    fn moment(
        &self,
        now: Timestamp,
        texts: &MessagesTexts,
    ) -> Result<Option<Timestamp>, &'static str> {
        let written = self.deliver_at.trim();
        if written.is_empty() {
            return Ok(None);
        }
        let zoned = match written.len() {
            16 => format!("{written}:00.000Z"),
            19 => format!("{written}.000Z"),
            _ => written.to_owned(),
        };
        let at: Timestamp = zoned.parse().map_err(|_malformed| texts.no_time)?;
        if at <= now { Err(texts.past) } else { Ok(Some(at)) }
    }

    /// Media, their type, and what a document is called.
    fn attachment(&self, texts: &MessagesTexts) -> Result<Attachment, &'static str> {
        let address = self.media.trim();
        if self.cut_off {
            return Err(texts.file_large);
        }
        let (media, kind, called) = match &self.file {
            Some(_) if !address.is_empty() => return Err(texts.two_media),
            Some(file) if file.bytes.is_empty() => return Err(texts.file_empty),
            Some(file) if file.bytes.len() > FILE_MAX => return Err(texts.file_large),
            Some(file) => {
                let plausible = !file.mime.is_empty() && !file.mime.contains(";base64");
                let mime = if plausible { &file.mime } else { "application/octet-stream" };
                let data = format!("data:{mime};base64,{}", BASE64.encode(&file.bytes));
                (data, kind_of_mime(mime), Some(file.name.clone()))
            }
            None if address.is_empty() => return Ok((None, None, None)),
            None => (address.to_owned(), kind_of_address(address), None),
        };
        let kind = if self.media_type.is_empty() { kind.name() } else { &self.media_type };
        let typed = Some(self.file_name.trim().to_owned()).filter(|name| !name.is_empty());
        let called = typed.or(called).filter(|_| kind == MediaKind::Document.name());
        Ok((Some(media), Some(kind.to_owned()), called))
    }
}

/// Media, their type, and what a document is called.
type Attachment = (Option<String>, Option<String>, Option<String>);

fn kind_of_mime(mime: &str) -> MediaKind {
    match mime.split('/').next().unwrap_or_default() {
        // WhatsApp shows these pictures, and no others.
        "image" if ["image/png", "image/jpeg", "image/webp"].contains(&mime) => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn kind_of_address(address: &str) -> MediaKind {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let Some((_, ending)) = file.rsplit_once('.') else { return MediaKind::Image };
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" | "webp" => MediaKind::Image,
        "mp4" | "3gp" => MediaKind::Video,
        "mp3" | "ogg" | "opus" | "m4a" | "aac" | "amr" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// A template that can be sent.
#[derive(Debug)]
pub(super) struct TemplateChoice {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) footer: Option<String>,
    pub(super) media: Option<&'static str>,
    pub(super) variables: Vec<String>,
}

/// The groups and channels that may be written to.
#[derive(Debug)]
pub(super) struct Crowds {
    pub(super) groups: Vec<Crowd>,
    pub(super) channels: Vec<Crowd>,
}

/// What the form shows.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) given: Given,
    pub(super) problem: Option<String>,
    pub(super) official: bool,
    pub(super) connected: bool,
    /// Where other modes of the form are: text, template, person, crowd.
    pub(super) modes: [String; 4],
    /// Or why they cannot be seen.
    pub(super) crowds: Result<Crowds, String>,
    /// Or why they cannot be seen.
    pub(super) templates: Result<Vec<TemplateChoice>, String>,
    pub(super) kinds: Vec<Choice>,
    /// In UTC, and as an instant.
    pub(super) deliver_at: (String, String),
}

impl Form {
    /// The form for a number. Only what it asks for is looked up.
    pub(super) async fn new(
        web: &Web,
        scoped: &Scoped,
        language: Language,
        mut given: Given,
        problem: Option<String>,
    ) -> Result<Self, AppError> {
        let number = &scoped.number;
        let official = number.provider == Provider::Meta;
        if given.once.is_empty() {
            given.once = CorrelationId::mint().to_string();
        }
        if official {
            given.crowd = None;
        }
        let nothing = Crowds { groups: Vec::new(), channels: Vec::new() };
        let crowds = if given.crowd.is_some() {
            told(crowds(web, scoped).await, language)?
        } else {
            Ok(nothing)
        };
        let templates = if given.template.is_some() {
            told(templates(web, scoped, language).await, language)?
        } else {
            Ok(Vec::new())
        };
        let texts = TemplateTexts::of(language);
        let kinds =
            MediaKind::ALL.map(|kind| Choice { value: kind.name(), words: texts.kind_words(kind) });
        Ok(Self {
            modes: modes(&number.id.to_string(), &given),
            deliver_at: given.deliver_at_field(),
            given,
            problem,
            official,
            connected: number.link == Link::Open,
            crowds,
            templates,
            kinds: kinds.into(),
        })
    }

    /// The template that is chosen.
    pub(super) fn chosen(&self) -> Option<&TemplateChoice> {
        let wanted = self.given.template.as_deref()?;
        self.templates.as_ref().ok()?.iter().find(|choice| choice.value == wanted)
    }

    /// What was typed for a variable.
    pub(super) fn value(&self, variable: &str) -> &str {
        self.given.variables.get(variable).map_or("", String::as_str)
    }

    pub(super) fn is_crowd(&self, id: &str) -> bool {
        self.given.crowd.as_deref() == Some(id)
    }
}

/// What cannot be seen for a reason that a person understands is no reason for an error page.
fn told<T>(found: Result<T, AppError>, language: Language) -> Result<Result<T, String>, AppError> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(error @ AppError::Refused(_)) => Ok(Err(sentence(&error, language))),
        Err(error) => Err(error),
    }
}

async fn crowds(web: &Web, scoped: &Scoped) -> Result<Crowds, AppError> {
    let groups = web.app.list_groups(scoped).await?;
    let channels = web.app.list_newsletters(scoped).await?;
    let writable = |crowds: Vec<Crowd>| crowds.into_iter().filter(|crowd| crowd.writable).collect();
    Ok(Crowds { groups: writable(groups), channels: writable(channels) })
}

async fn templates(
    web: &Web,
    scoped: &Scoped,
    language: Language,
) -> Result<Vec<TemplateChoice>, AppError> {
    let texts = TemplateTexts::of(language);
    let id = scoped.number.id.to_string();
    let found = match web.app.list_templates(&scoped.caller, Some(&id)).await {
        // A number that is not at Meta any more.
        Err(AppError::Refused(Refusal::NumberNotFound)) => Vec::new(),
        found => found?,
    };
    let choice = |template: AnyTemplate| match template {
        AnyTemplate::Own(template) => {
            let content = template.latest.content;
            TemplateChoice {
                variables: content.variables().unwrap_or_default(),
                value: template.name,
                media: None,
                text: content.text,
                footer: content.footer,
            }
        }
        AnyTemplate::Official(template) => TemplateChoice {
            value: template.id(),
            media: template.media.map(|kind| texts.kind_words(kind)),
            variables: once_each(template.variables),
            text: template.text,
            footer: template.footer,
        },
    };
    Ok(found.into_iter().map(choice).collect())
}

fn once_each(names: Vec<String>) -> Vec<String> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// The addresses of the form's other modes.
fn modes(id: &str, given: &Given) -> [String; 4] {
    let address = |crowd: bool, template: bool| {
        let mut query = Vec::new();
        if crowd {
            query.push("to=crowd");
        }
        if template {
            query.push("template=");
        }
        let query = query.join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/numbers/{id}/messages{mark}{query}#send")
    };
    let (crowd, template) = (given.crowd.is_some(), given.template.is_some());
    [address(crowd, false), address(crowd, true), address(false, template), address(true, template)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn texts() -> &'static MessagesTexts {
        MessagesTexts::of(Language::English)
    }

    fn filled(fields: &[(&str, &str)]) -> Given {
        let mut given = Given::default();
        for (name, value) in fields {
            given.set(name, (*value).to_owned());
        }
        given
    }

    #[test]
    fn a_text_to_a_person() {
        let given = filled(&[("to", "+55 (11) 99999-8888"), ("text", "a\r\nb")]);
        let wish = given.wish(NOW, texts()).unwrap();
        assert_eq!(wish.to, Destination::Person("+5511999998888".to_owned()));
        assert_eq!((wish.text.as_deref(), wish.media, wish.deliver_at), (Some("a\nb"), None, None));
    }

    #[test]
    fn a_template_to_a_crowd() {
        let fields =
            [("crowd", "1@newsletter"), ("template", "hello"), ("var.name", "Ana"), ("text", "")];
        let wish = filled(&fields).wish(NOW, texts()).unwrap();
        assert_eq!(wish.to, Destination::Newsletter("1@newsletter".to_owned()));
        assert_eq!((wish.template.as_deref(), wish.text), (Some("hello"), None));
        assert_eq!(wish.variables.get("name").map(String::as_str), Some("Ana"));
    }

    #[test]
    fn what_is_missing_is_said() {
        for (fields, problem) in [
            (vec![("text", "x")], texts().no_person),
            (vec![("crowd", ""), ("text", "x")], texts().no_crowd),
            (vec![("to", "1"), ("template", " ")], texts().no_template),
            (vec![("to", "1"), ("deliverAt", "tomorrow")], texts().no_time),
            (vec![("to", "1"), ("deliverAt", "2020-01-01T00:00")], texts().past),
        ] {
            assert_eq!(filled(&fields).wish(NOW, texts()).err(), Some(problem), "{fields:?}");
        }
    }

    #[test]
    fn moments_are_instants_or_utc() {
        for typed in ["2099-01-02T03:04", "2099-01-02T03:04:00", "2099-01-02T03:04:00.000Z"] {
            let wish = filled(&[("to", "1"), ("text", "x"), ("deliverAt", typed)]);
            let wish = wish.wish(NOW, texts()).unwrap();
            assert_eq!(wish.deliver_at.as_deref(), Some("2099-01-02T03:04:00.000Z"), "{typed}");
        }
        let typed = filled(&[("deliverAt", "2099-01-02T03:04")]);
        assert_eq!(typed.deliver_at_field(), ("2099-01-02T03:04".to_owned(), String::new()));
    }

    #[test]
    fn a_file_or_an_address_and_its_type() {
        let address = filled(&[("to", "1"), ("media", "https://x/a.pdf?b.png"), ("mediaType", "")]);
        let wish = address.wish(NOW, texts()).unwrap();
        assert_eq!(wish.media_type.as_deref(), Some("document"));
        assert_eq!(wish.text, None, "no words are needed");

        let mut file = filled(&[("to", "1"), ("text", "look")]);
        let png =
            File { name: "a.png".to_owned(), mime: "image/png".to_owned(), bytes: "x".into() };
        file.attach(png);
        let wish = file.wish(NOW, texts()).unwrap();
        assert_eq!(wish.media.as_deref(), Some("data:image/png;base64,eA=="));
        assert_eq!((wish.media_type.as_deref(), wish.file_name), (Some("image"), None));
        file.set("media", "https://x/a.png".to_owned());
        assert_eq!(file.wish(NOW, texts()).err(), Some(texts().two_media));
        file.cut_off = true;
        assert_eq!(file.wish(NOW, texts()).err(), Some(texts().file_large));

        let mut none = filled(&[("to", "1"), ("text", "x")]);
        none.attach(File { name: String::new(), mime: String::new(), bytes: Bytes::new() });
        assert_eq!(none.wish(NOW, texts()).unwrap().media, None);
    }

    #[test]
    fn the_same_form_is_one_message_and_another_text_another() {
        let first = filled(&[("once", "a"), ("to", "1"), ("text", "x")]);
        assert_eq!(first.key(), first.clone().key());
        let changed = filled(&[("once", "a"), ("to", "1"), ("text", "y")]);
        let again = filled(&[("once", "b"), ("to", "1"), ("text", "x")]);
        assert_ne!(first.key(), changed.key());
        assert_ne!(first.key(), again.key());
    }
}
