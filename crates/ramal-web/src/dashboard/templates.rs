//! Templates of the tenant's own: the list, and making one. One of them is in `template`.

mod texts;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};
use ramal_app::{AppError, TemplateFields};
use ramal_domain::{Button, MediaKind, TemplateCategory, TemplateContent, Timestamp};
use serde::Deserialize;

pub(super) use self::texts::TemplateTexts;

use super::{
    answer::{PageError, after, sentence},
    frame::{Frame, Section},
    session::{Posted, SignedIn},
    texts::Done,
};
use crate::{
    Web,
    assets::{JAVASCRIPT, asset},
};

const SCRIPT: &str = include_str!("templates/templates.js");
/// How much of a text the list shows, in characters.
const EXCERPT: usize = 90;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/templates", get(list).post(create))
        .route("/templates/new", get(new))
        .route("/assets/templates.js", get(async || asset(JAVASCRIPT, SCRIPT)))
}

/// One line of the list.
#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    category: &'static str,
    language: String,
    excerpt: String,
    version: i64,
    updated_at: Timestamp,
}

#[derive(Template)]
#[template(path = "dashboard/templates.html")]
struct TemplatesPage {
    frame: Frame,
    texts: &'static TemplateTexts,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "dashboard/template_new.html")]
struct NewPage {
    frame: Frame,
    texts: &'static TemplateTexts,
    form: Form,
}

/// One choice of a select.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) words: &'static str,
}

/// What the form sends. An empty field is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) language: String,
    pub(super) text: String,
    pub(super) footer: String,
    pub(super) media: String,
    #[serde(rename = "mediaType")]
    pub(super) media_type: String,
    #[serde(rename = "fileName")]
    pub(super) file_name: String,
}

/// What the form shows.
#[derive(Debug)]
pub(super) struct Form {
    /// Where it is sent.
    pub(super) action: String,
    pub(super) given: Given,
    pub(super) categories: Vec<Choice>,
    pub(super) kinds: Vec<Choice>,
    /// What is shown and not changed here.
    pub(super) buttons: Vec<String>,
    pub(super) problem: Option<String>,
}

impl Form {
    pub(super) fn new(action: String, given: Given, by: &SignedIn) -> Self {
        let texts = TemplateTexts::of(by.language);
        let categories = TemplateCategory::ALL.map(|category| Choice {
            value: category.name(),
            words: texts.category_words(category),
        });
        let kinds =
            MediaKind::ALL.map(|kind| Choice { value: kind.name(), words: texts.kind_words(kind) });
        Self {
            action,
            given,
            categories: categories.into(),
            kinds: kinds.into(),
            buttons: Vec::new(),
            problem: None,
        }
    }
}

impl Given {
    /// What a template says, as the form has it.
    pub(super) fn of(name: &str, category: TemplateCategory, content: &TemplateContent) -> Self {
        let media = content.media.as_ref();
        Self {
            name: name.to_owned(),
            category: category.name().to_owned(),
            language: content.language.clone().unwrap_or_default(),
            text: content.text.clone(),
            footer: content.footer.clone().unwrap_or_default(),
            media: media.map(|media| media.url.clone()).unwrap_or_default(),
            media_type: media.map(|media| media.kind.name().to_owned()).unwrap_or_default(),
            file_name: media.and_then(|media| media.file_name.clone()).unwrap_or_default(),
        }
    }

    /// What is asked for: everything that the form has, so nothing stays by being left out.
    pub(super) fn fields(&self) -> TemplateFields {
        let some = |text: &str| Some(text.to_owned());
        // Browsers send two characters for the end of a line.
        let text = self.text.replace("\r\n", "\n");
        let media = !self.media.trim().is_empty();
        TemplateFields {
            name: some(&self.name),
            category: Some(self.category.clone()).filter(|name| !name.is_empty()),
            language: some(&self.language),
            text: Some(text),
            footer: some(&self.footer),
            media: some(&self.media),
            // The type is always chosen in the form; without media it says nothing.
            media_type: some(&self.media_type).filter(|_| media),
            file_name: some(&self.file_name).filter(|_| media),
            buttons: None,
        }
    }
}

/// What buttons say.
pub(super) fn labels(buttons: &[Button]) -> Vec<String> {
    let label = |button: &Button| match button {
        Button::Reply { label, .. } | Button::Url { label, .. } => label.clone(),
    };
    buttons.iter().map(label).collect()
}

async fn list(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let texts = TemplateTexts::of(by.language);
    let rows = web.app.own_templates(&by.caller).await?.into_iter().map(|template| {
        let content = template.latest.content;
        Row {
            id: template.id.to_string(),
            name: template.name,
            category: texts.category_words(template.category),
            language: content.language.unwrap_or_default(),
            excerpt: excerpt(&content.text),
            version: template.latest.number,
            updated_at: template.updated_at,
        }
    });
    let page = TemplatesPage {
        rows: rows.collect(),
        frame: Frame::new(&web, &by, Section::Templates, "/templates", &headers),
        texts,
    };
    page.frame.answer(&web, &page)
}

/// The beginning of a text, in one line.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(EXCERPT).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

async fn new(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !by.is_owner() {
        return Err(PageError::OwnersOnly);
    }
    let form = Form::new("/templates".to_owned(), Given::default(), &by);
    new_page(&web, &by, &headers, form)
}

fn new_page(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    form: Form,
) -> Result<Response, PageError> {
    let frame = Frame::new(web, by, Section::Templates, "/templates/new", headers);
    let page = NewPage { frame, texts: TemplateTexts::of(by.language), form };
    page.frame.answer(web, &page)
}

async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted { by, form: given }: Posted<Given>,
) -> Result<Response, PageError> {
    match web.app.create_template(&by.caller, given.fields()).await {
        Ok(made) => {
            let path = format!("/templates/{}", made.id);
            after(&web, by.language, &path, Ok(()), Done::Saved)
        }
        Err(error @ AppError::Refused(_)) => {
            let problem = Some(sentence(&error, by.language));
            let form = Form { problem, ..Form::new("/templates".to_owned(), given, &by) };
            let page = new_page(&web, &by, &headers, form)?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_the_beginning_of_a_text() {
        assert_eq!(excerpt("Oi\n {{name}}"), "Oi {{name}}");
        let long = excerpt(&"é".repeat(200));
        assert_eq!(long.chars().count(), EXCERPT + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_form_without_media_says_nothing_of_their_type() {
        let given =
            Given { text: "a\r\nb".to_owned(), media_type: "image".to_owned(), ..Given::default() };
        let fields = given.fields();
        assert_eq!((fields.media.as_deref(), fields.media_type), (Some(""), None));
        assert_eq!(fields.text.as_deref(), Some("a\nb"));
    }
}
