//! `/v1/templates`: what `templateId` of a message may name.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use ramal_app::{AnyTemplate, OfficialTemplate, TemplateFields, WishedButton};
use ramal_domain::{Button, MediaKind, Provider};
use ramal_store::Template;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Done;
use crate::{
    Web,
    body::Body,
    error::ApiError,
    extract::{Authenticated, Path, number_header},
};

pub(crate) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(detail, change, remove))
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Template)]
struct TemplateAnswer {
    /// What `templateId` takes: of an official number's `name:language`.
    #[schema(example = "tpl_01kdhz4q6yf5svj7g2m9n3t8xw")]
    id: String,
    /// What it takes as well.
    #[schema(example = "order-update")]
    name: String,
    /// `UTILITY`, `MARKETING` or `OTP`; of an official number's Meta's word.
    #[schema(example = "UTILITY")]
    category: String,
    /// `PILOT_STATUS`: the tenant's own, for QR-paired numbers. `META`: approved for an official number.
    /// Extension.
    provider: &'static str,
    latest_version: VersionAnswer,
    /// Null of Meta's. Extension.
    #[schema(required = true, format = DateTime)]
    created_at: Option<String>,
    /// Null of Meta's. Extension.
    #[schema(required = true, format = DateTime)]
    updated_at: Option<String>,
}

/// What a template says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TemplateVersion)]
struct VersionAnswer {
    /// Counted from 1, one more for each change of what it says; always 1 of Meta's.
    version: i64,
    #[schema(required = true)]
    language: Option<String>,
    text: String,
    #[schema(required = true)]
    footer: Option<String>,
    /// The address of its media; null of Meta's, which come with the message.
    #[schema(required = true)]
    media: Option<String>,
    #[schema(required = true)]
    media_type: Option<&'static str>,
    #[schema(required = true)]
    file_name: Option<String>,
    buttons: Vec<ButtonAnswer>,
    /// What `variables` must have.
    variables: Vec<String>,
    #[schema(required = true, format = DateTime)]
    created_at: Option<String>,
}

