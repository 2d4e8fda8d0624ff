//! One template: what it says, its preview, its versions, and everything that is done to it.

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use ramal_app::AppError;
use ramal_domain::Timestamp;
use ramal_store::TemplateVersion;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer::{PageError, after, sentence},
    frame::{Frame, Section},
    session::{Posted, SignedIn},
    templates::{Form, Given, TemplateTexts, labels},
    texts::Done,
};
use crate::{
    Web,
    extract::{Path, Query},
};

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/templates/{id}", get(look).post(change))
        .route("/templates/{id}/delete", post(delete))
}

/// One version in the history.
#[derive(Debug)]
struct Line {
    number: i64,
    current: bool,
    at: Timestamp,
    author: String,
    text: String,
    footer: Option<String>,
    media: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/template.html")]
struct TemplatePage {
    frame: Frame,
    texts: &'static TemplateTexts,
    id: String,
    name: String,
    category: &'static str,
    version: i64,
    updated_at: Timestamp,
    form: Form,
    /// The old version whose text is in the form.
    taken: Option<String>,
    history: Vec<Line>,
    curl: String,
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The old version to show in the form.
    #[serde(default)]
    version: String,
}

async fn look(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    render(&web, &by, &headers, &id, &wanted, None).await
}

/// The page; with what was typed and why it was refused, when it comes back.
async fn render(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    id: &str,
    wanted: &Wanted,
    again: Option<(Given, String)>,
) -> Result<Response, PageError> {
    let texts = TemplateTexts::of(by.language);
    let template = web.app.own_template(&by.caller, id).await?;
    let versions = web.app.template_versions(&by.caller, template.id).await?;
    let old = versions.iter().find(|version| {
        version.number.to_string() == wanted.version && version.number != template.latest.number
    });
    let shown = old.map_or(&template.latest.content, |version| &version.content);
    let path = format!("/templates/{}", template.id);
    let (given, problem) = match again {
        Some((given, problem)) => (given, Some(problem)),
        None => (Given::of(&template.name, template.category, shown), None),
    };
    let page = TemplatePage {
        frame: Frame::new(web, by, Section::Templates, &path, headers),
        taken: old.map(|version| texts.taken.replace("{n}", &version.number.to_string())),
        form: Form {
            problem,
            buttons: labels(&template.latest.content.buttons),
            ..Form::new(path, given, by)
        },
        curl: curl(web.app.public_url(), &template),
        history: versions.iter().map(|version| line(version, template.latest.number)).collect(),
        id: template.id.to_string(),
        category: texts.category_words(template.category),
        version: template.latest.number,
        updated_at: template.updated_at,
        name: template.name,
        texts,
    };
    page.frame.answer(web, &page)
}

fn line(version: &TemplateVersion, latest: i64) -> Line {
    let content = &version.content;
    Line {
        number: version.number,
        current: version.number == latest,
        at: version.created_at,
        author: version.author.clone(),
        text: content.text.clone(),
        footer: content.footer.clone(),
        media: content.media.as_ref().map(|media| format!("{}: {}", media.kind.name(), media.url)),
    }
}

/// How a program sends the template.
fn curl(url: &str, template: &ramal_store::Template) -> String {
    let names = template.latest.content.variables().unwrap_or_default();
    let variables: Map<String, Value> =
        names.into_iter().map(|name| (name, Value::String("…".to_owned()))).collect();
    let mut body = json!({"destinationNumber": "+5511999999999", "templateId": template.name});
    if !variables.is_empty()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("variables".to_owned(), Value::Object(variables));
    }
    format!("curl {url}/v1/messages/send -H \"x-api-key: ps_…\" -d '{body}'")
}

async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form: given }: Posted<Given>,
) -> Result<Response, PageError> {
    match web.app.change_template(&by.caller, &id, given.fields()).await {
        Ok(_) => after(&web, by.language, &format!("/templates/{id}"), Ok(()), Done::Saved),
        // What is not there has no form to come back to.
        Err(error) if error.kind() == ramal_app::ErrorKind::NotFound => Err(error.into()),
        Err(error @ AppError::Refused(_)) => {
            let again = Some((given, sentence(&error, by.language)));
            let page = render(&web, &by, &headers, &id, &Wanted::default(), again).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize)]
struct Deletion {
    #[serde(default)]
    name: String,
}

async fn delete(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<Deletion>,
) -> Result<Response, PageError> {
    let template = web.app.own_template(&by.caller, &id).await?;
    if form.name.trim() != template.name {
        return Err(PageError::BadForm(String::new()));
    }
    let deleted = web.app.delete_template(&by.caller, &id).await;
    after(&web, by.language, "/templates", deleted, Done::Deleted)
}
