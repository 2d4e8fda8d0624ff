//! Files: uploading, looking up, downloading, deleting.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{GraphError, MESSAGING, Reply, Request, json_response, rules};
use crate::{
    GraphServer, ids,
    state::{Media, State, Token},
};

/// Where files are downloaded.
pub(crate) const DOWNLOADS: &str = "/whatsapp_business/attachments";
const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long a file's address is good.
const LINK_MILLIS: i64 = 5 * 60 * 1000;
const MEGABYTE: usize = 1024 * 1024;

/// The largest file of a type, or nothing when the type is not taken.
fn limit(mime: &str) -> Option<usize> {
    let mime = mime.split(';').next().unwrap_or_default().trim();
    match mime {
        "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" | "audio/opus" => {
            Some(16 * MEGABYTE)
        }
        "image/jpeg" | "image/png" => Some(5 * MEGABYTE),
        "image/webp" => Some(MEGABYTE / 2),
        "video/mp4" | "video/3gpp" => Some(16 * MEGABYTE),
        "text/plain"
        | "application/pdf"
        | "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-powerpoint"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        | "application/vnd.openxmlformats-officedocument.presentationml.presentation" => {
            Some(100 * MEGABYTE)
        }
        _ => None,
    }
}

pub(crate) fn upload(state: &mut State, request: &Request) -> Result<Reply, GraphError> {
    super::messages::check_product(request)?;
    let Some(file) = &request.file else {
        return Err(GraphError::parameter("The parameter file is required."));
    };
    let mime = request.param("type").or_else(|| file.content_type.clone()).unwrap_or_default();
    let Some(limit) = limit(&mime) else {
        return Err(GraphError::parameter(format!(
            "Param file must be a file of a supported type. Received file of type '{mime}'."
        )));
    };
    if file.content_type.as_ref().is_some_and(|own| *own != mime) {
        let details = "The type of the file is not the type that was given.";
        return Err(GraphError::cloud(131_053, details));
    }
    if file.bytes.is_empty() || file.bytes.len() > limit {
        let details = format!("The file must be of 1 to {limit} bytes.");
        return Err(GraphError::cloud(131_053, details));
    }
    let media = Media {
        id: state.mint_id(),
        phone_id: request.segment(0).to_owned(),
        mime_type: mime,
        bytes: file.bytes.clone(),
        filename: file.filename.clone(),
        expires_at: state.clock.millis() + 30 * DAY,
        links: BTreeMap::new(),
    };
    let answer = json!({ "id": media.id });
    state.media.insert(media.id.clone(), media);
    Ok(Reply::Json(answer))
}

/// Keeps a file that a person has sent.
pub(crate) fn keep(state: &mut State, phone_id: &str, mime: &str, bytes: Vec<u8>) -> String {
    let id = state.mint_id();
    let media = Media {
        id: id.clone(),
        phone_id: phone_id.to_owned(),
        mime_type: mime.to_owned(),
        bytes,
        filename: None,
        expires_at: state.clock.millis() + 7 * DAY,
        links: BTreeMap::new(),
    };
    state.media.insert(id.clone(), media);
    id
}

/// A fresh address of a file.
pub(crate) fn link(state: &mut State, id: &str, base: &str) -> String {
    let until = state.clock.millis() + LINK_MILLIS;
    let hash = ids::nonce();
    if let Some(media) = state.media.get_mut(id) {
        media.links.insert(hash.clone(), until);
    }
    format!("{base}{DOWNLOADS}/?mid={id}&ext={}&hash={hash}", until / 1000)
}

pub(crate) fn node(
    state: &mut State,
    request: &Request,
    token: &Token,
    server: &GraphServer,
) -> Result<Reply, GraphError> {
    let id = request.segment(0).to_owned();
    let unknown = || GraphError::unknown_object(&request.verb(), &id);
    let now = state.clock.millis();
    let media = state.media.get(&id).filter(|media| media.expires_at > now).ok_or_else(unknown)?;
    if request.param("phone_number_id").is_some_and(|phone| phone != media.phone_id) {
        return Err(unknown());
    }
    allow(state, token, media, request)?;
    match (request.segment(1), &request.method) {
        ("", &Method::GET) => {}
        ("", &Method::DELETE) => {
            state.media.remove(&id);
            return Ok(Reply::success());
        }
        (edge, _) => return Err(super::unsupported(request, edge)),
    }
    let shown = json!({
        "messaging_product": "whatsapp",
        "mime_type": media.mime_type,
        "sha256": hex::encode(Sha256::digest(&media.bytes)),
        "file_size": media.bytes.len().to_string(),
        "id": id,
    });
    let mut shown = shown.as_object().cloned().unwrap_or_default();
    shown.insert("url".into(), json!(link(state, &id, &server.graph_url())));
    Ok(Reply::Json(shown.into()))
}

fn allow(state: &State, token: &Token, media: &Media, request: &Request) -> Result<(), GraphError> {
    let number = state.numbers.get(&media.phone_id);
    let waba = number.map(|number| number.waba_id.as_str()).unwrap_or_default();
    rules::allow(token, MESSAGING, waba, (request, &media.id))
}

/// Answers a download; refusals have no body.
pub(crate) fn download(state: &State, query: &str, bearer: Option<&str>) -> Response {
    let params: BTreeMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let refused = |status| json_response(status, &json!({}));
    let now = state.clock.millis();
    let (Some(id), Some(hash)) = (params.get("mid"), params.get("hash")) else {
        return refused(StatusCode::NOT_FOUND);
    };
    let token = bearer.and_then(|bearer| state.tokens.get(bearer));
    if token.is_none_or(|token| token.end(now / 1000).is_some()) {
        return refused(StatusCode::UNAUTHORIZED);
    }
    let media = state.media.get(id).filter(|media| media.expires_at > now);
    match media.filter(|media| media.links.get(hash).is_some_and(|until| *until > now)) {
        None => refused(StatusCode::NOT_FOUND),
        Some(media) => {
            let bytes = Bytes::from(media.bytes.clone());
            Reply::File { mime_type: media.mime_type.clone(), bytes }.into_response()
        }
    }
}