/// A button of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateButton)]
struct ButtonAnswer {
    /// `reply` or `url`; of Meta's also others.
    #[serde(rename = "type")]
    kind: String,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<AnyTemplate> for TemplateAnswer {
    fn from(template: AnyTemplate) -> Self {
        match template {
            AnyTemplate::Own(template) => template.into(),
            AnyTemplate::Official(template) => template.into(),
        }
    }
}

impl From<Template> for TemplateAnswer {
    fn from(template: Template) -> Self {
        let version = template.latest;
        let variables = version.content.variables().unwrap_or_default();
        let content = version.content;
        let (url, kind, file_name) = match content.media {
            Some(media) => (Some(media.url), Some(media.kind), media.file_name),
            None => (None, None, None),
        };
        let button = |button| match button {
            Button::Reply { label, .. } => {
                ButtonAnswer { kind: "reply".to_owned(), label, url: None }
            }
            Button::Url { label, url } => {
                ButtonAnswer { kind: "url".to_owned(), label, url: Some(url) }
            }
        };
        Self {
            id: template.id.to_string(),
            name: template.name,
            category: template.category.name().to_owned(),
            provider: Provider::Web.name(),
            latest_version: VersionAnswer {
                version: version.number,
                language: content.language,
                text: content.text,
                footer: content.footer,
                media: url,
                media_type: kind.map(MediaKind::name),
                file_name,
                buttons: content.buttons.into_iter().map(button).collect(),
                variables,
                created_at: Some(version.created_at.to_string()),
            },
            created_at: Some(template.created_at.to_string()),
            updated_at: Some(template.updated_at.to_string()),
        }
    }
}

impl From<OfficialTemplate> for TemplateAnswer {
    fn from(template: OfficialTemplate) -> Self {
        let buttons = template.buttons.into_iter().map(|button| ButtonAnswer {
            kind: button.kind,
            label: button.label,
            url: button.url,
        });
        Self {
            id: format!("{}:{}", template.name, template.language),
            name: template.name,
            category: template.category,
            provider: Provider::Meta.name(),
            latest_version: VersionAnswer {
                version: 1,
                language: Some(template.language),
                text: template.text,
                footer: template.footer,
                media: None,
                media_type: template.media.map(MediaKind::name),
                file_name: None,
                buttons: buttons.collect(),
                variables: template.variables,
                created_at: None,
            },
            created_at: None,
            updated_at: None,
        }
    }
}

/// The templates that can be sent: the tenant's own, by name; those that Meta has approved when the
/// caller acts on an official number.
#[utoipa::path(
    get,
    path = "/templates",
    operation_id = "listTemplates",
    tag = "templates",
    params(("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key would send from", nullable = false)),
    responses((status = 200, description = "By name", body = Vec<TemplateAnswer>)),
    extensions(("x-errors" = json!([
        "NUMBER_NOT_FOUND", "META_CREDENTIALS_INVALID", "META_PERMISSION_MISSING",
        "META_NUMBER_MISMATCH", "META_REFUSED", "UPSTREAM_ERROR", "UPSTREAM_TIMEOUT",
        "PROVIDER_NOT_CONFIGURED"
    ]))),
)]
async fn list(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Json<Vec<TemplateAnswer>>, ApiError> {
    let templates = web.app.list_templates(&caller, number_header(&headers)).await?;
    Ok(Json(templates.into_iter().map(Into::into).collect()))
}

/// One of them, by its id or its name.
#[utoipa::path(
    get,
    path = "/templates/{id}",
    operation_id = "getTemplate",
    tag = "templates",
    params(
        ("id" = String, Path, description = "The template's id or name", example = "order-update"),
        ("x-whatsapp-number-id" = Option<String>, Header, description = "The number that a tenant's key would send from", nullable = false),
    ),
    responses((status = 200, description = "The template", body = TemplateAnswer)),
    extensions(("x-errors" = json!([
        "TEMPLATE_NOT_FOUND", "NUMBER_NOT_FOUND", "META_CREDENTIALS_INVALID",
        "META_PERMISSION_MISSING", "META_NUMBER_MISMATCH", "META_REFUSED", "UPSTREAM_ERROR",
        "UPSTREAM_TIMEOUT", "PROVIDER_NOT_CONFIGURED"
    ]))),
)]
async fn detail(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<TemplateAnswer>, ApiError> {
    Ok(Json(web.app.get_template(&caller, number_header(&headers), &id).await?.into()))
}

/// A button of a template.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WishedTemplateButton)]
struct ButtonBody {
    /// `reply` or `url`.
    #[serde(rename = "type")]
    #[schema(example = "reply")]
    kind: String,
    #[schema(min_length = 1, max_length = 20)]
    label: String,
    /// With `url`.
    #[schema(max_length = 2000)]
    url: Option<String>,
}

/// A template to be made. Each of its texts may have variables, `{{name}}`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateTemplate)]
#[expect(dead_code, reason = "the shape is for the document only: a new template needs a name")]
struct CreateBody {
    /// What it is sent by.
    #[schema(max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$", example = "order-update")]
    name: String,
    #[serde(flatten)]
    fields: FieldsBody,
}

/// What a template is for and what it says: what is absent stays, null takes it away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TemplateFields)]
struct FieldsBody {
    #[schema(
        max_length = 100,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        example = "order-update",
        nullable = false
    )]
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    /// `UTILITY` (of a new one, when absent), `MARKETING` or `OTP`.
    #[schema(example = "UTILITY", nullable = false)]
    #[serde(default, deserialize_with = "present")]
    category: Option<String>,
    /// For people.
    #[schema(max_length = 16, pattern = "^[A-Za-z0-9_-]*$", example = "pt_BR")]
    #[serde(default, deserialize_with = "cleared")]
    language: Option<String>,
    /// The text, or the words below media.
    #[schema(max_length = 4096)]
    #[serde(default, deserialize_with = "cleared")]
    text: Option<String>,
    /// The last line.
    #[schema(max_length = 60)]
    #[serde(default, deserialize_with = "cleared")]
    footer: Option<String>,
    /// An http(s) address, fetched when a message is sent. A message's own `media` take its place.
    #[schema(max_length = 2000)]
    #[serde(default, deserialize_with = "cleared")]
    media: Option<String>,
    /// `image` (the default), `video`, `document`, `audio`, `voice` or `sticker`.
    #[serde(default, deserialize_with = "cleared")]
    media_type: Option<String>,
    /// What a document is called.
    #[schema(max_length = 240)]
    #[serde(default, deserialize_with = "cleared")]
    file_name: Option<String>,
    /// At most three.
    #[schema(max_items = 3)]
    #[serde(default, deserialize_with = "cleared")]
    buttons: Option<Vec<ButtonBody>>,
}

