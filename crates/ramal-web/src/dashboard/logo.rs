//! Logos that owners upload (contract C.20): putting one up, and showing it to whoever opens a page.

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Multipart, State,
        multipart::{Field, MultipartError, MultipartRejection},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
    },
};
use ramal_app::{AppError, Refusal, TenantPatch};
use serde_json::{Map, Value, json};

use super::{
    answer::{Flash, PageError, after},
    profile::ProfileTexts,
    session::{FORM_TOKEN, SignedIn, check_upload},
    texts::Done,
};
use crate::{Web, extract::Path};

/// More than a logo may have, so that whoever chose a photo is told instead of cut off.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Longest file name that is given back, in characters.
const FILE_NAME_MAX: usize = 200;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/api/branding/logo", post(upload).layer(DefaultBodyLimit::max(BODY_MAX)))
        .route("/logos/{id}", get(show))
}

/// A picture that came with a form.
struct Picture {
    file_name: String,
    content: Vec<u8>,
}

/// Stores a picture. Scripts get its address; a form without a script also has it used at once, and
/// goes back to its page.
async fn upload(
    State(web): State<Web>,
    by: SignedIn,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, PageError> {
    let form = form.map_err(|rejection| PageError::BadForm(rejection.body_text()))?;
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let is_page = accept.is_some_and(|accept| accept.contains("text/html"));
    let texts = ProfileTexts::of(by.language);
    let stored = match picture(form, &by, &headers, &web).await? {
        Some(picture) => {
            let stored = web.app.upload_logo(&by.caller, picture.content).await;
            stored.map(|stored| (stored, picture.file_name))
        }
        None => Err(no_logo()),
    };
    let (logo, file_name) = match stored {
        Err(AppError::Refused(Refusal::Validation(_))) if is_page => {
            let flash = Flash { problem: true, text: texts.logo_wrong.to_owned() };
            return Ok(flash.to(&web, "/profile"));
        }
        Err(AppError::Refused(Refusal::Validation(_))) => {
            return Err(Refusal::Validation(texts.logo_wrong.to_owned()).into());
        }
        stored => stored?,
    };
    if is_page {
        let fields = Map::from_iter([("logoUrl".to_owned(), Value::from(logo.url))]);
        let patch = TenantPatch { branding: Some(fields), ..TenantPatch::default() };
        let saved = web.app.change_tenant_settings(&by.caller, patch).await;
        return after(&web, by.language, "/profile", saved, Done::Saved);
    }
    let body = json!({
        "url": logo.url, "key": logo.id.to_string(), "mimeType": logo.mime_type,
        "fileName": file_name, "sizeBytes": logo.size_bytes,
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn no_logo() -> AppError {
    Refusal::Validation("a logo is a picture of at most 2 MB".to_owned()).into()
}

/// Reads the picture, once it is proven that a page of ours sends it: by the header, or by the field
/// that comes first. `None` when there is none that can be read.
async fn picture(
    mut form: Multipart,
    by: &SignedIn,
    headers: &HeaderMap,
    web: &Web,
) -> Result<Option<Picture>, PageError> {
    let mut proven = headers.contains_key(FORM_TOKEN);
    if proven {
        check_upload(by, headers, web, None)?;
    }
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
        match field.name() {
            Some("form_token") => {
                let token = field.text().await.map_err(|error| unreadable(&error))?;
                check_upload(by, headers, web, Some(&token))?;
                proven = true;
            }
            Some("file") if !proven => return Err(PageError::ForeignForm),
            Some("file") => return read(field).await,
            _ => {}
        }
    }
    if proven { Ok(None) } else { Err(PageError::ForeignForm) }
}

async fn read(field: Field<'_>) -> Result<Option<Picture>, PageError> {
    let file_name = field.file_name().unwrap_or_default();
    let file_name = file_name.chars().filter(|letter| !letter.is_control()).take(FILE_NAME_MAX);
    let file_name = file_name.collect();
    match field.bytes().await {
        Ok(content) => Ok(Some(Picture { file_name, content: content.to_vec() })),
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &MultipartError) -> PageError {
    PageError::BadForm(error.body_text())
}

/// Shows a picture to whoever has its address, which nobody guesses. It never changes.
async fn show(State(web): State<Web>, Path(id): Path<String>) -> Result<Response, PageError> {
    let logo = web.app.logo(&id).await?.ok_or(PageError::NotFound)?;
    let kind = HeaderValue::try_from(logo.mime_type);
    let kind = kind.map_err(|error| AppError::Internal(Box::new(error)))?;
    let fixed = HeaderValue::from_static;
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (CACHE_CONTROL, fixed("public, max-age=31536000, immutable")),
        (CONTENT_SECURITY_POLICY, fixed("default-src 'none'; sandbox")),
        (HeaderName::from_static("cross-origin-resource-policy"), fixed("cross-origin")),
    ];
    Ok((headers, logo.content).into_response())
}