/// What cannot be taken away: null is refused.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Tells null, which takes a field away, from an absent one, which leaves it.
fn cleared<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Some(Option::<T>::deserialize(deserializer)?.unwrap_or_default()))
}

impl From<FieldsBody> for TemplateFields {
    fn from(body: FieldsBody) -> Self {
        let button = |it: ButtonBody| WishedButton { kind: it.kind, label: it.label, url: it.url };
        Self {
            name: body.name,
            category: body.category,
            language: body.language,
            text: body.text,
            footer: body.footer,
            media: body.media,
            media_type: body.media_type,
            file_name: body.file_name,
            buttons: body.buttons.map(|all| all.into_iter().map(button).collect()),
        }
    }
}

/// Makes a template for QR-paired numbers. Needs the tenant's key.
#[utoipa::path(
    post,
    path = "/templates",
    operation_id = "createTemplate",
    tag = "templates",
    request_body(content = CreateBody, example = json!({"name": "order-update", "text": "Hi {{name}}, your order {{order}} is on its way.", "footer": "Acme"})),
    responses((status = 201, description = "Made, with its first version", body = TemplateAnswer)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "NUMBER_SCOPE_NOT_ALLOWED", "TEMPLATE_NAME_TAKEN"]))),
)]
async fn create(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    body: Body<FieldsBody>,
) -> Result<(StatusCode, Json<TemplateAnswer>), ApiError> {
    let made = web.app.create_template(&caller, body.value.into()).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a template; when what it says changes, that is another version. Needs the tenant's key.
#[utoipa::path(
    patch,
    path = "/templates/{id}",
    operation_id = "changeTemplate",
    tag = "templates",
    params(("id" = String, Path, description = "The template's id or name", example = "order-update")),
    request_body(content = FieldsBody, example = json!({"text": "Hi {{name}}!", "footer": null})),
    responses((status = 200, description = "As it is now", body = TemplateAnswer)),
    extensions(("x-errors" = json!(["VALIDATION_ERROR", "EMPTY_PATCH", "NUMBER_SCOPE_NOT_ALLOWED", "TEMPLATE_NOT_FOUND", "TEMPLATE_NAME_TAKEN"]))),
)]
async fn change(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body<FieldsBody>,
) -> Result<Json<TemplateAnswer>, ApiError> {
    Ok(Json(web.app.change_template(&caller, &id, body.value.into()).await?.into()))
}

/// Deletes a template. What was accepted for sending is sent all the same. Needs the tenant's key.
#[utoipa::path(
    delete,
    path = "/templates/{id}",
    operation_id = "deleteTemplate",
    tag = "templates",
    params(("id" = String, Path, description = "The template's id or name", example = "order-update")),
    responses((status = 200, description = "Deleted; its name is free again", body = Done)),
    extensions(("x-errors" = json!(["NUMBER_SCOPE_NOT_ALLOWED", "TEMPLATE_NOT_FOUND"]))),
)]
async fn remove(
    State(web): State<Web>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Done>, ApiError> {
    web.app.delete_template(&caller, &id).await?;
    Ok(Json(Done::OK))
}
